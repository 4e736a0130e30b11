//! Metric families as OTLP. Those of upstream's instruments go under its scope and their own names (no `_total`); the
//! others as Prometheus names them, as upstream's bridge does it.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, Summary, SummaryDataPoint, metric, number_data_point, summary_data_point,
};
use opentelemetry_proto::tonic::resource::v1;
use prometheus::proto::{Metric as Series, MetricFamily, MetricType};

use super::delta::{Ledger, series};
use super::resource::Resource;
use super::settings::Temporality;
use crate::metrics::{Name, SCOPE_NAME};

/// Of what upstream has through its bridge from Prometheus.
const PROMETHEUS_SCOPE: &str = "prometheus";

/// Converts for one reader, and remembers what it has.
#[derive(Debug)]
pub(super) struct Converter {
    resource: Resource,
    temporality: Temporality,
    /// When counting began, and for deltas when the last push was made that was taken; and the push on its way.
    since: u64,
    at: u64,
    ledger: Ledger,
}

impl Converter {
    pub(super) fn new(resource: Resource, temporality: Temporality, start: SystemTime) -> Self {
        let start = nanos(start);
        Self { resource, temporality, since: start, at: start, ledger: Ledger::default() }
    }

    /// All of `families` as they are at `now`.
    pub(super) fn convert(&mut self, families: &[MetricFamily], now: SystemTime) -> ExportMetricsServiceRequest {
        self.at = nanos(now);
        // the clock may have been set back, and nothing ends before it begins
        self.since = self.since.min(self.at);
        self.ledger.begin();
        let (mut own, mut other) = (Vec::new(), Vec::new());
        for family in families.iter().filter(|family| family.name() != Name::TargetInfo.as_str()) {
            let scoped = family.name().starts_with("opentelemetry_");
            let Some(metric) = self.metric(family, scoped) else { continue };
            if scoped { own.push(metric) } else { other.push(metric) }
        }
        let scope = |name: &str, metrics| ScopeMetrics {
            scope: Some(InstrumentationScope { name: name.to_owned(), ..InstrumentationScope::default() }),
            metrics,
            schema_url: String::new(),
        };
        let attributes = self.resource.attributes().iter().map(|(name, value)| key_value(name, value)).collect();
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(v1::Resource { attributes, ..v1::Resource::default() }),
                scope_metrics: vec![scope(SCOPE_NAME, own), scope(PROMETHEUS_SCOPE, other)],
                schema_url: String::new(),
            }],
        }
    }

    /// The receiver took the last conversion.
    pub(super) fn commit(&mut self) {
        self.ledger.commit();
        if self.temporality == Temporality::Delta {
            self.since = self.at;
        }
    }

    fn metric(&mut self, family: &MetricFamily, scoped: bool) -> Option<Metric> {
        let points = family.get_metric().iter();
        let temporality = match self.temporality {
            Temporality::Cumulative => AggregationTemporality::Cumulative,
            Temporality::Delta => AggregationTemporality::Delta,
        };
        let (name, temporality) = (family.name(), i32::from(temporality));
        let mut instrument = name;
        let data = match family.get_field_type() {
            MetricType::GAUGE => {
                let point = |one: &Series| number(one, one.get_gauge().get_value(), 0, self.at);
                metric::Data::Gauge(Gauge { data_points: points.map(point).collect() })
            }
            MetricType::UNTYPED => return None,
            MetricType::COUNTER => {
                instrument = if scoped { name.strip_suffix("_total").unwrap_or(name) } else { name };
                let data_points = points.map(|one| self.counter(name, one)).collect();
                metric::Data::Sum(Sum { data_points, aggregation_temporality: temporality, is_monotonic: true })
            }
            MetricType::HISTOGRAM => {
                let data_points = points.map(|one| self.histogram(name, one)).collect();
                metric::Data::Histogram(Histogram { data_points, aggregation_temporality: temporality })
            }
            MetricType::SUMMARY => {
                metric::Data::Summary(Summary { data_points: points.map(|one| self.summary(one)).collect() })
            }
        };
        Some(Metric {
            name: instrument.to_owned(),
            description: family.help().to_owned(),
            data: Some(data),
            ..Metric::default()
        })
    }

    fn counter(&mut self, name: &str, one: &Series) -> NumberDataPoint {
        let mut value = one.get_counter().get_value();
        if self.temporality == Temporality::Delta {
            value = self.ledger.sum(key(name, one), value);
        }
        number(one, value, self.since, self.at)
    }

    fn histogram(&mut self, name: &str, one: &Series) -> HistogramDataPoint {
        let histogram = one.get_histogram();
        let (mut count, mut sum) = (histogram.get_sample_count(), histogram.get_sample_sum());
        let finite = histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite());
        let (mut bounds, mut buckets, mut below) = (Vec::new(), Vec::new(), 0);
        for bucket in finite {
            bounds.push(bucket.upper_bound());
            buckets.push(bucket.cumulative_count().saturating_sub(below));
            below = bucket.cumulative_count();
        }
        buckets.push(count.saturating_sub(below));
        if self.temporality == Temporality::Delta {
            (count, sum, buckets) = self.ledger.histogram(key(name, one), count, sum, buckets);
        }
        HistogramDataPoint {
            attributes: attributes(one),
            start_time_unix_nano: self.since,
            time_unix_nano: self.at,
            count,
            sum: Some(sum),
            bucket_counts: buckets,
            explicit_bounds: bounds,
            ..HistogramDataPoint::default()
        }
    }

    /// There are no deltas of summaries in OTLP.
    fn summary(&self, one: &Series) -> SummaryDataPoint {
        let summary = one.get_summary();
        let quantile = |one: &prometheus::proto::Quantile| summary_data_point::ValueAtQuantile {
            quantile: one.quantile(),
            value: one.value(),
        };
        SummaryDataPoint {
            attributes: attributes(one),
            start_time_unix_nano: 0,
            time_unix_nano: self.at,
            count: summary.sample_count(),
            sum: summary.sample_sum(),
            quantile_values: summary.get_quantile().iter().map(quantile).collect(),
            flags: 0,
        }
    }
}

fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

fn number(one: &Series, value: f64, since: u64, at: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(one),
        start_time_unix_nano: since,
        time_unix_nano: at,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

/// Without those that say the scope.
fn labels(one: &Series) -> impl Iterator<Item = (&str, &str)> {
    let all = one.get_label().iter().map(|label| (label.name(), label.value()));
    all.filter(|(name, _)| !name.starts_with("otel_scope_"))
}

fn key(name: &str, one: &Series) -> u128 {
    series(name, labels(one))
}

fn attributes(one: &Series) -> Vec<KeyValue> {
    labels(one).map(|(name, value)| key_value(name, value)).collect()
}

fn key_value(name: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    KeyValue { key: name.to_owned(), value: Some(value), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus::core::Collector;

    use super::*;

    #[test]
    fn nothing_ends_before_it_begins_though_the_clock_be_set_back() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let counter = prometheus::IntCounter::new("opentelemetry_x_total", "x").unwrap();
        counter.inc();
        let resource = Resource::new(&crate::Environment::new(), "h");
        for temporality in [Temporality::Cumulative, Temporality::Delta] {
            let mut converter = Converter::new(resource.clone(), temporality, at(86_400));
            let mut times = |now| {
                let request = converter.convert(&counter.collect(), at(now));
                converter.commit();
                let metric = &request.resource_metrics[0].scope_metrics[0].metrics[0];
                let Some(metric::Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
                let point = &sum.data_points[0];
                (point.start_time_unix_nano / 1_000_000_000, point.time_unix_nano / 1_000_000_000)
            };
            assert_eq!(times(86_460), (86_400, 86_460));
            counter.inc();
            assert_eq!(times(60), (60, 60), "{temporality:?}: the clock is set back by a day");
            counter.inc();
            assert_eq!(times(120), (60, 120), "{temporality:?}");
        }
    }
}
