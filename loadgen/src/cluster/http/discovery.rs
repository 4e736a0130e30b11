//! Version, health, and which groups and kinds there are.

use http::Response;
use serde_json::{Value, json};

use super::body::{Body, full, json as answer_json};
use crate::cluster::kinds::{Kind, KindId};
use crate::cluster::server::Shared;
use crate::cluster::status::Failure;

/// What is open to everybody.
pub(super) fn open(which: &str) -> Response<Body> {
    if which == "version" {
        return answer_json(
            200,
            &json!({"major": "1", "minor": "32", "gitVersion": "v1.32.0+loadgen", "gitCommit": "", "gitTreeState": "clean",
                "buildDate": "2025-01-01T00:00:00Z", "goVersion": "none", "compiler": "rustc", "platform": "linux/amd64"}),
        );
    }
    full(200, "text/plain; charset=utf-8", "ok")
}

/// Answers `/api`, `/apis` and below.
///
/// # Errors
/// No such group or version.
pub(super) fn answer(parts: &[&str], shared: &Shared) -> Result<Response<Body>, Failure> {
    let known = groups(shared);
    let value = match parts {
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => {
            let groups: Vec<Value> = known.iter().map(|(name, versions)| group(name, versions)).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["api", "v1"] => resources("", "v1", shared),
        ["apis", name] => {
            let found = known.iter().find(|(known, _)| known == name).ok_or_else(Failure::no_such_path)?;
            let mut value = group(&found.0, &found.1);
            value["kind"] = "APIGroup".into();
            value["apiVersion"] = "v1".into();
            value
        }
        ["apis", name, version] => {
            let served = known.iter().any(|(known, versions)| known == name && versions.iter().any(|v| v == version));
            if !served {
                return Err(Failure::no_such_path());
            }
            resources(name, version, shared)
        }
        _ => return Err(Failure::no_such_path()),
    };
    Ok(answer_json(200, &value))
}

/// Groups beside the core one, with their versions.
fn groups(shared: &Shared) -> Vec<(String, Vec<String>)> {
    let mut groups = vec![("authorization.k8s.io".to_owned(), vec!["v1".to_owned()])];
    for kind in installed(shared).filter(|kind| !kind.group.is_empty()) {
        match groups.iter_mut().find(|(name, _)| name == kind.group) {
            Some((_, versions)) if versions.iter().any(|version| version == kind.version) => {}
            Some((_, versions)) => versions.push(kind.version.to_owned()),
            None => groups.push((kind.group.to_owned(), vec![kind.version.to_owned()])),
        }
    }
    groups
}

fn installed(shared: &Shared) -> impl Iterator<Item = &'static Kind> {
    KindId::all().filter(|id| shared.store.installed(*id)).map(KindId::get)
}

fn group(name: &str, versions: &[String]) -> Value {
    let version = |version: &String| json!({"groupVersion": format!("{name}/{version}"), "version": version});
    let all: Vec<Value> = versions.iter().map(version).collect();
    json!({"name": name, "versions": all, "preferredVersion": all.first()})
}

fn resources(group: &str, version: &str, shared: &Shared) -> Value {
    let mut resources = Vec::new();
    for kind in installed(shared).filter(|kind| kind.group == group && kind.version == version) {
        let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
        resources.push(json!({"name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced,
            "kind": kind.kind, "verbs": verbs, "shortNames": kind.short, "categories": categories(kind)}));
        if kind.has_status {
            resources.push(json!({"name": format!("{}/status", kind.plural), "singularName": "", "kind": kind.kind,
                "namespaced": kind.namespaced, "verbs": ["get", "patch", "update"]}));
        }
    }
    if group == "authorization.k8s.io" {
        for (plural, kind) in [
            ("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
            ("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
        ] {
            resources
                .push(json!({"name": plural, "singularName": kind.to_lowercase(), "namespaced": false, "kind": kind,
                "verbs": ["create"]}));
        }
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources})
}

fn categories(kind: &Kind) -> &'static [&'static str] {
    match kind.plural {
        "pods" | "services" | "replicasets" | "jobs" => &["all"],
        _ if kind.custom => &["prometheus-operator"],
        _ => &[],
    }
}
