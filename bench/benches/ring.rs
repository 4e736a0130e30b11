//! The consistent-hashing table and its look-ups.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ta_bench::collectors;
use ta_engine::{PointKey, Ring};
use xxhash_rust::xxh64::xxh64;

fn ring(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring");
    for count in [3, 20, 100, 1000] {
        let collectors = collectors(count);
        for (name, key) in [("build_v1", PointKey::V1), ("build_legacy", PointKey::Legacy)] {
            group.bench_function(BenchmarkId::new(name, count), |b| b.iter(|| Ring::new(black_box(&collectors), key)));
        }
    }
    let ring = Ring::new(&collectors(100), PointKey::V1);
    let addresses: Vec<String> = (0..10_000).map(|n| format!("10.{}.{}.7:9100", n / 256, n % 256)).collect();
    let hashes: Vec<u64> = addresses.iter().map(|address| xxh64(address.as_bytes(), 0)).collect();
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("locate", |b| b.iter(|| hashes.iter().map(|hash| ring.owner(*hash)).sum::<usize>()));
    group.bench_function("locate_with_hash", |b| {
        b.iter(|| addresses.iter().map(|address| ring.owner(xxh64(address.as_bytes(), 0))).sum::<usize>());
    });
    group.finish();
}

criterion_group!(benches, ring);
criterion_main!(benches);
