//! What discovery knows: target groups by key.
//!
//! Writers are discovery's tasks, each with its own keys; they lock one shard for as long as their changes are about one
//! job. The one reader is the engine, which takes what changed. Changes applied together are taken together: writers
//! share a gate, and the engine closes it while it takes. (Readers of *snapshots* never come here.)
//!
//! Most of what providers send is what they sent before. So the store keeps the content hash of every group, not the
//! group: one sent again is recognised by eight bytes that lie in the map.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use ta_model::group::{GroupChange, GroupKey, TargetGroup};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// The target store. Clones share it.
#[derive(Clone, Default)]
pub struct TargetStore {
    inner: Arc<Inner>,
}

/// Called after every change.
type Wake = Box<dyn Fn() + Send + Sync>;

struct Inner {
    /// By name. A job's shard is locked for as long as changes of it follow each other.
    jobs: DashMap<Arc<str>, JobGroups, RandomState>,
    /// Jobs with changes, each once.
    dirty: Mutex<Vec<Arc<str>>>,
    synced: Mutex<Vec<Arc<str>>>,
    /// Shared by writers for the length of a batch, exclusive for a take.
    gate: RwLock<()>,
    wake: OnceLock<Wake>,
    /// Random.
    name_key: u64,
}

/// Changes looked at together: enough for the processor to wait for all of their memory at once, few enough to stay in
/// its first cache.
const BATCH: usize = 64;

/// A group's name within its job, hashed under a key that only this process knows: two names of one hash are a coincidence
/// of 2⁻¹²⁸, and cannot be made on purpose. It spares a look at the text of every name.
type NameHash = u128;

/// A group's name within its job: provider, source.
pub(crate) type GroupName = (u64, Arc<str>);

/// Groups that changed: what each is now, or nothing if it is gone.
pub(crate) type ChangedGroups = HashMap<GroupName, Option<Arc<TargetGroup>>, RandomState>;

#[derive(Default)]
struct JobGroups {
    /// The content hash of every group. Two contents of one hash are a coincidence of 2⁻⁶⁴ at each change; made on
    /// purpose they hide a change of the group they were made for, and of no other.
    known: HashMap<NameHash, u64, RandomState>,
    /// Since the last take.
    changed: ChangedGroups,
}

/// Everything that changed since the last take.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Each job with changes once.
    pub(crate) groups: Vec<(Arc<str>, ChangedGroups)>,
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
        self.inner.jobs.iter().map(|job| job.known.len()).sum()
    }

    /// Takes what changed since the last call.
    pub(crate) fn take(&self) -> Taken {
        let inner = &*self.inner;
        let _closed = inner.gate.write().unwrap_or_else(PoisonError::into_inner);
        let dirty = std::mem::take(&mut *lock(&inner.dirty));
        let groups = dirty.into_iter().filter_map(|job| inner.take(job)).collect();
        Taken { groups, synced: std::mem::take(&mut *lock(&inner.synced)) }
    }
}

impl fmt::Debug for TargetStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetStore").field("groups", &self.groups()).finish()
    }
}

/// Locks what stays whole whatever becomes of a holder.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            jobs: DashMap::default(),
            dirty: Mutex::default(),
            synced: Mutex::default(),
            gate: RwLock::default(),
            wake: OnceLock::new(),
            name_key: RandomState::default().hash_one(()),
        }
    }
}

impl Inner {
    /// Applies a batch. True if any of its changes changed anything.
    fn apply(&self, batch: &[GroupChange]) -> bool {
        // All texts are read before anything is locked or counted: locked instructions wait for every read before them,
        // and would let the processor fetch one group at a time.
        let facts: Vec<Fact> = batch.iter().map(|change| Fact::of(change, self.name_key)).collect();
        let mut facts = facts.as_slice();
        let mut any = false;
        for changes in batch.chunk_by(|one, next| one.key().job == next.key().job) {
            let (these, rest) = facts.split_at(changes.len());
            facts = rest;
            any |= self.apply_to_job(&changes[0].key().job, changes, these);
        }
        any
    }

    fn apply_to_job(&self, job: &Arc<str>, changes: &[GroupChange], facts: &[Fact]) -> bool {
        let mut groups = self.jobs.entry(job.clone()).or_default();
        let was_clean = groups.changed.is_empty();
        let mut any = false;
        for (change, fact) in changes.iter().zip(facts) {
            if groups.known.get(&fact.name).copied() != fact.content {
                groups.apply(change, *fact);
                any = true;
            }
        }
        let is_nothing = groups.known.is_empty() && groups.changed.is_empty();
        drop(groups); // nothing else is locked under a shard
        if any && was_clean {
            lock(&self.dirty).push(job.clone());
        } else if is_nothing {
            // something was removed that was never there
            self.jobs.remove_if(job, |_, groups| groups.known.is_empty() && groups.changed.is_empty());
        }
        any
    }

