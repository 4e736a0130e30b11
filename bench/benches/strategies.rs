//! Each strategy over 100,000 targets in 200 jobs: everything new, and orphans of one lost collector.
#![allow(missing_docs)]

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ta_bench::collectors;
use ta_engine::{JobTargets, Owner, Problem, StrategyConfig, StrategyKind, node_hash};
use xxhash_rust::xxh64::xxh64;

const TARGETS: usize = 100_000;
const JOBS: usize = 200;

struct Jobs {
    addresses: Vec<Vec<u64>>,
    nodes: Vec<Vec<u64>>,
}

impl Jobs {
    fn new(collectors: usize) -> Self {
        let per_job = TARGETS / JOBS;
        let address = |job: usize, n: usize| xxh64(format!("10.{job}.{}.{}:9100", n / 250, n % 250).as_bytes(), 0);
        let node = |job: usize, n: usize| node_hash(&format!("node-{}", (job * 31 + n) % collectors));
        Self {
            addresses: (0..JOBS).map(|job| (0..per_job).map(|n| address(job, n)).collect()).collect(),
            nodes: (0..JOBS).map(|job| (0..per_job).map(|n| node(job, n)).collect()).collect(),
        }
    }

    fn targets<'a>(&'a self, previous: &'a [Vec<Owner>]) -> Vec<JobTargets<'a>> {
        let jobs = self.addresses.iter().zip(&self.nodes).zip(previous);
        jobs.map(|((addresses, nodes), previous)| JobTargets { addresses, nodes, previous }).collect()
    }
}

fn pending() -> Vec<Vec<Owner>> {
    vec![vec![Owner::PENDING; TARGETS / JOBS]; JOBS]
}

fn strategies(c: &mut Criterion) {
    let mut group = c.benchmark_group("strategies");
    group.sample_size(20).throughput(Throughput::Elements(TARGETS as u64));
    for count in [3, 20, 100, 1000] {
        let (jobs, fleet) = (Jobs::new(count), collectors(count));
        let (nobody, outside) = (pending(), vec![0; count]);
        for kind in StrategyKind::ALL {
            let strategy = StrategyConfig { strategy: kind, ..StrategyConfig::default() }.build().expect("no fallback");
            let planner = strategy.prepare(&fleet);
            let targets = jobs.targets(&nobody);
            let problem = Problem { jobs: &targets, outside_load: &outside };
            group.bench_function(BenchmarkId::new(format!("{kind}_fill"), count), |b| {
                b.iter_batched_ref(pending, |owners| planner.place(&problem, owners), BatchSize::LargeInput);
            });
            let mut placed = pending();
            planner.place(&problem, &mut placed);
            for owner in placed.iter_mut().flatten().filter(|owner| owner.ordinal() == Some(0)) {
                *owner = Owner::PENDING;
            }
            let targets = jobs.targets(&placed);
            let problem = Problem { jobs: &targets, outside_load: &outside };
            group.bench_function(BenchmarkId::new(format!("{kind}_orphans"), count), |b| {
                b.iter_batched_ref(pending, |owners| planner.place(&problem, owners), BatchSize::LargeInput);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, strategies);
criterion_main!(benches);
