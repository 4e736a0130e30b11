//! How the server misbehaves.

use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::store::Signal;
use crate::stats::lock;

/// Which requests a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verbs {
    /// All of them.
    #[default]
    Any,
    /// Lists.
    List,
    /// Watches.
    Watch,
    /// Lists and watches.
    Read,
    /// Single objects.
    Get,
    /// Everything that writes.
    Write,
}

/// What happens to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// 403, as missing RBAC rules give; SelfSubjectAccessReviews say the same.
    Forbidden,
    /// 401.
    Unauthorized,
    /// 429.
    TooManyRequests {
        /// Seconds of the Retry-After header; none to leave it out.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// 410 before the watch or list begins.
    Gone,
    /// Another status.
    Status {
        /// Its code.
        code: u16,
    },
    /// An answer later than it could be.
    Latency {
        /// Milliseconds.
        millis: u64,
    },
    /// The connection is reset (RST) instead of an answer.
    Reset,
    /// No answer, and nothing in open watches, until the fault is taken away.
    Hang,
    /// Bodies trickle, also those under way.
    Slow {
        /// Bytes per second.
        bytes_per_second: u64,
    },
    /// Bodies of lists are cut off in the middle, and the connection with them.
    Truncated,
}

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Plural name of the kind; `*` for all.
    #[serde(default = "everything")]
    pub resource: String,
    /// Only requests about this namespace; empty for those about the whole cluster; none for all.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Which requests.
    #[serde(default)]
    pub verbs: Verbs,
    /// What happens.
    pub kind: FaultKind,
    /// How often, after which it is gone; none for ever.
    #[serde(default)]
    pub times: Option<u64>,
}

fn everything() -> String {
    "*".to_owned()
}

impl Fault {
    /// A fault of every request about a resource (`*` for all), for ever.
    pub fn new(resource: &str, kind: FaultKind) -> Fault {
        Fault { resource: resource.to_owned(), namespace: None, verbs: Verbs::Any, kind, times: None }
    }

    /// Only these requests.
    pub fn on(self, verbs: Verbs) -> Fault {
        Fault { verbs, ..self }
    }

    /// Only requests about this namespace; empty for those about the whole cluster.
    pub fn in_namespace(self, namespace: &str) -> Fault {
        Fault { namespace: Some(namespace.to_owned()), ..self }
    }

    /// Only so often.
    pub fn times(self, times: u64) -> Fault {
        Fault { times: Some(times), ..self }
    }
}

/// What a request asks, as far as faults care.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) resource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) verb: Verbs,
}

impl Fault {
    fn hits(&self, asked: Asked<'_>) -> bool {
        let verb = match self.verbs {
            Verbs::Any => true,
            Verbs::Read => matches!(asked.verb, Verbs::List | Verbs::Watch),
            verbs => verbs == asked.verb,
        };
        let namespace = self.namespace.as_deref().is_none_or(|namespace| namespace == asked.namespace);
        verb && namespace && (self.resource == "*" || self.resource == asked.resource)
    }
}

/// The faults of a running cluster; all of them can be changed while it runs.
#[derive(Debug)]
pub struct Faults {
    list: Mutex<Vec<Fault>>,
    changed: watch::Sender<u64>,
    token: Mutex<Option<String>>,
}

impl Faults {
    pub(crate) fn new(token: Option<String>) -> Faults {
        Faults { list: Mutex::default(), changed: watch::channel(0).0, token: Mutex::new(token) }
    }

    /// Adds a fault.
    pub fn add(&self, fault: Fault) {
        lock(&self.list).push(fault);
        self.ring();
    }

    /// Takes away the faults of a resource (`*`: those set for `*`).
    pub fn clear(&self, resource: &str) {
        lock(&self.list).retain(|fault| fault.resource != resource);
        self.ring();
    }

    /// Takes away all faults.
    pub fn clear_all(&self) {
        lock(&self.list).clear();
        self.ring();
    }

    /// The faults set.
    pub fn all(&self) -> Vec<Fault> {
        lock(&self.list).clone()
    }

    /// Changes the bearer token that is accepted from the next request on; none accepts everybody.
    pub fn set_token(&self, token: Option<&str>) {
        *lock(&self.token) = token.map(str::to_owned);
    }

    /// The bearer token that is accepted.
    pub fn token(&self) -> Option<String> {
        lock(&self.token).clone()
    }

    fn ring(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Whether a request is forbidden, without using the fault up.
    pub(crate) fn forbids(&self, asked: Asked<'_>) -> bool {
        lock(&self.list).iter().any(|fault| fault.kind == FaultKind::Forbidden && fault.hits(asked))
    }

    /// Everything that befalls a request, once.
    pub(crate) fn befall(&self, asked: Asked<'_>) -> Vec<FaultKind> {
        let mut list = lock(&self.list);
        let mut found = Vec::new();
        for fault in list.iter_mut().filter(|fault| fault.hits(asked)) {
            found.push(fault.kind.clone());
            if let Some(times) = &mut fault.times {
                *times = times.saturating_sub(1);
            }
        }
        list.retain(|fault| fault.times != Some(0));
        found
    }

    /// Waits as long as there is a fault that hangs such requests.
    pub(crate) async fn unhung(&self, asked: Asked<'_>) {
        let mut changed = self.changed.subscribe();
        let hung = || lock(&self.list).iter().any(|fault| fault.kind == FaultKind::Hang && fault.hits(asked));
        while hung() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Bytes per second, if bodies of such requests trickle now.
    pub(crate) fn pace(&self, asked: Asked<'_>) -> Option<u64> {
        let list = lock(&self.list);
        list.iter().filter(|fault| fault.hits(asked)).find_map(|fault| match fault.kind {
            FaultKind::Slow { bytes_per_second } => Some(bytes_per_second.max(1)),
            _ => None,
        })
    }
}

/// Pieces of a trickling body: twenty a second, at least a byte each.
pub(crate) fn piece(bytes_per_second: u64) -> (usize, Duration) {
    let bytes = (bytes_per_second / 20).max(1);
    (bytes as usize, Duration::from_secs_f64(bytes as f64 / bytes_per_second as f64))
}

/// A line no client can read, for open watches.
pub(crate) fn garbage() -> Signal {
    Signal::Send(bytes::Bytes::from_static(b"{\"type\":\"MODIFIED\",\"object\":{\"kind\":\n"))
}
