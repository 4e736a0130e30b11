//! Seeded scrape jobs with random relabelling, odd labels and odd values.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use ta_model::NameScheme;
use ta_model::relabel::{Action, RawRule, Rule};

pub(crate) type Map = BTreeMap<String, String>;

/// One job: what goes into both configurations.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) rules: Vec<Rule>,
    pub(crate) params: BTreeMap<String, Vec<String>>,
    /// Addresses and the labels they share.
    pub(crate) groups: Vec<(Vec<String>, Map)>,
}

impl Job {
    /// As an entry of `scrape_configs`, with the keys that Prometheus 2.42 knows.
    pub(crate) fn config(&self) -> Value {
        let groups: Vec<Value> =
            self.groups.iter().map(|(targets, labels)| json!({"targets": targets, "labels": labels})).collect();
        let rules: Vec<Value> = self.rules.iter().map(|rule| rule_config(rule.raw())).collect();
        json!({"job_name": self.name, "params": self.params, "static_configs": groups, "relabel_configs": rules})
    }

    /// Every target with its own and its group's labels, as the allocator serves them; those without value left out.
    pub(crate) fn targets(&self) -> Vec<Map> {
        let targets =
            self.groups.iter().flat_map(|(targets, labels)| targets.iter().map(move |target| (target, labels)));
        let merge = |(target, labels): (&String, &Map)| {
            let mut all = labels.clone();
            all.insert("__address__".into(), target.clone());
            all.retain(|_, value| !value.is_empty());
            all
        };
        targets.map(merge).collect()
    }

    /// What the job gives to targets that do not have it, in the order in which Prometheus does.
    pub(crate) fn seeds(&self) -> Vec<(String, String)> {
        let fixed = [
            ("job", self.name.as_str()),
            ("__scrape_interval__", "1m"),
            ("__scrape_timeout__", "10s"),
            ("__metrics_path__", "/metrics"),
            ("__scheme__", "http"),
        ];
        let params = self.params.iter().map(|(name, values)| (format!("__param_{name}"), values[0].clone()));
        fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).chain(params).collect()
    }

    /// What Prometheus calls discovered labels.
    pub(crate) fn seeded(&self, target: &Map) -> Map {
        let mut all = target.clone();
        for (name, value) in self.seeds() {
            all.entry(name).or_insert(value);
        }
        all
    }
}

/// A rule as YAML would have it; what was not given is left out.
pub(crate) fn rule_config(raw: &RawRule) -> Value {
    let mut rule = json!({"action": raw.action.to_string(), "separator": raw.separator});
    if let Some(names) = &raw.source_labels {
        rule["source_labels"] = json!(names);
    }
    if let Some(regex) = &raw.regex {
        rule["regex"] = json!(regex);
    }
    if raw.modulus != 0 {
        rule["modulus"] = json!(raw.modulus);
    }
    // these two accept neither a replacement nor a target label
    if !matches!(raw.action, Action::LabelDrop | Action::LabelKeep) {
        rule["replacement"] = json!(raw.replacement);
    }
    if !raw.target_label.is_empty() {
        rule["target_label"] = json!(raw.target_label);
    }
    rule
}

#[rustfmt::skip]
const ACTIONS: [Action; 11] = [
    Action::Replace, Action::Keep, Action::Drop, Action::KeepEqual, Action::DropEqual, Action::HashMod,
    Action::LabelMap, Action::LabelDrop, Action::LabelKeep, Action::Lowercase, Action::Uppercase,
];

#[rustfmt::skip]
const NAMES: &[&str] = &[
    "a", "b", "c", "team", "A1", "_", "job", "instance", "__tmp_x", "__scheme__", "__metrics_path__", "__address__",
    "__param_module", "__param_target", "__meta_kubernetes_pod_label_app", "__meta_kubernetes_pod_label_tier",
    "__meta_kubernetes_pod_annotation_prometheus_io_port", "__meta_x", "__scrape_interval__", "absent",
];

