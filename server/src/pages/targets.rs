//! `/debug/targets` and `/debug/target`.

use std::borrow::Cow;

use hyper::{Response, StatusCode};
use maud::{Markup, html};
use ta_engine::{JobView, Snapshot, TargetId, TargetView};

use super::explain::mentions;
use super::index::words;
use super::layout::{self, cell, link, link_to, number, table};
use super::paging::{PER_PAGE, Paging, search};
use crate::http::{Body, Inner, Query, query_escape};

/// Targets a search looks at before it shows what it has: some 30 ms.
const SCAN: usize = 20_000;

const ENDPOINT_SLICE: &str = "__meta_kubernetes_endpointslice_name";

/// The first of these that is not empty is the node of a target, as the allocator sees it (upstream: `internal/target`).
const NODE: [&str; 3] =
    ["__meta_kubernetes_pod_node_name", "__meta_kubernetes_node_name", "__meta_kubernetes_endpoint_node_name"];

pub(crate) fn targets(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let snapshot = inner.snapshots.load();
    let q = query.first("q").unwrap_or_default();
    let job = query.first("job").unwrap_or_default();
    let jobs: Vec<JobView<'_>> =
        if job.is_empty() { snapshot.jobs().collect() } else { snapshot.job(&job).into_iter().collect() };
    let content = html! {
        @if !job.is_empty() {
            p { "Only of job " (link_to("/debug/job?job_id=", &job)) ". " (link("/debug/targets", "All targets")) }
        }
        (search("/debug/targets", &[("job", &job)], &q, "part of an address or label value"))
        @if q.is_empty() { (listing(&jobs, &job, query)) } @else { (results(&jobs, &job, &q, query)) }
    };
    layout::page(StatusCode::OK, &format!("{} - Targets", layout::TITLE), &content)
}

fn listing(jobs: &[JobView<'_>], job: &str, query: Query<'_>) -> Markup {
    let paging = Paging::of(query, PER_PAGE);
    let total = jobs.iter().map(JobView::target_slots).sum();
    let merged: usize = jobs.iter().map(JobView::merged).sum();
    let rows = window(jobs, paging.skip(), paging.take()).map(|(_, target)| row(&target));
    html! {
        (rows_table(rows))
        @if merged > 0 { p.note { (number(merged as u64)) " of all are equal to another after relabelling, and not shown" } }
        (paging.links("/debug/targets", &[("job", job)], total))
    }
}

/// The targets in the `take` slots of all `jobs` after the first `skip`, each with the number of its slot; whole jobs
/// are skipped by their counts.
fn window<'a>(
    jobs: &'a [JobView<'a>],
    mut skip: usize,
    mut take: usize,
) -> impl Iterator<Item = (usize, TargetView<'a>)> {
    let mut before = 0;
    jobs.iter().flat_map(move |job| {
        let first = skip.min(job.target_slots());
        let end = job.target_slots().min(first.saturating_add(take));
        let base = before;
        skip -= first;
        take -= end - first;
        before += job.target_slots();
        job.targets(first).take_while(move |(slot, _)| *slot < end).map(move |(slot, target)| (base + slot, target))
    })
}

