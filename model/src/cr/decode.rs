//! From objects to [`Resource`]s: wrong types and unknown enums are errors with their place, unknown fields warnings.

use std::collections::BTreeMap;
use std::fmt;

use super::copied::{self, PROTOCOLS, Shape, always, given, read_choice, read_settings};
use super::http::{Tls, read_key_ref, read_some};
use super::sd::read_blocks;
use super::selector::LabelSelector;
use super::types::{
    Endpoint, General, Kind, MonitorCommon, NamespaceSelector, ObjectId, PodMonitor, Probe, ProbeIngress, ProbeParam,
    ProbeStatic, Resource, ScrapeConfigSpec, ServiceMonitor, Spec, TargetPort,
};
use crate::yaml::{Decode, Decoder, Dialect, Fields, Node, Problem, Resolved, Value};

/// An object that cannot be read as its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    pub id: ObjectId,
    /// At least one, each with its place.
    pub problems: Vec<Problem>,
}

impl Invalid {
    /// Every problem, as `spec.endpoints[0].port: …`, separated by `; `.
    #[must_use]
    pub fn reason(&self) -> String {
        let texts: Vec<String> = self.problems.iter().map(placed).collect();
        texts.join("; ")
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.reason())
    }
}

impl std::error::Error for Invalid {}

/// A problem without its line: objects from the API have none.
pub(crate) fn placed(problem: &Problem) -> String {
    if problem.path.is_empty() { problem.message.clone() } else { format!("{}: {}", problem.path, problem.message) }
}

impl Resource {
    /// Reads an object that the API server sent. `kind` is what was listed: entries of lists do not say it themselves.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_json(kind: Kind, object: &serde_json::Value) -> Result<Self, Invalid> {
        Self::from_node(kind, &Node::from(object))
    }

    /// Reads an object from a manifest.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_node(kind: Kind, object: &Node) -> Result<Self, Invalid> {
        let mut decoder = Decoder::new(Dialect::Kubernetes, "");
        let read = decoder.fields(object, |fields| {
            fields.ignore(["apiVersion", "kind", "status"]);
            let metadata = Metadata::read(fields);
            (metadata, read_spec(fields, kind))
        });
        let (metadata, spec) = read.unwrap_or_default();
        let id = ObjectId { kind, namespace: metadata.namespace, name: metadata.name };
        let problems = decoder.finish();
        match spec.filter(|_| problems.errors.is_empty()) {
            Some(spec) => {
                let warnings = problems.warnings.iter().map(placed).collect();
                Ok(Self { id, labels: metadata.labels, spec, warnings })
            }
            None => Err(Invalid { id, problems: problems.errors }),
        }
    }
}

/// The parts of `metadata` that matter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Metadata {
    /// Reads the metadata of an object. A name that could pass for a path is an error: job names are made of it.
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Self {
        let metadata = read_some(fields, "metadata", |decoder, node| {
            decoder.fields(node, |fields| {
                let mut metadata = Self::default();
                let errors = fields.decoder.error_count();
                fields.set("namespace", &mut metadata.namespace);
                fields.set("name", &mut metadata.name);
                fields.set("labels", &mut metadata.labels);
                for (key, text) in [("namespace", &metadata.namespace), ("name", &metadata.name)] {
                    if fields.decoder.error_count() > errors {
                        break; // said already
                    }
                    if text.is_empty() && key == "name" {
                        fields.error(key, "must not be empty");
                    } else if text.contains('/') {
                        fields.error(key, "must not contain a slash");
                    }
                }
                fields.ignore(OTHER_METADATA);
                metadata
            })
        });
        if fields.node("metadata").is_none() {
            fields.error("metadata", "is required");
        }
        metadata.unwrap_or_default()
    }
}

const OTHER_METADATA: [&str; 11] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "uid",
];

/// `Some` if there is a spec; what is wrong inside is recorded.
fn read_spec(fields: &mut Fields<'_, '_>, kind: Kind) -> Option<Spec> {
    let line = fields.line;
    let spec = read_some(fields, "spec", |decoder, node| {
        decoder.fields(node, |fields| match kind {
            Kind::ServiceMonitor => Spec::ServiceMonitor(read_service_monitor(fields)),
            Kind::PodMonitor => Spec::PodMonitor(read_pod_monitor(fields)),
            Kind::Probe => Spec::Probe(Box::new(read_probe(fields))),
            Kind::ScrapeConfig => Spec::ScrapeConfig(Box::new(read_scrape_config(fields))),
        })
    });
    if fields.node("spec").is_none_or(Node::is_null) {
        fields.decoder.at_key("spec", |decoder| decoder.error(line, "is required"));
    }
    spec
}

