//! What one SD config watches.

use std::collections::HashMap;
use std::sync::Arc;

use ta_model::scrape_config::{KubernetesRole, KubernetesSdConfig};
use tokio::sync::Notify;

use super::questions::{Question, Topic};
use crate::kubernetes::client::{Cluster, KubeError};
use crate::kubernetes::kinds::{
    Controlled, Jobs, Namespace, Namespaces, Node, Nodes, Pod, Pods, ReplicaSets, Service, Services,
};
use crate::kubernetes::object::{Kind, ObjectKey};
use crate::kubernetes::role::LookUp;
use crate::kubernetes::watch::{Condition, Scope, Subscription, Watches};

/// The watches of one SD config. Each namespace is a world of its own: what is in one is not found from another.
pub(super) struct Watched<K: Kind> {
    parts: Vec<Part<K>>,
    /// Where there are several: the part of each namespace.
    by_namespace: HashMap<Arc<str>, usize>,
    nodes: Option<Subscription<Nodes>>,
    namespaces: Option<Subscription<Namespaces>>,
}

/// The watches of one namespace, or of all together.
struct Part<K: Kind> {
    primaries: Subscription<K>,
    services: Option<Subscription<Services>>,
    pods: Option<Subscription<Pods>>,
    replica_sets: Option<Subscription<ReplicaSets>>,
    jobs: Option<Subscription<Jobs>>,
}

/// Answers look-ups from what is watched, and notes the questions.
pub(super) struct Asking<'a, K: Kind> {
    watched: &'a Watched<K>,
    part: &'a Part<K>,
    asked: Vec<Question>,
}

impl<K: Kind> Watched<K> {
    /// Subscribes to all that `config` needs.
    ///
    /// # Errors
    /// If it wants the process's own namespace, and there is none.
    pub(super) fn new(
        config: &KubernetesSdConfig,
        watches: &Watches,
        cluster: &Cluster,
        bell: &Arc<Notify>,
    ) -> Result<Self, KubeError> {
        let subscriber = Subscriber { config, watches, cluster, bell };
        let role = config.role;
        let attach = config.attach_metadata;
        let endpoints = matches!(role, KubernetesRole::Endpoints | KubernetesRole::EndpointSlice);
        let pods = endpoints || role == KubernetesRole::Pod;
        let namespaces = namespaces(config, cluster)?;
        let part = |namespace: &Option<Arc<str>>| Part {
            primaries: subscriber.subscribe(role.as_str(), namespace.clone()),
            services: subscriber.subscribe_if(endpoints, "service", namespace),
            pods: subscriber.subscribe_if(endpoints, "pod", namespace),
            replica_sets: subscriber.subscribe_if(pods && attach.deployment, "", namespace),
            jobs: subscriber.subscribe_if(pods && attach.cronjob, "", namespace),
        };
        let parts = namespaces.iter().map(part).collect();
        let numbered = namespaces.iter().flatten().cloned().enumerate();
        Ok(Self {
            parts,
            by_namespace: numbered.map(|(number, namespace)| (namespace, number)).collect(),
            nodes: subscriber.subscribe_if(pods && attach.node, "node", &None),
            namespaces: subscriber.subscribe_if(role != KubernetesRole::Node && attach.namespace, "", &None),
        })
    }

    /// Everything there is has come: groups can be built. Without an owner of pods that we may not see, they are
    /// built all the same; the labels it would give are missing then.
    pub(super) fn is_complete(&self) -> bool {
        let optional = |topic| matches!(topic, Topic::ReplicaSet | Topic::Job);
        self.parts.iter().all(|part| part.primaries.synced())
            && self.looked_up().all(|(topic, watch)| {
                watch.synced() || optional(topic) && matches!(watch.condition(), Condition::Forbidden(_))
            })
    }

    /// What keeps watches from watching.
    pub(super) fn troubles(&self) -> Vec<String> {
        let primaries = self.parts.iter().filter_map(|part| part.primaries.trouble());
        primaries.chain(self.looked_up().filter_map(|(_, watch)| watch.trouble())).collect()
    }

    /// Calls `f` for the objects of the role that changed.
    pub(super) fn take_primaries(&self, f: impl FnMut(ObjectKey)) {
        self.parts.iter().flat_map(|part| part.primaries.take_changes()).for_each(f);
    }

    /// Calls `f` for each question to which the answer changed.
    pub(super) fn take_looked_up(&self, mut f: impl FnMut(Question)) {
        for (topic, watch) in self.looked_up() {
            let changes = watch.take_changes();
            changes.iter().for_each(|key| f(Question::new(topic, &key.namespace, &key.name)));
        }
    }

    /// An object of the role, and who answers its questions.
    pub(super) fn find(&self, key: &ObjectKey) -> Option<(Arc<K::Kept>, Asking<'_, K>)> {
        let part = match self.parts.as_slice() {
            [part] => part,
            parts => parts.get(*self.by_namespace.get(&key.namespace)?)?,
        };
        let object = part.primaries.get(key)?;
        Some((object, Asking { watched: self, part, asked: Vec::new() }))
    }

