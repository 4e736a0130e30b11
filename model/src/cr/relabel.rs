//! Relabel rules: those users write, and those every kind generates around them.

use super::selector::LabelSelector;
use super::tree::Tree;
use super::types::UserRule;
use crate::labels::{NameScheme, sanitize_label_name};
use crate::relabel::{RawRule, Rule};
use crate::yaml::{Decode, Decoder, Node, Value};

impl Decode for UserRule {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut rule = Self::default();
            fields.set("sourceLabels", &mut rule.source_labels);
            fields.set("separator", &mut rule.separator);
            fields.set("targetLabel", &mut rule.target_label);
            fields.set("regex", &mut rule.regex);
            fields.set("modulus", &mut rule.modulus);
            fields.set("replacement", &mut rule.replacement);
            fields.set("action", &mut rule.action);
            rule
        })
    }
}

impl UserRule {
    fn check(&self) -> Result<(), String> {
        let mut raw = RawRule {
            source_labels: Some(self.source_labels.clone()).filter(|labels| !labels.is_empty()),
            regex: Some(self.regex.clone()).filter(|regex| !regex.is_empty()),
            modulus: self.modulus,
            target_label: self.target_label.clone(),
            ..RawRule::default()
        };
        if let Some(separator) = &self.separator {
            raw.separator.clone_from(separator);
        }
        if let Some(replacement) = &self.replacement {
            raw.replacement.clone_from(replacement);
        }
        if !self.action.is_empty() {
            raw.action = self.action.parse().map_err(|error| format!("{error}"))?;
        }
        // UTF-8 names are the default; a job that says otherwise is checked again when it is loaded
        Rule::new(raw, NameScheme::Utf8).map(drop).map_err(|error| error.to_string())
    }

    fn tree(&self) -> Tree {
        let mut tree = Tree::default();
        tree.put_list("source_labels", self.source_labels.clone());
        tree.put_some("separator", self.separator.as_ref());
        tree.put_text("target_label", &self.target_label);
        tree.put_text("regex", &self.regex);
        if self.modulus != 0 {
            tree.put("modulus", self.modulus);
        }
        tree.put_some("replacement", self.replacement.as_ref());
        tree.put_text("action", &self.action.to_lowercase());
        tree
    }
}

/// Checks user rules; `what` is the field they stand in.
pub(crate) fn check_rules(what: &str, rules: &[UserRule]) -> Result<(), String> {
    for (at, rule) in rules.iter().enumerate() {
        rule.check().map_err(|why| format!("{what}: [{at}]: {why}"))?;
    }
    Ok(())
}

/// A list of rules under construction.
#[derive(Debug, Default)]
pub(crate) struct Rules(Vec<Tree>);

impl From<Rules> for Value {
    fn from(rules: Rules) -> Self {
        rules.0.into()
    }
}

impl Rules {
    /// The rule that every job starts with.
    pub(crate) fn new() -> Self {
        let mut rules = Self::default();
        rules.copy(&["job"], "__tmp_prometheus_job_name");
        rules
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the rule that `fill` describes.
    pub(crate) fn add(&mut self, sources: &[&str], fill: impl FnOnce(&mut Tree)) {
        let mut rule = Tree::default();
        rule.put_list("source_labels", sources.to_vec());
        fill(&mut rule);
        self.0.push(rule);
    }

    pub(crate) fn copy(&mut self, sources: &[&str], target: &str) {
        self.add(sources, |rule| rule.put("target_label", target));
    }

    /// Sets `target` to a constant.
    pub(crate) fn set(&mut self, target: &str, value: &str) {
        self.add(&[], |rule| {
            rule.put("target_label", target);
            rule.put("replacement", value);
        });
    }

    pub(crate) fn keep(&mut self, sources: &[&str], regex: impl Into<Value>) {
        self.filter("keep", sources, regex);
    }

    pub(crate) fn drop(&mut self, sources: &[&str], regex: impl Into<Value>) {
        self.filter("drop", sources, regex);
    }

    fn filter(&mut self, action: &str, sources: &[&str], regex: impl Into<Value>) {
        self.add(sources, |rule| {
            rule.put("regex", regex);
            rule.put("action", action);
        });
    }

    /// Drops pods that have ended.
    pub(crate) fn drop_ended_pods(&mut self) {
        self.drop(&["__meta_kubernetes_pod_phase"], "(Failed|Succeeded)");
    }

    /// Copies an object's label (`prefix` + its key) to `target`, if it has one.
    pub(crate) fn copy_label(&mut self, prefix: &str, key: &str, target: &str) {
        self.add(&[&format!("{prefix}{}", sanitize_label_name(key))], |rule| {
            rule.put("target_label", target);
            rule.put("regex", "(.+)");
            rule.put("replacement", "${1}");
        });
    }

    /// Copies each of an object's `labels` to a label of the same, sanitised name.
    pub(crate) fn copy_labels(&mut self, prefix: &str, labels: &[String]) {
        for label in labels {
            self.copy_label(prefix, label, &sanitize_label_name(label));
        }
    }

    /// The selector as rules on meta labels that start with `prefix`. Values are not escaped: upstream's are patterns,
    /// and users rely on what those match.
    pub(crate) fn select(&mut self, prefix: &str, selector: &LabelSelector) {
        let value = |key: &str| format!("{prefix}_label_{}", sanitize_label_name(key));
        let present = |key: &str| format!("{prefix}_labelpresent_{}", sanitize_label_name(key));
        for (key, wanted) in &selector.match_labels {
            self.keep(&[&value(key), &present(key)], format!("({wanted});true"));
        }
        for expression in &selector.match_expressions {
            let key = &expression.key;
            let any = || format!("({});true", expression.values.join("|"));
            match expression.operator.as_str() {
                "In" => self.keep(&[&value(key), &present(key)], any()),
                "NotIn" => self.drop(&[&value(key), &present(key)], any()),
                "Exists" => self.keep(&[&present(key)], "true"),
                "DoesNotExist" => self.drop(&[&present(key)], "true"),
                _ => {}
            }
        }
    }

    /// User rules, as they are.
    pub(crate) fn user(&mut self, rules: &[UserRule]) {
        self.0.extend(rules.iter().map(UserRule::tree));
    }

    /// Collectors put their shard number in place of `$(SHARD)`, so it has to be served as it stands; inside, the job
    /// table sets `__tmp_disable_sharding` while the rules run.
    pub(crate) fn shard(&mut self, hashed: &str) {
        self.add(&[hashed, "__tmp_hash"], |rule| {
            rule.put("target_label", "__tmp_hash");
            rule.put("regex", "(.+);");
            rule.put("replacement", "$1");
            rule.put("action", "replace");
        });
        self.add(&["__tmp_hash"], |rule| {
            rule.put("target_label", "__tmp_hash");
            rule.put("modulus", 1_u64);
            rule.put("action", "hashmod");
        });
        self.keep(&["__tmp_hash", "__tmp_disable_sharding"], "$(SHARD);|.+;.+");
    }
}
