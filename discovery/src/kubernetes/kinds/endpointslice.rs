use serde::Deserialize;

use super::json::{self, Array, Layout, Strings, Text};
use super::meta::{Meta, Pair, RawMeta, write_pair};
use super::record::{Reader, Record, Row, Rows, Writer};
use super::reference::{RawReference, Reference};
use crate::kubernetes::object::Kind;
use crate::kubernetes::resource::Resource;

/// The label that names the service of a slice.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// `discovery.k8s.io/v1` endpoint slices.
#[derive(Debug)]
pub(crate) struct EndpointSlices;

/// What is kept of an endpoint slice: about 100 bytes for each of its endpoints.
#[derive(Debug, PartialEq)]
pub(crate) struct EndpointSlice(Record);

/// An endpoint slice, read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointSliceView<'a> {
    pub(crate) meta: Meta<'a>,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub(crate) address_type: &'a str,
    /// The service it is labelled with.
    pub(crate) service: Option<&'a str>,
    pub(crate) ports: Rows<'a, SlicePort<'a>>,
    pub(crate) endpoints: Rows<'a, SliceEndpoint<'a>>,
}

/// Any of these may be missing; a missing number means all ports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlicePort<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) protocol: Option<&'a str>,
    pub(crate) number: Option<&'a str>,
    pub(crate) app_protocol: Option<&'a str>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct SliceEndpoint<'a> {
    pub(crate) addresses: Rows<'a, &'a str>,
    pub(crate) ready: Option<bool>,
    pub(crate) serving: Option<bool>,
    pub(crate) terminating: Option<bool>,
    pub(crate) hostname: Option<&'a str>,
    pub(crate) target: Option<Reference<'a>>,
    pub(crate) node: Option<&'a str>,
    pub(crate) zone: Option<&'a str>,
    /// `deprecatedTopology`
    pub(crate) topology: Rows<'a, Pair<'a>>,
}

impl Kind for EndpointSlices {
    type Kept = EndpointSlice;
    const RESOURCE: Resource = Resource {
        group: "discovery.k8s.io",
        version: "v1",
        plural: "endpointslices",
        kind: "EndpointSlice",
        namespaced: true,
    };

    fn keep(json: &[u8]) -> Result<EndpointSlice, String> {
        json::keep::<Self>(json).map(EndpointSlice)
    }

    fn bytes(kept: &EndpointSlice) -> usize {
        kept.0.bytes()
    }
}

impl EndpointSlice {
    pub(crate) fn view(&self) -> EndpointSliceView<'_> {
        let mut from = self.0.reader();
        EndpointSliceView {
            meta: Meta::read(&mut from),
            address_type: from.text(),
            service: from.optional(),
            ports: from.list(),
            endpoints: from.list(),
        }
    }
}

impl<'a> Row<'a> for SlicePort<'a> {
    fn read(from: &mut Reader<'a>) -> Self {
        Self {
            name: from.optional(),
            protocol: from.optional(),
            number: from.optional(),
            app_protocol: from.optional(),
        }
    }
}

impl<'a> Row<'a> for SliceEndpoint<'a> {
    fn read(from: &mut Reader<'a>) -> Self {
        Self {
            addresses: from.list(),
            ready: from.flag(),
            serving: from.flag(),
            terminating: from.flag(),
            hostname: from.optional(),
            target: Reference::read(from),
            node: from.optional(),
            zone: from.optional(),
            topology: from.list(),
        }
    }
}

impl Layout for EndpointSlices {
    type Raw<'a> = RawSlice<'a>;

    fn write(raw: &RawSlice<'_>, to: &mut Writer) {
        raw.metadata.write_meta(to);
        to.text(raw.address_type.as_str());
        to.optional(raw.metadata.labels.get(SERVICE_NAME));
        to.list(&raw.ports.0, |to, port| {
            to.optional(port.name.as_ref().map(Text::as_str));
            to.optional(port.protocol.as_ref().map(Text::as_str));
            to.optional(port.port.map(json::unsigned).as_deref());
            to.optional(port.app_protocol.as_ref().map(Text::as_str));
        });
        to.list(&raw.endpoints.0, |to, endpoint| {
            to.list(&endpoint.addresses.0, |to, address| to.text(address.as_str()));
            to.flag(endpoint.conditions.ready);
            to.flag(endpoint.conditions.serving);
            to.flag(endpoint.conditions.terminating);
            to.optional(endpoint.hostname.as_ref().map(Text::as_str));
            RawReference::write(endpoint.target_ref.as_ref(), to);
            to.optional(endpoint.node_name.as_ref().map(Text::as_str));
            to.optional(endpoint.zone.as_ref().map(Text::as_str));
            to.list(&endpoint.deprecated_topology.0, |to, (key, value)| write_pair(to, key, value));
        });
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawSlice<'a> {
    #[serde(borrow, deserialize_with = "json::nullable")]
    metadata: RawMeta<'a>,
    #[serde(borrow)]
    address_type: Text<'a>,
    #[serde(borrow)]
    ports: Array<RawPort<'a>>,
    #[serde(borrow)]
    endpoints: Array<RawEndpoint<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawPort<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    protocol: Option<Text<'a>>,
    port: Option<i32>,
    #[serde(borrow)]
    app_protocol: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawEndpoint<'a> {
    #[serde(borrow)]
    addresses: Array<Text<'a>>,
    #[serde(deserialize_with = "json::nullable")]
    conditions: RawConditions,
    #[serde(borrow)]
    hostname: Option<Text<'a>>,
    #[serde(borrow)]
    target_ref: Option<RawReference<'a>>,
    #[serde(borrow)]
    node_name: Option<Text<'a>>,
    #[serde(borrow)]
    zone: Option<Text<'a>>,
    #[serde(borrow)]
    deprecated_topology: Strings<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawConditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}