    /// All watches but those of the role itself.
    fn looked_up(&self) -> impl Iterator<Item = (Topic, &dyn AnySubscription)> {
        let shared = [(Topic::Node, any(&self.nodes)), (Topic::Namespace, any(&self.namespaces))];
        let own = self.parts.iter().flat_map(|part| {
            [
                (Topic::Service, any(&part.services)),
                (Topic::Pod, any(&part.pods)),
                (Topic::ReplicaSet, any(&part.replica_sets)),
                (Topic::Job, any(&part.jobs)),
            ]
        });
        shared.into_iter().chain(own).filter_map(|(topic, watch)| Some((topic, watch?)))
    }
}

impl<K: Kind> Asking<'_, K> {
    /// What was asked.
    pub(super) fn asked(self) -> Vec<Question> {
        self.asked
    }

    fn ask<L: Kind>(
        &mut self,
        topic: Topic,
        watch: &Option<Subscription<L>>,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<L::Kept>> {
        let watch = watch.as_ref()?;
        self.asked.push(Question::new(topic, namespace, name));
        watch.get(&ObjectKey::new(namespace, name))
    }
}

impl<K: Kind> LookUp for Asking<'_, K> {
    fn service(&mut self, namespace: &str, name: &str) -> Option<Arc<Service>> {
        self.ask(Topic::Service, &self.part.services, namespace, name)
    }

    fn pod(&mut self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        self.ask(Topic::Pod, &self.part.pods, namespace, name)
    }

    fn node(&mut self, name: &str) -> Option<Arc<Node>> {
        self.ask(Topic::Node, &self.watched.nodes, "", name)
    }

    fn namespace(&mut self, name: &str) -> Option<Arc<Namespace>> {
        self.ask(Topic::Namespace, &self.watched.namespaces, "", name)
    }

    fn replica_set(&mut self, namespace: &str, name: &str) -> Option<Arc<Controlled>> {
        self.ask(Topic::ReplicaSet, &self.part.replica_sets, namespace, name)
    }

    fn job(&mut self, namespace: &str, name: &str) -> Option<Arc<Controlled>> {
        self.ask(Topic::Job, &self.part.jobs, namespace, name)
    }
}

/// The namespaces to look at, each once; `None` is all of them.
fn namespaces(config: &KubernetesSdConfig, cluster: &Cluster) -> Result<Vec<Option<Arc<str>>>, KubeError> {
    let mut names: Vec<Arc<str>> = config.namespaces.iter().map(|name| name.as_str().into()).collect();
    if config.own_namespace {
        names.push(cluster.own_namespace()?);
    }
    names.sort_unstable();
    names.dedup();
    // the empty name is all namespaces, too (client-go: `NamespaceAll`)
    let all = names.is_empty() || names[0].is_empty() || config.role == KubernetesRole::Node;
    Ok(if all { vec![None] } else { names.into_iter().map(Some).collect() })
}

/// Subscribes for one SD config.
struct Subscriber<'a> {
    config: &'a KubernetesSdConfig,
    watches: &'a Watches,
    cluster: &'a Cluster,
    bell: &'a Arc<Notify>,
}

impl Subscriber<'_> {
    /// With the selectors that the config has for `role`.
    fn subscribe<K: Kind>(&self, role: &str, namespace: Option<Arc<str>>) -> Subscription<K> {
        let selector = self.config.selectors.iter().find(|selector| selector.role == role);
        let (label_selector, field_selector) =
            selector.map(|selector| (selector.label.clone(), selector.field.clone())).unwrap_or_default();
        let scope = Scope { namespace, label_selector, field_selector };
        self.watches.subscribe(self.cluster, scope, self.bell.clone())
    }

    fn subscribe_if<K: Kind>(&self, needed: bool, role: &str, namespace: &Option<Arc<str>>) -> Option<Subscription<K>> {
        needed.then(|| self.subscribe(role, namespace.clone()))
    }
}

/// A subscription, whatever its kind.
trait AnySubscription {
    fn synced(&self) -> bool;
    fn condition(&self) -> Condition;
    fn take_changes(&self) -> Vec<ObjectKey>;
    fn trouble(&self) -> Option<String>;
}

impl<K: Kind> AnySubscription for Subscription<K> {
    fn synced(&self) -> bool {
        self.synced()
    }

    fn condition(&self) -> Condition {
        self.condition()
    }

    fn take_changes(&self) -> Vec<ObjectKey> {
        self.take_changes()
    }

    fn trouble(&self) -> Option<String> {
        let what = K::RESOURCE;
        let place = self.scope().namespace.as_ref().map_or_else(String::new, |namespace| format!(" in {namespace}"));
        match self.condition() {
            Condition::Listing | Condition::Watching => None,
            Condition::Absent => Some(format!("{what}: the API server does not have them")),
            Condition::Forbidden(error) | Condition::Failing(error) => Some(format!("{what}{place}: {error}")),
        }
    }
}

fn any<K: Kind>(watch: &Option<Subscription<K>>) -> Option<&dyn AnySubscription> {
    watch.as_ref().map(|watch| watch as &dyn AnySubscription)
}
