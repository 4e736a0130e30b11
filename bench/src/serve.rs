//! The real HTTP side over a loaded engine, asked without a socket.

use std::sync::Arc;

use http::request::Parts;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use ta_engine::{Snapshot, StrategyKind};
use ta_server::health::{Health, Phase};
use ta_server::http::{NoStatus, Options, Router, State};
use ta_server::metrics::{Identity, Metrics};
use tokio::runtime::Runtime;

use crate::Loaded;

/// A router over the snapshots of an engine, and a runtime to ask it on.
#[derive(Debug)]
pub struct Served {
    /// What answers.
    pub router: Router,
    runtime: Runtime,
}

impl Served {
    /// Serves what `loaded` has. All its jobs count as synced from now on.
    ///
    /// # Panics
    /// If the machine has no descriptors left for a runtime.
    #[must_use]
    pub fn new(loaded: &mut Loaded) -> Self {
        let writer = loaded.store.writer();
        loaded.input.jobs.jobs().iter().for_each(|job| writer.synced(job.name()));
        loaded.engine.step(&loaded.input);
        // one thread: handlers run where they are asked, as on a connection's thread
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("descriptors for a runtime");
        Self { router: router(loaded), runtime }
    }

    /// Asks and takes the whole answer: its status and the bytes of its body.
    pub fn get(&self, request: &Parts) -> (StatusCode, usize) {
        self.runtime.block_on(async {
            let response = self.router.respond(request.clone()).await;
            let status = response.status();
            let mut body = response.into_body();
            let mut bytes = 0;
            // the answer to a collector is never put together in one piece, so do not either
            while let Some(Ok(frame)) = body.frame().await {
                bytes += frame.data_ref().map_or(0, |data| std::hint::black_box(data).len());
            }
            (status, bytes)
        })
    }

    /// Asks and takes the answer up to the first bytes of its body.
    pub fn first_byte(&self, request: &Parts) -> usize {
        self.runtime.block_on(async {
            let mut body = self.router.respond(request.clone()).await.into_body();
            let first = body.frame().await.and_then(Result::ok);
            first.and_then(|frame| frame.into_data().ok()).map_or(0, |data| data.len())
        })
    }
}

/// The router of the allocator over the snapshots of `loaded`, answering.
///
/// # Panics
/// Never: the metrics are registered once.
#[must_use]
pub fn router(loaded: &Loaded) -> Router {
    let health = Health::new();
    health.advance(Phase::Serving);
    let identity = Identity { strategy: StrategyKind::ConsistentHashing, service_name: "bench".to_owned() };
    Router::new(State {
        snapshots: loaded.engine.snapshots(),
        health,
        metrics: Metrics::new(identity).expect("a fresh registry"),
        status: Arc::new(NoStatus),
        options: Options::default(),
    })
}

/// A GET of `path` with these headers.
///
/// # Panics
/// If `path` or a header is malformed.
#[must_use]
pub fn request(path: &str, headers: &[(&str, &str)]) -> Parts {
    let builder = headers.iter().fold(Request::get(path), |builder, (name, value)| builder.header(*name, *value));
    builder.body(()).expect("a well-formed request").into_parts().0
}

/// The path of the largest share of `snapshot`, with its number of targets and its tag.
///
/// # Panics
/// If no collector has a target.
#[must_use]
pub fn largest_share(snapshot: &Snapshot) -> (String, usize, String) {
    let shares = snapshot.jobs().flat_map(|job| job.shares().map(move |(collector, share)| (job, collector, share)));
    let (job, collector, share) = shares.max_by_key(|(_, _, share)| share.len()).expect("a share");
    (share_path(job.name(), &snapshot.collectors()[collector].name), share.len(), format!("\"{:016x}\"", share.etag()))
}

/// The path by which `collector` asks for its share of `job`.
#[must_use]
pub fn share_path(job: &str, collector: &str) -> String {
    format!("/jobs/{}/targets?collector_id={collector}", job.replace('/', "%2F"))
}
