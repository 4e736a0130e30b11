//! How long a pod has been unhealthy, whatever is done to the clock of the day.
//!
//! Kubernetes says at what time of day it began. That is compared with our own time of day once, when it is seen first;
//! from then on a clock counts that nobody can set. Otherwise a clock that is set on would end all grace periods at once, and
//! one that is set back would bring back collectors that have been dead for long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::pod::CollectorPod;

/// A time that nobody can set. It was the time of day when it began.
#[derive(Debug)]
pub(super) struct Steady {
    began: (SystemTime, Instant),
    /// By pod and time of day, as Kubernetes says it: the steady time that it was.
    seen: BTreeMap<(String, SystemTime), SystemTime>,
}

impl Steady {
    pub(super) fn new(time_of_day: SystemTime) -> Self {
        Self { began: (time_of_day, Instant::now()), seen: BTreeMap::new() }
    }

    pub(super) fn now(&self) -> SystemTime {
        self.began.0 + self.began.1.elapsed()
    }

    /// The pods with steady times, as they are at `time_of_day`.
    pub(super) fn pods(
        &mut self,
        pods: impl IntoIterator<Item = (String, Arc<CollectorPod>)>,
        time_of_day: SystemTime,
    ) -> BTreeMap<String, Arc<CollectorPod>> {
        let (now, before) = (self.now(), std::mem::take(&mut self.seen));
        let mut steady = |name: &str, since: SystemTime| {
            let key = (name.to_owned(), since);
            let known = before.get(&key).copied().unwrap_or_else(|| {
                // the API server's clock may be ahead of ours: then it has just begun
                let age = time_of_day.duration_since(since).unwrap_or(Duration::ZERO);
                now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH)
            });
            self.seen.insert(key, known);
            known
        };
        let place = |(name, pod): (String, Arc<CollectorPod>)| {
            // since when it is not running is not said, but since when it might be
            let started = pod.started.filter(|_| !pod.is_running).map(|since| steady(&name, since));
            let unready_since = pod.unready_since.map(|since| steady(&name, since));
            let is_healthy = started.is_none() && unready_since.is_none();
            let pod =
                if is_healthy { pod } else { Arc::new(CollectorPod { started, unready_since, ..(*pod).clone() }) };
            (name, pod)
        };
        pods.into_iter().map(place).collect()
    }
}
