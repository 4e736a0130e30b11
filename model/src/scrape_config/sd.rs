//! Service-discovery lists of a job (Prometheus: `discovery/registry.go`, `discovery/{file,http,dns,kubernetes}`).

use super::http_client::{read_http_client, read_url};
use super::mechanisms::UNSUPPORTED_SD_KEYS;
use super::selector;
use super::types::{
    AttachMetadata, DnsRecordType, DnsSdConfig, FileSdConfig, HttpClientConfig, HttpSdConfig, KubernetesRole,
    KubernetesSdConfig, KubernetesSelector, SdConfig, StaticGroup,
};
use super::url;
use crate::duration::Duration;
use crate::labels::NameScheme;
use crate::quote::quote;
use crate::yaml::{Decode, Decoder, Fields, Node};

/// Reads every `*_sd_configs` and `static_configs`: by key in alphabetical order, static last.
pub(crate) fn read_sd_configs(fields: &mut Fields<'_, '_>) -> Vec<SdConfig> {
    let mut configs = Vec::new();
    configs.extend(read_list(fields, "dns_sd_configs", read_dns).into_iter().map(SdConfig::Dns));
    configs.extend(read_list(fields, "file_sd_configs", read_file).into_iter().map(SdConfig::File));
    let http = read_list(fields, "http_sd_configs", read_http);
    configs.extend(http.into_iter().map(|config| SdConfig::Http(Box::new(config))));
    let kubernetes = read_list(fields, "kubernetes_sd_configs", read_kubernetes);
    configs.extend(kubernetes.into_iter().map(|config| SdConfig::Kubernetes(Box::new(config))));
    for key in UNSUPPORTED_SD_KEYS {
        if !read_unread(fields, key).is_empty() {
            configs.push(SdConfig::Unsupported(key.trim_end_matches("_sd_configs").to_owned()));
        }
    }
    configs.sort_by(|left, right| left.mechanism().cmp(right.mechanism())); // stable: order within a key stays
    let groups = read_list(fields, "static_configs", read_static_group);
    if !groups.is_empty() {
        configs.push(SdConfig::Static(groups));
    }
    configs
}

fn read_list<T>(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    read: impl Fn(&mut Fields<'_, '_>) -> Option<T>,
) -> Vec<T> {
    read_sections(fields, key, |decoder, node| decoder.fields(node, &read).flatten())
}

/// The sections of a mechanism that is not there: only counted.
fn read_unread(fields: &mut Fields<'_, '_>, key: &'static str) -> Vec<()> {
    read_sections(fields, key, |_, _| Some(()))
}

fn read_sections<T>(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    read: impl Fn(&mut Decoder, &Node) -> Option<T>,
) -> Vec<T> {
    let Some(node) = fields.node(key) else { return Vec::new() };
    let read_one = |decoder: &mut Decoder, node: &Node| {
        if node.is_null() {
            decoder.error(node.line, format!("empty or null section in {key}"));
            return None;
        }
        read(decoder, node)
    };
    fields.decoder.at_key(key, |decoder| decoder.list(node, read_one)).unwrap_or_default()
}

fn read_static_group(fields: &mut Fields<'_, '_>) -> Option<StaticGroup> {
    let mut group = StaticGroup::default();
    fields.set("targets", &mut group.targets);
    fields.set("labels", &mut group.labels);
    for name in group.labels.keys().filter(|name| !NameScheme::Utf8.is_valid_label_name(name)) {
        fields.error("labels", format!("{} is not a valid label name", quote(name)));
    }
    Some(group)
}

impl Decode for StaticGroup {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, read_static_group).flatten()
    }
}

/// Reads `refresh_interval`; zero would make a provider spin (and makes upstream panic).
fn read_refresh_interval(fields: &mut Fields<'_, '_>, default_seconds: u64) -> Duration {
    let mut interval = Duration::from_millis(default_seconds * 1000);
    fields.set("refresh_interval", &mut interval);
    if interval == Duration::default() {
        fields.error("refresh_interval", "refresh_interval must be greater than zero");
    }
    interval
}

