//! A synthetic cluster: life-like objects, a pure function of seed and state, and changes to them.
//!
//! Services are dealt to namespaces in turn, and within a namespace to *components*; the allocator's jobs each scrape one
//! component of one namespace, as those made from ServiceMonitors do. Every service has a Deployment's worth of pods (one
//! ReplicaSet) behind EndpointSlices of at most 100 endpoints; one service in a hundred is thirty times the usual size.

mod churn;
mod options;
mod shapes;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::kinds::KindId;
use super::object::{Text, key};
use super::server::{Shared, SimulatedCluster};
use crate::protocol::{Fingerprint, LabelFold};
use crate::rng::Rng;

pub use churn::{ClusterChurn, ClusterChurnKind, Expectation, Place, Replaced};
pub use options::{PopulationError, PopulationOptions};
pub(super) use shapes::collector_labels;

/// Names of the pods of a StatefulSet of collectors are this and a number from 0.
pub(crate) const COLLECTOR_PREFIX: &str = "otel-collector-";
/// Endpoints of one slice, as the EndpointSlice controller's default.
const SLICE: u32 = 100;
/// Addresses of an Endpoints object, after which Kubernetes truncates it.
const ENDPOINTS: usize = 1000;

/// A pod as it is now: 16 bytes, from which the object can be written at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PodState {
    /// Goes up with every replacement, and makes the name.
    serial: u32,
    /// Template of the Deployment it was made from.
    revision: u32,
    node: u32,
    /// Counter of addresses.
    ip: u32,
}

/// All objects of a synthetic cluster.
#[derive(Debug)]
pub struct Population {
    options: PopulationOptions,
    /// Pods of all services, one service behind the other.
    pods: Vec<PodState>,
    /// Where the pods of each service begin; one more than there are services.
    starts: Vec<u32>,
    /// Template of each service's Deployment.
    revisions: Vec<u32>,
    /// How often each ServiceMonitor was edited.
    edits: Vec<u32>,
    next_ip: u32,
    /// When the cluster was made, for ages.
    created: String,
}

impl Population {
    /// Plans a cluster.
    ///
    /// # Errors
    /// Sizes that do not go together.
    pub fn new(options: PopulationOptions) -> Result<Population, PopulationError> {
        options.check()?;
        let starts = starts(&options);
        let pods = (0..options.pods)
            .map(|pod| PodState {
                serial: 0,
                revision: 0,
                node: Rng::at(options.seed, [1, pod.into(), 0]).below(options.nodes.max(1).into()) as u32,
                ip: pod,
            })
            .collect();
        Ok(Population {
            pods,
            starts,
            revisions: vec![0; options.services as usize],
            edits: vec![0; options.monitors as usize],
            next_ip: options.pods,
            // a week ago, so that ages look like something
            created: super::clock::rfc3339(std::time::SystemTime::now() - std::time::Duration::from_secs(604_800)),
            options,
        })
    }

    /// What it was made from.
    pub fn options(&self) -> &PopulationOptions {
        &self.options
    }

    /// Puts everything into a cluster nobody has looked at yet; objects of these kinds that were there before stay.
    pub fn settle_in(&self, cluster: &SimulatedCluster) {
        let store = &cluster.shared().store;
        let load = |plural: &str, objects: &mut dyn Iterator<Item = Value>| {
            let Some(kind) = KindId::by_plural(plural) else { return };
            store.load(kind, objects.filter_map(written));
        };
        let options = &self.options;
        let services = || 0..options.services;
        load("nodes", &mut (0..options.nodes).map(|node| self.node(node, true)));
        load("namespaces", &mut (0..options.namespaces).map(|namespace| self.namespace(namespace)));
        load("namespaces", &mut std::iter::once(self.collector_namespace()));
        load("services", &mut services().map(|service| self.service(service)));
        load("replicasets", &mut services().map(|service| self.replica_set(service)));
        load("pods", &mut self.all_pods());
        load("pods", &mut (0..options.collectors).map(|collector| self.collector(collector)));
        load("endpointslices", &mut services().flat_map(|service| self.slices(service)));
        if options.endpoints {
            load("endpoints", &mut services().map(|service| self.endpoints(service)));
        }
        load("servicemonitors", &mut (0..options.monitors).map(|monitor| self.monitor(monitor)));
        load("secrets", &mut (0..options.secrets).map(|secret| self.secret(secret)));
        load("configmaps", &mut (0..options.config_maps).map(|number| self.config_map(number)));
        load("ingresses", &mut (0..options.ingresses).map(|number| self.ingress(number)));
        load("jobs", &mut (0..options.batch_jobs).map(|number| self.batch_job(number)));
    }