fn require(fields: &mut Fields<'_, '_>, key: &'static str) {
    if fields.node(key).is_none_or(Node::is_null) {
        fields.error(key, "is required");
    }
}

fn read_service_monitor(fields: &mut Fields<'_, '_>) -> ServiceMonitor {
    let mut monitor = ServiceMonitor { common: read_common(fields), ..ServiceMonitor::default() };
    fields.set("targetLabels", &mut monitor.target_labels);
    let roles = |decoder: &mut Decoder, node: &Node| read_choice(decoder, node, &["Endpoints", "EndpointSlice"]);
    monitor.discovery_role = read_some(fields, "serviceDiscoveryRole", roles);
    require(fields, "endpoints");
    let read =
        |decoder: &mut Decoder, node: &Node| decoder.list(node, |decoder, node| read_endpoint(decoder, node, true));
    monitor.endpoints = read_some(fields, "endpoints", read).unwrap_or_default();
    monitor
}

fn read_pod_monitor(fields: &mut Fields<'_, '_>) -> PodMonitor {
    let common = read_common(fields);
    let read =
        |decoder: &mut Decoder, node: &Node| decoder.list(node, |decoder, node| read_endpoint(decoder, node, false));
    PodMonitor { common, endpoints: read_some(fields, "podMetricsEndpoints", read).unwrap_or_default() }
}

fn read_common(fields: &mut Fields<'_, '_>) -> MonitorCommon {
    let mut common = MonitorCommon { general: read_general(fields, true), ..MonitorCommon::default() };
    require(fields, "selector");
    fields.set("selector", &mut common.selector);
    let mechanisms =
        |decoder: &mut Decoder, node: &Node| read_choice(decoder, node, &["RelabelConfig", "RoleSelector"]);
    common.role_selector = read_some(fields, "selectorMechanism", mechanisms).as_deref() == Some("RoleSelector");
    fields.set("namespaceSelector", &mut common.namespace_selector);
    fields.set("jobLabel", &mut common.job_label);
    fields.set("podTargetLabels", &mut common.pod_target_labels);
    common.attach_metadata = read_some(fields, "attachMetadata", |decoder, node| {
        decoder.fields(node, |fields| fields.get::<bool>("node").unwrap_or(false))
    });
    common
}

impl Decode for NamespaceSelector {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut selector = Self::default();
            fields.set("any", &mut selector.any);
            fields.set("matchNames", &mut selector.match_names);
            selector
        })
    }
}

fn read_general(fields: &mut Fields<'_, '_>, with_body_size: bool) -> General {
    let mut general = General::default();
    fields.set("scrapeClass", &mut general.scrape_class);
    general.fallback_scrape_protocol = read_protocol(fields);
    read_settings(fields, copied::GENERAL, &mut general.copied);
    if with_body_size {
        read_settings(fields, &[copied::BODY_SIZE], &mut general.copied);
    }
    general
}

/// `fallbackScrapeProtocol`; empty where absent.
pub(crate) fn read_protocol(fields: &mut Fields<'_, '_>) -> String {
    let read = |decoder: &mut Decoder, node: &Node| match decoder.text(node)? {
        empty if empty.is_empty() => Some(empty),
        _ => read_choice(decoder, node, PROTOCOLS),
    };
    read_some(fields, "fallbackScrapeProtocol", read).unwrap_or_default()
}

