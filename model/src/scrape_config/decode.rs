//! The `config:` block: from nodes to validated scrape configs (Prometheus: `config/config.go`).

use std::collections::HashSet;
use std::sync::Arc;

use super::global::{self, GlobalConfig};
use super::http_client::read_http_client;
use super::protocols;
use super::rules::read_rules;
use super::sd::{is_star_last, read_sd_configs};
use super::types::{HttpClientConfig, ScrapeConfig, SdConfig};
use crate::duration::Duration;
use crate::labels::NameScheme;
use crate::quote::quote;
use crate::yaml::{Decoder, Dialect, Fields, Node, Problem, Strings, Value};

/// The parts of a Prometheus configuration that lead to targets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PrometheusConfig {
    pub global: GlobalConfig,
    /// In the order of the file.
    pub scrape_configs: Vec<Arc<ScrapeConfig>>,
}

/// A decoded `config:` block. Jobs with an error are left out; whether any error is fatal is the caller's choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    pub config: PrometheusConfig,
    pub errors: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

/// One decoded job; `None` if it has errors.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedJob {
    pub job: Option<ScrapeConfig>,
    pub errors: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

/// Sections of a Prometheus configuration that have nothing to do with targets.
const UNUSED_SECTIONS: [&str; 9] = [
    "alerting",
    "rule_files",
    "remote_write",
    "remote_read",
    "storage",
    "tracing",
    "otlp",
    "runtime",
    "remote_storage",
];

/// Decodes the `config:` block at `node`; key paths in problems start with `config`.
#[must_use]
pub fn decode(node: &Node, strings: Strings) -> Decoded {
    let mut decoder = Decoder::new(Dialect::Prometheus(strings), "config");
    let config = decoder.fields(node, read_config).unwrap_or_default();
    let problems = decoder.finish();
    Decoded { config, errors: problems.errors, warnings: problems.warnings }
}

/// Decodes one entry of `scrape_configs` that stands alone; key paths start at the job.
#[must_use]
pub fn decode_job(node: &Node, global: &GlobalConfig, strings: Strings) -> DecodedJob {
    let mut decoder = Decoder::new(Dialect::Prometheus(strings), "");
    let job = read_job(&mut decoder, node, global);
    let problems = decoder.finish();
    DecodedJob { job, errors: problems.errors, warnings: problems.warnings }
}

fn read_config(fields: &mut Fields<'_, '_>) -> PrometheusConfig {
    let global = fields.get::<GlobalConfig>("global").unwrap_or_default();
    let mut files: Vec<String> = Vec::new();
    fields.set("scrape_config_files", &mut files);
    for file in &files {
        if is_star_last(file) {
            fields.warn(
                "scrape_config_files",
                format!("{} is not read: the allocator loads no further files", quote(file)),
            );
        } else {
            fields.error("scrape_config_files", format!("invalid scrape config file path {}", quote(file)));
        }
    }
    fields.ignore(UNUSED_SECTIONS);
    let scrape_configs = match fields.node("scrape_configs") {
        Some(node) => fields.decoder.at_key("scrape_configs", |decoder| read_jobs(decoder, node, &global)),
        None => Vec::new(),
    };
    PrometheusConfig { global, scrape_configs }
}

fn read_jobs(decoder: &mut Decoder, node: &Node, global: &GlobalConfig) -> Vec<Arc<ScrapeConfig>> {
    let mut names = HashSet::new();
    let jobs = decoder.list(node, |decoder, node| {
        if node.is_null() {
            decoder.error(node.line, "empty or null scrape config section");
            return None;
        }
        let job = read_job(decoder, node, global)?;
        if !names.insert(job.job_name.clone()) {
            let message = format!("found multiple scrape configs with job name {}", quote(&job.job_name));
            let line = node.get("job_name").map_or(node.line, |name| name.line);
            decoder.at_key("job_name", |decoder| decoder.error(line, message));
            return None;
        }
        Some(Arc::new(job))
    });
    jobs.unwrap_or_default()
}

fn read_job(decoder: &mut Decoder, node: &Node, global: &GlobalConfig) -> Option<ScrapeConfig> {
    let errors = decoder.error_count();
    let job = decoder.fields(node, |fields| read_job_fields(fields, global));
    decoder.set_job(None);
    job.filter(|_| decoder.error_count() == errors)
}

impl ScrapeConfig {
    /// A job that gives nothing but its name, by the defaults of Prometheus.
    #[must_use]
    pub fn new(job_name: impl Into<String>) -> Self {
        let mut job = unset(job_name.into());
        let global = GlobalConfig::default();
        inherit_timing(&mut job, &global);
        inherit_switches(&mut job, &global);
        job.scrape_protocols = protocols::defaults(false);
        job.metric_name_escaping_scheme = global.metric_name_escaping_scheme;
        job
    }
}

