//! What the objects look like: fields and sizes as in a managed cluster, without `managedFields`.

use serde_json::{Value, json};

use super::{COLLECTOR_PREFIX, ENDPOINTS, PodState, Population, SLICE};
use crate::cluster::http::write::uid;
use crate::rng::Rng;

const ZONES: [&str; 3] = ["eu-central-1a", "eu-central-1b", "eu-central-1c"];
const WORDS: [&str; 12] = [
    "checkout", "cart", "search", "catalog", "payments", "ledger", "mailer", "gateway", "profile", "pricing", "stock",
    "audit",
];
/// Characters Kubernetes makes names of: no vowels, so no words.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Where a pod stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Pending,
    Running,
    /// Running, with a deletion timestamp.
    Terminating,
}

pub(super) fn namespace_name(namespace: u32) -> String {
    format!("team-{namespace:03}")
}

pub(super) fn component_name(component: u32) -> String {
    format!("component-{component:02}")
}

fn word(place: [u64; 3], seed: u64, length: usize) -> String {
    let mut rng = Rng::at(seed, place);
    (0..length).map(|_| char::from(ALPHABET[rng.below(ALPHABET.len() as u64) as usize])).collect()
}

/// A multiplier that is odd permutes the 23 bits, so that neighbours do not have neighbouring addresses. The lower half of
/// 10.0.0.0/8: the upper one is for services.
fn pod_ip(counter: u32) -> String {
    let bits = counter.wrapping_mul(0x009e_3779) & 0x7f_ffff;
    format!("10.{}.{}.{}", bits >> 16, bits >> 8 & 0xff, bits & 0xff)
}

fn cluster_ip(service: u32) -> String {
    format!("10.{}.{}.{}", 128 + (service >> 16 & 0x7f), service >> 8 & 0xff, service & 0xff)
}

pub(super) fn node_ip(node: u32) -> String {
    format!("172.{}.{}.{}", 16 + (node >> 16 & 0xf), node >> 8 & 0xff, node & 0xff)
}

pub(super) fn node_name(node: u32) -> String {
    format!("ip-{}.eu-central-1.compute.internal", node_ip(node).replace('.', "-"))
}

fn zone(node: u32) -> &'static str {
    ZONES[node as usize % ZONES.len()]
}

fn condition(kind: &str, good: bool, since: &str) -> Value {
    json!({"type": kind, "status": if good { "True" } else { "False" }, "lastProbeTime": null, "lastTransitionTime": since})
}

impl Population {
    pub(super) fn service_name(&self, service: u32) -> String {
        format!("{}-{service:05}", WORDS[Rng::at(self.options.seed, [2, service.into(), 0]).below(12) as usize])
    }

    fn template_hash(&self, service: u32, revision: u32) -> String {
        word([3, service.into(), revision.into()], self.options.seed, 10)
    }

    pub(super) fn pod_name(&self, service: u32, pod: u32, state: PodState) -> String {
        let suffix = word([4, pod.into(), state.serial.into()], self.options.seed, 5);
        format!("{}-{}-{suffix}", self.service_name(service), self.template_hash(service, state.revision))
    }

    /// `address:port` of the target a pod is.
    pub(super) fn pod_address(&self, state: PodState) -> String {
        format!("{}:9090", pod_ip(state.ip))
    }

    fn labels(&self, service: u32) -> Value {
        json!({
            "app.kubernetes.io/name": self.service_name(service),
            "app.kubernetes.io/component": component_name(self.component_of(service)),
            "app.kubernetes.io/managed-by": "Helm",
            "helm.sh/chart": "web-service-2.14.3",
            "team": namespace_name(self.namespace_of(service)),
        })
    }

