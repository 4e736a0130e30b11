//! `/`: how things are, at a glance.

use std::time::SystemTime;

use hyper::{Response, StatusCode};
use maud::{Markup, html};
use ta_engine::{Snapshot, Unassigned};
use ta_model::cr::ObjectState;

use super::layout::{self, ago, facts, link, link_to, number, table};
use super::paging::{PER_PAGE, Paging};
use crate::http::{Body, Inner, Query, ResourceStatus};
use crate::metrics::imbalance;

pub(crate) fn index(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let snapshot = inner.snapshots.load();
    let with_targets = snapshot.jobs().filter(|job| job.kept() > 0).count();
    let counts = [
        ("/scrape_configs", "Scrape Configs", snapshot.job_count()),
        ("/debug/jobs", "Jobs", with_targets),
        ("/debug/targets", "Targets", snapshot.targets()),
    ];
    let counts = counts.map(|(href, text, count)| vec![link(href, text), number(count as u64)]);
    let content = html! {
        (state(inner, &snapshot))
        (problems(inner, &snapshot))
        h2 { "Contents" }
        (table(&["Category", "Count"], counts))
        h2 { "Collectors" }
        (collectors(&snapshot, query))
    };
    layout::page(StatusCode::OK, layout::TITLE, &content)
}

fn state(inner: &Inner, snapshot: &Snapshot) -> Markup {
    let balance = imbalance(snapshot).map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
    facts(&[
        ("State", html! { (inner.health.phase().as_str()) }),
        ("Strategy", html! { (inner.metrics.strategy().name()) }),
        ("Snapshot", html! { (snapshot.number()) }),
        ("Published", ago(inner.metrics.last_published(), SystemTime::now())),
        ("Unassigned", number(snapshot.unassigned() as u64)),
        ("Fullest / mean", html! { (balance) }),
        ("Connections", number(u64::try_from(inner.metrics.connections()).unwrap_or(0))),
    ])
}

/// What somebody should look at.
fn problems(inner: &Inner, snapshot: &Snapshot) -> Markup {
    let mut problems: Vec<Markup> = Vec::new();
    for reason in Unassigned::ALL {
        let targets = snapshot.unassigned_because(reason) as u64;
        if targets > 0 {
            problems.push(html! { (number(targets)) " targets have no collector: " (words(reason)) });
        }
    }
    let unsynced = snapshot.jobs().filter(|job| !job.synced()).count() as u64;
    if unsynced > 0 {
        let which = link("/debug/jobs?unsynced=1", "which");
        problems.push(html! { (number(unsynced)) " jobs are not discovered yet: " (which) });
    }
    let status = inner.status.status();
    let failing = status.providers.iter().filter(|provider| provider.is_failing()).count() as u64;
    if failing > 0 {
        let which = link("/debug/discovery", "which");
        problems.push(html! { (number(failing)) " discovery providers are failing: " (which) });
    }
    if let Some(resources) = inner.status.resources() {
        problems.extend(troubled_resources(&resources));
    }
    let failing = status.watches.iter().filter(|watch| watch.state.is_failing()).count() as u64;
    if failing > 0 {
        let which = link("/debug/watches", "which");
        problems.push(html! { (number(failing)) " watches of Kubernetes are failing: " (which) });
    }
    if inner.health.lacks_collectors() {
        problems.push(html! { "It is not known yet which collectors there are: their shares answer 503" });
    }
    let masked = inner.metrics.masked_config_polls();
    if masked > 0 && snapshot.table().has_secrets() {
        problems.push(html! {
            "Scrape configs with secrets were polled over plain HTTP " (number(masked)) " times: the collectors got "
            code { "<secret>" } " for a password"
        });
    }
    html! {
        @if problems.is_empty() { p.note { "No problems known." } }
        @else { h2 { "Problems" } ul { @for problem in problems { li.bad { (problem) } } } }
    }
}

fn troubled_resources(resources: &ResourceStatus) -> Vec<Markup> {
    let mut problems = Vec::new();
    let unread = resources.watches.iter().filter(|watch| watch.needed && !watch.problem.is_empty()).count() as u64;
    if unread > 0 {
        let which = link("/debug/monitors", "which");
        problems.push(html! { (number(unread)) " watches of prometheus-operator resources do not work: " (which) });
    }
    let rejected =
        resources.objects.iter().filter(|(_, state)| matches!(state, ObjectState::Rejected(_))).count() as u64;
    if rejected > 0 {
        let which = link("/debug/monitors?state=rejected", "which");
        problems.push(html! { (number(rejected)) " prometheus-operator resources are rejected: " (which) });
    }
    problems
}

/// A reason for people.
pub(super) fn words(reason: Unassigned) -> &'static str {
    match reason {
        Unassigned::NoCollectors => "there is no collector at all",
        Unassigned::NoNode => "its labels name no node",
        Unassigned::NodeWithoutCollector => "no collector runs on its node",
    }
}

fn collectors(snapshot: &Snapshot, query: Query<'_>) -> Markup {
    let paging = Paging::of(query, PER_PAGE);
    let rows = snapshot.collectors().iter().zip(snapshot.loads()).skip(paging.skip()).take(paging.take());
    let rows = rows.map(|(collector, load)| {
        let name = link_to("/debug/collector?collector_id=", &collector.name);
        vec![name, number(u64::from(load.jobs)), number(u64::from(load.targets))]
    });
    html! {
        (table(&["Collector", "Job Count", "Target Count"], rows))
        (paging.links("/", &[], snapshot.collectors().len()))
    }
}
