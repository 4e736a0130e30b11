//! What must hold whatever happens, over random histories.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::*;
use proptest::prelude::*;
use std::sync::Arc;
use ta_engine::{Engine, EngineOptions, Snapshot, StepInput, StrategyConfig, StrategyKind, TargetStore};
use ta_model::CollectorSet;
use ta_model::group::{GroupChange, GroupKey, TargetGroup};

/// Host, version, node.
type Target = (u8, u8, u8);

/// What happens between two steps.
#[derive(Clone, Debug)]
enum Event {
    Replace {
        job: usize,
        source: usize,
        targets: Vec<Target>,
    },
    Remove {
        job: usize,
        source: usize,
    },
    /// One target of a group replaced, added or removed.
    Edit {
        job: usize,
        source: usize,
        at: usize,
        how: u8,
        target: (u8, u8, u8),
    },
    Collectors(u16),
    Table(usize),
    Step,
}

const JOBS: [&str; 3] = ["a", "b", "c"];

fn event() -> impl Strategy<Value = Event> {
    let targets = prop::collection::vec((0u8..30, 0u8..4, 0u8..3), 0..14);
    prop_oneof![
        6 => (0..JOBS.len(), 0usize..5, targets).prop_map(|(job, source, targets)| Event::Replace { job, source, targets }),
        2 => (0..JOBS.len(), 0usize..5).prop_map(|(job, source)| Event::Remove { job, source }),
        6 => (0..JOBS.len(), 0usize..5, 0usize..14, 0u8..3, (0u8..30, 0u8..4, 0u8..3))
            .prop_map(|(job, source, at, how, target)| Event::Edit { job, source, at, how, target }),
        2 => any::<u16>().prop_map(|bits| Event::Collectors(bits & 0x3FF)),
        1 => (0usize..4).prop_map(Event::Table),
        3 => Just(Event::Step),
    ]
}

fn mk_tables() -> Vec<Arc<ta_model::job_table::JobTable>> {
    let drop = "  relabel_configs:\n  - {action: drop, source_labels: [version], regex: '1'}\n";
    let merge = "  relabel_configs:\n  - {action: labeldrop, regex: 'version'}\n";
    vec![
        mk_plain_table(&JOBS),
        mk_plain_table(&["a", "c"]),
        mk_table(&format!("- job_name: a\n{drop}- job_name: b\n{merge}- job_name: c\n{drop}")),
        mk_table(&format!("- job_name: a\n{merge}- job_name: b\n- job_name: c\n{merge}")),
    ]
}

fn mk_targets(targets: &[Target]) -> Arc<TargetGroup> {
    let texts: Vec<[String; 4]> = targets
        .iter()
        .map(|(host, version, node)| {
            [format!("h{host}:80"), version.to_string(), format!("node-{node}"), format!("pod-{host}-{version}")]
        })
        .collect();
    let targets: Vec<[(&str, &str); 4]> = texts
        .iter()
        .map(|[address, version, node, pod]| {
            [
                ("__address__", address.as_str()),
                ("version", version),
                ("__meta_kubernetes_node_name", node),
                ("__meta_kubernetes_pod_name", pod),
            ]
        })
        .collect();
    mk_group(&[("__meta_kubernetes_namespace", "ns")], &targets.iter().map(|target| &target[..]).collect::<Vec<_>>())
}

fn mk_set(bits: u16) -> CollectorSet {
    let chosen = (0..10).filter(|n| bits & (1 << n) != 0);
    let collectors = chosen.map(|n| ta_model::Collector::new(format!("c{n}"), format!("node-{}", n % 4)));
    CollectorSet::new(collectors.collect()).unwrap()
}

/// Every job's bodies by collector.
fn bodies(snapshot: &Snapshot) -> BTreeMap<(String, String), String> {
    let mut all = BTreeMap::new();
    for job in snapshot.jobs() {
        for collector in snapshot.collectors().iter() {
            all.insert(
                (job.name().to_string(), collector.name.to_string()),
                body(snapshot, job.name(), &collector.name),
            );
        }
    }
    all
}

fn check_complete(snapshot: &Snapshot) -> Result<(), TestCaseError> {
    for job in snapshot.jobs() {
        let views: Vec<_> = job.targets(0).map(|(_, target)| target).collect();
        prop_assert_eq!(views.len(), job.kept());
        let distinct: std::collections::BTreeSet<_> = views.iter().map(|target| target.id()).collect();
        prop_assert_eq!(distinct.len(), views.len(), "an identity twice");
        let assigned: usize = job.shares().map(|(_, share)| share.len()).sum();
        prop_assert_eq!(assigned + job.unassigned(), job.kept());
        prop_assert_eq!(job.kept() as u64 + job.merged() as u64 + job.dropped(), job.discovered());
        for target in &views {
            prop_assert_eq!(target.collector().is_none(), target.unassigned().is_some());
            prop_assert_eq!(job.find(target.id()).unwrap().address(), target.address());
        }
        for (collector, share) in job.shares() {
            let name = &snapshot.collectors()[collector].name;
            let parsed: serde_json::Value = serde_json::from_str(&body(snapshot, job.name(), name)).unwrap();
            prop_assert_eq!(parsed.as_array().unwrap().len(), share.len());
        }
    }
    let loads: u32 = snapshot.loads().iter().map(|load| load.targets).sum();
    prop_assert_eq!(loads as usize + snapshot.unassigned(), snapshot.targets());
    Ok(())
}

