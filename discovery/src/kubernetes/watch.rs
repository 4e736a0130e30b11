//! All watches of the process.

mod events;
mod failure;
mod list;
mod requests;
mod store;
mod subscription;
mod task;
mod view;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::client::Cluster;
use super::object::{Head, Kind, ObjectKey};
use crate::status::{Status, lock};
use store::{Staged, Store};
use task::WatchTask;

pub use subscription::Subscription;
pub(crate) use view::WatchNotes;
pub use view::{Condition, WatchView};

/// Which objects of a kind are watched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// `None`: all namespaces. Kinds without namespaces ignore it.
    pub namespace: Option<Arc<str>>,
    /// As the API server takes it: `app=web,tier!=test`. Empty: all.
    pub label_selector: String,
    /// Empty: all.
    pub field_selector: String,
}

/// What tests shorten.
#[derive(Clone, Debug)]
pub struct WatchSettings {
    /// Objects in one answer to a list.
    pub page_size: u32,
    /// Whether to ask for lists as streams where the server has them (WatchList, Kubernetes 1.32 and later).
    pub streaming_lists: bool,
    /// How long the server is asked to let one watch last. A little more than that without a byte means that the
    /// connection is dead.
    pub watch_timeout: Duration,
    /// Longest wait for the next bytes of any other answer.
    pub answer_timeout: Duration,
    /// Longest wait for the next bytes of a list that streams, before pages are asked for instead.
    pub stream_timeout: Duration,
    /// Pause after the first failure; it doubles.
    pub first_retry: Duration,
    /// Longest pause between tries.
    pub max_retry: Duration,
    /// How long a watch goes on that nobody subscribes to, so that a source that is started anew finds it there.
    pub linger: Duration,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            page_size: 500, // as client-go
            streaming_lists: true,
            watch_timeout: Duration::from_secs(290), // below the 5 minutes after which many load balancers cut
            answer_timeout: Duration::from_secs(65), // API servers give up on a request after 60
            stream_timeout: Duration::from_secs(20), // a server that streams sends at once, or within a few seconds
            first_retry: Duration::from_millis(800), // this and the next as client-go's reflector
            max_retry: Duration::from_secs(30),
            linger: Duration::from_secs(10),
        }
    }
}

/// All watches of the process: one per cluster, kind and scope, alive while somebody subscribes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Watches(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    status: Arc<Status>,
    settings: WatchSettings,
    running: Mutex<HashMap<WatchKey, Running>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct WatchKey {
    cluster: Cluster,
    kind: TypeId,
    scope: Scope,
}

#[derive(Debug)]
struct Running {
    /// `Arc<Store<K>>` of the kind in the key.
    store: Arc<dyn Any + Send + Sync>,
    notes: Arc<WatchNotes>,
    subscribers: usize,
    /// Counts up whenever the last subscriber leaves.
    left: u64,
    /// Dropped, it ends the task.
    _task: Option<AbortOnDropHandle<()>>,
}

impl Watches {
    /// No watches yet. What they do is shown by `status`.
    #[must_use]
    pub fn new(status: Arc<Status>, settings: WatchSettings) -> Self {
        Self(Arc::new(Shared { status, settings, running: Mutex::default() }))
    }

    /// Joins the watch of these objects, or starts it. `bell` rings when there are changes to take, and when
    /// [`Subscription::synced`] or [`Subscription::condition`] changed.
    ///
    /// To be called within a tokio runtime.
    #[must_use]
    pub fn subscribe<K: Kind>(&self, cluster: &Cluster, mut scope: Scope, bell: Arc<Notify>) -> Subscription<K> {
        if !K::RESOURCE.namespaced {
            scope.namespace = None;
        }
        let key = WatchKey { cluster: cluster.clone(), kind: TypeId::of::<K>(), scope };
        let mut running = lock(&self.0.running);
        let watch = running.entry(key.clone()).or_insert_with(|| self.start::<K>(&key));
        watch.subscribers += 1;
        watch.notes.set_subscribers(watch.subscribers);
        let store = watch.store.clone().downcast::<Store<K>>().expect("a store is entered under its own kind");
        drop(running);
        Subscription::new(self.clone(), key, store, bell)
    }

