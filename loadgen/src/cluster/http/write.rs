//! Creating, replacing, patching and deleting objects.

use std::sync::Arc;

use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_128;

use super::Place;
use super::body::{Body, full, json as answer_json};
use super::options::Options;
use super::{defaults, patch};
use crate::cluster::clock;
use crate::cluster::kinds::Kind;
use crate::cluster::object::{Object, Shape, Text, key};
use crate::cluster::selector::Filter;
use crate::cluster::server::Shared;
use crate::cluster::status::{Failure, success};
use crate::cluster::store::ListQuery;

/// Largest body, as kube-apiserver's.
const MAX_BODY: usize = 3 << 20;

/// Answers a request that writes.
///
/// # Errors
/// Whatever a real server refuses, short of checking fields.
pub(super) async fn answer(
    request: Request<Incoming>,
    place: &Place,
    options: &Options,
    shared: &Shared,
) -> Result<Response<Body>, Failure> {
    let method = request.method().clone();
    let content_type = request.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type =
        content_type.unwrap_or("application/json").split(';').next().unwrap_or_default().trim().to_owned();
    let body = Limited::new(request.into_body(), MAX_BODY).collect().await;
    let body = body.map_err(|error| Failure::new(413, "RequestEntityTooLarge", error.to_string()))?.to_bytes();
    match (method, place.name.is_empty()) {
        (Method::DELETE, false) => delete(place, &body, options, shared),
        (Method::DELETE, true) => delete_collection(place, options, shared),
        (Method::POST, true) => write(place, &Edit::Create(decode(&body, &content_type)?), options, shared),
        (Method::PUT, false) => write(place, &Edit::Replace(decode(&body, &content_type)?), options, shared),
        (Method::PATCH, false) => write(place, &edit(&body, &content_type)?, options, shared),
        _ => Err(Failure::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )),
    }
}

/// What is to be done to an object.
#[derive(Debug)]
enum Edit {
    Create(Value),
    Replace(Value),
    Merge(Value),
    Strategic(Value),
    /// Server-side apply, with one owner for everything: merged in, lists replaced, created if it is not there.
    Apply(Value),
}

fn decode(body: &[u8], content_type: &str) -> Result<Value, Failure> {
    let text = || std::str::from_utf8(body).map_err(|error| Failure::bad_request(error.to_string()));
    let value = match content_type {
        "application/json" | "*/*" | "" => serde_json::from_slice(body).map_err(|error| error.to_string()),
        "application/yaml" => crate::yaml::parse(text()?).map_err(|error| error.to_string()),
        other => return Err(unsupported(other)),
    };
    value.map_err(|why| Failure::bad_request(format!("the object provided is unrecognized: {why}")))
}

fn edit(body: &[u8], content_type: &str) -> Result<Edit, Failure> {
    match content_type {
        "application/merge-patch+json" => decode(body, "").map(Edit::Merge),
        "application/strategic-merge-patch+json" => decode(body, "").map(Edit::Strategic),
        "application/apply-patch+yaml" if body.first() == Some(&b'{') => decode(body, "").map(Edit::Apply),
        "application/apply-patch+yaml" => decode(body, "application/yaml").map(Edit::Apply),
        other => Err(unsupported(other)),
    }
}

fn unsupported(content_type: &str) -> Failure {
    let message = format!("the body of the request was in an unknown format - {content_type}");
    Failure::new(415, "UnsupportedMediaType", message)
}

/// What was not written, because it was refused or only tried.
enum Unwritten {
    Refused(Failure),
    Tried(Text),
}

impl From<Failure> for Unwritten {
    fn from(failure: Failure) -> Self {
        Unwritten::Refused(failure)
    }
}

