//! When each collector last asked for targets.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use ta_model::CollectorSet;

/// By collector name, in seconds since 1970. Asked for the targets of any job: one number for each of thousands of jobs
/// would cost more than it tells, as a collector polls them all alike.
#[derive(Debug, Default)]
pub(crate) struct Polls(RwLock<HashMap<Arc<str>, AtomicU64>>);

impl Polls {
    /// A known collector asks.
    pub(crate) fn note(&self, collector: &Arc<str>, fleet: &CollectorSet, now: SystemTime) {
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if let Some(last) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(collector) {
            last.store(seconds, Ordering::Relaxed);
            return;
        }
        let mut polls = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if polls.len() >= 2 * fleet.len().max(8) {
            polls.retain(|name, _| fleet.ordinal(name).is_some()); // those that are gone; names may be new each time
        }
        polls.insert(collector.clone(), AtomicU64::new(seconds));
    }

    pub(crate) fn last(&self, collector: &str) -> Option<SystemTime> {
        let polls = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let seconds = polls.get(collector)?.load(Ordering::Relaxed);
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }
}

#[cfg(test)]
mod tests {
    use ta_model::Collector;

    use super::*;

    fn mk_fleet(name: &str) -> CollectorSet {
        CollectorSet::new(vec![Collector::new(name, "")]).expect("one name")
    }

    #[test]
    fn the_last_time_is_known_and_names_that_are_gone_are_forgotten() {
        let polls = Polls::default();
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for number in 0..100_u64 {
            let name = format!("collector-{number}");
            polls.note(&name.clone().into(), &mk_fleet(&name), at(number));
        }
        assert_eq!(polls.last("collector-99"), Some(at(99)));
        assert_eq!(polls.last("collector-0"), None);
        polls.note(&"collector-99".into(), &mk_fleet("collector-99"), at(200));
        assert_eq!(polls.last("collector-99"), Some(at(200)));
    }
}
