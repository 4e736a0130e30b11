use std::collections::HashMap;
use std::sync::Arc;

use ta_model::group::TargetGroup;

use super::{Drawing, ENDPOINTS, LookUp, Role};
use crate::kubernetes::kinds::{EndpointAddress, Endpoints, Pod, Port, Reference};

impl Role for Endpoints {
    const SOURCE: &'static str = "endpoints/";

    /// A target for each address at each port, ready or not; then one for each port that the pods among them have
    /// besides.
    fn group(&self, namespace: &str, name: &str, drawing: &mut Drawing<'_>) -> Option<TargetGroup> {
        let endpoints = self.view();
        drawing.label("namespace", namespace);
        drawing.service_meta(namespace, name);
        drawing.label("endpoints_name", name);
        drawing.meta(&ENDPOINTS, endpoints.meta);
        drawing.namespace_meta(namespace);

        let mut pods = SeenPods::default();
        for subset in endpoints.subsets {
            for port in subset.ports {
                subset.ready.for_each(|address| drawing.endpoint(&address, &port, true, &mut pods));
                subset.not_ready.for_each(|address| drawing.endpoint(&address, &port, false, &mut pods));
            }
        }
        drawing.uncovered(&pods);
        Some(drawing.finish())
    }
}

impl Drawing<'_> {
    fn endpoint<'a>(&mut self, address: &EndpointAddress<'a>, port: &Port<'a>, ready: bool, pods: &mut SeenPods<'a>) {
        self.target(address.ip, Some(port.number));
        self.label("endpoint_port_name", port.name);
        self.label("endpoint_port_protocol", port.protocol);
        self.flag("endpoint_ready", Some(ready));
        self.optional("endpoint_address_target_kind", address.target.map(|target| target.kind));
        self.optional("endpoint_address_target_name", address.target.map(|target| target.name));
        self.optional("endpoint_node_name", address.node);
        self.optional("endpoint_hostname", Some(address.hostname).filter(|hostname| !hostname.is_empty()));
        if self.attach.node {
            let target = address.target.filter(|target| target.kind == "Node").map(|target| target.name);
            address.node.or(target).into_iter().for_each(|node| self.node_meta(node));
        }
        self.endpoint_pod(address.target, Some(port.number), Some(port.protocol), pods);
    }

    /// Adds what is known of the pod behind an address, and of its container that has the port: of several, the last.
    /// `protocol`: the endpoint's, if it counts more than the container's.
    pub(super) fn endpoint_pod<'a>(
        &mut self,
        target: Option<Reference<'a>>,
        number: Option<&'a str>,
        protocol: Option<&str>,
        pods: &mut SeenPods<'a>,
    ) {
        let Some(target) = target.filter(|target| target.kind == "Pod") else { return };
        let Some(pod) = pods.see(target, number, self.look_up) else { return };
        let view = pod.view();
        self.pod_meta(target.namespace, target.name, &view);
        let ported = view.containers().filter_map(|(container, is_init)| {
            let port = container.ports.into_iter().find(|port| Some(port.number) == number)?;
            Some((container, is_init, port))
        });
        if let Some((container, is_init, port)) = ported.last() {
            self.container(&container, is_init);
            self.container_port(&port, protocol.unwrap_or(port.protocol));
        }
    }

    /// Adds a target for each container port of the pods seen that no endpoint port stands for.
    pub(super) fn uncovered(&mut self, pods: &SeenPods<'_>) {
        for SeenPod { target, pod, covered } in &pods.pods {
            let pod = pod.view();
            if pod.ip.is_empty() {
                continue;
            }
            for (container, is_init) in pod.containers() {
                for port in container.ports.filter(|port| !covered.contains(&port.number)) {
                    self.target(pod.ip, Some(port.number));
                    self.container(&container, is_init);
                    self.container_port(&port, port.protocol);
                    self.pod_meta(target.namespace, target.name, &pod);
                }
            }
        }
    }
}

/// The pods that one object's addresses stand for, in the order they came.
#[derive(Default)]
pub(super) struct SeenPods<'a> {
    pods: Vec<SeenPod<'a>>,
    positions: HashMap<Reference<'a>, usize>,
}

struct SeenPod<'a> {
    target: Reference<'a>,
    pod: Arc<Pod>,
    /// The ports at which it was an endpoint.
    covered: Vec<&'a str>,
}

impl<'a> SeenPods<'a> {
    /// The pod called `target`, if there is one; it has been an endpoint at port `number`, from now on.
    fn see(&mut self, target: Reference<'a>, number: Option<&'a str>, look_up: &mut dyn LookUp) -> Option<Arc<Pod>> {
        let position = match self.positions.get(&target) {
            Some(position) => *position,
            None => {
                let pod = look_up.pod(target.namespace, target.name)?;
                self.pods.push(SeenPod { target, pod, covered: Vec::new() });
                self.positions.insert(target, self.pods.len() - 1);
                self.pods.len() - 1
            }
        };
        let seen = &mut self.pods[position];
        seen.covered.extend(number);
        Some(seen.pod.clone())
    }
}
