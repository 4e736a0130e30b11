//! The configuration as written: every key of upstream's file, and ours, typed but neither defaulted nor validated.
//!
//! Upstream decodes with mapstructure: keys match exactly or else without regard to letter case, null leaves the
//! default, nothing is converted. Sources: opentelemetry-operator, `cmd/otel-allocator/internal/config/config.go`.

mod selector;
mod telemetry;

use std::path::PathBuf;
use std::time::Duration;

use ta_model::scrape_config::{self, PrometheusConfig};
use ta_model::yaml::{Decode, Decoder, Dialect, Document, Fields, Node, Problems, Strings, Value};

use super::values::{FromText, Size};

pub use selector::{MatchExpression, Selector};
pub use telemetry::{Exporter, Header, Periodic, RawReader};

/// The file, with environment and flags laid over it. `None` = not given.
#[derive(Debug, Default)]
pub struct RawConfig {
    pub listen_addr: Option<String>,
    pub kube_config_file_path: Option<String>,
    pub collector_selector: Option<Selector>,
    pub collector_namespace: Option<String>,
    /// The `config:` block.
    pub prometheus: Option<PrometheusConfig>,
    pub allocation_strategy: Option<String>,
    pub allocation_fallback_strategy: Option<String>,
    pub filter_strategy: Option<String>,
    pub prometheus_cr: RawPrometheusCr,
    pub https: RawHttps,
    /// `telemetry.metrics.readers`.
    pub readers: Vec<RawReader>,
    pub collector_not_ready_grace_period: Option<Nanos>,
    pub allow_insecure_auth_secrets: Option<bool>,
    // ours
    pub collectors: RawCollectors,
    /// `consistent_hashing.point_key`.
    pub point_key: Option<String>,
    /// `per_node.fallback_for_unknown_node`.
    pub fallback_for_unknown_node: Option<bool>,
    pub readiness_cap: Option<Duration>,
    pub readiness_job_cap: Option<Duration>,
    pub engine_min_interval: Option<Duration>,
    pub engine_threads: Option<usize>,
    pub engine_body_budget: Option<Size>,
    pub http_idle_timeout: Option<Duration>,
    pub http_drain: Option<Duration>,
    pub http_threads: Option<usize>,
}

/// `prometheus_cr`.
#[derive(Debug, Default)]
pub struct RawPrometheusCr {
    pub enabled: Option<bool>,
    pub allow_namespaces: Vec<String>,
    pub deny_namespaces: Vec<String>,
    pub secret_namespaces: Vec<String>,
    pub pod_monitor_selector: Option<Selector>,
    pub service_monitor_selector: Option<Selector>,
    pub scrape_config_selector: Option<Selector>,
    pub probe_selector: Option<Selector>,
    pub pod_monitor_namespace_selector: Selector,
    pub service_monitor_namespace_selector: Selector,
    pub scrape_config_namespace_selector: Selector,
    pub probe_namespace_selector: Selector,
    pub scrape_interval: Option<Nanos>,
    pub evaluation_interval: Option<Nanos>,
    pub scrape_protocols: Option<Vec<String>>,
    /// As written: they follow the JSON rules of prometheus-operator's `ScrapeClass`.
    pub scrape_classes: Vec<Node>,
    pub deny_fs_access_through_sms: Option<bool>,
}

/// `https`.
#[derive(Debug, Default)]
pub struct RawHttps {
    pub enabled: Option<bool>,
    pub listen_addr: Option<String>,
    pub ca_file_path: Option<String>,
    pub tls_cert_file_path: Option<String>,
    pub tls_key_file_path: Option<String>,
}

/// `collectors`.
#[derive(Debug, Default)]
pub struct RawCollectors {
    /// `collectors.static`.
    pub fixed: Option<Vec<CollectorEntry>>,
    pub file: Option<PathBuf>,
    /// `collectors.terminating`.
    pub terminating: Option<String>,
}

/// One entry of `collectors.static`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectorEntry {
    pub name: String,
    /// Empty where unknown.
    pub node_name: String,
}

