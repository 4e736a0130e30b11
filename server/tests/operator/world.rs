//! A cluster over HTTPS with a service account that may do what a scenario grants, and objects as operator and controllers
//! write them.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use rcgen::SanType;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use ta_loadgen::cluster::{Fault, FaultKind, KINDS, SimulatedCluster, Verbs};

use crate::pki::{Authority, Pem};
use crate::pod::{Pod, PodSpec};

/// What the suites' wider role lets the allocator get, list and watch.
pub(crate) const WIDE: [&str; 13] = [
    "pods",
    "nodes",
    "services",
    "endpoints",
    "configmaps",
    "secrets",
    "namespaces",
    "endpointslices",
    "ingresses",
    "servicemonitors",
    "podmonitors",
    "scrapeconfigs",
    "probes",
];

/// What their narrow one does.
pub(crate) const NARROW: [&str; 4] = ["pods", "namespaces", "nodes", "servicemonitors"];

const TOKEN: &str = "a-token-of-the-service-account";

/// A cluster, and the namespace that a scenario happens in.
pub(crate) struct World {
    pub(crate) cluster: SimulatedCluster,
    namespace: &'static str,
    ca: Authority,
    pods: AtomicU16,
    _runtime: tokio::runtime::Runtime,
}

impl World {
    /// A cluster with three nodes, in which the service account may read `resources` everywhere and nothing else.
    pub(crate) fn new(namespace: &'static str, resources: &[&str]) -> Self {
        let world = Self::without_rights(namespace);
        let denied = KINDS.iter().filter(|kind| !resources.contains(&kind.plural));
        denied.for_each(|kind| world.deny(Fault::new(kind.plural, FaultKind::Forbidden)));
        world
    }

    /// The same, but the rights are those of a Role in the namespace. `others` are all other namespaces.
    pub(crate) fn confined(namespace: &'static str, resources: &[&str], others: &[&str]) -> Self {
        let world = Self::new(namespace, resources);
        for resource in resources {
            // a namespace is in itself, so it may be got by such a Role; lists and watches are of the whole cluster
            if *resource == "namespaces" {
                world.deny(Fault::new(resource, FaultKind::Forbidden).on(Verbs::Read));
                continue;
            }
            for elsewhere in others.iter().chain(&[""]) {
                world.deny(Fault::new(resource, FaultKind::Forbidden).in_namespace(elsewhere));
            }
        }
        world
    }

    fn without_rights(namespace: &'static str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let ca = Authority::new("the cluster");
        let pair = ca.issue(|params| params.subject_alt_names = vec![SanType::IpAddress(Ipv4Addr::LOCALHOST.into())]);
        let builder = SimulatedCluster::builder().token(TOKEN).tls(mk_tls(&pair));
        let cluster = runtime.block_on(builder.start()).unwrap();
        let world = Self { cluster, namespace, ca, pods: AtomicU16::new(0), _runtime: runtime };
        world.label_namespace(json!({}));
        (1..=3).for_each(|number| drop(world.cluster.apply(mk_node(number)).unwrap()));
        world
    }

    fn deny(&self, fault: Fault) {
        self.cluster.faults().add(fault);
    }

    /// Writes an object; into the scenario's namespace, if it names none.
    pub(crate) fn apply(&self, mut object: Value) {
        let metadata = object["metadata"].as_object_mut().expect("objects have metadata");
        metadata.entry("namespace").or_insert_with(|| self.namespace.into());
        self.cluster.apply(object).unwrap();
    }

