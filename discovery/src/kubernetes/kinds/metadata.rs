//! Kinds of which nothing but metadata is asked for.

use serde::Deserialize;

use super::json::{self, Layout};
use super::meta::{Controller, Meta, RawMeta};
use super::record::{Record, Writer};
use crate::kubernetes::object::Kind;
use crate::kubernetes::resource::Resource;

/// `v1` namespaces.
#[derive(Debug)]
pub(crate) struct Namespaces;

/// Labels and annotations of a namespace.
#[derive(Debug, PartialEq)]
pub(crate) struct Namespace(Record);

/// `apps/v1` replica sets.
#[derive(Debug)]
pub(crate) struct ReplicaSets;

/// `batch/v1` jobs.
#[derive(Debug)]
pub(crate) struct Jobs;

/// The controller of an object.
#[derive(Debug, PartialEq)]
pub(crate) struct Controlled(Record);

impl Kind for Namespaces {
    type Kept = Namespace;
    const RESOURCE: Resource =
        Resource { group: "", version: "v1", plural: "namespaces", kind: "Namespace", namespaced: false };
    const METADATA_ONLY: bool = true;

    fn keep(json: &[u8]) -> Result<Namespace, String> {
        json::keep::<Self>(json).map(Namespace)
    }

    fn bytes(kept: &Namespace) -> usize {
        kept.0.bytes()
    }
}

impl Kind for ReplicaSets {
    type Kept = Controlled;
    const RESOURCE: Resource =
        Resource { group: "apps", version: "v1", plural: "replicasets", kind: "ReplicaSet", namespaced: true };
    const METADATA_ONLY: bool = true;

    fn keep(json: &[u8]) -> Result<Controlled, String> {
        json::keep::<Controlled>(json).map(Controlled)
    }

    fn bytes(kept: &Controlled) -> usize {
        kept.0.bytes()
    }
}

impl Kind for Jobs {
    type Kept = Controlled;
    const RESOURCE: Resource =
        Resource { group: "batch", version: "v1", plural: "jobs", kind: "Job", namespaced: true };
    const METADATA_ONLY: bool = true;

    fn keep(json: &[u8]) -> Result<Controlled, String> {
        json::keep::<Controlled>(json).map(Controlled)
    }

    fn bytes(kept: &Controlled) -> usize {
        kept.0.bytes()
    }
}

impl Namespace {
    pub(crate) fn meta(&self) -> Meta<'_> {
        Meta::read(&mut self.0.reader())
    }
}

impl Controlled {
    pub(crate) fn controller(&self) -> Controller<'_> {
        Controller::read(&mut self.0.reader())
    }
}

impl Layout for Namespaces {
    type Raw<'a> = RawObject<'a>;

    fn write(raw: &RawObject<'_>, to: &mut Writer) {
        raw.metadata.write_meta(to);
    }
}

impl Layout for Controlled {
    type Raw<'a> = RawObject<'a>;

    fn write(raw: &RawObject<'_>, to: &mut Writer) {
        raw.metadata.write_controller(to);
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawObject<'a> {
    #[serde(borrow, deserialize_with = "json::nullable")]
    metadata: RawMeta<'a>,
}
