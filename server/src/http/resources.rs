//! What pages and metrics want to know of prometheus-operator resources.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ta_model::cr::{ObjectId, ObjectState};

/// How resources stand, read at one instant.
#[derive(Clone, Debug, Default)]
pub struct ResourceStatus {
    /// Every object there is, by kind, namespace and name.
    pub objects: Vec<(ObjectId, ObjectState)>,
    pub watches: Vec<ResourceWatchStatus>,
    /// Jobs have been delivered once.
    pub is_published: bool,
    /// Objects translated since the start, each time.
    pub generations: u64,
    /// Looks at everything since the start, and what they took together.
    pub passes: u64,
    pub took: Duration,
    pub last_pass: Option<SystemTime>,
}

/// One watch of a kind.
#[derive(Clone, Debug, Default)]
pub struct ResourceWatchStatus {
    pub kind: &'static str,
    /// `None`: all namespaces.
    pub namespace: Option<Arc<str>>,
    pub synced: bool,
    /// The server does not have the kind.
    pub absent: bool,
    /// Why it does not watch; empty while all is well.
    pub problem: String,
    /// Its objects can make jobs.
    pub needed: bool,
}