    /// A share in each watch of a kind that is under way in `cluster`, whoever asked for it. Starts none.
    pub(crate) fn current<K: Kind>(&self, cluster: &Cluster) -> Vec<Subscription<K>> {
        let is_meant = |key: &&WatchKey| key.cluster == *cluster && key.kind == TypeId::of::<K>();
        let keys: Vec<WatchKey> = lock(&self.0.running).keys().filter(is_meant).cloned().collect();
        keys.into_iter().map(|key| self.subscribe(cluster, key.scope, Arc::default())).collect()
    }

    fn start<K: Kind>(&self, key: &WatchKey) -> Running {
        let notes = Arc::new(WatchNotes::new(key.cluster.name(), K::RESOURCE, &key.scope, self.0.status.clone()));
        let store = Arc::new(Store::<K>::new(notes.clone()));
        self.0.status.add_watch(notes.clone());
        let task = (!key.cluster.is_detached()).then(|| {
            let task =
                WatchTask::new(key.cluster.clone(), &key.scope, self.0.settings.clone(), store.clone(), notes.clone());
            AbortOnDropHandle::new(tokio::spawn(task.keep_running()))
        });
        Running { store, notes, subscribers: 0, left: 0, _task: task }
    }

    fn unsubscribe(&self, key: &WatchKey) {
        let mut running = lock(&self.0.running);
        let Some(watch) = running.get_mut(key) else { return };
        watch.subscribers -= 1;
        watch.notes.set_subscribers(watch.subscribers);
        if watch.subscribers > 0 {
            return;
        }
        watch.left += 1;
        let left = watch.left;
        drop(running);
        match Handle::try_current() {
            Ok(runtime) if !self.0.settings.linger.is_zero() => {
                let (watches, key) = (Arc::downgrade(&self.0), key.clone());
                runtime.spawn(async move {
                    let Some(linger) = watches.upgrade().map(|watches| watches.settings.linger) else { return };
                    sleep(linger).await;
                    if let Some(watches) = watches.upgrade() {
                        Self(watches).stop(&key, left);
                    }
                });
            }
            _ => self.stop(key, left),
        }
    }

    /// Stops a watch that nobody has subscribed to since it was left for the `left`th time.
    fn stop(&self, key: &WatchKey, left: u64) {
        let mut running = lock(&self.0.running);
        if running.get(key).is_some_and(|watch| watch.subscribers == 0 && watch.left == left)
            && let Some(watch) = running.remove(key)
        {
            self.0.status.remove_watch(&watch.notes);
        }
    }
}

/// Says what a watch sees, in place of an API server: for tests of what subscribes, with [`Cluster::detached`].
pub struct Feed<K: Kind> {
    store: Arc<Store<K>>,
    /// Keeps the watch alive.
    subscription: Subscription<K>,
}

impl<K: Kind> std::fmt::Debug for Feed<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Feed").field(&self.subscription).finish()
    }
}

impl<K: Kind> Feed<K> {
    /// The feed of one watch; who subscribes to it before or after sees the same objects.
    #[must_use]
    pub fn new(watches: &Watches, cluster: &Cluster, scope: Scope) -> Self {
        let subscription = watches.subscribe::<K>(cluster, scope, Arc::default());
        Self { store: subscription.store().clone(), subscription }
    }

    /// A whole list of objects, as JSON texts: what is not among them is removed. The watch is synced then.
    pub fn list<'a>(&self, objects: impl IntoIterator<Item = &'a str>) {
        let mut staged = Staged::default();
        objects.into_iter().for_each(|json| self.store.stage(&mut staged, json.as_bytes()));
        self.store.replace(staged);
        self.store.set_condition(Condition::Watching);
    }

    /// One object added or changed.
    pub fn put(&self, json: &str) {
        match Head::read(json.as_bytes()) {
            Ok(head) => self.store.apply(self.store.put(&head, json.as_bytes()).into_iter().collect()),
            Err(error) => self.store.undecodable("an object", &error),
        }
    }

    /// One object deleted.
    pub fn delete(&self, key: &ObjectKey) {
        self.store.apply(vec![(key.clone(), None)]);
    }

    /// The watch is in trouble, or recovers.
    pub fn condition(&self, condition: Condition) {
        self.store.set_condition(condition);
    }
}
