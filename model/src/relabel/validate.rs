//! Which rules Prometheus accepts.

use std::sync::LazyLock;

use super::{Action, DEFAULT_REPLACEMENT, DEFAULT_SEPARATOR, RawRule, RuleError};
use crate::labels::NameScheme;
use crate::regexp::Regexp;

/// What a template of a legacy label name looks like: names and `$1`, `$name`, `${name}` references.
static LEGACY_TEMPLATE: LazyLock<Regexp> = LazyLock::new(|| {
    Regexp::new(r"(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+").expect("the pattern is a constant that parses")
});

/// The checks of `Config.Validate`, in its order: the first that fails is the one reported.
pub(super) fn validate(raw: &RawRule, scheme: NameScheme) -> Result<(), RuleError> {
    let action = raw.action;
    if action == Action::HashMod && raw.modulus == 0 {
        return Err(RuleError::NoModulus);
    }
    if writes_or_compares(action) && raw.target_label.is_empty() {
        return Err(RuleError::NoTargetLabel(action));
    }
    let target_ok = match action {
        Action::Replace if raw.target_label.contains('$') => is_name_template(&raw.target_label, scheme),
        _ => !writes_or_compares(action) || scheme.is_valid_label_name(&raw.target_label),
    };
    // hashmod's target comes after the replacement checks upstream, but those concern other actions
    if !target_ok {
        return Err(RuleError::TargetLabel { label: raw.target_label.clone(), action });
    }
    if takes_no_replacement(action) && raw.replacement != DEFAULT_REPLACEMENT {
        return Err(RuleError::ReplacementSet(action));
    }
    if action == Action::LabelMap && !is_name_template(&raw.replacement, scheme) {
        return Err(RuleError::Replacement { replacement: raw.replacement.clone(), action });
    }
    validate_exclusive(raw)
}

/// `keepequal`, `dropequal`, `labeldrop` and `labelkeep` refuse fields they would ignore.
fn validate_exclusive(raw: &RawRule) -> Result<(), RuleError> {
    let others_default =
        raw.modulus == 0 && raw.separator == DEFAULT_SEPARATOR && raw.replacement == DEFAULT_REPLACEMENT;
    match raw.action {
        Action::KeepEqual | Action::DropEqual if raw.regex.is_some() || !others_default => {
            Err(RuleError::OnlySourcesAndTarget(raw.action))
        }
        Action::LabelDrop | Action::LabelKeep
            if raw.source_labels.is_some() || !raw.target_label.is_empty() || !others_default =>
        {
            Err(RuleError::OnlyRegex(raw.action))
        }
        _ => Ok(()),
    }
}

fn writes_or_compares(action: Action) -> bool {
    matches!(action, Action::Replace | Action::HashMod) || takes_no_replacement(action)
}

fn takes_no_replacement(action: Action) -> bool {
    matches!(action, Action::Lowercase | Action::Uppercase | Action::KeepEqual | Action::DropEqual)
}

/// Whether a label name can come from `template`.
fn is_name_template(template: &str, scheme: NameScheme) -> bool {
    match scheme {
        NameScheme::Utf8 => scheme.is_valid_label_name(template),
        NameScheme::Legacy => LEGACY_TEMPLATE.is_match(template),
    }
}
