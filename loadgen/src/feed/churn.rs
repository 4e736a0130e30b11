//! What to change next.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::world::{World, WorldChange};
use crate::rng::Rng;
use crate::synth::Slot;

/// Kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ChurnKind {
    /// All pods of a group are replaced, one after the other; then another group's.
    #[default]
    RollingDeployment,
    /// Single pods, anywhere.
    PodReplacement,
    /// All targets of a node vanish at once and come back one by one on other nodes.
    NodeLoss,
    /// Meta labels of groups change; identities stay.
    MetaOnly,
}

/// Churn for a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChurnOptions {
    /// Kind of change.
    pub kind: ChurnKind,
    /// Targets changed per second.
    pub rate: f64,
    /// Seed of what is picked.
    pub seed: u64,
}

#[derive(Debug, Clone, Copy)]
enum Pending {
    Replace { job: u32, group: u32, index: u32 },
    Restore { job: u32, group: u32, slot: Slot },
    Touch { job: u32, group: u32 },
}

/// Picks changes at a rate; the sequence depends on seed and world only.
#[derive(Debug)]
pub struct Churn {
    options: ChurnOptions,
    rng: Rng,
    queue: VecDeque<Pending>,
    /// Targets due by rate and not changed yet.
    due: f64,
}

impl Churn {
    /// Churn that has not begun.
    pub fn new(options: ChurnOptions) -> Self {
        Churn { rng: Rng::at(options.seed, [0xc4, 0, 0]), options, queue: VecDeque::new(), due: 0.0 }
    }

    /// Changes what `seconds` of churn change.
    pub fn advance(&mut self, world: &mut World, seconds: f64) -> WorldChange {
        let mut change = WorldChange::default();
        self.due += self.options.rate * seconds;
        while self.due >= 1.0 {
            if self.queue.is_empty() && !self.refill(world, &mut change) {
                self.due = 0.0;
                break;
            }
            let Some(next) = self.queue.pop_front() else { continue };
            self.due -= self.apply(world, next, &mut change);
        }
        change
    }

    /// Plans the next event. False = there is nothing to change.
    fn refill(&mut self, world: &mut World, change: &mut WorldChange) -> bool {
        if world.target_count() == 0 {
            return false;
        }
        match self.options.kind {
            ChurnKind::NodeLoss => self.lose_node(world, change),
            kind => {
                let (job, group) = self.pick_group(world);
                let slots = world.slots(job, group);
                match kind {
                    ChurnKind::MetaOnly => self.queue.push_back(Pending::Touch { job, group }),
                    ChurnKind::PodReplacement => {
                        let slot = slots[self.rng.below(slots.len() as u64) as usize];
                        self.queue.push_back(Pending::Replace { job, group, index: slot.index });
                    }
                    _ => self.queue.extend(slots.iter().map(|slot| Pending::Replace { job, group, index: slot.index })),
                }
            }
        }
        true
    }

    fn apply(&mut self, world: &mut World, next: Pending, change: &mut WorldChange) -> f64 {
        let node = self.rng.below(u64::from(world.synth().options().nodes)) as u32;
        match next {
            Pending::Touch { job, group } => {
                world.touch_labels(job, group, change);
                world.slots(job, group).len().max(1) as f64
            }
            Pending::Replace { job, group, index } => {
                world.replace_pod(job, group, index, node, change);
                1.0
            }
            Pending::Restore { job, group, slot } => {
                let keeps_node = world.synth().options().profile == crate::synth::Profile::Node;
                let node = if keeps_node { slot.node } else { node };
                world.restore(job, group, Slot { node, ..slot }, change);
                1.0
            }
        }
    }