/// A search goes on from target `from` for a bounded while, and offers to go on from where it stopped.
fn results(jobs: &[JobView<'_>], job: &str, q: &str, query: Query<'_>) -> Markup {
    let from: usize = query.first("from").and_then(|text| text.parse().ok()).unwrap_or(0);
    let total: usize = jobs.iter().map(JobView::target_slots).sum();
    let lower = q.to_ascii_lowercase();
    let found = window(jobs, from, SCAN).filter(|(_, target)| mentions(&target.discovered(), &lower));
    let found: Vec<(usize, TargetView<'_>)> = found.take(PER_PAGE).collect();
    let next = match found.get(PER_PAGE - 1) {
        Some((last, _)) => last + 1,
        None => from.saturating_add(SCAN).min(total),
    };
    let go_on = format!("/debug/targets?q={}&job={}&from={next}", query_escape(q), query_escape(job));
    html! {
        p { (number(found.len() as u64)) " found among " (number(next.saturating_sub(from) as u64)) " of " (number(total as u64)) " targets" }
        (rows_table(found.iter().map(|(_, target)| row(target))))
        @if next < total { p { a rel="next" href=(go_on) { "search on from target " (number(next as u64 + 1)) } } }
    }
}

fn rows_table(rows: impl IntoIterator<Item = Vec<Markup>>) -> Markup {
    table(&["Job", "Target", "Collector", "Endpoint Slice"], rows)
}

fn row(target: &TargetView<'_>) -> Vec<Markup> {
    vec![
        link_to("/debug/job?job_id=", target.job().name()),
        target_link(target),
        collector(target),
        endpoint_slice(target),
    ]
}

/// A target by its address.
pub(super) fn target_link(target: &TargetView<'_>) -> Markup {
    link(&format!("/debug/target?target_hash={}", target.id().0), &target.address())
}

/// The slice a target comes from, if from one.
pub(super) fn endpoint_slice(target: &TargetView<'_>) -> Markup {
    cell(target.label(ENDPOINT_SLICE).unwrap_or_default())
}

fn collector(target: &TargetView<'_>) -> Markup {
    match (target.collector(), target.unassigned()) {
        (Some(collector), _) => link_to("/debug/collector?collector_id=", &collector.name),
        (None, Some(reason)) => html! { span.bad { "none: " (words(reason)) } },
        (None, None) => html! {},
    }
}

pub(crate) fn target(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let hash = query.first("target_hash").unwrap_or_default();
    if hash.is_empty() || hash == "0" {
        return layout::bad_request(
            "Expected target_hash in the query string",
            "/debug/target?target_hash=my-target-42",
        );
    }
    let Ok(id) = hash.parse::<u64>() else {
        return layout::bad_request("Expected target_hash to be a number", "/debug/target?target_hash=42");
    };
    let snapshot = inner.snapshots.load();
    match find(&snapshot, id) {
        Some(target) => show(&target),
        None => layout::unknown("Target", &hash),
    }
}

fn find(snapshot: &Snapshot, id: u64) -> Option<TargetView<'_>> {
    snapshot.jobs().find_map(|job| job.find(TargetId(id)))
}

fn show(target: &TargetView<'_>) -> Response<Body> {
    let label = |name: &str| cell(target.label(name).unwrap_or_default());
    let rows = [
        ("Collector", collector(target)),
        ("Job", link_to("/debug/job?job_id=", target.job().name())),
        ("Namespace", label("__meta_kubernetes_namespace")),
        ("Service Name", label("__meta_kubernetes_service_name")),
        ("Service Port", label("__meta_kubernetes_service_port")),
        ("Pod Name", label("__meta_kubernetes_pod_name")),
        ("Container Name", label("__meta_kubernetes_pod_container_name")),
        ("Container Port Name", label("__meta_kubernetes_pod_container_port_name")),
        ("Node Name", cell(node(target))),
        ("Endpoint Slice Name", endpoint_slice(target)),
    ];
    let mut labels: Vec<_> = target.labels().collect();
    labels.sort_unstable();
    let labels = labels.into_iter().map(|(name, value)| vec![cell(name), cell(value)]);
    let content = html! {
        (table(&["", ""], rows.map(|(name, value)| vec![cell(name), value])))
        h2 { "Labels as served, before relabelling" }
        (table(&["Label", "Value"], labels))
    };
    layout::page(StatusCode::OK, &format!("Target: {}", target.address()), &content)
}

fn node<'a>(target: &TargetView<'a>) -> Cow<'a, str> {
    let label = |name: &str| target.label(name).filter(|value| !value.is_empty());
    let behind_slice = || {
        label("__meta_kubernetes_endpointslice_address_target_kind").filter(|kind| kind == "Node")?;
        label("__meta_kubernetes_endpointslice_address_target_name")
    };
    NODE.iter().find_map(|name| label(name)).or_else(behind_slice).unwrap_or_default()
}
