//! `GET /explain`: why a target is where it is. A page for people, JSON for everybody else.
//!
//! `q` is part of an address or of a label's value, or a target hash; `job` narrows. More than one match is a list; one,
//! or `job` and `number`, is told whole: discovered labels, what each rule does, identity, collector.

use std::time::SystemTime;

use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json};
use ta_engine::{Discovered, Fate, JobView, RuleStep, Snapshot, StrategyKind, TargetId, TargetView};

use super::{Body, Inner, Query, respond};
use crate::pages::{self, contains_ignoring_case};

/// Targets a search looks at before it says what it has: some 50 ms.
const SCAN: usize = 20_000;
/// Matches told at once.
const MATCHES: usize = 100;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) q: String,
    pub(crate) job: String,
    number: Option<u64>,
    from: u64,
}

/// What was found of it.
pub(crate) enum Found<'a> {
    One(Discovered<'a>),
    Many {
        matches: Vec<Discovered<'a>>,
        /// Targets looked at.
        scanned: u64,
        /// Where to go on, if not all were looked at.
        next: Option<u64>,
    },
}

impl Question {
    pub(crate) fn of(query: Query<'_>) -> Self {
        let text = |name| query.first(name).unwrap_or_default().into_owned();
        let hash = text("target_hash");
        let number = |name| query.first(name).and_then(|text| text.parse().ok());
        Self {
            q: if hash.is_empty() { text("q") } else { hash },
            job: text("job"),
            number: number("number"),
            from: number("from").unwrap_or(0),
        }
    }

    /// Whether anything is asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.q.is_empty() && self.number.is_none()
    }

    pub(crate) fn find<'a>(&self, snapshot: &'a Snapshot) -> Found<'a> {
        let jobs: Vec<JobView<'a>> = match &*self.job {
            "" => snapshot.jobs().collect(),
            job => snapshot.job(job).into_iter().collect(),
        };
        let by_number = || jobs.first()?.discovered_from(self.number?).next();
        let by_hash = || {
            let id = TargetId(self.q.parse().ok()?);
            jobs.iter().find_map(|job| job.find(id)).map(|target| target.discovered())
        };
        if let Some(target) = by_number().map(|(_, target)| target).or_else(by_hash) {
            return Found::One(target);
        }
        self.search(&jobs)
    }

    fn search<'a>(&self, jobs: &[JobView<'a>]) -> Found<'a> {
        let lower = self.q.to_ascii_lowercase();
        let (mut matches, mut at, end) = (Vec::new(), 0, self.from.saturating_add(SCAN as u64));
        let total: u64 = jobs.iter().map(JobView::discovered).sum();
        for job in jobs {
            let skip = self.from.saturating_sub(at).min(job.discovered());
            let base = at;
            at += skip;
            for (number, target) in job.discovered_from(skip) {
                if at >= end || matches.len() >= MATCHES {
                    break;
                }
                at = base + number + 1;
                if mentions(&target, &lower) {
                    matches.push(target);
                }
            }
            if at >= end || matches.len() >= MATCHES {
                break;
            }
            at = base + job.discovered();
        }
        match matches[..] {
            [one] if self.from == 0 && at >= total => Found::One(one),
            _ => Found::Many { matches, scanned: at.saturating_sub(self.from), next: (at < total).then_some(at) },
        }
    }
}

/// Whether its address or the value of a label contains `lower`.
pub(crate) fn mentions(target: &Discovered<'_>, lower: &str) -> bool {
    contains_ignoring_case(&target.address(), lower)
        || target.labels().any(|(_, value)| contains_ignoring_case(&value, lower))
}

/// Why a target is with its collector, or with none, in a sentence.
pub(crate) fn reason(strategy: StrategyKind, target: &TargetView<'_>) -> String {
    match (target.collector(), target.unassigned()) {
        (None, reason) => reason.map_or_else(String::new, |reason| format!("no collector: {}", reason.name())),
        (Some(collector), _) => match strategy {
            StrategyKind::ConsistentHashing => format!("{} owns its address on the ring", collector.name),
            StrategyKind::LeastWeighted => {
                format!("{} had the fewest targets when it came, and it stays there", collector.name)
            }
            StrategyKind::PerNode => format!("{} is on its node, or the fallback strategy chose it", collector.name),
        },
    }
}

pub(crate) fn as_json(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let question = Question::of(query);
    if question.is_empty() {
        return respond::json_string(StatusCode::BAD_REQUEST, "q, target_hash, or job and number, must be given");
    }
    let snapshot = inner.snapshots.load();
    let answer = match question.find(&snapshot) {
        Found::One(target) => whole(inner, &target),
        Found::Many { matches, scanned, next } => {
            let matches: Vec<Value> = matches.iter().map(|target| Value::Object(outline(target))).collect();
            json!({"matches": matches, "scanned": scanned, "next": next})
        }
    };
    respond::json(StatusCode::OK, answer.to_string() + "\n")
}

/// What became of it, in one word.
pub(crate) fn fate_name(fate: &Fate<'_>) -> &'static str {
    match fate {
        Fate::Dropped => "dropped",
        Fate::Kept(target) if target.collector().is_some() => "assigned",
        Fate::Kept(_) => "unassigned",
        Fate::Merged(_) => "merged",
    }
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

fn whole(inner: &Inner, target: &Discovered<'_>) -> Value {
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
            let polled = kept.collector().and_then(|collector| inner.polls.last(&collector.name));
            let since = polled.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
            whole.insert("collector_last_asked".into(), since.map(|since| since.as_secs()).into());
        }
    }
    whole.into()
}

fn step(step: &RuleStep<'_>) -> Value {
    let changes =
        step.changes.iter().map(|change| json!({"label": change.name, "before": change.before, "after": change.after}));
    json!({
        "rule": pages::rule_text(step.rule),
        "input": step.input,
        "changes": changes.collect::<Vec<_>>(),
        "drops": step.drops,
    })
}
