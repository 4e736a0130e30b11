//! A whole step over everything: the first one, and after the collectors changed.
#![allow(missing_docs)]

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ta_bench::{Loaded, Workload, collectors, sizes};
use ta_engine::StrategyKind;

fn first(c: &mut Criterion) {
    let mut group = c.benchmark_group("step_full");
    group.sample_size(10);
    for targets in sizes(&[1_000, 10_000, 100_000, 800_000, 2_000_000]) {
        let workload = Workload::slices(targets, (targets / 500).max(1) as u32, 10);
        let (table, changes) = (workload.table(true), workload.changes());
        group.throughput(Throughput::Elements(targets));
        for kind in StrategyKind::ALL {
            group.bench_function(BenchmarkId::new(kind.name(), targets), |b| {
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
    group.finish();
}

fn collector_changes(c: &mut Criterion) {
    let mut group = c.benchmark_group("collectors");
    group.sample_size(20);
    let targets = sizes(&[10_000, 100_000, 1_000_000]).pop().unwrap_or(10_000);
    for count in [3, 20, 100, 1000] {
        let workload = Workload::slices(targets, 200, 10);
        group.throughput(Throughput::Elements(targets));
        for kind in StrategyKind::ALL {
            let mut loaded = Loaded::full(&workload, true, kind, count, 0);
            let (more, fewer) = (collectors(count + 1), collectors(count));
            group.bench_function(BenchmarkId::new(format!("plus_then_minus_one_{kind}"), count), |b| {
                b.iter(|| {
                    for set in [&more, &fewer] {
                        loaded.input.collectors = set.clone();
                        loaded.engine.step(&loaded.input);
                    }
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, first, collector_changes);
criterion_main!(benches);