fn read_file(fields: &mut Fields<'_, '_>) -> Option<FileSdConfig> {
    let errors = fields.decoder.error_count();
    let mut files: Vec<String> = Vec::new();
    fields.set("files", &mut files);
    let refresh_interval = read_refresh_interval(fields, 300);
    if files.is_empty() && fields.decoder.error_count() == errors {
        fields.error("files", "file service discovery config must contain at least one path name");
    }
    for name in files.iter().filter(|name| !is_file_pattern(name)) {
        fields.error("files", format!("path name {} is not valid for file discovery", quote(name)));
    }
    Some(FileSdConfig { files, refresh_interval })
}

/// `^[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)$`: stars in the last path segment only.
fn is_file_pattern(name: &str) -> bool {
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    let known = ["json", "yml", "yaml", "JSON", "YML", "YAML"].contains(&extension);
    known && is_star_last(stem)
}

/// `^[^*]*(\*[^/]*)?$`
pub(crate) fn is_star_last(path: &str) -> bool {
    path.split_once('*').is_none_or(|(_, after)| !after.contains('/'))
}

fn read_http(fields: &mut Fields<'_, '_>) -> Option<HttpSdConfig> {
    let errors = fields.decoder.error_count();
    let mut config =
        HttpSdConfig { url: String::new(), refresh_interval: Duration::default(), http: HttpClientConfig::default() };
    fields.set("url", &mut config.url);
    let url_is_clean = fields.decoder.error_count() == errors;
    config.refresh_interval = read_refresh_interval(fields, 60);
    read_http_client(fields, &mut config.http);
    if let Err(message) = check_http_url(&config.url)
        && url_is_clean
    {
        fields.error("url", message);
    }
    Some(config)
}

fn check_http_url(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("URL is missing".into());
    }
    let parsed = url::parse(text).map_err(|why| format!("not a valid URL: {why}"))?;
    if parsed.scheme != "http" && parsed.scheme != "https" {
        return Err("URL scheme must be 'http' or 'https'".into());
    }
    if parsed.host.is_empty() { Err("host is missing in URL".into()) } else { Ok(()) }
}

fn read_dns(fields: &mut Fields<'_, '_>) -> Option<DnsSdConfig> {
    let errors = fields.decoder.error_count();
    let mut names: Vec<String> = Vec::new();
    fields.set("names", &mut names);
    let refresh_interval = read_refresh_interval(fields, 30);
    let mut record_type = "SRV".to_owned();
    fields.set("type", &mut record_type);
    let mut port = 0_i64;
    fields.set("port", &mut port);
    let is_clean = fields.decoder.error_count() == errors;
    if names.is_empty() && is_clean {
        fields.error("names", "DNS-SD config must contain at least one SRV record name");
    }
    let Some(known) = DnsRecordType::parse(&record_type) else {
        fields.error("type", format!("invalid DNS-SD records type {record_type}"));
        return None;
    };
    if known != DnsRecordType::Srv && port == 0 && is_clean {
        fields.error("port", "a port is required in DNS-SD configs for all record types except SRV");
    }
    let Ok(port) = u16::try_from(port) else {
        fields.error("port", format!("port {port} is not between 0 and 65535"));
        return None;
    };
    Some(DnsSdConfig { names, refresh_interval, record_type: known, port })
}

fn read_kubernetes(fields: &mut Fields<'_, '_>) -> Option<KubernetesSdConfig> {
    let errors = fields.decoder.error_count();
    let mut role: Option<KubernetesRole> = None;
    fields.set_with("role", &mut role, |decoder, node| read_role(decoder, node).map(Some));
    if role.is_none() && fields.decoder.error_count() == errors {
        let message = "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)";
        fields.error("role", message);
    }
    let mut config = KubernetesSdConfig {
        api_server: String::new(),
        role: role.unwrap_or(KubernetesRole::Pod),
        kubeconfig_file: String::new(),
        http: HttpClientConfig::default(),
        own_namespace: false,
        namespaces: Vec::new(),
        selectors: Vec::new(),
        attach_metadata: AttachMetadata::default(),
    };
    fields.set_with("api_server", &mut config.api_server, read_url);
    fields.set("kubeconfig_file", &mut config.kubeconfig_file);
    read_http_client(fields, &mut config.http);
    read_namespaces(fields, &mut config);
    fields.set("selectors", &mut config.selectors);
    fields.set("attach_metadata", &mut config.attach_metadata);
    if fields.decoder.error_count() == errors {
        check_kubernetes_client(fields, &config);
        check_selectors(fields, &config);
    }
    role.map(|_| config)
}

