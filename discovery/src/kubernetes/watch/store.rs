//! What one watch holds. Its task writes, subscribers read.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::Deserialize;
use tokio::sync::Notify;

use super::Condition;
use super::view::WatchNotes;
use crate::kubernetes::object::{Kind, ObjectKey};

/// Names a subscriber of one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SubscriberId(u64);

/// The objects of one watch and who hears of them.
pub(super) struct Store<K: Kind> {
    notes: Arc<WatchNotes>,
    inner: RwLock<Inner<K>>,
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

/// What happened to one object.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// Added or changed: the whole object.
    Put(&'a [u8]),
    Remove(ObjectKey),
}

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

/// The part of an object that every kind has.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    metadata: Name<'a>,
}

#[derive(Deserialize)]
struct Name<'a> {
    #[serde(borrow)]
    name: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    namespace: std::borrow::Cow<'a, str>,
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
        Self { notes, inner: RwLock::new(inner) }
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
        match self.decode(json) {
            Ok((key, kept)) => {
                let kept = kept.map(|kept| match self.read().objects.get(&key) {
                    Some(held) if **held == kept => held.clone(),
                    _ => Arc::new(kept),
                });
                staged.objects.insert(key, kept);
            }
            Err(Nameless) => staged.nameless = true,
        }
    }

    /// Takes a whole list as one change: what it does not have is removed.
    pub(super) fn replace(&self, staged: Staged<K>) {
        let mut inner = self.write();
        let mut changed = Vec::new();
        if !staged.nameless {
            let gone: Vec<_> = inner.objects.keys().filter(|key| !staged.objects.contains_key(key)).cloned().collect();
            gone.into_iter().filter(|key| inner.remove(key)).for_each(|key| changed.push(key));
        }
        for (key, kept) in staged.objects {
            if let Some(kept) = kept
                && inner.put(&key, kept)
            {
                changed.push(key);
            }
        }
        let first = !std::mem::replace(&mut inner.synced, true);
        inner.ring(&changed, first);
        self.note(&inner, |view| {
            view.synced = true;
            view.lists += 1;
        });
    }

    /// Takes events in order, as one change.
    pub(super) fn apply(&self, events: Vec<Event<'_>>) {
        let count = events.len() as u64;
        let decoded: Vec<_> = events.into_iter().map(|event| self.decode_event(event)).collect();
        let mut inner = self.write();
        let mut changed = Vec::new();
        for (key, kept) in decoded.into_iter().flatten() {
            let differs = match kept {
                Some(kept) => inner.put(&key, Arc::new(kept)),
                None => inner.remove(&key),
            };
            if differs {
                changed.push(key);
            }
        }
        inner.ring(&changed, false);
        self.note(&inner, |view| view.events += count);
    }

    /// The kind does not exist: nothing of it is there.
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

    /// The key and the new state (`None`: removed); nothing if the object could not be read.
    fn decode_event(&self, event: Event<'_>) -> Option<(ObjectKey, Option<K::Kept>)> {
        match event {
            Event::Put(json) => match self.decode(json) {
                Ok((key, Some(kept))) => Some((key, Some(kept))),
                Ok((_, None)) | Err(Nameless) => None,
            },
            Event::Remove(key) => Some((key, None)),
        }
    }

    /// Key and content; the latter is `None` if it could not be read, which is noted.
    fn decode(&self, json: &[u8]) -> Result<(ObjectKey, Option<K::Kept>), Nameless> {
        let named: Named<'_> = serde_json::from_slice(json).map_err(|error| {
            self.undecodable("an object", &format!("it has no name: {error}"));
            Nameless
        })?;
        let key = ObjectKey::new(named.metadata.namespace, named.metadata.name);
        let kept = K::keep(json).map_err(|error| self.undecodable(&key.to_string(), &error)).ok();
        Ok((key, kept))
    }

    fn undecodable(&self, object: &str, error: &str) {
        self.notes.change(|view, _| {
            view.undecodable += 1;
            view.last_undecodable = format!("{object}: {error}");
        });
    }

    fn note(&self, inner: &Inner<K>, change: impl FnOnce(&mut super::WatchView)) {
        self.notes.change(|view, now| {
            (view.objects, view.bytes) = (inner.objects.len(), inner.bytes);
            view.last_event = Some(now);
            change(view);
        });
    }
}

/// An object without a name.
struct Nameless;

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
