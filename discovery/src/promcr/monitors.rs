//! The watches of the four kinds and of namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ta_model::cr::{self, KindSelectors, LabelSelector, Namespaces, ObjectId, Selection};

use super::kinds::{Monitor, NamespaceLabels, PodMonitors, Probes, ScrapeConfigs, ServiceMonitors};
use super::named::{Found, Named, NamedSettings};
use crate::kubernetes::{Condition, Kind, ObjectKey, Scope, Subscription};

/// How one of the watches is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceWatch {
    /// `ServiceMonitor`, …, `Namespace`.
    pub kind: &'static str,
    /// `None`: all namespaces.
    pub namespace: Option<Arc<str>>,
    /// It has been listed once, or does not exist.
    pub synced: bool,
    pub condition: Condition,
    /// Its objects, or what depends on them, can make jobs: where no selector selects anything, they are only shown.
    pub needed: bool,
}

impl ResourceWatch {
    /// Whether the API server has said all it is going to say.
    pub(crate) fn is_settled(&self) -> bool {
        self.synced || matches!(self.condition, Condition::Forbidden(_))
    }
}

/// A subscription to any of the four kinds.
trait Monitors: Send + std::fmt::Debug {
    fn all(&self) -> Vec<(ObjectKey, Arc<Monitor>)>;
    fn view(&self) -> (bool, Condition, Option<Arc<str>>);
}

impl<K: Kind<Kept = Monitor>> Monitors for Subscription<K> {
    fn all(&self) -> Vec<(ObjectKey, Arc<Monitor>)> {
        drop(self.take_changes()); // all are looked at each time, which costs less than remembering which to
        Subscription::all(self)
    }

    fn view(&self) -> (bool, Condition, Option<Arc<str>>) {
        (self.synced(), self.condition(), self.scope().namespace.clone())
    }
}

/// Everything that is watched whatever is in it.
#[derive(Debug)]
pub(crate) struct MonitorWatches {
    watches: Vec<(cr::Kind, bool, Box<dyn Monitors>)>,
    namespaces: NamespaceWatch,
}

/// Labels of namespaces, if any selector looks at them.
#[derive(Debug)]
enum NamespaceWatch {
    NotNeeded,
    All(Subscription<NamespaceLabels>),
    /// Where only some are allowed, permission on others is neither needed nor asked for.
    Some(Vec<(String, Named<NamespaceLabels>)>),
}

impl MonitorWatches {
    pub(crate) fn new(selection: &Selection, settings: &NamedSettings) -> Self {
        let mut watches = Vec::new();
        for scope in scopes(selection) {
            for kind in cr::Kind::ALL {
                let needed = selection.kinds.get(&kind).is_some_and(|selectors| selectors.own.is_some());
                watches.push((kind, needed, subscribe(kind, settings, scope.clone())));
            }
        }
        Self { watches, namespaces: NamespaceWatch::new(selection, settings) }
    }

    /// All objects there are.
    pub(crate) fn objects(&self) -> BTreeMap<ObjectId, Arc<Monitor>> {
        let mut objects = BTreeMap::new();
        for (kind, _, watch) in &self.watches {
            objects.extend(watch.all().into_iter().map(|(key, monitor)| {
                let id = ObjectId { kind: *kind, namespace: (*key.namespace).into(), name: (*key.name).into() };
                (id, monitor)
            }));
        }
        objects
    }

    /// The labels of namespaces as far as anybody asks for them.
    pub(crate) fn namespaces(&mut self) -> Namespaces {
        match &mut self.namespaces {
            NamespaceWatch::NotNeeded => Namespaces::new(),
            NamespaceWatch::All(subscription) => {
                drop(subscription.take_changes());
                let all = subscription.all().into_iter();
                all.map(|(key, labels)| ((*key.name).to_owned(), (*labels).clone())).collect()
            }
            NamespaceWatch::Some(named) => {
                named.iter_mut().for_each(|(_, named)| named.tend());
                let found = named.iter().filter_map(|(name, named)| match named.found() {
                    Found::Object(labels) => Some((name.clone(), (*labels).clone())),
                    Found::None(_) | Found::NotYet => None,
                });
                found.collect()
            }
        }
    }

    pub(crate) fn views(&self) -> Vec<ResourceWatch> {
        let view = |(kind, needed, watch): &(cr::Kind, bool, Box<dyn Monitors>)| {
            let (synced, condition, namespace) = watch.view();
            ResourceWatch { kind: kind.as_str(), namespace, synced, condition, needed: *needed }
        };
        self.watches.iter().map(view).chain(self.namespaces.views()).collect()
    }
}

impl NamespaceWatch {
    fn new(selection: &Selection, settings: &NamedSettings) -> Self {
        if !selection.kinds.values().any(needs_labels) {
            return Self::NotNeeded;
        }
        if selection.allow_namespaces.is_empty() {
            let bell = settings.bell.clone();
            return Self::All(settings.watches.subscribe(&settings.cluster, Scope::default(), bell));
        }
        let named = |name: &String| (name.clone(), Named::new(settings, ObjectKey::cluster_wide(name.as_str())));
        Self::Some(selection.allow_namespaces.iter().map(named).collect())
    }

    fn views(&self) -> Vec<ResourceWatch> {
        let view = |namespace: Option<Arc<str>>, synced, condition| ResourceWatch {
            kind: NamespaceLabels::RESOURCE.kind,
            namespace,
            synced,
            condition,
            needed: true,
        };
        match self {
            Self::NotNeeded => Vec::new(),
            Self::All(all) => vec![view(None, all.synced(), all.condition())],
            Self::Some(named) => {
                let views = named.iter().map(|(name, named)| {
                    let known = !matches!(named.found(), Found::NotYet);
                    view(Some(name.as_str().into()), known, named.condition())
                });
                views.collect()
            }
        }
    }
}

/// Whether objects are selected by labels of their namespaces.
fn needs_labels(selectors: &KindSelectors) -> bool {
    selectors.own.is_some() && selectors.namespace.as_ref().is_some_and(|selector| !LabelSelector::is_empty(selector))
}

/// One for each namespace that is allowed, so that a role in each is enough and the lack of one concerns that one only;
/// else one for all but those denied (prometheus-operator: `pkg/informers`).
fn scopes(selection: &Selection) -> Vec<Scope> {
    let denied = |names: &BTreeSet<String>| {
        let terms: Vec<String> = names.iter().map(|name| format!("metadata.namespace!={name}")).collect();
        terms.join(",")
    };
    if selection.allow_namespaces.is_empty() {
        return vec![Scope { field_selector: denied(&selection.deny_namespaces), ..Scope::default() }];
    }
    let one = |name: &String| Scope { namespace: Some(name.as_str().into()), ..Scope::default() };
    selection.allow_namespaces.iter().map(one).collect()
}

fn subscribe(kind: cr::Kind, settings: &NamedSettings, scope: Scope) -> Box<dyn Monitors> {
    let NamedSettings { watches, cluster, bell, .. } = settings;
    let bell = bell.clone();
    match kind {
        cr::Kind::ServiceMonitor => Box::new(watches.subscribe::<ServiceMonitors>(cluster, scope, bell)),
        cr::Kind::PodMonitor => Box::new(watches.subscribe::<PodMonitors>(cluster, scope, bell)),
        cr::Kind::Probe => Box::new(watches.subscribe::<Probes>(cluster, scope, bell)),
        cr::Kind::ScrapeConfig => Box::new(watches.subscribe::<ScrapeConfigs>(cluster, scope, bell)),
    }
}
