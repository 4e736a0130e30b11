//! How watches are doing, for pages and metrics.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use super::Scope;
use crate::kubernetes::resource::Resource;
use crate::status::{Status, lock};

/// What a watch is at. It says nothing about objects: those held stay whatever it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// The first list is under way.
    #[default]
    Listing,
    Watching,
    /// The server does not have this kind (404), which is as good as none of its objects. Asked again every few seconds.
    Absent,
    /// 403, with the server's words. Asked again with growing pauses.
    Forbidden(String),
    /// Anything else that keeps it from watching, in one sentence.
    Failing(String),
}

/// One watch as it stands.
#[derive(Clone, Debug)]
pub struct WatchView {
    /// As in [`crate::Cluster::name`].
    pub cluster: Arc<str>,
    pub resource: Resource,
    pub scope: Scope,
    pub subscribers: usize,
    /// The first list has been applied.
    pub synced: bool,
    pub condition: Condition,
    pub objects: usize,
    /// On the heap, for objects and their names.
    pub bytes: usize,
    /// Objects that could not be read, each time they came.
    pub undecodable: u64,
    /// Which one was the last, and what was wrong with it.
    pub last_undecodable: String,
    /// When the server last sent something: an object, a list, a bookmark.
    pub last_event: Option<SystemTime>,
    /// Events of objects: added, changed, deleted.
    pub events: u64,
    /// Lists that were applied, the first one included.
    pub lists: u64,
    pub errors: u64,
    /// Kept after recovery.
    pub last_error: String,
    pub last_error_at: Option<SystemTime>,
    /// Requests sent: lists (each page), streams, watches.
    pub requests: u64,
}

/// Where one watch says how it is doing.
#[derive(Debug)]
pub(crate) struct WatchNotes {
    status: Arc<Status>,
    view: Mutex<WatchView>,
}

impl WatchNotes {
    pub(super) fn new(cluster: &Arc<str>, resource: Resource, scope: &Scope, status: Arc<Status>) -> Self {
        let view = WatchView {
            cluster: cluster.clone(),
            resource,
            scope: scope.clone(),
            subscribers: 0,
            synced: false,
            condition: Condition::Listing,
            objects: 0,
            bytes: 0,
            undecodable: 0,
            last_undecodable: String::new(),
            last_event: None,
            events: 0,
            lists: 0,
            errors: 0,
            last_error: String::new(),
            last_error_at: None,
            requests: 0,
        };
        Self { status, view: Mutex::new(view) }
    }

    pub(crate) fn view(&self) -> WatchView {
        lock(&self.view).clone()
    }

    pub(super) fn set_subscribers(&self, subscribers: usize) {
        self.change(|view, _| view.subscribers = subscribers);
    }

    /// Changes the view; the time is that of the process's clock.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut WatchView, SystemTime) -> R) -> R {
        change(&mut lock(&self.view), self.status.now())
    }
}
