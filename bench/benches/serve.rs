//! Answers of the real router, without a socket: by size of the share, as they are kept, and for other clients.
#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ta_bench::serve::{Served, largest_share, request, share_path};
use ta_bench::{Loaded, Workload, collectors, sizes};
use ta_engine::StrategyKind;

/// One job with one share of `targets` targets, and its router. With `whole`, its body is kept.
fn share_of(targets: u64, whole: bool) -> (Loaded, Served) {
    let workload = Workload::slices(targets, 1, 10);
    let budget = if whole { usize::MAX } else { 0 };
    let mut loaded =
        Loaded::with_budget(workload.table(true), StrategyKind::ConsistentHashing, collectors(1), 1, budget);
    loaded.feed(&workload);
    let served = Served::new(&mut loaded);
    loaded.engine.warm(&|| false);
    (loaded, served)
}

fn shares(c: &mut Criterion) {
    let mut group = c.benchmark_group("serve");
    for targets in [1, 5, 50, 500, 5000] {
        for whole in [true, false] {
            let (loaded, served) = share_of(targets, whole);
            let (path, count, tag) = largest_share(loaded.engine.last());
            assert_eq!(count as u64, targets, "one collector has them all");
            let plain = request(&path, &[]);
            let (_, bytes) = served.get(&plain);
            group.throughput(Throughput::Bytes(bytes as u64));
            let name = if whole { "raw_whole" } else { "raw_streamed" };
            group.bench_function(BenchmarkId::new(name, targets), |b| b.iter(|| served.get(&plain)));
            if whole {
                continue;
            }
            group.bench_function(BenchmarkId::new("first_byte", targets), |b| b.iter(|| served.first_byte(&plain)));
            let gzip = request(&path, &[("accept-encoding", "gzip")]);
            group.bench_function(BenchmarkId::new("gzip", targets), |b| b.iter(|| served.get(&gzip)));
            let known = request(&path, &[("if-none-match", &tag)]);
            group.bench_function(BenchmarkId::new("not_modified", targets), |b| b.iter(|| served.get(&known)));
        }
    }
    group.finish();
}

fn fleet(c: &mut Criterion) {
    let mut group = c.benchmark_group("serve_fleet");
    let targets = sizes(&[10_000, 100_000]).pop().unwrap_or(10_000);
    let workload = Workload::slices(targets, 200, 10);
    let mut loaded = Loaded::full(&workload, true, StrategyKind::ConsistentHashing, 100, 0);
    let served = Served::new(&mut loaded);
    let job = workload.table(true).jobs()[0].name().clone();
    let html = &[("accept", "text/html")][..];
    for (name, path, headers) in [
        ("empty", share_path("no-such-job", "otel-collector-0"), &[][..]),
        ("jobs", "/jobs".to_owned(), &[]),
        ("all_collectors", share_path(&job, "").replace("?collector_id=", ""), &[]),
        ("scrape_configs", "/scrape_configs".to_owned(), &[]),
        ("metrics", "/metrics".to_owned(), &[]),
        ("index_page", "/".to_owned(), html),
        ("jobs_page", "/jobs".to_owned(), html),
    ] {
        let request = request(&path, headers);
        let (status, bytes) = served.get(&request);
        assert!(status.is_success(), "{path}: {status}");
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new(name, targets), |b| b.iter(|| served.get(&request)));
    }
    group.finish();
}

criterion_group!(benches, shares, fleet);
criterion_main!(benches);
