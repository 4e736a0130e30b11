use serde::Deserialize;
use ta_model::relabel::lowercase;

use super::json::{self, Array, Layout, Text};
use super::meta::{Controller, Meta, RawMeta};
use super::port::Port;
use super::record::{Reader, Record, Row, Rows, Writer};
use crate::kubernetes::object::Kind;
use crate::kubernetes::resource::Resource;

/// `v1` pods.
#[derive(Debug)]
pub(crate) struct Pods;

/// What is kept of a pod. Measured: 869 bytes for one with two containers, seven labels and four annotations, whose
/// JSON has 7960 (`testdata/kubernetes/pod.json`).
#[derive(Debug, PartialEq)]
pub(crate) struct Pod(Record);

/// A pod, read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PodView<'a> {
    /// Empty while it is not scheduled.
    pub(crate) node: &'a str,
    /// `status.podIP`; empty while it has none.
    pub(crate) ip: &'a str,
    /// The `Ready` condition in lower case, `unknown` without one.
    pub(crate) ready: &'a str,
    pub(crate) phase: &'a str,
    pub(crate) host_ip: &'a str,
    pub(crate) uid: &'a str,
    pub(crate) controller: Controller<'a>,
    pub(crate) meta: Meta<'a>,
    containers: Rows<'a, Container<'a>>,
    init_containers: Rows<'a, Container<'a>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Container<'a> {
    pub(crate) name: &'a str,
    pub(crate) image: &'a str,
    /// From its status; empty without one.
    pub(crate) id: &'a str,
    pub(crate) ports: Rows<'a, Port<'a>>,
}

impl Kind for Pods {
    type Kept = Pod;
    const RESOURCE: Resource = Resource { group: "", version: "v1", plural: "pods", kind: "Pod", namespaced: true };

    fn keep(json: &[u8]) -> Result<Pod, String> {
        json::keep::<Self>(json).map(Pod)
    }

    fn bytes(kept: &Pod) -> usize {
        kept.0.bytes()
    }
}

impl Pod {
    pub(crate) fn view(&self) -> PodView<'_> {
        let mut from = self.0.reader();
        PodView {
            node: from.text(),
            ip: from.text(),
            ready: from.text(),
            phase: from.text(),
            host_ip: from.text(),
            uid: from.text(),
            controller: Controller::read(&mut from),
            meta: Meta::read(&mut from),
            containers: from.list(),
            init_containers: from.list(),
        }
    }
}

impl<'a> PodView<'a> {
    /// All containers and whether each is an init container, those last. Sidecars are init containers; ephemeral
    /// containers are none.
    pub(crate) fn containers(self) -> impl Iterator<Item = (Container<'a>, bool)> {
        let init = self.init_containers.map(|container| (container, true));
        self.containers.map(|container| (container, false)).chain(init)
    }
}

impl<'a> Row<'a> for Container<'a> {
    fn read(from: &mut Reader<'a>) -> Self {
        Self { name: from.text(), image: from.text(), id: from.text(), ports: from.list() }
    }
}

impl Layout for Pods {
    type Raw<'a> = RawPod<'a>;

    fn write(raw: &RawPod<'_>, to: &mut Writer) {
        let (spec, status) = (&raw.spec, &raw.status);
        let ready = status.conditions.0.iter().find(|condition| condition.kind.as_str() == "Ready");
        to.text(spec.node_name.as_str());
        to.text(status.pod_ip.as_str());
        to.text(&ready.map_or_else(|| "unknown".to_owned(), |condition| lowercase(condition.status.as_str())));
        to.text(status.phase.as_str());
        to.text(status.host_ip.as_str());
        to.text(raw.metadata.uid.as_str());
        raw.metadata.write_controller(to);
        raw.metadata.write_meta(to);
        write_containers(&spec.containers, &status.container_statuses, to);
        write_containers(&spec.init_containers, &status.init_container_statuses, to);
    }
}

fn write_containers(containers: &Array<RawContainer<'_>>, statuses: &Array<RawStatusOf<'_>>, to: &mut Writer) {
    to.list(&containers.0, |to, container| {
        let status = statuses.0.iter().find(|status| status.name.0 == container.name.0);
        to.text(container.name.as_str());
        to.text(container.image.as_str());
        to.text(status.map_or("", |status| status.container_id.as_str()));
        to.list(&container.ports.0, |to, port| {
            to.text(port.name.as_str());
            to.text(&json::unsigned(port.container_port.unwrap_or(0)));
            to.text(port.protocol.as_str());
        });
    });
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawPod<'a> {
    #[serde(borrow, deserialize_with = "json::nullable")]
    metadata: RawMeta<'a>,
    #[serde(borrow, deserialize_with = "json::nullable")]
    spec: RawSpec<'a>,
    #[serde(borrow, deserialize_with = "json::nullable")]
    status: RawStatus<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawSpec<'a> {
    #[serde(borrow)]
    node_name: Text<'a>,
    #[serde(borrow)]
    containers: Array<RawContainer<'a>>,
    #[serde(borrow)]
    init_containers: Array<RawContainer<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawContainer<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    image: Text<'a>,
    #[serde(borrow)]
    ports: Array<RawPort<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawPort<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    container_port: Option<i32>,
    #[serde(borrow)]
    protocol: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawStatus<'a> {
    #[serde(borrow)]
    phase: Text<'a>,
    #[serde(borrow, rename = "podIP")]
    pod_ip: Text<'a>,
    #[serde(borrow, rename = "hostIP")]
    host_ip: Text<'a>,
    #[serde(borrow)]
    conditions: Array<RawCondition<'a>>,
    #[serde(borrow)]
    container_statuses: Array<RawStatusOf<'a>>,
    #[serde(borrow)]
    init_container_statuses: Array<RawStatusOf<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawCondition<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) status: Text<'a>,
}

/// The status of a container.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawStatusOf<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, rename = "containerID")]
    container_id: Text<'a>,
}
