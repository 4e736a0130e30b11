//! Which objects are looked at: namespaces allowed or denied, namespace labels, the object's own labels.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::selector::{LabelSelector, Mismatch};
use super::types::{Kind, ObjectId};

/// The selectors of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindSelectors {
    /// On the object's labels. `None` selects nothing, the empty selector everything.
    pub own: Option<LabelSelector>,
    /// On the labels of the object's namespace. `None`: only the collectors' namespace; the empty selector: all.
    pub namespace: Option<LabelSelector>,
}

/// Everything that decides whether an object is selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Empty: all but the denied ones.
    pub allow_namespaces: BTreeSet<String>,
    pub deny_namespaces: BTreeSet<String>,
    pub collector_namespace: String,
    /// Of a kind that is not here nothing is selected.
    pub kinds: BTreeMap<Kind, KindSelectors>,
}

/// The labels of each namespace that is known.
pub type Namespaces = BTreeMap<String, BTreeMap<String, String>>;

/// Why an object is not selected: the first question that was answered with no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unselected {
    /// `deny_namespaces` has its namespace.
    NamespaceDenied,
    /// `allow_namespaces` is not empty and lacks its namespace.
    NamespaceNotAllowed,
    /// There is no namespace selector, and the object is not in the collectors' namespace.
    NotCollectorNamespace,
    /// Nothing is known of its namespace (yet).
    NamespaceUnknown,
    /// The labels of its namespace do not match.
    NamespaceLabels(Mismatch),
    /// There is no selector for its kind, which selects nothing.
    NoSelector,
    /// Its own labels do not match.
    Labels(Mismatch),
    /// The selector itself is wrong.
    BadSelector(String),
}

impl fmt::Display for Unselected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NamespaceDenied => f.write_str("its namespace is in deny_namespaces"),
            Self::NamespaceNotAllowed => f.write_str("its namespace is not in allow_namespaces"),
            Self::NotCollectorNamespace => {
                f.write_str("there is no namespace selector, so only the collectors' namespace is looked at")
            }
            Self::NamespaceUnknown => f.write_str("its namespace is not known"),
            Self::NamespaceLabels(mismatch) => write!(f, "the namespace selector {mismatch} (on the namespace)"),
            Self::NoSelector => {
                f.write_str("there is no selector for its kind, which selects nothing; {} would select everything")
            }
            Self::Labels(mismatch) => write!(f, "the selector {mismatch}"),
            Self::BadSelector(why) => write!(f, "the selector is wrong: {why}"),
        }
    }
}

impl Selection {
    /// A selection of everything, everywhere.
    #[must_use]
    pub fn all() -> Self {
        let everything =
            || KindSelectors { own: Some(LabelSelector::default()), namespace: Some(LabelSelector::default()) };
        Self { kinds: Kind::ALL.into_iter().map(|kind| (kind, everything())).collect(), ..Self::default() }
    }

    /// Checks every selector.
    ///
    /// # Errors
    /// The first that is wrong, named by its kind; upstream refuses to load anything then.
    pub fn check(&self) -> Result<(), String> {
        for (kind, selectors) in &self.kinds {
            for (what, selector) in [("selector", &selectors.own), ("namespace selector", &selectors.namespace)] {
                let Some(selector) = selector else { continue };
                selector.check().map_err(|why| format!("{what} for {}: {why}", kind.as_str()))?;
            }
        }
        Ok(())
    }

    /// Whether objects of `namespace` are looked at at all.
    ///
    /// # Errors
    /// It is denied, or others are allowed.
    pub fn check_namespace(&self, namespace: &str) -> Result<(), Unselected> {
        if self.deny_namespaces.contains(namespace) {
            Err(Unselected::NamespaceDenied)
        } else if !self.allow_namespaces.is_empty() && !self.allow_namespaces.contains(namespace) {
            Err(Unselected::NamespaceNotAllowed)
        } else {
            Ok(())
        }
    }

    /// Whether an object is selected.
    ///
    /// # Errors
    /// Why not.
    pub fn check_object(
        &self,
        id: &ObjectId,
        labels: &BTreeMap<String, String>,
        namespaces: &Namespaces,
    ) -> Result<(), Unselected> {
        self.check_namespace(&id.namespace)?;
        let Some(KindSelectors { own, namespace }) = self.kinds.get(&id.kind) else {
            return Err(Unselected::NoSelector);
        };
        let Some(own) = own else { return Err(Unselected::NoSelector) };
        self.check_namespace_labels(namespace.as_ref(), &id.namespace, namespaces)?;
        own.check().map_err(Unselected::BadSelector)?;
        match own.mismatch(labels) {
            Some(mismatch) => Err(Unselected::Labels(mismatch)),
            None => Ok(()),
        }
    }

    fn check_namespace_labels(
        &self,
        selector: Option<&LabelSelector>,
        namespace: &str,
        namespaces: &Namespaces,
    ) -> Result<(), Unselected> {
        let Some(selector) = selector else {
            let own = namespace == self.collector_namespace;
            return if own { Ok(()) } else { Err(Unselected::NotCollectorNamespace) };
        };
        selector.check().map_err(Unselected::BadSelector)?;
        // everything matches the empty selector, so nothing has to be known
        let labels = namespaces.get(namespace);
        if selector.is_empty() {
            return Ok(());
        }
        match labels.map(|labels| selector.mismatch(labels)) {
            None => Err(Unselected::NamespaceUnknown),
            Some(Some(mismatch)) => Err(Unselected::NamespaceLabels(mismatch)),
            Some(None) => Ok(()),
        }
    }
}
