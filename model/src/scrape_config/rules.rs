//! Relabel rules from YAML (Prometheus: `model/relabel/relabel.go`).

use crate::labels::NameScheme;
use crate::relabel::{RawRule, Rule};
use crate::yaml::{Decoder, Fields, Node};

/// Decodes `key`, a list of rules, for a job with the given name scheme; `kind` is `target` or `metric`.
pub(crate) fn read_rules(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    kind: &str,
    scheme: NameScheme,
) -> Option<Vec<Rule>> {
    let node = fields.node(key).filter(|node| !node.is_null())?;
    fields.decoder.at_key(key, |decoder| {
        decoder.list(node, |decoder, node| {
            if node.is_null() {
                decoder.error(node.line, format!("empty or null {kind} relabeling rule in scrape config"));
                return None;
            }
            read_rule(decoder, node, scheme)
        })
    })
}

fn read_rule(decoder: &mut Decoder, node: &Node, scheme: NameScheme) -> Option<Rule> {
    let errors = decoder.error_count();
    let raw = decoder.fields(node, |fields| {
        let mut raw = RawRule::default();
        fields.set("source_labels", &mut raw.source_labels);
        fields.set("separator", &mut raw.separator);
        read_regex(fields, &mut raw);
        fields.set("modulus", &mut raw.modulus);
        fields.set("target_label", &mut raw.target_label);
        fields.set("replacement", &mut raw.replacement);
        read_action(fields, &mut raw);
        raw
    })?;
    if decoder.error_count() > errors {
        return None;
    }
    Rule::new(raw, scheme).map_err(|error| decoder.error(node.line, error.to_string())).ok()
}

/// A null pattern matches only the empty string; only an absent one is the default.
fn read_regex(fields: &mut Fields<'_, '_>, raw: &mut RawRule) {
    let given = fields.node("regex").is_some();
    fields.set("regex", &mut raw.regex);
    if given {
        raw.regex.get_or_insert_default();
    }
}

fn read_action(fields: &mut Fields<'_, '_>, raw: &mut RawRule) {
    let Some(node) = fields.node("action") else { return };
    let Some(text) = fields.decoder.at_key("action", |decoder| decoder.text(node)) else { return };
    if node.is_null() {
        fields.error("action", "relabel action cannot be empty");
        return;
    }
    match text.parse() {
        Ok(action) => raw.action = action,
        Err(error) => fields.error("action", format!("{error}")),
    }
}
