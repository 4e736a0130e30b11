//! `GET /jobs`: a link per job that has targets.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use hyper::{HeaderMap, Response};

use super::scrape_configs::NOT_READY;
use super::shared_body::SharedBody;
use super::{Body, Inner, apart, negotiate, query_escape, respond};
use crate::pages;

pub(crate) async fn answer(
    State(inner): State<Arc<Inner>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    if negotiate::wants_html((&headers).into()) {
        return apart(inner, query, pages::jobs).await;
    }
    if !inner.health.answers_data() {
        return respond::not_ready(NOT_READY);
    }
    let snapshot = inner.snapshots.load();
    let body = inner.bodies.jobs.get(snapshot.number(), || SharedBody::new(snapshot.listing().clone()));
    body.respond((&headers).into()).await
}

/// The address of a job's targets.
pub(crate) fn link(job: &str) -> String {
    format!("/jobs/{}/targets", query_escape(job))
}