/// A duration of upstream's: Go's notation, or a bare number of nanoseconds. May be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nanos(pub i64);

impl Decode for Nanos {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let Value::Scalar(scalar) = &node.value else {
            decoder.mismatch(node, "duration");
            return None;
        };
        let parsed = match scalar.resolve() {
            ta_model::yaml::Resolved::Str => {
                ta_model::parse_go_duration(&scalar.text).map_err(|error| error.to_string())
            }
            _ => return bare_number(decoder, node).map(Self),
        };
        match parsed {
            Ok(nanos) => Some(Self(nanos)),
            Err(message) => {
                decoder.error(node.line, format!("{message}; write it as 300ms, 30s or 1m30s"));
                None
            }
        }
    }
}

/// Upstream takes a bare number for nanoseconds, which nobody means.
fn bare_number(decoder: &mut Decoder, node: &Node) -> Option<i64> {
    let nanos = i64::decode(decoder, node)?;
    if nanos != 0 {
        decoder.warn(node.line, format!("{nanos} without unit is {nanos} nanoseconds; for seconds write {nanos}s"));
    }
    Some(nanos)
}

impl Decode for CollectorEntry {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let (mut name, mut node_name) = (None, None);
        decoder.fields(node, |fields| {
            ours(fields, "name", &mut name); // as written: `name: 0` is the collector "0"
            ours(fields, "node_name", &mut node_name);
        })?;
        Some(Self { name: name.unwrap_or_default(), node_name: node_name.unwrap_or_default() })
    }
}

impl RawConfig {
    /// Decodes the file. Problems come with line and key; where there is an error the value is missing.
    pub(crate) fn decode(document: &Document) -> (Self, Problems) {
        let mut raw = Self::default();
        let mut decoder = Decoder::new(Dialect::Allocator, "");
        decoder.warn_duplicates(&document.duplicate_keys);
        let mut config_problems = Problems::default();
        decoder.fields(&document.root, |fields| {
            raw.upstream_keys(fields);
            config_problems = raw.prometheus_config(fields);
            raw.our_keys(fields);
        });
        let mut problems = decoder.finish();
        problems.extend(config_problems);
        (raw, problems)
    }

    fn upstream_keys(&mut self, fields: &mut Fields<'_, '_>) {
        fields.set("listen_addr", &mut self.listen_addr);
        fields.set("kube_config_file_path", &mut self.kube_config_file_path);
        fields.set_with("collector_selector", &mut self.collector_selector, selector::decode_nullable);
        fields.set("collector_namespace", &mut self.collector_namespace);
        fields.set("allocation_strategy", &mut self.allocation_strategy);
        fields.set("allocation_fallback_strategy", &mut self.allocation_fallback_strategy);
        fields.set("filter_strategy", &mut self.filter_strategy);
        fields.set("collector_not_ready_grace_period", &mut self.collector_not_ready_grace_period);
        fields.set("allow_insecure_auth_secrets", &mut self.allow_insecure_auth_secrets);
        section(fields, "https", |fields| self.https.decode(fields));
        section(fields, "prometheus_cr", |fields| self.prometheus_cr.decode(fields));
        section(fields, "telemetry", |fields| {
            section(fields, "metrics", |fields| fields.set("readers", &mut self.readers));
        });
    }

    /// The `config:` block has Prometheus' own rules.
    fn prometheus_config(&mut self, fields: &mut Fields<'_, '_>) -> Problems {
        let Some(node) = fields.node("config").filter(|node| !node.is_null()) else { return Problems::default() };
        let decoded = scrape_config::decode(node, Strings::RoundTripped);
        self.prometheus = Some(decoded.config);
        Problems { errors: decoded.errors, warnings: decoded.warnings }
    }

