//! Relabelling against Prometheus' own results; see `testdata/relabel/README.md`.

use std::collections::BTreeMap;

use serde::Deserialize;
use ta_model::relabel::{Action, RawRule, Rule, Verdict, lowercase, process, uppercase};
use ta_model::{LabelBuilder, Labels, NameScheme};

type Map = BTreeMap<String, String>;

#[derive(Deserialize)]
struct Case {
    n: u32,
    why: String,
    #[serde(default)]
    scheme: Option<String>,
    #[serde(rename = "in")]
    base: Map,
    #[serde(default)]
    added: Vec<(String, String)>,
    rules: Vec<RuleText>,
    out: Outcome,
    #[serde(default)]
    msg: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Outcome {
    Labels(Map),
    Word(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    source_labels: Option<Vec<String>>,
    separator: Option<String>,
    regex: Option<String>,
    modulus: Option<u64>,
    target_label: Option<String>,
    replacement: Option<String>,
    action: Option<String>,
}

fn mk_rule(text: RuleText, scheme: NameScheme) -> Result<Rule, String> {
    let default = RawRule::default();
    let action = text.action.map_or(Ok(default.action), |action| action.parse::<Action>());
    let raw = RawRule {
        source_labels: text.source_labels,
        separator: text.separator.unwrap_or(default.separator),
        regex: text.regex,
        modulus: text.modulus.unwrap_or(0),
        target_label: text.target_label.unwrap_or_default(),
        replacement: text.replacement.unwrap_or(default.replacement),
        action: action.map_err(|error| error.to_string())?,
    };
    Rule::new(raw, scheme).map_err(|error| error.to_string())
}

#[test]
fn every_vector() {
    let mut seen = 0;
    for line in include_str!("../testdata/relabel/rules.jsonl").lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let name = format!("{} ({})", case.n, case.why);
        let scheme = if case.scheme.as_deref() == Some("legacy") { NameScheme::Legacy } else { NameScheme::Utf8 };
        let rules: Result<Vec<_>, _> = case.rules.into_iter().map(|rule| mk_rule(rule, scheme)).collect();
        let rules = match (rules, &case.out) {
            (Ok(rules), _) => rules,
            (Err(error), Outcome::Word(word)) if word == "invalid" => {
                assert_eq!(error, case.msg, "{name}");
                seen += 1;
                continue;
            }
            (Err(error), _) => panic!("{name}: {error}"),
        };
        let base = Labels::from_pairs(case.base);
        let mut labels = LabelBuilder::new(&base);
        case.added.iter().for_each(|(added, value)| labels.set(added, value));
        match (process(&rules, &mut labels), case.out) {
            (Verdict::Drop { .. }, Outcome::Word(word)) => assert_eq!(word, "drop", "{name}"),
            (Verdict::Keep, Outcome::Labels(out)) => assert_eq!(labels.labels(), Labels::from_pairs(out), "{name}"),
            (verdict, _) => panic!("{name}: {verdict:?}"),
        }
        seen += 1;
    }
    assert_eq!(seen, 105);
}

#[test]
fn a_verdict_names_the_rule_that_dropped() {
    let text = |regex: &str| RawRule { action: Action::Drop, regex: Some(regex.into()), ..RawRule::default() };
    let rules: Vec<_> = ["a", "", "b"].map(|regex| Rule::new(text(regex), NameScheme::Utf8).unwrap()).into();
    assert_eq!(process(&rules, &mut LabelBuilder::default()), Verdict::Drop { rule: 1 });
}

#[test]
fn case_mapping_of_every_character() {
    let mut expected = BTreeMap::new();
    for line in include_str!("../testdata/relabel/case.txt").lines() {
        let code = |text| char::from_u32(u32::from_str_radix(text, 16).unwrap()).unwrap();
        let fields: Vec<char> = line.split(' ').map(code).collect();
        expected.insert(fields[0], (fields[1], fields[2]));
    }
    let mut wrong = String::new();
    for char in '\0'..=char::MAX {
        let (upper, lower) = expected.get(&char).copied().unwrap_or((char, char));
        let text = char.to_string();
        if uppercase(&text) != upper.to_string() || lowercase(&text) != lower.to_string() {
            wrong +=
                &format!("{:x}: {:?} {:?} want {upper:?} {lower:?}\n", char as u32, uppercase(&text), lowercase(&text));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