fn write(place: &Place, edit: &Edit, options: &Options, shared: &Shared) -> Result<Response<Body>, Failure> {
    if place.kind.get().namespaced && place.namespace.is_empty() {
        return Err(Failure::bad_request("an object of this kind is written in a namespace"));
    }
    let name = name(place, edit, shared.store.revision())?;
    let key = key(&place.namespace, &name);
    let done = shared.store.edit(place.kind, &key, |before| {
        let text = edited(place, edit, &name, before)?;
        if options.dry_run { Err(Unwritten::Tried(text)) } else { Ok(Some(text)) }
    });
    let created = matches!(edit, Edit::Create(_));
    let object = match done {
        Err(Unwritten::Refused(failure)) => return Err(failure),
        Err(Unwritten::Tried(text)) => Arc::new(Object::new(key, shared.store.revision(), text)),
        Ok(object) => {
            shared.written(place.kind, &name, true);
            object.ok_or_else(|| Failure::not_found(place.kind.get(), &name))?
        }
    };
    let mut bytes = Vec::new();
    object.write(place.kind.get(), Shape::Whole, object.revision, &mut bytes);
    Ok(full(if created { 201 } else { 200 }, "application/json", bytes))
}

/// The name of the object; `generateName` gets five characters, as on a real server.
fn name(place: &Place, edit: &Edit, revision: u64) -> Result<String, Failure> {
    let (Edit::Create(value) | Edit::Replace(value) | Edit::Merge(value) | Edit::Strategic(value) | Edit::Apply(value)) =
        edit;
    let metadata = |field: &str| value["metadata"][field].as_str().filter(|text| !text.is_empty());
    let given = metadata("name");
    if let Some(namespace) = metadata("namespace").filter(|namespace| *namespace != place.namespace) {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Failure::bad_request(format!("{message} ({namespace:?})")));
    }
    match (place.name.as_str(), given, metadata("generateName")) {
        ("", Some(name), _) => Ok(name.to_owned()),
        ("", None, Some(prefix)) => {
            let digits = xxh3_128(format!("{prefix}{revision}").as_bytes());
            Ok(format!("{prefix}{:05x}", digits & 0xf_ffff))
        }
        ("", None, None) => Err(Failure::bad_request("name or generateName is required")),
        (name, Some(given), _) if given != name => Err(Failure::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({name})"
        ))),
        (name, _, _) => Ok(name.to_owned()),
    }
}

fn edited(place: &Place, edit: &Edit, name: &str, before: Option<&Arc<Object>>) -> Result<Text, Failure> {
    let kind = place.kind.get();
    let missing = || Failure::not_found(kind, name);
    let current = before.map(|object| Value::Object(object.value(kind)));
    let (given, mut value) = match (edit, current.clone()) {
        (Edit::Create(_), Some(_)) => return Err(Failure::already_exists(kind, name)),
        (Edit::Create(value) | Edit::Apply(value), None) => (value, value.clone()),
        (Edit::Replace(value), Some(_)) => (value, value.clone()),
        (Edit::Merge(patch) | Edit::Apply(patch), Some(mut value)) => {
            patch::merge(&mut value, patch);
            (patch, value)
        }
        (Edit::Strategic(patch), Some(mut value)) => {
            patch::strategic(&mut value, patch);
            (patch, value)
        }
        (_, None) => return Err(missing()),
    };
    let asked = given["metadata"]["resourceVersion"].as_str().filter(|version| !version.is_empty());
    if let (Some(asked), Some(before)) = (asked, before)
        && asked != before.revision.to_string()
    {
        return Err(Failure::conflict(kind, name));
    }
    if place.subresource == "status" {
        let status = value["status"].take();
        value = current.clone().ok_or_else(missing)?;
        value["status"] = status;
    } else if let (Edit::Replace(given), Some(current)) = (edit, &current) {
        // the status is written apart; a manifest without one does not take it away
        if given.get("status").is_none() && !current["status"].is_null() {
            value["status"] = current["status"].clone();
        }
    }
    let Value::Object(mut map) = value else { return Err(Failure::bad_request("the body is not an object")) };
    let metadata = map.entry("metadata").or_insert_with(|| json!({}));
    if let Value::Object(metadata) = metadata {
        metadata.insert("name".to_owned(), name.into());
    } else {
        return Err(Failure::bad_request("metadata is not an object"));
    }
    if place.subresource.is_empty() {
        defaults::fill(kind, &mut map);
        generation(&mut map, current.as_ref(), kind);
    }
    Ok(complete(kind, &mut map, before, &place.namespace))
}