    fn our_keys(&mut self, fields: &mut Fields<'_, '_>) {
        section(fields, "collectors", |fields| {
            fields.set("static", &mut self.collectors.fixed);
            ours(fields, "file", &mut self.collectors.file);
            ours(fields, "terminating", &mut self.collectors.terminating);
        });
        section(fields, "consistent_hashing", |fields| ours(fields, "point_key", &mut self.point_key));
        section(fields, "per_node", |fields| {
            ours(fields, "fallback_for_unknown_node", &mut self.fallback_for_unknown_node);
        });
        section(fields, "readiness", |fields| {
            ours(fields, "cap", &mut self.readiness_cap);
            ours(fields, "job_cap", &mut self.readiness_job_cap);
        });
        section(fields, "engine", |fields| {
            ours(fields, "min_interval", &mut self.engine_min_interval);
            ours(fields, "threads", &mut self.engine_threads);
            ours(fields, "body_budget", &mut self.engine_body_budget);
        });
        section(fields, "http", |fields| {
            ours(fields, "idle_timeout", &mut self.http_idle_timeout);
            ours(fields, "drain", &mut self.http_drain);
            ours(fields, "threads", &mut self.http_threads);
        });
    }
}

impl RawHttps {
    fn decode(&mut self, fields: &mut Fields<'_, '_>) {
        fields.set("enabled", &mut self.enabled);
        fields.set("listen_addr", &mut self.listen_addr);
        fields.set("ca_file_path", &mut self.ca_file_path);
        fields.set("tls_cert_file_path", &mut self.tls_cert_file_path);
        fields.set("tls_key_file_path", &mut self.tls_key_file_path);
    }
}

impl RawPrometheusCr {
    fn decode(&mut self, fields: &mut Fields<'_, '_>) {
        fields.set("enabled", &mut self.enabled);
        fields.set("allow_namespaces", &mut self.allow_namespaces);
        fields.set("deny_namespaces", &mut self.deny_namespaces);
        fields.set("secret_namespaces", &mut self.secret_namespaces);
        fields.set_with("pod_monitor_selector", &mut self.pod_monitor_selector, selector::decode_nullable);
        fields.set_with("service_monitor_selector", &mut self.service_monitor_selector, selector::decode_nullable);
        fields.set_with("scrape_config_selector", &mut self.scrape_config_selector, selector::decode_nullable);
        fields.set_with("probe_selector", &mut self.probe_selector, selector::decode_nullable);
        fields.set("pod_monitor_namespace_selector", &mut self.pod_monitor_namespace_selector);
        fields.set("service_monitor_namespace_selector", &mut self.service_monitor_namespace_selector);
        fields.set("scrape_config_namespace_selector", &mut self.scrape_config_namespace_selector);
        fields.set("probe_namespace_selector", &mut self.probe_namespace_selector);
        fields.set("scrape_interval", &mut self.scrape_interval);
        fields.set("evaluation_interval", &mut self.evaluation_interval);
        fields.set("scrape_protocols", &mut self.scrape_protocols);
        fields.set_with("scrape_classes", &mut self.scrape_classes, |decoder, node| {
            decoder.list(node, |_, class| Some(class.clone()))
        });
        fields.set("deny_fs_access_through_sms", &mut self.deny_fs_access_through_sms);
    }
}

/// Reads the mapping under `key`, if there is one.
fn section(fields: &mut Fields<'_, '_>, key: &'static str, read: impl FnOnce(&mut Fields<'_, '_>)) {
    let mut nothing = ();
    fields.set_with(key, &mut nothing, |decoder, node| decoder.fields(node, read));
}

/// Reads one of our own keys: the text of the scalar, by the same rules as from environment and flags.
fn ours<T: FromText>(fields: &mut Fields<'_, '_>, key: &'static str, target: &mut Option<T>) {
    fields.set_with(key, target, |decoder, node| {
        let Value::Scalar(scalar) = &node.value else {
            decoder.mismatch(node, "single value");
            return None;
        };
        match T::from_text(&scalar.text) {
            Ok(value) => Some(Some(value)),
            Err(message) => {
                decoder.error(node.line, message);
                None
            }
        }
    });
}
