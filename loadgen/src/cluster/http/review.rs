//! Reviews of access: what the faults do not forbid is allowed.

use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::body::{Body, json as answer_json};
use crate::cluster::faults::{Asked, Verbs};
use crate::cluster::kinds::KindId;
use crate::cluster::server::Shared;
use crate::cluster::status::Failure;

/// Answers a review.
///
/// # Errors
/// Another kind of review, or a body that is none.
pub(super) async fn answer(
    review: &str,
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<Response<Body>, Failure> {
    if request.method() != Method::POST {
        return Err(Failure::no_such_path());
    }
    // typed clients may write protobuf, and know from this answer that it is not taken
    let content_type = request.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type.is_some_and(|content_type| !content_type.contains("json")) {
        return Err(Failure::new(415, "UnsupportedMediaType", "the body of the request was in an unknown format"));
    }
    let body = request.into_body().collect().await.map_err(|error| Failure::bad_request(error.to_string()))?;
    let mut value: Value =
        serde_json::from_slice(&body.to_bytes()).map_err(|error| Failure::bad_request(error.to_string()))?;
    value["status"] = match review {
        "selfsubjectaccessreviews" => access(&value["spec"], shared),
        "selfsubjectrulesreviews" => rules(&value["spec"], shared),
        _ => return Err(Failure::no_such_path()),
    };
    Ok(answer_json(201, &value))
}

fn access(spec: &Value, shared: &Shared) -> Value {
    let text = |name: &str| spec["resourceAttributes"][name].as_str().unwrap_or_default();
    let (resource, namespace) = (text("resource"), text("namespace"));
    let asked = Asked { resource, namespace, verb: verbs(text("verb")) };
    if shared.faults.forbids(asked) {
        return json!({"allowed": false, "reason": format!("a fault forbids {resource}")});
    }
    json!({"allowed": true})
}

fn rules(spec: &Value, shared: &Shared) -> Value {
    let namespace = spec["namespace"].as_str().unwrap_or_default();
    let mut rules = Vec::new();
    for kind in KindId::all().map(KindId::get) {
        let all = ["get", "list", "watch", "create", "update", "patch", "delete"];
        let allowed =
            |verb: &&str| !shared.faults.forbids(Asked { resource: kind.plural, namespace, verb: verbs(verb) });
        let verbs: Vec<&str> = all.into_iter().filter(allowed).collect();
        if !verbs.is_empty() {
            rules.push(json!({"verbs": verbs, "apiGroups": [kind.group], "resources": [kind.plural]}));
        }
    }
    json!({"resourceRules": rules, "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["*"]}], "incomplete": false})
}

fn verbs(verb: &str) -> Verbs {
    match verb {
        "list" => Verbs::List,
        "watch" => Verbs::Watch,
        "get" => Verbs::Get,
        _ => Verbs::Write,
    }
}

/// The name of a verb in messages.
pub(super) fn verb(verbs: Verbs, method: &Method) -> &'static str {
    match (verbs, method.as_str()) {
        (Verbs::List, _) => "list",
        (Verbs::Watch, _) => "watch",
        (Verbs::Get, _) => "get",
        (_, "POST") => "create",
        (_, "PUT") => "update",
        (_, "PATCH") => "patch",
        _ => "delete",
    }
}
