//! Objects: their names, and what is kept of them.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use serde::Deserialize;

use super::resource::Resource;

/// Namespace and name of an object; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Empty for kinds without namespaces.
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

impl ObjectKey {
    /// The key of `name` in `namespace`.
    #[must_use]
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object whose kind has no namespaces.
    #[must_use]
    pub fn cluster_wide(name: impl Into<Arc<str>>) -> Self {
        Self::new("", name)
    }
}

impl std::fmt::Display for ObjectKey {
    /// `namespace/name`, or the name alone.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

impl Debug for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// One kind of object, and what is kept of it.
pub trait Kind: Send + Sync + 'static {
    /// Only what somebody uses: a pod is 5–20 kB as JSON, and there are hundreds of thousands.
    type Kept: PartialEq + Send + Sync + Debug + 'static;

    const RESOURCE: Resource;

    /// Ask for `metadata` only.
    const METADATA_ONLY: bool = false;

    /// Reads a whole object (with `METADATA_ONLY`: its `PartialObjectMetadata`).
    ///
    /// # Errors
    /// What is wrong with it, in one sentence. It is counted and shown; the state of the object before it stays, if
    /// there was one, and no other object suffers.
    fn keep(json: &[u8]) -> Result<Self::Kept, String>;

    /// Bytes on the heap, for the debug page.
    fn bytes(kept: &Self::Kept) -> usize;
}

/// What every object says of itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) namespace: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) resource_version: Cow<'a, str>,
}

impl<'a> Head<'a> {
    /// Reads the metadata of an object, whatever else is wrong with it.
    pub(super) fn read(json: &'a [u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Object<'a> {
            #[serde(borrow)]
            metadata: Head<'a>,
        }
        let object: Object<'a> = serde_json::from_slice(json).map_err(|error| format!("it has no name: {error}"))?;
        Ok(object.metadata)
    }
}
