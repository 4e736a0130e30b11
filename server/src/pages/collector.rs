//! `/debug/collector`: what one collector scrapes.

use hyper::{Response, StatusCode};
use maud::{Markup, html};
use ta_engine::Snapshot;

use super::layout::{self, facts, link_to, number, table};
use super::paging::{PER_PAGE, Paging};
use super::targets::{endpoint_slice, target_link};
use crate::http::{Body, Inner, Query};

pub(crate) fn collector(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let Some(name) = query.only("collector_id").filter(|name| !name.is_empty()) else {
        let example = "/debug/collector?collector_id=my-collector-42";
        return layout::bad_request("Expected collector_id in the query string", example);
    };
    let snapshot = inner.snapshots.load();
    let Some(ordinal) = snapshot.collectors().ordinal(&name) else { return layout::unknown("Collector", &name) };
    let (load, node) = (&snapshot.loads()[ordinal], &snapshot.collectors()[ordinal].node);
    let paging = Paging::of(query, PER_PAGE);
    let content = html! {
        (facts(&[
            ("Targets", number(u64::from(load.targets))),
            ("Jobs", number(u64::from(load.jobs))),
            ("Node", html! { @if node.is_empty() { "–" } @else { (node) } }),
        ]))
        (table(&["Job", "Target", "Endpoint Slice"], rows(&snapshot, ordinal, paging)))
        (paging.links("/debug/collector", &[("collector_id", &name)], load.targets as usize))
    };
    layout::page(StatusCode::OK, &format!("Collector: {name}"), &content)
}

/// The shares of the collector, job after job; only those that the page shows are looked into.
fn rows(snapshot: &Snapshot, ordinal: usize, paging: Paging) -> Vec<Vec<Markup>> {
    let (mut skip, mut rows) = (paging.skip(), Vec::new());
    for job in snapshot.jobs() {
        let len = job.share(ordinal).map_or(0, |share| share.len());
        if skip >= len {
            skip -= len;
            continue;
        }
        for target in job.share_targets(ordinal, skip).take(paging.take() - rows.len()) {
            let name = link_to("/debug/job?job_id=", target.job().name());
            rows.push(vec![name, target_link(&target), endpoint_slice(&target)]);
        }
        skip = 0;
        if rows.len() == paging.take() {
            break;
        }
    }
    rows
}