/// Prometheus' `DefaultScrapeConfig`: zero stands for "not given" wherever `global` has a say.
fn unset(job_name: String) -> ScrapeConfig {
    ScrapeConfig {
        job_name,
        honor_labels: false,
        honor_timestamps: true,
        track_timestamps_staleness: false,
        params: Default::default(),
        scrape_interval: Duration::default(),
        scrape_timeout: Duration::default(),
        scrape_protocols: Vec::new(),
        fallback_scrape_protocol: String::new(),
        scrape_native_histograms: None,
        always_scrape_classic_histograms: None,
        convert_classic_histograms_to_nhcb: None,
        extra_scrape_metrics: None,
        scrape_failure_log_file: String::new(),
        metrics_path: "/metrics".to_owned(),
        scheme: "http".to_owned(),
        enable_compression: true,
        body_size_limit: 0,
        sample_limit: 0,
        target_limit: 0,
        label_limit: 0,
        label_name_length_limit: 0,
        label_value_length_limit: 0,
        native_histogram_bucket_limit: 0,
        native_histogram_min_bucket_factor: 0.0,
        keep_dropped_targets: 0,
        metric_name_validation_scheme: NameScheme::Utf8,
        metric_name_escaping_scheme: String::new(),
        http: HttpClientConfig::default(),
        relabel_configs: Vec::new(),
        metric_relabel_configs: Vec::new(),
        sd_configs: Vec::new(),
    }
}

fn read_job_fields(fields: &mut Fields<'_, '_>, global: &GlobalConfig) -> ScrapeConfig {
    let mut job = unset(String::new());
    read_name(fields, &mut job);
    read_basics(fields, &mut job);
    read_timing(fields, &mut job, global);
    read_limits(fields, &mut job, global);
    read_switches(fields, &mut job, global);
    read_protocols(fields, &mut job, global);
    read_schemes(fields, &mut job, global);
    read_http_client(fields, &mut job.http);
    job.sd_configs = read_sd_configs(fields);
    let scheme = job.metric_name_validation_scheme;
    job.relabel_configs = read_rules(fields, "relabel_configs", "target", scheme).unwrap_or_default();
    job.metric_relabel_configs = read_rules(fields, "metric_relabel_configs", "metric", scheme).unwrap_or_default();
    let rules = fields.node("relabel_configs").map(|node| &node.value);
    if !matches!(rules, Some(Value::List(rules)) if !rules.is_empty()) {
        check_static_targets(fields, &job.sd_configs);
    }
    job
}

fn read_name(fields: &mut Fields<'_, '_>, job: &mut ScrapeConfig) {
    let errors = fields.decoder.error_count();
    fields.set("job_name", &mut job.job_name);
    if job.job_name.is_empty() && fields.decoder.error_count() == errors {
        fields.error("job_name", "job_name is empty");
    }
    let name = Some(job.job_name.clone()).filter(|name| !name.is_empty());
    fields.decoder.set_job(name);
}

fn read_basics(fields: &mut Fields<'_, '_>, job: &mut ScrapeConfig) {
    fields.set("honor_labels", &mut job.honor_labels);
    fields.set("honor_timestamps", &mut job.honor_timestamps);
    fields.set("track_timestamps_staleness", &mut job.track_timestamps_staleness);
    fields.set("params", &mut job.params);
    fields.set("metrics_path", &mut job.metrics_path);
    fields.set("scheme", &mut job.scheme);
    fields.set("enable_compression", &mut job.enable_compression);
    fields.set("native_histogram_bucket_limit", &mut job.native_histogram_bucket_limit);
    fields.set("native_histogram_min_bucket_factor", &mut job.native_histogram_min_bucket_factor);
    if !job.native_histogram_min_bucket_factor.is_finite() {
        fields.error("native_histogram_min_bucket_factor", "must be a finite number"); // JSON has no others
    }
}

fn read_timing(fields: &mut Fields<'_, '_>, job: &mut ScrapeConfig, global: &GlobalConfig) {
    let errors = fields.decoder.error_count();
    fields.set("scrape_interval", &mut job.scrape_interval);
    fields.set("scrape_timeout", &mut job.scrape_timeout);
    let is_clean = fields.decoder.error_count() == errors;
    inherit_timing(job, global);
    if job.scrape_timeout > job.scrape_interval && is_clean {
        let message = "scrape timeout greater than scrape interval for scrape config with job name";
        fields.error("scrape_timeout", format!("{message} {}", quote(&job.job_name)));
    }
}

fn inherit_timing(job: &mut ScrapeConfig, global: &GlobalConfig) {
    if job.scrape_interval == Duration::default() {
        job.scrape_interval = global.scrape_interval;
    }
    if job.scrape_timeout == Duration::default() {
        job.scrape_timeout = global.scrape_timeout.min(job.scrape_interval);
    }
}

