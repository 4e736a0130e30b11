//! `/debug/monitors`: each prometheus-operator resource and why it does or does not make targets; `/debug/monitor`: one of
//! them, question by question. Browsers get pages, others JSON.

mod json;

use std::time::SystemTime;

use hyper::{Response, StatusCode};
use maud::{Markup, html};
use ta_engine::JobView;
use ta_model::cr::{Answer, Explanation, Kind, ObjectId, ObjectState};

use super::layout::{self, ago, cell, contains_ignoring_case, facts, link, link_to, number, table};
use super::paging::{PER_PAGE, Paging, search};
use crate::http::{Body, Inner, Query, ResourceStatus, ResourceWatchStatus, query_escape};

pub(crate) use json::{monitor_json, monitors_json};

const PATH: &str = "/debug/monitors";

/// What is asked for.
struct Request {
    q: String,
    state: String,
    paging: Paging,
}

impl Request {
    fn of(query: Query<'_>) -> Self {
        let text = |name| query.first(name).unwrap_or_default().into_owned();
        Self { q: text("q"), state: text("state"), paging: Paging::of(query, PER_PAGE) }
    }

    /// The objects it means, those in trouble first: they are what one comes here for.
    fn find<'s>(&self, status: &'s ResourceStatus) -> Vec<&'s (ObjectId, ObjectState)> {
        let lower = self.q.to_ascii_lowercase();
        let wanted = |(id, state): &&(ObjectId, ObjectState)| {
            (self.state.is_empty() || state_name(state) == self.state)
                && contains_ignoring_case(&id.to_string(), &lower)
        };
        let mut found: Vec<_> = status.objects.iter().filter(wanted).collect();
        found.sort_by_key(|(_, state)| rank(state)); // stable: by id within
        found
    }

    fn page<'s>(&self, found: &[&'s (ObjectId, ObjectState)]) -> Vec<&'s (ObjectId, ObjectState)> {
        found.iter().skip(self.paging.skip()).take(self.paging.take()).copied().collect()
    }
}

fn rank(state: &ObjectState) -> u8 {
    match state {
        ObjectState::Rejected(_) => 0,
        ObjectState::Waiting(_) => 1,
        ObjectState::Used { denied, .. } if !denied.is_empty() => 2,
        ObjectState::Used { .. } => 3,
        ObjectState::Unselected(_) => 4,
    }
}

/// One word, also in queries, JSON and metrics.
pub(crate) fn state_name(state: &ObjectState) -> &'static str {
    match state {
        ObjectState::Unselected(_) => "unselected",
        ObjectState::Rejected(_) => "rejected",
        ObjectState::Waiting(_) => "waiting",
        ObjectState::Used { .. } => "used",
    }
}

/// Kind, namespace and name in one text, as queries have it.
fn id_text(id: &ObjectId) -> String {
    format!("{}/{}/{}", id.kind.as_str(), id.namespace, id.name)
}

fn parse_id(text: &str) -> Option<ObjectId> {
    let (kind, rest) = text.split_once('/')?;
    let (namespace, name) = rest.split_once('/')?;
    Some(ObjectId { kind: Kind::parse(kind)?, namespace: namespace.into(), name: name.into() })
}

pub(crate) fn monitors(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let title = format!("{} - Monitors", layout::TITLE);
    let Some(status) = inner.status.resources() else {
        let content = html! { p { "Resources are not watched: " code { "prometheus_cr.enabled" } " is not true." } };
        return layout::page(StatusCode::OK, &title, &content);
    };
    let request = Request::of(query);
    let found = request.find(&status);
    let shown = request.page(&found);
    let ids: Vec<ObjectId> = shown.iter().map(|(id, _)| id.clone()).collect();
    let walks = inner.status.explain(&ids);
    let rows = shown.iter().zip(&walks).map(|((id, state), walk)| row(id, state, walk));
    let kept = [("state", request.state.as_str())];
    let content = html! {
        (summary(&status))
        (watches(&status.watches))
        (search(PATH, &kept, &request.q, "part of a kind, namespace or name"))
        (table(&["Object", "State", "Jobs", "First thing in the way"], rows))
        (request.paging.links(PATH, &[("q", &request.q), ("state", &request.state)], found.len()))
    };
    layout::page(StatusCode::OK, &title, &content)
}

fn summary(status: &ResourceStatus) -> Markup {
    let count = |name: &str| status.objects.iter().filter(|(_, state)| state_name(state) == name).count() as u64;
    let by_state = |name: &str| html! { a href=(format!("{PATH}?state={name}")) { (number(count(name))) } };
    html! {
        @if !status.is_published {
            p.bad { "Not everything has been listed yet; resources have made no jobs so far." }
        }
        (facts(&[
            ("Objects", link(PATH, &status.objects.len().to_string())),
            ("Used", by_state("used")),
            ("Rejected", by_state("rejected")),
            ("Waiting", by_state("waiting")),
            ("Not selected", by_state("unselected")),
            ("Translations", number(status.generations)),
            ("Last look", ago(status.last_pass, SystemTime::now())),
        ]))
    }
}

