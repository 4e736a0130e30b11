//! The one table of keys that have a flag or an environment variable. `--help` and the reference come from it.

use std::path::PathBuf;

use super::raw::RawConfig;
use super::values::FromText;

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Upstream has it too, and it behaves as there.
    Upstream,
    Ours,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text; the word names it in `--help`.
    Text(&'static str),
    Bool,
    /// Go's notation: `300ms`, `1m30s`.
    Duration,
    /// A whole number from 0 up.
    Count,
    /// Bytes: `1048576`, `256MiB`.
    Size,
}

impl Kind {
    /// The word for the value in `--help`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text(name) => name,
            Self::Bool => "bool",
            Self::Duration => "duration",
            Self::Count => "number",
            Self::Size => "bytes",
        }
    }
}

/// One key of the configuration file and its other forms.
#[derive(Debug)]
pub struct Key {
    /// Its place in the file.
    pub path: &'static str,
    pub owner: Owner,
    /// Without the dashes; empty = none.
    pub flag: &'static str,
    /// Empty = none.
    pub env: &'static str,
    pub kind: Kind,
    /// As a user would write it; empty = nothing.
    pub default: &'static str,
    /// One sentence, no full stop.
    pub help: &'static str,
    set: fn(&mut RawConfig, &str) -> Result<(), String>,
}

impl Key {
    #[must_use]
    pub fn has_flag(&self) -> bool {
        !self.flag.is_empty()
    }

    #[must_use]
    pub fn flag(&self) -> &'static str {
        self.flag
    }

    /// The help with key, variable and default.
    #[must_use]
    pub fn help_line(&self) -> String {
        let mut line = format!("{} [key: {}]", self.help, self.path);
        if !self.env.is_empty() {
            line.push_str(&format!(" [env: {}]", self.env));
        }
        if !self.default.is_empty() {
            line.push_str(&format!(" [default: {}]", self.default));
        }
        line
    }

    /// Puts `text` into `raw`. The error says what is wanted instead.
    pub(crate) fn set(&self, raw: &mut RawConfig, text: &str) -> Result<(), String> {
        (self.set)(raw, text)
    }

    /// Whether the variable's `text` counts. Of upstream's two variables the switch knows only an exact `true`, and the
    /// namespace counts even if empty; our own count unless empty.
    pub(crate) fn env_counts(&self, text: &str) -> bool {
        match self.owner {
            Owner::Upstream if self.kind == Kind::Bool => text == "true",
            Owner::Upstream => true,
            Owner::Ours => !text.is_empty(),
        }
    }
}

fn put<T: FromText>(slot: &mut Option<T>, text: &str) -> Result<(), String> {
    *slot = Some(T::from_text(text)?);
    Ok(())
}