fn read_limits(fields: &mut Fields<'_, '_>, job: &mut ScrapeConfig, global: &GlobalConfig) {
    fields.set_with("body_size_limit", &mut job.body_size_limit, global::decode_bytes);
    if job.body_size_limit == 0 {
        job.body_size_limit = global.body_size_limit;
    }
    let limits = [
        ("sample_limit", &mut job.sample_limit, global.sample_limit),
        ("target_limit", &mut job.target_limit, global.target_limit),
        ("label_limit", &mut job.label_limit, global.label_limit),
        ("label_name_length_limit", &mut job.label_name_length_limit, global.label_name_length_limit),
        ("label_value_length_limit", &mut job.label_value_length_limit, global.label_value_length_limit),
        ("keep_dropped_targets", &mut job.keep_dropped_targets, global.keep_dropped_targets),
    ];
    for (key, limit, inherited) in limits {
        fields.set(key, limit);
        if *limit == 0 {
            *limit = inherited;
        }
    }
}

fn read_switches(fields: &mut Fields<'_, '_>, job: &mut ScrapeConfig, global: &GlobalConfig) {
    fields.set("scrape_native_histograms", &mut job.scrape_native_histograms);
    fields.set("always_scrape_classic_histograms", &mut job.always_scrape_classic_histograms);
    fields.set("convert_classic_histograms_to_nhcb", &mut job.convert_classic_histograms_to_nhcb);
    fields.set("extra_scrape_metrics", &mut job.extra_scrape_metrics);
    fields.set("scrape_failure_log_file", &mut job.scrape_failure_log_file);
    inherit_switches(job, global);
}

fn inherit_switches(job: &mut ScrapeConfig, global: &GlobalConfig) {
    job.scrape_native_histograms.get_or_insert(global.scrape_native_histograms);
    job.always_scrape_classic_histograms.get_or_insert(global.always_scrape_classic_histograms);
    job.convert_classic_histograms_to_nhcb.get_or_insert(global.convert_classic_histograms_to_nhcb);
    job.extra_scrape_metrics.get_or_insert(global.extra_scrape_metrics);
    if job.scrape_failure_log_file.is_empty() {
        job.scrape_failure_log_file.clone_from(&global.scrape_failure_log_file);
    }
}

fn read_protocols(fields: &mut Fields<'_, '_>, job: &mut ScrapeConfig, global: &GlobalConfig) {
    let own: Option<Vec<String>> = fields.get("scrape_protocols");
    if let Some(own) = &own {
        let whose = format!(" for scrape config with job name {}", quote(&job.job_name));
        protocols::check(fields, own, &whose);
    }
    let native = job.scrape_native_histograms == Some(true);
    job.scrape_protocols =
        own.or_else(|| global.scrape_protocols.clone()).unwrap_or_else(|| protocols::defaults(native));
    fields.set("fallback_scrape_protocol", &mut job.fallback_scrape_protocol);
    if job.fallback_scrape_protocol.is_empty() {
        return;
    }
    if let Err(message) = protocols::check_name(&job.fallback_scrape_protocol) {
        let name = quote(&job.job_name);
        let message = format!("invalid fallback_scrape_protocol for scrape config with job name {name}: {message}");
        fields.error("fallback_scrape_protocol", message);
    }
}

fn read_schemes(fields: &mut Fields<'_, '_>, job: &mut ScrapeConfig, global: &GlobalConfig) {
    let own = global::read_validation_scheme(fields);
    job.metric_name_validation_scheme = own.unwrap_or(global.metric_name_validation_scheme);
    fields.set("metric_name_escaping_scheme", &mut job.metric_name_escaping_scheme);
    if job.metric_name_escaping_scheme.is_empty() {
        job.metric_name_escaping_scheme = match own {
            Some(scheme) => global::escaping_for(scheme).to_owned(),
            None => global.metric_name_escaping_scheme.clone(),
        };
    }
    let known = global::check_escaping(fields, &job.metric_name_escaping_scheme, "scrape config");
    let legacy = job.metric_name_validation_scheme == NameScheme::Legacy;
    if known && legacy && job.metric_name_escaping_scheme == global::ALLOW_UTF8 {
        let message = "utf8 metric names requested but validation scheme is not set to UTF8";
        fields.error("metric_name_escaping_scheme", message);
    }
}

/// Catches URLs given as targets. With relabelling they may be on purpose.
fn check_static_targets(fields: &mut Fields<'_, '_>, configs: &[SdConfig]) {
    for config in configs {
        let SdConfig::Static(groups) = config else { continue };
        for target in groups.iter().flat_map(|group| &group.targets).filter(|target| target.contains('/')) {
            fields.error("static_configs", format!("{} is not a valid hostname", quote(target)));
        }
    }
}
