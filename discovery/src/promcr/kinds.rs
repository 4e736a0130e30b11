//! The kinds of objects that are watched for resources, and what is kept of them.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use ta_model::Secret;
use ta_model::cr::{self, API_GROUP, ValueKind};

use crate::kubernetes::{Kind, Resource};

/// An object of one of the four kinds. One that cannot be read is kept too: it is rejected, with its reason.
#[derive(Debug, PartialEq)]
pub(crate) struct Monitor(pub(crate) Result<cr::Resource, cr::Invalid>);

impl Monitor {
    fn keep(kind: cr::Kind, json: &[u8]) -> Result<Self, String> {
        Ok(Self(cr::Resource::from_json(kind, &parse(json)?)))
    }

    /// A guess: what an object says is spread over many small pieces.
    fn bytes(&self) -> usize {
        /// Of an endpoint with its rules, as they are in practice.
        const ENDPOINT: usize = 600;
        let Ok(resource) = &self.0 else { return ENDPOINT };
        let endpoints = match &resource.spec {
            cr::Spec::ServiceMonitor(monitor) => monitor.endpoints.len(),
            cr::Spec::PodMonitor(monitor) => monitor.endpoints.len(),
            cr::Spec::Probe(_) | cr::Spec::ScrapeConfig(_) => 2,
        };
        let labels: usize = resource.labels.iter().map(|(key, value)| key.len() + value.len() + 64).sum();
        labels + resource.id.namespace.len() + resource.id.name.len() + endpoints * ENDPOINT
    }
}

macro_rules! monitors {
    ($($name:ident: $kind:expr;)*) => {$(
        #[derive(Debug)]
        pub(crate) enum $name {}

        impl Kind for $name {
            type Kept = Monitor;
            const RESOURCE: Resource = resource_of($kind);

            fn keep(json: &[u8]) -> Result<Monitor, String> {
                Monitor::keep($kind, json)
            }

            fn bytes(kept: &Monitor) -> usize {
                kept.bytes()
            }
        }
    )*};
}

monitors! {
    ServiceMonitors: cr::Kind::ServiceMonitor;
    PodMonitors: cr::Kind::PodMonitor;
    Probes: cr::Kind::Probe;
    ScrapeConfigs: cr::Kind::ScrapeConfig;
}

const fn resource_of(kind: cr::Kind) -> Resource {
    Resource { group: API_GROUP, version: kind.version(), plural: kind.plural(), kind: kind.as_str(), namespaced: true }
}

/// Keys of a Secret or ConfigMap.
pub(crate) type Keys = BTreeMap<String, Secret>;

/// Secrets, whole: only those in use are watched.
#[derive(Debug)]
pub(crate) enum Secrets {}

impl Kind for Secrets {
    type Kept = Keys;
    const RESOURCE: Resource = core("secrets", "Secret", true);

    fn keep(json: &[u8]) -> Result<Keys, String> {
        cr::values_of(ValueKind::Secret, &parse(json)?)
    }

    fn bytes(kept: &Keys) -> usize {
        keys_bytes(kept)
    }
}

/// ConfigMaps, as [`Secrets`].
#[derive(Debug)]
pub(crate) enum ConfigMaps {}

impl Kind for ConfigMaps {
    type Kept = Keys;
    const RESOURCE: Resource = core("configmaps", "ConfigMap", true);

    fn keep(json: &[u8]) -> Result<Keys, String> {
        cr::values_of(ValueKind::ConfigMap, &parse(json)?)
    }

    fn bytes(kept: &Keys) -> usize {
        keys_bytes(kept)
    }
}

fn keys_bytes(keys: &Keys) -> usize {
    keys.iter().map(|(key, value)| key.len() + value.reveal().len() + size_of::<(String, Secret)>()).sum()
}

/// The labels of namespaces, as they are: selectors look at them. (Those of discovery are kept as label names.)
#[derive(Debug)]
pub(crate) enum NamespaceLabels {}

impl Kind for NamespaceLabels {
    type Kept = BTreeMap<String, String>;
    const RESOURCE: Resource = core("namespaces", "Namespace", false);
    const METADATA_ONLY: bool = true;

    fn keep(json: &[u8]) -> Result<Self::Kept, String> {
        #[derive(serde::Deserialize)]
        struct Object {
            metadata: Metadata,
        }
        #[derive(serde::Deserialize)]
        struct Metadata {
            labels: Option<BTreeMap<String, String>>,
        }
        let object: Object = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        Ok(object.metadata.labels.unwrap_or_default())
    }

    fn bytes(kept: &Self::Kept) -> usize {
        kept.iter().map(|(key, value)| key.len() + value.len() + 2 * size_of::<String>()).sum()
    }
}

const fn core(plural: &'static str, kind: &'static str, namespaced: bool) -> Resource {
    Resource { group: "", version: "v1", plural, kind, namespaced }
}

/// The text of an object is never in an error: it may be a secret.
fn parse(json: &[u8]) -> Result<Json, String> {
    serde_json::from_slice(json).map_err(|error| format!("not JSON: line {} column {}", error.line(), error.column()))
}
