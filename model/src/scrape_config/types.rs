//! Typed scrape configs, as Prometheus 3.14 defines them, after defaulting and validation.
//!
//! Field order and names are Prometheus' (`config/config.go`, `discovery/*/`, prometheus/common `config/`).
//! "Empty" stands for "not given" where Prometheus does not tell them apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::duration::Duration;
use crate::labels::NameScheme;
use crate::relabel::Rule;
use crate::secret::Secret;

/// One job: how it is scraped and where its targets come from.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeConfig {
    pub job_name: String,
    pub honor_labels: bool,
    pub honor_timestamps: bool,
    pub track_timestamps_staleness: bool,
    pub params: BTreeMap<String, Vec<String>>,
    pub scrape_interval: Duration,
    pub scrape_timeout: Duration,
    pub scrape_protocols: Vec<String>,
    pub fallback_scrape_protocol: String,
    pub scrape_native_histograms: Option<bool>,
    pub always_scrape_classic_histograms: Option<bool>,
    pub convert_classic_histograms_to_nhcb: Option<bool>,
    pub extra_scrape_metrics: Option<bool>,
    pub scrape_failure_log_file: String,
    pub metrics_path: String,
    pub scheme: String,
    pub enable_compression: bool,
    /// Bytes; 0 = no limit.
    pub body_size_limit: u64,
    pub sample_limit: u64,
    pub target_limit: u64,
    pub label_limit: u64,
    pub label_name_length_limit: u64,
    pub label_value_length_limit: u64,
    pub native_histogram_bucket_limit: u64,
    pub native_histogram_min_bucket_factor: f64,
    pub keep_dropped_targets: u64,
    /// `utf8` or `legacy`.
    pub metric_name_validation_scheme: NameScheme,
    /// `allow-utf-8`, `underscores`, `dots` or `values`.
    pub metric_name_escaping_scheme: String,
    pub http: HttpClientConfig,
    pub relabel_configs: Vec<Rule>,
    pub metric_relabel_configs: Vec<Rule>,
    /// In Prometheus' provider order: by key, static last (`discovery/registry.go`).
    pub sd_configs: Vec<SdConfig>,
}

/// One service-discovery section of a job. Equal configs share one provider, whichever jobs they stand in.
#[derive(Clone, Debug, PartialEq)]
pub enum SdConfig {
    /// All static groups of the job: group *k* has source `"k"`.
    Static(Vec<StaticGroup>),
    File(FileSdConfig),
    Http(Box<HttpSdConfig>),
    Dns(DnsSdConfig),
    Kubernetes(Box<KubernetesSdConfig>),
    /// A mechanism of Prometheus that this program does not have (yet): the key without `_sd_configs`.
    Unsupported(String),
}

impl SdConfig {
    /// The name of the mechanism: the key without `_sd_configs` or `_configs`.
    #[must_use]
    pub fn mechanism(&self) -> &str {
        match self {
            Self::Static(_) => "static",
            Self::File(_) => "file",
            Self::Http(_) => "http",
            Self::Dns(_) => "dns",
            Self::Kubernetes(_) => "kubernetes",
            Self::Unsupported(name) => name,
        }
    }
}

/// One group of `static_configs`, or of a file or HTTP answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticGroup {
    /// Addresses.
    pub targets: Vec<String>,
    /// Labels of the group, empty values included.
    pub labels: BTreeMap<String, String>,
}

/// `file_sd_configs[]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSdConfig {
    /// Globs: `*`, `?`, `[…]` in the last path segment only.
    pub files: Vec<String>,
    pub refresh_interval: Duration,
}

/// `http_sd_configs[]`.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpSdConfig {
    pub url: String,
    pub refresh_interval: Duration,
    pub http: HttpClientConfig,
}

/// `dns_sd_configs[]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSdConfig {
    pub names: Vec<String>,
    pub refresh_interval: Duration,
    /// Written in any case; rendered upper case.
    pub record_type: DnsRecordType,
    /// 0 where not given (SRV only).
    pub port: u16,
}

/// Record types of `dns_sd_configs[].type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DnsRecordType {
    Srv,
    A,
    Aaaa,
    Mx,
    Ns,
}

impl DnsRecordType {
    const ALL: [Self; 5] = [Self::Srv, Self::A, Self::Aaaa, Self::Mx, Self::Ns];

    /// Upper case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Srv => "SRV",
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Mx => "MX",
            Self::Ns => "NS",
        }
    }

    /// Reads a type in any letter case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text))
    }
}

