//! `GET /scrape_configs`: all jobs in force, as every collector polls them.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{RawQuery, State};
use hyper::{HeaderMap, Response};

use super::shared_body::{SharedBody, TableBodies};
use super::{Ask, Body, Inner, Secure, apart, negotiate, respond};
use crate::pages;

/// What a client that came too early gets; see [`respond::not_ready`] for why it reads so.
pub(crate) const NOT_READY: &str = "not ready, the target allocator is still learning its jobs and targets\n";

/// Answers but for what takes waiting: a page, or bytes that are still to be compressed.
pub(crate) fn at_once(inner: &Inner, ask: &Ask<'_>) -> Option<Response<Body>> {
    if negotiate::wants_html(ask.headers) {
        return None;
    }
    if !inner.health.answers_data() {
        return Some(respond::not_ready(NOT_READY));
    }
    let bodies = bodies(inner);
    let response = rendering(inner, &bodies, ask.secure).respond_at_once(ask.headers)?;
    tell_of_masks(inner, &bodies, ask.secure);
    Some(response)
}

/// Answers whatever is asked.
pub(crate) async fn answer(
    State(inner): State<Arc<Inner>>,
    RawQuery(query): RawQuery,
    secure: Option<Extension<Secure>>,
    headers: HeaderMap,
) -> Response<Body> {
    if negotiate::wants_html((&headers).into()) {
        return apart(inner, query, pages::scrape_configs).await;
    }
    if !inner.health.answers_data() {
        return respond::not_ready(NOT_READY);
    }
    let bodies = bodies(&inner);
    tell_of_masks(&inner, &bodies, secure.is_some());
    rendering(&inner, &bodies, secure.is_some()).respond((&headers).into()).await
}

fn bodies(inner: &Inner) -> Arc<TableBodies> {
    let snapshot = inner.snapshots.load();
    let table = snapshot.table();
    inner.bodies.scrape_configs.get(table.number(), || TableBodies::new(table))
}

fn reveals(inner: &Inner, secure: bool) -> bool {
    secure || inner.options.allow_insecure_auth_secrets
}

/// The rendering a client may see.
fn rendering<'a>(inner: &Inner, bodies: &'a TableBodies, secure: bool) -> &'a SharedBody {
    if reveals(inner, secure) { &bodies.revealed } else { &bodies.masked }
}

/// Counts polls that get masks in place of secrets, and says so for as long as it goes on: nothing else shows why the
/// targets of such jobs answer 401.
fn tell_of_masks(inner: &Inner, bodies: &TableBodies, secure: bool) {
    if !bodies.has_secrets || reveals(inner, secure) {
        return;
    }
    inner.metrics.masked_config_poll();
    if let Some(held_back) = inner.bodies.masks.pass(Instant::now()) {
        tracing::warn!(
            jobs_number = bodies.table_number,
            polls = held_back + 1,
            "scrape configs with secrets were polled over plain HTTP and served masked: collectors will send \
             \"<secret>\" as the password; poll over HTTPS with client certificates (https.enabled), or set \
             allow_insecure_auth_secrets"
        );
    }
}
