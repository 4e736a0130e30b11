//! The compiled form against the definition.

use std::sync::Arc;

use proptest::prelude::*;
use ta_model::NameScheme;
use ta_model::group::{GroupBuilder, TargetGroup};
use ta_model::job_table::{FilterStrategy, Job, JobTable, Origin};
use ta_model::relabel::{Action, RawRule, Rule};
use ta_model::scrape_config::ScrapeConfig;

use super::*;

fn mk_job(rules: Vec<Rule>) -> Arc<Job> {
    let mut config = ScrapeConfig::new("job");
    config.params.insert("module".into(), vec!["m1".into()]);
    config.relabel_configs = rules;
    let table = JobTable::new(1, vec![(Arc::new(config), Origin::File)], FilterStrategy::RelabelConfig);
    table.jobs()[0].clone()
}

fn mk_rule(action: Action, sources: &[&str], regex: Option<&str>, target: &str, replacement: &str) -> Rule {
    let source_labels = (!sources.is_empty()).then(|| sources.iter().map(|name| (*name).to_owned()).collect());
    let raw = RawRule {
        source_labels,
        regex: regex.map(str::to_owned),
        target_label: target.into(),
        replacement: replacement.into(),
        modulus: 7,
        action,
        ..RawRule::default()
    };
    let modulus_free = matches!(action, Action::KeepEqual | Action::DropEqual | Action::LabelDrop | Action::LabelKeep);
    Rule::new(RawRule { modulus: if modulus_free { 0 } else { 7 }, ..raw }, NameScheme::Utf8).unwrap()
}

fn resolve_all(job: &Job, group: &TargetGroup, compiled: bool) -> Option<Vec<(u32, u64)>> {
    let mut records = Vec::new();
    let mut scratch = Scratch::default();
    for block in group.blocks() {
        let resolver = match compiled {
            true => Resolver::Compiled(Program::compile(job.plan(), block.shape())?),
            false => Resolver::OneByOne,
        };
        let task = Task { job, resolver: &resolver, block, before: None };
        resolve_block(&task, true, &mut scratch, &mut records);
    }
    Some(records.iter().map(|record| (record.position, record.id.0)).collect())
}

#[test]
fn the_rules_of_a_service_monitor_compile() {
    let rules = vec![
        mk_rule(Action::Keep, &["s_label_app", "s_present_app"], Some("(web);true"), "", "$1"),
        mk_rule(Action::Keep, &["port_name"], Some("http"), "", "$1"),
        mk_rule(Action::Replace, &["kind", "name"], Some("Node;(.*)"), "node", "$1"),
        mk_rule(Action::Replace, &["kind", "name"], Some("Pod;(.*)"), "pod", "${1}"),
        mk_rule(Action::Replace, &["namespace"], None, "namespace", "$1"),
        mk_rule(Action::Replace, &[], None, "endpoint", "http"),
        mk_rule(Action::LabelMap, &[], Some("__meta_l_(.+)"), "", "$1"),
        mk_rule(Action::HashMod, &["__address__"], None, "__tmp_hash", "$1"),
        mk_rule(Action::Keep, &["__tmp_hash"], Some("[0-6]"), "", "$1"),
    ];
    let job = mk_job(rules);
    let mut builder = GroupBuilder::new();
    builder.begin();
    for (name, value) in
        [("s_label_app", "web"), ("s_present_app", "true"), ("namespace", "ns"), ("__meta_l_team", "a")]
    {
        builder.group_label(name, value);
    }
    for n in 0..10 {
        builder.begin_target();
        builder.target_label("__address__", &format!("10.0.0.{n}:80"));
        builder.target_label("port_name", "http");
        builder.target_label("kind", "Pod");
        builder.target_label("name", &format!("web-{n}"));
    }
    let group = builder.finish();
    let compiled = resolve_all(&job, &group, true).expect("compiles");
    assert_eq!(compiled.len(), 10);
    assert_eq!(Some(compiled), resolve_all(&job, &group, false));
}

#[test]
fn rules_whose_names_depend_on_values_are_applied_one_by_one() {
    let templated = mk_rule(Action::Replace, &["a"], Some("(.+)"), "x_$1", "1");
    let chained = mk_rule(Action::LabelMap, &[], Some("(a+)"), "", "a$1");
    for rule in [templated, chained] {
        let job = mk_job(vec![rule]);
        let mut builder = GroupBuilder::new();
        builder.begin();
        builder.begin_target();
        builder.target_label("a", "1");
        builder.target_label("aa", "2");
        let group = builder.finish();
        assert!(Program::compile(job.plan(), group.blocks()[0].shape()).is_none());
        assert_eq!(resolve_all(&job, &group, false).unwrap().len(), 1);
    }
}