fn run(strategy: StrategyKind, events: &[Event]) -> Result<(), TestCaseError> {
    let tables = mk_tables();
    let mut world = World::with(StrategyConfig { strategy, ..StrategyConfig::default() }, tables[0].clone(), mk_set(7));
    let mut groups: BTreeMap<GroupKey, Arc<TargetGroup>> = BTreeMap::new();
    let mut contents: BTreeMap<(usize, usize), Vec<Target>> = BTreeMap::new();
    for event in events {
        match event {
            Event::Replace { job, source, targets } => {
                let (key, group) = (mk_key(JOBS[*job], &source.to_string()), mk_targets(targets));
                world.store.writer().apply([GroupChange::Replace(key.clone(), group.clone())]);
                groups.insert(key, group);
                contents.insert((*job, *source), targets.clone());
            }
            Event::Edit { job, source, at, how, target } => {
                let targets = contents.entry((*job, *source)).or_default();
                let at = at % (targets.len() + 1);
                match how {
                    0 => targets.insert(at, *target),
                    1 if at < targets.len() => targets[at] = *target,
                    _ if at < targets.len() => drop(targets.remove(at)),
                    _ => {}
                }
                let (key, group) = (mk_key(JOBS[*job], &source.to_string()), mk_targets(targets));
                world.store.writer().apply([GroupChange::Replace(key.clone(), group.clone())]);
                groups.insert(key, group);
            }
            Event::Remove { job, source } => {
                let key = mk_key(JOBS[*job], &source.to_string());
                world.store.writer().apply([GroupChange::Remove(key.clone())]);
                groups.remove(&key);
                contents.remove(&(*job, *source));
            }
            Event::Collectors(bits) => world.input.collectors = mk_set(*bits),
            Event::Table(number) => world.input.jobs = tables[*number].clone(),
            Event::Step => {
                let (before, last) = (world.placement(), world.snapshot());
                let same_collectors = last.collectors() == &world.input.collectors;
                let report = world.step();
                world.engine.warm(&|| false);
                let snapshot = world.snapshot();
                check_complete(&snapshot)?;
                prop_assert_eq!(report.targets, snapshot.targets());
                // a target that says another node than before follows it
                if same_collectors && last.number() > 0 && strategy != StrategyKind::PerNode {
                    prop_assert_eq!(report.moved, 0, "a move although no collector came or went");
                }
                if same_collectors && strategy == StrategyKind::ConsistentHashing {
                    for (address, owner) in world.placement() {
                        prop_assert!(before.get(&address).is_none_or(|before| *before == owner), "{} moved", address);
                    }
                }
                prop_assert!(!world.step().published, "the same input again published a snapshot");
            }
        }
    }
    world.step();
    let delta = world.snapshot();
    check_complete(&delta)?;
    if strategy != StrategyKind::LeastWeighted {
        let store = TargetStore::new();
        store.writer().apply(groups.into_iter().map(|(key, group)| GroupChange::Replace(key, group)));
        let options = EngineOptions {
            strategy: StrategyConfig { strategy, ..StrategyConfig::default() },
            threads: 1,
            body_budget: 0,
        };
        let mut fresh = Engine::new(&options, store).unwrap();
        fresh.step(&StepInput { jobs: delta.table().clone(), collectors: delta.collectors().clone() });
        prop_assert_eq!(bodies(&delta), bodies(fresh.last()), "a chain of small steps and one full step differ");
        for (one, other) in delta.jobs().zip(fresh.last().jobs()) {
            for ((_, a), (_, b)) in one.shares().zip(other.shares()) {
                prop_assert_eq!(a.etag(), b.etag());
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn consistent_hashing_holds(events in prop::collection::vec(event(), 1..40)) {
        run(StrategyKind::ConsistentHashing, &events)?;
    }

    #[test]
    fn least_weighted_holds(events in prop::collection::vec(event(), 1..40)) {
        run(StrategyKind::LeastWeighted, &events)?;
    }

    #[test]
    fn per_node_holds(events in prop::collection::vec(event(), 1..40)) {
        run(StrategyKind::PerNode, &events)?;
    }
}
