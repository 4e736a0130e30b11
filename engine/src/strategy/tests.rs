use proptest::prelude::{Just, Strategy as Generator, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use ta_model::{Collector, CollectorSet};

use super::{
    JobTargets, Owner, Planner, Previous, Problem, Strategy, StrategyConfig, StrategyKind, least_weighted, node_hash,
};
use crate::owner::Unassigned;

fn mk_collectors(count: usize) -> CollectorSet {
    let collectors = (0..count).map(|n| Collector::new(format!("c{n:03}"), format!("n{n}")));
    CollectorSet::new(collectors.collect()).unwrap()
}

/// Least-weighted by its definition: scan all collectors for every target.
fn scan(collectors: usize, outside: &[u32], previous: &[Vec<Owner>]) -> Vec<Vec<Owner>> {
    let mut totals = outside.to_vec();
    for ordinal in previous.iter().flatten().filter_map(|owner| owner.ordinal()) {
        totals[ordinal] += 1;
    }
    let mut owners = previous.to_vec();
    for job in &mut owners {
        let mut in_job = vec![0u32; collectors];
        job.iter().filter_map(|owner| owner.ordinal()).for_each(|ordinal| in_job[ordinal] += 1);
        for owner in job.iter_mut().filter(|owner| **owner == Owner::PENDING) {
            let best = (0..collectors).min_by_key(|ordinal| (totals[*ordinal], in_job[*ordinal], *ordinal)).unwrap();
            *owner = Owner::collector(best);
            totals[best] += 1;
            in_job[best] += 1;
        }
    }
    owners
}

fn place(planner: &dyn Planner, previous: &[Vec<Owner>], outside: &[u32], nodes: &[Vec<u64>]) -> Vec<Vec<Owner>> {
    let addresses: Vec<Vec<u64>> = previous
        .iter()
        .enumerate()
        .map(|(job, targets)| (0..targets.len() as u64).map(|n| n * 0x9E37_79B9 + job as u64).collect())
        .collect();
    let jobs: Vec<JobTargets<'_>> = previous
        .iter()
        .enumerate()
        .map(|(job, previous)| JobTargets {
            addresses: &addresses[job],
            nodes: nodes.get(job).map_or(&[], |nodes| nodes),
            previous: Previous::same(previous),
        })
        .collect();
    let mut owners: Vec<Vec<Owner>> = previous.iter().map(|job| vec![Owner::PENDING; job.len()]).collect();
    planner.place(&Problem { jobs: &jobs, outside_load: outside }, &mut owners);
    owners
}

fn previous(collectors: usize) -> impl Generator<Value = Vec<Vec<Owner>>> {
    let owner = prop_oneof![2 => Just(Owner::PENDING), 1 => (0..collectors).prop_map(Owner::collector)];
    prop::collection::vec(prop::collection::vec(owner, 0..40), 0..6)
}

proptest! {
    #[test]
    fn the_heap_places_as_the_scan_does(
        (count, outside, previous) in (1usize..20).prop_flat_map(|count| {
            (Just(count), prop::collection::vec(0u32..10, count), previous(count))
        })
    ) {
        let planner = least_weighted::LeastWeighted.prepare(&mk_collectors(count));
        prop_assert_eq!(place(&*planner, &previous, &outside, &[]), scan(count, &outside, &previous));
    }

    #[test]
    fn planning_again_moves_nothing(
        (count, previous) in (1usize..20).prop_flat_map(|count| (Just(count), previous(count))),
        seed in any::<u64>(),
    ) {
        let nodes: Vec<Vec<u64>> = previous.iter().map(|job| {
            (0..job.len() as u64).map(|n| match (seed ^ n).count_ones() % 3 {
                0 => 0,
                _ => node_hash(&format!("n{}", n % 25)),
            }).collect()
        }).collect();
        for strategy in StrategyKind::ALL {
            for fallback in [None, Some(StrategyKind::ConsistentHashing), Some(StrategyKind::LeastWeighted)] {
                let config = StrategyConfig { strategy, fallback, fallback_for_unknown_node: seed % 2 == 0, ..StrategyConfig::default() };
                let planner = config.build().unwrap().prepare(&mk_collectors(count));
                let outside = vec![0; count];
                let first = place(&*planner, &previous, &outside, &nodes);
                let again = place(&*planner, &first, &outside, &nodes);
                prop_assert_eq!(&first, &again, "{:?}", config);
                for owner in first.iter().flatten() {
                    prop_assert!(owner.ordinal().is_some() || strategy == StrategyKind::PerNode);
                }
            }
        }
    }
}

#[test]
fn owners_round_trip_and_print_what_they_are() {
    assert_eq!(Owner::collector(7).ordinal(), Some(7));
    for reason in Unassigned::ALL {
        assert_eq!((Owner::none(reason).reason(), Owner::none(reason).ordinal()), (Some(reason), None));
    }
    let shown = format!(
        "{:?} {:?} {:?} {:?}",
        Owner::collector(1),
        Owner::PENDING,
        Owner::SHADOWED,
        Owner::none(Unassigned::NoNode)
    );
    assert_eq!(shown, "1 pending shadowed NoNode");
}

#[test]
fn an_unknown_node_is_nobodys() {
    assert_eq!(node_hash(""), 0);
    assert_ne!(node_hash("a"), node_hash("b"));
}