/// The watches that do not watch, and what that costs.
fn watches(watches: &[ResourceWatchStatus]) -> Markup {
    let troubled = watches.iter().filter(|watch| !watch.problem.is_empty() || watch.absent || !watch.synced);
    html! {
        @for watch in troubled {
            p.bad[watch.needed].note[!watch.needed] {
                (watch.kind)
                @if let Some(namespace) = &watch.namespace { " in namespace " (namespace) }
                ": "
                @if watch.absent { "the API server does not have this kind (yet)" }
                @else if watch.problem.is_empty() { "not listed yet" }
                @else { (watch.problem) }
            }
        }
    }
}

fn row(id: &ObjectId, state: &ObjectState, walk: &Explanation) -> Vec<Markup> {
    let jobs = match state {
        ObjectState::Used { jobs, .. } => {
            let href = format!("/debug/jobs?q={}", query_escape(&id.job_name()));
            html! { a href=(href) { (number(*jobs as u64)) } }
        }
        _ => number(0),
    };
    let href = format!("/debug/monitor?id={}", query_escape(&id_text(id)));
    vec![link(&href, &id.to_string()), described(state), jobs, first_obstacle(state, walk)]
}

fn described(state: &ObjectState) -> Markup {
    match state {
        ObjectState::Used { denied, .. } if !denied.is_empty() => html! { span.bad { "used in part" } },
        ObjectState::Used { .. } => cell("used"),
        ObjectState::Waiting(_) => html! { span.bad { "waiting" } },
        ObjectState::Rejected(why) => html! { span.bad { "rejected (" (why.cause.as_str()) ")" } },
        ObjectState::Unselected(_) => html! { span.note { "not selected" } },
    }
}

/// What to look at first, in one sentence; empty if nothing is known to be wrong.
fn obstacle(state: &ObjectState, walk: &Explanation) -> String {
    if let ObjectState::Waiting(references) = state {
        let names: Vec<String> = references.iter().map(ToString::to_string).collect();
        return format!("not read yet: {}", names.join(", "));
    }
    if let Some(step) = walk.first_no() {
        return format!("{} {}", step.question, step.detail);
    }
    match state {
        ObjectState::Rejected(why) => why.reason.clone(),
        ObjectState::Unselected(why) => why.to_string(),
        ObjectState::Used { denied, warnings, .. } => match (denied.first(), warnings.first()) {
            (Some(denied), _) => format!("deny_fs_access_through_sms leaves out {}: {}", denied.job, denied.reason),
            (None, Some(warning)) => warning.clone(),
            (None, None) => String::new(),
        },
        ObjectState::Waiting(_) => String::new(),
    }
}

fn first_obstacle(state: &ObjectState, walk: &Explanation) -> Markup {
    let text = obstacle(state, walk);
    html! { @if walk.first_no().is_some() { span.bad { (text) } } @else { (text) } }
}

/// One object, question by question.
pub(crate) fn monitor(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let Some((id, state)) = lookup(inner, query) else {
        return layout::unknown("monitor", &query.first("id").unwrap_or_default());
    };
    let walks = inner.status.explain(std::slice::from_ref(&id));
    let steps = walks.first().map(|walk| &walk.steps[..]).unwrap_or_default();
    let rows = steps.iter().map(|step| {
        let answer = match step.answer {
            Answer::No => html! { span.bad { "no" } },
            other => cell(other.as_str()),
        };
        vec![cell(&step.question), answer, cell(&step.detail)]
    });
    let (denied, warnings) = match &state {
        ObjectState::Used { denied, warnings, .. } => (&denied[..], &warnings[..]),
        _ => Default::default(),
    };
    let content = html! {
        (facts(&[("State", described(&state))]))
        (table(&["Question", "Answer", "Because"], rows))
        (jobs_of(inner, &id))
        @for denied in denied { p.bad { (denied.job) " is left out (deny_fs_access_through_sms): " (denied.reason) } }
        @for warning in warnings { p.note { (warning) } }
        p {
            (link(&format!("/debug/jobs?q={}", query_escape(&id.job_name())), "Jobs")) " · " (link(PATH, "All monitors"))
        }
    };
    layout::page(StatusCode::OK, &id.to_string(), &content)
}

/// What its jobs find: the last word on whether it has targets.
fn jobs_of(inner: &Inner, id: &ObjectId) -> Markup {
    let snapshot = inner.snapshots.load();
    let name = id.job_name();
    let is_its = |job: &JobView<'_>| {
        job.name().strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let rows = snapshot.jobs().filter(is_its).map(|job| {
        let state = if job.synced() {
            cell("discovered")
        } else {
            html! { span.bad { "not discovered yet" } }
        };
        let counts = [job.discovered(), job.dropped(), job.kept() as u64].map(number);
        [link_to("/debug/job?job_id=", job.name())].into_iter().chain(counts).chain([state]).collect()
    });
    table(&["Job", "Discovered", "Dropped by relabelling", "Kept", "State"], rows)
}

fn lookup(inner: &Inner, query: Query<'_>) -> Option<(ObjectId, ObjectState)> {
    let id = parse_id(&query.first("id")?)?;
    let status = inner.status.resources()?;
    let state = status.objects.iter().find(|(known, _)| *known == id).map(|(_, state)| state.clone())?;
    Some((id, state))
}
