//! What rules do: the reference semantics.

use md5::{Digest, Md5};

use super::{Action, Rule, lowercase, uppercase};
use crate::labels::LabelBuilder;

/// What became of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every rule was applied.
    Keep,
    /// A rule dropped it; the rules after that one did not run.
    Drop {
        /// Its place among the rules, from 0.
        rule: usize,
    },
}

/// Applies `rules` in order to `labels`.
///
/// This is the meaning of rules; the engine has a compiled form that must agree with it.
pub fn process(rules: &[Rule], labels: &mut LabelBuilder<'_>) -> Verdict {
    match rules.iter().position(|rule| !apply(rule, labels)) {
        Some(rule) => Verdict::Drop { rule },
        None => Verdict::Keep,
    }
}

/// Applies one rule; false if it drops the target.
fn apply(rule: &Rule, labels: &mut LabelBuilder<'_>) -> bool {
    let target = rule.raw().target_label.as_str();
    match rule.action() {
        Action::Keep => return rule.regex().is_match(&joined(rule, labels)),
        Action::Drop => return !rule.regex().is_match(&joined(rule, labels)),
        Action::KeepEqual => return labels.get(target) == joined(rule, labels),
        Action::DropEqual => return labels.get(target) != joined(rule, labels),
        Action::Replace => replace(rule, labels),
        Action::HashMod => labels.set(target, &hashmod(&joined(rule, labels), rule.modulus()).to_string()),
        Action::Lowercase => labels.set(target, &lowercase(&joined(rule, labels))),
        Action::Uppercase => labels.set(target, &uppercase(&joined(rule, labels))),
        Action::LabelMap => label_map(rule, labels),
        Action::LabelDrop => delete_where(labels, |name| rule.regex().is_match(name)),
        Action::LabelKeep => delete_where(labels, |name| !rule.regex().is_match(name)),
    }
    true
}

fn joined(rule: &Rule, labels: &LabelBuilder<'_>) -> String {
    let mut value = String::new();
    for (at, name) in rule.source_labels().iter().enumerate() {
        if at > 0 {
            value.push_str(rule.separator());
        }
        value.push_str(labels.get(name));
    }
    value
}

fn replace(rule: &Rule, labels: &mut LabelBuilder<'_>) {
    let source = joined(rule, labels);
    let (mut name, mut value) = (String::new(), String::new());
    if !rule.regex().expand(&source, rule.target_label(), &mut name) || !rule.scheme().is_valid_label_name(&name) {
        return;
    }
    rule.regex().expand(&source, rule.replacement(), &mut value);
    labels.set(&name, &value);
}

fn label_map(rule: &Rule, labels: &mut LabelBuilder<'_>) {
    let matching: Vec<(String, String)> = labels
        .iter()
        .filter(|(name, _)| rule.regex().is_match(name))
        .map(|(name, value)| (rule.regex().replace_all(name, rule.replacement()), value.to_owned()))
        .collect();
    for (name, value) in matching {
        labels.set(&name, &value);
    }
}

fn delete_where(labels: &mut LabelBuilder<'_>, unwanted: impl Fn(&str) -> bool) {
    let unwanted: Vec<String> =
        labels.iter().filter(|(name, _)| unwanted(name)).map(|(name, _)| name.to_owned()).collect();
    for name in unwanted {
        labels.del(&name);
    }
}

/// The last eight bytes of the MD5 of `value`, big-endian, modulo `modulus` (which must not be 0).
///
/// Eight of sixteen, and the last: so Prometheus has hashed since its first release.
#[must_use]
pub fn hashmod(value: &str, modulus: u64) -> u64 {
    let digest: [u8; 16] = Md5::digest(value).into();
    let (_, low) = digest.split_at(8);
    u64::from_be_bytes(low.try_into().expect("the second half of 16 bytes is 8 bytes")) % modulus
}
