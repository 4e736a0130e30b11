//! What one watch holds. Its task writes, subscribers read.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::Notify;

use super::Condition;
use super::view::WatchNotes;
use crate::kubernetes::object::{Head, Kind, ObjectKey};
use crate::status::lock;

/// Names a subscriber of one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SubscriberId(u64);

/// The objects of one watch and who hears of them.
pub(super) struct Store<K: Kind> {
    notes: Arc<WatchNotes>,
    inner: RwLock<Inner<K>>,
    /// One copy of each namespace's name.
    namespaces: Mutex<HashSet<Arc<str>>>,
}

struct Inner<K: Kind> {
    objects: HashMap<ObjectKey, Arc<K::Kept>>,
    /// On the heap, for objects and names.
    bytes: usize,
    synced: bool,
    condition: Condition,
    subscribers: HashMap<SubscriberId, Subscriber>,
    /// For the next id.
    joined: u64,
}

struct Subscriber {
    bell: Arc<Notify>,
    /// It has taken nothing yet: everything is new to it.
    fresh: bool,
    /// While fresh, only what was removed.
    changed: HashSet<ObjectKey>,
}

/// The new state of one object; `None`: it is gone.
pub(super) type Change<K> = (ObjectKey, Option<<K as Kind>::Kept>);

/// A list on its way in. Objects equal to those held are the very ones held, so a re-list costs keys only.
pub(super) struct Staged<K: Kind> {
    /// `None`: there is such an object, but it could not be read.
    objects: HashMap<ObjectKey, Option<Arc<K::Kept>>>,
    /// Something in the list had no name, so what seems to be missing may be that.
    nameless: bool,
}

impl<K: Kind> Default for Staged<K> {
    fn default() -> Self {
        Self { objects: HashMap::new(), nameless: false }
    }
}

impl<K: Kind> std::fmt::Debug for Store<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("resource", &K::RESOURCE).finish_non_exhaustive()
    }
}

