//! What changes in a synthetic cluster, and what an allocator must serve because of it.

use std::collections::VecDeque;
use std::time::Instant;

use super::shapes::Phase;
use super::{PodState, Population};
use crate::cluster::SimulatedCluster;
use crate::cluster::server::Shared;
use crate::protocol::Fingerprint;
use crate::rng::Rng;

/// Kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ClusterChurnKind {
    /// Single pods, anywhere, as evictions are.
    #[default]
    PodReplacement,
    /// All pods of a Deployment, one after the other; then those of another one.
    RollingDeployment,
    /// A node is gone; its pods are replaced on others at the rate; then it comes back and the next one goes.
    NodeLoss,
    /// Single ServiceMonitors are edited: another metrics path.
    MonitorEdits,
}

/// Where a change shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `/jobs/<job>/targets`.
    Targets(String),
    /// `/scrape_configs`.
    ScrapeConfigs,
}

/// A text that must be served from a moment on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// Where.
    pub place: Place,
    /// The text.
    pub text: String,
    /// When the API server told it to whoever watches.
    pub at: Instant,
}

/// A target that takes the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// The one that goes.
    pub removed: Fingerprint,
    /// The one that comes.
    pub added: Fingerprint,
}

#[derive(Debug, Clone, Copy)]
enum Pending {
    Replace(u32),
    Return(u32),
}

/// Makes changes at a rate.
#[derive(Debug)]
pub struct ClusterChurn {
    kind: ClusterChurnKind,
    /// Pods or monitors per second.
    rate: f64,
    rng: Rng,
    queue: VecDeque<Pending>,
    due: f64,
}

impl ClusterChurn {
    /// Churn that has not begun.
    pub fn new(kind: ClusterChurnKind, rate: f64, seed: u64) -> ClusterChurn {
        ClusterChurn { kind, rate, rng: Rng::at(seed, [0xc1, 0, 0]), queue: VecDeque::new(), due: 0.0 }
    }

    /// Changes what `seconds` of churn change; gives what must be served because of it.
    pub fn advance(
        &mut self,
        population: &mut Population,
        cluster: &SimulatedCluster,
        seconds: f64,
    ) -> Vec<Expectation> {
        self.advance_telling(population, cluster, seconds, &mut |_| {})
    }

    /// The same, telling of each target before anybody can see that it is another one.
    pub fn advance_telling(
        &mut self,
        population: &mut Population,
        cluster: &SimulatedCluster,
        seconds: f64,
        tell: &mut dyn FnMut(Replaced),
    ) -> Vec<Expectation> {
        let shared = cluster.shared();
        let mut expected = Vec::new();
        self.due += self.rate * seconds;
        while self.due >= 1.0 {
            self.due -= 1.0;
            if self.kind == ClusterChurnKind::MonitorEdits {
                let Some(monitor) = self.pick(population.options.monitors) else { return expected };
                expected.push(population.edit_monitor(monitor, shared));
                continue;
            }
            if self.queue.is_empty() && !self.refill(population, shared) {
                return expected;
            }
            match self.queue.pop_front() {
                Some(Pending::Replace(pod)) => {
                    let node = self.other_node(population, population.pods[pod as usize].node);
                    expected.push(population.replace_pod(pod, node, shared, tell));
                }
                Some(Pending::Return(node)) => shared.write("nodes", population.node(node, true)),
                None => {}
            }
        }
        expected
    }

    fn pick(&mut self, bound: u32) -> Option<u32> {
        (bound > 0).then(|| self.rng.below(bound.into()) as u32)
    }

    fn other_node(&mut self, population: &Population, not: u32) -> u32 {
        let nodes = population.options.nodes.max(1);
        let node = self.rng.below(nodes.into()) as u32;
        if node == not { (node + 1) % nodes } else { node }
    }

    /// Plans the next event; false if there is nothing to change.
    fn refill(&mut self, population: &mut Population, shared: &Shared) -> bool {
        let Some(pod) = self.pick(population.options.pods) else { return false };
        match self.kind {
            ClusterChurnKind::RollingDeployment => {
                let service = population.service_of(pod);
                population.revisions[service as usize] += 1;
                shared.write("replicasets", population.replica_set(service));
                self.queue.extend(population.pods_of(service).map(Pending::Replace));
            }
            ClusterChurnKind::NodeLoss => {
                let node = population.pods[pod as usize].node;
                shared.take_away("nodes", &population.node(node, false));
                let lost = (0..population.options.pods).filter(|pod| population.pods[*pod as usize].node == node);
                self.queue.extend(lost.map(Pending::Replace));
                self.queue.push_back(Pending::Return(node));
            }
            _ => self.queue.push_back(Pending::Replace(pod)),
        }
        true
    }
}

impl Population {
    /// What the controllers and a kubelet do when a pod is replaced, all at once: the new one is made, scheduled and
    /// ready, the old one winds down, the slice takes the one and then lets the other go.
    fn replace_pod(&mut self, pod: u32, node: u32, shared: &Shared, tell: &mut dyn FnMut(Replaced)) -> Expectation {
        let service = self.service_of(pod);
        let old = self.pods[pod as usize];
        let revision = self.revisions[service as usize];
        let new = PodState { serial: old.serial + 1, revision, node, ip: self.next_ip };
        self.next_ip = self.next_ip.wrapping_add(1);
        self.pods[pod as usize] = new;
        shared.write("pods", self.pod(service, pod, new, Phase::Pending));
        shared.write("pods", self.pod(service, pod, new, Phase::Running));
        let leaving = self.pod(service, pod, old, Phase::Terminating);
        shared.write("pods", leaving.clone());
        let slice = self.slice_of(service, pod);
        let job = self.job_of(service);
        tell(Replaced { removed: self.target(&job, old), added: self.target(&job, new) });
        let at = Instant::now();
        shared.write("endpointslices", self.slice(service, slice, Some((pod, old))));
        if self.options.endpoints {
            shared.write("endpoints", self.endpoints(service));
        }
        shared.write("endpointslices", self.slice(service, slice, None));
        shared.take_away("pods", &leaving);
        Expectation { place: Place::Targets(job), text: format!("\"{}\"", self.pod_address(new)), at }
    }

    fn edit_monitor(&mut self, monitor: u32, shared: &Shared) -> Expectation {
        self.edits[monitor as usize] += 1;
        let object = self.monitor(monitor);
        let at = Instant::now();
        shared.write("servicemonitors", object);
        Expectation { place: Place::ScrapeConfigs, text: format!("\"{}\"", self.monitor_path(monitor)), at }
    }
}
