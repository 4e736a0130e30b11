//! Scrape configs as `/scrape_configs` serves them (upstream: `internal/server/server.go`; what is left out when zero:
//! the struct tags of Prometheus' config types).

use std::collections::BTreeMap;

use super::json_tree::{Counts, Json, Object, write_members};
use super::types::{
    AttachMetadata, BasicAuth, DnsSdConfig, FileSdConfig, HttpClientConfig, HttpHeader, HttpSdConfig,
    KubernetesSdConfig, OAuth2, ProxyConfig, ScrapeConfig, SdConfig, StaticGroup, TlsConfig,
};
use super::url;
use crate::labels::NameScheme;
use crate::relabel::{Action, Rule};
use crate::secret::{MASK, Secret, Secrets};
use crate::units::format_bytes;

/// One job as a JSON object.
#[must_use]
pub fn render_job(job: &ScrapeConfig, secrets: Secrets) -> String {
    let mut out = String::new();
    Json::Object(Shown::To(secrets).job(job)).write(&mut out, Counts::ThroughFloat);
    out
}

/// All jobs as one JSON object by job name; `{}` if there are none.
#[must_use]
pub fn render_all<'a>(jobs: impl IntoIterator<Item = &'a ScrapeConfig>, secrets: Secrets) -> String {
    let mut out = String::new();
    let members = jobs.into_iter().map(|job| (job.job_name.as_str(), job));
    write_members(&mut out, members, |out, job| {
        Json::Object(Shown::To(secrets).job(job)).write(out, Counts::ThroughFloat);
    });
    out
}

/// [`render_all`] of jobs that are rendered already, by name.
pub(crate) fn join_jobs<'a>(jobs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    write_members(&mut out, jobs, |out, text| out.push_str(text));
    out
}

/// How much of a config is visible.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shown {
    To(Secrets),
    /// Everything that makes two configs different, passwords in URLs too. For fingerprints, never to be sent.
    Whole,
}

impl Shown {
    fn secret(self, secret: &Secret) -> Json {
        match self {
            Self::To(Secrets::Masked) if !secret.is_empty() => MASK.into(),
            _ => secret.reveal().into(),
        }
    }

    /// URL-typed values hide their password in both modes, so a proxy password never reaches a collector. Upstream does
    /// the same, and clients would see a changed configuration if it were shown to some of them only.
    fn url(self, text: &str) -> Json {
        match (self, url::parse(text)) {
            (Self::To(_), Ok(parsed)) => parsed.redacted().into(),
            _ => text.into(),
        }
    }

    pub(crate) fn job(self, job: &ScrapeConfig) -> Object {
        let mut object = Object::default();
        put_basics(&mut object, job);
        put_limits(&mut object, job);
        self.put_http_client(&mut object, &job.http);
        object.put_nonzero("relabel_configs", rules(&job.relabel_configs));
        object.put_nonzero("metric_relabel_configs", rules(&job.metric_relabel_configs));
        self.put_sd_configs(&mut object, &job.sd_configs);
        object
    }

    fn put_sd_configs(self, object: &mut Object, configs: &[SdConfig]) {
        let mut by_key: BTreeMap<String, Vec<Json>> = BTreeMap::new();
        for config in configs {
            let key = match config {
                SdConfig::Static(_) => "static_configs".to_owned(),
                other => format!("{}_sd_configs", other.mechanism()),
            };
            by_key.entry(key).or_default().extend(self.sd_config(config));
        }
        for (key, sections) in by_key {
            if !sections.is_empty() || matches!(self, Self::Whole) {
                object.put(&key, Json::List(sections)); // a mechanism that is not there has no sections, only its name
            }
        }
    }

