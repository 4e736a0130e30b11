//! `GET /scrape_configs`: all jobs in force, as every collector polls them.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use bytes::Bytes;
use hyper::{HeaderMap, Response};

use super::shared_body::TableBodies;
use super::{Body, Inner, Secure, apart, negotiate, respond};
use crate::pages;

/// What a client that came too early gets; see [`respond::not_ready`] for why it reads so.
pub(crate) const NOT_READY: &str = "not ready, the target allocator is still learning its jobs and targets\n";

pub(crate) async fn answer(
    State(inner): State<Arc<Inner>>,
    RawQuery(query): RawQuery,
    secure: Option<Extension<Secure>>,
    headers: HeaderMap,
) -> Response<Body> {
    if negotiate::wants_html(&headers) {
        return apart(inner, query, pages::scrape_configs).await;
    }
    if !inner.health.answers_data() {
        return respond::not_ready(NOT_READY);
    }
    let snapshot = inner.snapshots.load();
    let table = snapshot.table();
    let bodies = inner
        .bodies
        .scrape_configs
        .get(table.number(), || TableBodies::new(shared(table.masked()), shared(table.revealed())));
    if secure.is_some() || inner.options.allow_insecure_auth_secrets {
        return bodies.revealed.respond(&headers).await;
    }
    if table.has_secrets() {
        inner.metrics.masked_config_poll();
        if bodies.first_warning() {
            tracing::warn!(
                jobs_number = table.number(),
                "scrape configs with secrets were polled over plain HTTP and served masked: collectors will send \
                 \"<secret>\" as the password; poll over mTLS or allow insecure auth secrets"
            );
        }
    }
    bodies.masked.respond(&headers).await
}

fn shared(text: &Arc<str>) -> Bytes {
    struct Text(Arc<str>);
    impl AsRef<[u8]> for Text {
        fn as_ref(&self) -> &[u8] {
            self.0.as_bytes()
        }
    }
    Bytes::from_owner(Text(text.clone()))
}
