//! The same as JSON, for scripts.

use std::time::SystemTime;

use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::http::{Body, Inner, Query, WatchState, WatchStatus, respond};

/// All of them, in the order in which they began.
pub(crate) fn watches_json(inner: &Inner, _: Query<'_>) -> Response<Body> {
    let watches: Vec<Value> = inner.status.status().watches.iter().map(as_json).collect();
    respond::json(StatusCode::OK, Value::from(watches).to_string() + "\n")
}

fn as_json(watch: &WatchStatus) -> Value {
    let message = match &watch.state {
        WatchState::Forbidden(message) | WatchState::Failing(message) => message.as_str(),
        WatchState::Watching | WatchState::Listing | WatchState::Absent => "",
    };
    json!({
        "cluster": *watch.cluster,
        "resource": watch.resource,
        "namespace": watch.namespace.as_deref(),
        "label_selector": watch.label_selector,
        "field_selector": watch.field_selector,
        "subscribers": watch.subscribers,
        "synced": watch.synced,
        "state": watch.state.name(),
        "message": message,
        "objects": watch.objects,
        "bytes": watch.bytes,
        "undecodable": watch.undecodable,
        "last_undecodable": watch.last_undecodable,
        "last_event": seconds(watch.last_event),
        "events": watch.events,
        "lists": watch.lists,
        "errors": watch.errors,
        "last_error": watch.last_error,
        "last_error_at": seconds(watch.last_error_at),
        "requests": watch.requests,
    })
}

/// Since 1970; null for never.
fn seconds(time: Option<SystemTime>) -> Value {
    let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or(Value::Null, |since| Value::from(since.as_millis() as f64 / 1e3))
}