    /// The sections of one provider: several for static groups, one for all others.
    pub(crate) fn sd_config(self, config: &SdConfig) -> Vec<Json> {
        match config {
            SdConfig::Static(groups) => groups.iter().map(static_group).collect(),
            SdConfig::File(config) => vec![file_sd(config).into()],
            SdConfig::Http(config) => vec![self.http_sd(config).into()],
            SdConfig::Dns(config) => vec![dns_sd(config).into()],
            SdConfig::Kubernetes(config) => vec![self.kubernetes_sd(config).into()],
            SdConfig::Unsupported(_) => Vec::new(),
        }
    }

    fn http_sd(self, config: &HttpSdConfig) -> Object {
        let mut object = Object::default();
        self.put_http_client(&mut object, &config.http);
        object.put("refresh_interval", config.refresh_interval.to_string());
        object.put("url", &config.url);
        object
    }

    fn kubernetes_sd(self, config: &KubernetesSdConfig) -> Object {
        let mut object = Object::default();
        object.put_nonzero("api_server", self.url(&config.api_server));
        object.put("role", config.role.as_str());
        object.put("kubeconfig_file", &config.kubeconfig_file);
        self.put_http_client(&mut object, &config.http);
        if config.own_namespace || !config.namespaces.is_empty() {
            let mut namespaces = Object::default();
            namespaces.put("own_namespace", config.own_namespace);
            namespaces.put("names", config.namespaces.iter().collect::<Json>());
            object.put("namespaces", namespaces);
        }
        let selector = |selector: &super::types::KubernetesSelector| {
            let mut object = Object::default();
            object.put_nonzero("role", &selector.role);
            object.put_nonzero("label", &selector.label);
            object.put_nonzero("field", &selector.field);
            object
        };
        object.put_nonzero("selectors", config.selectors.iter().map(selector).collect::<Json>());
        if config.attach_metadata != AttachMetadata::default() {
            object.put("attach_metadata", attach_metadata(config.attach_metadata));
        }
        object
    }

    fn put_http_client(self, object: &mut Object, http: &HttpClientConfig) {
        if let Some(auth) = &http.basic_auth {
            object.put("basic_auth", self.basic_auth(auth));
        }
        if let Some(auth) = &http.authorization {
            let mut inner = Object::default();
            inner.put_nonzero("type", &auth.scheme);
            inner.put_nonzero("credentials", self.secret(&auth.credentials));
            inner.put_nonzero("credentials_file", &auth.credentials_file);
            inner.put_nonzero("credentials_ref", &auth.credentials_ref);
            object.put("authorization", inner);
        }
        if let Some(oauth2) = &http.oauth2 {
            object.put("oauth2", self.oauth2(oauth2));
        }
        self.put_tls(object, &http.tls);
        object.put("follow_redirects", http.follow_redirects);
        object.put("enable_http2", http.enable_http2);
        self.put_proxy(object, &http.proxy);
        let headers = http.http_headers.iter().map(|(name, header)| (name.as_str(), self.header(header)));
        object.put_nonzero("http_headers", headers.collect::<Object>());
    }

    fn basic_auth(self, auth: &BasicAuth) -> Object {
        let mut object = Object::default();
        object.put_nonzero("username", &auth.username);
        object.put_nonzero("username_file", &auth.username_file);
        object.put_nonzero("username_ref", &auth.username_ref);
        object.put_nonzero("password", self.secret(&auth.password));
        object.put_nonzero("password_file", &auth.password_file);
        object.put_nonzero("password_ref", &auth.password_ref);
        object
    }