/// No line break: before Prometheus 3 a dot did not match one (see the table of divergences).
#[rustfmt::skip]
const VALUES: &[&str] = &[
    "", "a", "b", "web", "web-1", "WEB-2", "10.0.0.1:9100", "9100", "é", "日本", "x y", "$1", "a;b", ";", "tab\there",
    "true", "1", "<&>", "\"quoted\"", "back\\slash", "İstanbul", "straße", "ǆ", "ΣΑΣ", "aaa", "0", "30s", "\u{1}",
    "a.b", "https",
];

#[rustfmt::skip]
const ATOMS: &[&str] = &[
    ".", ".*", ".+", "(.*)", "(.+)", "(.)", "a", "web", "[a-z]+", "[^:]+", "([^:]+)", "(\\d+)", "\\d", "\\w+",
    "\\W", "\\s", ":", ";", "-?", "(?:x|y)?", "(a|b)", "(?i)web", "(?i:é)", "[[:alpha:]]+", "\\pL+", "\\p{Greek}*",
    "(?P<x>.)", "a{1,2}", "b*?", "^", "$", "\\Qa.b\\E", "é", "\\x{65e5}", "[\\w.]+", "(?U)(.+)", "\\b",
    "[^[:^digit:]]", "", "()", "(?s).", "\\.", "__meta_kubernetes_pod_label_(.+)",
];

#[rustfmt::skip]
const WHOLE: &[&str] = &[
    "(.*)", ".*", "a|b|web", "web(-.*)?", "([^:]+)(?::\\d+)?", "(.+):(\\d+)", "__meta_kubernetes_pod_label_(.+)",
    "__meta_(.*)", "__(tmp|param)_.*", "true", "a|", "(a)|(b)", "[^;]*;.*", "", "job|instance",
    "(.+)(?::\\d+);(\\d+)", "no.match",
];

#[rustfmt::skip]
const REPLACEMENTS: &[&str] = &[
    "$1", "$1", "", "x", "$0", "${1}_x", "$1_x", "$2", "$$", "$", "${x}", "$x", "a$1b", "é$1", "${1", "$1:$2",
    "$1$1", "web", "10.0.0.9:1", "host/path",
];

/// Patterns and replacements for `labelmap` that never map two labels to one name: which of the two wins depends on an
/// order that Prometheus changed with 3.0.
#[rustfmt::skip]
const MAPPINGS: &[(&str, &str)] = &[
    ("__meta_kubernetes_pod_label_(.+)", "$1"), ("__meta_(.*)", "m_$1"), ("(.+)", "x_$1"), ("(.*)", "$1"),
    ("(a|b|c)", "${1}_x"), ("(?i)(TEAM)", "$1"), ("__((?:tmp|param)_.*)", "$1"), ("([a-z])([a-z]*)", "${2}_$1"),
    ("no_such_.*", "x"), ("[[:upper:]]1", "a"), ("__meta_kubernetes_(.+)_label_(.+)", "${1}_$2"),
    ("mark", "__meta_kubernetes_pod_label_app"),
];

