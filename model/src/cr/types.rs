//! The four kinds as their objects say them (prometheus-operator: `pkg/apis/monitoring/v1`, `v1alpha1`).
//!
//! What is only copied into the scrape config is kept as the keys it becomes ([`Tree`]); what decides something has a
//! field. `None` means "not in the object", which often differs from "empty".

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use super::http::{HttpOptions, KeyRef};
use super::sd::SdBlock;
use super::selector::LabelSelector;
use super::tree::Tree;

/// The kinds of objects that become scrape configs, in the order of their jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    ServiceMonitor,
    PodMonitor,
    Probe,
    ScrapeConfig,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::ServiceMonitor, Self::PodMonitor, Self::Probe, Self::ScrapeConfig];

    /// As in `kind:`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServiceMonitor => "ServiceMonitor",
            Self::PodMonitor => "PodMonitor",
            Self::Probe => "Probe",
            Self::ScrapeConfig => "ScrapeConfig",
        }
    }

    /// As in API paths.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::ServiceMonitor => "servicemonitors",
            Self::PodMonitor => "podmonitors",
            Self::Probe => "probes",
            Self::ScrapeConfig => "scrapeconfigs",
        }
    }

    /// The API version served.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::ScrapeConfig => "v1alpha1",
            _ => "v1",
        }
    }

    /// First part of its job names.
    #[must_use]
    pub const fn job_prefix(self) -> &'static str {
        match self {
            Self::ServiceMonitor => "serviceMonitor",
            Self::PodMonitor => "podMonitor",
            Self::Probe => "probe",
            Self::ScrapeConfig => "scrapeConfig",
        }
    }

    /// Reads `kind:`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The API group of all four kinds.
pub const API_GROUP: &str = "monitoring.coreos.com";

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectId {
    pub kind: Kind,
    pub namespace: String,
    pub name: String,
}

impl ObjectId {
    /// `<prefix>/<namespace>/<name>`: its job, or the start of the names of its jobs.
    #[must_use]
    pub fn job_name(&self) -> String {
        format!("{}/{}/{}", self.kind.job_prefix(), self.namespace, self.name)
    }

    fn key(&self) -> impl Iterator<Item = u8> {
        self.namespace.bytes().chain([b'/']).chain(self.name.bytes())
    }
}

impl Ord for ObjectId {
    /// By kind, then by the bytes of `<namespace>/<name>`, so that `a-b/x` comes before `a/x` as upstream has it.
    fn cmp(&self, other: &Self) -> Ordering {
        self.kind.cmp(&other.kind).then_with(|| self.key().cmp(other.key()))
    }
}

impl PartialOrd for ObjectId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.as_str(), self.namespace, self.name)
    }
}

/// One object of one of the four kinds, decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    pub id: ObjectId,
    /// Its own labels, which selectors look at.
    pub labels: BTreeMap<String, String>,
    pub spec: Spec,
    /// Fields nobody knows, one sentence each. The API server drops them; in a manifest they are slips.
    pub warnings: Vec<String>,
}

/// `spec` of a [`Resource`].
#[derive(Clone, Debug, PartialEq)]
pub enum Spec {
    ServiceMonitor(ServiceMonitor),
    PodMonitor(PodMonitor),
    Probe(Box<Probe>),
    ScrapeConfig(Box<ScrapeConfigSpec>),
}

/// `ServiceMonitor.spec`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceMonitor {
    pub common: MonitorCommon,
    pub target_labels: Vec<String>,
    /// `Endpoints` or `EndpointSlice`; `None` is the latter.
    pub discovery_role: Option<String>,
    pub endpoints: Vec<Endpoint>,
}

/// `PodMonitor.spec`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodMonitor {
    pub common: MonitorCommon,
    /// `podMetricsEndpoints`.
    pub endpoints: Vec<Endpoint>,
}

