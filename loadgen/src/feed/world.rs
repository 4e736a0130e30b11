//! The state of a synthetic cluster, and single changes to it.

use std::collections::BTreeSet;

use serde_json::json;

use crate::ledger::Truth;
use crate::protocol::{Fingerprint, LabelFold};
use crate::synth::{GroupPlan, Profile, Slot, Synth, SynthGroup};

/// What one change did: facts in the order they hold, and the jobs whose output must be written again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorldChange {
    /// What became of which target, in order.
    pub facts: Vec<(Truth, Fingerprint)>,
    /// Jobs touched.
    pub jobs: BTreeSet<u32>,
}

impl WorldChange {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Number of facts of one kind.
    pub fn count(&self, kind: Truth) -> usize {
        self.facts.iter().filter(|(truth, _)| *truth == kind).count()
    }
}

/// All groups of a synthetic cluster as they are now; 12 bytes per target and about 40 per group.
#[derive(Debug, Clone)]
pub struct World {
    synth: Synth,
    jobs: Vec<Vec<GroupPlan>>,
    versions: Vec<u64>,
}

impl World {
    /// The cluster before any change.
    pub fn new(synth: Synth) -> Self {
        let plans = |job| (0..synth.job_groups(job)).map(|group| synth.plan(job, group)).collect();
        World { jobs: (0..synth.jobs()).map(plans).collect(), versions: vec![0; synth.jobs() as usize], synth }
    }

    /// What it is made of.
    pub fn synth(&self) -> &Synth {
        &self.synth
    }

    /// Goes up with every change of the job.
    pub fn version(&self, job: u32) -> u64 {
        self.versions[job as usize]
    }

    /// The groups of one job, in order.
    pub fn groups(&self, job: u32) -> impl Iterator<Item = SynthGroup> + '_ {
        self.jobs[job as usize].iter().map(|plan| self.synth.render(plan))
    }

    /// Number of groups of one job.
    pub fn group_count(&self, job: u32) -> u32 {
        self.jobs[job as usize].len() as u32
    }

    /// Slots of one group.
    pub fn slots(&self, job: u32, group: u32) -> &[Slot] {
        &self.jobs[job as usize][group as usize].slots
    }

    /// Number of targets now.
    pub fn target_count(&self) -> u64 {
        self.jobs.iter().flatten().map(|plan| plan.slots.len() as u64).sum()
    }

    /// Fingerprints of all targets of one job.
    pub fn fingerprints(&self, job: u32) -> Vec<Fingerprint> {
        let name = self.synth.job_name(job);
        self.jobs[job as usize].iter().flat_map(|plan| fingerprints(&self.synth, &name, plan)).collect()
    }

    /// Every (job, group, slot index) on one node.
    pub fn on_node(&self, node: u32) -> Vec<(u32, u32, u32)> {
        let plans = self.jobs.iter().flatten();
        plans
            .flat_map(|plan| plan.slots.iter().map(move |slot| (plan.job, plan.group, slot)))
            .filter(|(_, _, slot)| slot.node == node)
            .map(|(job, group, slot)| (job, group, slot.index))
            .collect()
    }

    /// Replaces the pod in a slot: other name, address and node. Where the whole group is one pod (profile `pod`) all its
    /// targets go along. A `node` target only restarts: its labels change, its identity stays.
    pub fn replace_pod(&mut self, job: u32, group: u32, index: u32, node: u32, change: &mut WorldChange) {
        let whole = matches!(self.synth.options().profile, Profile::Pod);
        if self.synth.options().profile == Profile::Node {
            return self.touch_labels(job, group, change);
        }
        self.edit(job, group, change, |plan| {
            for slot in plan.slots.iter_mut().filter(|slot| whole || slot.index == index) {
                (slot.serial, slot.node) = (slot.serial + 1, node);
            }
        });
    }

    /// Changes meta labels of a group's targets only (a new pod template hash, a new change time).
    pub fn touch_labels(&mut self, job: u32, group: u32, change: &mut WorldChange) {
        self.edit(job, group, change, |plan| plan.revision += 1);
    }

    /// Takes a target away.
    pub fn remove(&mut self, job: u32, group: u32, index: u32, change: &mut WorldChange) {
        self.edit(job, group, change, |plan| plan.slots.retain(|slot| slot.index != index));
    }

    /// Brings a removed target back as a new pod on another node (profile `node`: as it was).
    pub fn restore(&mut self, job: u32, group: u32, slot: Slot, change: &mut WorldChange) {
        let serial = slot.serial + u32::from(self.synth.options().profile != Profile::Node);
        self.edit(job, group, change, |plan| {
            plan.slots.push(Slot { serial, ..slot });
            plan.slots.sort_unstable_by_key(|slot| slot.index);
        });
    }

    fn edit(&mut self, job: u32, group: u32, change: &mut WorldChange, edit: impl FnOnce(&mut GroupPlan)) {
        let name = self.synth.job_name(job);
        let plan = &mut self.jobs[job as usize][group as usize];
        let before = fingerprints(&self.synth, &name, plan);
        edit(plan);
        let after = fingerprints(&self.synth, &name, plan);
        let find = |list: &[Fingerprint], id: u64| list.iter().find(|other| other.identity == id).copied();
        let gone = before.iter().filter(|old| find(&after, old.identity).is_none());
        change.facts.extend(gone.map(|old| (Truth::Removed, *old)));
        for new in &after {
            match find(&before, new.identity) {
                None => change.facts.push((Truth::Added, *new)),
                Some(old) if old.content != new.content => change.facts.push((Truth::Updated, *new)),
                Some(_) => {}
            }
        }
        self.versions[job as usize] += 1;
        change.jobs.insert(job);
    }
}

