//! Which handler answers which path, but for those that [`super::hot`] answers before. axum matches paths as they came,
//! still escaped.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, RawQuery, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use futures::FutureExt;
use hyper::{HeaderMap, Uri};

use super::{Body, Inner, Render, apart, jobs, metrics, negotiate, pprof, respond, scrape_configs};
use crate::pages;

/// Every route there is, and a redirect for each that is spelled with a slash too many or too few.
pub(super) fn routes(inner: &Arc<Inner>) -> axum::Router {
    let mut routes = axum::Router::new();
    for (path, handler) in [
        ("/", page(pages::index)),
        ("/scrape_configs", get(scrape_configs::answer)),
        ("/jobs", get(jobs::answer)),
        ("/metrics", get(metrics::answer)),
        ("/explain", page_or_json(pages::explain, pages::explain_json)),
        ("/debug/jobs", page(pages::jobs)),
        ("/debug/job", page(pages::job)),
        ("/debug/targets", page(pages::targets)),
        ("/debug/target", page(pages::target)),
        ("/debug/collector", page(pages::collector)),
        ("/debug/scrape_configs", page(pages::scrape_configs)),
        ("/debug/discovery", page(pages::discovery)),
        ("/debug/monitors", page_or_json(pages::monitors, pages::monitors_json)),
        ("/debug/monitor", page_or_json(pages::monitor, pages::monitor_json)),
        ("/debug/watches", page_or_json(pages::watches, pages::watches_json)),
    ] {
        routes = routes.route(path, handler).route(&format!("{path}/"), get(slash_too_many));
    }
    // `{job_id}` stands for one character at least
    for polled in ["/jobs/{job_id}/targets/", "/jobs//targets/", "/livez/", "/readyz/"] {
        routes = routes.route(polled, get(slash_too_many));
    }
    routes
        .route("/debug/pprof", get(slash_too_few))
        .route("/debug/pprof/", get(pprof::answer))
        .route("/debug/pprof/{*profile}", get(pprof::answer))
        .fallback(async || respond::not_found())
        .layer(middleware::from_fn_with_state(inner.clone(), observe))
        .with_state(inner.clone())
}

/// The route as the `path` label of metrics, as upstream names it; empty for redirects.
fn template(path: &str) -> &str {
    match path {
        "/" => path,
        "/debug/pprof/" | "/debug/pprof/{*profile}" => "/debug/pprof/*profile",
        "/debug/pprof" => "",
        _ if path.ends_with('/') => "",
        _ => path,
    }
}

/// Counts and times every answer. A handler that panics answers 500 and is counted.
async fn observe(State(inner): State<Arc<Inner>>, path: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let response = answer.unwrap_or_else(|_| respond::panicked(&inner).into_response());
    let timer = inner.metrics.http_timer(path.as_ref().map_or("", |path| template(path.as_str())));
    timer.observe(begun.elapsed().as_secs_f64());
    response
}

fn page(render: Render) -> MethodRouter<Arc<Inner>> {
    get(move |State(inner): State<Arc<Inner>>, RawQuery(query): RawQuery| apart(inner, query, render))
}

/// A page for browsers, JSON for others.
fn page_or_json(page: Render, json: Render) -> MethodRouter<Arc<Inner>> {
    get(move |State(inner): State<Arc<Inner>>, RawQuery(query): RawQuery, headers: HeaderMap| {
        apart(inner, query, if negotiate::wants_html((&headers).into()) { page } else { json })
    })
}

async fn slash_too_many(uri: Uri) -> hyper::Response<Body> {
    let path = uri.path();
    respond::moved(path.strip_suffix('/').unwrap_or(path), uri.query())
}

async fn slash_too_few(uri: Uri) -> hyper::Response<Body> {
    respond::moved(&format!("{}/", uri.path()), uri.query())
}
