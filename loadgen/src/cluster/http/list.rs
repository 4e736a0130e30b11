//! Lists, their pages, and single objects.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::Place;
use super::body::{Body, Pipe, full, json as answer_json, piped};
use super::negotiate::Wanted;
use super::options::{Options, Version};
use super::table;
use crate::cluster::faults::Verbs;
use crate::cluster::object::{Object, Shape, key};
use crate::cluster::selector::Filter;
use crate::cluster::server::Shared;
use crate::cluster::status::Failure;
use crate::cluster::store::{ListQuery, Page};

/// Bytes of a chunk, roughly.
const CHUNK: usize = 64 << 10;

/// Answers a list.
///
/// # Errors
/// Parameters that cannot be followed; a revision that is too old or not there yet.
pub(super) fn answer(
    place: Place,
    options: &Options,
    wanted: Wanted,
    truncated: bool,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, Failure> {
    let (query, left) = query(&place, options, shared)?;
    let page = shared.store.list(place.kind, &query).map_err(|_| expired(&query, options))?;
    let meta = list_metadata(&page, &query, left);
    if wanted == Wanted::Table {
        let table = table::answer(place.kind.get(), &page.objects, meta, &options.include_object, true);
        return Ok(answer_json(200, &table));
    }
    let (response, pipe) = piped(place, Verbs::List, shared.clone());
    tokio::spawn(send(pipe, page.objects, meta, wanted, truncated));
    Ok(response)
}

/// Answers a get.
///
/// # Errors
/// There is no such object.
pub(super) fn answer_one(place: &Place, wanted: Wanted, shared: &Shared) -> Result<Response<Body>, Failure> {
    let kind = place.kind.get();
    if !matches!(place.subresource.as_str(), "" | "status") {
        return Err(Failure::no_such_path());
    }
    let object = shared.store.get(place.kind, &key(&place.namespace, &place.name));
    let object = object.ok_or_else(|| Failure::not_found(kind, &place.name))?;
    if wanted == Wanted::Table {
        let meta = json!({"resourceVersion": object.revision.to_string()});
        return Ok(answer_json(200, &table::answer(kind, &[object], meta, "", true)));
    }
    let mut bytes = Vec::new();
    object.write(kind, wanted.shape(), object.revision, &mut bytes);
    Ok(full(200, "application/json", bytes))
}

/// What is listed, and how much is left of it if this is not the first page.
fn query(place: &Place, options: &Options, shared: &Shared) -> Result<(ListQuery, Option<usize>), Failure> {
    let filter = Filter::parse(place.kind.get(), &options.labels, &options.fields).map_err(Failure::bad_request)?;
    let query = ListQuery { namespace: place.namespace.clone(), limit: options.limit, filter, ..ListQuery::default() };
    if !options.next.is_empty() {
        let token = Token::read(&options.next)
            .ok_or_else(|| Failure::bad_request("continue key is not valid: it is not one of this server"))?;
        return Ok((ListQuery { at: token.revision, after: Some(token.after), ..query }, Some(token.left)));
    }
    let newest = shared.store.revision();
    let query = match options.version {
        Version::Unset => query,
        // from the watch cache, which knows no pages (Kubernetes: apiserver/pkg/storage/cacher/delegator.go)
        Version::Any if !shared.settings.pages_at_zero => ListQuery { limit: 0, ..query },
        Version::Any => query,
        Version::At(asked) if asked > newest => return Err(Failure::too_new(asked, newest)),
        Version::At(asked) if options.exact.unwrap_or(options.limit > 0) => ListQuery { at: Some(asked), ..query },
        Version::At(_) => query,
    };
    Ok((query, None))
}

fn expired(query: &ListQuery, options: &Options) -> Failure {
    match (&query.after, options.next.is_empty()) {
        (Some(after), false) => {
            let token = Token { revision: None, after: after.clone(), left: 0 };
            Failure::page_expired(token.text())
        }
        _ => Failure::new(410, "Expired", "The resourceVersion for the provided list is too old."),
    }
}

fn list_metadata(page: &Page, query: &ListQuery, left: Option<usize>) -> Value {
    let mut metadata = json!({"resourceVersion": page.revision.to_string()});
    if let Some(last) = &page.next {
        let left = left.unwrap_or(page.total).saturating_sub(page.objects.len());
        let token = Token { revision: Some(page.revision), after: last.to_string(), left };
        metadata["continue"] = token.text().into();
        // with a selector a real server does not count what it has not looked at
        if query.filter.is_everything() && left > 0 {
            metadata["remainingItemCount"] = left.into();
        }
    }
    metadata
}

/// Where the next page starts. Clients must not look into it, so it is the plain text in hexadecimal digits.
#[derive(Debug, PartialEq)]
struct Token {
    /// None to go on with whatever is there now.
    revision: Option<u64>,
    left: usize,
    after: String,
}

impl Token {
    fn text(&self) -> String {
        let revision = self.revision.map_or("-1".to_owned(), |revision| revision.to_string());
        let plain = format!("{revision} {} {}", self.left, self.after);
        plain.bytes().map(|byte| format!("{byte:02x}")).collect()
    }

    fn read(text: &str) -> Option<Token> {
        let digits: Option<Vec<u8>> = (0..text.len())
            .step_by(2)
            .map(|at| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
            .collect();
        let plain = String::from_utf8(digits?).ok()?;
        let mut parts = plain.splitn(3, ' ');
        let (revision, left, after) = (parts.next()?, parts.next()?, parts.next()?);
        let revision = if revision == "-1" { None } else { Some(revision.parse().ok()?) };
        Some(Token { revision, left: left.parse().ok()?, after: after.to_owned() })
    }
}

/// Writes a list in chunks; a cut-off one ends after half of its elements.
async fn send(pipe: Pipe, objects: Vec<Arc<Object>>, metadata: Value, wanted: Wanted, truncated: bool) {
    let kind = pipe.place().kind.get();
    let shape = if wanted == Wanted::Metadata { Shape::Metadata } else { Shape::Element };
    let (name, version) = match wanted {
        Wanted::Metadata => ("PartialObjectMetadata", "meta.k8s.io/v1".to_owned()),
        _ => (kind.kind, kind.api_version()),
    };
    let mut chunk =
        format!(r#"{{"kind":"{name}List","apiVersion":"{version}","metadata":{metadata},"items":["#).into_bytes();
    let count = if truncated { objects.len() / 2 } else { objects.len() };
    for (number, object) in objects[..count].iter().enumerate() {
        if number > 0 {
            chunk.push(b',');
        }
        object.write(kind, shape, object.revision, &mut chunk);
        if chunk.len() >= CHUNK && pipe.send(Bytes::from(std::mem::take(&mut chunk))).await.is_err() {
            return;
        }
    }
    if truncated {
        if pipe.send(chunk.into()).await.is_ok() {
            pipe.break_off().await;
        }
        return;
    }
    chunk.extend(b"]}\n");
    // a client that is gone needs no end
    pipe.send(chunk.into()).await.ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_back_and_others_refused() {
        for (revision, after) in [(Some(5), "ns/a b"), (None, "é")] {
            let token = Token { revision, after: after.to_owned(), left: 7 };
            assert_eq!(Token::read(&token.text()), Some(token));
        }
        for bad in ["x", "zz", "00", "é", "2020"] {
            assert_eq!(Token::read(bad), None, "{bad}");
        }
    }
}
