use serde::Deserialize;

use super::json::{self, Array, Layout, Text};
use super::meta::{Meta, RawMeta};
use super::record::{Reader, Record, Row, Rows, Writer};
use crate::kubernetes::object::Kind;
use crate::kubernetes::resource::Resource;

/// `networking.k8s.io/v1` ingresses.
#[derive(Debug)]
pub(crate) struct Ingresses;

/// What is kept of an ingress.
#[derive(Debug, PartialEq)]
pub(crate) struct Ingress(Record);

/// An ingress, read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IngressView<'a> {
    pub(crate) meta: Meta<'a>,
    pub(crate) class: Option<&'a str>,
    pub(crate) rules: Rows<'a, IngressRule<'a>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct IngressRule<'a> {
    /// May be empty.
    pub(crate) host: &'a str,
    /// `https` if a certificate of the ingress is for the host, else `http`.
    pub(crate) scheme: &'a str,
    pub(crate) paths: Rows<'a, &'a str>,
}

impl Kind for Ingresses {
    type Kept = Ingress;
    const RESOURCE: Resource =
        Resource { group: "networking.k8s.io", version: "v1", plural: "ingresses", kind: "Ingress", namespaced: true };

    fn keep(json: &[u8]) -> Result<Ingress, String> {
        json::keep::<Self>(json).map(Ingress)
    }

    fn bytes(kept: &Ingress) -> usize {
        kept.0.bytes()
    }
}

impl Ingress {
    pub(crate) fn view(&self) -> IngressView<'_> {
        let mut from = self.0.reader();
        IngressView { meta: Meta::read(&mut from), class: from.optional(), rules: from.list() }
    }
}

impl<'a> Row<'a> for IngressRule<'a> {
    fn read(from: &mut Reader<'a>) -> Self {
        Self { host: from.text(), scheme: from.text(), paths: from.list() }
    }
}

impl Layout for Ingresses {
    type Raw<'a> = RawIngress<'a>;

    fn write(raw: &RawIngress<'_>, to: &mut Writer) {
        let hosts = raw.spec.tls.0.iter().flat_map(|tls| &tls.hosts.0);
        raw.metadata.write_meta(to);
        to.optional(raw.spec.ingress_class_name.as_ref().map(Text::as_str));
        to.list(&raw.spec.rules.0, |to, rule| {
            let host = rule.host.as_str();
            let encrypted = hosts.clone().any(|pattern| matches_host(pattern.as_str(), host));
            to.text(host);
            to.text(if encrypted { "https" } else { "http" });
            to.list(paths(rule), Writer::text);
        });
    }
}

/// The paths of a rule: all of them below `/` where it says nothing about HTTP, none where it says that there are none.
fn paths<'a>(rule: &'a RawRule<'_>) -> Vec<&'a str> {
    let Some(http) = &rule.http else { return vec!["/"] };
    let written = http.paths.0.iter().map(|path| path.path.as_str());
    written.map(|path| if path.is_empty() { "/" } else { path }).collect()
}

/// Whether `pattern` is `host`, or has `*` for its first part and equals it in all others.
fn matches_host(pattern: &str, host: &str) -> bool {
    let (wildcard, parent) = split_first_part(pattern);
    pattern == host || wildcard == "*" && parent == split_first_part(host).1
}

/// The part before the first dot, and what follows it.
fn split_first_part(name: &str) -> (&str, Option<&str>) {
    name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawIngress<'a> {
    #[serde(borrow, deserialize_with = "json::nullable")]
    metadata: RawMeta<'a>,
    #[serde(borrow, deserialize_with = "json::nullable")]
    spec: RawSpec<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawSpec<'a> {
    #[serde(borrow)]
    ingress_class_name: Option<Text<'a>>,
    #[serde(borrow)]
    tls: Array<RawTls<'a>>,
    #[serde(borrow)]
    rules: Array<RawRule<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawTls<'a> {
    #[serde(borrow)]
    hosts: Array<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawRule<'a> {
    #[serde(borrow)]
    host: Text<'a>,
    #[serde(borrow)]
    http: Option<RawHttp<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawHttp<'a> {
    #[serde(borrow)]
    paths: Array<RawPath<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawPath<'a> {
    #[serde(borrow)]
    path: Text<'a>,
}
