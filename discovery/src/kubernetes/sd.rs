//! The source behind `kubernetes_sd_configs`.
//!
//! ```text
//!  primary objects ──changed──► due ──build──► group ──► Deliver
//!  what they look up ─changed─► questions ─┘     │
//!                                  ▲─────────────┘ what was asked while it was built
//! ```
//!
//! While a group is built, every object that is looked up is noted, found or not. When one of them changes, the group
//! is built again: so labels follow whatever they are made of, and a change costs as much as the groups it touches.
//! (Prometheus follows fewer things: a pod's labels reach endpoints with the endpoints' own next change.)

mod questions;
mod watched;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use ta_model::group::{GroupBuilder, TargetGroup};
use ta_model::scrape_config::{KubernetesRole, KubernetesSdConfig};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::client::{Cluster, Kubernetes};
use super::kinds::{EndpointSlices, EndpointsKind, Ingresses, Nodes, Pods, Services};
use super::object::{Kind, ObjectKey};
use super::role::{Drawing, Role};
use super::watch::Watches;
use crate::source::{Deliver, NamedGroup, SourceError};
use questions::Questions;
use watched::Watched;

/// Groups delivered at once: enough to make one delivery cheap, few enough to begin with the first ones early.
const BATCH: usize = 512;

/// Targets built before other tasks get their turn: about 300 µs of work.
const TURN: usize = 128;

/// Finds the targets that `config` describes, until `cancel`.
///
/// # Errors
/// If there is no way to reach the API server that `config` means.
pub(crate) async fn run(
    config: KubernetesSdConfig,
    kubernetes: Kubernetes,
    deliver: Deliver,
    cancel: CancellationToken,
) -> Result<(), SourceError> {
    let cluster = kubernetes.cluster_for(&config)?;
    let watches = &kubernetes.watches;
    match config.role {
        KubernetesRole::Node => Sd::<Nodes>::new(config, watches, &cluster, deliver)?.run(cancel).await,
        KubernetesRole::Pod => Sd::<Pods>::new(config, watches, &cluster, deliver)?.run(cancel).await,
        KubernetesRole::Service => Sd::<Services>::new(config, watches, &cluster, deliver)?.run(cancel).await,
        KubernetesRole::Endpoints => Sd::<EndpointsKind>::new(config, watches, &cluster, deliver)?.run(cancel).await,
        KubernetesRole::EndpointSlice => {
            Sd::<EndpointSlices>::new(config, watches, &cluster, deliver)?.run(cancel).await
        }
        KubernetesRole::Ingress => Sd::<Ingresses>::new(config, watches, &cluster, deliver)?.run(cancel).await,
    }
    Ok(())
}

/// One SD config at work; `K` is the kind of its role.
struct Sd<K: Kind> {
    config: KubernetesSdConfig,
    watched: Watched<K>,
    bell: Arc<Notify>,
    questions: Questions,
    builder: GroupBuilder,
    deliver: Deliver,
}

impl<K: Kind<Kept: Role>> Sd<K> {
    fn new(
        config: KubernetesSdConfig,
        watches: &Watches,
        cluster: &Cluster,
        deliver: Deliver,
    ) -> Result<Self, SourceError> {
        let bell = Arc::new(Notify::new());
        let watched = Watched::new(&config, watches, cluster, &bell)?;
        Ok(Self { config, watched, bell, questions: Questions::default(), builder: GroupBuilder::new(), deliver })
    }

    async fn run(mut self, cancel: CancellationToken) {
        let began = Instant::now();
        let mut troubles = Vec::new();
        let mut synced = false;
        loop {
            let before = std::mem::replace(&mut troubles, self.watched.troubles());
            if troubles != before {
                self.deliver.status().follows(&troubles);
            }
            if synced {
                self.update().await;
            } else if self.watched.is_complete() {
                self.update().await;
                self.deliver.synced().await;
                self.deliver.status().refreshed(began.elapsed(), &troubles);
                synced = true;
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.bell.notified() => {}
            }
        }
    }

    /// Delivers the groups of all objects that changed, and of those that looked up what changed.
    async fn update(&mut self) {
        let mut due: HashSet<ObjectKey> = HashSet::new();
        self.watched.take_looked_up(|question| due.extend(self.questions.askers(question).cloned()));
        self.watched.take_primaries(|key| due.extend([key]));
        let mut batch = Vec::with_capacity(due.len().min(BATCH));
        let mut built = 0;
        for key in due {
            if let Some(group) = self.build(&key) {
                built += 1 + group.1.len();
                batch.push(group);
            }
            if batch.len() == BATCH {
                self.deliver.groups(std::mem::take(&mut batch)).await;
            }
            if built >= TURN {
                tokio::task::yield_now().await;
                built = 0;
            }
        }
        if !batch.is_empty() {
            self.deliver.groups(batch).await;
        }
    }

    /// The group of a primary object; an empty one if the object is gone. `None`: it stays as it is.
    fn build(&mut self, key: &ObjectKey) -> Option<NamedGroup> {
        let Some((object, mut look_up)) = self.watched.find(key) else {
            self.questions.forget(key);
            return Some((source::<K>(key), Arc::new(TargetGroup::default())));
        };
        let mut drawing = Drawing::new(&mut self.builder, &mut look_up, self.config.attach_metadata);
        let group = object.group(&key.namespace, &key.name, &mut drawing);
        self.questions.note(key, look_up.asked());
        Some((source::<K>(key), Arc::new(group?)))
    }
}

/// `pod/<namespace>/<name>`, `node/<name>`.
fn source<K: Kind<Kept: Role>>(key: &ObjectKey) -> Arc<str> {
    format!("{}{key}", K::Kept::SOURCE).into()
}

#[cfg(test)]
mod tests;
