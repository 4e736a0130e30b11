use ta_model::group::TargetGroup;

use super::{Drawing, INGRESS, Role};
use crate::kubernetes::kinds::Ingress;

impl Role for Ingress {
    const SOURCE: &'static str = "ingress/";

    /// One target for each path of each rule, at the rule's host, which may be empty.
    fn group(&self, namespace: &str, name: &str, drawing: &mut Drawing<'_>) -> Option<TargetGroup> {
        let ingress = self.view();
        drawing.label("namespace", namespace);
        drawing.optional("ingress_class_name", ingress.class);
        drawing.label("ingress_name", name);
        drawing.meta(&INGRESS, ingress.meta);
        drawing.namespace_meta(namespace);

        for rule in ingress.rules {
            for path in rule.paths {
                drawing.target(rule.host, None);
                drawing.label("ingress_scheme", rule.scheme);
                drawing.label("ingress_host", rule.host);
                drawing.label("ingress_path", path);
            }
        }
        Some(drawing.finish())
    }
}
