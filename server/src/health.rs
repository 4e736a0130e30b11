//! What the process may answer now. One handle, driven by the wiring, read by every request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Where the process is in its life. Phases only move forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Listening, nothing applied yet.
    Starting,
    /// A job table is in force; discovery has not delivered everything once.
    Syncing,
    /// Every answer is true.
    Serving,
    /// Asked to stop: not ready any more, answers stay true until the listener closes.
    Draining,
}

impl Phase {
    /// As shown to people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Syncing => "syncing",
            Phase::Serving => "serving",
            Phase::Draining => "draining",
        }
    }

    fn from_u8(value: u8) -> Self {
        match value {
            0 => Phase::Starting,
            1 => Phase::Syncing,
            2 => Phase::Serving,
            _ => Phase::Draining,
        }
    }
}

/// Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    phase: AtomicU8,
    has_served: AtomicBool,
    lacks_collectors: AtomicBool,
}

impl Health {
    /// In [`Phase::Starting`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves on to `phase`; a phase that lies behind changes nothing.
    pub fn advance(&self, phase: Phase) {
        if phase == Phase::Serving && self.phase() < Phase::Draining {
            self.0.has_served.store(true, Ordering::Release);
        }
        self.0.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// Says whether the snapshot was made without knowing the collectors, rather than knowing that there are none.
    pub fn set_lacks_collectors(&self, lacks: bool) {
        self.0.lacks_collectors.store(lacks, Ordering::Release);
    }

    /// Whether nothing can be said of any collector's share: where pods cannot be listed, say. Serving goes on without.
    #[must_use]
    pub fn lacks_collectors(&self) -> bool {
        self.0.lacks_collectors.load(Ordering::Acquire)
    }

    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        Phase::from_u8(self.0.phase.load(Ordering::Acquire))
    }

    /// `/readyz`: whether new clients should be sent here.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase() == Phase::Serving
    }

    /// Whether the snapshot is the truth. Stays so while draining, and never becomes so if asked to stop before the
    /// first sync: a client takes an early empty answer for "you have no targets" and drops all it scrapes.
    #[must_use]
    pub fn answers_data(&self) -> bool {
        self.0.has_served.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_only_move_forward() {
        let health = Health::new();
        health.advance(Phase::Serving);
        health.advance(Phase::Syncing);
        assert_eq!(health.phase(), Phase::Serving);
        assert!(health.is_ready() && health.answers_data());
    }

    #[test]
    fn draining_after_serving_still_answers() {
        let health = Health::new();
        health.advance(Phase::Serving);
        health.advance(Phase::Draining);
        assert!(!health.is_ready() && health.answers_data());
    }

    #[test]
    fn draining_before_the_first_sync_never_answers() {
        let health = Health::new();
        health.advance(Phase::Syncing);
        health.advance(Phase::Draining);
        health.advance(Phase::Serving);
        assert!(!health.is_ready() && !health.answers_data());
    }
}
