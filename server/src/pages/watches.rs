//! `/debug/watches`: what each watch of Kubernetes objects does, for "why is my pod not there?". Browsers get a page,
//! others JSON.

mod json;

use std::time::SystemTime;

use hyper::{Response, StatusCode};
use maud::{Markup, html};

use super::layout::{self, ago, bytes, cell, contains_ignoring_case, number, table};
use super::paging::{PER_PAGE, Paging, search};
use crate::http::{Body, Inner, Query, WatchState, WatchStatus};

pub(crate) use json::watches_json;

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
