//! The HTTP side: routes, answers, pages, and the accept loop.
//!
//! A handler parses, loads the snapshot once, looks up, responds. It encodes nothing per target: bodies lie ready in
//! the snapshot, or are rendered from pre-encoded pieces while the client takes them.
//!
//! ```text
//! serve (sockets) ─► Router ─┬─► what is polled, by raw path ─┬─► handler ─► SnapshotCell::load ─► Body
//!                            └─► axum's routes: the rest ─────┘
//! ```

mod body;
mod connection;
mod escape;
mod hot;
mod jobs;
mod metrics;
mod negotiate;
mod packed;
pub(crate) mod polls;
mod pprof;
mod query;
mod resources;
pub(crate) mod respond;
mod route;
mod scrape_configs;
mod serve;
mod shared_body;
mod status;
mod targets;

use std::sync::Arc;

use futures::future::BoxFuture;
use hyper::header::CONTENT_LENGTH;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use ta_engine::{SnapshotCell, StrategyKind};
use tower::Service;

pub use body::Body;
pub use connection::Tls;
pub use resources::{ResourceStatus, ResourceWatchStatus};
pub use serve::{BACKLOG, Limits, bind, serve, serve_tls};
pub use status::{
    DiscoveryStatus, JobStatus, NoStatus, ProviderStatus, REFRESH_BUCKETS, Refreshes, SdCounters, StatusSource,
    WatchState, WatchStatus, WatchTotals,
};

pub(crate) use escape::query_escape;
pub(crate) use hot::Ask;
pub(crate) use negotiate::gzip;
pub(crate) use query::Query;

use crate::health::Health;
use crate::metrics::Metrics;
use packed::Packed;
use shared_body::SharedBodies;

/// Request extension: the request came over TLS with a verified client, so secrets may be shown.
#[derive(Clone, Copy, Debug)]
pub struct Secure;

/// What may be configured about the answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Serve real secrets over plain HTTP too.
    pub allow_insecure_auth_secrets: bool,
    /// Told to people who ask why a target is where it is.
    pub strategy: StrategyKind,
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
pub struct Router {
    inner: Arc<Inner>,
    routes: axum::Router,
}

#[derive(Debug)]
pub(crate) struct Inner {
    state: State,
    bodies: SharedBodies,
    packed: Packed,
    timers: hot::Timers,
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
        let inner = Arc::new(Inner {
            state,
            bodies: SharedBodies::default(),
            packed: Packed::default(),
            timers: hot::Timers::default(),
        });
        Self { routes: route::routes(&inner), inner }
    }

    /// What the handlers see.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.inner.state
    }

    /// Answers one request; its body is not looked at. A handler that panics answers 500 and is counted.
    pub async fn respond(&self, request: Parts) -> Response<Body> {
        // upstream routes nothing but GET; axum would answer HEAD as well
        if request.method != Method::GET {
            self.inner.metrics.http_timer("").observe(0.0);
            return respond::not_found();
        }
        if let Some(response) = self.at_once(&Ask::of(&request)) {
            return response;
        }
        let request = Request::from_parts(request, axum::body::Body::empty());
        let Ok(mut response) = self.routes.clone().call(request).await;
        // axum has set it even where there must be none (304); hyper knows better, and has it from the body too
        response.headers_mut().remove(CONTENT_LENGTH);
        response.map(Body::from_axum)
    }

    /// Answers a GET of what collectors and probes poll; `None` if it is something else, or has to wait for something.
    pub(crate) fn at_once(&self, ask: &Ask<'_>) -> Option<Response<Body>> {
        hot::answer(&self.inner, ask)
    }
}

impl<B: Send + 'static> Service<Request<B>> for Router {
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

/// Makes what is not for collectors: milliseconds of work, where an answer to a collector takes microseconds.
type Render = fn(&Inner, Query<'_>) -> Response<Body>;

/// Renders for people (and for `/metrics`) where it delays no poll.
async fn apart(inner: Arc<Inner>, query: Option<String>, render: Render) -> Response<Body> {
    match tokio::task::spawn_blocking(move || render(&inner, Query::new(query.as_deref()))).await {
        Ok(response) => response,
        // goes on to where panics of handlers are caught and counted
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
