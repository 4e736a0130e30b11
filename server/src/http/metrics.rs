//! `GET /metrics`: the text format, optionally only the families named by `name[]`.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use hyper::{HeaderMap, Response};
use prometheus::{Encoder, TextEncoder};

use super::{Body, Inner, Query, apart, respond};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) async fn answer(
    State(inner): State<Arc<Inner>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    respond::compressed((&headers).into(), apart(inner, query, render).await)
}

fn render(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let mut families = inner.metrics.gather(&inner.snapshots.load(), &*inner.status);
    let wanted: HashSet<_> = query.all("name[]").collect();
    if !wanted.is_empty() {
        families.retain(|family| wanted.contains(family.name()));
    }
    let mut text = Vec::with_capacity(16 * 1024);
    for family in families {
        // a family that cannot be written (a histogram without buckets, say) must not cost the others
        if let Err(error) = TextEncoder::new().encode(&[family], &mut text) {
            tracing::error!(%error, "metric family left out");
        }
    }
    respond::typed(TEXT, text)
}