    fn all_pods(&self) -> impl Iterator<Item = Value> + '_ {
        (0..self.options.services).flat_map(move |service| {
            self.pods_of(service)
                .map(move |pod| self.pod(service, pod, self.pods[pod as usize], shapes::Phase::Running))
        })
    }

    /// Ordinals of the pods of a service.
    fn pods_of(&self, service: u32) -> std::ops::Range<u32> {
        self.starts[service as usize]..self.starts[service as usize + 1]
    }

    /// The service a pod belongs to.
    fn service_of(&self, pod: u32) -> u32 {
        self.starts.partition_point(|start| *start <= pod).saturating_sub(1) as u32
    }

    fn namespace_of(&self, service: u32) -> u32 {
        service % self.options.namespaces.max(1)
    }

    fn component_of(&self, service: u32) -> u32 {
        service / self.options.namespaces.max(1) % self.options.components()
    }

    /// Name of the allocator's job that scrapes a service.
    fn job_of(&self, service: u32) -> String {
        job_name(self.namespace_of(service), self.component_of(service))
    }

    /// Number of targets each job of the allocator has to serve, by name. Every pod is one target.
    pub fn expected(&self) -> BTreeMap<String, u64> {
        let mut expected: BTreeMap<String, u64> = BTreeMap::new();
        for job in self.jobs() {
            expected.insert(job.0, 0);
        }
        for service in 0..self.options.services {
            if let Some(count) = expected.get_mut(&self.job_of(service)) {
                *count += self.pods_of(service).len() as u64;
            }
        }
        expected
    }

    /// The targets of every job as they are now, by name.
    ///
    /// What tells one from another is job and address: all other labels before relabelling are `__meta_…`.
    pub fn targets(&self) -> BTreeMap<String, Vec<Fingerprint>> {
        let mut targets: BTreeMap<String, Vec<Fingerprint>> =
            self.jobs().into_iter().map(|(job, ..)| (job, Vec::new())).collect();
        for service in 0..self.options.services {
            let job = self.job_of(service);
            if let Some(list) = targets.get_mut(&job) {
                list.extend(self.pods_of(service).map(|pod| self.target(&job, self.pods[pod as usize])));
            }
        }
        targets
    }

    fn target(&self, job: &str, state: PodState) -> Fingerprint {
        LabelFold::default().finish(job, &self.pod_address(state))
    }

    /// Name of a collector's pod, if they are a StatefulSet's.
    pub fn collector_name(number: u32) -> String {
        format!("{COLLECTOR_PREFIX}{number}")
    }

    /// Writes the pod of this collector, ready on its node, or takes it away.
    pub fn set_collector(&self, cluster: &SimulatedCluster, number: u32, present: bool) {
        let pod = self.collector(number);
        match present {
            true => cluster.shared().write("pods", pod),
            false => cluster.shared().take_away("pods", &pod),
        }
    }

    /// Names of the allocator's jobs, with namespace and component of each: those in its configuration, or those made from
    /// as many ServiceMonitors, which are called the same.
    pub fn jobs(&self) -> Vec<(String, String, String)> {
        let namespaces = self.options.namespaces;
        (0..self.options.components())
            .flat_map(|component| (0..namespaces).map(move |namespace| (namespace, component)))
            .map(|(namespace, component)| {
                (job_name(namespace, component), shapes::namespace_name(namespace), shapes::component_name(component))
            })
            .take(self.options.jobs.max(self.options.monitors) as usize)
            .collect()
    }
}

/// As jobs made from ServiceMonitors are called.
fn job_name(namespace: u32, component: u32) -> String {
    let (namespace, component) = (shapes::namespace_name(namespace), shapes::component_name(component));
    format!("serviceMonitor/{namespace}/{component}/0")
}

/// Where the pods of each service begin.
fn starts(options: &PopulationOptions) -> Vec<u32> {
    let weight = |service: u32| if service % 100 == 99 { 30u64 } else { 1 };
    let total: u64 = (0..options.services).map(weight).sum::<u64>().max(1);
    let mut starts = vec![0];
    let mut sum = 0;
    for service in 0..options.services {
        sum += weight(service);
        starts.push((u64::from(options.pods) * sum / total) as u32);
    }
    starts
}

/// Key and text of an object.
fn written(object: Value) -> Option<(Arc<str>, Text)> {
    let Value::Object(map) = object else { return None };
    let metadata = map.get("metadata")?;
    let namespace = metadata.get("namespace").and_then(Value::as_str).unwrap_or_default();
    let name = metadata.get("name").and_then(Value::as_str)?;
    Some((key(namespace, name), Text::new(&map)))
}

impl Shared {
    /// Writes an object of the population.
    fn write(&self, plural: &str, object: Value) {
        if let (Some(kind), Some((key, text))) = (KindId::by_plural(plural), written(object)) {
            self.store.put(kind, &key, text);
        }
    }

    fn take_away(&self, plural: &str, object: &Value) {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
        if let Some(kind) = KindId::by_plural(plural) {
            self.store.remove(kind, &key(text("namespace"), text("name")));
        }
    }
}

#[cfg(test)]
mod tests;
