//! Accounting of held targets against the truth.
//!
//! The feed says which targets exist; collectors say which they hold. The ledger integrates over time, in
//! target-seconds:
//!
//! | state | a target that … |
//! |---|---|
//! | waiting | exists and no collector has held it yet |
//! | lost | exists, was held before, and is held by none now |
//! | doubled | is held by more than one collector (each extra holder counts) |
//! | stale | is gone and still held (each holder counts) |
//!
//! A fact is to be told before any collector can see it: what a collector gives up while it still exists by the truth
//! counts as lost, and nothing can tell later that it was not.
//!
//! Targets are dense `u32`s; nothing is kept about a target but 20 bytes. No clock: every call says when.

mod changes;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

pub use changes::{ChangeId, ChangeTotals};

use crate::protocol::Fingerprint;
use changes::Changes;

/// Number of a target in a [`Ledger`].
pub type TargetOrd = u32;

/// One target a collector holds, with the content hash of its labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// Which.
    pub target: TargetOrd,
    /// Hash of all its labels as the collector knows them.
    pub content: u32,
}

/// How many targets are in which state now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Targets that exist.
    pub existing: i64,
    /// Targets held by at least one collector.
    pub held: i64,
    /// Exist, held by none, never held yet.
    pub waiting: i64,
    /// Exist, held by none, held before.
    pub lost: i64,
    /// Holders beyond the first.
    pub doubled: i64,
    /// Holders of targets that do not exist.
    pub stale: i64,
}

/// Integrals since the last [`Ledger::mark`], in target-seconds, and the highest values seen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Integrals {
    /// Seconds integrated over.
    pub seconds: f64,
    /// ∫ waiting.
    pub waiting: f64,
    /// ∫ lost.
    pub lost: f64,
    /// ∫ doubled.
    pub doubled: f64,
    /// ∫ stale.
    pub stale: f64,
    /// Highest number of lost targets at once.
    pub lost_max: i64,
    /// Highest number of doubled targets at once.
    pub doubled_max: i64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Target {
    content: u32,
    /// Content that a holder took last.
    taken: u32,
    /// Change waiting for this target, plus one; 0 = none.
    change: u32,
    holders: u16,
    exists: bool,
    ever_held: bool,
    /// The pending change is about labels: only a holder with the new content settles it.
    by_content: bool,
}

/// Truth and holdings of all targets.
#[derive(Debug, Default)]
pub struct Ledger {
    ordinals: HashMap<u64, TargetOrd, BuildHasherDefault<AlreadyHashed>>,
    targets: Vec<Target>,
    changes: Changes,
    now: Now,
    at: Duration,
    integrals: Integrals,
}

/// The truth about one target, told by the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It came into being.
    Added,
    /// It is gone.
    Removed,
    /// Same identity, other labels.
    Updated,
}

impl Ledger {
    /// The number of the target with this identity, given on first sight.
    pub fn ordinal(&mut self, identity: u64) -> TargetOrd {
        let next = self.targets.len() as u32;
        let ordinal = *self.ordinals.entry(identity).or_insert(next);
        if ordinal == next {
            self.targets.push(Target::default());
        }
        ordinal
    }

    /// Starts a change: everything told with its id counts as one event, known when its last target is.
    pub fn begin_change(&mut self, at: Duration) -> ChangeId {
        self.changes.begin(at)
    }

    /// Ends a change; only then can it become known.
    pub fn end_change(&mut self, change: ChangeId, at: Duration) {
        self.changes.end(change, at);
    }

    /// Takes one fact of the feed; `change` is none for what existed from the start.
    pub fn tell(&mut self, at: Duration, truth: Truth, target: Fingerprint, change: Option<ChangeId>) {
        self.advance(at);
        let ordinal = self.ordinal(target.identity);
        let mut state = self.targets[ordinal as usize];
        self.count(state, -1);
        self.changes.supersede(&mut state.change, at, change);
        match truth {
            Truth::Added => (state.exists, state.ever_held, state.content) = (true, state.holders > 0, target.content),
            Truth::Removed => state.exists = false,
            Truth::Updated => state.content = target.content,
        }
        let settled = match truth {
            Truth::Added => state.holders > 0,
            Truth::Removed => state.holders == 0,
            Truth::Updated => state.holders > 0 && state.taken == target.content,
        };
        if let (false, Some(change)) = (settled, change) {
            state.change = self.changes.wait_for(change);
            state.by_content = truth == Truth::Updated;
        }
        self.count(state, 1);
        self.targets[ordinal as usize] = state;
    }

