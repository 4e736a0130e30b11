//! `/explain`: why a target is where it is, or is not there. Browsers get a page, others JSON.
//!
//! `q` is part of an address or of a label's value, or a target hash; `job` narrows. More than one match is a list; one,
//! or `job` and `number`, is told whole: discovered labels, what each rule does, identity, collector.

mod json;
mod question;

use std::time::SystemTime;

use hyper::{Response, StatusCode};
use maud::{Markup, html};
use ta_engine::{Discovered, Fate, RuleStep, Snapshot, TargetView};
use ta_model::relabel::{Action, Rule};

use super::layout::{self, ago, cell, link, link_to, number, table};
use super::paging::search;
use crate::http::{Body, Inner, Query, polls, query_escape};

pub(crate) use json::explain_json;
pub(super) use question::mentions;

use question::{Found, Question, fate_name, reason};

pub(crate) fn explain(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let question = Question::of(query);
    let snapshot = inner.snapshots.load();
    let content = html! {
        (search("/explain", &[("job", &question.job)], &question.q, "part of an address or label value, or a target hash"))
        @if question.is_empty() {
            p { "Why is a target where it is, or why is it not there? Search among all that was discovered, dropped targets included." }
        } @else {
            @match question.find(&snapshot) {
                Found::One(target) => (whole(inner, &snapshot, &target)),
                Found::Many { matches, scanned, next } => {
                    p { (number(matches.len() as u64)) " found among " (number(scanned)) " discovered targets" }
                    (table(&["Job", "Target", "Fate", "Collector"], matches.iter().map(row)))
                    @if let Some(next) = next { p { a rel="next" href=(go_on(&question, next)) { "search on" } } }
                }
            }
        }
    };
    layout::page(StatusCode::OK, &format!("{} - Explain", layout::TITLE), &content)
}

fn go_on(question: &Question, next: u64) -> String {
    format!("/explain?q={}&job={}&from={next}", query_escape(&question.q), query_escape(&question.job))
}

/// A rule as one line of YAML, without what is default.
fn rule_text(rule: &Rule) -> String {
    let (raw, default) = (rule.raw(), ta_model::relabel::RawRule::default());
    let mut parts = vec![format!("action: {}", raw.action)];
    let sources = rule.source_labels();
    if !sources.is_empty() {
        parts.push(format!("source_labels: [{}]", sources.join(", ")));
    }
    if raw.separator != default.separator {
        parts.push(format!("separator: {:?}", raw.separator));
    }
    parts.extend(raw.regex.as_ref().map(|regex| format!("regex: {regex}")));
    if raw.action == Action::HashMod {
        parts.push(format!("modulus: {}", raw.modulus));
    }
    if !raw.target_label.is_empty() {
        parts.push(format!("target_label: {}", raw.target_label));
    }
    if matches!(raw.action, Action::Replace | Action::LabelMap) && raw.replacement != default.replacement {
        parts.push(format!("replacement: {:?}", raw.replacement));
    }
    parts.join(", ")
}

fn row(target: &Discovered<'_>) -> Vec<Markup> {
    let fate = target.fate();
    let href = format!("/explain?job={}&number={}", query_escape(target.job().name()), target.number());
    vec![
        link_to("/debug/job?job_id=", target.job().name()),
        link(&href, &target.address()),
        cell(fate_name(&fate)),
        match fate {
            Fate::Kept(kept) | Fate::Merged(kept) => collector(&kept),
            Fate::Dropped => html! {},
        },
    ]
}

fn collector(target: &TargetView<'_>) -> Markup {
    match target.collector() {
        Some(collector) => link_to("/debug/collector?collector_id=", &collector.name),
        None => html! { span.bad { "none" } },
    }
}

fn whole(inner: &Inner, snapshot: &Snapshot, target: &Discovered<'_>) -> Markup {
    let explanation = target.explain();
    let labels = target.labels().map(|(name, value)| vec![cell(name), cell(value)]);
    let seeds = explanation.seeds.iter().map(|(name, value)| vec![cell(name), cell(value)]);
    let after = explanation.labels.iter().map(|(name, value)| vec![cell(name), cell(value)]);
    html! {
        h2 { (target.address()) " of job " (link_to("/debug/job?job_id=", target.job().name())) }
        (verdict(inner, snapshot, target))
        h2 { "Discovered labels" }
        (table(&["Label", "Value"], labels))
        h2 { "Labels set from the scrape config, where discovery said nothing" }
        (table(&["Label", "Value"], seeds))
        h2 { "Relabelling, rule by rule" }
        @if explanation.steps.is_empty() {
            p { "No rule runs here: the job is not filtered, and rules are left to the collectors." }
        } @else {
            p.note { "The first and the last are not the job's own: they switch off rules that would share targets out over shards." }
            (table(&["Rule", "Input", "What it did"], explanation.steps.iter().map(step)))
        }
        h2 { @if explanation.id.is_some() { "Labels after relabelling" } @else { "Labels when it was dropped" } }
        (table(&["Label", "Value"], after))
    }
}

fn verdict(inner: &Inner, snapshot: &Snapshot, target: &Discovered<'_>) -> Markup {
    let rows = match target.fate() {
        Fate::Dropped => vec![("Fate", html! { span.bad { "dropped by the last rule below; no collector gets it" } })],
        Fate::Merged(other) => {
            let number = other.discovered().number();
            let href = format!("/explain?job={}&number={number}", query_escape(target.job().name()));
            vec![
                ("Fate", cell("after relabelling it equals another target of its job, which is served in its place")),
                ("The other", link(&href, &other.address())),
                ("Collector", collector(&other)),
            ]
        }
        Fate::Kept(kept) => {
            let now = SystemTime::now();
            vec![
                ("Fate", cell("served")),
                ("Identity", link(&format!("/debug/target?target_hash={}", kept.id().0), &kept.id().0.to_string())),
                ("Strategy", cell(inner.options.strategy.name())),
                ("Collector", collector(&kept)),
                ("Why there", cell(reason(inner.options.strategy, &kept))),
                ("It last asked for its targets of this job", ago(polls::of_job(&kept), now)),
                ("And for those of any job", ago(polls::of_any_job(snapshot, &kept), now)),
            ]
        }
    };
    table(&["", ""], rows.into_iter().map(|(name, value)| vec![cell(name), value]))
}

fn step(step: &RuleStep<'_>) -> Vec<Markup> {
    let did = html! {
        @if step.drops { span.bad { "dropped the target" } }
        @else if step.changes.is_empty() { "nothing" }
        @for change in &step.changes {
            div {
                (change.name) ": "
                @if change.after.is_empty() { "removed, was " code { (change.before) } }
                @else if change.before.is_empty() { "set to " code { (change.after) } }
                @else { code { (change.before) } " became " code { (change.after) } }
            }
        }
    };
    vec![html! { code { (rule_text(step.rule)) } }, cell(&step.input), did]
}
