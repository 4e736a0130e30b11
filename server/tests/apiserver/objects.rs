//! Objects as a kubelet and the controllers would have made them.

use serde_json::{Value, json};

/// A pod on a node, running and ready, at `ip`, with one container that has `ports`.
pub(crate) fn mk_pod(name: &str, labels: &Value, node: &str, ip: &str, ports: &[(&str, u16)]) -> Value {
    let ports: Vec<Value> = ports.iter().map(|(name, port)| json!({"name": name, "containerPort": port})).collect();
    json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {"nodeName": node, "containers": [{"name": "app", "image": "example/app:1", "ports": ports}]},
        "status": mk_pod_status(ip, true),
    })
}

pub(crate) fn mk_pod_status(ip: &str, ready: bool) -> Value {
    let status = if ready { "True" } else { "False" };
    json!({
        "phase": "Running", "hostIP": "192.0.2.1", "podIP": ip, "podIPs": [{"ip": ip}],
        "conditions": [{"type": "Ready", "status": status, "lastTransitionTime": "2020-01-01T00:00:00Z"}],
        "containerStatuses": [{
            "name": "app", "image": "example/app:1", "imageID": "", "ready": ready, "restartCount": 0,
            "containerID": format!("containerd://{name}", name = ip.replace('.', "")),
        }],
    })
}

pub(crate) fn mk_node(name: &str, ip: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "a"}},
        "spec": {"providerID": format!("test://{name}")},
        "status": {
            "addresses": [{"type": "InternalIP", "address": ip}, {"type": "Hostname", "address": name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

pub(crate) fn mk_service(name: &str, selector: &Value, ports: &[(&str, u16)]) -> Value {
    let ports: Vec<Value> = ports.iter().map(|(name, port)| json!({"name": name, "port": port})).collect();
    json!({"metadata": {"name": name, "labels": selector}, "spec": {"selector": selector, "ports": ports}})
}

/// The slice of `service` that names `pods` (name, address) in `namespace`.
pub(crate) fn mk_slice(service: &str, namespace: &str, pods: &[(&str, &str)], ports: &[(&str, u16)]) -> Value {
    let ports: Vec<Value> = ports.iter().map(|(name, port)| json!({"name": name, "port": port})).collect();
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|(pod, ip)| {
            json!({
                "addresses": [ip], "conditions": {"ready": true}, "nodeName": "node-a",
                "targetRef": {"kind": "Pod", "name": pod, "namespace": namespace},
            })
        })
        .collect();
    json!({
        "metadata": {"name": format!("{service}-abcde"), "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
    })
}

pub(crate) fn mk_endpoints(service: &str, namespace: &str, pods: &[(&str, &str)], ports: &[(&str, u16)]) -> Value {
    let ports: Vec<Value> = ports.iter().map(|(name, port)| json!({"name": name, "port": port})).collect();
    let reference = |pod: &str| json!({"kind": "Pod", "name": pod, "namespace": namespace});
    let addresses: Vec<Value> =
        pods.iter().map(|(pod, ip)| json!({"ip": ip, "nodeName": "node-a", "targetRef": reference(pod)})).collect();
    json!({"metadata": {"name": service}, "subsets": [{"addresses": addresses, "ports": ports}]})
}

pub(crate) fn mk_ingress(name: &str, host: &str) -> Value {
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    json!({
        "metadata": {"name": name},
        "spec": {"rules": [{"host": host, "http": {"paths": [{"path": "/shop", "pathType": "Prefix", "backend": backend}]}}]},
    })
}
