//! What the engine did, in the log: one line a second at most, whatever the churn.

use std::time::{Duration, Instant};

use ta_engine::StepReport;

use crate::engine_thread::StepTimes;

const EVERY: Duration = Duration::from_secs(1);

/// Adds up steps between lines.
#[derive(Debug, Default)]
pub(crate) struct StepLog {
    last: Option<Instant>,
    steps: usize,
    added: usize,
    removed: usize,
    moved: usize,
}

impl StepLog {
    /// Notes one step. Steps that changed no target and moved none are for debugging only.
    pub(crate) fn note(&mut self, report: &StepReport, times: StepTimes) {
        tracing::debug!(?report, ?times, "step");
        self.steps += 1;
        self.added += report.added;
        self.removed += report.removed;
        self.moved += report.moved;
        let is_worth_it =
            self.added + self.removed + self.moved > 0 || (report.collectors_changed && report.targets > 0);
        if !is_worth_it || self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        tracing::info!(
            snapshot = report.snapshot,
            targets = report.targets,
            unassigned = report.unassigned,
            added = self.added,
            removed = self.removed,
            moved = self.moved,
            steps = self.steps,
            took = ?times.total,
            "targets allocated"
        );
        *self = Self { last: Some(Instant::now()), ..Self::default() };
    }
}
