//! A small cluster full of oddities, made from a seed.
//!
//! It has no controllers, so anything may refer to anything: endpoints to pods of other namespaces or to none, pods to
//! nodes that are gone. Names of labels are chosen so that no two of one object become the same: which of them counts
//! is chance in Prometheus.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use ta_loadgen::Rng;
use ta_loadgen::cluster::SimulatedCluster;

use crate::common::Labels;

const NAMESPACES: [&str; 3] = ["a", "b", "c"];
const NODES: usize = 6;
const PODS: usize = 24;
const SERVICES: usize = 10;
const INGRESSES: usize = 6;

const KEYS: [&str; 8] =
    ["app.kubernetes.io/name", "tier", "2x", "é/ü", "Upper-Case", "a_b", "kubectl.kubernetes.io/last-applied", "日本"];
const VALUES: [&str; 8] =
    ["", "web", "true", "<a href=\"x\">&</a>", "line\nbreak\ttab", "\u{1F600} naïve", "\u{2028}\\", "{\"json\": [1]}"];
const APPS: [&str; 3] = ["web", "db", "cache"];
const PORTS: [i64; 5] = [80, 8080, 9090, 53, 443];
const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

/// What there is. Objects by plural, namespace and name.
pub(crate) struct World {
    rng: Rng,
    objects: BTreeMap<(&'static str, String, String), Value>,
    round: u32,
    touches: u32,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), objects: BTreeMap::new(), round: 0, touches: 0 }
    }

    pub(crate) fn populate(&mut self, cluster: &SimulatedCluster) {
        for namespace in NAMESPACES {
            cluster.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})).unwrap();
        }
        for plural in ["nodes", "pods", "services", "endpoints", "endpointslices", "ingresses"] {
            for slot in 0..slots(plural) {
                self.put(plural, slot, cluster);
            }
        }
        self.mark(cluster);
    }

    /// Adds, changes and deletes a third of everything. What endpoints look up comes first: Prometheus looks once.
    pub(crate) fn mutate(&mut self, round: u32, cluster: &SimulatedCluster) {
        self.round = round;
        for plural in ["nodes", "pods", "services", "ingresses", "endpoints", "endpointslices"] {
            for slot in 0..slots(plural) + 2 {
                match self.rng.below(6) {
                    0 => self.delete(plural, slot, cluster),
                    1 | 2 => self.put(plural, slot, cluster),
                    _ => {}
                }
            }
        }
        self.mark(cluster);
        self.touch_endpoints(cluster);
    }

    /// Writes all endpoints again, a little different.
    pub(crate) fn touch_endpoints(&mut self, cluster: &SimulatedCluster) {
        self.touches += 1;
        for ((plural, ..), object) in &mut self.objects {
            if matches!(*plural, "endpoints" | "endpointslices") {
                object["metadata"]["annotations"]["touched"] = json!(self.touches.to_string());
                cluster.apply(object.clone()).unwrap();
            }
        }
    }

    /// Whether a target is of an object of [`World::mark`], as it was marked last.
    pub(crate) fn is_marked(&self, target: &Labels) -> bool {
        target.iter().any(|(name, value)| name.ends_with("_label_round") && *value == self.round.to_string())
    }

    /// Whether a target is of a slice with the second address family of a dual-stack service.
    pub(crate) fn is_second_family(&self, target: &Labels) -> bool {
        let label = |name: &str| target.get(&format!("__meta_kubernetes_{name}")).cloned().unwrap_or_default();
        let family = label("endpointslice_address_type");
        let service = self.objects.get(&("services", label("namespace"), label("service_name")));
        let first = service.filter(|service| !service["spec"]["ipFamilyPolicy"].is_null());
        !family.is_empty() && first.is_some_and(|service| service["spec"]["ipFamilies"][0] != family)
    }

    /// One more object of each kind, matching all selectors, that says which round it is: what shows it has shown all
    /// before.
    fn mark(&mut self, cluster: &SimulatedCluster) {
        let meta = |kind: &str, version: &str| {
            let labels = json!({"app": "web", "round": self.round.to_string(), "kubernetes.io/service-name": "mark"});
            json!({"apiVersion": version, "kind": kind,
                "metadata": {"namespace": "a", "name": "mark", "labels": labels, "annotations": {}}})
        };
        let mut node = meta("Node", "v1");
        node["metadata"] = json!({"name": "n1", "labels": node["metadata"]["labels"], "annotations": {}});
        node["status"] = json!({"addresses": [{"type": "InternalIP", "address": "10.255.0.1"}]});
        let mut pod = meta("Pod", "v1");
        pod["spec"] = json!({"nodeName": "n1", "containers": [{"name": "mark"}]});
        pod["status"] = json!({"podIP": "10.255.1.1"});
        let mut service = meta("Service", "v1");
        service["spec"] = json!({"ports": [{"port": 1}]});
        let target = json!({"kind": "Pod", "namespace": "a", "name": "mark"});
        let mut endpoints = meta("Endpoints", "v1");
        endpoints["subsets"] =
            json!([{"addresses": [{"ip": "10.255.1.1", "targetRef": target}], "ports": [{"port": 1}]}]);
        let mut slice = meta("EndpointSlice", "discovery.k8s.io/v1");
        slice["addressType"] = json!("IPv4");
        slice["ports"] = json!([{"port": 1, "protocol": "TCP"}]); // without one, Prometheus 2.53 panics
        slice["endpoints"] = json!([{"addresses": ["10.255.1.1"], "targetRef": target}]);
        let mut ingress = meta("Ingress", "networking.k8s.io/v1");
        ingress["spec"] = json!({"rules": [{"host": "mark.example"}]});
        let all = [
            ("nodes", node),
            ("pods", pod),
            ("services", service),
            ("endpoints", endpoints),
            ("endpointslices", slice),
            ("ingresses", ingress),
        ];
        for (plural, object) in all {
            self.apply(plural, object, cluster);
        }
    }

    fn apply(&mut self, plural: &'static str, object: Value, cluster: &SimulatedCluster) {
        let of = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
        let namespace = if plural == "nodes" { String::new() } else { of("namespace") };
        cluster.apply(object.clone()).unwrap();
        self.objects.insert((plural, namespace, of("name")), object);
    }

    fn delete(&mut self, plural: &'static str, slot: usize, cluster: &SimulatedCluster) {
        let (namespace, name) = place(plural, slot);
        cluster.delete(plural, &namespace, &name);
        self.objects.remove(&(plural, namespace, name));
    }

    fn put(&mut self, plural: &'static str, slot: usize, cluster: &SimulatedCluster) {
        let (namespace, name) = place(plural, slot);
        let (kind, version) = match plural {
            "nodes" => ("Node", "v1"),
            "pods" => ("Pod", "v1"),
            "services" => ("Service", "v1"),
            "endpoints" => ("Endpoints", "v1"),
            "endpointslices" => ("EndpointSlice", "discovery.k8s.io/v1"),
            _ => ("Ingress", "networking.k8s.io/v1"),
        };
        let mut object = json!({"apiVersion": version, "kind": kind, "metadata": self.meta(&namespace, &name)});
        let fields = match plural {
            "nodes" => self.node(slot),
            "pods" => self.pod(slot),
            "services" => self.service(),
            "endpoints" => self.endpoints(),
            "endpointslices" => self.slice(slot, &mut object),
            _ => self.ingress(),
        };
        object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.apply(plural, object, cluster);
    }

    fn meta(&mut self, namespace: &str, name: &str) -> Value {
        let mut labels = self.pairs();
        if self.chance(70) {
            labels.insert("app".to_owned(), json!(self.pick(&APPS)));
        }
        let annotations = self.pairs();
        let mut meta = json!({"name": name, "labels": labels, "annotations": annotations});
        if !namespace.is_empty() {
            meta["namespace"] = json!(namespace);
        }
        meta
    }

    fn pairs(&mut self) -> Map<String, Value> {
        let count = self.rng.below(4);
        (0..count).map(|_| (self.pick(&KEYS).to_owned(), json!(self.pick(&VALUES)))).collect()
    }

    fn node(&mut self, slot: usize) -> Value {
        let mut addresses = Vec::new();
        for kind in ["InternalIP", "Hostname", "ExternalIP", "InternalDNS", "Odd.Type"] {
            for number in 0..self.rng.below(3) {
                let address = if number == 1 { format!("fd00::{slot}") } else { format!("10.1.{number}.{slot}") };
                addresses.push(json!({"type": kind, "address": address}));
            }
        }
        let mut status = json!({"addresses": addresses, "conditions": [{"type": "Ready", "status": "True"}]});
        if self.chance(80) {
            status["daemonEndpoints"] = json!({"kubeletEndpoint": {"Port": 10250}});
        }
        json!({"spec": {"providerID": self.pick(&["", "aws:///x/i-1"])}, "status": status})
    }

    fn pod(&mut self, slot: usize) -> Value {
        let host_network = self.chance(15);
        let ip = match self.rng.below(8) {
            0 => String::new(),
            1 => format!("fd00:2::{slot:x}"),
            _ if host_network => "192.0.2.7".to_owned(),
            _ => format!("10.2.0.{slot}"),
        };
        let mut spec = json!({"hostNetwork": host_network, "containers": self.containers("c", &PORTS)});
        if self.chance(90) {
            spec["nodeName"] = json!(format!("n{}", self.rng.below(NODES as u64 + 1)));
        }
        if self.chance(40) {
            spec["initContainers"] = self.containers("i", &[7000, 7001]);
        }
        let mut status = json!({"podIP": ip, "hostIP": "192.0.2.7",
            "phase": self.pick(&["Running", "Pending", "Succeeded", "Failed", "Unknown"]),
            "containerStatuses": [{"name": "c0", "containerID": format!("containerd://{slot}")}],
            "initContainerStatuses": [{"name": "i0", "containerID": "containerd://init"}, {"name": "c1", "containerID": "x"}]});
        if self.chance(80) {
            let ready = self.pick(&["True", "False", "Unknown"]);
            status["conditions"] =
                json!([{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": ready}]);
        }
        json!({"spec": spec, "status": status})
    }

    fn containers(&mut self, prefix: &str, ports: &[i64]) -> Value {
        let count = 1 + self.rng.below(3);
        let container = |number: u64, rng: &mut Rng| {
            let port = |rng: &mut Rng| {
                let mut port = json!({"containerPort": ports[rng.below(ports.len() as u64) as usize]});
                if rng.below(3) > 0 {
                    port["name"] = json!(["http", "metrics", "x-y"][rng.below(3) as usize]);
                }
                if rng.below(4) > 0 {
                    port["protocol"] = json!(PROTOCOLS[rng.below(3) as usize]);
                }
                port
            };
            let ports: Vec<Value> = (0..rng.below(4)).map(|_| port(rng)).collect();
            let mut container = json!({"name": format!("{prefix}{number}"), "ports": ports});
            if rng.below(5) > 0 {
                container["image"] = json!(format!("registry.example/{prefix}{number}:v1"));
            }
            container
        };
        (0..count).map(|number| container(number, &mut self.rng)).collect()
    }

    fn service(&mut self) -> Value {
        let kind = self.pick(&["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]);
        let mut spec = json!({"type": kind, "clusterIP": self.pick(&["None", "10.9.0.1", "fd00:9::1"])});
        if kind == "ExternalName" {
            spec["externalName"] = json!("db.example.com");
        }
        if kind == "LoadBalancer" && self.chance(50) {
            spec["loadBalancerIP"] = json!("203.0.113.9");
        }
        if self.chance(25) {
            spec["ipFamilyPolicy"] = json!(self.pick(&["PreferDualStack", "RequireDualStack"]));
            spec["ipFamilies"] = if self.chance(50) { json!(["IPv4", "IPv6"]) } else { json!(["IPv6", "IPv4"]) };
        }
        let ports: Vec<Value> = (0..self.rng.below(4)).map(|_| self.endpoint_port()).collect();
        spec["ports"] = json!(ports);
        json!({"spec": spec, "status": {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}})
    }

    fn endpoint_port(&mut self) -> Value {
        let mut port = json!({"port": PORTS[self.rng.below(5) as usize], "protocol": self.pick(&PROTOCOLS)});
        if self.chance(60) {
            port["name"] = json!(self.pick(&["http", "metrics", "dns-udp"]));
        }
        port
    }

    fn reference(&mut self) -> Option<Value> {
        let (namespace, name) = place("pods", self.rng.below(PODS as u64 + 2) as usize);
        Some(match self.rng.below(10) {
            0 => return None,
            1 => json!({"kind": "Node", "name": format!("n{}", self.rng.below(NODES as u64 + 1))}),
            2 => json!({"kind": "Pod", "name": name}),
            _ => json!({"kind": "Pod", "namespace": namespace, "name": name}),
        })
    }

    fn endpoints(&mut self) -> Value {
        let subsets: Vec<Value> = (0..self.rng.below(3))
            .map(|_| {
                let ports: Vec<Value> = (0..self.rng.below(3)).map(|_| self.endpoint_port()).collect();
                json!({"addresses": self.addresses(), "notReadyAddresses": self.addresses(), "ports": ports})
            })
            .collect();
        json!({"subsets": subsets})
    }

    fn addresses(&mut self) -> Value {
        let count = self.rng.below(4);
        let address = |world: &mut Self| {
            let number = world.rng.below(250);
            let ip = if world.chance(20) { format!("fd00:3::{number:x}") } else { format!("10.3.0.{number}") };
            let mut address = json!({"ip": ip});
            if let Some(reference) = world.reference() {
                address["targetRef"] = reference;
            }
            if world.chance(60) {
                address["nodeName"] = json!(format!("n{}", world.rng.below(NODES as u64 + 1)));
            }
            if world.chance(20) {
                address["hostname"] = json!("web-0");
            }
            address
        };
        (0..count).map(|_| address(self)).collect()
    }

    fn slice(&mut self, slot: usize, object: &mut Value) -> Value {
        if self.chance(85) {
            object["metadata"]["labels"]["kubernetes.io/service-name"] = json!(place("services", slot / 2).1);
        }
        let ports: Vec<Value> = (0..self.rng.below(3))
            .map(|_| {
                let mut port = self.endpoint_port();
                if self.chance(15) {
                    port["port"] = json!(null);
                }
                if self.chance(20) {
                    port["appProtocol"] = json!("kubernetes.io/h2c");
                }
                port
            })
            .collect();
        let endpoints: Vec<Value> = (0..self.rng.below(5)).map(|_| self.slice_endpoint()).collect();
        let family = if self.chance(10) { "FQDN" } else { ["IPv4", "IPv6"][slot % 2] };
        json!({"addressType": family, "ports": ports, "endpoints": endpoints})
    }

    fn slice_endpoint(&mut self) -> Value {
        let number = self.rng.below(250);
        let addresses: Vec<String> = (0..1 + self.rng.below(2)).map(|n| format!("10.4.{n}.{number}")).collect();
        let mut conditions = Map::new();
        for name in ["ready", "serving", "terminating"] {
            if self.chance(60) {
                conditions.insert(name.to_owned(), json!(self.chance(50)));
            }
        }
        let mut endpoint = json!({"addresses": addresses, "conditions": conditions});
        if let Some(reference) = self.reference() {
            endpoint["targetRef"] = reference;
        }
        for (name, value) in [("hostname", "web-0"), ("zone", "eu-1a"), ("nodeName", "n2")] {
            if self.chance(50) {
                endpoint[name] = json!(value);
            }
        }
        if self.chance(20) {
            endpoint["deprecatedTopology"] = json!({"topology.kubernetes.io/region": "eu"});
        }
        endpoint
    }

    fn ingress(&mut self) -> Value {
        let rules: Vec<Value> = (0..self.rng.below(4))
            .map(|_| {
                let mut rule = json!({});
                if self.chance(85) {
                    rule["host"] =
                        json!(self.pick(&["a.example.com", "b.example.com", "example.com", "x.a.example.com"]));
                }
                if self.chance(80) {
                    let path = |path: &str| json!({"path": path, "pathType": "Prefix", "backend": {}});
                    let paths = [path("/"), path(""), path("/x/é?<>")];
                    rule["http"] = json!({"paths": paths[..self.rng.below(4) as usize]});
                }
                rule
            })
            .collect();
        let mut spec = json!({"rules": rules});
        if self.chance(50) {
            spec["ingressClassName"] = json!(self.pick(&["nginx", ""]));
        }
        if self.chance(60) {
            spec["tls"] = json!([{"hosts": [self.pick(&["a.example.com", "*.example.com", "*", "*.a.example.com"])]}]);
        }
        json!({"spec": spec})
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.rng.below(100) < percent
    }

    fn pick<'a>(&mut self, among: &[&'a str]) -> &'a str {
        among[self.rng.below(among.len() as u64) as usize]
    }
}

fn slots(plural: &str) -> usize {
    match plural {
        "nodes" => NODES,
        "pods" => PODS,
        "services" | "endpoints" => SERVICES,
        "endpointslices" => 2 * SERVICES,
        _ => INGRESSES,
    }
}

/// Namespace and name of the object in a slot. Endpoints are called like services; slices are two for each.
fn place(plural: &str, slot: usize) -> (String, String) {
    let namespace = |slot: usize| NAMESPACES[slot % NAMESPACES.len()].to_owned();
    match plural {
        "nodes" => (String::new(), format!("n{slot}")),
        "pods" => (namespace(slot), format!("pod-{slot}")),
        "services" | "endpoints" => (namespace(slot), format!("svc-{slot}")),
        "endpointslices" => (namespace(slot / 2), format!("svc-{}-{}", slot / 2, slot % 2)),
        _ => (namespace(slot), format!("ingress-{slot}")),
    }
}