    fn oauth2(self, oauth2: &OAuth2) -> Object {
        let mut object = Object::default();
        object.put_nonzero("client_id", &oauth2.client_id);
        object.put_nonzero("client_secret", self.secret(&oauth2.client_secret));
        object.put_nonzero("client_secret_file", &oauth2.client_secret_file);
        object.put_nonzero("client_secret_ref", &oauth2.client_secret_ref);
        object.put_nonzero("client_certificate_key_id", &oauth2.client_certificate_key_id);
        object.put_nonzero("client_certificate_key", self.secret(&oauth2.client_certificate_key));
        object.put_nonzero("client_certificate_key_file", &oauth2.client_certificate_key_file);
        object.put_nonzero("client_certificate_key_ref", &oauth2.client_certificate_key_ref);
        object.put_nonzero("grant_type", &oauth2.grant_type);
        object.put_nonzero("signature_algorithm", &oauth2.signature_algorithm);
        object.put_nonzero("iss", &oauth2.iss);
        object.put_nonzero("audience", &oauth2.audience);
        object.put_nonzero("claims", members(&oauth2.claims));
        object.put_nonzero("scopes", oauth2.scopes.iter().collect::<Json>());
        object.put_nonzero("token_url", &oauth2.token_url);
        object.put_nonzero("endpoint_params", members(&oauth2.endpoint_params));
        self.put_tls(&mut object, &oauth2.tls);
        self.put_proxy(&mut object, &oauth2.proxy);
        object
    }

    fn put_tls(self, object: &mut Object, tls: &TlsConfig) {
        if *tls == TlsConfig::default() {
            return;
        }
        let mut inner = Object::default();
        inner.put_nonzero("ca", &tls.ca);
        inner.put_nonzero("cert", &tls.cert);
        inner.put_nonzero("key", self.secret(&tls.key));
        inner.put_nonzero("ca_file", &tls.ca_file);
        inner.put_nonzero("cert_file", &tls.cert_file);
        inner.put_nonzero("key_file", &tls.key_file);
        inner.put_nonzero("ca_ref", &tls.ca_ref);
        inner.put_nonzero("cert_ref", &tls.cert_ref);
        inner.put_nonzero("key_ref", &tls.key_ref);
        inner.put_nonzero("server_name", &tls.server_name);
        inner.put("insecure_skip_verify", tls.insecure_skip_verify);
        inner.put_nonzero("min_version", &tls.min_version);
        inner.put_nonzero("max_version", &tls.max_version);
        object.put("tls_config", inner);
    }

    fn put_proxy(self, object: &mut Object, proxy: &ProxyConfig) {
        object.put_nonzero("proxy_url", self.url(proxy.proxy_url.reveal()));
        object.put_nonzero("no_proxy", &proxy.no_proxy);
        object.put_nonzero("proxy_from_environment", proxy.proxy_from_environment);
        let values = |values: &Vec<Secret>| values.iter().map(|value| self.secret(value)).collect::<Json>();
        let headers = proxy.proxy_connect_header.iter().map(|(name, list)| (name.as_str(), values(list)));
        object.put_nonzero("proxy_connect_header", headers.collect::<Object>());
    }

    fn header(self, header: &HttpHeader) -> Object {
        let mut object = Object::default();
        object.put_nonzero("values", header.values.iter().collect::<Json>());
        object.put_nonzero("secrets", header.secrets.iter().map(|secret| self.secret(secret)).collect::<Json>());
        object.put_nonzero("files", header.files.iter().collect::<Json>());
        object
    }
}