/// Deterministic numbers (splitmix64), so that a failure can be repeated by its seed.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    /// A job, and the rules made on the way that our validation refuses.
    pub(crate) fn job(&mut self, number: usize, refused: &mut Vec<RawRule>) -> Job {
        let mut rules = Vec::new();
        while rules.len() < 1 + number % 7 {
            let raw = self.rule();
            match Rule::new(raw.clone(), NameScheme::Legacy) {
                Ok(rule) => rules.push(rule),
                Err(_) => refused.push(raw),
            }
        }
        let params: BTreeMap<_, _> =
            (0..self.below(3)).map(|n| (["module", "target"][n].to_owned(), self.values(2))).collect();
        let mut groups: Vec<(Vec<String>, Map)> = (0..4 + self.below(12)).map(|n| self.group(n)).collect();
        let marked = !self.one_in(3); // tells equal targets apart; without it, they merge
        for (n, (_, labels)) in groups.iter_mut().enumerate() {
            if marked {
                labels.insert("mark".to_owned(), n.to_string());
            }
            labels.retain(|name, _| name.strip_prefix("__param_").is_none_or(|name| !params.contains_key(name)));
        }
        Job { name: format!("job {number}/{}", self.of(&["a", "é", "+", "x"])), rules, params, groups }
    }

    fn values(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.of(&["x", "y", "a b"]).to_owned()).collect()
    }

    fn group(&mut self, number: usize) -> (Vec<String>, Map) {
        let target = match self.below(8) {
            0 => format!("host-{number}"),
            1 => "[::1]:9100".to_owned(),
            2 | 3 => "10.0.0.1:9100".to_owned(), // meets itself in other groups
            _ => format!("10.{number}.0.1:9100"),
        };
        let labels = (0..self.below(6)).map(|_| (self.label_name(), self.of(VALUES).to_owned())).collect();
        (vec![target], labels)
    }

    /// Not `__address__`, which a target brings itself, and seldom what makes a target unscrapable.
    fn label_name(&mut self) -> String {
        loop {
            let name = self.of(NAMES);
            let seldom = matches!(name, "__scheme__" | "__scrape_interval__" | "__metrics_path__" | "job");
            if name != "__address__" && name != "absent" && (!seldom || self.one_in(6)) {
                return name.to_owned();
            }
        }
    }

    fn rule(&mut self) -> RawRule {
        let action = ACTIONS[self.below(ACTIONS.len())];
        // every second rule rewrites, as in life
        let action = if self.one_in(2) { Action::Replace } else { action };
        let mut raw = RawRule { action, ..RawRule::default() };
        let names = matches!(action, Action::LabelMap | Action::LabelDrop | Action::LabelKeep);
        if !names {
            raw.source_labels = Some((0..self.below(4)).map(|_| self.of(NAMES).to_owned()).collect());
        }
        if !matches!(action, Action::KeepEqual | Action::DropEqual) && !self.one_in(5) {
            raw.regex = Some(self.regex());
        }
        if self.one_in(6)
            && !matches!(action, Action::LabelDrop | Action::LabelKeep | Action::KeepEqual | Action::DropEqual)
        {
            raw.separator = self.of(&["", ":", "@@", "é"]).to_owned();
        }
        if !names && !matches!(action, Action::Keep | Action::Drop) {
            raw.target_label = self.target_label(action);
        }
        match action {
            Action::Replace if raw.target_label.contains('$') => raw.replacement = "x$1".to_owned(), // never empty
            Action::Replace => raw.replacement = self.of(REPLACEMENTS).to_owned(),
            Action::LabelMap => {
                let (regex, replacement) = MAPPINGS[self.below(MAPPINGS.len())];
                raw.regex = Some(regex.to_owned());
                raw.replacement = replacement.to_owned();
            }
            Action::HashMod => raw.modulus = 1 + self.next() % 5,
            _ => {}
        }
        raw
    }

    fn target_label(&mut self, action: Action) -> String {
        let seldom = ["__address__", "__scrape_interval__", "__scheme__"];
        if action == Action::Replace && self.one_in(8) {
            return self.of(&["${1}", "out_$1", "$1", "a${1}_b", "$2x", "9bad", "with-dash", "__meta_$1"]).to_owned();
        }
        loop {
            let name = self.of(NAMES);
            if !seldom.contains(&name) || self.one_in(12) {
                return name.to_owned();
            }
        }
    }

    fn regex(&mut self) -> String {
        match self.below(3) {
            0 => (0..1 + self.below(4)).map(|_| self.of(ATOMS)).collect(),
            _ => self.of(WHOLE).to_owned(),
        }
    }
}
