use ta_model::group::TargetGroup;

use super::{Drawing, Role, SERVICE};
use crate::kubernetes::kinds::Service;

impl Role for Service {
    const SOURCE: &'static str = "svc/";

    /// One target for each port, at the service's own name.
    fn group(&self, namespace: &str, name: &str, drawing: &mut Drawing<'_>) -> Option<TargetGroup> {
        let service = self.view();
        drawing.label("namespace", namespace);
        drawing.label("service_name", name);
        drawing.meta(&SERVICE, service.meta);
        drawing.namespace_meta(namespace);

        let host = format!("{name}.{namespace}.svc");
        for port in service.ports {
            drawing.target(&host, Some(port.number));
            drawing.label("service_port_name", port.name);
            drawing.label("service_port_number", port.number);
            drawing.label("service_port_protocol", port.protocol);
            drawing.label("service_type", service.kind);
            match service.kind {
                "ExternalName" => drawing.label("service_external_name", service.external_name),
                _ => drawing.label("service_cluster_ip", service.cluster_ip),
            }
            if service.kind == "LoadBalancer" {
                drawing.label("service_loadbalancer_ip", service.load_balancer_ips);
            }
        }
        Some(drawing.finish())
    }
}
