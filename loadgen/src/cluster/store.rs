//! All objects, their revisions, and a window of what changed.
//!
//! One revision counts the writes to everything, as etcd's does. A list at an older revision is the objects of now with the
//! changes since taken back, so pages of one list agree with each other without a copy being kept for them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::{broadcast, watch};

use super::kinds::{KINDS, Kind, KindId};
use super::object::{Object, Text};
use super::selector::Filter;

/// Signals to watches that were not looked at before more than this came are lost; they are given by hand.
const SIGNALS_KEPT: usize = 64;

/// A write that happened.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) before: Option<Arc<Object>>,
    pub(crate) after: Option<Arc<Object>>,
}

/// Objects of a list, in order of their keys.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) revision: u64,
    pub(crate) objects: Vec<Arc<Object>>,
    /// Key after which the next page starts.
    pub(crate) next: Option<Arc<str>>,
    /// Objects on all pages; counted on the first page only.
    pub(crate) total: usize,
}

/// What a list is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListQuery {
    /// Empty for all.
    pub(crate) namespace: String,
    /// The revision to list at; none for now.
    pub(crate) at: Option<u64>,
    /// Only keys after this one.
    pub(crate) after: Option<String>,
    /// Most objects; 0 for all.
    pub(crate) limit: usize,
    pub(crate) filter: Filter,
}

/// The revision asked for is outside the window, which begins at the given one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expired(pub(crate) u64);

/// What open watches of a kind are told beside changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Signal {
    /// End the response properly.
    End,
    /// Break the connection.
    Break,
    /// Send a "too old" event, then end.
    Expire,
    /// Send these bytes as they are.
    Send(bytes::Bytes),
}

#[derive(Debug)]
pub(crate) struct Store {
    state: RwLock<State>,
    channels: Vec<Channels>,
    window: usize,
}

#[derive(Debug)]
struct Channels {
    bell: watch::Sender<u64>,
    signals: broadcast::Sender<Signal>,
}

#[derive(Debug)]
struct State {
    revision: u64,
    tables: Vec<Table>,
}

#[derive(Debug, Default)]
struct Table {
    missing: bool,
    objects: BTreeMap<Arc<str>, Arc<Object>>,
    log: VecDeque<Change>,
    /// Watches and pages may begin at this revision at the earliest.
    floor: u64,
    /// Changes after this revision are all in the log.
    lost: u64,
}

