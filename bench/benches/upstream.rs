//! Upstream's benchmark shape (42 labels, groups of 5, 100 targets a job) through store, resolve, plan, shares and
//! snapshot: 10k, 100k and 800k targets, each strategy, with and without relabelling. Prints bytes per target.
//!
//! Upstream measures without any collector; here there are 100, so that placing is part of it.
#![allow(missing_docs)]

use std::io::Write as _;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ta_bench::{Loaded, Workload, collectors, sizes};
use ta_engine::StrategyKind;

fn upstream(c: &mut Criterion) {
    let mut group = c.benchmark_group("upstream_shape");
    group.sample_size(10);
    for targets in sizes(&[1_000, 10_000, 100_000, 800_000]) {
        let workload = Workload::upstream(targets);
        let changes = workload.changes();
        group.throughput(Throughput::Elements(targets));
        for (name, filter) in [("process_targets", false), ("process_targets_with_relabel", true)] {
            let table = workload.table(filter);
            for kind in StrategyKind::ALL {
                group.bench_function(BenchmarkId::new(format!("{name}/{kind}"), targets), |b| {
                    let fresh = || {
                        let loaded = Loaded::empty(table.clone(), kind, collectors(100), 0);
                        loaded.store.writer().apply(changes.iter().cloned());
                        loaded
                    };
                    b.iter_batched(
                        fresh,
                        |mut loaded| {
                            loaded.engine.step(&loaded.input);
                            loaded
                        },
                        BatchSize::PerIteration,
                    );
                });
            }
        }
        let loaded = Loaded::full(&workload, true, StrategyKind::ConsistentHashing, 100, 0);
        let snapshot = loaded.engine.snapshots().load();
        let per_target = |bytes: usize| bytes as f64 / targets as f64;
        let line = format!(
            "upstream_shape/{targets}: {:.0} B/target in groups, {:.0} B/target in tables\n",
            per_target(snapshot.group_bytes()),
            per_target(snapshot.table_bytes())
        );
        drop(std::io::stdout().write_all(line.as_bytes()));
    }
    group.finish();
}

criterion_group!(benches, upstream);
criterion_main!(benches);
