//! The kinds of objects that service discovery looks at: what is decoded of each, how that is kept, and how it reads.
//!
//! ```text
//! JSON ──serde──► Raw… (borrowed) ──Layout::write──► Record (one string) ──view()──► …View (borrowed)
//! ```
//!
//! Kept is what labels are made of, and nothing else: an update that changes no label is none. Only the annotations
//! may weigh: all of them become labels, `kubectl.kubernetes.io/last-applied-configuration` included.

mod endpoints;
mod endpointslice;
mod ingress;
mod json;
mod meta;
mod metadata;
mod node;
mod pod;
mod port;
mod record;
mod reference;
mod service;

pub(crate) use endpoints::{EndpointAddress, Endpoints, EndpointsKind};
pub(crate) use endpointslice::{EndpointSlice, EndpointSlices, SliceEndpoint, SlicePort};
pub(crate) use ingress::{Ingress, Ingresses};
pub(crate) use meta::Meta;
pub(crate) use metadata::{Controlled, Jobs, Namespace, Namespaces, ReplicaSets};
pub(crate) use node::{Node, Nodes};
pub(crate) use pod::{Container, Pod, PodView, Pods};
pub(crate) use port::Port;
pub(crate) use reference::Reference;
pub(crate) use service::{Service, Services};

#[cfg(test)]
mod tests;
