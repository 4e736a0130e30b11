//! `/debug/scrape_configs`: the jobs' settings, secrets masked.

use hyper::{Response, StatusCode};
use maud::{Markup, html};
use ta_model::Secrets;
use ta_model::job_table::Job;
use ta_model::scrape_config::render_job;

use super::layout::{self, contains_ignoring_case, link, link_to, table};
use super::paging::{Paging, search};
use crate::http::{Body, Inner, Query};

/// Configs are long: fewer of them on a page.
const PER_PAGE: usize = 25;

pub(crate) fn scrape_configs(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let snapshot = inner.snapshots.load();
    let q = query.first("q").unwrap_or_default();
    let only = query.first("job").unwrap_or_default();
    let lower = q.to_ascii_lowercase();
    let jobs = snapshot.table().jobs().iter();
    let found: Vec<_> = jobs
        .filter(|job| only.is_empty() || **job.name() == *only)
        .filter(|job| contains_ignoring_case(job.name(), &lower))
        .collect();
    let paging = Paging::of(query, PER_PAGE);
    let rows = found.iter().skip(paging.skip()).take(paging.take()).map(|job| row(job));
    let content = html! {
        @if !only.is_empty() { p { (link("/debug/scrape_configs", "All scrape configs")) } }
        (search("/debug/scrape_configs", &[], &q, "part of a job's name"))
        (table(&["Job", "Scrape Config"], rows))
        (paging.links("/debug/scrape_configs", &[("q", &q), ("job", &only)], found.len()))
    };
    layout::page(StatusCode::OK, &format!("{} - Scrape Configs", layout::TITLE), &content)
}

fn row(job: &Job) -> Vec<Markup> {
    let compact = render_job(job.config(), Secrets::Masked);
    // what we rendered parses; if it ever does not, the compact form is still the truth
    let pretty =
        serde_json::from_str::<serde_json::Value>(&compact).and_then(|json| serde_json::to_string_pretty(&json));
    vec![link_to("/debug/job?job_id=", job.name()), html! { pre { (pretty.unwrap_or(compact)) } }]
}
