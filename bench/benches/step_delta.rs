//! Steps after small changes, as shares of a full one (`step_full`): nothing, 1 % in few groups, 1 % in many, meta labels.
#![allow(missing_docs)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ta_bench::{Loaded, Workload, sizes};
use ta_engine::StrategyKind;
use ta_loadgen::synth::GroupPlan;
use ta_model::group::{GroupBuilder, GroupChange};

fn delta(c: &mut Criterion) {
    let mut group = c.benchmark_group("step_delta");
    group.sample_size(20);
    let targets = sizes(&[10_000, 100_000, 800_000]).pop().unwrap_or(10_000);
    let workload = Workload::slices(targets, 200, 10);
    let mut loaded = Loaded::full(&workload, true, StrategyKind::ConsistentHashing, 100, 0);
    let plans: Vec<GroupPlan> = workload.plans().collect();
    let mut builder = GroupBuilder::new();

    let same = workload.changes();
    group.throughput(Throughput::Elements(plans.len() as u64));
    group.bench_function("unchanged_groups", |b| {
        let writer = loaded.store.writer();
        b.iter_batched(
            || same.clone(),
            |changes| {
                writer.apply(changes);
                loaded.engine.step(&loaded.input)
            },
            BatchSize::LargeInput,
        );
    });

    type Edit = fn(&mut GroupPlan);
    let replace_all: Edit = |plan| plan.slots.iter_mut().for_each(|slot| slot.serial += 1);
    let replace_one: Edit = |plan| plan.slots.iter_mut().take(1).for_each(|slot| slot.serial += 1);
    let meta_only: Edit = |plan| plan.revision += 1;
    let cases: [(&str, usize, usize, Edit); 3] = [
        ("one_pct_clustered", 1, plans.len() / 100, replace_all),
        ("one_pct_spread", 10, plans.len() / 10, replace_one),
        ("one_pct_meta_only", 1, plans.len() / 100, meta_only),
    ];
    for (name, every, count, edit) in cases {
        let mut edited = plans.clone();
        group.throughput(Throughput::Elements(targets / 100));
        group.bench_function(name, |b| {
            let writer = loaded.store.writer();
            let changes = || -> Vec<GroupChange> {
                let picked = edited.iter_mut().step_by(every).take(count);
                picked
                    .map(|plan| {
                        edit(plan);
                        workload.change(&mut builder, plan)
                    })
                    .collect()
            };
            b.iter_batched(
                changes,
                |changes| {
                    writer.apply(changes);
                    loaded.engine.step(&loaded.input)
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, delta);
criterion_main!(benches);
