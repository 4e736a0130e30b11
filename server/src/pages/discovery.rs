//! `/debug/discovery`: what each provider does, for "why is my target not there?".

use std::time::SystemTime;

use hyper::{Response, StatusCode};
use maud::{Markup, html};

use super::layout::{self, ago, cell, contains_ignoring_case, link_to, number, table};
use super::paging::{PER_PAGE, Paging, search};
use crate::http::{Body, Inner, ProviderStatus, Query};

/// Jobs named per provider; one provider may feed hundreds.
const JOBS_SHOWN: usize = 5;

const HEADS: [&str; 8] = ["Provider", "Jobs", "State", "Groups", "Targets", "Last success", "Failures", "Last error"];

pub(crate) fn discovery(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let q = query.first("q").unwrap_or_default();
    let lower = q.to_ascii_lowercase();
    let mut found = inner.status.status().providers;
    found.retain(|provider| {
        let mut names = provider.jobs.iter().chain([&provider.name]);
        names.any(|name| contains_ignoring_case(name, &lower))
    });
    // what fails is what one comes here for
    found.sort_by_key(state_of);
    let paging = Paging::of(query, PER_PAGE);
    let now = SystemTime::now();
    let rows = found.iter().skip(paging.skip()).take(paging.take()).map(|provider| row(provider, now));
    let content = html! {
        (search("/debug/discovery", &[], &q, "part of a provider's or job's name"))
        (table(&HEADS, rows))
        (paging.links("/debug/discovery", &[("q", &q)], found.len()))
    };
    layout::page(StatusCode::OK, &format!("{} - Discovery", layout::TITLE), &content)
}

/// Worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Broken,
    Failing,
    Waiting,
    Fine,
}

fn state_of(provider: &ProviderStatus) -> State {
    match provider {
        ProviderStatus { broken: true, .. } => State::Broken,
        ProviderStatus { consecutive_failures: 1.., .. } => State::Failing,
        ProviderStatus { synced: false, .. } => State::Waiting,
        _ => State::Fine,
    }
}

fn row(provider: &ProviderStatus, now: SystemTime) -> Vec<Markup> {
    let failures = provider.consecutive_failures;
    let state = match state_of(provider) {
        State::Broken => html! { span.bad { "cannot run" } },
        State::Failing => html! { span.bad { "failing, " (failures) " times in a row; the last targets are kept" } },
        State::Waiting => cell("waiting for its first answer"),
        State::Fine => cell("delivering"),
    };
    let error = &provider.last_error;
    vec![
        cell(&provider.name),
        jobs(provider),
        state,
        number(provider.groups),
        number(provider.targets),
        ago(provider.last_success, now),
        number(provider.refresh_failures),
        html! { @if provider.is_failing() { span.bad { (error) } } @else { span.note { (error) } } },
    ]
}

fn jobs(provider: &ProviderStatus) -> Markup {
    html! {
        @for (index, job) in provider.jobs.iter().take(JOBS_SHOWN).enumerate() {
            @if index > 0 { ", " }
            (link_to("/debug/job?job_id=", job))
        }
        @if provider.jobs.len() > JOBS_SHOWN { " and " (number((provider.jobs.len() - JOBS_SHOWN) as u64)) " more" }
    }
}