fn read_namespaces(fields: &mut Fields<'_, '_>, config: &mut KubernetesSdConfig) {
    let Some(node) = fields.node("namespaces") else { return };
    fields.decoder.at_key("namespaces", |decoder| {
        decoder.fields(node, |fields| {
            fields.set("own_namespace", &mut config.own_namespace);
            fields.set("names", &mut config.namespaces);
        })
    });
}

fn check_kubernetes_client(fields: &mut Fields<'_, '_>, config: &KubernetesSdConfig) {
    let (server, kubeconfig) = (!config.api_server.is_empty(), !config.kubeconfig_file.is_empty());
    let custom_client = config.http != HttpClientConfig::default();
    if server && kubeconfig {
        fields.error("kubeconfig_file", "cannot use 'kubeconfig_file' and 'api_server' simultaneously");
    }
    if custom_client && kubeconfig {
        let message = "cannot use a custom HTTP client configuration together with 'kubeconfig_file'";
        fields.error("kubeconfig_file", message);
    } else if custom_client && !server {
        let message = "to use custom HTTP client configuration please provide the 'api_server' URL explicitly";
        fields.error("api_server", message);
    }
    if server && config.own_namespace {
        fields.error("namespaces", "cannot use 'api_server' and 'namespaces.own_namespace' simultaneously");
    }
    if kubeconfig && config.own_namespace {
        fields.error("namespaces", "cannot use 'kubeconfig_file' and 'namespaces.own_namespace' simultaneously");
    }
}

fn check_selectors(fields: &mut Fields<'_, '_>, config: &KubernetesSdConfig) {
    let allowed: &[&str] = match config.role {
        KubernetesRole::Node => &["node"],
        KubernetesRole::Pod => &["pod", "node"],
        KubernetesRole::Service => &["service"],
        KubernetesRole::Endpoints => &["pod", "service", "endpoints"],
        KubernetesRole::EndpointSlice => &["pod", "service", "endpointslice"],
        KubernetesRole::Ingress => &["ingress"],
    };
    for (at, selector) in config.selectors.iter().enumerate() {
        if config.selectors[..at].iter().any(|earlier| earlier.role == selector.role) {
            fields.error("selectors", format!("duplicated selector role: {}", selector.role));
        } else if !allowed.contains(&selector.role.as_str()) {
            let message = format!("{} role supports only {} selectors", config.role.as_str(), allowed.join(", "));
            fields.error("selectors", message);
        }
        let syntax = selector::check_fields(&selector.field).and(selector::check_labels(&selector.label));
        if let Err(message) = syntax {
            fields.error("selectors", message);
        }
    }
}

fn read_role(decoder: &mut Decoder, node: &Node) -> Option<KubernetesRole> {
    let text = decoder.text(node)?;
    let role = KubernetesRole::parse(&text);
    if role.is_none() {
        decoder.error(node.line, format!("unknown Kubernetes SD role {}", quote(&text)));
    }
    role
}

impl Decode for KubernetesSelector {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut selector = Self::default();
            let read =
                |decoder: &mut Decoder, node: &Node| read_role(decoder, node).map(|role| role.as_str().to_owned());
            fields.set_with("role", &mut selector.role, read);
            fields.set("label", &mut selector.label);
            fields.set("field", &mut selector.field);
            selector
        })
    }
}

impl Decode for AttachMetadata {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut attach = Self::default();
            fields.set("node", &mut attach.node);
            fields.set("namespace", &mut attach.namespace);
            fields.set("deployment", &mut attach.deployment);
            fields.set("job", &mut attach.job);
            fields.set("cronjob", &mut attach.cronjob);
            attach
        })
    }
}