    /// What changed of `job`; called while no writer writes.
    fn take(&self, job: Arc<str>) -> Option<(Arc<str>, ChangedGroups)> {
        let (changed, is_gone) = {
            let mut groups = self.jobs.get_mut(&job)?;
            (std::mem::take(&mut groups.changed), groups.known.is_empty())
        };
        if is_gone {
            self.jobs.remove(&job);
        }
        Some((job, changed))
    }
}

/// What a change comes to.
#[derive(Clone, Copy)]
struct Fact {
    name: NameHash,
    /// Nothing if the group is gone, or empty.
    content: Option<u64>,
}

impl Fact {
    fn of(change: &GroupChange, name_key: u64) -> Self {
        let content = match change {
            GroupChange::Replace(_, group) => (!group.is_empty()).then(|| group.content_hash()),
            GroupChange::Remove(_) => None,
        };
        let GroupKey { provider, source, .. } = change.key();
        Self { name: xxh3_128_with_seed(source.as_bytes(), name_key ^ provider), content }
    }
}

impl JobGroups {
    /// Takes what is other than before. Apart from the loop that looks for it: nearly all groups are what they were, and
    /// with this in it that loop has 315 instructions a group instead of 290.
    #[inline(never)]
    fn apply(&mut self, change: &GroupChange, fact: Fact) {
        match fact.content {
            Some(content) => self.known.insert(fact.name, content),
            None => self.known.remove(&fact.name),
        };
        let group = match change {
            GroupChange::Replace(_, group) => fact.content.map(|_| group.clone()),
            GroupChange::Remove(_) => None,
        };
        let key = change.key();
        self.changed.insert((key.provider, key.source.clone()), group);
    }
}

/// Writes to a [`TargetStore`]. Clones share it; two writers of one key are a mistake of the caller.
#[derive(Clone)]
pub struct StoreWriter {
    inner: Arc<Inner>,
}

impl StoreWriter {
    /// Applies `changes` in order; the engine sees all of them or none. A group equal to the one that is there changes
    /// nothing. Changes of one job that follow each other cost less than mixed ones.
    pub fn apply(&self, changes: impl IntoIterator<Item = GroupChange>) {
        let mut any = false;
        {
            let inner = &*self.inner;
            let _open = inner.gate.read().unwrap_or_else(PoisonError::into_inner);
            let mut changes = changes.into_iter();
            let mut batch = Vec::new();
            loop {
                batch.extend(changes.by_ref().take(BATCH));
                if batch.is_empty() {
                    break;
                }
                any |= inner.apply(&batch);
                batch.clear();
            }
        }
        if any {
            self.wake();
        }
    }

    /// Says that the targets of `job` are known, even if there are none.
    pub fn synced(&self, job: &Arc<str>) {
        lock(&self.inner.synced).push(job.clone());
        self.wake();
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

    use ta_model::group::{GroupBuilder, GroupKey};

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
        assert_eq!(taken(&store).len(), 2);
        writer.apply([GroupChange::Replace(mk_key("a"), mk_group("x:1"))]);
        assert!(store.take().groups.is_empty());
        assert_eq!(wakes.load(Ordering::SeqCst), 1);
        writer.apply([
            GroupChange::Replace(mk_key("a"), Arc::new(TargetGroup::default())),
            GroupChange::Remove(mk_key("zzz")),
        ]);
        assert_eq!(taken(&store), [("a".to_owned(), false)]);
        assert_eq!(store.groups(), 1);
    }

    #[test]
    fn of_several_changes_of_a_group_the_last_is_taken() {
        let store = TargetStore::new();
        let replace = |source, address| GroupChange::Replace(mk_key(source), mk_group(address));
        store.writer().apply([replace("a", "x:1"), GroupChange::Remove(mk_key("a")), replace("b", "y:1")]);
        store.writer().apply([GroupChange::Remove(mk_key("b")), replace("b", "z:1")]);
        assert_eq!(taken(&store), [("a".to_owned(), false), ("b".to_owned(), true)]);
    }

    #[test]
    fn a_job_without_groups_leaves_nothing_behind() {
        let store = TargetStore::new();
        let writer = store.writer();
        writer.apply([GroupChange::Remove(mk_key("never"))]);
        writer.apply([GroupChange::Replace(mk_key("a"), mk_group("x:1"))]);
        writer.apply([GroupChange::Remove(mk_key("a"))]);
        assert_eq!(taken(&store), [("a".to_owned(), false)]);
        assert!(store.inner.jobs.is_empty());
    }

    /// The sources that changed, sorted, and whether there is a group now.
    fn taken(store: &TargetStore) -> Vec<(String, bool)> {
        let groups = store.take().groups.into_iter().flat_map(|(_, groups)| groups);
        let mut all: Vec<_> = groups.map(|((_, source), group)| (source.to_string(), group.is_some())).collect();
        all.sort();
        all
    }
}
