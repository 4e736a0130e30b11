use serde::Deserialize;

use super::json::{self, Array, Layout, Text};
use super::meta::{Meta, RawMeta};
use super::port::{Port, RawPort, write_ports};
use super::record::{Record, Rows, Writer};
use crate::kubernetes::object::Kind;
use crate::kubernetes::resource::Resource;

/// `v1` services.
#[derive(Debug)]
pub(crate) struct Services;

/// What is kept of a service.
#[derive(Debug, PartialEq)]
pub(crate) struct Service(Record);

/// A service, read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServiceView<'a> {
    pub(crate) meta: Meta<'a>,
    /// Of a dual-stack service: the IP family that comes first.
    pub(crate) primary_family: Option<&'a str>,
    /// `spec.type`
    pub(crate) kind: &'a str,
    pub(crate) cluster_ip: &'a str,
    pub(crate) external_name: &'a str,
    /// All there are, with commas between.
    pub(crate) load_balancer_ips: &'a str,
    pub(crate) ports: Rows<'a, Port<'a>>,
}

impl Kind for Services {
    type Kept = Service;
    const RESOURCE: Resource =
        Resource { group: "", version: "v1", plural: "services", kind: "Service", namespaced: true };

    fn keep(json: &[u8]) -> Result<Service, String> {
        json::keep::<Self>(json).map(Service)
    }

    fn bytes(kept: &Service) -> usize {
        kept.0.bytes()
    }
}

impl Service {
    pub(crate) fn view(&self) -> ServiceView<'_> {
        let mut from = self.0.reader();
        ServiceView {
            meta: Meta::read(&mut from),
            primary_family: from.optional(),
            kind: from.text(),
            cluster_ip: from.text(),
            external_name: from.text(),
            load_balancer_ips: from.text(),
            ports: from.list(),
        }
    }
}

impl Layout for Services {
    type Raw<'a> = RawService<'a>;

    fn write(raw: &RawService<'_>, to: &mut Writer) {
        let spec = &raw.spec;
        let dual = matches!(spec.ip_family_policy.as_str(), "PreferDualStack" | "RequireDualStack");
        raw.metadata.write_meta(to);
        to.optional(spec.ip_families.0.first().filter(|_| dual).map(Text::as_str));
        to.text(spec.kind.as_str());
        to.text(spec.cluster_ip.as_str());
        to.text(spec.external_name.as_str());
        to.text(&load_balancer_ips(raw));
        write_ports(&spec.ports, |number| number.to_string(), to);
    }
}

/// What the load balancer reports; `spec.loadBalancerIP` as long as it reports nothing.
fn load_balancer_ips(raw: &RawService<'_>) -> String {
    let reported = raw.status.load_balancer.iter().flat_map(|balancer| &balancer.ingress.0);
    let ips: Vec<&str> = reported.map(|ingress| ingress.ip.as_str()).filter(|ip| !ip.is_empty()).collect();
    if ips.is_empty() { raw.spec.load_balancer_ip.as_str().to_owned() } else { ips.join(",") }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawService<'a> {
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
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, rename = "clusterIP")]
    cluster_ip: Text<'a>,
    #[serde(borrow)]
    external_name: Text<'a>,
    #[serde(borrow, rename = "loadBalancerIP")]
    load_balancer_ip: Text<'a>,
    #[serde(borrow)]
    ip_family_policy: Text<'a>,
    #[serde(borrow)]
    ip_families: Array<Text<'a>>,
    #[serde(borrow)]
    ports: Array<RawPort<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawStatus<'a> {
    #[serde(borrow)]
    load_balancer: Option<RawBalancer<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawBalancer<'a> {
    #[serde(borrow)]
    ingress: Array<RawIngress<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawIngress<'a> {
    #[serde(borrow)]
    ip: Text<'a>,
}
