//! Fields that only change their name on the way from object to scrape config, as tables.

use std::collections::BTreeMap;

use super::quantity::Quantity;
use super::tree::Tree;
use crate::quote::quote;
use crate::yaml::{Decoder, Fields, Node, Value};

/// One field: its name in the object, its key in the scrape config, its type, and when it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    from: &'static str,
    to: &'static str,
    shape: Shape,
    when: When,
}

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Text,
    /// One of these, kept as it is.
    Choice(&'static [&'static str]),
    /// One of these in any letter case (older schemas allowed more spellings), written in lower case.
    Lower(&'static [&'static str]),
    /// One of the first, written as the second.
    Renamed(&'static [(&'static str, &'static str)]),
    Bool,
    Count,
    Int,
    /// A Kubernetes quantity, as a float.
    Quantity,
    Texts,
    /// A list of these.
    Choices(&'static [&'static str]),
    TextMap,
    /// Lists of texts by name.
    TextLists,
    /// `{name, values}`, sorted by name.
    Filters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// In the object, whatever it is.
    Given,
    NotEmpty,
    Always,
}

/// Written when the object has the field, even if it is empty, zero or false.
pub(crate) const fn given(from: &'static str, to: &'static str, shape: Shape) -> Setting {
    Setting { from, to, shape, when: When::Given }
}

/// Written unless it is empty.
pub(crate) const fn not_empty(from: &'static str, to: &'static str, shape: Shape) -> Setting {
    Setting { from, to, shape, when: When::NotEmpty }
}

/// Written always: fields the schema requires.
pub(crate) const fn always(from: &'static str, to: &'static str, shape: Shape) -> Setting {
    Setting { from, to, shape, when: When::Always }
}

pub(crate) const SCHEMES: Shape = Shape::Lower(&["http", "https", "HTTP", "HTTPS"]);

pub(crate) const PROTOCOLS: &[&str] =
    &["PrometheusProto", "OpenMetricsText0.0.1", "OpenMetricsText1.0.0", "PrometheusText0.0.4", "PrometheusText1.0.0"];

/// Limits, histogram settings and protocols: the same in all four kinds.
pub(crate) const GENERAL: &[Setting] = &[
    given("sampleLimit", "sample_limit", Shape::Count),
    given("targetLimit", "target_limit", Shape::Count),
    given("labelLimit", "label_limit", Shape::Count),
    given("labelNameLengthLimit", "label_name_length_limit", Shape::Count),
    given("labelValueLengthLimit", "label_value_length_limit", Shape::Count),
    given("keepDroppedTargets", "keep_dropped_targets", Shape::Count),
    given("scrapeNativeHistograms", "scrape_native_histograms", Shape::Bool),
    given("nativeHistogramBucketLimit", "native_histogram_bucket_limit", Shape::Count),
    given("nativeHistogramMinBucketFactor", "native_histogram_min_bucket_factor", Shape::Quantity),
    given("scrapeClassicHistograms", "always_scrape_classic_histograms", Shape::Bool),
    given("convertClassicHistogramsToNHCB", "convert_classic_histograms_to_nhcb", Shape::Bool),
    not_empty("scrapeProtocols", "scrape_protocols", Shape::Choices(PROTOCOLS)),
];

/// In all kinds but Probe.
pub(crate) const BODY_SIZE: Setting = not_empty("bodySizeLimit", "body_size_limit", Shape::Text);

/// `endpoints[]` and `podMetricsEndpoints[]`.
pub(crate) const ENDPOINT: &[Setting] = &[
    always("honorLabels", "honor_labels", Shape::Bool),
    given("honorTimestamps", "honor_timestamps", Shape::Bool),
    given("trackTimestampsStaleness", "track_timestamps_staleness", Shape::Bool),
    not_empty("path", "metrics_path", Shape::Text),
    given("params", "params", Shape::TextLists),
    given("scheme", "scheme", SCHEMES),
    given("followRedirects", "follow_redirects", Shape::Bool),
    given("enableHttp2", "enable_http2", Shape::Bool),
];

/// `Probe.spec`.
pub(crate) const PROBE: &[Setting] =
    &[given("followRedirects", "follow_redirects", Shape::Bool), given("enableHttp2", "enable_http2", Shape::Bool)];

/// `ScrapeConfig.spec`.
pub(crate) const SCRAPE_CONFIG: &[Setting] = &[
    given("honorTimestamps", "honor_timestamps", Shape::Bool),
    given("trackTimestampsStaleness", "track_timestamps_staleness", Shape::Bool),
    given("honorLabels", "honor_labels", Shape::Bool),
    given("metricsPath", "metrics_path", Shape::Text),
    not_empty("params", "params", Shape::TextLists),
    given("enableCompression", "enable_compression", Shape::Bool),
    given("enableHTTP2", "enable_http2", Shape::Bool),
    given("scheme", "scheme", SCHEMES),
    given("nameValidationScheme", "metric_name_validation_scheme", Shape::Lower(&["UTF8", "Legacy"])),
    given("nameEscapingScheme", "metric_name_escaping_scheme", Shape::Renamed(ESCAPING)),
];