/// A key of upstream's.
const fn upstream(
    (path, flag, env): (&'static str, &'static str, &'static str),
    kind: Kind,
    default: &'static str,
    help: &'static str,
    set: fn(&mut RawConfig, &str) -> Result<(), String>,
) -> Key {
    Key { path, owner: Owner::Upstream, flag, env, kind, default, help, set }
}

/// A key of ours.
const fn ours(
    (path, flag, env): (&'static str, &'static str, &'static str),
    kind: Kind,
    default: &'static str,
    help: &'static str,
    set: fn(&mut RawConfig, &str) -> Result<(), String>,
) -> Key {
    Key { path, owner: Owner::Ours, flag, env, kind, default, help, set }
}

/// All of them, upstream's first. Keys that only the file has (selectors, `config`, `telemetry` …) are in `raw.rs`.
pub static KEYS: &[Key] = &[
    upstream(("listen_addr", "listen-addr", ""), Kind::Text("address"), ":8080", "Where HTTP listens", |raw, text| {
        put(&mut raw.listen_addr, text)
    }),
    upstream(
        ("prometheus_cr.enabled", "enable-prometheus-cr-watcher", ""),
        Kind::Bool,
        "false",
        "Watch ServiceMonitors, PodMonitors, Probes and ScrapeConfigs",
        |raw, text| put(&mut raw.prometheus_cr.enabled, text),
    ),
    upstream(
        ("kube_config_file_path", "kubeconfig-path", ""),
        Kind::Text("path"),
        "$HOME/.kube/config",
        "How to reach Kubernetes; in-cluster where the file does not exist",
        |raw, text| put(&mut raw.kube_config_file_path, text),
    ),
    upstream(
        ("https.enabled", "enable-https-server", ""),
        Kind::Bool,
        "false",
        "Serve HTTPS with client certificates beside HTTP",
        |raw, text| put(&mut raw.https.enabled, text),
    ),
    upstream(
        ("https.listen_addr", "listen-addr-https", ""),
        Kind::Text("address"),
        ":8443",
        "Where HTTPS listens",
        |raw, text| put(&mut raw.https.listen_addr, text),
    ),
    upstream(
        ("https.ca_file_path", "https-ca-file", ""),
        Kind::Text("path"),
        "",
        "CA certificates that client certificates are checked against (PEM)",
        |raw, text| put(&mut raw.https.ca_file_path, text),
    ),
    upstream(
        ("https.tls_cert_file_path", "https-tls-cert-file", ""),
        Kind::Text("path"),
        "",
        "Certificate of the server (PEM)",
        |raw, text| put(&mut raw.https.tls_cert_file_path, text),
    ),
    upstream(
        ("https.tls_key_file_path", "https-tls-key-file", ""),
        Kind::Text("path"),
        "",
        "Private key of the server (PEM)",
        |raw, text| put(&mut raw.https.tls_key_file_path, text),
    ),
    upstream(
        ("allow_insecure_auth_secrets", "allow-insecure-auth-secrets", "ALLOW_INSECURE_AUTH_SECRETS"),
        Kind::Bool,
        "false",
        "Show secrets of scrape configs over plain HTTP",
        |raw, text| put(&mut raw.allow_insecure_auth_secrets, text),
    ),
    upstream(
        ("collector_namespace", "", "OTELCOL_NAMESPACE"),
        Kind::Text("namespace"),
        "",
        "Where the collector pods are",
        |raw, text| put(&mut raw.collector_namespace, text),
    ),
    ours(
        ("collectors.static", "collectors-static", "TARGET_ALLOCATOR_COLLECTORS_STATIC"),
        Kind::Text("name[=node],…"),
        "",
        "A fixed fleet of collectors instead of pods; in the file a list of {name, node_name}",
        |raw, text| put(&mut raw.collectors.fixed, text),
    ),
    ours(
        ("collectors.file", "collectors-file", "TARGET_ALLOCATOR_COLLECTORS_FILE"),
        Kind::Text("path"),
        "",
        "A watched file with the collectors, a YAML or JSON list of {name, node_name}, instead of pods",
        |raw, text| put::<PathBuf>(&mut raw.collectors.file, text),
    ),
    ours(
        ("collectors.terminating", "collectors-terminating", "TARGET_ALLOCATOR_COLLECTORS_TERMINATING"),
        Kind::Text("drop|keep"),
        "drop",
        "A collector pod being deleted: drop gives its targets to others at once, as upstream's next release; keep leaves \
         them until it is gone, as upstream up to 0.158",
        |raw, text| put(&mut raw.collectors.terminating, text),
    ),
    ours(
        (
            "consistent_hashing.point_key",
            "consistent-hashing-point-key",
            "TARGET_ALLOCATOR_CONSISTENT_HASHING_POINT_KEY",
        ),
        Kind::Text("v1|legacy"),
        "v1",
        "The ring of consistent-hashing: v1 as upstream's next release, legacy as upstream up to 0.158",
        |raw, text| put(&mut raw.point_key, text),
    ),
    ours(
        (
            "per_node.fallback_for_unknown_node",
            "per-node-fallback-for-unknown-node",
            "TARGET_ALLOCATOR_PER_NODE_FALLBACK_FOR_UNKNOWN_NODE",
        ),
        Kind::Bool,
        "true",
        "Whether allocation_fallback_strategy also takes targets on a node without collector; upstream leaves them unassigned",
        |raw, text| put(&mut raw.fallback_for_unknown_node, text),
    ),
    ours(
        ("readiness.cap", "readiness-cap", "TARGET_ALLOCATOR_READINESS_CAP"),
        Kind::Duration,
        "60s",
        "How long the start waits for everything to be discovered before it serves what is there",
        |raw, text| put(&mut raw.readiness_cap, text),
    ),
    ours(
        ("readiness.job_cap", "readiness-job-cap", "TARGET_ALLOCATOR_READINESS_JOB_CAP"),
        Kind::Duration,
        "30s",
        "How long the start waits for the service discovery of one job",
        |raw, text| put(&mut raw.readiness_job_cap, text),
    ),
    ours(
        ("engine.min_interval", "engine-min-interval", "TARGET_ALLOCATOR_ENGINE_MIN_INTERVAL"),
        Kind::Duration,
        "100ms",
        "The least time between two recomputations; the first change after a quiet time acts at once",
        |raw, text| put(&mut raw.engine_min_interval, text),
    ),
    ours(
        ("engine.threads", "engine-threads", "TARGET_ALLOCATOR_ENGINE_THREADS"),
        Kind::Count,
        "0",
        "Threads that recompute; 0 = by GOMAXPROCS, the container's limit and the machine",
        |raw, text| put(&mut raw.engine_threads, text),
    ),
    ours(
        ("engine.body_budget", "engine-body-budget", "TARGET_ALLOCATOR_ENGINE_BODY_BUDGET"),
        Kind::Size,
        "",
        "Memory for whole answers kept ready; by default an eighth of GOMEMLIMIT or the container's limit, at most 1GiB",
        |raw, text| put(&mut raw.engine_body_budget, text),
    ),
    ours(
        ("http.idle_timeout", "http-idle-timeout", "TARGET_ALLOCATOR_HTTP_IDLE_TIMEOUT"),
        Kind::Duration,
        "5m",
        "How long an idle connection is kept; keep it above the collectors' poll interval (30s)",
        |raw, text| put(&mut raw.http_idle_timeout, text),
    ),
    ours(
        ("http.drain", "http-drain", "TARGET_ALLOCATOR_HTTP_DRAIN"),
        Kind::Duration,
        "3s",
        "How long to go on answering after SIGTERM while /readyz already says no; at most 15s",
        |raw, text| put(&mut raw.http_drain, text),
    ),
    ours(
        ("http.threads", "http-threads", "TARGET_ALLOCATOR_HTTP_THREADS"),
        Kind::Count,
        "0",
        "Threads for connections and discovery; 0 = by GOMAXPROCS, the container's limit and the machine, 2 to 4",
        |raw, text| put(&mut raw.http_threads, text),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_flags_and_variables_follow_from_the_path() {
        for key in KEYS.iter().filter(|key| key.owner == Owner::Ours) {
            assert_eq!(key.flag, key.path.replace(['.', '_'], "-"));
            assert_eq!(key.env, format!("TARGET_ALLOCATOR_{}", key.path.replace('.', "_").to_uppercase()));
        }
    }

    #[test]
    fn every_default_is_a_value_of_its_key() {
        for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
            assert_eq!(key.set(&mut RawConfig::default(), key.default), Ok(()), "{}", key.path);
        }
    }
}
