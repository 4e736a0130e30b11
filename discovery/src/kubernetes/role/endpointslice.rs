use ta_model::group::TargetGroup;

use super::endpoints::SeenPods;
use super::{Drawing, ENDPOINT_SLICE, Role};
use crate::kubernetes::kinds::{EndpointSlice, SliceEndpoint, SlicePort};

impl Role for EndpointSlice {
    const SOURCE: &'static str = "endpointslice/";

    /// A target for each address of each endpoint at each port, whatever its conditions; then one for each port that
    /// the pods among them have besides. None if the slice has the second family of a dual-stack service: its targets
    /// are those of the first.
    fn group(&self, namespace: &str, name: &str, drawing: &mut Drawing<'_>) -> Option<TargetGroup> {
        let slice = self.view();
        drawing.label("namespace", namespace);
        drawing.label("endpointslice_address_type", slice.address_type);
        drawing.label("endpointslice_name", name);
        drawing.meta(&ENDPOINT_SLICE, slice.meta);
        let service = slice.service.and_then(|service| drawing.service_meta(namespace, service));
        drawing.namespace_meta(namespace);
        if service
            .is_some_and(|service| service.view().primary_family.is_some_and(|family| family != slice.address_type))
        {
            return Some(TargetGroup::default());
        }

        let mut pods = SeenPods::default();
        for endpoint in slice.endpoints {
            for port in slice.ports {
                endpoint.addresses.for_each(|address| drawing.slice_endpoint(address, &endpoint, &port, &mut pods));
            }
        }
        drawing.uncovered(&pods);
        Some(drawing.finish())
    }
}

impl Drawing<'_> {
    fn slice_endpoint<'a>(
        &mut self,
        address: &str,
        endpoint: &SliceEndpoint<'a>,
        port: &SlicePort<'a>,
        pods: &mut SeenPods<'a>,
    ) {
        self.target(address, port.number);
        self.optional("endpointslice_port_name", port.name);
        self.optional("endpointslice_port_protocol", port.protocol);
        self.optional("endpointslice_port", port.number);
        self.optional("endpointslice_port_app_protocol", port.app_protocol);
        self.flag("endpointslice_endpoint_conditions_ready", endpoint.ready);
        self.flag("endpointslice_endpoint_conditions_serving", endpoint.serving);
        self.flag("endpointslice_endpoint_conditions_terminating", endpoint.terminating);
        self.optional("endpointslice_endpoint_hostname", endpoint.hostname);
        self.optional("endpointslice_address_target_kind", endpoint.target.map(|target| target.kind));
        self.optional("endpointslice_address_target_name", endpoint.target.map(|target| target.name));
        self.optional("endpointslice_endpoint_node_name", endpoint.node);
        self.optional("endpointslice_endpoint_zone", endpoint.zone);
        for pair in endpoint.topology {
            self.keyed("endpointslice_endpoint_topology_", pair.key, pair.value);
            self.keyed("endpointslice_endpoint_topology_present_", pair.key, "true");
        }
        if self.attach.node {
            // the other way round than for endpoints
            let target = endpoint.target.filter(|target| target.kind == "Node").map(|target| target.name);
            target.or(endpoint.node).into_iter().for_each(|node| self.node_meta(node));
        }
        self.endpoint_pod(endpoint.target, port.number, None, pods);
    }
}