    fn lose_node(&mut self, world: &mut World, change: &mut WorldChange) {
        let node = self.rng.below(u64::from(world.synth().options().nodes)) as u32;
        for (job, group, index) in world.on_node(node) {
            let Some(slot) = world.slots(job, group).iter().find(|slot| slot.index == index).copied() else { continue };
            world.remove(job, group, index, change);
            self.queue.push_back(Pending::Restore { job, group, slot });
        }
        // a node that ran nothing still counts as an event, or an empty one would be sought for ever
        self.due -= f64::from(u8::from(self.queue.is_empty()));
    }

    /// A random group that has targets, jobs weighted by their number of groups.
    fn pick_group(&mut self, world: &World) -> (u32, u32) {
        loop {
            let job = self.rng.below(u64::from(world.synth().jobs())) as u32;
            let groups = world.group_count(job);
            if groups == 0 {
                continue;
            }
            let group = self.rng.below(u64::from(groups)) as u32;
            if !world.slots(job, group).is_empty() {
                return (job, group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Truth;
    use crate::synth::{Synth, SynthOptions};

    fn mk_world() -> World {
        World::new(Synth::new(SynthOptions { targets: 400, jobs: 4, ..SynthOptions::default() }).unwrap())
    }

    fn run(kind: ChurnKind, seed: u64) -> (World, Vec<WorldChange>) {
        let (mut world, mut churn) = (mk_world(), Churn::new(ChurnOptions { kind, rate: 10.0, seed }));
        let changes = (0..30).map(|_| churn.advance(&mut world, 0.5)).collect();
        (world, changes)
    }

    fn total(changes: &[WorldChange], kind: Truth) -> usize {
        changes.iter().map(|change| change.count(kind)).sum()
    }

    #[test]
    fn replacement_keeps_the_number_and_the_rate() {
        for kind in [ChurnKind::RollingDeployment, ChurnKind::PodReplacement] {
            let (world, changes) = run(kind, 1);
            assert_eq!(world.target_count(), 400, "{kind:?}");
            assert_eq!((total(&changes, Truth::Added), total(&changes, Truth::Removed)), (150, 150), "{kind:?}: 15 s");
        }
    }

    #[test]
    fn a_rolling_deployment_stays_in_one_group_until_done() {
        let (_, changes) = run(ChurnKind::RollingDeployment, 1);
        assert!(changes[..2].iter().all(|change| change.jobs == changes[0].jobs));
    }

    #[test]
    fn a_lost_node_takes_its_targets_at_once_and_they_come_back() {
        let (mut world, mut churn) =
            (mk_world(), Churn::new(ChurnOptions { kind: ChurnKind::NodeLoss, rate: 1.0, seed: 3 }));
        let first = churn.advance(&mut world, 1.0);
        assert!(first.count(Truth::Removed) > 1 && first.count(Truth::Added) == 1, "{first:?}");
        let missing = 400 - world.target_count();
        assert_eq!(missing as usize, first.count(Truth::Removed) - 1);
        churn.advance(&mut world, missing as f64);
        assert_eq!(world.target_count(), 400);
    }

    #[test]
    fn meta_only_changes_no_identity() {
        let (_, changes) = run(ChurnKind::MetaOnly, 1);
        assert_eq!((total(&changes, Truth::Added), total(&changes, Truth::Removed)), (0, 0));
        assert!(total(&changes, Truth::Updated) >= 140);
    }

    #[test]
    fn equal_seeds_give_equal_churn() {
        assert_eq!(run(ChurnKind::NodeLoss, 5).1, run(ChurnKind::NodeLoss, 5).1);
        assert_ne!(run(ChurnKind::PodReplacement, 5).1, run(ChurnKind::PodReplacement, 6).1);
    }

    #[test]
    fn an_empty_cluster_has_no_churn() {
        let mut world = World::new(Synth::new(SynthOptions { targets: 0, ..SynthOptions::default() }).unwrap());
        let mut churn = Churn::new(ChurnOptions { kind: ChurnKind::RollingDeployment, rate: 5.0, seed: 1 });
        assert!(churn.advance(&mut world, 10.0).is_empty());
    }
}
