//! What a receiver has already, so that a delta is what came since.
//!
//! A delta is settled only when the receiver took it: what a failed push carried is part of the next.

use std::collections::HashMap;

use xxhash_rust::xxh3::Xxh3;

/// A counter's or histogram's state.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Last {
    Sum(f64),
    Histogram { count: u64, sum: f64, buckets: Vec<u64> },
}

/// Two views: what was taken, and what is on its way.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    taken: HashMap<u128, Last>,
    sent: HashMap<u128, Last>,
}

impl Ledger {
    /// Begins a push.
    pub(super) fn begin(&mut self) {
        self.sent.clear();
    }

    /// The push was taken. Series that were not in it are forgotten: if they come back, they begin anew.
    pub(super) fn commit(&mut self) {
        std::mem::swap(&mut self.taken, &mut self.sent);
    }

    /// What `now` is above what the receiver has; all of it if it is less (it began anew).
    pub(super) fn sum(&mut self, series: u128, now: f64) -> f64 {
        let delta = match self.taken.get(&series) {
            Some(Last::Sum(before)) if *before <= now => now - before,
            _ => now,
        };
        self.sent.insert(series, Last::Sum(now));
        delta
    }

    /// The same of a histogram: count, sum, and the count of each bucket.
    pub(super) fn histogram(&mut self, series: u128, count: u64, sum: f64, buckets: Vec<u64>) -> (u64, f64, Vec<u64>) {
        let delta = match self.taken.get(&series) {
            Some(Last::Histogram { count: before, sum: sum_before, buckets: buckets_before })
                if *before <= count && buckets_before.len() == buckets.len() =>
            {
                let buckets = buckets.iter().zip(buckets_before).map(|(now, before)| now.saturating_sub(*before));
                (count - before, sum - sum_before, buckets.collect())
            }
            _ => (count, sum, buckets.clone()),
        };
        self.sent.insert(series, Last::Histogram { count, sum, buckets });
        delta
    }
}

/// A series by its name and labels.
pub(super) fn series<'a>(name: &str, labels: impl Iterator<Item = (&'a str, &'a str)>) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(name.as_bytes());
    for (name, value) in labels {
        hash.update(&[0xff]);
        hash.update(name.as_bytes());
        hash.update(&[0xff]);
        hash.update(value.as_bytes());
    }
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_is_settled_only_when_it_was_taken() {
        let mut ledger = Ledger::default();
        let mut push = |value, taken| {
            ledger.begin();
            let delta = ledger.sum(1, value);
            if taken {
                ledger.commit();
            }
            delta
        };
        assert_eq!(push(5.0, true), 5.0);
        assert_eq!(push(7.0, false), 2.0);
        assert_eq!(push(8.0, true), 3.0);
        assert_eq!(push(8.0, true), 0.0);
        assert_eq!(push(2.0, true), 2.0, "it began anew");
    }

    #[test]
    fn histograms_too() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.histogram(1, 3, 1.5, vec![1, 2]), (3, 1.5, vec![1, 2]));
        ledger.commit();
        ledger.begin();
        assert_eq!(ledger.histogram(1, 5, 4.5, vec![1, 4]), (2, 3.0, vec![0, 2]));
        ledger.commit();
        ledger.begin();
        assert_eq!(ledger.histogram(1, 1, 1.0, vec![1, 0]), (1, 1.0, vec![1, 0]));
    }

    #[test]
    fn what_is_gone_begins_anew() {
        let mut ledger = Ledger::default();
        ledger.sum(1, 5.0);
        ledger.commit();
        ledger.begin();
        ledger.commit();
        ledger.begin();
        assert_eq!(ledger.sum(1, 6.0), 6.0);
    }

    #[test]
    fn series_differ_by_name_and_labels() {
        let of = |name, labels: &[(&'static str, &'static str)]| series(name, labels.iter().copied());
        let all = [of("a", &[]), of("b", &[]), of("a", &[("x", "y")]), of("a", &[("x", "z")]), of("ax", &[("", "y")])];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