impl<K: Kind> Store<K> {
    pub(super) fn new(notes: Arc<WatchNotes>) -> Self {
        let inner = Inner {
            objects: HashMap::new(),
            bytes: 0,
            synced: false,
            condition: Condition::Listing,
            subscribers: HashMap::new(),
            joined: 0,
        };
        Self { notes, inner: RwLock::new(inner), namespaces: Mutex::default() }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner<K>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner<K>> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For subscribers.
impl<K: Kind> Store<K> {
    pub(super) fn join(&self, bell: Arc<Notify>) -> SubscriberId {
        let mut inner = self.write();
        inner.joined += 1;
        let id = SubscriberId(inner.joined);
        if inner.synced || !inner.objects.is_empty() {
            bell.notify_one();
        }
        inner.subscribers.insert(id, Subscriber { bell, fresh: true, changed: HashSet::new() });
        id
    }

    pub(super) fn leave(&self, id: SubscriberId) {
        self.write().subscribers.remove(&id);
    }

    pub(super) fn get(&self, key: &ObjectKey) -> Option<Arc<K::Kept>> {
        self.read().objects.get(key).cloned()
    }

    pub(super) fn all(&self) -> Vec<(ObjectKey, Arc<K::Kept>)> {
        self.read().objects.iter().map(|(key, kept)| (key.clone(), kept.clone())).collect()
    }

    pub(super) fn take_changes(&self, id: SubscriberId) -> Vec<ObjectKey> {
        let mut inner = self.write();
        let Inner { objects, subscribers, .. } = &mut *inner;
        let Some(subscriber) = subscribers.get_mut(&id) else { return Vec::new() };
        let changed = std::mem::take(&mut subscriber.changed);
        if !std::mem::take(&mut subscriber.fresh) {
            return changed.into_iter().collect();
        }
        let removed = changed.into_iter().filter(|key| !objects.contains_key(key));
        objects.keys().cloned().chain(removed).collect()
    }

    pub(super) fn synced(&self) -> bool {
        self.read().synced
    }

    pub(super) fn condition(&self) -> Condition {
        self.read().condition.clone()
    }
}

/// For the one task that writes.
impl<K: Kind> Store<K> {
    /// Adds an object to a list that is coming in.
    pub(super) fn stage(&self, staged: &mut Staged<K>, json: &[u8]) {
        match Head::read(json) {
            Ok(head) => self.stage_named(staged, &head, json),
            Err(error) => self.stage_nameless(staged, &error),
        }
    }

    pub(super) fn stage_named(&self, staged: &mut Staged<K>, head: &Head<'_>, json: &[u8]) {
        let key = self.key(head);
        let kept = self.keep(&key, json).map(|kept| match self.read().objects.get(&key) {
            Some(held) if **held == kept => held.clone(),
            _ => Arc::new(kept),
        });
        staged.objects.insert(key, kept);
    }

    pub(super) fn stage_nameless(&self, staged: &mut Staged<K>, error: &str) {
        self.undecodable("an object", error);
        staged.nameless = true;
    }

    pub(super) fn unstage(&self, staged: &mut Staged<K>, head: &Head<'_>) {
        staged.objects.remove(&self.key(head));
    }

    /// Takes a whole list as one change: what it does not have is removed.
    pub(super) fn replace(&self, staged: Staged<K>) {
        let mut inner = self.write();
        let mut changed = Vec::new();
        if !staged.nameless {
            let gone: Vec<_> = inner.objects.keys().filter(|key| !staged.objects.contains_key(key)).cloned().collect();
            changed.extend(gone.into_iter().filter(|key| inner.remove(key)));
        }
        for (key, kept) in staged.objects {
            if let Some(kept) = kept
                && inner.put(&key, kept)
            {
                changed.push(key);
            }
        }
        let objects = &mut inner.objects;
        objects.shrink_to(objects.len() * 2);
        lock(&self.namespaces).retain(|name| Arc::strong_count(name) > 1);
        let first = !std::mem::replace(&mut inner.synced, true);
        inner.ring(&changed, first);
        self.note(&inner, |view| {
            view.synced = true;
            view.lists += 1;
        });
    }

    /// The change that an object makes; none if it cannot be read, which is noted.
    pub(super) fn put(&self, head: &Head<'_>, json: &[u8]) -> Option<Change<K>> {
        let key = self.key(head);
        let kept = self.keep(&key, json)?;
        Some((key, Some(kept)))
    }

    /// The change that an object's end makes.
    pub(super) fn removal(&self, head: &Head<'_>) -> Change<K> {
        (self.key(head), None)
    }

    /// Takes changes in order, as one.
    pub(super) fn apply(&self, changes: Vec<Change<K>>) {
        let events = changes.len() as u64;
        let mut inner = self.write();
        let mut changed = Vec::new();
        for (key, kept) in changes {
            let differs = match kept {
                Some(kept) => inner.put(&key, Arc::new(kept)),
                None => inner.remove(&key),
            };
            if differs {
                changed.push(key);
            }
        }
        inner.ring(&changed, false);
        self.note(&inner, |view| view.events += events);
    }

    /// Says how it is going. A kind that does not exist is known to be empty.
    pub(super) fn set_condition(&self, condition: Condition) {
        let mut inner = self.write();
        let synced = inner.synced || condition == Condition::Absent;
        if inner.condition == condition && inner.synced == synced {
            return;
        }
        inner.condition = condition.clone();
        inner.synced = synced;
        inner.ring(&[], true);
        self.notes.change(|view, _| (view.condition, view.synced) = (condition, synced));
    }

    /// Notes an object that could not be read.
    pub(super) fn undecodable(&self, object: &str, error: &str) {
        let count = self.notes.change(|view, _| {
            view.undecodable += 1;
            view.last_undecodable = format!("{object}: {error}");
            view.undecodable
        });
        // told at 1, 2, 4, 8 … times: one odd object may change every second
        if count.is_power_of_two() {
            let resource = K::RESOURCE;
            tracing::warn!(%resource, %object, %error, count, "an object cannot be read; what was known of it stays");
        }
    }

    fn key(&self, head: &Head<'_>) -> ObjectKey {
        let mut namespaces = lock(&self.namespaces);
        let namespace = match namespaces.get(&*head.namespace) {
            Some(known) => known.clone(),
            None => {
                let name: Arc<str> = head.namespace.as_ref().into();
                namespaces.insert(name.clone());
                name
            }
        };
        ObjectKey { namespace, name: head.name.as_ref().into() }
    }

    fn keep(&self, key: &ObjectKey, json: &[u8]) -> Option<K::Kept> {
        K::keep(json).map_err(|error| self.undecodable(&key.to_string(), &error)).ok()
    }

    fn note(&self, inner: &Inner<K>, change: impl FnOnce(&mut super::WatchView)) {
        self.notes.change(|view, now| {
            (view.objects, view.bytes) = (inner.objects.len(), inner.bytes);
            view.last_event = Some(now);
            change(view);
        });
    }
}

impl<K: Kind> Inner<K> {
    /// True if something else, or nothing, was held.
    fn put(&mut self, key: &ObjectKey, kept: Arc<K::Kept>) -> bool {
        let bytes = K::bytes(&kept);
        match self.objects.entry(key.clone()) {
            Entry::Occupied(mut held) => {
                if Arc::ptr_eq(held.get(), &kept) || **held.get() == *kept {
                    return false;
                }
                self.bytes = (self.bytes + bytes).saturating_sub(K::bytes(held.get()));
                held.insert(kept);
            }
            Entry::Vacant(place) => {
                place.insert(kept);
                self.bytes += bytes + entry_bytes::<K>(key);
            }
        }
        true
    }

    fn remove(&mut self, key: &ObjectKey) -> bool {
        let Some(held) = self.objects.remove(key) else { return false };
        self.bytes = self.bytes.saturating_sub(K::bytes(&held) + entry_bytes::<K>(key));
        true
    }

    /// Tells subscribers; those with nothing new hear of it only if `anyway`.
    fn ring(&mut self, changed: &[ObjectKey], anyway: bool) {
        for subscriber in self.subscribers.values_mut() {
            if subscriber.fresh {
                let gone = changed.iter().filter(|key| !self.objects.contains_key(key));
                subscriber.changed.extend(gone.cloned());
            } else {
                subscriber.changed.extend(changed.iter().cloned());
            }
            if anyway || !changed.is_empty() {
                subscriber.bell.notify_one();
            }
        }
    }
}

/// What an entry costs besides what its kind counts: the name, two counters, the slot and its share of free ones.
fn entry_bytes<K: Kind>(key: &ObjectKey) -> usize {
    const COUNTERS: usize = 2 * size_of::<usize>();
    let slot = size_of::<(ObjectKey, Arc<K::Kept>)>() + 1;
    COUNTERS + key.name.len() + COUNTERS + size_of::<K::Kept>() + slot * 8 / 7
}
