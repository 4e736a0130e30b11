//! The HTTP side: routes, answers, pages, and the accept loop.
//!
//! A handler parses, loads the snapshot once, looks up, responds. It encodes nothing per target: bodies lie ready in
//! the snapshot, or are rendered from pre-encoded pieces while the client takes them.
//!
//! ```text
//! serve (sockets) ─► Router ─► Route::of(raw path) ─► handler ─► SnapshotCell::load ─► Body
//! ```

mod body;
mod connection;
mod escape;
mod jobs;
mod metrics;
mod negotiate;
mod pprof;
mod query;
pub(crate) mod respond;
mod route;
mod scrape_configs;
mod serve;
mod shared_body;
mod status;
mod targets;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use ta_engine::SnapshotCell;

pub use body::Body;
pub use serve::{BACKLOG, Limits, bind, serve};
pub use status::{
    DiscoveryStatus, JobStatus, NoStatus, ProviderStatus, REFRESH_BUCKETS, Refreshes, SdCounters, StatusSource,
};

pub(crate) use escape::query_escape;
pub(crate) use query::Query;

use crate::health::Health;
use crate::metrics::Metrics;
use crate::pages;
use route::{Match, Route};
use shared_body::SharedBodies;

/// Request extension: the request came over TLS with a verified client, so secrets may be shown.
#[derive(Clone, Copy, Debug)]
pub struct Secure;

/// What may be configured about the answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Serve real secrets over plain HTTP too.
    pub allow_insecure_auth_secrets: bool,
}

/// All that handlers see.
#[derive(Clone, Debug)]
pub struct State {
    pub snapshots: SnapshotCell,
    pub health: Health,
    pub metrics: Metrics,
    /// What discovery says about itself.
    pub status: Arc<dyn StatusSource>,
    pub options: Options,
}

/// Answers requests. Cheap to clone; a `tower::Service`, so that tests call it without a socket.
#[derive(Clone, Debug)]
pub struct Router(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    state: State,
    bodies: SharedBodies,
}

impl std::ops::Deref for Inner {
    type Target = State;
    fn deref(&self) -> &State {
        &self.state
    }
}

impl Router {
    #[must_use]
    pub fn new(state: State) -> Self {
        Self(Arc::new(Inner { state, bodies: SharedBodies::default() }))
    }

    /// What the handlers see.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.0.state
    }

    /// Answers one request; its body is not looked at. A handler that panics answers 500 and is counted.
    pub async fn respond(&self, request: Parts) -> Response<Body> {
        let begun = Instant::now();
        let route = match request.method {
            Method::GET => Route::of(request.uri.path()),
            // upstream routes nothing but GET, not even HEAD
            _ => Match::Unknown,
        };
        let template = if let Match::Found(route) = &route { route.template() } else { "" };
        let answer = AssertUnwindSafe(dispatch(&self.0, &request, route)).catch_unwind().await;
        let response = answer.unwrap_or_else(|_| {
            self.0.metrics.panicked();
            respond::empty(StatusCode::INTERNAL_SERVER_ERROR)
        });
        self.0.metrics.observe_http(template, begun.elapsed());
        response
    }
}

impl<B: Send + 'static> tower::Service<Request<B>> for Router {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let router = self.clone();
        Box::pin(async move { Ok(router.respond(request.into_parts().0).await) })
    }
}

async fn dispatch(inner: &Arc<Inner>, request: &Parts, route: Match<'_>) -> Response<Body> {
    let route = match route {
        Match::Found(route) => route,
        Match::Moved(path) => return respond::moved(&path, request.uri.query()),
        Match::Unknown => return respond::not_found(),
    };
    let query = Query::new(request.uri.query());
    let headers = &request.headers;
    let page = |render| apart(inner.clone(), request.clone(), render);
    match route {
        Route::Targets { job } => targets::answer(inner, job, query, headers),
        Route::ScrapeConfigs if negotiate::wants_html(headers) => page(pages::scrape_configs).await,
        Route::ScrapeConfigs => {
            let secure = request.extensions.get::<Secure>().is_some();
            scrape_configs::answer(inner, headers, secure).await
        }
        Route::Jobs if negotiate::wants_html(headers) => page(pages::jobs).await,
        Route::Jobs => jobs::answer(inner, headers).await,
        Route::Livez => respond::empty(StatusCode::OK),
        Route::Readyz if inner.health.is_ready() => respond::empty(StatusCode::OK),
        Route::Readyz => respond::empty(StatusCode::SERVICE_UNAVAILABLE),
        Route::Metrics => respond::compressed(headers, page(metrics::answer).await),
        Route::Index => page(pages::index).await,
        Route::DebugJobs => page(pages::jobs).await,
        Route::DebugJob => page(pages::job).await,
        Route::DebugTargets => page(pages::targets).await,
        Route::DebugTarget => page(pages::target).await,
        Route::DebugCollector => page(pages::collector).await,
        Route::DebugScrapeConfigs => page(pages::scrape_configs).await,
        Route::DebugDiscovery => page(pages::discovery).await,
        Route::Pprof { profile } => pprof::answer(profile, query).await,
    }
}

/// Renders for people (and for `/metrics`) where it delays no poll: milliseconds, where an answer to a collector takes
/// microseconds.
async fn apart(inner: Arc<Inner>, request: Parts, render: fn(&Inner, Query<'_>) -> Response<Body>) -> Response<Body> {
    let task = tokio::task::spawn_blocking(move || render(&inner, Query::new(request.uri.query())));
    match task.await {
        Ok(response) => response,
        // goes on to where panics of handlers are caught and counted
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
