//! The same as JSON, for scripts.

use std::time::SystemTime;

use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json};
use ta_engine::{Discovered, Fate, RuleStep, Snapshot};

use super::question::{Found, Question, fate_name, reason};
use super::rule_text;
use crate::http::{Body, Inner, Query, polls, respond};

pub(crate) fn explain_json(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let question = Question::of(query);
    if question.is_empty() {
        return respond::json_string(StatusCode::BAD_REQUEST, "q, target_hash, or job and number, must be given");
    }
    let snapshot = inner.snapshots.load();
    let answer = match question.find(&snapshot) {
        Found::One(target) => whole(inner, &snapshot, &target),
        Found::Many { matches, scanned, next } => {
            let matches: Vec<Value> = matches.iter().map(|target| Value::Object(outline(target))).collect();
            json!({"matches": matches, "scanned": scanned, "next": next})
        }
    };
    respond::json(StatusCode::OK, answer.to_string() + "\n")
}

fn outline(target: &Discovered<'_>) -> Map<String, Value> {
    let fate = target.fate();
    let mut outline = Map::new();
    outline.insert("job".into(), Value::from(&**target.job().name()));
    outline.insert("number".into(), target.number().into());
    outline.insert("address".into(), Value::from(target.address()));
    outline.insert("fate".into(), fate_name(&fate).into());
    if let Fate::Kept(kept) | Fate::Merged(kept) = fate {
        outline.insert("target_hash".into(), kept.id().0.into());
        outline.insert("collector".into(), kept.collector().map(|collector| &*collector.name).into());
    }
    outline
}

fn whole(inner: &Inner, snapshot: &Snapshot, target: &Discovered<'_>) -> Value {
    let mut whole = outline(target);
    let explanation = target.explain();
    let labels: Map<String, Value> =
        target.labels().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    whole.insert("discovered_labels".into(), labels.into());
    let seeds = explanation.seeds.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
    whole.insert("seed_labels".into(), Value::Object(seeds.collect()));
    whole.insert("rules".into(), explanation.steps.iter().map(step).collect());
    let labels = explanation.labels.into_iter().map(|(name, value)| (name, Value::from(value)));
    whole.insert("labels".into(), Value::Object(labels.collect()));
    match target.fate() {
        Fate::Dropped => {}
        Fate::Merged(other) => {
            whole.insert("merged_with".into(), other.discovered().number().into());
        }
        Fate::Kept(kept) => {
            whole.insert("strategy".into(), inner.options.strategy.name().into());
            whole.insert("reason".into(), reason(inner.options.strategy, &kept).into());
            whole.insert("share_last_asked".into(), seconds(polls::of_job(&kept)));
            whole.insert("collector_last_asked".into(), seconds(polls::of_any_job(snapshot, &kept)));
        }
    }
    whole.into()
}

fn step(step: &RuleStep<'_>) -> Value {
    let changes =
        step.changes.iter().map(|change| json!({"label": change.name, "before": change.before, "after": change.after}));
    json!({
        "rule": rule_text(step.rule),
        "input": step.input,
        "changes": changes.collect::<Vec<_>>(),
        "drops": step.drops,
    })
}

/// Since 1970; null for never.
fn seconds(time: Option<SystemTime>) -> Value {
    time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()).map(|since| since.as_secs()).into()
}
