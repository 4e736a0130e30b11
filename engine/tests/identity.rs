//! Which targets exist and which are the same: upstream's published hashes and the population vectors.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::*;
use serde_json::Value;
use ta_engine::StrategyKind;
use ta_model::group::GroupBuilder;
use ta_model::job_table::FilterStrategy;

fn ids(world: &World, job: &str) -> Vec<u64> {
    world.snapshot().job(job).unwrap().targets(0).map(|(_, target)| target.id().0).collect()
}

fn id_of(job: &str, filter: FilterStrategy, labels: Pairs<'_>) -> u64 {
    let mut world = World::new(
        StrategyKind::ConsistentHashing,
        mk_table_filtered(&format!("- job_name: {job}\n"), filter),
        mk_numbered(0..1),
    );
    world.replace(job, "0", mk_group(&[], &[labels]));
    world.step();
    ids(&world, job)[0]
}

#[test]
fn published_hashes() {
    let cases: [(&str, FilterStrategy, Pairs<'_>, u64); 8] = [
        ("test-job", FilterStrategy::None, &[("test_label", "test-value")], 11170662653441480747),
        ("test-job", FilterStrategy::None, &[("test_label", "test-value2")], 5467859392755170604),
        ("test-job2", FilterStrategy::None, &[("test_label", "test-value2")], 1641186170520627519),
        ("test-job2", FilterStrategy::None, &[("test_label", "test-value3")], 14477087093029933912),
        ("job-1", FilterStrategy::None, &[("app", "test")], 17193962363276466827),
        ("job", FilterStrategy::None, &[], 659288139682042693),
        ("j", FilterStrategy::None, &[("__address__", "10.0.0.1:9100")], 16619477211394402673),
        ("j", FilterStrategy::RelabelConfig, &[("__address__", "10.0.0.1:9100")], 13265074437907778262),
    ];
    for (job, filter, labels, wanted) in cases {
        assert_eq!(id_of(job, filter, labels), wanted, "{job} {labels:?}");
    }
    let labels = [("__address__", "10.0.0.1:9090"), ("__meta_kubernetes_namespace", "x"), ("app", "web")];
    assert_eq!(id_of("job-a", FilterStrategy::None, &labels), 12148657879433588077);
}

#[test]
fn population_vectors() {
    let vectors = include_str!("../../model/testdata/identity/population.jsonl");
    let mut by_upstream: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    let mut count = 0;
    for line in vectors.lines().filter(|line| !line.trim().is_empty()) {
        let case: Value = serde_json::from_str(line).unwrap();
        count += 1;
        let job = format!("- {}\n", case["cfg"]);
        let mut world = World::new(StrategyKind::ConsistentHashing, mk_table(&job), mk_numbered(0..1));
        let mut builder = GroupBuilder::new();
        builder.begin();
        let pairs = |value: &Value| -> Vec<(String, String)> {
            let map = value.as_object().cloned().unwrap_or_default();
            map.into_iter().map(|(name, value)| (name, value.as_str().unwrap().to_owned())).collect()
        };
        pairs(&case["group"]).iter().for_each(|(name, value)| builder.group_label(name, value));
        builder.begin_target();
        pairs(&case["target"]).iter().for_each(|(name, value)| builder.target_label(name, value));
        world.replace("j", "0", builder.finish().into());
        world.step();
        let got = ids(&world, "j");
        match case["alloc"].as_str().unwrap() {
            "drop" => assert!(got.is_empty(), "{line}"),
            _ => {
                assert_eq!(got.len(), 1, "{line}");
                let upstream = case["hash"].as_str().unwrap().to_owned();
                by_upstream.entry(upstream).or_default().push((case["n"].as_u64().unwrap(), got[0]));
            }
        }
    }
    assert_eq!(count, 27);
    // upstream's values depend on the order in which rules wrote the labels; which targets are equal does not
    let mut seen: BTreeMap<u64, String> = BTreeMap::new();
    for (upstream, ours) in by_upstream {
        assert!(ours.iter().all(|(_, id)| *id == ours[0].1), "{ours:?} are one target upstream");
        assert_eq!(seen.insert(ours[0].1, upstream.clone()), None, "{ours:?} is two targets upstream ({upstream})");
    }
}