fn put_basics(object: &mut Object, job: &ScrapeConfig) {
    object.put("job_name", &job.job_name);
    object.put_nonzero("honor_labels", job.honor_labels);
    object.put("honor_timestamps", job.honor_timestamps);
    object.put("track_timestamps_staleness", job.track_timestamps_staleness);
    let params = job.params.iter().map(|(name, values)| (name.as_str(), values.iter().collect::<Json>()));
    object.put_nonzero("params", params.collect::<Object>());
    object.put("scrape_interval", job.scrape_interval.to_string());
    object.put("scrape_timeout", job.scrape_timeout.to_string());
    object.put_nonzero("scrape_protocols", job.scrape_protocols.iter().collect::<Json>());
    object.put_nonzero("fallback_scrape_protocol", &job.fallback_scrape_protocol);
    let switches = [
        ("scrape_native_histograms", job.scrape_native_histograms),
        ("always_scrape_classic_histograms", job.always_scrape_classic_histograms),
        ("convert_classic_histograms_to_nhcb", job.convert_classic_histograms_to_nhcb),
        ("extra_scrape_metrics", job.extra_scrape_metrics),
    ];
    for (key, switch) in switches {
        if let Some(switch) = switch {
            object.put(key, switch); // an explicit false is shown
        }
    }
    object.put_nonzero("scrape_failure_log_file", &job.scrape_failure_log_file);
    object.put_nonzero("metrics_path", &job.metrics_path);
    object.put_nonzero("scheme", &job.scheme);
    object.put("enable_compression", job.enable_compression);
    let scheme = match job.metric_name_validation_scheme {
        NameScheme::Utf8 => "utf8",
        NameScheme::Legacy => "legacy",
    };
    object.put("metric_name_validation_scheme", scheme);
    object.put_nonzero("metric_name_escaping_scheme", &job.metric_name_escaping_scheme);
}

fn put_limits(object: &mut Object, job: &ScrapeConfig) {
    if job.body_size_limit > 0 {
        object.put("body_size_limit", format_bytes(job.body_size_limit));
    }
    object.put_nonzero("sample_limit", job.sample_limit);
    object.put_nonzero("target_limit", job.target_limit);
    object.put_nonzero("label_limit", job.label_limit);
    object.put_nonzero("label_name_length_limit", job.label_name_length_limit);
    object.put_nonzero("label_value_length_limit", job.label_value_length_limit);
    object.put_nonzero("native_histogram_bucket_limit", job.native_histogram_bucket_limit);
    object.put_nonzero("native_histogram_min_bucket_factor", job.native_histogram_min_bucket_factor);
    object.put_nonzero("keep_dropped_targets", job.keep_dropped_targets);
}

fn rules(rules: &[Rule]) -> Json {
    rules.iter().map(rule).collect()
}

fn rule(rule: &Rule) -> Object {
    let raw = rule.raw();
    let mut object = Object::default();
    object.put_nonzero("source_labels", raw.source_labels.iter().flatten().collect::<Json>());
    object.put("separator", &raw.separator);
    // the collector validates rules again, and these two refuse a regex
    let takes_regex = !matches!(raw.action, Action::KeepEqual | Action::DropEqual);
    if let Some(regex) = raw.regex.as_ref().filter(|_| takes_regex) {
        object.put("regex", regex);
    }
    object.put_nonzero("modulus", raw.modulus);
    object.put_nonzero("target_label", &raw.target_label);
    object.put("replacement", &raw.replacement);
    object.put("action", raw.action.to_string());
    object
}

fn static_group(group: &StaticGroup) -> Json {
    let mut object = Object::default();
    object.put("targets", group.targets.iter().collect::<Json>());
    object.put_nonzero("labels", members(&group.labels));
    object.into()
}

fn file_sd(config: &FileSdConfig) -> Object {
    let mut object = Object::default();
    object.put("files", config.files.iter().collect::<Json>());
    object.put("refresh_interval", config.refresh_interval.to_string());
    object
}

fn dns_sd(config: &DnsSdConfig) -> Object {
    let mut object = Object::default();
    object.put("names", config.names.iter().collect::<Json>());
    object.put("refresh_interval", config.refresh_interval.to_string());
    object.put("type", config.record_type.as_str());
    object.put("port", u64::from(config.port));
    object
}

fn attach_metadata(attach: AttachMetadata) -> Object {
    let mut object = Object::default();
    object.put("node", attach.node);
    object.put("namespace", attach.namespace);
    object.put("deployment", attach.deployment);
    object.put("job", attach.job);
    object.put("cronjob", attach.cronjob);
    object
}

fn members<'m, T>(map: &'m BTreeMap<String, T>) -> Object
where
    Json: From<&'m T>,
{
    map.iter().map(|(key, value)| (key.as_str(), Json::from(value))).collect()
}
