//! The collectors of a fleet in Kubernetes: its pods.
//!
//! ```text
//!  watch of pods ──bell──► debounce ─┐
//!                                    ├─► decide(pods, now) ─► (set, next deadline) ─► Fleet
//!  deadline of the last decision ────┘
//! ```

mod decide;
mod pod;
mod steady;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ta_model::CollectorSet;
use ta_model::cr::LabelSelector;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::client::Cluster;
use super::object::Kind;
use super::resource::Resource;
use super::watch::{Condition, Scope, Subscription, Watches};
use crate::collectors::Fleet;
use crate::status::Clock;
use decide::{Decision, LeftOut, Rules};
use pod::CollectorPod;
use steady::Steady;

pub use decide::Terminating;

#[cfg(test)]
mod tests;

/// After the first of several changes: a rollout changes many pods at the same time.
const DEBOUNCE: Duration = Duration::from_millis(150);

/// Pods that a log line names before it only counts them.
const NAMED: usize = 10;

/// Which pods are collectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorPodsConfig {
    pub namespace: String,
    /// `None` and the empty selector both mean every pod of the namespace, as upstream.
    pub selector: Option<LabelSelector>,
    /// How long a collector may be unhealthy before its targets go to others; zero: for ever.
    pub not_ready_grace_period: Duration,
    pub terminating: Terminating,
    /// The name of the pod we run in; empty where unknown.
    pub own_pod: String,
}

/// Collector pods on their way to a [`Fleet`].
pub struct CollectorPods {
    config: CollectorPodsConfig,
    watches: Watches,
    cluster: Cluster,
    clock: Clock,
}

impl std::fmt::Debug for CollectorPods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CollectorPods").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The kind of object watched: pods, of which only what decides is kept.
struct Pods;

impl Kind for Pods {
    type Kept = CollectorPod;
    const RESOURCE: Resource = Resource { group: "", version: "v1", plural: "pods", kind: "Pod", namespaced: true };

    fn keep(json: &[u8]) -> Result<CollectorPod, String> {
        CollectorPod::decode(json)
    }

    fn bytes(pod: &CollectorPod) -> usize {
        pod.node.len()
    }
}

impl CollectorPodsConfig {
    /// What is watched.
    #[must_use]
    pub fn watched(&self) -> (Resource, Scope) {
        let namespace = Some(self.namespace.as_str().into());
        // as the API server takes it
        let label_selector = self.selector.as_ref().map(ToString::to_string).unwrap_or_default();
        (Pods::RESOURCE, Scope { namespace, label_selector, field_selector: String::new() })
    }

    fn selects_all(&self) -> bool {
        self.selector.as_ref().is_none_or(LabelSelector::is_empty)
    }

    fn rules(&self) -> Rules {
        Rules {
            grace: self.not_ready_grace_period,
            terminating: self.terminating,
            selects_all: self.selects_all(),
            own_pod: self.own_pod.clone(),
        }
    }
}

impl CollectorPods {
    /// Collectors in `cluster`. `clock` tells the time of day, which pods are compared with.
    #[must_use]
    pub fn new(config: CollectorPodsConfig, watches: Watches, cluster: Cluster, clock: Clock) -> Self {
        Self { config, watches, cluster, clock }
    }

    /// Sends the fleet whenever it changes, until `cancel`: [`Fleet::Known`] once the pods have been listed, and from then
    /// on whatever the API server does; before that [`Fleet::Denied`] while it forbids to list them.
    pub async fn run(self, fleet: watch::Sender<Fleet>, cancel: CancellationToken) {
        let (_, scope) = self.config.watched();
        let bell = Arc::new(Notify::new());
        let pods = self.watches.subscribe::<Pods>(&self.cluster, scope, bell.clone());
        let steady = Steady::new((self.clock)());
        let mut decider = Decider { rules: self.config.rules(), steady, left_out: BTreeMap::new() };
        loop {
            let pause = decider.look(&pods, (self.clock)(), &fleet);
            let is_known = fleet.borrow().is_known();
            tokio::select! {
                () = cancel.cancelled() => return,
                () = maybe_sleep(pause) => {}
                () = rung(&bell, is_known) => {}
            }
        }
    }
}

/// Waits for the bell, and then, unless it is the first that is ever heard, for what else is changing.
async fn rung(bell: &Notify, is_known: bool) {
    bell.notified().await;
    if is_known {
        sleep(DEBOUNCE).await;
    }
}

async fn maybe_sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => sleep(pause).await,
        None => std::future::pending().await,
    }
}

/// Decides and tells.
struct Decider {
    rules: Rules,
    steady: Steady,
    /// As last told.
    left_out: BTreeMap<String, LeftOut>,
}

impl Decider {
    /// Looks at the pods as they are at this time of day, sends what changed, and says after how long to look again if
    /// nothing rings.
    fn look(
        &mut self,
        pods: &Subscription<Pods>,
        time_of_day: SystemTime,
        fleet: &watch::Sender<Fleet>,
    ) -> Option<Duration> {
        drop(pods.take_changes()); // or the bell would not ring again
        match pods.condition() {
            Condition::Forbidden(_) if !pods.synced() => drop(send(fleet, Fleet::Denied)),
            // every API server has pods: whoever says otherwise is none, and says nothing about collectors
            Condition::Absent => return None,
            _ => {}
        }
        if !pods.synced() {
            return None;
        }
        let pods = pods.all().into_iter().map(|(key, pod)| (key.name.to_string(), pod));
        let (pods, now) = (self.steady.pods(pods, time_of_day), self.steady.now());
        let Decision { collectors, left_out, next } = self.rules.decide(&pods, now);
        self.tell_left_out(left_out);
        let before = fleet.borrow().collectors();
        if send(fleet, Fleet::Known(collectors.clone())) {
            tell_changes(&before, &collectors);
        }
        next.map(|next| next.duration_since(now).unwrap_or(Duration::ZERO))
    }

    /// Logs who is no collector any more, or no longer left out.
    fn tell_left_out(&mut self, left_out: BTreeMap<String, LeftOut>) {
        let changed = left_out.iter().filter(|(name, reason)| self.left_out.get(*name) != Some(reason));
        for (pod, reason) in changed.take(NAMED) {
            tracing::info!(%pod, reason = reason.as_str(), "a selected pod is no collector");
        }
        self.left_out = left_out;
    }
}

/// Whether it was news.
fn send(fleet: &watch::Sender<Fleet>, news: Fleet) -> bool {
    fleet.send_if_modified(|fleet| {
        let changed = *fleet != news;
        *fleet = news;
        changed
    })
}

fn tell_changes(before: &CollectorSet, after: &CollectorSet) {
    let only_in = |one: &CollectorSet, other: &CollectorSet| -> Vec<Arc<str>> {
        let missing = one.iter().filter(|collector| !other.contains(collector));
        missing.take(NAMED).map(|collector| collector.name.clone()).collect()
    };
    // a collector that moved is in both
    let (added, removed) = (only_in(after, before), only_in(before, after));
    tracing::info!(collectors = after.len(), ?added, ?removed, "the collectors changed");
}
