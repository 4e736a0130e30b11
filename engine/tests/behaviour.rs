//! Upstream's allocation tests as behaviours, and what they leave out.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::*;
use ta_engine::{StrategyConfig, StrategyError, StrategyKind, Unassigned};
use ta_model::CollectorSet;
use ta_model::group::GroupChange;

const ALL: [StrategyKind; 3] = StrategyKind::ALL;

fn mk_urls(world: &World, range: std::ops::Range<usize>, node: &str) {
    for n in range {
        let (url, number) = (format!("test-url-{n}"), n.to_string());
        let mut labels = vec![("__address__", url.as_str()), ("i", number.as_str())];
        if !node.is_empty() {
            labels.push(("__meta_kubernetes_pod_node_name", node));
        }
        world.replace("job", &number, mk_group(&[], &[&labels]));
    }
}

fn mk_world(strategy: StrategyKind, collectors: CollectorSet) -> World {
    World::new(strategy, mk_plain_table(&["job"]), collectors)
}

#[test]
fn targets_before_collectors_are_kept_and_placed_later() {
    for strategy in ALL {
        let mut world = mk_world(strategy, CollectorSet::default());
        mk_urls(&world, 0..3, "node-0");
        let report = world.step();
        assert_eq!((report.targets, report.unassigned), (3, 3), "{strategy}");
        assert_eq!(world.snapshot().unassigned_because(Unassigned::NoCollectors), 3);
        world.input.collectors = mk_numbered(0..3);
        let report = world.step();
        assert_eq!((report.targets, report.unassigned), (3, 0), "{strategy}");
    }
}

#[test]
fn collectors_come_and_go() {
    for strategy in ALL {
        let mut world = mk_world(strategy, mk_numbered(0..3));
        mk_urls(&world, 0..9, "node-1");
        world.step();
        for collectors in [mk_numbered(1..3), mk_numbered(0..5), mk_numbered(0..0)] {
            world.input.collectors = collectors.clone();
            world.step();
            let names: Vec<&str> = collectors.iter().map(|collector| &*collector.name).collect();
            let placement = world.placement();
            assert_eq!(placement.len(), 9);
            for owner in placement.values() {
                let living = names.contains(&owner.as_str()) || (names.is_empty() && owner.is_empty());
                assert!(living, "{strategy}: {owner:?} of {names:?}");
            }
        }
    }
}

#[test]
fn same_input_again_publishes_nothing() {
    for strategy in ALL {
        let mut world = mk_world(strategy, mk_numbered(0..3));
        mk_urls(&world, 0..9, "node-1");
        let first = world.step();
        let placement = world.placement();
        mk_urls(&world, 0..9, "node-1");
        world.input.collectors = mk_numbered(0..3);
        let again = world.step();
        assert!(!again.published, "{strategy}");
        assert_eq!((again.snapshot, again.targets), (first.snapshot, 9));
        assert_eq!(world.placement(), placement);
    }
}

#[test]
fn shrinking_removes_what_is_gone() {
    for strategy in ALL {
        let mut world = mk_world(strategy, mk_numbered(0..3));
        mk_urls(&world, 0..6, "node-0");
        world.step();
        let changes = ["4", "5"].map(|source| GroupChange::Remove(mk_key("job", source)));
        world.store.writer().apply(changes);
        let report = world.step();
        assert_eq!((report.targets, report.removed, report.added), (4, 2, 0), "{strategy}");
        assert!(!world.placement().contains_key("job|test-url-5"));
    }
}

#[test]
fn meta_labels_are_refreshed_without_a_move() {
    for strategy in ALL {
        let mut world = mk_world(strategy, mk_numbered(0..3));
        let pod = |name| {
            mk_group(
                &[("__meta_kubernetes_pod_node_name", "node-2")],
                &[&[("__address__", "10.0.0.1:80"), ("__meta_kubernetes_pod_name", name)]],
            )
        };
        world.replace("job", "a", pod("pod-1"));
        world.step();
        let placement = world.placement();
        world.replace("job", "a", pod("pod-2"));
        let report = world.step();
        assert_eq!((report.relabelled, report.moved, report.added, report.removed), (1, 0, 0, 0), "{strategy}");
        assert_eq!(world.placement(), placement);
        let snapshot = world.snapshot();
        let owner = placement.values().next().unwrap();
        assert!(body(&snapshot, "job", owner).contains("pod-2"));
    }
}

