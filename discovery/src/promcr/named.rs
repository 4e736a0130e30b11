//! Objects watched one by one, by name.
//!
//! A watch of one name needs no permission on others (`resourceNames` in a role counts if the request names the object),
//! and no value passes through here that nobody refers to. The API server is made for it: each kubelet watches the
//! Secrets and ConfigMaps of its pods in this way. Whoever may only `get` an object is served too: then it is asked for
//! again and again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use crate::kubernetes::{Cluster, Condition, Kind, ObjectKey, Scope, Subscription, Unknown, Watches};
use crate::status::lock;

/// What is known of a named object.
#[derive(Debug)]
pub(crate) enum Found<T> {
    NotYet,
    /// In the server's words.
    None(Arc<str>),
    Object(Arc<T>),
}

impl<T> Clone for Found<T> {
    fn clone(&self) -> Self {
        match self {
            Self::NotYet => Self::NotYet,
            Self::None(why) => Self::None(why.clone()),
            Self::Object(object) => Self::Object(object.clone()),
        }
    }
}

/// What watching by name needs.
#[derive(Clone, Debug)]
pub(crate) struct NamedSettings {
    pub(crate) watches: Watches,
    pub(crate) cluster: Cluster,
    pub(crate) bell: Arc<Notify>,
    /// Pause between two looks at an object that may not be watched.
    pub(crate) poll: Duration,
}

/// One object, followed.
#[derive(Debug)]
pub(crate) struct Named<K: Kind> {
    settings: NamedSettings,
    key: ObjectKey,
    subscription: Subscription<K>,
    poll: Option<Poll<K::Kept>>,
}

/// The object as the last look at it found it; `None`: no look has succeeded.
type Looked<T> = Arc<Mutex<Option<Found<T>>>>;

#[derive(Debug)]
struct Poll<T> {
    found: Looked<T>,
    /// Dropped, it ends the task.
    _task: AbortOnDropHandle<()>,
}

impl<K: Kind> Named<K> {
    pub(crate) fn new(settings: &NamedSettings, key: ObjectKey) -> Self {
        let scope = Scope {
            namespace: K::RESOURCE.namespaced.then(|| key.namespace.clone()),
            field_selector: format!("metadata.name={}", key.name),
            ..Scope::default()
        };
        let subscription = settings.watches.subscribe(&settings.cluster, scope, settings.bell.clone());
        Self { settings: settings.clone(), key, subscription, poll: None }
    }

    /// Looks at how its watch is doing: where it may not be watched, it is polled. To be called when the bell rang.
    pub(crate) fn tend(&mut self) {
        drop(self.subscription.take_changes()); // what it is now is asked for each time
        match self.subscription.condition() {
            Condition::Forbidden(_) => {
                let poll = || Poll::start::<K>(&self.settings, &self.key);
                self.poll.get_or_insert_with(poll);
            }
            Condition::Watching => self.poll = None,
            Condition::Listing | Condition::Absent | Condition::Failing(_) => {}
        }
    }

    /// What its watch is at.
    pub(crate) fn condition(&self) -> Condition {
        self.subscription.condition()
    }

    /// The object as far as it is known.
    pub(crate) fn found(&self) -> Found<K::Kept> {
        if let Some(found) = self.poll.as_ref().and_then(|poll| lock(&poll.found).clone()) {
            return found;
        }
        if let Some(object) = self.subscription.get(&self.key) {
            return Found::Object(object);
        }
        if self.subscription.synced() {
            return Found::None(format!("{:?} not found", self.key.name).into());
        }
        // an API server that does not answer says nothing about the object
        Found::NotYet
    }
}

impl<T: PartialEq + Send + Sync + 'static> Poll<T> {
    fn start<K: Kind<Kept = T>>(settings: &NamedSettings, key: &ObjectKey) -> Self {
        let found = Looked::default();
        let task = look::<K>(settings.clone(), key.clone(), found.clone());
        Self { found, _task: AbortOnDropHandle::new(tokio::spawn(task)) }
    }
}

/// Looks at an object for ever.
async fn look<K: Kind>(settings: NamedSettings, key: ObjectKey, found: Looked<K::Kept>) {
    loop {
        let now = match settings.cluster.object::<K>(&key).await {
            Ok(Some(kept)) => Some(Found::Object(Arc::new(kept))),
            Ok(None) => Some(Found::None(format!("{:?} not found", key.name).into())),
            Err(Unknown::Refused(why)) => Some(Found::None(why.into())),
            Err(Unknown::Failed(error)) => {
                tracing::debug!(resource = %K::RESOURCE, object = %key, %error, "cannot read it now");
                None
            }
        };
        // an answer that says nothing of the object leaves what is known
        if let Some(now) = now {
            let mut held = lock(&found);
            let same = match (&*held, &now) {
                (Some(Found::Object(one)), Found::Object(other)) => one == other,
                (Some(Found::None(one)), Found::None(other)) => one == other,
                _ => false,
            };
            if !same {
                *held = Some(now);
                settings.bell.notify_one();
            }
        }
        tokio::time::sleep(settings.poll).await;
    }
}
