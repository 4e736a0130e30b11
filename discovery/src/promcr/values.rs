//! The Secrets and ConfigMaps in use, each followed by name.

use std::collections::{BTreeMap, BTreeSet};

use ta_model::cr::{Reference, ValueKind};

use super::catalog::{Known, KnownValues};
use super::kinds::{ConfigMaps, Secrets};
use super::named::{Found, Named, NamedSettings};
use crate::kubernetes::ObjectKey;

#[derive(Debug)]
pub(crate) struct Values {
    settings: NamedSettings,
    followed: BTreeMap<Reference, Followed>,
}

#[derive(Debug)]
enum Followed {
    Secret(Named<Secrets>),
    ConfigMap(Named<ConfigMaps>),
}

impl Values {
    pub(crate) fn new(settings: NamedSettings) -> Self {
        Self { settings, followed: BTreeMap::new() }
    }

    /// Follows `wanted` and nothing else.
    pub(crate) fn follow(&mut self, wanted: &BTreeSet<Reference>) {
        self.followed.retain(|reference, _| wanted.contains(reference));
        for reference in wanted {
            if !self.followed.contains_key(reference) {
                self.followed.insert(reference.clone(), Followed::new(&self.settings, reference));
            }
        }
    }

    /// To be called when the bell rang.
    pub(crate) fn tend(&mut self) {
        for followed in self.followed.values_mut() {
            match followed {
                Followed::Secret(named) => named.tend(),
                Followed::ConfigMap(named) => named.tend(),
            }
        }
    }

    /// Everything as it is known now, for a page to look at.
    pub(crate) fn snapshot(&self) -> BTreeMap<Reference, Known> {
        self.followed.iter().map(|(reference, followed)| (reference.clone(), followed.known())).collect()
    }
}

impl KnownValues for Values {
    fn known(&self, reference: &Reference) -> Known {
        self.followed.get(reference).map_or(Known::NotYet, Followed::known)
    }
}

impl KnownValues for BTreeMap<Reference, Known> {
    fn known(&self, reference: &Reference) -> Known {
        self.get(reference).cloned().unwrap_or_default()
    }
}

impl Followed {
    fn new(settings: &NamedSettings, reference: &Reference) -> Self {
        let key = ObjectKey::new(reference.namespace.as_str(), reference.name.as_str());
        match reference.kind {
            ValueKind::Secret => Self::Secret(Named::new(settings, key)),
            ValueKind::ConfigMap => Self::ConfigMap(Named::new(settings, key)),
        }
    }

    fn known(&self) -> Known {
        let found = match self {
            Self::Secret(named) => named.found(),
            Self::ConfigMap(named) => named.found(),
        };
        match found {
            Found::NotYet => Known::NotYet,
            Found::None(why) => Known::None(why),
            Found::Object(keys) => Known::Keys(keys),
        }
    }
}
