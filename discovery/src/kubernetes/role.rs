//! Roles: what groups of targets an object stands for (Prometheus: `discovery/kubernetes/{node,service,…}.go`).
//!
//! Pure: an object, what it looks up, and what of that is asked for, become a group. A label that a target has
//! without having a value for it is there, and empty.

mod endpoints;
mod endpointslice;
mod ingress;
mod node;
mod pod;
mod service;

use std::sync::Arc;

use ta_model::group::{GroupBuilder, TargetGroup};
use ta_model::scrape_config::AttachMetadata;

use super::kinds::{Controlled, Meta, Namespace, Node, Pod, Service};

/// How a role looks up objects besides its own. Whoever answers may note what was asked, to know what to build again
/// when an answer changes.
pub(crate) trait LookUp {
    fn service(&mut self, namespace: &str, name: &str) -> Option<Arc<Service>>;
    fn pod(&mut self, namespace: &str, name: &str) -> Option<Arc<Pod>>;
    fn node(&mut self, name: &str) -> Option<Arc<Node>>;
    fn namespace(&mut self, name: &str) -> Option<Arc<Namespace>>;
    fn replica_set(&mut self, namespace: &str, name: &str) -> Option<Arc<Controlled>>;
    fn job(&mut self, namespace: &str, name: &str) -> Option<Arc<Controlled>>;
}

/// A kind of object that is a group of targets.
pub(crate) trait Role {
    /// What its sources begin with.
    const SOURCE: &'static str;

    /// The group of the object called `name`. `None`: the group stays as it was.
    fn group(&self, namespace: &str, name: &str, drawing: &mut Drawing<'_>) -> Option<TargetGroup>;
}

/// A group in the making: labels are the group's until the first target begins, then that target's.
pub(crate) struct Drawing<'a> {
    builder: &'a mut GroupBuilder,
    look_up: &'a mut dyn LookUp,
    attach: AttachMetadata,
    in_target: bool,
    /// The name of the next label; it always begins with the prefix.
    name: String,
    address: String,
}

const PREFIX: &str = "__meta_kubernetes_";

impl<'a> Drawing<'a> {
    pub(crate) fn new(builder: &'a mut GroupBuilder, look_up: &'a mut dyn LookUp, attach: AttachMetadata) -> Self {
        builder.begin();
        Self { builder, look_up, attach, in_target: false, name: PREFIX.to_owned(), address: String::new() }
    }

    /// Adds `__meta_kubernetes_<name>`.
    fn label(&mut self, name: &str, value: &str) {
        self.keyed(name, "", value);
    }

    /// Adds `__meta_kubernetes_<name>`, if there is a value.
    fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.label(name, value);
        }
    }

    fn flag(&mut self, name: &str, value: Option<bool>) {
        self.optional(name, value.map(|flag| if flag { "true" } else { "false" }));
    }

    /// Adds `__meta_kubernetes_<family><key>`.
    fn keyed(&mut self, family: &str, key: &str, value: &str) {
        self.name.truncate(PREFIX.len());
        self.name.push_str(family);
        self.name.push_str(key);
        match self.in_target {
            true => self.builder.target_label(&self.name, value),
            false => self.builder.group_label(&self.name, value),
        }
    }

    /// Adds the labels and annotations of an object of type `X`.
    fn meta(&mut self, x: &MetaNames, meta: Meta<'_>) {
        for pair in meta.labels {
            self.keyed(x.label, pair.key, pair.value);
            self.keyed(x.label_present, pair.key, "true");
        }
        for pair in meta.annotations {
            self.keyed(x.annotation, pair.key, pair.value);
            self.keyed(x.annotation_present, pair.key, "true");
        }
    }

    /// Adds what the namespace says, if that is asked for.
    fn namespace_meta(&mut self, namespace: &str) {
        if self.attach.namespace
            && let Some(found) = self.look_up.namespace(namespace)
        {
            self.meta(&NAMESPACE, found.meta());
        }
    }

    /// Adds name and metadata of a node, if there is that node.
    fn node_meta(&mut self, name: &str) {
        if let Some(node) = self.look_up.node(name) {
            self.label("node_name", name);
            self.meta(&NODE, node.view().meta);
        }
    }

    /// Adds the service's labels, if there is that service.
    fn service_meta(&mut self, namespace: &str, name: &str) -> Option<Arc<Service>> {
        let service = self.look_up.service(namespace, name)?;
        self.label("service_name", name);
        self.meta(&SERVICE, service.view().meta);
        Some(service)
    }

    /// Begins a target at `host`, and at `port` if there is one. A host with a colon or a zone gets brackets then (Go:
    /// `net.JoinHostPort`).
    fn target(&mut self, host: &str, port: Option<&str>) {
        self.in_target = true;
        self.builder.begin_target();
        let Some(port) = port else { return self.builder.target_label("__address__", host) };
        let brackets = host.contains([':', '%']);
        self.address.clear();
        for part in [if brackets { "[" } else { "" }, host, if brackets { "]:" } else { ":" }, port] {
            self.address.push_str(part);
        }
        self.builder.target_label("__address__", &self.address);
    }

    fn finish(&mut self) -> TargetGroup {
        self.builder.finish()
    }
}

/// The four families of labels that an object's metadata makes.
struct MetaNames {
    label: &'static str,
    label_present: &'static str,
    annotation: &'static str,
    annotation_present: &'static str,
}

macro_rules! meta_names {
    ($($name:ident $x:literal)*) => {
        $(const $name: MetaNames = MetaNames {
            label: concat!($x, "_label_"),
            label_present: concat!($x, "_labelpresent_"),
            annotation: concat!($x, "_annotation_"),
            annotation_present: concat!($x, "_annotationpresent_"),
        };)*
    };
}

meta_names! {
    NODE "node"
    SERVICE "service"
    POD "pod"
    ENDPOINTS "endpoints"
    ENDPOINT_SLICE "endpointslice"
    INGRESS "ingress"
    NAMESPACE "namespace"
}

#[cfg(test)]
mod tests;
