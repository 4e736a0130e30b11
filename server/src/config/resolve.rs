//! From what was written to what the program uses: defaults, precedence, validation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ta_discovery::Terminating;
use ta_engine::{PointKey, StrategyConfig, StrategyKind};
use ta_model::job_table::FilterStrategy;
use ta_model::scrape_config::ScrapeConfig;
use ta_model::yaml::{self, Node};
use ta_model::{Collector, CollectorSet};

use super::keys::{KEYS, Key};
use super::problem::{ConfigError, ConfigProblem, Place, line_of};
use super::raw::{CollectorEntry, Nanos, RawConfig, RawHttps, RawPrometheusCr, RawReader, Selector};
use super::telemetry::check_readers;
use crate::Environment;

/// `scrape_protocols` of jobs from resources where not given.
const SCRAPE_PROTOCOLS: [&str; 4] =
    ["OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText1.0.0", "PrometheusText0.0.4"];
/// Of the variables for our own keys.
const ENV_PREFIX: &str = "TARGET_ALLOCATOR_";
/// The whole shutdown must fit into the 30 s that Kubernetes grants: this, then requests in flight.
const MAX_DRAIN: Duration = Duration::from_secs(15);

/// The configuration the program runs with.
#[derive(Debug)]
pub struct Config {
    pub listen_addr: String,
    pub kube_config_file_path: String,
    pub collector_namespace: String,
    /// `None` and the empty selector both mean every pod of the namespace.
    pub collector_selector: Option<Selector>,
    /// Zero disables health checks of collector pods.
    pub collector_not_ready_grace_period: Duration,
    pub collectors_terminating: Terminating,
    /// The jobs of the file, in its order.
    pub jobs: Vec<Arc<ScrapeConfig>>,
    pub strategy: StrategyConfig,
    pub filter: FilterStrategy,
    pub prometheus_cr: PrometheusCr,
    pub https: Https,
    pub readers: Vec<RawReader>,
    pub allow_insecure_auth_secrets: bool,
    pub collectors: CollectorSource,
    pub readiness: Readiness,
    pub engine: EngineConfig,
    pub http: HttpConfig,
}

/// Where the fleet comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CollectorSource {
    /// Pods by `collector_selector` in `collector_namespace`.
    Kubernetes,
    /// `collectors.static`.
    Static(CollectorSet),
    /// `collectors.file`.
    File(PathBuf),
}

/// `prometheus_cr`.
#[derive(Debug)]
pub struct PrometheusCr {
    pub enabled: bool,
    pub allow_namespaces: Vec<String>,
    pub deny_namespaces: Vec<String>,
    secret_namespaces: Vec<String>,
    /// `None` selects nothing.
    pub pod_monitor_selector: Option<Selector>,
    pub service_monitor_selector: Option<Selector>,
    pub scrape_config_selector: Option<Selector>,
    pub probe_selector: Option<Selector>,
    pub pod_monitor_namespace_selector: Selector,
    pub service_monitor_namespace_selector: Selector,
    pub scrape_config_namespace_selector: Selector,
    pub probe_namespace_selector: Selector,
    pub scrape_interval: Duration,
    pub evaluation_interval: Duration,
    pub scrape_protocols: Vec<String>,
    /// As written.
    pub scrape_classes: Vec<Node>,
    pub deny_fs_access_through_sms: bool,
}

/// As where the configuration says nothing of it.
impl Default for PrometheusCr {
    fn default() -> Self {
        Self {
            enabled: false,
            allow_namespaces: Vec::new(),
            deny_namespaces: Vec::new(),
            secret_namespaces: Vec::new(),
            pod_monitor_selector: None,
            service_monitor_selector: None,
            scrape_config_selector: None,
            probe_selector: None,
            pod_monitor_namespace_selector: Selector::default(),
            service_monitor_namespace_selector: Selector::default(),
            scrape_config_namespace_selector: Selector::default(),
            probe_namespace_selector: Selector::default(),
            scrape_interval: Duration::from_secs(30),
            evaluation_interval: Duration::ZERO,
            scrape_protocols: SCRAPE_PROTOCOLS.map(String::from).to_vec(),
            scrape_classes: Vec::new(),
            deny_fs_access_through_sms: false,
        }
    }
}

