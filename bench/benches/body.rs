//! Rendering shares, against copying the same bytes.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ta_bench::{Loaded, Workload};
use ta_engine::StrategyKind;

fn body(c: &mut Criterion) {
    let mut group = c.benchmark_group("body");
    // (targets, jobs, collectors): 5, 50 and 1,667 targets in a share
    for (targets, jobs, collectors) in [(10_000, 20, 100), (10_000, 20, 10), (10_000, 2, 3)] {
        let workload = Workload::slices(targets, jobs, 10);
        let loaded = Loaded::full(&workload, true, StrategyKind::ConsistentHashing, collectors, 0);
        let snapshot = loaded.engine.snapshots().load();
        let shares: Vec<_> = snapshot.jobs().flat_map(|job| job.shares().map(|(_, share)| share)).collect();
        let per_share = targets as usize / shares.len();
        let bytes: u64 = shares.iter().map(|share| share.content_length()).sum();
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function(BenchmarkId::new("render", per_share), |b| {
            b.iter(|| shares.iter().flat_map(|share| share.body()).map(|piece| black_box(piece).len()).sum::<usize>());
        });
        let whole: Vec<Vec<u8>> = shares.iter().map(|share| share.body().flatten().collect()).collect();
        group.bench_function(BenchmarkId::new("anchor_copy", per_share), |b| {
            b.iter(|| whole.iter().map(|body| black_box(body.clone()).len()).sum::<usize>());
        });
        group.throughput(Throughput::Elements(targets));
        group.bench_function(BenchmarkId::new("etag", per_share), |b| {
            b.iter(|| shares.iter().fold(0, |all, share| all ^ share.etag()));
        });
    }
    group.finish();
}

criterion_group!(benches, body);
criterion_main!(benches);
