//! Kubernetes, as far as the configuration asks for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context;
use ta_discovery::{
    CollectorPodsConfig, KubeSettings, Kubernetes, ProxyEnvironment, Resource, Scope, ServiceAccount, Status,
    WatchSettings, Watches,
};
use ta_model::scrape_config::SdConfig;

use crate::Environment;
use crate::config::{CollectorSource, Config};

impl Config {
    /// What cannot be done without the API server of our own cluster, in the words of the configuration; `None`: nothing,
    /// and no client is made.
    pub(crate) fn needs_cluster(&self) -> Option<String> {
        if self.collectors == CollectorSource::Kubernetes {
            let namespace = &self.collector_namespace;
            return Some(format!(
                "the collectors are pods of namespace {namespace:?} (or name them with collectors.static or collectors.file)"
            ));
        }
        if self.prometheus_cr.enabled {
            return Some("prometheus_cr.enabled is true".to_owned());
        }
        let in_cluster = |sd: &SdConfig| match sd {
            SdConfig::Kubernetes(sd) => sd.api_server.is_empty() && sd.kubeconfig_file.is_empty(),
            _ => false,
        };
        let job = self.jobs.iter().find(|job| job.sd_configs.iter().any(in_cluster))?;
        Some(format!("job {:?} has kubernetes_sd_configs without api_server and kubeconfig_file", job.job_name))
    }

    /// What will be watched in Kubernetes, each once, sorted: `pods in shop with app=web`.
    pub(crate) fn watched(&self) -> BTreeSet<String> {
        let mut watched = BTreeSet::new();
        if self.collectors == CollectorSource::Kubernetes {
            let (resource, scope) = self.collector_pods(&Environment::new()).watched();
            watched.insert(describe(resource, &scope, ""));
        }
        for sd in self.jobs.iter().flat_map(|job| &job.sd_configs) {
            let SdConfig::Kubernetes(sd) = sd else { continue };
            let server = if sd.kubeconfig_file.is_empty() { &sd.api_server } else { &sd.kubeconfig_file };
            // the operator puts the allocator where the collectors are
            let all = ta_discovery::watched(sd, &self.collector_namespace);
            watched.extend(all.iter().map(|(resource, scope)| describe(*resource, scope, server)));
        }
        watched
    }

    /// Which pods are collectors.
    pub(crate) fn collector_pods(&self, env: &Environment) -> CollectorPodsConfig {
        CollectorPodsConfig {
            namespace: self.collector_namespace.clone(),
            selector: self.collector_selector.clone(),
            not_ready_grace_period: self.collector_not_ready_grace_period,
            terminating: self.collectors_terminating,
            own_pod: own_pod(env),
        }
    }
}

fn describe(resource: Resource, scope: &Scope, server: &str) -> String {
    let place = scope.namespace.as_ref().filter(|_| resource.namespaced);
    let mut text = resource.to_string();
    text.push_str(&place.map_or_else(|| " everywhere".to_owned(), |namespace| format!(" in {namespace}")));
    for (word, value) in [("with", &*scope.label_selector), ("where", &*scope.field_selector), ("at", server)] {
        if !value.is_empty() {
            text.push_str(&format!(" {word} {value}"));
        }
    }
    text
}

/// `POD_NAME`, if somebody sets it; else the host name, which is the pod's unless it shares the node's network.
fn own_pod(env: &Environment) -> String {
    let set = |name: &str| env.get(name).filter(|value| !value.is_empty()).cloned();
    set("POD_NAME").or_else(|| set("HOSTNAME")).unwrap_or_default()
}

/// Watches, and the connection they need. Nothing is sent yet.
///
/// # Errors
/// Something needs the cluster, and there is neither a kubeconfig nor a service account; one sentence.
pub(crate) fn connect(
    config: &Config,
    env: &Environment,
    proxies: ProxyEnvironment,
    status: &Arc<Status>,
) -> anyhow::Result<Kubernetes> {
    let watches = Watches::new(status.clone(), WatchSettings::default());
    let variable = |name: &str| env.get(name).cloned().unwrap_or_default();
    let (host, port) = (variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT"));
    let service_account = ServiceAccount { host, port, ..ServiceAccount::default() };
    let kube_config_file = config.kube_config_file_path.clone();
    let settings = KubeSettings { kube_config_file, service_account, proxies };
    let kubernetes = Kubernetes::new(watches, settings);
    if let Some(reason) = config.needs_cluster() {
        let cluster = kubernetes.cluster().with_context(|| format!("no way to reach Kubernetes, but {reason}"))?;
        tracing::info!(server = %cluster.name(), kubeconfig = cluster.kubeconfig_file(), "Kubernetes is used");
    }
    Ok(kubernetes)
}
