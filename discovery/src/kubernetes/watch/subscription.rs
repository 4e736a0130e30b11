//! What a subscriber sees of a watch.

use std::sync::Arc;

use tokio::sync::Notify;

use super::store::{Store, SubscriberId};
use super::{Condition, Scope, WatchKey, Watches};
use crate::kubernetes::object::{Kind, ObjectKey};

/// A share in a watch. Once the last one is dropped it stops, a little later.
pub struct Subscription<K: Kind> {
    watches: Watches,
    key: WatchKey,
    store: Arc<Store<K>>,
    id: SubscriberId,
}

impl<K: Kind> Subscription<K> {
    pub(super) fn new(watches: Watches, key: WatchKey, store: Arc<Store<K>>, bell: Arc<Notify>) -> Self {
        let id = store.join(bell);
        Self { watches, key, store, id }
    }

    pub(super) fn store(&self) -> &Arc<Store<K>> {
        &self.store
    }

    /// The object as it is now.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<K::Kept>> {
        self.store.get(key)
    }

    /// All objects, in no particular order.
    #[must_use]
    pub fn all(&self) -> Vec<(ObjectKey, Arc<K::Kept>)> {
        self.store.all()
    }

    /// Calls `f` for the objects there were when it began. Nothing is locked meanwhile.
    pub fn for_each(&self, mut f: impl FnMut(&ObjectKey, &Arc<K::Kept>)) {
        self.all().iter().for_each(|(key, kept)| f(key, kept));
    }

    /// Keys added, changed or removed since the last call, each once; at first, all there are.
    ///
    /// It says where to look, not what happened: [`Subscription::get`] has the present.
    #[must_use]
    pub fn take_changes(&self) -> Vec<ObjectKey> {
        self.store.take_changes(self.id)
    }

    /// The first whole list has been applied. Stays true whatever fails later. True too for a kind the server does
    /// not have, which is as good as empty; not for one it does not let us see.
    #[must_use]
    pub fn synced(&self) -> bool {
        self.store.synced()
    }

    /// What the watch is at.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.store.condition()
    }

    /// What is watched.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.key.scope
    }
}

impl<K: Kind> std::fmt::Debug for Subscription<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Scope { namespace, label_selector, field_selector } = &self.key.scope;
        write!(f, "Subscription({} {namespace:?} {label_selector:?} {field_selector:?})", K::RESOURCE)
    }
}

impl<K: Kind> Drop for Subscription<K> {
    fn drop(&mut self) {
        self.store.leave(self.id);
        self.watches.unsubscribe(&self.key);
    }
}
