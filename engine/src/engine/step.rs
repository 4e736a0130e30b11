//! One step, phase by phase.

mod decide;
mod publish;
mod resolve;

use std::sync::Arc;

use super::changes::{self, Need};
use super::{Engine, Phase, StepInput, StepReport};
use crate::snapshot::Snapshot;

pub(super) fn run(engine: &mut Engine, input: &StepInput, ended: &mut dyn FnMut(Phase)) -> StepReport {
    let table = &input.jobs;
    let taken = engine.store.take();
    let collectors_changed = engine.last.collectors != input.collectors;
    let same_table = engine.last.number > 0 && Arc::ptr_eq(table, &engine.last.table);
    let needs = match same_table && taken.groups.is_empty() && taken.synced.is_empty() {
        true => vec![Need::Nothing; table.jobs().len()],
        false => changes::apply(engine, taken, table),
    };
    ended(Phase::Take);
    if same_table && !collectors_changed && needs.iter().all(|need| *need == Need::Nothing) {
        for phase in [Phase::Resolve, Phase::Place, Phase::Publish] {
            ended(phase);
        }
        return report_unchanged(&engine.last);
    }

    let mut report = StepReport { published: true, collectors_changed, ..StepReport::default() };
    let changed: Vec<usize> = (0..needs.len()).filter(|index| needs[*index] == Need::LayOut).collect();
    let layouts = resolve::resolve_and_lay_out(engine, table, &changed, &mut report);
    ended(Phase::Resolve);

    if collectors_changed || engine.planner.is_none() {
        engine.planner = (!input.collectors.is_empty()).then(|| engine.strategy.prepare(&input.collectors));
    }
    let decided = decide::decide(engine, input, layouts, collectors_changed, &mut report);
    ended(Phase::Place);

    publish::publish(engine, input, &needs, decided, &mut report);
    ended(Phase::Publish);
    report
}

fn report_unchanged(last: &Snapshot) -> StepReport {
    StepReport {
        snapshot: last.number,
        targets: last.targets,
        remaining: last.jobs.iter().map(|job| job.layout.len()).sum(),
        unassigned: last.unassigned(),
        ..StepReport::default()
    }
}
