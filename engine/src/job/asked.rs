//! When each share of a job was last asked for.
//!
//! Kept beside the shares, where a request comes by anyway: a map by collector and job would have millions of entries and a
//! lock, here it is one relaxed store. It costs 4 bytes a share, from the first time that anybody asks for the job.
//!
//! What is given up: where the shares of a job become those of other collectors, its stamps are copied, and a poll that
//! at this moment still reads the snapshot before leaves no trace; then the time told is one poll interval too old. As
//! long as the same collectors have shares, which is nearly always, both snapshots have the same stamps.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// By share number, in seconds since 1970 (32 bits last until 2106); 0 is never.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked(OnceLock<Arc<[AtomicU32]>>);

impl Asked {
    /// `share`, one of `shares`, is asked for at `second`.
    pub(super) fn note(&self, share: usize, shares: usize, second: u32) {
        let stamp = &self.0.get_or_init(|| never(shares))[share];
        // stamps of sixteen collectors share a cache line, and a fleet asks in the same instant: written once a second
        if stamp.load(Relaxed) != second {
            stamp.store(second, Relaxed);
        }
    }

    pub(super) fn last(&self, share: usize) -> Option<u32> {
        Some(self.0.get()?[share].load(Relaxed)).filter(|second| *second != 0)
    }

    /// A copy for other shares, each of which goes on from the one in `before`; `None` for new ones.
    pub(super) fn copied(&self, before: impl Iterator<Item = Option<usize>>) -> Self {
        let Some(stamps) = self.0.get() else { return Self::default() };
        let copied = before.map(|before| AtomicU32::new(before.map_or(0, |share| stamps[share].load(Relaxed))));
        Self(OnceLock::from(copied.collect::<Arc<[_]>>()))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.get().map_or(0, |stamps| size_of_val(&**stamps))
    }
}

fn never(shares: usize) -> Arc<[AtomicU32]> {
    (0..shares).map(|_| AtomicU32::new(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_has_the_same_stamps_and_a_copy_its_own() {
        let old = Asked::default();
        assert_eq!((old.last(1), old.copied([None].into_iter()).last(0)), (None, None));
        old.note(1, 2, 7);
        let (same, other) = (old.clone(), old.copied([Some(1), None, Some(0)].into_iter()));
        old.note(0, 2, 8); // by a reader of the snapshot before
        assert_eq!((same.last(0), same.last(1)), (Some(8), Some(7)));
        assert_eq!((other.last(0), other.last(1), other.last(2)), (Some(7), None, None));
    }
}
