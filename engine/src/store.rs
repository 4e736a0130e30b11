//! What discovery knows: target groups by key.
//!
//! Writers are discovery's tasks, each with its own keys; they lock one shard of a map for the moment of a write. The
//! one reader is the engine, which takes what changed. Changes applied together are taken together: writers share a
//! gate, and the engine closes it while it takes. (Readers of *snapshots* never come here.)

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use ta_model::group::{GroupChange, GroupKey, TargetGroup};

/// The target store. Clones share it.
#[derive(Clone, Default)]
pub struct TargetStore {
    inner: Arc<Inner>,
}

/// Called after every change.
type Wake = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Inner {
    groups: DashMap<GroupKey, Arc<TargetGroup>, RandomState>,
    /// Keys changed since the last take. Unordered; duplicates are possible.
    changed: DashMap<GroupKey, (), RandomState>,
    synced: Mutex<Vec<Arc<str>>>,
    /// Shared by writers for the length of a batch, exclusive for a take.
    gate: RwLock<()>,
    wake: OnceLock<Wake>,
}

/// Everything that changed since the last take.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Each changed key once, with its group now, or nothing if it is gone.
    pub(crate) groups: Vec<(GroupKey, Option<Arc<TargetGroup>>)>,
    /// Jobs that have become synced.
    pub(crate) synced: Vec<Arc<str>>,
}

impl TargetStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A handle to write with.
    #[must_use]
    pub fn writer(&self) -> StoreWriter {
        StoreWriter { inner: self.inner.clone() }
    }

    /// Sets what is called after every change, once. It must be quick and must not write to the store.
    pub fn on_change(&self, wake: impl Fn() + Send + Sync + 'static) {
        drop(self.inner.wake.set(Box::new(wake)));
    }

    /// The number of groups.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.inner.groups.len()
    }

    /// Takes what changed since the last call.
    pub(crate) fn take(&self) -> Taken {
        let inner = &*self.inner;
        let _closed = inner.gate.write().unwrap_or_else(PoisonError::into_inner);
        let keys: Vec<GroupKey> = inner.changed.iter().map(|entry| entry.key().clone()).collect();
        inner.changed.clear();
        let groups = keys.into_iter().map(|key| {
            let group = inner.groups.get(&key).map(|group| group.clone());
            (key, group)
        });
        let groups = groups.collect();
        Taken { groups, synced: std::mem::take(&mut *inner.synced.lock().unwrap_or_else(PoisonError::into_inner)) }
    }
}

impl fmt::Debug for TargetStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetStore").field("groups", &self.groups()).finish()
    }
}

/// Writes to a [`TargetStore`]. Clones share it; two writers of one key are a mistake of the caller.
#[derive(Clone)]
pub struct StoreWriter {
    inner: Arc<Inner>,
}

impl StoreWriter {
    /// Applies `changes` in order; the engine sees all of them or none. A group equal to the one that is there changes
    /// nothing.
    pub fn apply(&self, changes: impl IntoIterator<Item = GroupChange>) {
        let mut any = false;
        {
            let _open = self.inner.gate.read().unwrap_or_else(PoisonError::into_inner);
            for change in changes {
                any |= self.apply_one(change);
            }
        }
        if any {
            self.wake();
        }
    }

    /// Says that the targets of `job` are known, even if there are none.
    pub fn synced(&self, job: &Arc<str>) {
        self.inner.synced.lock().unwrap_or_else(PoisonError::into_inner).push(job.clone());
        self.wake();
    }

    fn apply_one(&self, change: GroupChange) -> bool {
        let (key, group) = match change {
            GroupChange::Replace(key, group) if !group.is_empty() => (key, group),
            GroupChange::Replace(key, _) | GroupChange::Remove(key) => {
                let gone = self.inner.groups.remove(&key).is_some();
                if gone {
                    self.inner.changed.insert(key, ());
                }
                return gone;
            }
        };
        if let Some(mut current) = self.inner.groups.get_mut(&key) {
            if *current.value() == group {
                return false;
            }
            *current.value_mut() = group;
        } else {
            self.inner.groups.insert(key.clone(), group);
        }
        self.inner.changed.insert(key, ());
        true
    }

    fn wake(&self) {
        if let Some(wake) = self.inner.wake.get() {
            wake();
        }
    }
}

impl fmt::Debug for StoreWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreWriter")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ta_model::group::GroupBuilder;

    use super::*;

    fn mk_key(source: &str) -> GroupKey {
        GroupKey { job: "job".into(), provider: 1, source: source.into() }
    }

    fn mk_group(address: &str) -> Arc<TargetGroup> {
        let mut builder = GroupBuilder::new();
        builder.begin();
        builder.begin_target();
        builder.target_label("__address__", address);
        Arc::new(builder.finish())
    }

    #[test]
    fn only_what_changed_is_taken_and_wakes() {
        let store = TargetStore::new();
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = wakes.clone();
        store.on_change(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let writer = store.writer();
        writer.apply([
            GroupChange::Replace(mk_key("a"), mk_group("x:1")),
            GroupChange::Replace(mk_key("b"), mk_group("y:1")),
        ]);
        assert_eq!(store.take().groups.len(), 2);
        writer.apply([GroupChange::Replace(mk_key("a"), mk_group("x:1"))]);
        assert!(store.take().groups.is_empty());
        assert_eq!(wakes.load(Ordering::SeqCst), 1);
        writer.apply([
            GroupChange::Replace(mk_key("a"), Arc::new(TargetGroup::default())),
            GroupChange::Remove(mk_key("zzz")),
        ]);
        let taken = store.take().groups;
        assert_eq!((taken.len(), taken[0].1.is_none(), store.groups()), (1, true, 1));
    }
}