/// What the specs of ServiceMonitor and PodMonitor share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MonitorCommon {
    pub selector: LabelSelector,
    /// `selectorMechanism: RoleSelector`: the API server selects, instead of relabel rules.
    pub role_selector: bool,
    pub namespace_selector: NamespaceSelector,
    pub job_label: String,
    pub pod_target_labels: Vec<String>,
    /// `attachMetadata`: present or not, and its `node`.
    pub attach_metadata: Option<bool>,
    pub general: General,
}

/// `namespaceSelector` of a monitor: where its targets may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceSelector {
    /// Beats `match_names`.
    pub any: bool,
    /// Empty: the monitor's own namespace.
    pub match_names: Vec<String>,
}

impl NamespaceSelector {
    /// The namespaces of a monitor that is in `own`; empty means all.
    #[must_use]
    pub fn namespaces(&self, own: &str) -> Vec<String> {
        match (self.any, &self.match_names[..]) {
            (true, _) => Vec::new(),
            (false, []) => vec![own.to_owned()],
            (false, names) => names.to_vec(),
        }
    }
}

/// What the specs of all four kinds share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct General {
    pub scrape_class: String,
    pub fallback_scrape_protocol: String,
    /// Limits, histogram settings and protocols.
    pub(crate) copied: Tree,
}

/// One entry of `endpoints` or `podMetricsEndpoints`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoint {
    pub port: String,
    /// PodMonitor only.
    pub port_number: u64,
    pub target_port: Option<TargetPort>,
    pub interval: String,
    pub scrape_timeout: String,
    /// `None` is true.
    pub filter_running: Option<bool>,
    pub(crate) http: HttpOptions,
    /// ServiceMonitor only, deprecated.
    pub bearer_token_file: String,
    pub(crate) bearer_token_secret: Option<KeyRef>,
    pub relabelings: Vec<UserRule>,
    pub metric_relabelings: Vec<UserRule>,
    /// Path, params, scheme and switches.
    pub(crate) copied: Tree,
}

/// An integer or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    Number(i64),
    Name(String),
}

impl fmt::Display for TargetPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A relabel rule as users write it in objects and scrape classes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRule {
    pub source_labels: Vec<String>,
    pub separator: Option<String>,
    pub target_label: String,
    pub regex: String,
    pub modulus: u64,
    pub replacement: Option<String>,
    /// In any letter case; empty is `replace`.
    pub action: String,
}

/// `Probe.spec`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probe {
    pub job_name: String,
    /// `host` or `host:port`.
    pub prober_url: String,
    pub prober_path: String,
    pub module: String,
    pub params: Vec<ProbeParam>,
    /// Wins over `ingress`.
    pub static_targets: Option<ProbeStatic>,
    pub ingress: Option<ProbeIngress>,
    pub interval: String,
    pub scrape_timeout: String,
    pub metric_relabelings: Vec<UserRule>,
    pub general: General,
    pub(crate) http: HttpOptions,
    pub(crate) bearer_token_secret: Option<KeyRef>,
    pub(crate) copied: Tree,
}

/// One entry of `Probe.spec.params`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeParam {
    pub name: String,
    pub values: Vec<String>,
}

/// `Probe.spec.targets.staticConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeStatic {
    pub targets: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub relabelings: Vec<UserRule>,
}

/// `Probe.spec.targets.ingress`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeIngress {
    pub selector: LabelSelector,
    pub namespace_selector: NamespaceSelector,
    pub relabelings: Vec<UserRule>,
}

/// `ScrapeConfig.spec`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScrapeConfigSpec {
    pub job_name: String,
    /// Emitted when present, even if empty.
    pub scrape_interval: Option<String>,
    pub scrape_timeout: Option<String>,
    pub relabelings: Vec<UserRule>,
    pub metric_relabelings: Vec<UserRule>,
    pub general: General,
    pub(crate) http: HttpOptions,
    pub(crate) sd_blocks: Vec<SdBlock>,
    pub(crate) copied: Tree,
}
