//! The little of Services, Pods and Namespaces that explanations need.

use std::collections::BTreeMap;

use super::decode::{Metadata, read_target_port};
use super::http::read_some;
use super::types::TargetPort;
use crate::yaml::{Decoder, Dialect, Fields, Node, Problem};

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    pub namespace: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// `None`: not known. Empty: it has no pods of its own.
    pub selector: Option<BTreeMap<String, String>>,
    pub ports: Vec<ServicePort>,
}

/// One entry of `Service.spec.ports`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePort {
    /// May be empty if it is the only one.
    pub name: String,
    pub port: u64,
    /// `None`: the same as `port`.
    pub target_port: Option<TargetPort>,
}

/// A Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    pub namespace: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// `Running`, `Succeeded` …; empty where not known.
    pub phase: String,
    /// Of all containers.
    pub ports: Vec<ContainerPort>,
}

/// One entry of `ports` of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerPort {
    pub name: String,
    pub number: u64,
}

/// Reads an object with `read`.
pub(crate) fn decode<T>(
    object: &Node,
    read: impl FnOnce(&mut Fields<'_, '_>, Metadata) -> T,
) -> Result<T, Vec<Problem>> {
    let mut decoder = Decoder::new(Dialect::Kubernetes, "");
    let value = decoder.fields(object, |fields| {
        let metadata = Metadata::read(fields);
        read(fields, metadata)
    });
    let errors = decoder.finish().errors;
    value.filter(|_| errors.is_empty()).ok_or(errors)
}

impl Service {
    pub(crate) fn read(fields: &mut Fields<'_, '_>, metadata: Metadata) -> Self {
        let Metadata { namespace, name, labels } = metadata;
        let mut service = Self { namespace, name, labels, selector: Some(BTreeMap::new()), ..Self::default() };
        read_some(fields, "spec", |decoder, node| {
            decoder.fields(node, |fields| {
                service.selector = Some(fields.get("selector").unwrap_or_default());
                let ports = read_some(fields, "ports", |decoder, node| decoder.list(node, read_service_port));
                service.ports = ports.unwrap_or_default();
            })
        });
        service
    }
}

fn read_service_port(decoder: &mut Decoder, node: &Node) -> Option<ServicePort> {
    decoder.fields(node, |fields| {
        let mut port = ServicePort::default();
        fields.set("name", &mut port.name);
        fields.set("port", &mut port.port);
        port.target_port = read_some(fields, "targetPort", read_target_port);
        port
    })
}

impl Pod {
    pub(crate) fn read(fields: &mut Fields<'_, '_>, metadata: Metadata) -> Self {
        let Metadata { namespace, name, labels } = metadata;
        let mut pod = Self { namespace, name, labels, ..Self::default() };
        read_some(fields, "spec", |decoder, node| {
            decoder.fields(node, |fields| {
                for key in ["initContainers", "containers"] {
                    let containers = read_some(fields, key, |decoder, node| decoder.list(node, read_container));
                    pod.ports.extend(containers.into_iter().flatten().flatten());
                }
            })
        });
        read_some(fields, "status", |decoder, node| decoder.fields(node, |fields| fields.set("phase", &mut pod.phase)));
        pod
    }
}

fn read_container(decoder: &mut Decoder, node: &Node) -> Option<Vec<ContainerPort>> {
    let ports = decoder.fields(node, |fields| {
        read_some(fields, "ports", |decoder, node| {
            decoder.list(node, |decoder, node| {
                decoder.fields(node, |fields| {
                    let mut port = ContainerPort::default();
                    fields.set("name", &mut port.name);
                    fields.set("containerPort", &mut port.number);
                    port
                })
            })
        })
    });
    Some(ports.flatten().unwrap_or_default())
}
