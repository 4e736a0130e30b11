//! From strings to compact groups, and from groups to targets: seed, relabel, identify, lay out.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ta_bench::{Loaded, Workload, build, collectors};
use ta_engine::StrategyKind;
use ta_model::group::GroupBuilder;

fn compact(c: &mut Criterion) {
    let mut group = c.benchmark_group("compact");
    for per_group in [1, 5, 10, 100] {
        let workload = Workload::slices(1_000, 10, per_group);
        let groups: Vec<_> = workload.plans().map(|plan| workload.render(&plan)).collect();
        group.throughput(Throughput::Elements(1_000));
        group.bench_function(BenchmarkId::new("per_group", per_group), |b| {
            let mut builder = GroupBuilder::new();
            b.iter(|| groups.iter().map(|group| build(&mut builder, group).len()).sum::<usize>());
        });
    }
    // what any form of input costs at least: putting references to the labels in order
    let workload = Workload::slices(1_000, 10, 10);
    let groups: Vec<_> = workload.plans().map(|plan| workload.render(&plan)).collect();
    group.bench_function("anchor_merge_refs", |b| {
        b.iter(|| {
            for group in &groups {
                for target in &group.targets {
                    let mut all: Vec<(&str, &str)> = Vec::with_capacity(group.labels.len() + target.len());
                    all.extend(group.labels.iter().chain(target).map(|(name, value)| (name.as_str(), value.as_str())));
                    all.sort_unstable();
                    black_box(&all);
                }
            }
        });
    });
    group.finish();
}

fn resolve(c: &mut Criterion) {
    let mut group = c.benchmark_group("resolve");
    group.sample_size(20);
    for (name, filter) in [("unfiltered", false), ("servicemonitor", true)] {
        for threads in [1, 2] {
            let workload = Workload::slices(10_000, 20, 10);
            let changes = workload.changes();
            group.throughput(Throughput::Elements(10_000));
            group.bench_function(BenchmarkId::new(name, format!("{threads}_threads")), |b| {
                let fresh = || {
                    let loaded =
                        Loaded::empty(workload.table(filter), StrategyKind::ConsistentHashing, collectors(20), threads);
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

criterion_group!(benches, compact, resolve);
criterion_main!(benches);
