//! What an SD config will watch, told without watching it: for `check`, and to see whether rules of RBAC suffice.

use std::sync::Arc;

use ta_model::scrape_config::{KubernetesRole, KubernetesSdConfig};

use super::kinds::{EndpointSlices, EndpointsKind, Ingresses, Jobs, Namespaces, Nodes, Pods, ReplicaSets, Services};
use super::object::Kind;
use super::resource::Resource;
use super::watch::Scope;

/// Everything that `config` watches, each once.
#[must_use]
pub fn watched(config: &KubernetesSdConfig, own_namespace: &str) -> Vec<(Resource, Scope)> {
    let (role, attach) = (config.role, config.attach_metadata);
    let endpoints = matches!(role, KubernetesRole::Endpoints | KubernetesRole::EndpointSlice);
    let pods = endpoints || role == KubernetesRole::Pod;
    let in_each_namespace = [
        (primary(role), role.as_str(), true),
        (Services::RESOURCE, "service", endpoints),
        (Pods::RESOURCE, "pod", endpoints),
        (ReplicaSets::RESOURCE, "", pods && attach.deployment),
        (Jobs::RESOURCE, "", pods && attach.cronjob),
    ];
    let once = [
        (Nodes::RESOURCE, "node", pods && attach.node),
        (Namespaces::RESOURCE, "", role != KubernetesRole::Node && attach.namespace),
    ];
    let scoped = |resource: Resource, selected: &str, namespace: Option<Arc<str>>| {
        let selector = config.selectors.iter().find(|selector| selector.role == selected).cloned().unwrap_or_default();
        (resource, Scope { namespace, label_selector: selector.label, field_selector: selector.field })
    };
    let mut all = Vec::new();
    for namespace in namespaces(config, own_namespace) {
        let needed = in_each_namespace.into_iter().filter(|(.., needed)| *needed);
        all.extend(needed.map(|(resource, selected, _)| scoped(resource, selected, namespace.clone())));
    }
    let needed = once.into_iter().filter(|(.., needed)| *needed);
    all.extend(needed.map(|(resource, selected, _)| scoped(resource, selected, None)));
    all
}

fn primary(role: KubernetesRole) -> Resource {
    match role {
        KubernetesRole::Node => Nodes::RESOURCE,
        KubernetesRole::Pod => Pods::RESOURCE,
        KubernetesRole::Service => Services::RESOURCE,
        KubernetesRole::Endpoints => EndpointsKind::RESOURCE,
        KubernetesRole::EndpointSlice => EndpointSlices::RESOURCE,
        KubernetesRole::Ingress => Ingresses::RESOURCE,
    }
}

/// `None` is all of them.
fn namespaces(config: &KubernetesSdConfig, own_namespace: &str) -> Vec<Option<Arc<str>>> {
    let own = config.own_namespace.then_some(own_namespace);
    let mut names: Vec<&str> = config.namespaces.iter().map(String::as_str).chain(own).collect();
    names.sort_unstable();
    names.dedup();
    let all = names.is_empty() || names[0].is_empty() || config.role == KubernetesRole::Node;
    if all { vec![None] } else { names.into_iter().map(|name| Some(name.into())).collect() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ta_model::scrape_config::{AttachMetadata, HttpClientConfig, KubernetesSelector};
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::kubernetes::client::{Cluster, Kubernetes};
    use crate::kubernetes::watch::{WatchSettings, Watches};
    use crate::source::Deliver;
    use crate::status::Status;

    const ROLES: [KubernetesRole; 6] = [
        KubernetesRole::Node,
        KubernetesRole::Pod,
        KubernetesRole::Service,
        KubernetesRole::Endpoints,
        KubernetesRole::EndpointSlice,
        KubernetesRole::Ingress,
    ];

    fn mk_config(role: KubernetesRole, attach: bool, namespaces: &[&str], own_namespace: bool) -> KubernetesSdConfig {
        let selector = |role: &str| KubernetesSelector {
            role: role.to_owned(),
            label: format!("app={role}"),
            field: "metadata.name=x".to_owned(),
        };
        KubernetesSdConfig {
            api_server: String::new(),
            role,
            kubeconfig_file: String::new(),
            http: HttpClientConfig::default(),
            own_namespace,
            namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
            selectors: ["pod", "service", "node"].map(selector).into(),
            attach_metadata: AttachMetadata {
                node: attach,
                namespace: attach,
                deployment: attach,
                job: attach,
                cronjob: attach,
            },
        }
    }

    /// What the source does subscribe to; the namespace of its own is called `default`.
    async fn subscribed(config: KubernetesSdConfig) -> BTreeSet<(String, Scope)> {
        let status = Arc::new(Status::default());
        let watches = Watches::new(status.clone(), WatchSettings::default());
        let kubernetes = Kubernetes::with_cluster(watches, Cluster::detached("test"));
        let (sender, _news) = mpsc::channel(16);
        let deliver = Deliver::new(1, 1, sender, status.provider("kubernetes/0".into(), "kubernetes", 1));
        let source = tokio::spawn(crate::kubernetes::sd::run(config, kubernetes, deliver, CancellationToken::new()));
        tokio::task::yield_now().await;
        let views = status.watches().into_iter().map(|view| (view.resource.to_string(), view.scope)).collect();
        source.abort();
        views
    }

    #[tokio::test]
    async fn it_is_what_the_source_watches() {
        for role in ROLES {
            for (attach, namespaces, own) in [
                (false, &[][..], false),
                (true, &[], false),
                (true, &["b", "a", "a"], false),
                (false, &["a"], true),
                (true, &[""], true),
            ] {
                let config = mk_config(role, attach, namespaces, own);
                let planned: BTreeSet<_> = watched(&config, "default")
                    .into_iter()
                    .map(|(resource, scope)| (resource.to_string(), scope))
                    .collect();
                assert!(!planned.is_empty());
                assert_eq!(planned, subscribed(config.clone()).await, "{config:?}");
            }
        }
    }
}
