//! Builds metric families from values that are known at the moment of a scrape.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType, Summary};

use super::{Name, SCOPE};

/// Families under construction, each name once.
#[derive(Default)]
pub(super) struct Families {
    by_name: HashMap<Name, usize>,
    families: Vec<(MetricFamily, Vec<Metric>)>,
}

impl Families {
    pub(super) fn gauge(&mut self, name: Name, value: f64) {
        self.gauge_with(name, &[], value);
    }

    pub(super) fn gauge_with(&mut self, name: Name, labels: &[(&str, &str)], value: f64) {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        self.metric(name, MetricType::GAUGE, labels).set_gauge(gauge);
    }

    pub(super) fn counter(&mut self, name: Name, value: u64) {
        self.counter_with(name, &[], value);
    }

    pub(super) fn counter_with(&mut self, name: Name, labels: &[(&str, &str)], value: u64) {
        let mut counter = Counter::default();
        counter.set_value(value as f64);
        self.metric(name, MetricType::COUNTER, labels).set_counter(counter);
    }

    /// A summary without quantiles.
    pub(super) fn summary(&mut self, name: Name, labels: &[(&str, &str)], count: u64, sum: Duration) {
        let mut summary = Summary::default();
        summary.set_sample_count(count);
        summary.set_sample_sum(sum.as_secs_f64());
        self.metric(name, MetricType::SUMMARY, labels).set_summary(summary);
    }

    /// A histogram from counts within each of `bounds` and beyond, not cumulated.
    pub(super) fn histogram(
        &mut self,
        name: Name,
        labels: &[(&str, &str)],
        bounds: &[f64],
        counts: &[u64],
        sum: Duration,
    ) {
        let mut cumulated = 0;
        let buckets = bounds.iter().zip(counts).map(|(bound, count)| {
            cumulated += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(cumulated);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(counts.iter().sum());
        histogram.set_sample_sum(sum.as_secs_f64());
        self.metric(name, MetricType::HISTOGRAM, labels).set_histogram(histogram);
    }

    /// `target_info`: who we are.
    pub(super) fn info(&mut self, labels: &[(&str, &str)]) {
        self.gauge_with(Name::TargetInfo, labels, 1.0);
    }

    fn metric(&mut self, name: Name, kind: MetricType, labels: &[(&str, &str)]) -> &mut Metric {
        let at = *self.by_name.entry(name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(name.as_str().to_owned());
            family.set_help(name.help().to_owned());
            family.set_field_type(kind);
            self.families.push((family, Vec::new()));
            self.families.len() - 1
        });
        let scope: &[(&str, &str)] = if name.is_scoped() { &SCOPE } else { &[] };
        let mut pairs: Vec<LabelPair> = labels.iter().chain(scope).map(|(name, value)| pair(name, value)).collect();
        pairs.sort_by(|a, b| a.name().cmp(b.name()));
        let mut metric = Metric::default();
        metric.set_label(pairs);
        let metrics = &mut self.families[at].1;
        metrics.push(metric);
        let last = metrics.len() - 1;
        &mut metrics[last]
    }

    pub(super) fn into_vec(self) -> Vec<MetricFamily> {
        let finish = |(mut family, metrics): (MetricFamily, Vec<Metric>)| {
            family.set_metric(metrics);
            family
        };
        self.families.into_iter().map(finish).collect()
    }
}

fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

/// As Prometheus writes times.
pub(super) fn seconds_since_epoch(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
