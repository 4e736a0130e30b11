use ta_model::group::TargetGroup;

use super::{Drawing, NODE, Role};
use crate::kubernetes::kinds::Node;

impl Role for Node {
    const SOURCE: &'static str = "node/";

    /// One target: the kubelet. A node without an address changes nothing: its last group stays.
    fn group(&self, _namespace: &str, name: &str, drawing: &mut Drawing<'_>) -> Option<TargetGroup> {
        let node = self.view();
        let address = node.address?;
        drawing.label("node_provider_id", node.provider_id);
        for condition in node.conditions {
            drawing.keyed("node_condition_", condition.key, condition.value);
        }
        drawing.label("node_name", name);
        drawing.meta(&NODE, node.meta);

        drawing.target(address, Some(node.kubelet_port));
        drawing.builder.target_label("instance", name);
        for address in node.addresses {
            drawing.keyed("node_address_", address.key, address.value);
        }
        Some(drawing.finish())
    }
}
