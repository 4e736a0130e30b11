//! The same as JSON, for scripts.

use bytes::Bytes;
use hyper::{Response, StatusCode};
use serde_json::{Value as Json, json};
use ta_model::cr::{Explanation, ObjectId, ObjectState};

use super::{Request, lookup, obstacle, state_name};
use crate::http::{Body, Inner, Query, ResourceWatchStatus, respond};

pub(crate) fn monitors_json(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let Some(status) = inner.status.resources() else {
        return answer(StatusCode::OK, &json!({"enabled": false, "objects": [], "total": 0, "watches": []}));
    };
    let request = Request::of(query);
    let found = request.find(&status);
    let shown = request.page(&found);
    let ids: Vec<ObjectId> = shown.iter().map(|(id, _)| id.clone()).collect();
    let walks = inner.status.explain(&ids);
    let objects: Vec<Json> = shown.iter().zip(&walks).map(|((id, state), walk)| object(id, state, walk)).collect();
    let body = json!({
        "enabled": true,
        "published": status.is_published,
        "translations": status.generations,
        "total": found.len(),
        "objects": objects,
        "watches": status.watches.iter().map(watch).collect::<Vec<_>>(),
    });
    answer(StatusCode::OK, &body)
}

pub(crate) fn monitor_json(inner: &Inner, query: Query<'_>) -> Response<Body> {
    let Some((id, state)) = lookup(inner, query) else {
        return respond::json_string(StatusCode::NOT_FOUND, "there is no such monitor");
    };
    match inner.status.explain(std::slice::from_ref(&id)).first() {
        Some(walk) => answer(StatusCode::OK, &object(&id, &state, walk)),
        None => respond::json_string(StatusCode::NOT_FOUND, "there is no such monitor"),
    }
}

fn answer(status: StatusCode, body: &Json) -> Response<Body> {
    respond::json(status, Bytes::from(format!("{body}\n")))
}

fn object(id: &ObjectId, state: &ObjectState, walk: &Explanation) -> Json {
    let steps: Vec<Json> = walk
        .steps
        .iter()
        .map(|step| json!({"question": step.question, "answer": step.answer.as_str(), "detail": step.detail}))
        .collect();
    let mut object = json!({
        "kind": id.kind.as_str(),
        "namespace": id.namespace,
        "name": id.name,
        "state": state_name(state),
        "obstacle": obstacle(state, walk),
        "steps": steps,
    });
    match state {
        ObjectState::Used { jobs, denied, warnings } => {
            let denied: Vec<Json> =
                denied.iter().map(|denied| json!({"job": denied.job, "reason": denied.reason})).collect();
            (object["jobs"], object["denied"]) = (json!(jobs), denied.into());
            object["warnings"] = json!(warnings);
        }
        ObjectState::Rejected(why) => {
            (object["cause"], object["reason"]) = (why.cause.as_str().into(), why.reason.clone().into());
        }
        ObjectState::Unselected(why) => object["reason"] = why.to_string().into(),
        ObjectState::Waiting(references) => {
            object["references"] = references.iter().map(ToString::to_string).collect::<Vec<_>>().into();
        }
    }
    object
}

fn watch(watch: &ResourceWatchStatus) -> Json {
    json!({
        "kind": watch.kind,
        "namespace": watch.namespace.as_deref(),
        "synced": watch.synced,
        "absent": watch.absent,
        "problem": watch.problem,
        "needed": watch.needed,
    })
}
