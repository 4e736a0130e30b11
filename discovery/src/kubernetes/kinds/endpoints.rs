use serde::Deserialize;

use super::json::{self, Array, Layout, Text};
use super::meta::{Meta, RawMeta};
use super::port::{Port, RawPort, write_ports};
use super::record::{Reader, Record, Row, Rows, Writer};
use super::reference::{RawReference, Reference};
use crate::kubernetes::object::Kind;
use crate::kubernetes::resource::Resource;

/// `v1` endpoints.
#[derive(Debug)]
pub(crate) struct EndpointsKind;

/// What is kept of one endpoints object.
#[derive(Debug, PartialEq)]
pub(crate) struct Endpoints(Record);

/// An endpoints object, read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointsView<'a> {
    pub(crate) meta: Meta<'a>,
    pub(crate) subsets: Rows<'a, Subset<'a>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Subset<'a> {
    pub(crate) ports: Rows<'a, Port<'a>>,
    pub(crate) ready: Rows<'a, EndpointAddress<'a>>,
    pub(crate) not_ready: Rows<'a, EndpointAddress<'a>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointAddress<'a> {
    pub(crate) ip: &'a str,
    pub(crate) hostname: &'a str,
    pub(crate) node: Option<&'a str>,
    pub(crate) target: Option<Reference<'a>>,
}

impl Kind for EndpointsKind {
    type Kept = Endpoints;
    const RESOURCE: Resource =
        Resource { group: "", version: "v1", plural: "endpoints", kind: "Endpoints", namespaced: true };

    fn keep(json: &[u8]) -> Result<Endpoints, String> {
        json::keep::<Self>(json).map(Endpoints)
    }

    fn bytes(kept: &Endpoints) -> usize {
        kept.0.bytes()
    }
}

impl Endpoints {
    pub(crate) fn view(&self) -> EndpointsView<'_> {
        let mut from = self.0.reader();
        EndpointsView { meta: Meta::read(&mut from), subsets: from.list() }
    }
}

impl<'a> Row<'a> for Subset<'a> {
    fn read(from: &mut Reader<'a>) -> Self {
        Self { ports: from.list(), ready: from.list(), not_ready: from.list() }
    }
}

impl<'a> Row<'a> for EndpointAddress<'a> {
    fn read(from: &mut Reader<'a>) -> Self {
        Self { ip: from.text(), hostname: from.text(), node: from.optional(), target: Reference::read(from) }
    }
}

impl Layout for EndpointsKind {
    type Raw<'a> = RawEndpoints<'a>;

    fn write(raw: &RawEndpoints<'_>, to: &mut Writer) {
        raw.metadata.write_meta(to);
        to.list(&raw.subsets.0, |to, subset| {
            write_ports(&subset.ports, json::unsigned, to);
            write_addresses(&subset.addresses, to);
            write_addresses(&subset.not_ready_addresses, to);
        });
    }
}

fn write_addresses(addresses: &Array<RawAddress<'_>>, to: &mut Writer) {
    to.list(&addresses.0, |to, address| {
        to.text(address.ip.as_str());
        to.text(address.hostname.as_str());
        to.optional(address.node_name.as_ref().map(Text::as_str));
        RawReference::write(address.target_ref.as_ref(), to);
    });
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawEndpoints<'a> {
    #[serde(borrow, deserialize_with = "json::nullable")]
    metadata: RawMeta<'a>,
    #[serde(borrow)]
    subsets: Array<RawSubset<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawSubset<'a> {
    #[serde(borrow)]
    addresses: Array<RawAddress<'a>>,
    #[serde(borrow)]
    not_ready_addresses: Array<RawAddress<'a>>,
    #[serde(borrow)]
    ports: Array<RawPort<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawAddress<'a> {
    #[serde(borrow)]
    ip: Text<'a>,
    #[serde(borrow)]
    hostname: Text<'a>,
    #[serde(borrow)]
    node_name: Option<Text<'a>>,
    #[serde(borrow)]
    target_ref: Option<RawReference<'a>>,
}
