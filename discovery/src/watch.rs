//! Notices changes of files by watching their directories.
//!
//! Directories, not files: an editor replaces a file by another, and a mounted ConfigMap swaps a symlink (`..data`)
//! beside it. One watcher serves everything in the process, because the kernel gives a user only 128 of them.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::status::{Status, count, lock};

/// The longest that a steady stream of events can put off a reaction, in settle times.
const SETTLE_LIMIT: u32 = 10;

/// Watches directories for many listeners. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DirectoryWatcher(Arc<Shared>);

struct Shared {
    status: Arc<Status>,
    listeners: Arc<Mutex<Listeners>>,
    /// Made at first use. `None` inside: it could not be made, so only refresh intervals notice changes.
    watcher: Mutex<Option<Option<RecommendedWatcher>>>,
}

/// Who hears of which directory.
#[derive(Default)]
struct Listeners(HashMap<PathBuf, Vec<Weak<Notify>>>);

impl Listeners {
    fn add(&mut self, directory: &Path, listener: &Arc<Notify>) {
        self.0.entry(directory.to_owned()).or_default().push(Arc::downgrade(listener));
    }

    fn remove(&mut self, directory: &Path, listener: &Arc<Notify>) {
        if let Some(of_directory) = self.0.get_mut(directory) {
            of_directory.retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(listener)));
        }
    }

    fn remove_if_empty(&mut self, directory: &Path) -> bool {
        let empty = self.0.get(directory).is_some_and(Vec::is_empty);
        if empty {
            self.0.remove(directory);
        }
        empty
    }

    fn wake(&self, directory: &Path) {
        self.0.get(directory).into_iter().flatten().filter_map(Weak::upgrade).for_each(|bell| bell.notify_one());
    }

    fn wake_all(&self) {
        self.0.values().flatten().filter_map(Weak::upgrade).for_each(|bell| bell.notify_one());
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DirectoryWatcher").field("directories", &lock(&self.listeners).0.len()).finish_non_exhaustive()
    }
}

impl DirectoryWatcher {
    /// A watcher that watches nothing yet; its failures are counted in `status`.
    #[must_use]
    pub fn new(status: Arc<Status>) -> Self {
        Self(Arc::new(Shared { status, listeners: Arc::default(), watcher: Mutex::default() }))
    }

    /// A listener that hears of no directory yet.
    #[must_use]
    pub fn listen(&self) -> Listener {
        Listener { watcher: self.clone(), wake: Arc::new(Notify::new()), directories: BTreeSet::new() }
    }

    /// Watches `directory` (again: one that was deleted and made anew needs it). Blocks for a system call.
    fn watch(&self, directory: &Path) {
        let mut watcher = lock(&self.0.watcher);
        let Some(watcher) = watcher.get_or_insert_with(|| self.make()) else { return };
        match watcher.watch(directory, RecursiveMode::NonRecursive) {
            Ok(()) => {}
            Err(error) if is_missing(&error) => {} // it may come later
            Err(error) => {
                // told at 1, 2, 4, 8 … times: when the kernel has no more watches, every refresh comes here
                if count(&self.0.status.counters.file_watcher_errors).is_power_of_two() {
                    let directory = directory.display();
                    tracing::warn!(%directory, %error, "cannot watch a directory; changes are noticed at the next refresh");
                }
            }
        }
    }

    fn make(&self) -> Option<RecommendedWatcher> {
        let listeners = self.0.listeners.clone();
        let made = notify::recommended_watcher(move |event: notify::Result<Event>| spread(&listeners, event));
        made.map_err(|error| {
            count(&self.0.status.counters.file_watcher_errors);
            tracing::warn!(%error, "cannot watch files; changes are noticed at the next refresh only");
        })
        .ok()
    }

    fn unwatch_unheard(&self, directories: &BTreeSet<PathBuf>) {
        let mut watcher = lock(&self.0.watcher);
        for directory in directories {
            // Not locked during the call below: it waits for the thread that calls `spread`.
            let unheard = lock(&self.0.listeners).remove_if_empty(directory);
            if unheard && let Some(Some(watcher)) = &mut *watcher {
                watcher.unwatch(directory).ok(); // gone already: as good
            }
        }
    }
}

fn is_missing(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

/// Wakes the listeners of the directories that an event is about; all of them if events were lost.
fn spread(listeners: &Mutex<Listeners>, event: notify::Result<Event>) {
    let listeners = lock(listeners);
    match event {
        Ok(event) if event.need_rescan() => listeners.wake_all(),
        Ok(event) if is_change(&event.kind) => {
            for path in &event.paths {
                listeners.wake(path);
                path.parent().into_iter().for_each(|parent| listeners.wake(parent));
            }
        }
        Ok(_) => {}
        Err(_) => listeners.wake_all(),
    }
}

/// Reading a file and changing its mode are no changes; closing one that was open for writing is.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => false,
        _ => true,
    }
}

/// Hears of changes in its directories.
#[derive(Debug)]
pub struct Listener {
    watcher: DirectoryWatcher,
    wake: Arc<Notify>,
    directories: BTreeSet<PathBuf>,
}

impl Listener {
    /// Watches exactly `directories` from now on. Blocks for system calls; call it from where blocking is allowed.
    pub fn watch(&mut self, directories: BTreeSet<PathBuf>) {
        // events name absolute paths, whatever was asked for
        let absolute = |directory: PathBuf| std::path::absolute(&directory).unwrap_or(directory);
        let directories: BTreeSet<_> = directories.into_iter().map(absolute).collect();
        let left: BTreeSet<_> = self.directories.difference(&directories).cloned().collect();
        {
            let mut listeners = lock(&self.watcher.0.listeners);
            directories.difference(&self.directories).for_each(|new| listeners.add(new, &self.wake));
            left.iter().for_each(|old| listeners.remove(old, &self.wake));
        }
        self.watcher.unwatch_unheard(&left);
        for directory in &directories {
            self.watcher.watch(directory);
        }
        self.directories = directories;
    }

    /// What [`Bell::changed`] waits with; it can be awaited while the listener itself is busy elsewhere.
    #[must_use]
    pub fn bell(&self) -> Bell {
        Bell(self.wake.clone())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.watch(BTreeSet::new());
    }
}

/// Rings when something changed.
#[derive(Clone, Debug)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// Waits for a change, and then until nothing changed for `settle` (ten times that at most), so that a burst of
    /// events is answered once.
    pub async fn changed(&self, settle: Duration) {
        self.0.notified().await;
        let limit = Instant::now() + settle * SETTLE_LIMIT;
        while Instant::now() < limit && timeout(settle, self.0.notified()).await.is_ok() {}
    }
}