impl Store {
    /// An empty store that keeps the last `window` changes of each kind.
    pub(crate) fn new(window: usize) -> Store {
        let channels = || Channels { bell: watch::channel(0).0, signals: broadcast::channel(SIGNALS_KEPT).0 };
        Store {
            // an empty etcd is at revision 1
            state: RwLock::new(State { revision: 1, tables: KINDS.iter().map(|_| Table::default()).collect() }),
            channels: KINDS.iter().map(|_| channels()).collect(),
            window,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest revision.
    pub(crate) fn revision(&self) -> u64 {
        self.read().revision
    }

    /// Whether the kind is served.
    pub(crate) fn installed(&self, kind: KindId) -> bool {
        !self.read().tables[kind.index()].missing
    }

    /// Serves a kind, or not any more: then its watches end. Objects stay where they are.
    pub(crate) fn set_installed(&self, kind: KindId, installed: bool) {
        self.write().tables[kind.index()].missing = !installed;
        if !installed {
            self.signal(kind, Signal::End);
        }
    }

    /// Number of objects and bytes of their texts.
    pub(crate) fn size(&self, kind: KindId) -> (usize, usize) {
        let state = self.read();
        let objects = &state.tables[kind.index()].objects;
        (objects.len(), objects.values().map(|object| object.text().len()).sum())
    }

    pub(crate) fn get(&self, kind: KindId, key: &str) -> Option<Arc<Object>> {
        self.read().tables[kind.index()].objects.get(key).cloned()
    }

    /// Adds objects to an untouched kind, without a change for each: what was there before anybody looked.
    pub(crate) fn load(&self, kind: KindId, objects: impl IntoIterator<Item = (Arc<str>, Text)>) {
        let mut state = self.write();
        let mut revision = state.revision;
        for (key, text) in objects {
            revision += 1;
            let object = Arc::new(Object::new(key.clone(), revision, text));
            state.tables[kind.index()].objects.insert(key, object);
        }
        state.revision = revision;
        state.tables[kind.index()].floor = revision;
        state.tables[kind.index()].lost = revision;
        drop(state);
        self.channels[kind.index()].bell.send_replace(revision);
    }

    /// Changes one object: `edit` gets what is there and gives what is to be there, or none to remove it. An equal text
    /// changes nothing. Gives the object that is there now.
    ///
    /// # Errors
    /// Those of `edit`, and then nothing changed.
    pub(crate) fn edit<E>(
        &self,
        kind: KindId,
        key: &Arc<str>,
        edit: impl FnOnce(Option<&Arc<Object>>) -> Result<Option<Text>, E>,
    ) -> Result<Option<Arc<Object>>, E> {
        let mut state = self.write();
        let before = state.tables[kind.index()].objects.get(key).cloned();
        let text = edit(before.as_ref())?;
        if text.as_ref() == before.as_deref().map(Object::text) {
            return Ok(before);
        }
        let revision = state.revision + 1;
        state.revision = revision;
        let after = text.map(|text| Arc::new(Object::new(key.clone(), revision, text)));
        let table = &mut state.tables[kind.index()];
        match &after {
            Some(object) => table.objects.insert(key.clone(), object.clone()),
            None => table.objects.remove(key),
        };
        table.log.push_back(Change { revision, before, after: after.clone() });
        while table.log.len() > self.window {
            table.forget_oldest();
        }
        drop(state);
        self.channels[kind.index()].bell.send_replace(revision);
        Ok(after)
    }

    /// Writes a text; see [`Store::edit`].
    pub(crate) fn put(&self, kind: KindId, key: &Arc<str>, text: Text) -> Option<Arc<Object>> {
        let done: Result<_, std::convert::Infallible> = self.edit(kind, key, |_| Ok(Some(text)));
        done.unwrap_or_default()
    }

    /// Removes an object; gives what it was.
    pub(crate) fn remove(&self, kind: KindId, key: &str) -> Option<Arc<Object>> {
        let mut was = None;
        let done: Result<_, std::convert::Infallible> = self.edit(kind, &key.into(), |before| {
            was = before.cloned();
            Ok(None)
        });
        done.ok()?;
        was
    }

    /// Objects of one kind at one revision.
    ///
    /// # Errors
    /// The window does not reach back that far.
    pub(crate) fn list(&self, kind: KindId, query: &ListQuery) -> Result<Page, Expired> {
        let state = self.read();
        let table = &state.tables[kind.index()];
        let revision = query.at.unwrap_or(state.revision);
        if revision < table.floor {
            return Err(Expired(table.floor));
        }
        let (objects, next) = table.list(kind.get(), query, revision);
        let total = match (&next, &query.after) {
            (Some(_), None) => table.list(kind.get(), &ListQuery { limit: 0, ..query.clone() }, revision).0.len(),
            _ => objects.len(),
        };
        Ok(Page { revision, objects, next, total })
    }

    /// Whether a watch can begin after a revision.
    ///
    /// # Errors
    /// The window does not reach back that far.
    pub(crate) fn reaches(&self, kind: KindId, after: u64) -> Result<(), Expired> {
        let floor = self.read().tables[kind.index()].floor;
        if after < floor { Err(Expired(floor)) } else { Ok(()) }
    }

    /// Changes after a revision, and the revision they lead to, for a watch that is open: compaction does not concern it.
    ///
    /// # Errors
    /// The watch fell behind by more than the window.
    pub(crate) fn changes(&self, kind: KindId, after: u64) -> Result<(Vec<Change>, u64), Expired> {
        let state = self.read();
        let table = &state.tables[kind.index()];
        if after < table.lost {
            return Err(Expired(table.lost));
        }
        let from = table.log.partition_point(|change| change.revision <= after);
        Ok((table.log.range(from..).cloned().collect(), state.revision.max(after)))
    }

    /// Lets no watch or page begin in the past, of one kind or of all: 410. Watches that are open go on.
    pub(crate) fn compact(&self, kind: Option<KindId>) {
        let mut state = self.write();
        // a revision of its own, so that not even a client that has seen everything can go on
        state.revision += 1;
        let revision = state.revision;
        for id in KindId::all().filter(|id| kind.is_none_or(|kind| kind == *id)) {
            state.tables[id.index()].floor = revision;
        }
    }

    /// Rings when objects of the kind changed.
    pub(crate) fn bell(&self, kind: KindId) -> watch::Receiver<u64> {
        self.channels[kind.index()].bell.subscribe()
    }

    /// What watches are to do beside telling changes.
    pub(crate) fn signals(&self, kind: KindId) -> broadcast::Receiver<Signal> {
        self.channels[kind.index()].signals.subscribe()
    }

    /// Tells all open watches of a kind.
    pub(crate) fn signal(&self, kind: KindId, signal: Signal) {
        // nobody watches: nobody to tell
        self.channels[kind.index()].signals.send(signal).ok();
    }
}

impl Table {
    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.log.pop_front() {
            self.floor = self.floor.max(oldest.revision);
            self.lost = oldest.revision;
        }
    }

    /// Objects at `revision`, and the key to go on after if the limit was reached before the end.
    fn list(&self, kind: &Kind, query: &ListQuery, revision: u64) -> (Vec<Arc<Object>>, Option<Arc<str>>) {
        let undone = self.undone(revision);
        let in_scope = |key: &str| {
            let namespace = query.namespace.is_empty()
                || key.strip_prefix(&query.namespace).is_some_and(|rest| rest.starts_with('/'));
            namespace && query.after.as_deref().is_none_or(|after| key > after)
        };
        let mut gone: Vec<&Arc<Object>> = undone
            .iter()
            .filter(|(key, _)| in_scope(key) && !self.objects.contains_key(**key))
            .filter_map(|(_, before)| before.as_ref())
            .collect();
        gone.sort_unstable_by(|a, b| b.key.cmp(&a.key));
        let mut found: Vec<Arc<Object>> = Vec::new();
        let mut now = self.range(query).peekable();
        loop {
            let from_gone = match (now.peek(), gone.last()) {
                (None, None) => return (found, None),
                (Some((key, _)), Some(old)) => old.key < **key,
                (next, _) => next.is_none(),
            };
            let object = if from_gone {
                gone.pop()
            } else {
                now.next().and_then(|(key, object)| undone.get(&**key).map_or(Some(object), Option::as_ref))
            };
            let Some(object) = object.filter(|object| query.filter.matches(kind, object)) else { continue };
            if query.limit > 0 && found.len() == query.limit {
                let last = found.last().map(|object| object.key.clone());
                return (found, last);
            }
            found.push(object.clone());
        }
    }

    /// Objects of now in the scope of a query.
    fn range<'a>(&'a self, query: &ListQuery) -> impl Iterator<Item = (&'a Arc<str>, &'a Arc<Object>)> + use<'a> {
        let prefix = if query.namespace.is_empty() { String::new() } else { format!("{}/", query.namespace) };
        let from = match &query.after {
            Some(after) if *after >= prefix => Bound::Excluded(after.clone()),
            _ => Bound::Included(prefix.clone()),
        };
        let bounds: (Bound<&str>, Bound<&str>) = (from.as_ref().map(String::as_str), Bound::Unbounded);
        self.objects.range::<str, _>(bounds).take_while(move |(key, _)| key.starts_with(&prefix))
    }

    /// What objects that changed after `revision` were then.
    fn undone(&self, revision: u64) -> HashMap<&str, Option<Arc<Object>>> {
        let from = self.log.partition_point(|change| change.revision <= revision);
        let mut undone = HashMap::new();
        for change in self.log.range(from..) {
            let key = change.after.as_ref().or(change.before.as_ref()).map(|object| &*object.key);
            let Some(key) = key else { continue };
            undone.entry(key).or_insert_with(|| change.before.clone());
        }
        undone
    }
}

#[cfg(test)]
mod tests;