#[test]
fn a_label_mapped_onto_itself_iterates_later() {
    let onto_itself = mk_rule(Action::LabelMap, &[], Some("(a)|(b)"), "", "$1");
    let onto_one = mk_rule(Action::LabelMap, &[], Some("(a)|(b)"), "", "c");
    let winner = mk_rule(Action::Keep, &["c"], Some("1"), "", "$1");
    let job = mk_job(vec![onto_itself, onto_one, winner]);
    let mut builder = GroupBuilder::new();
    builder.begin();
    builder.begin_target();
    builder.target_label("a", "1");
    builder.target_label("b", "2");
    let group = builder.finish();
    // the first rule sets `a` again, so it is the last to be mapped onto `c`
    assert_eq!(resolve_all(&job, &group, false).unwrap().len(), 1);
    if let Some(compiled) = resolve_all(&job, &group, true) {
        assert_eq!(Some(compiled), resolve_all(&job, &group, false));
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[abc]",
        1 => Just("__meta_a".to_owned()),
        1 => Just("__meta_b".to_owned()),
        1 => Just("__address__".to_owned()),
        1 => Just("__scheme__".to_owned()),
        1 => Just("job".to_owned()),
        1 => Just("__tmp_disable_sharding".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[xy]{0,2}", 1 => Just("http".to_owned()), 1 => Just("a\"\\\n".to_owned()), 1 => "[XYé]{1,2}"]
}

fn regex() -> impl Strategy<Value = Option<String>> {
    const TEXTS: [&str; 16] = [
        "x",
        "x|y",
        "(x)(y?)",
        "(.*)",
        "(.+)",
        "[xy]+",
        "",
        "(?i)x",
        "true",
        "http",
        "x.*",
        "xx;.*",
        "(.*);(.*)",
        "x;(.*)",
        ";(.*)",
        "(x);(.*)",
    ];
    prop_oneof![1 => Just(None), 3 => prop::sample::select(&TEXTS[..]).prop_map(|text| Some(text.to_owned()))]
}

fn name_regex() -> impl Strategy<Value = String> {
    prop::sample::select(&["a", "[ab]", "__meta_(.+)", "(.*)", "job|c", "b.*", "__(.+)__", "(a)|(b)"][..])
        .prop_map(str::to_owned)
}

fn rule() -> impl Strategy<Value = Option<Rule>> {
    const ACTIONS: [Action; 13] = [
        Action::Replace,
        Action::Replace,
        Action::Replace,
        Action::Keep,
        Action::Drop,
        Action::KeepEqual,
        Action::DropEqual,
        Action::HashMod,
        Action::LabelMap,
        Action::LabelDrop,
        Action::LabelKeep,
        Action::Lowercase,
        Action::Uppercase,
    ];
    let replacement = prop::sample::select(&["$1", "$1", "k", "", "${1}z", "$2", "$$1", "n_$1"][..]);
    let sources = prop::collection::vec(name(), 0..3);
    let modulus = prop::sample::select(&[1, 3][..]);
    (prop::sample::select(&ACTIONS[..]), sources, regex(), name_regex(), name(), replacement, modulus).prop_map(
        |(action, sources, regex, name_regex, target, replacement, modulus)| {
            let mut raw = RawRule { action, ..RawRule::default() };
            match action {
                Action::LabelMap => (raw.regex, raw.replacement) = (Some(name_regex), replacement.into()),
                Action::LabelDrop | Action::LabelKeep => raw.regex = Some(name_regex),
                Action::KeepEqual | Action::DropEqual | Action::Lowercase | Action::Uppercase => {
                    (raw.source_labels, raw.target_label) = (Some(sources), target);
                }
                _ => {
                    (raw.source_labels, raw.target_label, raw.regex) = (Some(sources), target, regex);
                    (raw.modulus, raw.replacement) = (modulus, replacement.into());
                }
            }
            Rule::new(raw, NameScheme::Utf8).ok()
        },
    )
}

fn group() -> impl Strategy<Value = TargetGroup> {
    let labels = prop::collection::vec((name(), value()), 0..5);
    let targets = prop::collection::vec(prop::collection::vec((name(), value()), 0..5), 1..4);
    (labels, targets, prop::collection::vec(value(), 1..12)).prop_map(|(labels, targets, addresses)| {
        let mut builder = GroupBuilder::new();
        builder.begin();
        labels.iter().for_each(|(name, value)| builder.group_label(name, value));
        for target in &targets {
            // several targets of one shape, so that some columns are shared and some differ
            for address in &addresses {
                builder.begin_target();
                target.iter().for_each(|(name, value)| builder.target_label(name, value));
                builder.target_label("__address__", address);
            }
        }
        builder.finish()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]
    #[test]
    fn compiled_and_defined_agree(rules in prop::collection::vec(rule(), 0..7), group in group()) {
        let job = mk_job(rules.into_iter().flatten().collect());
        if let Some(compiled) = resolve_all(&job, &group, true) {
            prop_assert_eq!(Some(compiled), resolve_all(&job, &group, false));
        }
    }
}
