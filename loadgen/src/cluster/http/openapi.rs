//! As much of OpenAPI as kubectl asks before it writes: whether a PATCH of a kind knows `fieldValidation`.

use http::Response;
use serde_json::{Map, Value, json};

use super::body::{Body, json as answer_json};
use crate::cluster::kinds::{Kind, KindId};
use crate::cluster::server::Shared;
use crate::cluster::status::Failure;

/// Answers `/openapi/…`. There is no version 2: kubectl falls back from 3 to 2 only.
///
/// # Errors
/// No such document.
pub(super) fn answer(path: &str, shared: &Shared) -> Result<Response<Body>, Failure> {
    let kinds: Vec<&Kind> = KindId::all().filter(|id| shared.store.installed(*id)).map(KindId::get).collect();
    if path == "/openapi/v3" {
        let entry = |kind: &&Kind| {
            let root = root(kind);
            (root.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{root}?hash=loadgen")}))
        };
        let paths: Map<String, Value> = kinds.iter().map(entry).collect();
        return Ok(answer_json(200, &json!({"paths": paths})));
    }
    let asked = path.strip_prefix("/openapi/v3/").ok_or_else(Failure::no_such_path)?;
    let here: Vec<&&Kind> = kinds.iter().filter(|kind| root(kind) == asked).collect();
    if here.is_empty() {
        return Err(Failure::no_such_path());
    }
    let paths: Map<String, Value> = here.into_iter().map(|kind| document(kind)).collect();
    let info = json!({"title": "simulated Kubernetes", "version": "v1.32.0"});
    Ok(answer_json(200, &json!({"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}})))
}

fn root(kind: &Kind) -> String {
    if kind.group.is_empty() {
        format!("api/{}", kind.version)
    } else {
        format!("apis/{}/{}", kind.group, kind.version)
    }
}

fn document(kind: &Kind) -> (String, Value) {
    let path = format!("{}/{{name}}", kind.path(kind.namespaced.then_some("{namespace}")));
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    let parameters = ["dryRun", "fieldManager", "fieldValidation", "force"].map(parameter);
    let patch = json!({
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
    });
    (path, json!({"patch": patch}))
}
