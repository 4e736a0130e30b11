//! `GET /jobs`: a link per job that has targets.

use hyper::{HeaderMap, Response};

use super::scrape_configs::NOT_READY;
use super::shared_body::SharedBody;
use super::{Body, Inner, query_escape, respond};

pub(crate) async fn answer(inner: &Inner, headers: &HeaderMap) -> Response<Body> {
    if !inner.health.answers_data() {
        return respond::not_ready(NOT_READY);
    }
    let snapshot = inner.snapshots.load();
    let body = inner.bodies.jobs.get(snapshot.number(), || SharedBody::new(snapshot.listing().clone()));
    body.respond(headers).await
}

/// The address of a job's targets.
pub(crate) fn link(job: &str) -> String {
    format!("/jobs/{}/targets", query_escape(job))
}