/// `kubernetes_sd_configs[]`.
#[derive(Clone, Debug, PartialEq)]
pub struct KubernetesSdConfig {
    /// Empty = in-cluster.
    pub api_server: String,
    pub role: KubernetesRole,
    pub kubeconfig_file: String,
    pub http: HttpClientConfig,
    pub own_namespace: bool,
    /// Empty = all namespaces.
    pub namespaces: Vec<String>,
    pub selectors: Vec<KubernetesSelector>,
    pub attach_metadata: AttachMetadata,
}

/// Roles of `kubernetes_sd_configs[].role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KubernetesRole {
    Node,
    Pod,
    Service,
    Endpoints,
    EndpointSlice,
    Ingress,
}

impl KubernetesRole {
    const ALL: [Self; 6] = [Self::Node, Self::Pod, Self::Service, Self::Endpoints, Self::EndpointSlice, Self::Ingress];

    /// As in the config.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Pod => "pod",
            Self::Service => "service",
            Self::Endpoints => "endpoints",
            Self::EndpointSlice => "endpointslice",
            Self::Ingress => "ingress",
        }
    }

    /// Reads a role; letter case counts.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }
}

/// `kubernetes_sd_configs[].selectors[]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubernetesSelector {
    pub role: String,
    pub label: String,
    pub field: String,
}

/// `kubernetes_sd_configs[].attach_metadata`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttachMetadata {
    pub node: bool,
    pub namespace: bool,
    pub deployment: bool,
    pub job: bool,
    pub cronjob: bool,
}

/// HTTP client keys, inline in scrape configs and SD configs (prometheus/common: `config/http_config.go`).
#[derive(Clone, Debug, PartialEq)]
pub struct HttpClientConfig {
    pub basic_auth: Option<BasicAuth>,
    /// `bearer_token[_file]` is rewritten to this.
    pub authorization: Option<Authorization>,
    pub oauth2: Option<Box<OAuth2>>,
    pub tls: TlsConfig,
    pub follow_redirects: bool,
    pub enable_http2: bool,
    pub proxy: ProxyConfig,
    pub http_headers: BTreeMap<String, HttpHeader>,
}

impl Default for HttpClientConfig {
    fn default() -> Self {
        Self {
            basic_auth: None,
            authorization: None,
            oauth2: None,
            tls: TlsConfig::default(),
            follow_redirects: true,
            enable_http2: true,
            proxy: ProxyConfig::default(),
            http_headers: BTreeMap::new(),
        }
    }
}

/// `basic_auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasicAuth {
    pub username: String,
    pub username_file: String,
    pub username_ref: String,
    pub password: Secret,
    pub password_file: String,
    pub password_ref: String,
}

/// `authorization`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorization {
    /// `Bearer` where not given.
    pub scheme: String,
    pub credentials: Secret,
    pub credentials_file: String,
    pub credentials_ref: String,
}

/// `oauth2`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OAuth2 {
    pub client_id: String,
    pub client_secret: Secret,
    pub client_secret_file: String,
    pub client_secret_ref: String,
    pub client_certificate_key_id: String,
    pub client_certificate_key: Secret,
    pub client_certificate_key_file: String,
    pub client_certificate_key_ref: String,
    pub grant_type: String,
    pub signature_algorithm: String,
    pub iss: String,
    pub audience: String,
    /// Free-form, kept as JSON.
    pub claims: BTreeMap<String, serde_json::Value>,
    pub scopes: Vec<String>,
    pub token_url: String,
    pub endpoint_params: BTreeMap<String, String>,
    pub tls: TlsConfig,
    pub proxy: ProxyConfig,
}

/// `tls_config` of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    pub ca: String,
    pub cert: String,
    pub key: Secret,
    pub ca_file: String,
    pub cert_file: String,
    pub key_file: String,
    pub ca_ref: String,
    pub cert_ref: String,
    pub key_ref: String,
    pub server_name: String,
    pub insecure_skip_verify: bool,
    /// `""`, `TLS10` … `TLS13`.
    pub min_version: String,
    pub max_version: String,
}

/// Proxy keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyConfig {
    /// As given; rendered with the password as `xxxxx`.
    pub proxy_url: Secret,
    pub no_proxy: String,
    pub proxy_from_environment: bool,
    pub proxy_connect_header: BTreeMap<String, Vec<Secret>>,
}

/// One entry of `http_headers`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpHeader {
    pub values: Vec<String>,
    pub secrets: Vec<Secret>,
    pub files: Vec<String>,
}

/// A scrape config shared by everyone that looks at the job.
pub type SharedScrapeConfig = Arc<ScrapeConfig>;
