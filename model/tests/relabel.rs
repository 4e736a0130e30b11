//! Relabelling against Prometheus' own results; see `testdata/relabel/README.md`.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use ta_model::relabel::{Action, RawRule, Rule, Verdict, lowercase, process, uppercase};
use ta_model::{LabelBuilder, Labels, NameScheme};

type Map = BTreeMap<String, String>;

#[derive(Deserialize)]
struct Case {
    n: u32,
    #[serde(default)]
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
    order: Option<Vec<String>>,
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

/// Runs one vector; panics where it fails.
fn check(case: Case) {
    let name = format!("{} ({})", case.n, case.why);
    let scheme = if case.scheme.as_deref() == Some("legacy") { NameScheme::Legacy } else { NameScheme::Utf8 };
    let rules: Result<Vec<_>, _> = case.rules.into_iter().map(|rule| mk_rule(rule, scheme)).collect();
    let rules = match (rules, &case.out) {
        (Ok(rules), _) => rules,
        (Err(error), Outcome::Word(word)) if word == "invalid" => return assert_eq!(error, case.msg, "{name}"),
        (Err(error), _) => panic!("{name}: {error}"),
    };
    let base = Labels::from_pairs(case.base);
    let mut labels = LabelBuilder::new(&base);
    case.added.iter().for_each(|(added, value)| labels.set(added, value));
    match (process(&rules, &mut labels), case.out) {
        (Verdict::Drop { .. }, Outcome::Word(word)) => assert_eq!(word, "drop", "{name}"),
        (Verdict::Keep, Outcome::Labels(out)) => {
            assert_eq!(labels.labels(), Labels::from_pairs(out), "{name}");
            if let Some(order) = case.order {
                assert!(labels.iter().map(|(label, _)| label).eq(order.iter()), "{name}: {labels:?}");
            }
        }
        (verdict, _) => panic!("{name}: {verdict:?}"),
    }
}

#[test]
fn every_vector() {
    let cases = include_str!("../testdata/relabel/rules.jsonl").lines().map(|line| serde_json::from_str(line).unwrap());
    assert_eq!(cases.map(check).count(), 105);
}

#[test]
fn random_rules() {
    let cases = include_str!("../testdata/relabel/random.jsonl").lines();
    assert_eq!(cases.map(|line| check(serde_json::from_str(line).unwrap())).count(), 700);
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

#[test]
fn rules_are_equal_if_written_alike() {
    let rule = |regex: Option<&str>, scheme| {
        let raw = RawRule { target_label: "a".into(), regex: regex.map(str::to_owned), ..RawRule::default() };
        Rule::new(raw, scheme).unwrap()
    };
    assert_eq!(rule(Some("x"), NameScheme::Utf8), rule(Some("x"), NameScheme::Utf8));
    assert_ne!(rule(Some("x"), NameScheme::Utf8), rule(Some("x"), NameScheme::Legacy));
    assert_ne!(rule(Some("(.*)"), NameScheme::Utf8), rule(None, NameScheme::Utf8));
    assert_eq!(rule(None, NameScheme::Utf8).regex().as_str(), "(.*)");
}

#[test]
fn empty_source_names_are_refused() {
    let raw = RawRule { source_labels: Some(vec!["a".into(), String::new()]), ..RawRule::default() };
    let error = Rule::new(raw, NameScheme::Legacy).unwrap_err();
    assert_eq!(error.to_string(), "\"\" is not a valid label name");
}

prop_compose! {
    fn mk_raw_rule()(
        sources in prop::option::of(prop::collection::vec("[a-c]", 0..3)),
        regex in prop::option::of(prop::sample::select(vec!["x", "(.*)", "(.)(.*)", "a|b", "x*", "a)|(?:b", "(?i)Y"])),
        target_label in prop::sample::select(vec!["a", "b", "d", "$1", "e_${1}", "é"]),
        replacement in prop::sample::select(vec!["$1", "", "lit", "$2$1", "$$"]),
        action in prop::sample::select(vec!["replace", "keep", "drop", "labelmap", "labeldrop", "uppercase", "hashmod"]),
    ) -> RawRule {
        let label_drop = action == "labeldrop";
        RawRule {
            source_labels: sources.filter(|_| !label_drop),
            regex: regex.map(str::to_owned),
            modulus: u64::from(action == "hashmod") * 7,
            target_label: if label_drop { String::new() } else { target_label.to_owned() },
            replacement: if label_drop || action == "uppercase" { "$1".into() } else { replacement.to_owned() },
            action: action.parse().expect("the names above are actions"),
            ..RawRule::default()
        }
    }
}

proptest! {
    #[test]
    fn results_depend_on_rules_and_labels_only(
        raw in prop::collection::vec(mk_raw_rule(), 0..5),
        pairs in prop::collection::vec(("[a-d]", "[xyY]{0,2}"), 0..5),
    ) {
        let rules: Vec<Rule> = raw.into_iter().filter_map(|raw| Rule::new(raw, NameScheme::Utf8).ok()).collect();
        let base = Labels::from_pairs(pairs);
        let run = |labels: &mut LabelBuilder<'_>| (process(&rules, labels), format!("{:?}", labels.labels()));
        let mut reused = LabelBuilder::new(&base);
        let first = run(&mut reused);
        reused.reset(base.iter());
        prop_assert_eq!(&run(&mut reused), &first);
        let result = reused.labels();
        prop_assert!(result.iter().all(|(_, value)| !value.is_empty()));
        prop_assert!(result.iter().zip(result.iter().skip(1)).all(|(a, b)| a.0 < b.0));
    }
}
