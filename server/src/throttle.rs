//! Says the same thing only so often.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets one event through in each interval, and counts the others.
#[derive(Debug)]
pub(crate) struct Throttle {
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    held_back: u64,
}

impl Throttle {
    pub(crate) const fn new(interval: Duration) -> Self {
        Self { interval, state: Mutex::new(State { last: None, held_back: 0 }) }
    }

    /// Whether to tell of an event at `now`: if so, how many were held back since the last one told.
    pub(crate) fn pass(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < self.interval) {
            state.held_back += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_each_interval_passes_and_the_rest_is_counted() {
        let throttle = Throttle::new(Duration::from_secs(10));
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let passed: Vec<_> = [0, 1, 9, 10, 11, 30].map(|seconds| throttle.pass(at(seconds))).to_vec();
        assert_eq!(passed, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
