//! The rhythm of sources that ask again and again (Prometheus: `discovery/refresh/refresh.go`).

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Deliver, NamedGroup, SourceError};

/// A source of several parts (names, files) of which some never answer is taken for delivered after this many tries:
/// one broken file must not keep the targets of all others waiting for ever. With a first retry after one second
/// that is seven seconds.
const PARTIAL_TRIES: u32 = 3;

const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// The outcome of asking once.
#[derive(Debug, Default)]
pub(crate) struct Refreshed {
    /// Groups that may have changed. An empty group removes its source.
    pub(crate) groups: Vec<NamedGroup>,
    /// How many parts answered.
    pub(crate) answered: usize,
    /// One text per part that did not.
    pub(crate) errors: Vec<String>,
}

impl Refreshed {
    pub(crate) fn failed(error: impl ToString) -> Self {
        Self { errors: vec![error.to_string()], ..Self::default() }
    }
}

/// When a source asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rhythm {
    pub(crate) interval: Duration,
    pub(crate) first_retry: Duration,
}

/// Something that can be asked.
pub(crate) trait Refresh: Send {
    /// Asks everything once.
    fn refresh(&mut self) -> impl Future<Output = Refreshed> + Send;

    /// Returns when there is reason to ask before the interval is over.
    fn wake(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// True if it can go on no more and must be made anew.
    fn is_lost(&self) -> bool {
        false
    }
}

/// Asks at once, then every interval and whenever it wakes; delivers what was found. Returns when cancelled.
pub(crate) async fn poll(
    mut source: impl Refresh,
    rhythm: Rhythm,
    deliver: &Deliver,
    cancel: &CancellationToken,
) -> Result<(), SourceError> {
    // Zero is refused where configs are read; should one come through, it must not become a busy loop.
    let interval = rhythm.interval.max(MIN_INTERVAL);
    let mut pending = Some(0); // tries so far, until all parts have answered once
    loop {
        let started = Instant::now();
        let refreshed = tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            refreshed = source.refresh() => refreshed,
        };
        deliver.status().refreshed(started.elapsed(), &refreshed.errors);
        if source.is_lost() {
            return Err("a refresh panicked".into());
        }
        let (complete, some) = (refreshed.errors.is_empty(), refreshed.answered > 0);
        if !refreshed.groups.is_empty() {
            deliver.groups(refreshed.groups).await;
        }
        let mut wait = interval;
        if let Some(tries) = pending {
            if complete || some && tries >= PARTIAL_TRIES {
                deliver.synced().await;
                pending = None;
            } else {
                wait = interval.min(rhythm.first_retry.saturating_mul(1 << tries.min(16)));
                pending = Some(tries + 1);
            }
        }
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            () = sleep_until(started + wait) => {}
            () = source.wake() => {}
        }
    }
}
