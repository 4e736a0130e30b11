//! Putting the new snapshot together, and swapping it in.

use std::sync::Arc;

use super::decide::Decided;
use crate::body;
use crate::engine::changes::Need;
use crate::engine::{Engine, StepInput, StepReport};
use crate::job::JobSnapshot;
use crate::owner::Unassigned;
use crate::snapshot::{CollectorLoad, Snapshot};

pub(super) fn publish(
    engine: &mut Engine,
    input: &StepInput,
    needs: &[Need],
    (decided, loads): (Vec<Decided>, Vec<CollectorLoad>),
    report: &mut StepReport,
) {
    for (index, snapshot) in decided {
        if let Some(state) = engine.jobs.get_mut(input.jobs.jobs()[index].name()) {
            state.snapshot = Some(snapshot);
        }
    }
    let mut jobs = Vec::with_capacity(needs.len());
    for (job, need) in input.jobs.jobs().iter().zip(needs) {
        let Some(state) = engine.jobs.get_mut(job.name()) else { continue };
        if let (Need::Renew, Some(snapshot)) = (need, &state.snapshot) {
            state.snapshot = Some(Arc::new(snapshot.renewed(job.clone(), state.synced)));
        }
        jobs.extend(state.snapshot.clone());
    }
    let snapshot = assemble(engine, input, jobs, loads);
    report.snapshot = snapshot.number;
    report.targets = snapshot.targets;
    report.remaining = snapshot.jobs.iter().map(|job| job.layout.len()).sum();
    report.unassigned = snapshot.unassigned();
    let snapshot = Arc::new(snapshot);
    engine.cell.publish(snapshot.clone());
    let old = std::mem::replace(&mut engine.last, snapshot);
    engine.retired.keep(old, &engine.last);
    engine.retired.free();
}

fn assemble(engine: &Engine, input: &StepInput, jobs: Vec<Arc<JobSnapshot>>, loads: Vec<CollectorLoad>) -> Snapshot {
    let mut unassigned = [0; Unassigned::ALL.len()];
    let mut targets = 0;
    for job in &jobs {
        targets += job.layout.kept();
        for reason in Unassigned::ALL {
            unassigned[reason as usize] += job.unassigned(reason);
        }
    }
    let listed = |job: &&Arc<JobSnapshot>| job.layout.kept() > 0;
    let same = engine.last.jobs.iter().filter(listed).map(name).eq(jobs.iter().filter(listed).map(name));
    let listing = match same {
        true => engine.last.listing.clone(),
        false => body::listing(jobs.iter().filter(listed).map(|job| &**job.job.name())),
    };
    Snapshot {
        number: engine.last.number + 1,
        table: input.jobs.clone(),
        collectors: input.collectors.clone(),
        jobs: jobs.into(),
        loads: loads.into(),
        targets,
        unassigned,
        listing,
    }
}

fn name(job: &Arc<JobSnapshot>) -> &Arc<str> {
    job.job.name()
}
