//! Writers, the engine and readers at once: what is applied together is seen together, and no snapshot is torn.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::*;
use ta_engine::StrategyKind;
use ta_model::group::{GroupChange, GroupKey};

const WRITERS: usize = 3;
const ROUNDS: usize = 4000;

/// Every round of a writer moves its one target from one source to the other, in one batch.
fn write(writer: &ta_engine::StoreWriter, number: usize) {
    let key =
        |source: &str| GroupKey { job: format!("job-{number}").into(), provider: number as u64, source: source.into() };
    let address = format!("w{number}:80");
    for round in 0..ROUNDS {
        let label = round.to_string();
        let group = mk_group(&[("__meta_round", &label)], &[&[("__address__", &address)]]);
        let (now, before) = if round % 2 == 0 { ("even", "odd") } else { ("odd", "even") };
        writer.apply([GroupChange::Remove(key(before)), GroupChange::Replace(key(now), group)]);
    }
}

#[test]
fn nobody_sees_half_a_change() {
    let names: Vec<String> = (0..WRITERS).map(|n| format!("job-{n}")).collect();
    let table = mk_plain_table(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut world = World::new(StrategyKind::ConsistentHashing, table, mk_numbered(0..5));
    for number in 0..WRITERS {
        let key = GroupKey { job: format!("job-{number}").into(), provider: number as u64, source: "odd".into() };
        world
            .store
            .writer()
            .apply([GroupChange::Replace(key, mk_group(&[], &[&[("__address__", &format!("w{number}:80"))]]))]);
    }
    world.step();
    let done = Arc::new(AtomicBool::new(false));
    let cell = world.engine.snapshots();
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| {
                let writer = world.store.writer();
                scope.spawn(move || write(&writer, number))
            })
            .collect();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (cell, done) = (cell.clone(), done.clone());
                scope.spawn(move || {
                    let (mut last, mut seen) = (0, BTreeSet::new());
                    while !done.load(Ordering::Acquire) {
                        let snapshot = cell.load();
                        assert!(snapshot.number() >= last, "snapshots went back");
                        last = snapshot.number();
                        seen.insert(last);
                        assert_eq!(snapshot.targets(), WRITERS, "a target was lost or doubled on the way");
                        let loads: u32 = snapshot.loads().iter().map(|load| load.targets).sum();
                        assert_eq!(loads as usize, WRITERS);
                        for job in snapshot.jobs() {
                            for (_, share) in job.shares() {
                                let text: Vec<u8> = share.body().flatten().collect();
                                assert_eq!(text.len() as u64, share.content_length());
                            }
                        }
                    }
                    seen.len()
                })
            })
            .collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            let report = world.engine.step(&world.input);
            assert_eq!((report.targets, report.moved, report.unassigned), (WRITERS, 0, 0));
            world.engine.warm(&|| false);
        }
        world.engine.step(&world.input);
        done.store(true, Ordering::Release);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    let last = (ROUNDS - 1).to_string();
    for job in world.snapshot().jobs() {
        let (_, target) = job.targets(0).next().unwrap();
        assert_eq!(target.label("__meta_round").unwrap(), last, "the last change has to arrive");
    }
}