fn fingerprints(synth: &Synth, job: &str, plan: &GroupPlan) -> Vec<Fingerprint> {
    let group = synth.render(plan);
    (0..group.targets.len())
        .map(|index| {
            let merged = group.merged(index);
            let mut fold = LabelFold::default();
            merged.iter().for_each(|(name, value)| fold.add(name, value));
            fold.finish(job, address(&merged))
        })
        .collect()
}

fn address(labels: &[(String, String)]) -> &str {
    labels.iter().find(|(name, _)| name == "__address__").map_or("", |(_, value)| value)
}

/// The JSON of one job as file_sd and http_sd take it.
///
/// These formats know labels per group only, so a target with labels of its own becomes a group of one. A job keeps one
/// entry per place: a target that is gone leaves an empty group, so that the groups behind it keep their index, which is
/// their key.
pub fn job_json(world: &World, job: u32) -> Vec<u8> {
    let mut entries = Vec::new();
    for (number, group) in world.groups(job).enumerate() {
        if !group.targets.is_empty()
            && group.targets.iter().all(|own| own.iter().all(|(name, _)| name == "__address__"))
        {
            let addresses: Vec<&str> = group.targets.iter().map(|own| address(own)).collect();
            entries.push(json!({"targets": addresses, "labels": object(&group.labels)}));
            continue;
        }
        let slots = world.slots(job, number as u32);
        for index in 0..world.synth.group_targets(job, number as u32) {
            let Some(at) = slots.iter().position(|slot| slot.index == index) else {
                entries.push(json!({"targets": [], "labels": {}}));
                continue;
            };
            let merged = group.merged(at);
            let labels = merged.iter().filter(|(name, _)| name != "__address__");
            entries.push(json!({"targets": [address(&merged)], "labels": object(labels)}));
        }
    }
    serde_json::to_vec(&entries).expect("strings in lists and maps always serialize")
}

fn object<'a>(labels: impl IntoIterator<Item = &'a (String, String)>) -> serde_json::Map<String, serde_json::Value> {
    labels.into_iter().map(|(name, value)| (name.clone(), value.clone().into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http_sd::{LabelNames, read_groups};
    use crate::synth::SynthOptions;

    fn mk_world(profile: Profile) -> World {
        World::new(Synth::new(SynthOptions { profile, targets: 60, jobs: 3, ..SynthOptions::default() }).unwrap())
    }

    fn sorted(mut fingerprints: Vec<Fingerprint>) -> Vec<Fingerprint> {
        fingerprints.sort_unstable();
        fingerprints
    }

    fn served(world: &World, job: u32) -> Vec<Fingerprint> {
        let (json, name, mut found) = (job_json(world, job), world.synth().job_name(job), Vec::new());
        read_groups(&json, &name, LabelNames::Utf8, &mut |target| found.push(target)).unwrap();
        sorted(found)
    }

    #[test]
    fn what_is_written_is_what_the_truth_says() {
        for profile in [Profile::Endpointslice, Profile::Pod, Profile::Node, Profile::Static, Profile::UpstreamBench] {
            let world = mk_world(profile);
            assert_eq!(served(&world, 1), sorted(world.fingerprints(1)), "{profile:?}");
            assert_eq!(served(&world, 1).len(), 20);
        }
    }

    type Edit<'a> = &'a dyn Fn(&mut World, &mut WorldChange);

    #[test]
    fn the_truth_follows_every_kind_of_change() {
        for profile in [Profile::Endpointslice, Profile::Pod, Profile::Node, Profile::Static, Profile::UpstreamBench] {
            let mut world = mk_world(profile);
            let mut truth = sorted(world.fingerprints(1));
            let slot = world.slots(1, 0)[0];
            let edits: [Edit<'_>; 4] = [
                &|world, change| world.replace_pod(1, 0, 3, 7, change),
                &|world, change| world.touch_labels(1, 1, change),
                &|world, change| world.remove(1, 0, 0, change),
                &|world, change| world.restore(1, 0, slot, change),
            ];
            for edit in edits {
                let mut change = WorldChange::default();
                edit(&mut world, &mut change);
                assert!(!change.is_empty());
                for (kind, target) in change.facts {
                    truth.retain(|known| known.identity != target.identity);
                    if kind != Truth::Removed {
                        truth.push(target);
                    }
                }
                truth = sorted(truth);
                assert_eq!(truth, sorted(world.fingerprints(1)), "{profile:?}");
                assert_eq!(truth, served(&world, 1), "{profile:?}");
            }
        }
    }

    #[test]
    fn a_removed_target_leaves_its_place() {
        let mut world = mk_world(Profile::Endpointslice);
        let entries = |world: &World| serde_json::from_slice::<Vec<serde_json::Value>>(&job_json(world, 0)).unwrap();
        let before = entries(&world);
        world.remove(0, 0, 4, &mut WorldChange::default());
        let after = entries(&world);
        assert_eq!((before.len(), after.len()), (20, 20));
        assert_eq!(after[4], json!({"targets": [], "labels": {}}));
        assert_eq!(before[5..], after[5..]);
    }

    #[test]
    fn a_node_is_found_with_all_its_targets() {
        let world = mk_world(Profile::Endpointslice);
        let total: usize = (0..50).map(|node| world.on_node(node).len()).sum();
        assert_eq!(total, 60);
    }
}