    /// A collector's holding of one job goes from `old` to `new`; both sorted by target, without repeats.
    pub fn replace(&mut self, at: Duration, old: &[Held], new: &[Held]) {
        self.advance(at);
        let (mut o, mut n) = (0, 0);
        loop {
            let step = match (old.get(o), new.get(n)) {
                (None, None) => return,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(old), Some(new)) => old.target.cmp(&new.target),
            };
            match step {
                std::cmp::Ordering::Less => self.release(at, old[o]),
                std::cmp::Ordering::Greater => self.hold(at, new[n], 1),
                std::cmp::Ordering::Equal if old[o].content != new[n].content => self.hold(at, new[n], 0),
                std::cmp::Ordering::Equal => {}
            }
            o += usize::from(step.is_le());
            n += usize::from(step.is_ge());
        }
    }

    /// Counts of this moment.
    pub fn now(&self) -> Now {
        self.now
    }

    /// Integrals from the last mark to `at`.
    pub fn integrals(&mut self, at: Duration) -> Integrals {
        self.advance(at);
        self.integrals
    }

    /// Forgets the integrals and finished changes so far: what follows is measured.
    pub fn mark(&mut self, at: Duration) {
        self.advance(at);
        self.integrals = Integrals { lost_max: self.now.lost, doubled_max: self.now.doubled, ..Integrals::default() };
        self.changes.forget_known();
    }

    /// Times from change to known.
    pub fn changes(&self) -> ChangeTotals {
        self.changes.totals()
    }

    /// Whether a target of this identity exists, by the truth.
    pub fn exists(&self, identity: u64) -> bool {
        self.ordinals.get(&identity).is_some_and(|ordinal| self.targets[*ordinal as usize].exists)
    }

    fn hold(&mut self, at: Duration, held: Held, more: u16) {
        let mut state = self.targets[held.target as usize];
        self.count(state, -1);
        state.holders = state.holders.saturating_add(more);
        state.ever_held |= state.exists;
        state.taken = held.content;
        if state.exists && (state.content == held.content || !state.by_content) {
            self.changes.settle(&mut state.change, at);
        }
        self.count(state, 1);
        self.targets[held.target as usize] = state;
    }

    fn release(&mut self, at: Duration, held: Held) {
        let mut state = self.targets[held.target as usize];
        self.count(state, -1);
        state.holders = state.holders.saturating_sub(1);
        if !state.exists && state.holders == 0 {
            self.changes.settle(&mut state.change, at);
        }
        self.count(state, 1);
        self.targets[held.target as usize] = state;
    }

    /// Adds (1) or takes out (-1) one target from the counts of now.
    fn count(&mut self, target: Target, sign: i64) {
        let holders = i64::from(target.holders);
        let now = &mut self.now;
        now.held += sign * i64::from(holders > 0);
        now.doubled += sign * (holders - 1).max(0);
        if !target.exists {
            now.stale += sign * holders;
            return;
        }
        now.existing += sign;
        now.lost += sign * i64::from(holders == 0 && target.ever_held);
        now.waiting += sign * i64::from(holders == 0 && !target.ever_held);
    }

    /// Integrates up to `at`; a time before the last one counts as that one.
    fn advance(&mut self, at: Duration) {
        let seconds = at.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(at);
        if seconds > 0.0 {
            let (now, sum) = (self.now, &mut self.integrals);
            sum.seconds += seconds;
            sum.waiting += seconds * now.waiting as f64;
            sum.lost += seconds * now.lost as f64;
            sum.doubled += seconds * now.doubled as f64;
            sum.stale += seconds * now.stale as f64;
            // only what lasted counts as a maximum: inside one instant holders come and go in any order
            sum.lost_max = sum.lost_max.max(now.lost);
            sum.doubled_max = sum.doubled_max.max(now.doubled);
        }
    }
}

/// Identities are hashes already.
#[derive(Debug, Default, Clone)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests;