    pub(super) fn pod(&self, service: u32, pod: u32, state: PodState, phase: Phase) -> Value {
        let (name, app) = (self.pod_name(service, pod, state), self.service_name(service));
        let (hash, namespace) =
            (self.template_hash(service, state.revision), namespace_name(self.namespace_of(service)));
        let set = format!("{app}-{hash}");
        let mut labels = self.labels(service);
        labels["pod-template-hash"] = hash.into();
        let mut object = json!({
            "metadata": {
                "name": name, "generateName": format!("{set}-"), "namespace": namespace, "uid": uid(&name),
                "creationTimestamp": self.created, "labels": labels,
                "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9090",
                    "checksum/config": word([5, service.into(), state.revision.into()], self.options.seed, 40)},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set, "uid": uid(&set),
                    "controller": true, "blockOwnerDeletion": true}],
            },
            "spec": self.pod_spec(&app, state.revision),
            "status": {"phase": "Pending", "qosClass": "Burstable"},
        });
        if phase != Phase::Pending {
            object["spec"]["nodeName"] = node_name(state.node).into();
            object["status"] = self.running(&app, state);
        }
        if phase == Phase::Terminating {
            object["metadata"]["deletionTimestamp"] = crate::cluster::clock::now().into();
            object["metadata"]["deletionGracePeriodSeconds"] = 30.into();
        }
        object
    }

    fn pod_spec(&self, app: &str, revision: u32) -> Value {
        let probe = |path: &str| {
            json!({"httpGet": {"path": path, "port": "metrics", "scheme": "HTTP"}, "timeoutSeconds": 1,
            "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3})
        };
        json!({
            "containers": [{
                "name": app, "image": format!("registry.example.com/{app}:1.{revision}.0"), "imagePullPolicy": "IfNotPresent",
                "ports": [{"name": "metrics", "containerPort": 9090, "protocol": "TCP"}],
                "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
                    {"name": "LOG_LEVEL", "value": "info"}],
                "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
                "livenessProbe": probe("/livez"), "readinessProbe": probe("/readyz"),
                "volumeMounts": [{"name": "kube-api-access", "readOnly": true,
                    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            }],
            "volumes": [{"name": "kube-api-access", "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]}}],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "serviceAccountName": app, "schedulerName": "default-scheduler", "priority": 0, "enableServiceLinks": true,
            "preemptionPolicy": "PreemptLowerPriority", "securityContext": {"runAsNonRoot": true},
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
                    "tolerationSeconds": 300}],
        })
    }

    fn running(&self, container: &str, state: PodState) -> Value {
        let (ip, since) = (pod_ip(state.ip), self.created.as_str());
        let conditions: Vec<Value> = ["Initialized", "Ready", "ContainersReady", "PodScheduled"]
            .into_iter()
            .map(|kind| condition(kind, true, since))
            .collect();
        let id = word([6, state.ip.into(), state.serial.into()], self.options.seed, 64);
        json!({
            "phase": "Running", "conditions": conditions, "hostIP": node_ip(state.node),
            "hostIPs": [{"ip": node_ip(state.node)}], "podIP": ip, "podIPs": [{"ip": ip}], "startTime": since,
            "qosClass": "Burstable",
            "containerStatuses": [{"name": container, "ready": true, "started": true, "restartCount": 0,
                "image": format!("registry.example.com/{container}"), "imageID": format!("sha256:{id}"),
                "containerID": format!("containerd://{id}"), "lastState": {}, "state": {"running": {"startedAt": since}}}],
        })
    }

    pub(super) fn service(&self, service: u32) -> Value {
        let (name, ip) = (self.service_name(service), cluster_ip(service));
        json!({
            "metadata": {"name": name, "namespace": namespace_name(self.namespace_of(service)), "uid": uid(&name),
                "creationTimestamp": self.created, "labels": self.labels(service),
                "annotations": {"meta.helm.sh/release-name": name}},
            "spec": {"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip], "ipFamilies": ["IPv4"],
                "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster", "sessionAffinity": "None",
                "ports": [{"name": "metrics", "port": 9090, "targetPort": "metrics", "protocol": "TCP"}],
                "selector": {"app.kubernetes.io/name": name}},
            "status": {"loadBalancer": {}},
        })
    }

    pub(super) fn replica_set(&self, service: u32) -> Value {
        let (app, revision) = (self.service_name(service), self.revisions[service as usize]);
        let hash = self.template_hash(service, revision);
        let (name, replicas) = (format!("{app}-{hash}"), self.pods_of(service).len());
        let mut labels = self.labels(service);
        labels["pod-template-hash"] = hash.clone().into();
        json!({
            "metadata": {"name": name, "namespace": namespace_name(self.namespace_of(service)), "uid": uid(&name),
                "creationTimestamp": self.created, "labels": labels, "generation": 1,
                "annotations": {"deployment.kubernetes.io/revision": (revision + 1).to_string()},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": app,
                    "uid": uid(&format!("deployment/{app}")), "controller": true, "blockOwnerDeletion": true}]},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app.kubernetes.io/name": app, "pod-template-hash": hash}},
                "template": {"metadata": {"labels": labels}, "spec": self.pod_spec(&app, revision)}},
            "status": {"replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
                "observedGeneration": 1},
        })
    }

    pub(super) fn slices(&self, service: u32) -> impl Iterator<Item = Value> + '_ {
        let count = (self.pods_of(service).len() as u32).div_ceil(SLICE).max(1);
        (0..count).map(move |number| self.slice(service, number, None))
    }

    /// The slice a pod of a service is in.
    pub(super) fn slice_of(&self, service: u32, pod: u32) -> u32 {
        (pod - self.pods_of(service).start) / SLICE
    }

    /// One slice; `leaving` is a pod that was replaced and still winds down.
    pub(super) fn slice(&self, service: u32, number: u32, leaving: Option<(u32, PodState)>) -> Value {
        let app = self.service_name(service);
        let name = format!("{app}-{}", word([7, service.into(), number.into()], self.options.seed, 5));
        let mut labels = self.labels(service);
        labels["kubernetes.io/service-name"] = app.clone().into();
        labels["endpointslice.kubernetes.io/managed-by"] = "endpointslice-controller.k8s.io".into();
        let pods = self.pods_of(service);
        let from = pods.start + number * SLICE;
        let here = (from..pods.end.min(from + SLICE)).map(|pod| (pod, self.pods[pod as usize], true));
        let endpoints: Vec<Value> = here
            .chain(leaving.map(|(pod, state)| (pod, state, false)))
            .map(|(pod, state, ready)| self.endpoint(service, pod, state, ready))
            .collect();
        json!({
            "metadata": {"name": name, "generateName": format!("{app}-"), "uid": uid(&name), "generation": 1,
                "namespace": namespace_name(self.namespace_of(service)), "creationTimestamp": self.created, "labels": labels,
                "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": self.created},
                "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": app, "uid": uid(&app),
                    "controller": true, "blockOwnerDeletion": true}]},
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [{"name": "metrics", "port": 9090, "protocol": "TCP"}],
        })
    }

    fn endpoint(&self, service: u32, pod: u32, state: PodState, ready: bool) -> Value {
        let name = self.pod_name(service, pod, state);
        json!({
            "addresses": [pod_ip(state.ip)],
            "conditions": {"ready": ready, "serving": ready, "terminating": !ready},
            "nodeName": node_name(state.node), "zone": zone(state.node),
            "targetRef": {"kind": "Pod", "namespace": namespace_name(self.namespace_of(service)), "uid": uid(&name),
                "name": name},
        })
    }

    pub(super) fn endpoints(&self, service: u32) -> Value {
        let (name, namespace) = (self.service_name(service), namespace_name(self.namespace_of(service)));
        let address = |pod: u32| {
            let state = self.pods[pod as usize];
            let pod = self.pod_name(service, pod, state);
            json!({"ip": pod_ip(state.ip), "nodeName": node_name(state.node),
                "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod, "uid": uid(&pod)}})
        };
        let addresses: Vec<Value> = self.pods_of(service).take(ENDPOINTS).map(address).collect();
        json!({
            "metadata": {"name": name, "namespace": namespace, "uid": uid(&format!("endpoints/{name}")),
                "creationTimestamp": self.created, "labels": self.labels(service)},
            "subsets": [{"addresses": addresses, "ports": [{"name": "metrics", "port": 9090, "protocol": "TCP"}]}],
        })
    }

    pub(super) fn node(&self, node: u32, ready: bool) -> Value {
        let (name, ip, zone) = (node_name(node), node_ip(node), zone(node));
        let heard = |kind: &str, good: bool| {
            let mut heard = condition(kind, good, &self.created);
            heard["reason"] = "KubeletReport".into();
            heard["message"] = "kubelet reports its state".into();
            heard
        };
        let images: Vec<Value> = (0..8)
            .map(|image| json!({"names": [format!("registry.example.com/{}:1.0.0", WORDS[image])], "sizeBytes": 123_456_789}))
            .collect();
        json!({
            "metadata": {"name": name, "uid": uid(&name), "creationTimestamp": self.created,
                "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
                    "topology.kubernetes.io/region": "eu-central-1", "topology.kubernetes.io/zone": zone,
                    "node.kubernetes.io/instance-type": "m5.4xlarge", "node.example.com/pool": "general"},
                "annotations": {"node.alpha.kubernetes.io/ttl": "0",
                    "volumes.kubernetes.io/controller-managed-attach-detach": "true"}},
            "spec": {"podCIDR": format!("100.64.{}.0/24", node & 0xff), "providerID": format!("aws:///{zone}/i-{node:017x}")},
            "status": {
                "addresses": [{"type": "InternalIP", "address": ip}, {"type": "Hostname", "address": name},
                    {"type": "InternalDNS", "address": name}],
                "capacity": {"cpu": "16", "memory": "64Gi", "pods": "234"},
                "allocatable": {"cpu": "15890m", "memory": "60Gi", "pods": "234"},
                "conditions": [heard("MemoryPressure", false), heard("DiskPressure", false), heard("Ready", ready)],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
                "nodeInfo": {"kubeletVersion": "v1.32.0", "osImage": "Bottlerocket OS", "kernelVersion": "6.1.0",
                    "architecture": "amd64", "operatingSystem": "linux", "containerRuntimeVersion": "containerd://1.7.27",
                    "bootID": uid(&format!("boot/{name}")), "machineID": uid(&format!("machine/{name}"))},
                "images": images,
            },
        })
    }

    pub(super) fn namespace(&self, namespace: u32) -> Value {
        named_namespace(&namespace_name(namespace), &self.created)
    }

    pub(super) fn collector_namespace(&self) -> Value {
        named_namespace(&self.options.collector_namespace, &self.created)
    }

    /// A collector as the OpenTelemetry Operator makes it.
    pub(super) fn collector(&self, collector: u32) -> Value {
        let daemon = self.options.daemon_set;
        let name = match daemon {
            true => format!("{COLLECTOR_PREFIX}{}", word([8, collector.into(), 0], self.options.seed, 5)),
            false => Population::collector_name(collector),
        };
        let node = collector % self.options.nodes.max(1);
        let state = PodState { serial: 0, revision: 0, node, ip: 0x7f_0000 + collector };
        let mut labels = collector_labels(&self.options.collector_namespace);
        labels["app.kubernetes.io/name"] = "otel-collector".into();
        labels["app.kubernetes.io/version"] = "0.158.0".into();
        if !daemon {
            labels["apps.kubernetes.io/pod-index"] = collector.to_string().into();
            labels["statefulset.kubernetes.io/pod-name"] = name.clone().into();
        }
        let mut spec = self.pod_spec("otc-container", 0);
        spec["nodeName"] = node_name(node).into();
        let owner = if daemon { "DaemonSet" } else { "StatefulSet" };
        let mut status = self.running("otc-container", state);
        let planned = self.options.collectors;
        // one that was not planned is ready
        if (planned.saturating_sub(self.options.unready_collectors)..planned).contains(&collector) {
            for kind in ["Ready", "ContainersReady"] {
                let conditions = status["conditions"].as_array_mut().into_iter().flatten();
                conditions
                    .filter(|condition| condition["type"] == kind)
                    .for_each(|condition| condition["status"] = "False".into());
            }
            status["containerStatuses"][0]["ready"] = false.into();
        }
        json!({
            "metadata": {"name": name, "generateName": COLLECTOR_PREFIX, "namespace": self.options.collector_namespace,
                "uid": uid(&name), "creationTimestamp": self.created, "labels": labels,
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": owner, "name": "otel-collector",
                    "uid": uid(owner), "controller": true, "blockOwnerDeletion": true}]},
            "spec": spec,
            "status": status,
        })
    }

    /// A monitor of one component of its namespace; the path says how often it was edited.
    pub(super) fn monitor(&self, monitor: u32) -> Value {
        let (namespace, component) =
            (monitor % self.options.namespaces.max(1), monitor / self.options.namespaces.max(1));
        let name = component_name(component);
        let mut endpoint = json!({"port": "metrics", "interval": "30s", "path": self.monitor_path(monitor),
            "relabelings": [{"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}],
            "metricRelabelings": [{"sourceLabels": ["__name__"], "regex": "go_.*", "action": "drop"}]});
        if monitor < self.options.secrets {
            endpoint["authorization"] =
                json!({"type": "Bearer", "credentials": {"name": secret_name(monitor), "key": "token"}});
        }
        json!({
            "metadata": {"name": name, "namespace": namespace_name(namespace), "generation": self.edits[monitor as usize] + 1,
                "uid": uid(&format!("monitor/{monitor}")), "creationTimestamp": self.created,
                "labels": {"release": "prometheus", "team": namespace_name(namespace)}},
            "spec": {"selector": {"matchLabels": {"app.kubernetes.io/component": name}}, "endpoints": [endpoint]},
        })
    }

    /// The metrics path a monitor asks for now; unlike that of any other.
    pub(super) fn monitor_path(&self, monitor: u32) -> String {
        format!("/metrics/m{monitor}/e{}", self.edits[monitor as usize])
    }

    pub(super) fn secret(&self, secret: u32) -> Value {
        let namespace = namespace_name(secret % self.options.namespaces.max(1));
        let token = format!("token-{secret:06}");
        json!({
            "metadata": {"name": secret_name(secret), "namespace": namespace, "uid": uid(&format!("secret/{secret}")),
                "creationTimestamp": self.created},
            "type": "Opaque", "data": {"token": base64(token.as_bytes())},
        })
    }

    pub(super) fn config_map(&self, number: u32) -> Value {
        let namespace = namespace_name(number % self.options.namespaces.max(1));
        json!({
            "metadata": {"name": format!("settings-{number:05}"), "namespace": namespace,
                "uid": uid(&format!("configmap/{number}")), "creationTimestamp": self.created},
            "data": {"settings.yaml": format!("level: info\nnumber: {number}\n")},
        })
    }

    pub(super) fn ingress(&self, number: u32) -> Value {
        let service = number % self.options.services.max(1);
        let (app, host) = (self.service_name(service), format!("app-{number}.example.com"));
        json!({
            "metadata": {"name": format!("{app}-{number}"), "namespace": namespace_name(self.namespace_of(service)),
                "uid": uid(&format!("ingress/{number}")), "creationTimestamp": self.created, "labels": self.labels(service),
                "annotations": {"cert-manager.io/cluster-issuer": "letsencrypt"}, "generation": 1},
            "spec": {"ingressClassName": "nginx", "tls": [{"hosts": [host], "secretName": format!("{app}-tls")}],
                "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix",
                    "backend": {"service": {"name": app, "port": {"name": "metrics"}}}}]}}]},
            "status": {"loadBalancer": {}},
        })
    }

    pub(super) fn batch_job(&self, number: u32) -> Value {
        let name = format!("nightly-{number:05}");
        json!({
            "metadata": {"name": name, "namespace": namespace_name(number % self.options.namespaces.max(1)),
                "uid": uid(&format!("job/{name}")), "creationTimestamp": self.created, "generation": 1,
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": uid("nightly"),
                    "controller": true, "blockOwnerDeletion": true}]},
            "spec": {"completions": 1, "parallelism": 1, "backoffLimit": 6},
            "status": {"succeeded": 1, "startTime": self.created},
        })
    }
}

/// Labels the operator's allocator finds its collectors by.
pub(in crate::cluster) fn collector_labels(namespace: &str) -> Value {
    json!({
        "app.kubernetes.io/component": "opentelemetry-collector",
        "app.kubernetes.io/instance": format!("{namespace}.otel"),
        "app.kubernetes.io/managed-by": "opentelemetry-operator",
        "app.kubernetes.io/part-of": "opentelemetry",
    })
}

fn named_namespace(name: &str, created: &str) -> Value {
    json!({
        "metadata": {"name": name, "uid": uid(&format!("namespace/{name}")), "creationTimestamp": created,
            "labels": {"kubernetes.io/metadata.name": name, "team": name}},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
    })
}

fn secret_name(secret: u32) -> String {
    format!("scrape-token-{secret:05}")
}

/// RFC 4648, for texts whose length is a multiple of three.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |group: u32, shift: u32| char::from(DIGITS[(group >> shift & 63) as usize]);
    let mut text = String::new();
    for three in bytes.chunks_exact(3) {
        let group = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        text.extend([18, 12, 6, 0].map(|shift| digit(group, shift)));
    }
    text
}
