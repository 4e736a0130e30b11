//! `/debug/jobs` and `/debug/job`.

use hyper::{Response, StatusCode};
use maud::{Markup, html};
use ta_engine::{JobView, Snapshot};

use super::layout::{self, cell, contains_ignoring_case, facts, link, link_to, number, table};
use super::paging::{PER_PAGE, Paging, search};
use crate::http::{Body, Inner, Query, query_escape, respond};

pub(crate) fn jobs(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let snapshot = inner.snapshots.load();
    let q = query.first("q").unwrap_or_default();
    let unsynced = query.first("unsynced").unwrap_or_default();
    let lower = q.to_ascii_lowercase();
    let found: Vec<JobView<'_>> = snapshot
        .jobs()
        .filter(|job| unsynced.is_empty() || !job.synced())
        .filter(|job| contains_ignoring_case(job.name(), &lower))
        .collect();
    let paging = Paging::of(query, PER_PAGE);
    let rows = found.iter().skip(paging.skip()).take(paging.take()).map(row);
    let content = html! {
        (search("/debug/jobs", &[("unsynced", &unsynced)], &q, "part of a job's name"))
        (table(&["Job", "Target Count", "Unassigned", "Dropped", "State"], rows))
        (paging.links("/debug/jobs", &[("q", &q), ("unsynced", &unsynced)], found.len()))
    };
    layout::page(StatusCode::OK, &format!("{} - Jobs", layout::TITLE), &content)
}

fn row(job: &JobView<'_>) -> Vec<Markup> {
    vec![
        link_to("/debug/job?job_id=", job.name()),
        number(job.kept() as u64),
        number(job.unassigned() as u64),
        number(job.dropped()),
        state(job),
    ]
}

fn state(job: &JobView<'_>) -> Markup {
    if job.synced() {
        cell("discovered")
    } else {
        html! { span.bad { "not discovered yet" } }
    }
}

/// An unknown job is a page of zeros, as upstream has it, but says so.
pub(crate) fn job(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let Some(name) = query.only("job_id") else { return respond::empty(StatusCode::BAD_REQUEST) };
    let snapshot = inner.snapshots.load();
    let job = snapshot.job(&name);
    let content = html! {
        @match &job {
            Some(job) => (about(job)),
            None => p.bad { "There is no such job." },
        }
        (collectors(&snapshot, job.as_ref(), &name, query))
    };
    layout::page(StatusCode::OK, &format!("Job: {name}"), &content)
}

/// Where the job's targets went, and where to read on.
fn about(job: &JobView<'_>) -> Markup {
    let escaped = query_escape(job.name());
    html! {
        (facts(&[
            ("State", state(job)),
            ("Discovered", number(job.discovered())),
            ("Dropped by relabelling", number(job.dropped())),
            ("Equal to another", number(job.merged() as u64)),
            ("Kept", number(job.kept() as u64)),
            ("Unassigned", number(job.unassigned() as u64)),
        ]))
        p {
            (link(&format!("/debug/targets?job={escaped}"), "Targets")) " · "
            (link(&format!("/debug/scrape_configs?job={escaped}"), "Scrape config")) " · "
            (link(&format!("/debug/discovery?q={escaped}"), "Discovery")) " · "
            (link(&format!("/jobs/{escaped}/targets"), "As JSON"))
        }
    }
}

fn collectors(snapshot: &Snapshot, job: Option<&JobView<'_>>, name: &str, query: Query<'_>) -> Markup {
    let paging = Paging::of(query, PER_PAGE);
    let shown = snapshot.collectors().iter().enumerate().skip(paging.skip()).take(paging.take());
    let rows = shown.map(|(ordinal, collector)| {
        let targets = job.and_then(|job| job.share(ordinal)).map_or(0, |share| share.len());
        vec![link_to("/debug/collector?collector_id=", &collector.name), number(targets as u64)]
    });
    html! {
        (table(&["Collector", "Target Count"], rows))
        (paging.links("/debug/job", &[("job_id", name)], snapshot.collectors().len()))
    }
}