const ESCAPING: &[(&str, &str)] =
    &[("AllowUTF8", "allow-utf-8"), ("Underscores", "underscores"), ("Dots", "dots"), ("Values", "values")];

/// Reads the settings of a table.
pub(crate) fn read_settings(fields: &mut Fields<'_, '_>, settings: &[Setting], tree: &mut Tree) {
    for setting in settings {
        read_setting(fields, setting, tree);
    }
}

fn read_setting(fields: &mut Fields<'_, '_>, setting: &Setting, tree: &mut Tree) {
    let node = fields.node(setting.from).filter(|node| !node.is_null());
    let value = match node {
        Some(node) => fields.decoder.at_key(setting.from, |decoder| read_shape(decoder, node, setting.shape)),
        None if setting.when == When::Always => Some(zero(setting.shape)),
        None => return,
    };
    if let Some(value) = value.filter(|value| setting.when != When::NotEmpty || !is_empty(value)) {
        tree.put(setting.to, value);
    }
}

fn read_shape(decoder: &mut Decoder, node: &Node, shape: Shape) -> Option<Value> {
    match shape {
        Shape::Text => read_one::<String>(decoder, node),
        Shape::Bool => read_one::<bool>(decoder, node),
        Shape::Count => read_one::<u64>(decoder, node),
        Shape::Int => read_one::<i64>(decoder, node),
        Shape::Quantity => read_one::<Quantity>(decoder, node),
        Shape::Texts => read_one::<Vec<String>>(decoder, node),
        Shape::Choice(choices) => read_choice(decoder, node, choices).map(Value::from),
        Shape::Lower(choices) => {
            let text = decoder.text(node)?;
            if choices.iter().any(|choice| choice.eq_ignore_ascii_case(&text)) {
                return Some(text.to_lowercase().into());
            }
            no_choice(decoder, node, &text, choices)
        }
        Shape::Renamed(names) => {
            let text = decoder.text(node)?;
            if let Some((_, renamed)) = names.iter().find(|(name, _)| *name == text) {
                return Some((*renamed).into());
            }
            no_choice(decoder, node, &text, &names.iter().map(|(name, _)| *name).collect::<Vec<_>>())
        }
        Shape::Filters => read_filters(decoder, node),
        Shape::Choices(choices) => {
            decoder.list(node, |decoder, node| read_choice(decoder, node, choices)).map(Value::from)
        }
        Shape::TextMap => read_map::<String>(decoder, node),
        Shape::TextLists => read_map::<Vec<String>>(decoder, node),
    }
}

fn read_one<T: crate::yaml::Decode + Into<Value>>(decoder: &mut Decoder, node: &Node) -> Option<Value> {
    T::decode(decoder, node).map(Into::into)
}

fn read_map<T>(decoder: &mut Decoder, node: &Node) -> Option<Value>
where
    T: crate::yaml::Decode + Clone + Into<Value>,
{
    <BTreeMap<String, T> as crate::yaml::Decode>::decode(decoder, node).map(|map| (&map).into())
}

/// One of the texts that the schema allows.
pub(crate) fn read_choice(decoder: &mut Decoder, node: &Node, choices: &[&str]) -> Option<String> {
    let text = decoder.text(node)?;
    if choices.contains(&text.as_str()) {
        return Some(text);
    }
    no_choice(decoder, node, &text, choices)
}

fn no_choice<T>(decoder: &mut Decoder, node: &Node, text: &str, choices: &[&str]) -> Option<T> {
    decoder.error(node.line, format!("{} is not one of {}", quote(text), choices.join(", ")));
    None
}

fn read_filters(decoder: &mut Decoder, node: &Node) -> Option<Value> {
    let read = |decoder: &mut Decoder, node: &Node| {
        decoder.fields(node, |fields| {
            let mut filter = Tree::default();
            let settings = [always("name", "name", Shape::Text), always("values", "values", Shape::Texts)];
            read_settings(fields, &settings, &mut filter);
            filter
        })
    };
    let mut filters = decoder.list(node, read)?;
    filters.sort_by(|left, right| left.text("name").cmp(right.text("name"))); // stable: as they stand within a name
    Some(filters.into())
}

fn zero(shape: Shape) -> Value {
    match shape {
        Shape::Text | Shape::Choice(_) | Shape::Lower(_) | Shape::Renamed(_) => "".into(),
        Shape::Bool => false.into(),
        Shape::Count | Shape::Int => 0_u64.into(),
        Shape::Quantity => super::tree::float(0.0),
        Shape::Texts | Shape::Choices(_) | Shape::Filters => Value::List(Vec::new()),
        Shape::TextMap | Shape::TextLists => Tree::default().into(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Scalar(scalar) => scalar.text.is_empty(),
        Value::List(nodes) => nodes.is_empty(),
        Value::Map(entries) => entries.is_empty(),
    }
}