#[test]
fn targets_equal_after_relabelling_are_one_and_the_last_is_served() {
    let table =
        mk_table("- job_name: job\n  relabel_configs:\n  - {target_label: __address__, replacement: 'one:80'}\n");
    let mut world = World::new(StrategyKind::ConsistentHashing, table, mk_numbered(0..1));
    world.addresses("job", "a", &["x:1", "y:1"]);
    world.addresses("job", "b", &["z:1"]);
    let report = world.step();
    assert_eq!((report.targets, report.remaining), (1, 3));
    assert_eq!(world.snapshot().job("job").unwrap().merged(), 2);
    assert!(body(&world.snapshot(), "job", "collector-0").starts_with("[{\"targets\":[\"z:1\"]"));
    world.remove("job", "b");
    let report = world.step();
    assert_eq!((report.targets, report.added, report.removed, report.moved), (1, 0, 0, 0));
    assert!(body(&world.snapshot(), "job", "collector-0").starts_with("[{\"targets\":[\"y:1\"]"));
}

#[test]
fn one_address_in_two_jobs_is_two_targets() {
    let mut world = World::new(StrategyKind::LeastWeighted, mk_plain_table(&["a", "b"]), mk_numbered(0..2));
    world.addresses("a", "0", &["x:1"]);
    world.addresses("b", "0", &["x:1"]);
    assert_eq!(world.step().targets, 2);
    assert_eq!(world.counts().into_values().collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn groups_of_a_job_that_the_table_does_not_name_wait_for_it() {
    let mut world = World::new(StrategyKind::ConsistentHashing, mk_plain_table(&["a"]), mk_numbered(0..2));
    world.addresses("b", "0", &["x:1"]);
    assert_eq!(world.step().targets, 0);
    world.input.jobs = mk_plain_table(&["a", "b"]);
    assert_eq!(world.step().targets, 1);
    world.input.jobs = mk_plain_table(&["a"]);
    assert_eq!(world.step().targets, 0);
    world.input.jobs = mk_plain_table(&["b"]);
    assert_eq!(world.step().targets, 1);
}

#[test]
fn changed_rules_resolve_anew_and_keep_owners() {
    let mut world = World::new(StrategyKind::LeastWeighted, mk_plain_table(&["job"]), mk_numbered(0..2));
    world.addresses("job", "0", &["a:1", "b:1", "c:1", "d:1"]);
    world.step();
    let before = world.placement();
    world.input.jobs = mk_table(
        "- job_name: job\n  relabel_configs:\n  - {action: drop, source_labels: [__address__], regex: 'a:1'}\n",
    );
    let report = world.step();
    assert_eq!((report.targets, report.removed, report.moved), (3, 1, 0));
    let snapshot = world.snapshot();
    let job = snapshot.job("job").unwrap();
    assert_eq!((job.discovered(), job.dropped(), job.kept()), (4, 1, 3));
    for (address, owner) in world.placement() {
        assert_eq!(before[&address], owner);
    }
}

#[test]
fn hashing_spreads_as_upstream_does() {
    let mut world = mk_world(StrategyKind::ConsistentHashing, mk_numbered(0..15));
    mk_urls(&world, 0..10_000, "");
    world.step();
    let counts: Vec<u32> = (0..15).map(|n| world.counts()[&format!("collector-{n}")]).collect();
    assert_eq!(counts, [805, 695, 700, 345, 712, 693, 433, 715, 715, 732, 693, 700, 761, 697, 604]);
    world.input.collectors = mk_numbered(0..16);
    assert_eq!(world.step().moved, 1241);
    world.input.collectors = mk_numbered(20..30);
    let report = world.step();
    assert_eq!((report.moved, report.unassigned), (10_000, 0));
}

#[test]
fn hashing_never_moves_a_target_for_its_labels() {
    let mut world = mk_world(StrategyKind::ConsistentHashing, mk_numbered(0..7));
    let labelled = |value| mk_group(&[("version", value)], &[&[("__address__", "10.1.2.3:80")]]);
    world.replace("job", "a", labelled("1"));
    world.step();
    let before = world.placement();
    world.replace("job", "a", labelled("2"));
    let report = world.step();
    assert_eq!((report.added, report.removed, report.moved), (1, 1, 0));
    assert_eq!(world.placement(), before);
}

#[test]
fn least_weighted_gives_a_new_collector_only_what_is_new() {
    let mut world = mk_world(StrategyKind::LeastWeighted, mk_numbered(0..1));
    mk_urls(&world, 0..6, "");
    world.step();
    world.input.collectors = mk_numbered(0..2);
    assert_eq!(world.step().moved, 0);
    assert_eq!(world.counts()["collector-1"], 0);
    mk_urls(&world, 6..10, "");
    world.step();
    assert_eq!(world.counts()["collector-1"], 4);
}

#[test]
fn least_weighted_spreads_every_job() {
    let mut world = World::new(StrategyKind::LeastWeighted, mk_plain_table(&["a", "b", "c"]), mk_numbered(0..5));
    for job in ["a", "b", "c"] {
        let addresses: Vec<String> = (0..100).map(|n| format!("{job}-{n}:80")).collect();
        world.addresses(job, "0", &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    }
    world.step();
    let snapshot = world.snapshot();
    for job in snapshot.jobs() {
        let sizes: Vec<usize> = job.shares().map(|(_, share)| share.len()).collect();
        assert_eq!(sizes, [20; 5], "{}", job.name());
    }
}

#[test]
fn least_weighted_places_orphans_where_the_fewest_are() {
    let mut world = mk_world(StrategyKind::LeastWeighted, mk_numbered(0..3));
    mk_urls(&world, 0..27, "");
    world.step();
    let before = world.placement();
    world.input.collectors = mk_numbered(0..2);
    assert_eq!(world.step().moved, 9);
    assert_eq!(world.counts().into_values().collect::<Vec<_>>(), [14, 13]);
    for (address, owner) in world.placement() {
        assert!(before[&address] == "collector-2" || before[&address] == owner, "{address} moved without need");
    }
}

#[test]
fn per_node_by_every_label_and_nothing_else() {
    let mut world = mk_world(StrategyKind::PerNode, mk_numbered(0..5));
    let cases: [(&str, Pairs<'_>, &str); 7] = [
        (
            "pod:1",
            &[("__meta_kubernetes_pod_node_name", "node-0"), ("__meta_kubernetes_node_name", "node-1")],
            "collector-0",
        ),
        ("node:1", &[("__meta_kubernetes_node_name", "node-1")], "collector-1"),
        ("endpoint:1", &[("__meta_kubernetes_endpoint_node_name", "node-2")], "collector-2"),
        (
            "slice:1",
            &[
                ("__meta_kubernetes_endpointslice_address_target_kind", "Node"),
                ("__meta_kubernetes_endpointslice_address_target_name", "node-3"),
            ],
            "collector-3",
        ),
        (
            "slice-pod:1",
            &[
                ("__meta_kubernetes_endpointslice_address_target_kind", "Pod"),
                ("__meta_kubernetes_endpointslice_address_target_name", "node-3"),
            ],
            "",
        ),
        ("slice-endpoint:1", &[("__meta_kubernetes_endpointslice_endpoint_node_name", "node-3")], ""),
        ("elsewhere:1", &[("__meta_kubernetes_node_name", "node-9")], ""),
    ];
    for (address, labels, _) in cases {
        let mut target = vec![("__address__", address)];
        target.extend(labels);
        world.replace("job", address, mk_group(&[], &[&target]));
    }
    world.step();
    for (address, _, wanted) in cases {
        assert_eq!(world.placement()[&format!("job|{address}")], wanted, "{address}");
    }
    let snapshot = world.snapshot();
    assert_eq!(snapshot.unassigned_because(Unassigned::NoNode), 2);
    assert_eq!(snapshot.unassigned_because(Unassigned::NodeWithoutCollector), 1);
}

#[test]
fn per_node_fallback_with_and_without_the_switch() {
    for for_unknown in [false, true] {
        for fallback in [StrategyKind::ConsistentHashing, StrategyKind::LeastWeighted] {
            let config = StrategyConfig {
                strategy: StrategyKind::PerNode,
                fallback: Some(fallback),
                fallback_for_unknown_node: for_unknown,
                ..StrategyConfig::default()
            };
            let mut world = World::with(config, mk_plain_table(&["job"]), mk_numbered(0..4));
            world.replace("job", "a", mk_group(&[], &[&[("__address__", "none:1")]]));
            world.replace(
                "job",
                "b",
                mk_group(&[("__meta_kubernetes_node_name", "node-9")], &[&[("__address__", "unknown:1")]]),
            );
            world.replace(
                "job",
                "c",
                mk_group(&[("__meta_kubernetes_node_name", "node-3")], &[&[("__address__", "known:1")]]),
            );
            world.step();
            let placement = world.placement();
            assert_eq!(placement["job|known:1"], "collector-3");
            assert_ne!(placement["job|none:1"], "", "{fallback}");
            assert_eq!(placement["job|unknown:1"].is_empty(), !for_unknown, "{fallback}");
        }
    }
}

#[test]
fn per_node_with_two_collectors_on_a_node_takes_the_first_by_name() {
    let collectors = ["z", "b", "a"].map(|name| ta_model::Collector::new(name, "node-0"));
    let mut world = mk_world(StrategyKind::PerNode, CollectorSet::new(collectors.to_vec()).unwrap());
    mk_urls(&world, 0..4, "node-0");
    world.step();
    assert!(world.placement().values().all(|owner| owner == "a"));
}

#[test]
fn a_collector_that_moves_to_another_node_is_a_change() {
    let mut world =
        mk_world(StrategyKind::PerNode, CollectorSet::new(vec![ta_model::Collector::new("a", "node-0")]).unwrap());
    mk_urls(&world, 0..1, "node-1");
    assert_eq!(world.step().unassigned, 1);
    world.input.collectors = CollectorSet::new(vec![ta_model::Collector::new("a", "node-1")]).unwrap();
    assert_eq!(world.step().unassigned, 0);
}

#[test]
fn bad_strategies_are_refused() {
    assert_eq!("invalid".parse::<StrategyKind>(), Err(StrategyError::Unknown("invalid".into())));
    let own = StrategyConfig {
        strategy: StrategyKind::PerNode,
        fallback: Some(StrategyKind::PerNode),
        ..StrategyConfig::default()
    };
    assert_eq!(own.build().unwrap_err(), StrategyError::FallbackIsItself);
}

#[test]
fn more_collectors_than_partitions_neither_panic_nor_lose_targets() {
    for strategy in ALL {
        let mut world = mk_world(strategy, mk_numbered(0..1500));
        mk_urls(&world, 0..3000, "node-7");
        assert_eq!(world.step().unassigned, 0, "{strategy}");
    }
}

#[test]
fn a_job_is_synced_when_it_is_said_to_be() {
    let mut world = World::new(StrategyKind::ConsistentHashing, mk_plain_table(&["a", "b"]), mk_numbered(0..1));
    world.step();
    assert!(!world.snapshot().job("a").unwrap().synced());
    world.store.writer().synced(&"a".into());
    assert!(world.step().published);
    let snapshot = world.snapshot();
    assert!(snapshot.job("a").unwrap().synced() && !snapshot.job("b").unwrap().synced());
    world.store.writer().synced(&"a".into());
    assert!(!world.step().published);
}

#[test]
fn bodies_are_kept_within_the_budget_and_survive_what_does_not_touch_them() {
    let mut world = World::new(StrategyKind::ConsistentHashing, mk_plain_table(&["a", "b"]), mk_numbered(0..2));
    world.addresses("a", "0", &["x:1", "y:1", "z:1", "w:1"]);
    world.addresses("b", "0", &["x:1", "y:1", "z:1", "w:1"]);
    world.step();
    let kept = world.engine.warm(&|| false);
    assert_eq!(kept, world.snapshot().body_bytes());
    let (whole, etag) = {
        let snapshot = world.snapshot();
        let share = snapshot.job("a").unwrap().share(0).unwrap();
        (share.whole().unwrap(), share.etag())
    };
    world.addresses("b", "0", &["x:1"]);
    world.step();
    let snapshot = world.snapshot();
    let share = snapshot.job("a").unwrap().share(0).unwrap();
    assert_eq!(share.whole().unwrap().as_ptr(), whole.as_ptr(), "the very same bytes");
    assert_eq!(share.etag(), etag);
    body(&snapshot, "b", "collector-0");
}

#[test]
fn what_was_replaced_is_freed_by_the_engine_and_never_by_a_reader() {
    let mut world = mk_world(StrategyKind::ConsistentHashing, mk_numbered(0..2));
    world.addresses("job", "0", &["x:1", "y:1"]);
    world.step();
    let reader = world.snapshot();
    let sending = reader.job("job").unwrap().shares().next().unwrap().1.body();
    let seen = Arc::downgrade(&reader);
    world.addresses("job", "0", &["z:1"]);
    world.step();
    drop(reader);
    assert_eq!(seen.strong_count(), 1, "held by the engine alone");
    assert!(!world.engine.free_retired(), "a body of it is still being sent");
    assert_eq!(seen.strong_count(), 0);
    assert!(sending.map(|piece| piece.len()).sum::<usize>() > 0);
    assert!(world.engine.free_retired());
}

#[test]
fn the_budget_bounds_what_is_kept() {
    let mut world = mk_world(StrategyKind::ConsistentHashing, mk_numbered(0..4));
    let options = ta_engine::EngineOptions { body_budget: 200 << 10, ..ta_engine::EngineOptions::default() };
    world.engine = ta_engine::Engine::new(&options, world.store.clone()).unwrap();
    let addresses: Vec<String> = (0..4_000).map(|n| format!("10.0.{}.{}:9100", n / 250, n % 250)).collect();
    world.addresses("job", "0", &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    world.step();
    let kept = world.engine.warm(&|| false);
    assert!(kept > 100 << 10 && kept <= 220 << 10, "{kept}");
    assert_eq!(world.engine.warm(&|| false), kept, "nothing more fits");
}

#[test]
fn a_large_body_comes_in_pieces() {
    let mut world = mk_world(StrategyKind::LeastWeighted, mk_numbered(0..1));
    let long = "x".repeat(1000);
    let addresses: Vec<String> = (0..2000).map(|n| format!("{long}{n}")).collect();
    world.addresses("job", "0", &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    world.step();
    let snapshot = world.snapshot();
    let share = snapshot.job("job").unwrap().share(0).unwrap();
    assert!(share.body().count() > 10);
    assert!(share.body().all(|piece| piece.len() <= 64 * 1024));
    let parsed: serde_json::Value = serde_json::from_str(&body(&snapshot, "job", "collector-0")).unwrap();
    assert_eq!(parsed.as_array().unwrap().len(), 2000);
}

#[test]
fn listing_names_jobs_with_targets_in_the_order_of_encoded_keys() {
    let mut world = World::new(
        StrategyKind::ConsistentHashing,
        mk_plain_table(&["a", "a b", "empty", "s/ns/x/0"]),
        mk_numbered(0..1),
    );
    for job in ["a", "a b", "s/ns/x/0"] {
        world.addresses(job, "0", &["x:1"]);
    }
    world.step();
    let listing = String::from_utf8(world.snapshot().listing().to_vec()).unwrap();
    assert_eq!(
        listing,
        "{\"a b\":{\"_link\":\"/jobs/a+b/targets\"},\"a\":{\"_link\":\"/jobs/a/targets\"},\"s/ns/x/0\":{\"_link\":\"/jobs/s%2Fns%2Fx%2F0/targets\"}}\n"
    );
}

/// When the share of `collector` in the job was last asked for.
fn last_asked(world: &World, collector: &str) -> Option<u32> {
    let snapshot = world.snapshot();
    snapshot.job("job").unwrap().share(snapshot.collectors().ordinal(collector).unwrap()).unwrap().last_asked()
}

#[test]
fn when_a_share_was_asked_for_is_known_as_long_as_there_is_one() {
    let mut world = mk_world(StrategyKind::PerNode, mk_numbered(1..4));
    for node in 1..4 {
        mk_urls(&world, node * 10..node * 10 + 2, &format!("node-{node}"));
    }
    world.step();
    assert_eq!(last_asked(&world, "collector-2"), None);
    let old = world.snapshot();
    old.job("job").unwrap().share(1).unwrap().note_asked(7);
    assert_eq!(last_asked(&world, "collector-2"), Some(7));

    mk_urls(&world, 20..23, "node-2"); // another target, the same shares
    world.step();
    assert_eq!(last_asked(&world, "collector-2"), Some(7));
    old.job("job").unwrap().share(2).unwrap().note_asked(8); // a slow reader of the snapshot before
    assert_eq!(last_asked(&world, "collector-3"), Some(8));

    world.input.collectors = mk_numbered(0..4); // one more, before them, which has no share
    world.step();
    assert_eq!((last_asked(&world, "collector-1"), last_asked(&world, "collector-2")), (None, Some(7)));
    mk_urls(&world, 0..1, "node-0"); // now it has
    world.step();
    assert_eq!((last_asked(&world, "collector-0"), last_asked(&world, "collector-2")), (None, Some(7)));

    world.input.jobs = mk_table("- {job_name: job, scrape_interval: 7s}\n");
    world.step();
    assert_eq!(last_asked(&world, "collector-3"), Some(8));

    world.input.collectors = mk_numbered(3..4); // those that are gone and come back start anew
    world.step();
    assert_eq!(last_asked(&world, "collector-3"), Some(8));
    world.input.collectors = mk_numbered(1..4);
    world.step();
    assert_eq!((last_asked(&world, "collector-2"), last_asked(&world, "collector-3")), (None, Some(8)));
}