impl PrometheusCr {
    /// The namespaces to look at; the one empty name stands for all.
    #[must_use]
    pub fn allowed_namespaces(&self) -> BTreeSet<&str> {
        let given: BTreeSet<&str> = self.allow_namespaces.iter().map(String::as_str).collect();
        if given.is_empty() { BTreeSet::from([""]) } else { given }
    }

    /// The namespaces to leave out.
    #[must_use]
    pub fn denied_namespaces(&self) -> BTreeSet<&str> {
        self.deny_namespaces.iter().map(String::as_str).collect()
    }

    /// The namespaces secrets are read from: those given, else the collectors', if known.
    #[must_use]
    pub fn secret_namespaces<'a>(&'a self, collector_namespace: &'a str) -> BTreeSet<&'a str> {
        match &self.secret_namespaces[..] {
            [] => Some(collector_namespace).filter(|namespace| !namespace.is_empty()).into_iter().collect(),
            given => given.iter().map(String::as_str).collect(),
        }
    }
}

/// `https`.
#[derive(Debug)]
pub struct Https {
    pub enabled: bool,
    pub listen_addr: String,
    pub ca_file_path: String,
    pub tls_cert_file_path: String,
    pub tls_key_file_path: String,
}

/// `readiness`: how long the start may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    pub cap: Duration,
    pub job_cap: Duration,
}

/// `engine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    pub min_interval: Duration,
    /// `None` = by the limits of the machine.
    pub threads: Option<usize>,
    /// Bytes; `None` = by the limits of the machine.
    pub body_budget: Option<u64>,
}

/// `http`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    pub idle_timeout: Duration,
    pub drain: Duration,
    /// `None` = by the limits of the machine.
    pub threads: Option<usize>,
}

/// A configuration that can be run, and what is worth telling about it.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<ConfigProblem>,
}