    /// Gives the scenario's namespace these labels, and no others.
    pub(crate) fn label_namespace(&self, labels: Value) {
        let metadata = json!({"name": self.namespace, "labels": labels});
        self.cluster.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).unwrap();
    }

    pub(crate) fn delete(&self, plural: &str, name: &str) {
        assert!(self.cluster.delete(plural, self.namespace, name), "{plural} {name}");
    }

    /// A pod of the allocator `ta` with this configuration, and its object in the cluster.
    pub(crate) fn pod(&self, ta: &str, config: &str) -> PodSpec {
        let name = format!("{ta}-targetallocator-{}", self.pods.fetch_add(1, Ordering::Relaxed));
        let labels = operator_labels("opentelemetry-targetallocator", self.namespace, ta, "targetallocator");
        self.apply(mk_pod(&name, &labels, "node-1"));
        let account = [("token", TOKEN), ("ca.crt", &*self.ca.pem.cert), ("namespace", self.namespace)];
        PodSpec::new(config, &account)
            .variable("HOSTNAME", &name)
            .variable("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            .variable("KUBERNETES_SERVICE_PORT", &self.cluster.address().port().to_string())
            .variable("OTELCOL_NAMESPACE", self.namespace)
            .variable("GOMEMLIMIT", "1073741824")
            .variable("GOMAXPROCS", "1")
    }

    /// A ready pod of the collector `collector`, which the operator deployed.
    pub(crate) fn collector(&self, collector: &str, name: &str, node: &str) {
        let labels = operator_labels("opentelemetry-collector", self.namespace, collector, "collector");
        self.apply(mk_pod(name, &labels, node));
    }

    /// A Service with one port, and behind it an address and port of its own.
    pub(crate) fn service(&self, name: &str, labels: &Value, port: &str, address: &str, number: u16) {
        self.apply(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": labels},
            "spec": {"selector": labels, "ports": [{"name": port, "port": number, "protocol": "TCP"}]},
        }));
        let mut labels = labels.clone();
        labels["kubernetes.io/service-name"] = name.into();
        self.apply(json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": format!("{name}-x7k2p-{port}"), "labels": labels},
            "endpoints": [{"addresses": [address], "conditions": {"ready": true}, "nodeName": "node-1"}],
            "ports": [{"name": port, "port": number, "protocol": "TCP"}],
        }));
    }

    /// The Service of the allocator `ta`, and the ServiceMonitor that the operator makes where its metrics are wanted.
    pub(crate) fn own_monitor(&self, ta: &str, pod: &Pod, more_labels: &Value) {
        let labels = operator_labels("opentelemetry-targetallocator", self.namespace, ta, "targetallocator");
        let name = format!("{ta}-targetallocator");
        self.service(&name, &labels, "targetallocation", "127.0.0.1", pod.port);
        let mut own = labels.clone();
        own.as_object_mut().unwrap().extend(more_labels.as_object().unwrap().clone());
        self.apply(json!({
            "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": name, "labels": own},
            "spec": {"selector": {"matchLabels": labels}, "endpoints": [{"port": "targetallocation"}],
                "namespaceSelector": {"matchNames": [self.namespace]}},
        }));
    }
}

fn mk_tls(pair: &Pem) -> Arc<rustls::ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(pair.cert.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap())
}

/// The labels that the operator gives to what it makes for a resource.
fn operator_labels(component: &str, namespace: &str, resource: &str, suffix: &str) -> Value {
    json!({
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/instance": format!("{namespace}.{resource}"),
        "app.kubernetes.io/managed-by": "opentelemetry-operator",
        "app.kubernetes.io/name": format!("{resource}-{suffix}"),
        "app.kubernetes.io/part-of": "opentelemetry",
    })
}

/// A pod that runs and is ready.
pub(crate) fn mk_pod(name: &str, labels: &Value, node: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
        "spec": {"nodeName": node, "containers": [{"name": "app", "image": "example/app:1",
            "ports": [{"name": "metrics", "containerPort": 9123, "protocol": "TCP"}]}]},
        "status": {"phase": "Running", "startTime": "2026-01-01T00:00:00Z", "podIP": "10.1.0.1", "hostIP": "192.0.2.1",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    })
}

/// `node-<number>` at 192.0.2.<number>.
fn mk_node(number: u16) -> Value {
    let name = format!("node-{number}");
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": format!("192.0.2.{number}")}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        },
    })
}
