//! The `global` block: what jobs inherit (Prometheus: `config/config.go`, `GlobalConfig`).

use std::collections::BTreeMap;

use super::protocols;
use crate::duration::Duration;
use crate::labels::NameScheme;
use crate::quote::quote;
use crate::units::parse_bytes;
use crate::yaml::{Decode, Decoder, Fields, Node};

/// The settings of `global` that reach scrape configs, defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalConfig {
    pub scrape_interval: Duration,
    pub scrape_timeout: Duration,
    /// `None`: the job's default depends on whether it scrapes native histograms.
    pub scrape_protocols: Option<Vec<String>>,
    pub scrape_failure_log_file: String,
    /// Bytes; 0 = no limit, as for the other limits.
    pub body_size_limit: u64,
    pub sample_limit: u64,
    pub target_limit: u64,
    pub label_limit: u64,
    pub label_name_length_limit: u64,
    pub label_value_length_limit: u64,
    pub keep_dropped_targets: u64,
    pub metric_name_validation_scheme: NameScheme,
    pub metric_name_escaping_scheme: String,
    pub scrape_native_histograms: bool,
    pub convert_classic_histograms_to_nhcb: bool,
    pub always_scrape_classic_histograms: bool,
    pub extra_scrape_metrics: bool,
}

const DEFAULT_INTERVAL: Duration = Duration::from_millis(60_000);
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(10_000);

/// `metric_name_escaping_scheme`: names go out unescaped.
pub(crate) const ALLOW_UTF8: &str = "allow-utf-8";
const UNDERSCORES: &str = "underscores";

impl Default for GlobalConfig {
    fn default() -> Self {
        Self {
            scrape_interval: DEFAULT_INTERVAL,
            scrape_timeout: DEFAULT_TIMEOUT,
            scrape_protocols: None,
            scrape_failure_log_file: String::new(),
            body_size_limit: 0,
            sample_limit: 0,
            target_limit: 0,
            label_limit: 0,
            label_name_length_limit: 0,
            label_value_length_limit: 0,
            keep_dropped_targets: 0,
            metric_name_validation_scheme: NameScheme::Utf8,
            metric_name_escaping_scheme: ALLOW_UTF8.to_owned(),
            scrape_native_histograms: false,
            convert_classic_histograms_to_nhcb: false,
            always_scrape_classic_histograms: false,
            extra_scrape_metrics: false,
        }
    }
}

impl Decode for GlobalConfig {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, read_global)
    }
}

fn read_global(fields: &mut Fields<'_, '_>) -> GlobalConfig {
    let mut global = GlobalConfig {
        scrape_interval: Duration::default(),
        scrape_timeout: Duration::default(),
        metric_name_escaping_scheme: String::new(),
        ..GlobalConfig::default()
    };
    let errors = fields.decoder.error_count();
    fields.set("scrape_interval", &mut global.scrape_interval);
    fields.set("scrape_timeout", &mut global.scrape_timeout);
    let timing_is_clean = fields.decoder.error_count() == errors;
    if global.scrape_interval == Duration::default() {
        global.scrape_interval = DEFAULT_INTERVAL;
    }
    if global.scrape_timeout > global.scrape_interval && timing_is_clean {
        fields.error("scrape_timeout", "global scrape timeout greater than scrape interval");
    }
    if global.scrape_timeout == Duration::default() {
        global.scrape_timeout = DEFAULT_TIMEOUT.min(global.scrape_interval);
    }
    fields.set("scrape_protocols", &mut global.scrape_protocols);
    if let Some(list) = &global.scrape_protocols {
        protocols::check(fields, list, " for global config");
    }
    read_limits(fields, &mut global);
    fields.set("scrape_failure_log_file", &mut global.scrape_failure_log_file);
    fields.set("scrape_native_histograms", &mut global.scrape_native_histograms);
    fields.set("convert_classic_histograms_to_nhcb", &mut global.convert_classic_histograms_to_nhcb);
    fields.set("always_scrape_classic_histograms", &mut global.always_scrape_classic_histograms);
    fields.set("extra_scrape_metrics", &mut global.extra_scrape_metrics);
    read_schemes(fields, &mut global);
    fields.ignore(["evaluation_interval", "rule_query_offset", "query_log_file"]);
    global
}

fn read_limits(fields: &mut Fields<'_, '_>, global: &mut GlobalConfig) {
    fields.set_with("body_size_limit", &mut global.body_size_limit, decode_bytes);
    fields.set("sample_limit", &mut global.sample_limit);
    fields.set("target_limit", &mut global.target_limit);
    fields.set("label_limit", &mut global.label_limit);
    fields.set("label_name_length_limit", &mut global.label_name_length_limit);
    fields.set("label_value_length_limit", &mut global.label_value_length_limit);
    fields.set("keep_dropped_targets", &mut global.keep_dropped_targets);
}

fn read_schemes(fields: &mut Fields<'_, '_>, global: &mut GlobalConfig) {
    let scheme = read_validation_scheme(fields).unwrap_or_default();
    global.metric_name_validation_scheme = scheme;
    fields.set("metric_name_escaping_scheme", &mut global.metric_name_escaping_scheme);
    let escaping = &global.metric_name_escaping_scheme;
    if escaping.is_empty() || !check_escaping(fields, escaping, "global") {
        global.metric_name_escaping_scheme = escaping_for(scheme).to_owned();
    }
    let mut external_labels: BTreeMap<String, String> = BTreeMap::new();
    fields.set("external_labels", &mut external_labels);
    for name in external_labels.keys().filter(|name| !scheme.is_valid_label_name(name)) {
        fields.error("external_labels", format!("{} is not a valid label name", quote(name)));
    }
}

/// `metric_name_validation_scheme`; `None` where empty, absent or wrong.
pub(crate) fn read_validation_scheme(fields: &mut Fields<'_, '_>) -> Option<NameScheme> {
    let text: String = fields.get("metric_name_validation_scheme").unwrap_or_default();
    match text.as_str() {
        "utf8" => Some(NameScheme::Utf8),
        "legacy" => Some(NameScheme::Legacy),
        "" => None,
        other => {
            let message = format!("unrecognized ValidationScheme: {}", quote(other));
            fields.error("metric_name_validation_scheme", message);
            None
        }
    }
}

/// The escaping scheme that goes with a validation scheme.
pub(crate) fn escaping_for(scheme: NameScheme) -> &'static str {
    match scheme {
        NameScheme::Utf8 => ALLOW_UTF8,
        NameScheme::Legacy => UNDERSCORES,
    }
}

/// Checks `metric_name_escaping_scheme`; `whose` is `global` or `scrape config`. True if it is known.
pub(crate) fn check_escaping(fields: &mut Fields<'_, '_>, escaping: &str, whose: &str) -> bool {
    let known = [ALLOW_UTF8, UNDERSCORES, "dots", "values"].contains(&escaping);
    if !known {
        let message = format!(
            "unknown {whose} name escaping method specified, must be one of 'allow-utf-8', 'underscores', 'dots', or \
             'values', got {}",
            quote(escaping)
        );
        fields.error("metric_name_escaping_scheme", message);
    }
    known
}

/// A byte size; the text counts, so a bare number is an error.
pub(crate) fn decode_bytes(decoder: &mut Decoder, node: &Node) -> Option<u64> {
    let text = decoder.text(node)?;
    parse_bytes(&text).map_err(|error| decoder.error(node.line, error.to_string())).ok()
}
