use serde::Deserialize;
use ta_model::relabel::lowercase;

use super::json::{self, Array, Layout, Text};
use super::meta::{Meta, Pair, RawMeta, write_pair};
use super::pod::RawCondition;
use super::record::{Record, Rows, Writer};
use crate::kubernetes::object::Kind;
use crate::kubernetes::resource::Resource;

/// `v1` nodes.
#[derive(Debug)]
pub(crate) struct Nodes;

/// What is kept of a node. Heartbeats and capacities are not, so most of its updates are none to us.
#[derive(Debug, PartialEq)]
pub(crate) struct Node(Record);

/// A node, read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeView<'a> {
    pub(crate) meta: Meta<'a>,
    pub(crate) provider_id: &'a str,
    /// Where the kubelet listens; `0` if it does not say.
    pub(crate) kubelet_port: &'a str,
    /// The address to use, if there is any.
    pub(crate) address: Option<&'a str>,
    /// The first address of each type.
    pub(crate) addresses: Rows<'a, Pair<'a>>,
    /// Type and status of each condition, both in lower case.
    pub(crate) conditions: Rows<'a, Pair<'a>>,
}

impl Kind for Nodes {
    type Kept = Node;
    const RESOURCE: Resource = Resource { group: "", version: "v1", plural: "nodes", kind: "Node", namespaced: false };

    fn keep(json: &[u8]) -> Result<Node, String> {
        json::keep::<Self>(json).map(Node)
    }

    fn bytes(kept: &Node) -> usize {
        kept.0.bytes()
    }
}

impl Node {
    pub(crate) fn view(&self) -> NodeView<'_> {
        let mut from = self.0.reader();
        NodeView {
            meta: Meta::read(&mut from),
            provider_id: from.text(),
            kubelet_port: from.text(),
            address: from.optional(),
            addresses: from.list(),
            conditions: from.list(),
        }
    }
}

/// Which address of a node is used: the first there is (Prometheus: `discovery/kubernetes/node.go`).
const PREFERRED: [&str; 6] = ["InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname"];

impl Layout for Nodes {
    type Raw<'a> = RawNode<'a>;

    fn write(raw: &RawNode<'_>, to: &mut Writer) {
        let status = &raw.status;
        let addresses = &status.addresses.0;
        let first = |kind: &str| addresses.iter().position(|address| address.kind.as_str() == kind);
        let port = status.daemon_endpoints.as_ref().and_then(|daemons| daemons.kubelet_endpoint.as_ref());
        raw.metadata.write_meta(to);
        to.text(raw.spec.provider_id.as_str());
        to.text(&port.and_then(|endpoint| endpoint.port).unwrap_or(0).to_string());
        let address = PREFERRED.into_iter().find_map(first);
        to.optional(address.map(|at| addresses[at].address.as_str()));
        let firsts = addresses.iter().enumerate().filter(|(at, address)| first(address.kind.as_str()) == Some(*at));
        to.list(firsts, |to, (_, address)| write_pair(to, address.kind.as_str(), address.address.as_str()));
        to.list(&status.conditions.0, |to, condition| {
            write_pair(to, &lowercase(condition.kind.as_str()), &lowercase(condition.status.as_str()));
        });
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawNode<'a> {
    #[serde(borrow, deserialize_with = "json::nullable")]
    metadata: RawMeta<'a>,
    #[serde(borrow, deserialize_with = "json::nullable")]
    spec: RawSpec<'a>,
    #[serde(borrow, deserialize_with = "json::nullable")]
    status: RawStatus<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawSpec<'a> {
    #[serde(borrow, rename = "providerID")]
    provider_id: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawStatus<'a> {
    #[serde(borrow)]
    addresses: Array<RawAddress<'a>>,
    #[serde(borrow)]
    conditions: Array<RawCondition<'a>>,
    daemon_endpoints: Option<RawDaemons>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawAddress<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    address: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawDaemons {
    kubelet_endpoint: Option<RawDaemon>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawDaemon {
    port: Option<i32>,
}