/// Reads `file`, lays the environment and `flags` over it, and resolves the result.
///
/// # Errors
/// An unreadable file, text that is not YAML, or everything that is not valid: what does not decode first, then
/// upstream's validation in upstream's order, then ours. What only follows from another mistake is left out.
pub fn load(file: &Path, env: &Environment, flags: &[(&'static Key, String)]) -> Result<Loaded, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: file.to_owned(), source };
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let not_yaml = |error| ConfigError::NotYaml { path: file.to_owned(), error };
    let document = yaml::parse(&text).map_err(not_yaml)?;
    let (raw, problems) = RawConfig::decode(&document);
    let broken = problems.errors.iter().map(|problem| problem.path.clone()).collect();
    let in_file = |problem| ConfigProblem::in_file(file, problem);
    let mut resolver = Resolver {
        file,
        root: &document.root,
        overridden: BTreeMap::new(),
        broken,
        errors: problems.errors.into_iter().map(in_file).collect(),
        warnings: problems.warnings.into_iter().map(in_file).collect(),
    };
    let raw = resolver.overlay(raw, env, flags);
    let config = resolver.resolve(raw, env);
    if resolver.errors.is_empty() {
        Ok(Loaded { config, warnings: resolver.warnings })
    } else {
        Err(ConfigError::Invalid { problems: resolver.errors, config: Box::new(config) })
    }
}

/// Knows where every value came from, and collects what is wrong.
struct Resolver<'a> {
    file: &'a Path,
    root: &'a Node,
    /// By path: flags and variables that won over the file.
    overridden: BTreeMap<&'static str, Place>,
    /// Paths of values that could not be read: the program's own are in their place.
    broken: Vec<String>,
    errors: Vec<ConfigProblem>,
    warnings: Vec<ConfigProblem>,
}

impl Resolver<'_> {
    /// Environment over file, flags over both.
    fn overlay(&mut self, mut raw: RawConfig, env: &Environment, flags: &[(&'static Key, String)]) -> RawConfig {
        for key in KEYS.iter().filter(|key| !key.env.is_empty()) {
            if let Some(text) = env.get(key.env).filter(|text| key.env_counts(text)) {
                self.put(&mut raw, key, text, Place::Variable(key.env));
            }
        }
        self.warn_of_misspelt_variables(env);
        for (key, text) in flags {
            self.put(&mut raw, key, text, Place::Flag(key.flag));
        }
        raw
    }

    /// Only near misses: Kubernetes adds variables of its own for a service called `target-allocator`.
    fn warn_of_misspelt_variables(&mut self, env: &Environment) {
        let known = || KEYS.iter().map(|key| key.env).filter(|name| name.starts_with(ENV_PREFIX));
        let ours = env.keys().filter(|name| name.starts_with(ENV_PREFIX) && !known().any(|known| known == *name));
        for name in ours {
            if let Some(near) = yaml::suggest(name, known()) {
                let message = format!("unknown variable {name}; did you mean {near}?");
                self.warnings.push(ConfigProblem { place: Place::Absent, key: String::new(), job: None, message });
            }
        }
    }

    fn put(&mut self, raw: &mut RawConfig, key: &'static Key, text: &str, place: Place) {
        self.overridden.insert(key.path, place.clone());
        if let Err(message) = key.set(raw, text) {
            self.broken.push(key.path.to_owned());
            self.errors.push(ConfigProblem { place, key: String::new(), job: None, message });
        }
    }

    fn problem(&self, path: &str, message: String) -> ConfigProblem {
        let in_file = || line_of(self.root, path).map(|line| Place::Line(self.file.to_owned(), line));
        let place = self.overridden.get(path).cloned().or_else(in_file).unwrap_or(Place::Absent);
        ConfigProblem { place, key: path.into(), job: None, message }
    }

    /// Whether the value at `path`, one in it, or what it is in could not be read: advice on it would be wrong.
    fn is_broken(&self, path: &str) -> bool {
        let within = |inner: &str, outer: &str| {
            inner
                .strip_prefix(outer)
                .is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.broken.iter().any(|broken| within(broken, path) || within(path, broken))
    }

    fn error(&mut self, path: &str, message: impl Into<String>) {
        if self.is_broken(path) {
            return;
        }
        let problem = self.problem(path, message.into());
        self.errors.push(problem);
    }

    fn warn(&mut self, path: &str, message: impl Into<String>) {
        let problem = self.problem(path, message.into());
        self.warnings.push(problem);
    }

    fn resolve(&mut self, raw: RawConfig, env: &Environment) -> Config {
        self.validate_as_upstream(&raw);
        let strategy = self.strategy(&raw);
        let filter = self.filter(raw.filter_strategy.as_deref());
        let collectors = self.collectors(&raw);
        self.collector_selector(&raw, &collectors);
        let collectors_terminating = self.terminating(raw.collectors.terminating.as_deref());
        let grace = self.duration("collector_not_ready_grace_period", raw.collector_not_ready_grace_period, 30);
        let drain = self.drain(raw.http_drain);
        let prometheus_cr = self.prometheus_cr(raw.prometheus_cr);
        let zero_is_none = |count: Option<usize>| count.filter(|count| *count > 0);
        Config {
            listen_addr: raw.listen_addr.unwrap_or_else(|| ":8080".into()),
            kube_config_file_path: raw.kube_config_file_path.unwrap_or_else(|| default_kube_config(env)),
            collector_namespace: raw.collector_namespace.unwrap_or_default(),
            collector_selector: raw.collector_selector,
            collector_not_ready_grace_period: grace,
            collectors_terminating,
            jobs: raw.prometheus.map(|config| config.scrape_configs).unwrap_or_default(),
            strategy,
            filter,
            prometheus_cr,
            https: https(raw.https),
            readers: raw.readers,
            allow_insecure_auth_secrets: raw.allow_insecure_auth_secrets.unwrap_or(false),
            collectors,
            readiness: Readiness {
                cap: raw.readiness_cap.unwrap_or(Duration::from_secs(60)),
                job_cap: raw.readiness_job_cap.unwrap_or(Duration::from_secs(30)),
            },
            engine: EngineConfig {
                min_interval: raw.engine_min_interval.unwrap_or(Duration::from_millis(100)),
                threads: zero_is_none(raw.engine_threads),
                body_budget: raw.engine_body_budget.map(|size| size.0),
            },
            http: HttpConfig {
                idle_timeout: raw.http_idle_timeout.unwrap_or(Duration::from_secs(300)),
                drain,
                threads: zero_is_none(raw.http_threads),
            },
        }
    }

    /// Upstream's checks, in its order and words (`ValidateConfig`). The namespace is only needed to look for pods.
    fn validate_as_upstream(&mut self, raw: &RawConfig) {
        let has_jobs = raw.prometheus.as_ref().is_some_and(|config| !config.scrape_configs.is_empty());
        if !has_jobs && raw.prometheus_cr.enabled != Some(true) && !self.is_broken("prometheus_cr") {
            self.error(
                "config",
                "at least one scrape config must be defined, or Prometheus CR watching must be enabled",
            );
        }
        let is_kubernetes = raw.collectors.fixed.is_none() && raw.collectors.file.is_none();
        let is_kubernetes = is_kubernetes && !self.is_broken("collectors");
        if is_kubernetes && raw.collector_namespace.as_deref().unwrap_or_default().is_empty() {
            self.error(
                "collector_namespace",
                "collector namespace must be set (OTELCOL_NAMESPACE, or name the fleet with collectors.static or \
                 collectors.file)",
            );
        }
        if !raw.prometheus_cr.allow_namespaces.is_empty() && !raw.prometheus_cr.deny_namespaces.is_empty() {
            self.error("prometheus_cr.deny_namespaces", "only one of allowNamespaces or denyNamespaces can be set");
        }
        for (key, message) in check_readers(&raw.readers) {
            let problem = self.problem("telemetry.metrics.readers", message);
            self.errors.push(ConfigProblem { key, ..problem });
        }
    }

    fn strategy(&mut self, raw: &RawConfig) -> StrategyConfig {
        let fallback = raw.allocation_fallback_strategy.as_deref().filter(|name| !name.is_empty());
        let strategy = StrategyConfig {
            strategy: self.strategy_kind("allocation_strategy", raw.allocation_strategy.as_deref()).unwrap_or_default(),
            fallback: self.strategy_kind("allocation_fallback_strategy", fallback),
            point_key: self.point_key(raw.point_key.as_deref()),
            fallback_for_unknown_node: raw.fallback_for_unknown_node.unwrap_or(true),
        };
        if let Err(error) = strategy.build()
            && !self.is_broken("allocation_strategy")
        {
            self.error("allocation_fallback_strategy", error.to_string());
        }
        strategy
    }

    fn strategy_kind(&mut self, path: &str, name: Option<&str>) -> Option<StrategyKind> {
        match name?.parse() {
            Ok(kind) => Some(kind),
            Err(error) => {
                self.error(path, ta_engine::StrategyError::to_string(&error));
                None
            }
        }
    }

    fn point_key(&mut self, text: Option<&str>) -> PointKey {
        match text {
            None | Some("v1") => PointKey::V1,
            Some("legacy") => PointKey::Legacy,
            Some(other) => {
                self.error("consistent_hashing.point_key", format!("want v1 or legacy, not {other:?}"));
                PointKey::V1
            }
        }
    }

    /// Upstream turns filtering off for every name but one; the operator writes an empty one where it means none.
    fn filter(&mut self, name: Option<&str>) -> FilterStrategy {
        match name {
            None | Some("relabel-config") => FilterStrategy::RelabelConfig,
            Some("") => FilterStrategy::None,
            Some(other) => {
                self.warn("filter_strategy", format!("{other:?} is none of relabel-config and empty: no filtering"));
                FilterStrategy::None
            }
        }
    }

    fn collectors(&mut self, raw: &RawConfig) -> CollectorSource {
        match (&raw.collectors.fixed, &raw.collectors.file) {
            (None, None) if self.is_broken("collectors") => CollectorSource::Static(CollectorSet::default()),
            (None, None) => CollectorSource::Kubernetes,
            (Some(entries), None) => CollectorSource::Static(self.fixed_collectors(entries)),
            (None, Some(path)) => CollectorSource::File(path.clone()),
            (Some(_), Some(_)) => {
                self.error("collectors.file", "only one of collectors.static and collectors.file can be set");
                CollectorSource::Static(CollectorSet::default())
            }
        }
    }

    /// Upstream ends, with exit code 0, when it comes to use a selector that is none.
    fn collector_selector(&mut self, raw: &RawConfig, source: &CollectorSource) {
        let selector = raw.collector_selector.clone().unwrap_or_default();
        if let Err(why) = selector.check() {
            self.error("collector_selector", why);
        }
        if *source == CollectorSource::Kubernetes && selector.is_empty() {
            self.warn(
                "collector_selector",
                "selects every pod of the namespace, and targets given to one that is no collector are never scraped; \
                 select the collectors by their labels",
            );
        }
    }

    fn terminating(&mut self, text: Option<&str>) -> Terminating {
        match text {
            None | Some("drop") => Terminating::Drop,
            Some("keep") => Terminating::Keep,
            Some(other) => {
                self.error("collectors.terminating", format!("want drop or keep, not {other:?}"));
                Terminating::Drop
            }
        }
    }

    fn fixed_collectors(&mut self, entries: &[CollectorEntry]) -> CollectorSet {
        if let Some(index) = entries.iter().position(|entry| entry.name.is_empty()) {
            self.error("collectors.static", format!("collector {index} has no name; give each a name"));
            return CollectorSet::default();
        }
        let collectors = entries.iter().map(|entry| Collector::new(&*entry.name, &*entry.node_name)).collect();
        CollectorSet::new(collectors).unwrap_or_else(|error| {
            self.error("collectors.static", error.to_string());
            CollectorSet::default()
        })
    }

    /// A duration of upstream's. Less than nothing acts there like next to nothing, and so it does here.
    fn duration(&mut self, path: &str, nanos: Option<Nanos>, default_secs: u64) -> Duration {
        match nanos {
            None => Duration::from_secs(default_secs),
            Some(Nanos(nanos)) if nanos < 0 => {
                self.warn(path, "is less than nothing; taken as 1ns");
                Duration::from_nanos(1)
            }
            Some(Nanos(nanos)) => Duration::from_nanos(nanos.unsigned_abs()),
        }
    }

    fn drain(&mut self, given: Option<Duration>) -> Duration {
        let drain = given.unwrap_or(Duration::from_secs(3));
        if drain > MAX_DRAIN {
            self.error("http.drain", format!("{drain:?} is too long: Kubernetes kills after 30s; at most 15s"));
        }
        drain
    }

    fn prometheus_cr(&mut self, raw: RawPrometheusCr) -> PrometheusCr {
        let usual = PrometheusCr::default();
        PrometheusCr {
            enabled: raw.enabled.unwrap_or(usual.enabled),
            allow_namespaces: raw.allow_namespaces,
            deny_namespaces: raw.deny_namespaces,
            secret_namespaces: raw.secret_namespaces,
            pod_monitor_selector: raw.pod_monitor_selector,
            service_monitor_selector: raw.service_monitor_selector,
            scrape_config_selector: raw.scrape_config_selector,
            probe_selector: raw.probe_selector,
            pod_monitor_namespace_selector: raw.pod_monitor_namespace_selector,
            service_monitor_namespace_selector: raw.service_monitor_namespace_selector,
            scrape_config_namespace_selector: raw.scrape_config_namespace_selector,
            probe_namespace_selector: raw.probe_namespace_selector,
            scrape_interval: self.duration(
                "prometheus_cr.scrape_interval",
                raw.scrape_interval,
                usual.scrape_interval.as_secs(),
            ),
            evaluation_interval: self.duration(
                "prometheus_cr.evaluation_interval",
                raw.evaluation_interval,
                usual.evaluation_interval.as_secs(),
            ),
            scrape_protocols: raw.scrape_protocols.unwrap_or(usual.scrape_protocols),
            scrape_classes: raw.scrape_classes,
            deny_fs_access_through_sms: raw.deny_fs_access_through_sms.unwrap_or(usual.deny_fs_access_through_sms),
        }
    }
}

fn https(raw: RawHttps) -> Https {
    Https {
        enabled: raw.enabled.unwrap_or(false),
        listen_addr: raw.listen_addr.unwrap_or_else(|| ":8443".into()),
        ca_file_path: raw.ca_file_path.unwrap_or_default(),
        tls_cert_file_path: raw.tls_cert_file_path.unwrap_or_default(),
        tls_key_file_path: raw.tls_key_file_path.unwrap_or_default(),
    }
}

/// `$HOME/.kube/config`, as Go joins it: relative where there is no HOME.
fn default_kube_config(env: &Environment) -> String {
    let home = env.get("HOME").map_or("", String::as_str);
    Path::new(home).join(".kube/config").to_string_lossy().into_owned()
}
