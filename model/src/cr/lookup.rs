//! Values that objects refer to: keys of Secrets and ConfigMaps in the object's namespace.

use std::collections::BTreeSet;
use std::fmt;

use super::http::KeyRef;
use crate::quote::quote;
use crate::scrape_config::url;
use crate::secret::{MASK, Secret, Secrets};

/// What a reference points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueKind {
    Secret,
    ConfigMap,
}

impl ValueKind {
    fn noun(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::ConfigMap => "configmap",
        }
    }
}

/// A Secret or ConfigMap that an object refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    pub kind: ValueKind,
    pub namespace: String,
    pub name: String,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.noun(), self.namespace, self.name)
    }
}

/// Where values come from. Generation asks and never waits: whoever watches the objects answers from what it has.
pub trait Lookup {
    /// The value of `key` in `reference`.
    ///
    /// # Errors
    /// The object is not there (or may not be read), or it has no such key.
    fn value(&self, reference: &Reference, key: &str) -> Result<Secret, LookupError>;
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// No such object, or no permission to read it; in the API's words.
    NoObject(String),
    NoKey,
}

/// Reads the references of one object and remembers them.
pub(crate) struct Resolver<'c> {
    lookup: &'c dyn Lookup,
    namespace: &'c str,
    secrets: Secrets,
    pub(crate) references: BTreeSet<Reference>,
    pub(crate) warnings: Vec<String>,
    /// Something that the object itself refers to was not there.
    pub(crate) is_missing: bool,
}

impl<'c> Resolver<'c> {
    pub(crate) fn new(lookup: &'c dyn Lookup, namespace: &'c str, secrets: Secrets) -> Self {
        Self { lookup, namespace, secrets, references: BTreeSet::new(), warnings: Vec::new(), is_missing: false }
    }

    /// The value at `at`, whatever its kind. `None`: a scrape class refers to something that is not there, which does
    /// not concern the object (upstream never loads what classes refer to).
    pub(crate) fn read(&mut self, at: &KeyRef) -> Result<Option<Secret>, String> {
        let KeyRef { kind, name, key, of_class } = at;
        let reference = Reference { kind: *kind, namespace: self.namespace.to_owned(), name: name.clone() };
        let found = self.lookup.value(&reference, key);
        self.references.insert(reference);
        let noun = kind.noun();
        let why = match found {
            Ok(value) => return Ok(Some(value)),
            Err(LookupError::NoObject(why)) => format!("unable to get {noun} {}: {why}", quote(name)),
            Err(LookupError::NoKey) => format!("key {} in {noun} {} not found", quote(key), quote(name)),
        };
        if *of_class {
            self.warnings.push(format!("left out what the scrape class refers to: {why}"));
            return Ok(None);
        }
        self.is_missing = true;
        Err(why)
    }

    /// A value that is no secret where it is used (a user name, a certificate).
    pub(crate) fn text(&mut self, at: &KeyRef) -> Result<Option<String>, String> {
        Ok(self.read(at)?.map(|value| value.reveal().to_owned()))
    }

    /// A URL, its password masked as Prometheus does it.
    pub(crate) fn url(&self, url: &Secret) -> String {
        match (self.secrets, url::parse(url.reveal())) {
            (Secrets::Masked, Ok(parsed)) => parsed.redacted(),
            _ => url.reveal().to_owned(),
        }
    }

    /// A secret, or its mask.
    pub(crate) fn secret(&mut self, at: &KeyRef) -> Result<Option<String>, String> {
        let value = self.read(at)?;
        Ok(value.map(|value| match self.secrets {
            Secrets::Masked if !value.is_empty() => MASK.to_owned(),
            _ => value.reveal().to_owned(),
        }))
    }
}
