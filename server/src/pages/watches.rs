//! `/debug/watches`: what each watch of Kubernetes objects does, for "why is my pod not there?"; as a page and as JSON.

use std::time::SystemTime;

use hyper::{Response, StatusCode};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::layout::{self, ago, bytes, cell, contains_ignoring_case, number, table};
use super::paging::{PER_PAGE, Paging, search};
use crate::http::{Body, Inner, Query, WatchState, WatchStatus, respond};

const HEADS: [&str; 10] =
    ["Watch", "Where", "State", "Objects", "Memory", "Used by", "Last event", "Lists", "Errors", "Last error"];

pub(crate) fn watches(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let q = query.first("q").unwrap_or_default();
    let lower = q.to_ascii_lowercase();
    let mut found = inner.status.status().watches;
    found.retain(|watch| {
        let namespace = watch.namespace.as_deref().unwrap_or_default();
        [&watch.resource, namespace, &watch.label_selector].iter().any(|text| contains_ignoring_case(text, &lower))
    });
    // what fails is what one comes here for
    found.sort_by(|a, b| b.state.cmp(&a.state).then_with(|| a.resource.cmp(&b.resource)));
    let paging = Paging::of(query, PER_PAGE);
    let now = SystemTime::now();
    let rows = found.iter().skip(paging.skip()).take(paging.take()).map(|watch| row(watch, now));
    let content = html! {
        (search("/debug/watches", &[], &q, "part of a resource, namespace or label selector"))
        (table(&HEADS, rows))
        (paging.links("/debug/watches", &[("q", &q)], found.len()))
        @if found.is_empty() { p.note { "Nothing is watched: neither collectors nor targets come from Kubernetes." } }
    };
    layout::page(StatusCode::OK, &format!("{} - Watches", layout::TITLE), &content)
}

fn row(watch: &WatchStatus, now: SystemTime) -> Vec<Markup> {
    vec![
        name(watch),
        cell(&watch.cluster),
        state(watch),
        number(watch.objects),
        bytes(watch.bytes),
        number(watch.subscribers),
        ago(watch.last_event, now),
        number(watch.lists),
        number(watch.errors),
        last_error(watch, now),
    ]
}

fn name(watch: &WatchStatus) -> Markup {
    html! {
        (watch.resource)
        @match &watch.namespace { Some(namespace) => { " in " (namespace) }, None => { " everywhere" } }
        @if !watch.label_selector.is_empty() { " with " code { (watch.label_selector) } }
        @if !watch.field_selector.is_empty() { " where " code { (watch.field_selector) } }
    }
}

fn state(watch: &WatchStatus) -> Markup {
    let kept = if watch.synced { "; what was known is kept" } else { "; nothing is known yet" };
    match &watch.state {
        WatchState::Watching => cell("watching"),
        WatchState::Listing => cell("listing"),
        WatchState::Absent => cell("the server does not have this kind"),
        WatchState::Forbidden(why) => html! { span.bad { "forbidden" (kept) } " " span.note { (why) } },
        WatchState::Failing(why) => html! { span.bad { "failing" (kept) } " " span.note { (why) } },
    }
}

fn last_error(watch: &WatchStatus, now: SystemTime) -> Markup {
    html! {
        @if !watch.last_error.is_empty() { span.note { (watch.last_error) " (" (ago(watch.last_error_at, now)) ")" } }
        @if watch.undecodable > 0 {
            " " span.bad { (number(watch.undecodable)) " times an object could not be read: " (watch.last_undecodable) }
        }
    }
}

/// All of them, in the order in which they began.
pub(crate) fn watches_json(inner: &Inner, _: Query<'_>) -> Response<Body> {
    let watches: Vec<Value> = inner.status.status().watches.iter().map(as_json).collect();
    respond::json(StatusCode::OK, Value::from(watches).to_string() + "\n")
}

fn as_json(watch: &WatchStatus) -> Value {
    let message = match &watch.state {
        WatchState::Forbidden(message) | WatchState::Failing(message) => message.as_str(),
        WatchState::Watching | WatchState::Listing | WatchState::Absent => "",
    };
    json!({
        "cluster": *watch.cluster,
        "resource": watch.resource,
        "namespace": watch.namespace.as_deref(),
        "label_selector": watch.label_selector,
        "field_selector": watch.field_selector,
        "subscribers": watch.subscribers,
        "synced": watch.synced,
        "state": watch.state.name(),
        "message": message,
        "objects": watch.objects,
        "bytes": watch.bytes,
        "undecodable": watch.undecodable,
        "last_undecodable": watch.last_undecodable,
        "last_event": seconds(watch.last_event),
        "events": watch.events,
        "lists": watch.lists,
        "errors": watch.errors,
        "last_error": watch.last_error,
        "last_error_at": seconds(watch.last_error_at),
        "requests": watch.requests,
    })
}

/// Since 1970; null for never.
fn seconds(time: Option<SystemTime>) -> Value {
    let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or(Value::Null, |since| Value::from(since.as_millis() as f64 / 1e3))
}
