//! From pods to collectors: a function of the pods and the time.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use ta_model::{Collector, CollectorSet};

use super::pod::CollectorPod;

/// What happens to a collector whose pod is being deleted. Upstream changed its mind after 0.158.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Terminating {
    /// Its targets go to others at once (upstream's `main`). A pod on a node that is gone may terminate for ever: nobody
    /// would scrape its targets.
    #[default]
    Drop,
    /// It keeps them until it is gone, or unhealthy for long enough (upstream up to 0.158).
    Keep,
}

/// What makes a pod a collector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// How long a collector may be unhealthy. Zero: for ever.
    pub(crate) grace: Duration,
    pub(crate) terminating: Terminating,
    /// Every pod of the namespace is selected, ours too.
    pub(crate) selects_all: bool,
    /// The name of the pod we run in; empty where unknown.
    pub(crate) own_pod: String,
}

/// Why a pod is no collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LeftOut {
    /// It has no node yet.
    NotScheduled,
    Terminating,
    /// Its phase has not been Running for longer than the grace period.
    NotRunning,
    /// Its Ready condition has not been true for longer than the grace period.
    NotReady,
    /// It is a target allocator.
    Allocator,
}

impl LeftOut {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotScheduled => "not scheduled yet",
            Self::Terminating => "terminating",
            Self::NotRunning => "not running for longer than the grace period",
            Self::NotReady => "not ready for longer than the grace period",
            Self::Allocator => "a target allocator",
        }
    }
}

/// What follows from the pods at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) collectors: CollectorSet,
    /// By pod.
    pub(crate) left_out: BTreeMap<String, LeftOut>,
    /// When the next collector will have been unhealthy for too long, should nothing change.
    pub(crate) next: Option<SystemTime>,
}

impl Rules {
    /// Decides over all pods of one namespace (opentelemetry-operator:
    /// `cmd/otel-allocator/internal/collector/collector.go`, `runOnCollectors`).
    pub(crate) fn decide<P: std::borrow::Borrow<CollectorPod>>(
        &self,
        pods: &BTreeMap<String, P>,
        now: SystemTime,
    ) -> Decision {
        let own = pods.get(&self.own_pod).and_then(|pod| pod.borrow().family);
        let mut decision = Decision::default();
        let mut collectors = Vec::new();
        for (name, pod) in pods {
            let pod = pod.borrow();
            match self.judge(pod, self.is_ours(name, pod, own), now) {
                Ok(deadline) => {
                    collectors.push(Collector::new(name.as_str(), &*pod.node));
                    decision.next = [decision.next, deadline].into_iter().flatten().min();
                }
                Err(reason) => drop(decision.left_out.insert(name.clone(), reason)),
            }
        }
        decision.collectors = CollectorSet::new(collectors).expect("the names are keys of a map");
        decision
    }

    /// Whether it is an allocator's pod, as all replicas of the allocator would say it of all of them: otherwise each
    /// would take the others for collectors, and they would not agree. A selector that names pods is taken at its word.
    fn is_ours(&self, name: &str, pod: &CollectorPod, own: Option<u64>) -> bool {
        self.selects_all && (pod.is_allocator || name == self.own_pod || (own.is_some() && pod.family == own))
    }

    /// `Ok`: a collector, up to this instant if it stays as it is.
    fn judge(&self, pod: &CollectorPod, is_ours: bool, now: SystemTime) -> Result<Option<SystemTime>, LeftOut> {
        if is_ours {
            return Err(LeftOut::Allocator);
        }
        if pod.node.is_empty() {
            return Err(LeftOut::NotScheduled);
        }
        if pod.is_terminating && self.terminating == Terminating::Drop {
            return Err(LeftOut::Terminating);
        }
        let started = pod.started.filter(|_| !pod.is_running);
        let deadlines = [(started, LeftOut::NotRunning), (pod.unready_since, LeftOut::NotReady)];
        let mut first: Option<SystemTime> = None;
        for (since, reason) in deadlines {
            let Some(deadline) = since.and_then(|since| self.deadline(since)) else { continue };
            if now >= deadline {
                return Err(reason);
            }
            first = Some(first.map_or(deadline, |first| first.min(deadline)));
        }
        Ok(first)
    }

    /// The first instant that lies more than the grace period after `since`: upstream's comparison is strict. `None`: never.
    fn deadline(&self, since: SystemTime) -> Option<SystemTime> {
        if self.grace.is_zero() {
            return None;
        }
        since.checked_add(self.grace)?.checked_add(Duration::from_nanos(1))
    }
}

#[cfg(test)]
mod tests;