fn read_endpoint(decoder: &mut Decoder, node: &Node, of_service: bool) -> Option<Endpoint> {
    decoder.fields(node, |fields| {
        let mut endpoint = Endpoint::default();
        fields.set("port", &mut endpoint.port);
        endpoint.target_port = read_some(fields, "targetPort", read_target_port);
        fields.set("interval", &mut endpoint.interval);
        fields.set("scrapeTimeout", &mut endpoint.scrape_timeout);
        fields.set("filterRunning", &mut endpoint.filter_running);
        endpoint.http.read(fields);
        endpoint.bearer_token_secret = read_key_ref(fields, "bearerTokenSecret");
        if of_service {
            fields.set("bearerTokenFile", &mut endpoint.bearer_token_file);
            endpoint.http.tls = read_some(fields, "tlsConfig", Tls::decode_with_files);
        } else {
            fields.set("portNumber", &mut endpoint.port_number);
            endpoint.http.tls = read_some(fields, "tlsConfig", Tls::decode);
        }
        fields.set("relabelings", &mut endpoint.relabelings);
        fields.set("metricRelabelings", &mut endpoint.metric_relabelings);
        read_settings(fields, copied::ENDPOINT, &mut endpoint.copied);
        endpoint
    })
}

pub(crate) fn read_target_port(decoder: &mut Decoder, node: &Node) -> Option<TargetPort> {
    match &node.value {
        Value::Scalar(scalar) => match scalar.resolve() {
            Resolved::Int(number) => Some(TargetPort::Number(number)),
            Resolved::Str => Some(TargetPort::Name(scalar.text.to_string())),
            _ => {
                decoder.mismatch(node, "integer or string");
                None
            }
        },
        _ => {
            decoder.mismatch(node, "integer or string");
            None
        }
    }
}

fn read_probe(fields: &mut Fields<'_, '_>) -> Probe {
    let mut probe = Probe { general: read_general(fields, false), ..Probe::default() };
    probe.http.read_auth(fields);
    probe.http.tls = read_some(fields, "tlsConfig", Tls::decode);
    read_prober(fields, &mut probe);
    fields.set("jobName", &mut probe.job_name);
    fields.set("module", &mut probe.module);
    fields.set("params", &mut probe.params);
    fields.set("interval", &mut probe.interval);
    fields.set("scrapeTimeout", &mut probe.scrape_timeout);
    fields.set("metricRelabelings", &mut probe.metric_relabelings);
    probe.bearer_token_secret = read_key_ref(fields, "bearerTokenSecret");
    read_settings(fields, copied::PROBE, &mut probe.copied);
    read_some(fields, "targets", |decoder, node| {
        decoder.fields(node, |fields| {
            fields.set("staticConfig", &mut probe.static_targets);
            fields.set("ingress", &mut probe.ingress);
        })
    });
    probe
}

fn read_prober(fields: &mut Fields<'_, '_>, probe: &mut Probe) {
    let settings = [always("path", "metrics_path", Shape::Text), given("scheme", "scheme", copied::SCHEMES)];
    read_some(fields, "prober", |decoder, node| {
        decoder.fields(node, |fields| {
            fields.set("url", &mut probe.prober_url);
            read_settings(fields, &settings, &mut probe.copied);
            probe.http.proxy.read(fields);
        })
    });
}

impl Decode for ProbeParam {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut param = Self::default();
            fields.set("name", &mut param.name);
            fields.set("values", &mut param.values);
            param
        })
    }
}

impl Decode for ProbeStatic {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut targets = Self::default();
            fields.set("static", &mut targets.targets);
            fields.set("labels", &mut targets.labels);
            fields.set("relabelingConfigs", &mut targets.relabelings);
            targets
        })
    }
}

impl Decode for ProbeIngress {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut ingress = Self { selector: LabelSelector::default(), ..Self::default() };
            fields.set("selector", &mut ingress.selector);
            fields.set("namespaceSelector", &mut ingress.namespace_selector);
            fields.set("relabelingConfigs", &mut ingress.relabelings);
            ingress
        })
    }
}

fn read_scrape_config(fields: &mut Fields<'_, '_>) -> ScrapeConfigSpec {
    let mut spec = ScrapeConfigSpec { general: read_general(fields, true), ..ScrapeConfigSpec::default() };
    fields.set("jobName", &mut spec.job_name);
    fields.set("scrapeInterval", &mut spec.scrape_interval);
    fields.set("scrapeTimeout", &mut spec.scrape_timeout);
    fields.set("relabelings", &mut spec.relabelings);
    fields.set("metricRelabelings", &mut spec.metric_relabelings);
    spec.http.read(fields);
    spec.http.tls = read_some(fields, "tlsConfig", Tls::decode);
    spec.sd_blocks = read_blocks(fields);
    read_settings(fields, copied::SCRAPE_CONFIG, &mut spec.copied);
    spec
}
