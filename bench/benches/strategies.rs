//! Each strategy over 100,000 targets in 200 jobs: everything new, and orphans of one lost collector.
#![allow(missing_docs)]

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ta_bench::{Jobs, collectors, pending};
use ta_engine::{Owner, Problem, StrategyConfig, StrategyKind};

const TARGETS: usize = 100_000;
const JOBS: usize = 200;

fn nobody_yet() -> Vec<Vec<Owner>> {
    pending(TARGETS, JOBS)
}

fn strategies(c: &mut Criterion) {
    let mut group = c.benchmark_group("strategies");
    group.sample_size(20).throughput(Throughput::Elements(TARGETS as u64));
    for count in [3, 20, 100, 1000] {
        let (jobs, fleet) = (Jobs::new(TARGETS, JOBS, count), collectors(count));
        let (nobody, outside) = (nobody_yet(), vec![0; count]);
        for kind in StrategyKind::ALL {
            let strategy = StrategyConfig { strategy: kind, ..StrategyConfig::default() }.build().expect("no fallback");
            let planner = strategy.prepare(&fleet);
            let targets = jobs.targets(&nobody);
            let problem = Problem { jobs: &targets, outside_load: &outside };
            group.bench_function(BenchmarkId::new(format!("{kind}_fill"), count), |b| {
                b.iter_batched_ref(nobody_yet, |owners| planner.place(&problem, owners), BatchSize::LargeInput);
            });
            let mut placed = nobody_yet();
            planner.place(&problem, &mut placed);
            for owner in placed.iter_mut().flatten().filter(|owner| owner.ordinal() == Some(0)) {
                *owner = Owner::PENDING;
            }
            let targets = jobs.targets(&placed);
            let problem = Problem { jobs: &targets, outside_load: &outside };
            group.bench_function(BenchmarkId::new(format!("{kind}_orphans"), count), |b| {
                b.iter_batched_ref(nobody_yet, |owners| planner.place(&problem, owners), BatchSize::LargeInput);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, strategies);
criterion_main!(benches);
