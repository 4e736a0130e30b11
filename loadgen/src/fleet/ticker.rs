//! Go's `time.Ticker`: fixed phase, one tick buffered, later ones dropped while the receiver is busy.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

#[derive(Debug)]
pub(super) struct Ticker {
    start: Instant,
    period: Duration,
    next: u32,
}

impl Ticker {
    /// The first tick comes one period after `start`.
    pub(super) fn new(start: Instant, period: Duration) -> Self {
        Ticker { start, period, next: 1 }
    }

    /// Waits for the next tick. Gives the instant it was due, and how many after it were dropped.
    pub(super) async fn tick(&mut self) -> (Instant, u64) {
        let due = self.start + self.period * self.next;
        let passed = (self.start.elapsed().as_nanos() / self.period.as_nanos().max(1)) as u32;
        let dropped = passed.saturating_sub(self.next);
        self.next += 1 + dropped;
        sleep_until(due).await;
        (due, u64::from(dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, pause};

    #[tokio::test]
    async fn phase_is_kept_and_only_one_late_tick_fires() {
        pause();
        let start = Instant::now();
        let mut ticker = Ticker::new(start, Duration::from_secs(30));
        assert_eq!(ticker.tick().await, (start + Duration::from_secs(30), 0));
        // busy until 100 s: the tick of 60 s is buffered, the one of 90 s dropped
        advance(Duration::from_secs(70)).await;
        assert_eq!(ticker.tick().await, (start + Duration::from_secs(60), 1));
        assert_eq!(ticker.tick().await, (start + Duration::from_secs(120), 0));
    }
}
