//! Why a target is where it is.

#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

mod common;

use common::{World, mk_collectors, mk_group, mk_table, mk_table_filtered};
use ta_engine::{Fate, JobView, LabelChange, Snapshot, StrategyKind};
use ta_model::job_table::FilterStrategy;

const JOB: &str = r#"
- job_name: shop
  relabel_configs:
  - {source_labels: [stage, team], regex: "prod;.*", action: keep}
  - {source_labels: [team], target_label: owner}
  - {regex: "team|stage|port", action: labeldrop}
  - {source_labels: [__address__], regex: "(.*):.*", target_label: __address__, replacement: "$1:9100"}
"#;

fn mk_snapshot(table: std::sync::Arc<ta_model::job_table::JobTable>) -> std::sync::Arc<Snapshot> {
    let mut world = World::new(StrategyKind::ConsistentHashing, table, mk_collectors(&["a", "b"]));
    world.replace(
        "shop",
        "s1",
        mk_group(
            &[("team", "web")],
            &[
                &[("__address__", "x:1"), ("stage", "prod"), ("port", "one")],
                &[("__address__", "y:1"), ("stage", "test")],
                &[("__address__", "x:2"), ("stage", "prod"), ("port", "two")],
            ],
        ),
    );
    world.replace("shop", "s2", mk_group(&[("team", "db"), ("stage", "prod")], &[&[("__address__", "z:1")]]));
    world.step();
    world.snapshot()
}

fn job(snapshot: &Snapshot) -> JobView<'_> {
    snapshot.job("shop").unwrap()
}

#[test]
fn every_discovered_target_has_a_fate() {
    let snapshot = mk_snapshot(mk_table(JOB));
    let fates: Vec<(String, String)> = job(&snapshot)
        .discovered_from(0)
        .map(|(_, target)| {
            let fate = match target.fate() {
                Fate::Dropped => "dropped".to_owned(),
                Fate::Kept(kept) => format!("kept as {}", kept.address()),
                Fate::Merged(other) => format!("is {}", other.address()),
            };
            (target.address().into_owned(), fate)
        })
        .collect();
    let wanted = [("x:1", "is x:2"), ("y:1", "dropped"), ("x:2", "kept as x:2"), ("z:1", "kept as z:1")];
    assert_eq!(fates, wanted.map(|(address, fate)| (address.to_owned(), fate.to_owned())));
    let numbers: Vec<u64> = job(&snapshot).discovered_from(2).map(|(number, _)| number).collect();
    assert_eq!(numbers, [2, 3], "numbers go on over groups");
}

#[test]
fn the_walk_tells_what_each_rule_does_and_ends_in_the_identity_served() {
    let snapshot = mk_snapshot(mk_table(JOB));
    let (_, kept) = job(&snapshot).discovered_from(2).next().unwrap();
    let explanation = kept.explain();
    let Fate::Kept(served) = kept.fate() else { panic!("{:?}", kept.fate()) };
    assert_eq!((kept.number(), served.discovered().number()), (2, 2), "there and back");
    assert_eq!(explanation.id, Some(served.id()));
    assert!(explanation.seeds.contains(&("__scheme__", "http")) && explanation.seeds.contains(&("job", "shop")));
    let label = |name: &str| explanation.labels.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!((label("__address__"), label("owner"), label("team")), (Some("x:9100"), Some("web"), None));
    let of_owner = explanation.steps.iter().find(|step| step.rule.raw().target_label == "owner").unwrap();
    assert_eq!(of_owner.input, "web");
    let change = LabelChange { name: "owner".into(), before: String::new(), after: "web".into() };
    assert_eq!(of_owner.changes, [change]);
    assert!(explanation.steps.iter().all(|step| !step.drops));
}

#[test]
fn the_walk_of_a_dropped_target_ends_at_the_rule_that_drops_it() {
    let snapshot = mk_snapshot(mk_table(JOB));
    let (_, dropped) = job(&snapshot).discovered_from(1).next().unwrap();
    let explanation = dropped.explain();
    assert_eq!(explanation.id, None);
    let last = explanation.steps.last().unwrap();
    assert!(last.drops && last.input == "test;web", "{last:?}");
    assert_eq!(explanation.steps.iter().filter(|step| step.drops).count(), 1);
}

#[test]
fn without_filtering_nothing_is_dropped_and_no_rule_runs() {
    let snapshot = mk_snapshot(mk_table_filtered(JOB, FilterStrategy::None));
    assert!(job(&snapshot).discovered_from(0).all(|(_, target)| matches!(target.fate(), Fate::Kept(_))));
    let (_, target) = job(&snapshot).discovered_from(1).next().unwrap();
    assert!(target.explain().steps.is_empty());
}
