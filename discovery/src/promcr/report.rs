//! What is known of resources, for pages and metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use ta_model::Secret;
use ta_model::cr::{
    Explanation, Lookup, LookupError, Namespaces, ObjectId, ObjectState, Objects, Reference, Selection, Settings,
    explain,
};

use super::catalog::{Known, KnownValues};
use super::kinds::Monitor;
use super::monitors::ResourceWatch;
use crate::kubernetes::{Cluster, Watches};
use crate::status::lock;

/// How resources stand.
#[derive(Clone, Debug, Default)]
pub struct ResourceReport {
    /// Every object there is, by kind, namespace and name.
    pub objects: Vec<(ObjectId, ObjectState)>,
    pub watches: Vec<ResourceWatch>,
    /// Jobs have been delivered once.
    pub is_published: bool,
    pub jobs: usize,
    /// Objects translated since the start, each time.
    pub generations: u64,
    /// Looks at everything since the start.
    pub passes: u64,
    /// What all passes took.
    pub took: Duration,
    pub last_pass: Option<SystemTime>,
}

/// A look at resources as they are. Cheap to clone; all clones see the same.
#[derive(Clone, Debug)]
pub struct ResourceView(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    selection: Selection,
    settings: Settings,
    watches: Watches,
    cluster: Cluster,
    state: Mutex<State>,
}

/// What a pass leaves to be looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) report: Arc<ResourceReport>,
    pub(super) objects: Arc<BTreeMap<ObjectId, Arc<Monitor>>>,
    pub(super) namespaces: Arc<Namespaces>,
    pub(super) values: Arc<BTreeMap<Reference, Known>>,
}

impl Lookup for State {
    fn value(&self, reference: &Reference, key: &str) -> Result<Secret, LookupError> {
        self.values.known(reference).key(reference, key)
    }
}

impl ResourceView {
    pub(super) fn new(selection: Selection, settings: Settings, watches: Watches, cluster: Cluster) -> Self {
        Self(Arc::new(Inner { selection, settings, watches, cluster, state: Mutex::default() }))
    }

    pub(super) fn set(&self, state: State) {
        *lock(&self.0.state) = state;
    }

    /// As of the last pass.
    #[must_use]
    pub fn report(&self) -> Arc<ResourceReport> {
        lock(&self.0.state).report.clone()
    }

    /// Why each of `ids` does or does not make targets.
    #[must_use]
    pub fn explain(&self, ids: &[ObjectId]) -> Vec<Explanation> {
        let state = lock(&self.0.state).clone();
        let mut objects = Objects { namespaces: (*state.namespaces).clone(), ..Objects::default() };
        for id in ids {
            match state.objects.get(id).map(|monitor| &monitor.0) {
                Some(Ok(resource)) => drop(objects.resources.insert(id.clone(), resource.clone())),
                Some(Err(invalid)) => drop(objects.invalid.insert(id.clone(), invalid.clone())),
                None => {}
            }
        }
        super::surroundings::add(&mut objects, &self.0.watches, &self.0.cluster);
        ids.iter().map(|id| explain(id, &objects, &self.0.selection, &self.0.settings, &state)).collect()
    }
}
