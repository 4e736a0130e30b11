//! Relabelling: rules, their validation and what they do (Prometheus: `model/relabel/relabel.go`).

mod case;
mod process;
mod validate;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::labels::NameScheme;
use crate::quote::quote;
use crate::regexp::{Regexp, RegexpError, Template};

pub use case::{lowercase, uppercase};
pub use process::{Verdict, hashmod, process};

/// What a rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Action {
    /// Sets a label from the parts of a match.
    #[default]
    Replace,
    /// Drops targets that do not match.
    Keep,
    /// Drops targets that match.
    Drop,
    /// Drops targets whose sources differ from the target label.
    KeepEqual,
    /// Drops targets whose sources equal the target label.
    DropEqual,
    /// Sets a label to a hash modulo `modulus`.
    HashMod,
    /// Copies labels whose name matches to names made from the match.
    LabelMap,
    /// Deletes labels whose name matches.
    LabelDrop,
    /// Deletes labels whose name does not match.
    LabelKeep,
    /// Sets a label to the lower-cased sources.
    Lowercase,
    /// Sets a label to the upper-cased sources.
    Uppercase,
}

impl Action {
    const ALL: [Self; 11] = [
        Self::Replace,
        Self::Keep,
        Self::Drop,
        Self::KeepEqual,
        Self::DropEqual,
        Self::HashMod,
        Self::LabelMap,
        Self::LabelDrop,
        Self::LabelKeep,
        Self::Lowercase,
        Self::Uppercase,
    ];

    /// The name in configs, lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::KeepEqual => "keepequal",
            Self::DropEqual => "dropequal",
            Self::HashMod => "hashmod",
            Self::LabelMap => "labelmap",
            Self::LabelDrop => "labeldrop",
            Self::LabelKeep => "labelkeep",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown relabel action {}", quote(.0))]
pub struct UnknownAction(pub String);

impl FromStr for Action {
    type Err = UnknownAction;
    /// Without regard to case.
    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        let lower = lowercase(text);
        Self::ALL.into_iter().find(|action| action.as_str() == lower).ok_or_else(|| UnknownAction(text.to_owned()))
    }
}

/// One entry of `relabel_configs` as written, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RawRule {
    /// Labels whose values are joined; `Some` even if the list was given empty.
    pub source_labels: Option<Vec<String>>,
    /// Stands between the joined values.
    pub separator: String,
    /// `None` where not given, which means `(.*)`.
    pub regex: Option<String>,
    /// For `hashmod`.
    pub modulus: u64,
    /// A template for `replace`, a name otherwise.
    pub target_label: String,
    /// A template.
    pub replacement: String,
    /// What to do.
    pub action: Action,
}

/// The default of `separator`.
pub const DEFAULT_SEPARATOR: &str = ";";
/// The default of `regex`.
pub const DEFAULT_REGEX: &str = "(.*)";
/// The default of `replacement`.
pub const DEFAULT_REPLACEMENT: &str = "$1";

impl Default for RawRule {
    fn default() -> Self {
        Self {
            source_labels: None,
            separator: DEFAULT_SEPARATOR.to_owned(),
            regex: None,
            modulus: 0,
            target_label: String::new(),
            replacement: DEFAULT_REPLACEMENT.to_owned(),
            action: Action::Replace,
        }
    }
}

/// Why a rule is refused; texts are Prometheus'.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// An empty name in `source_labels`.
    #[error("{} is not a valid label name", quote(.0))]
    SourceLabel(String),
    /// `regex` does not parse.
    #[error(transparent)]
    Regex(#[from] RegexpError),
    /// `hashmod` by zero.
    #[error("relabel configuration for hashmod requires non-zero modulus")]
    NoModulus,
    /// The action writes or reads a label that is not named.
    #[error("relabel configuration for {0} action requires 'target_label' value")]
    NoTargetLabel(Action),
    /// No label can have that name.
    #[error("{} is invalid 'target_label' for {action} action", quote(.label))]
    TargetLabel {
        /// As written.
        label: String,
        /// The rule's action.
        action: Action,
    },
    /// The action takes no template.
    #[error("'replacement' can not be set for {0} action")]
    ReplacementSet(Action),
    /// No label name can come from that template.
    #[error("{} is invalid 'replacement' for {action} action", quote(.replacement))]
    Replacement {
        /// As written.
        replacement: String,
        /// The rule's action.
        action: Action,
    },
    /// `keepequal` or `dropequal` with more than sources and target.
    #[error("{0} action requires only 'source_labels' and `target_label`, and no other fields")]
    OnlySourcesAndTarget(Action),
    /// `labeldrop` or `labelkeep` with more than a pattern.
    #[error("{0} action requires only 'regex', and no other fields")]
    OnlyRegex(Action),
}

/// A validated rule, its pattern and templates parsed. Cheap to clone; equal if written alike under the same scheme.
#[derive(Clone)]
pub struct Rule(Arc<Parsed>);

struct Parsed {
    raw: RawRule,
    scheme: NameScheme,
    regex: Regexp,
    target_label: Template,
    replacement: Template,
}

impl Rule {
    /// Validates `raw` as Prometheus does under the job's `metric_name_validation_scheme`.
    pub fn new(raw: RawRule, scheme: NameScheme) -> Result<Self, RuleError> {
        let bad_source = raw.source_labels.iter().flatten().find(|name| !NameScheme::Utf8.is_valid_label_name(name));
        if let Some(name) = bad_source {
            return Err(RuleError::SourceLabel(name.clone()));
        }
        let regex = Regexp::new(raw.regex.as_deref().unwrap_or(DEFAULT_REGEX))?;
        validate::validate(&raw, scheme)?;
        let (target_label, replacement) = (Template::new(&raw.target_label), Template::new(&raw.replacement));
        Ok(Self(Arc::new(Parsed { raw, scheme, regex, target_label, replacement })))
    }

    /// As written, defaults filled in.
    #[must_use]
    pub fn raw(&self) -> &RawRule {
        &self.0.raw
    }

    /// What to do.
    #[must_use]
    pub fn action(&self) -> Action {
        self.0.raw.action
    }

    /// Labels whose values are joined.
    #[must_use]
    pub fn source_labels(&self) -> &[String] {
        self.0.raw.source_labels.as_deref().unwrap_or_default()
    }

    /// Stands between the joined values.
    #[must_use]
    pub fn separator(&self) -> &str {
        &self.0.raw.separator
    }

    /// The pattern; `(.*)` where not given.
    #[must_use]
    pub fn regex(&self) -> &Regexp {
        &self.0.regex
    }

    /// For `hashmod`; non-zero there.
    #[must_use]
    pub fn modulus(&self) -> u64 {
        self.0.raw.modulus
    }

    /// The label written, for `replace`. The other actions take [`RawRule::target_label`] literally, `$` and all.
    #[must_use]
    pub fn target_label(&self) -> &Template {
        &self.0.target_label
    }

    /// The value written (`replace`) or the name copied to (`labelmap`).
    #[must_use]
    pub fn replacement(&self) -> &Template {
        &self.0.replacement
    }

    /// Decides which names `replace` may write.
    #[must_use]
    pub fn scheme(&self) -> NameScheme {
        self.0.scheme
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.scheme == other.0.scheme && self.0.raw == other.0.raw
    }
}

impl Eq for Rule {}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("raw", &self.0.raw).field("scheme", &self.0.scheme).finish()
    }
}