/// Counts changes of what is asked for, in the kinds whose status refers to that count.
fn generation(map: &mut Map<String, Value>, current: Option<&Value>, kind: &Kind) {
    if !kind.custom && !matches!(kind.plural, "replicasets" | "jobs" | "ingresses" | "endpointslices") {
        return;
    }
    let old = current.and_then(|current| current["metadata"]["generation"].as_u64()).unwrap_or(0);
    let same = current.is_some_and(|current| map.get("spec") == current.get("spec"));
    let new = if same && old > 0 { old } else { old + 1 };
    map["metadata"]["generation"] = new.into();
}

/// Fills in what every stored object has, keeps what never changes, and writes it down.
pub(crate) fn complete(
    kind: &Kind,
    map: &mut Map<String, Value>,
    before: Option<&Arc<Object>>,
    namespace: &str,
) -> Text {
    let old = before.map(|object| object.value(kind));
    let old = |field: &str| old.as_ref()?.get("metadata")?.get(field).cloned();
    if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
        metadata.remove("resourceVersion");
        metadata.remove("managedFields");
        if !namespace.is_empty() {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        let name = metadata.get("name").map(Value::to_string).unwrap_or_default();
        let created = old("creationTimestamp").unwrap_or_else(|| clock::now().into());
        let uid = old("uid").unwrap_or_else(|| uid(&format!("{}/{namespace}/{name}/{created}", kind.kind)).into());
        for (field, value) in [("creationTimestamp", created), ("uid", uid)] {
            if metadata.get(field).is_none_or(Value::is_null) {
                metadata.insert(field.to_owned(), value);
            }
        }
        if kind.plural == "namespaces"
            && let Some(name) = metadata.get("name").cloned()
            && let Value::Object(labels) = metadata.entry("labels").or_insert_with(|| json!({}))
        {
            labels.entry("kubernetes.io/metadata.name").or_insert(name);
        }
    }
    Text::new(map)
}

/// A UUID made from a text.
pub(crate) fn uid(text: &str) -> String {
    let hash = format!("{:032x}", xxh3_128(text.as_bytes()));
    format!("{}-{}-4{}-a{}-{}", &hash[..8], &hash[8..12], &hash[13..16], &hash[17..20], &hash[20..])
}

fn delete(place: &Place, body: &[u8], options: &Options, shared: &Shared) -> Result<Response<Body>, Failure> {
    let kind = place.kind.get();
    let key = key(&place.namespace, &place.name);
    let object = shared.store.get(place.kind, &key).ok_or_else(|| Failure::not_found(kind, &place.name))?;
    // kubectl says which object it means
    let wishes: Value = serde_json::from_slice(body).unwrap_or_default();
    let uid = wishes["preconditions"]["uid"].as_str();
    if uid.is_some_and(|uid| object.value(kind)["metadata"]["uid"] != uid) {
        return Err(Failure::conflict(kind, &place.name));
    }
    if !options.dry_run {
        shared.delete(place.kind, &key);
    }
    Ok(answer_json(200, &success(kind, &place.name)))
}

fn delete_collection(place: &Place, options: &Options, shared: &Shared) -> Result<Response<Body>, Failure> {
    let kind = place.kind.get();
    let filter = Filter::parse(kind, &options.labels, &options.fields).map_err(Failure::bad_request)?;
    let query = ListQuery { namespace: place.namespace.clone(), filter, ..ListQuery::default() };
    let found = shared.store.list(place.kind, &query).map(|page| page.objects).unwrap_or_default();
    for object in found.iter().filter(|_| !options.dry_run) {
        shared.delete(place.kind, &object.key);
    }
    Ok(answer_json(200, &success(kind, "")))
}
