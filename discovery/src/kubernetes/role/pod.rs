use ta_model::group::TargetGroup;

use super::{Drawing, POD, Role};
use crate::kubernetes::kinds::{Container, Pod, PodView, Port};

impl Role for Pod {
    const SOURCE: &'static str = "pod/";

    /// A target for each port of each container, and for each container without ports. None without an IP, whatever
    /// the phase; none on nodes that are not there, if nodes are asked for.
    fn group(&self, namespace: &str, name: &str, drawing: &mut Drawing<'_>) -> Option<TargetGroup> {
        let pod = self.view();
        let on_missing_node = drawing.attach.node && drawing.look_up.node(pod.node).is_none();
        if pod.ip.is_empty() || on_missing_node {
            return Some(TargetGroup::default());
        }
        drawing.pod_meta(namespace, name, &pod);
        drawing.label("namespace", namespace);
        if drawing.attach.node {
            drawing.node_meta(pod.node);
        }
        drawing.namespace_meta(namespace);

        for (container, is_init) in pod.containers() {
            if container.ports.is_empty() {
                drawing.target(pod.ip, None);
                drawing.own_container(&container, is_init);
            }
            for port in container.ports {
                drawing.target(pod.ip, Some(port.number));
                drawing.own_container(&container, is_init);
                drawing.container_port(&port, port.protocol);
            }
        }
        Some(drawing.finish())
    }
}

impl Drawing<'_> {
    /// Adds what there is to say about a pod, wherever its targets come from; not its namespace.
    pub(super) fn pod_meta(&mut self, namespace: &str, name: &str, pod: &PodView<'_>) {
        self.label("pod_ip", pod.ip);
        self.label("pod_ready", pod.ready);
        self.label("pod_phase", pod.phase);
        self.label("pod_node_name", pod.node);
        self.label("pod_host_ip", pod.host_ip);
        self.label("pod_uid", pod.uid);
        self.label("pod_name", name);
        self.meta(&POD, pod.meta);
        self.pod_controller(namespace, pod);
    }

    fn pod_controller(&mut self, namespace: &str, pod: &PodView<'_>) {
        let controller = pod.controller;
        self.optional("pod_controller_kind", Some(controller.kind).filter(|kind| !kind.is_empty()));
        self.optional("pod_controller_name", Some(controller.name).filter(|name| !name.is_empty()));
        match controller.kind {
            "ReplicaSet" if self.attach.deployment => {
                let owner = self.look_up.replica_set(namespace, controller.name);
                let owner = owner.as_ref().map(|set| set.controller()).filter(|owner| owner.kind == "Deployment");
                self.optional("pod_deployment_name", owner.map(|owner| owner.name));
            }
            "Job" => {
                self.optional("pod_job_name", Some(controller.name).filter(|_| self.attach.job));
                let owner = self.attach.cronjob.then(|| self.look_up.job(namespace, controller.name)).flatten();
                let owner = owner.as_ref().map(|job| job.controller()).filter(|owner| owner.kind == "CronJob");
                self.optional("pod_cronjob_name", owner.map(|owner| owner.name));
            }
            _ => {}
        }
    }

    /// Adds a container's labels as all roles have them.
    pub(super) fn container(&mut self, container: &Container<'_>, is_init: bool) {
        self.label("pod_container_name", container.name);
        self.label("pod_container_image", container.image);
        self.flag("pod_container_init", Some(is_init));
    }

    pub(super) fn container_port(&mut self, port: &Port<'_>, protocol: &str) {
        self.label("pod_container_port_name", port.name);
        self.label("pod_container_port_number", port.number);
        self.label("pod_container_port_protocol", protocol);
    }

    /// In the pod's own role, containers have ids.
    fn own_container(&mut self, container: &Container<'_>, is_init: bool) {
        self.container(container, is_init);
        self.label("pod_container_id", container.id);
    }
}
