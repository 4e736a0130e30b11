//! How long changes take to be known.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Number of a change.
pub type ChangeId = u32;

/// What became of the changes since the last mark.
#[derive(Debug, Clone)]
pub struct ChangeTotals {
    /// Changes begun that a collector can see.
    pub begun: u64,
    /// Changes every collector knows.
    pub known: u64,
    /// Changes some target of which is still to become known.
    pub pending: u64,
    /// Changes of which a newer change took over some target.
    pub superseded: u64,
    /// Time from change to all of it known, µs.
    pub known_micros: Histogram<u64>,
    /// The same for single targets, µs.
    pub target_known_micros: Histogram<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Change {
    at: Duration,
    waiting: u32,
    /// Nothing ever waited for it: it changed nothing a collector could see.
    empty: bool,
    open: bool,
    superseded: bool,
}

#[derive(Debug)]
pub(super) struct Changes {
    all: Vec<Change>,
    totals: ChangeTotals,
}

impl Default for Changes {
    fn default() -> Self {
        Changes { all: Vec::new(), totals: empty() }
    }
}

fn empty() -> ChangeTotals {
    // three digits from 1 µs to 1 h
    let histogram = || Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("constant bounds are valid");
    ChangeTotals {
        begun: 0,
        known: 0,
        pending: 0,
        superseded: 0,
        known_micros: histogram(),
        target_known_micros: histogram(),
    }
}

impl Changes {
    pub(super) fn begin(&mut self, at: Duration) -> ChangeId {
        self.all.push(Change { at, waiting: 0, empty: true, open: true, superseded: false });
        self.totals.begun += 1;
        self.totals.pending += 1;
        self.all.len() as u32 - 1
    }

    pub(super) fn end(&mut self, change: ChangeId, at: Duration) {
        self.all[change as usize].open = false;
        self.finish_if_done(change, at);
    }

    /// Notes that one target waits for the change; gives the mark to keep in the target.
    pub(super) fn wait_for(&mut self, change: ChangeId) -> u32 {
        let state = &mut self.all[change as usize];
        state.waiting += 1;
        state.empty = false;
        change + 1
    }

    /// A newer fact about a target, told with change `by`, makes its pending change moot.
    pub(super) fn supersede(&mut self, mark: &mut u32, at: Duration, by: Option<ChangeId>) {
        if let Some(change) = std::mem::take(mark).checked_sub(1) {
            let state = &mut self.all[change as usize];
            state.superseded |= by != Some(change);
            state.waiting -= 1;
            self.finish_if_done(change, at);
        }
    }

    /// The target's pending change is known.
    pub(super) fn settle(&mut self, mark: &mut u32, at: Duration) {
        if let Some(change) = std::mem::take(mark).checked_sub(1) {
            let state = &mut self.all[change as usize];
            state.waiting -= 1;
            record(&mut self.totals.target_known_micros, at.saturating_sub(state.at));
            self.finish_if_done(change, at);
        }
    }

    pub(super) fn totals(&self) -> ChangeTotals {
        self.totals.clone()
    }

    /// Starts the totals anew; what is pending stays so.
    pub(super) fn forget_known(&mut self) {
        let pending = self.totals.pending;
        self.totals = ChangeTotals { begun: pending, pending, ..empty() };
    }

    fn finish_if_done(&mut self, change: ChangeId, at: Duration) {
        let state = self.all[change as usize];
        if state.open || state.waiting > 0 {
            return;
        }
        self.totals.pending -= 1;
        if state.empty {
            self.totals.begun -= 1;
        } else if state.superseded {
            self.totals.superseded += 1;
        } else {
            self.totals.known += 1;
            record(&mut self.totals.known_micros, at.saturating_sub(state.at));
        }
    }
}

fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record(time.as_micros().min(3_600_000_000) as u64);
}
