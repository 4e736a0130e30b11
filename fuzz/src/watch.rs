//! What an API server answers to lists and watches, in whatever pieces it comes.
//!
//! An input is a line that begins with `s` where lists may stream, and then answers, separated by lines of `%%`. An answer
//! is its status (three digits and a line feed; 200 where there is none) and its body. Before the first one a list of
//! three objects is answered, so that there is something to lose.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use serde::Deserialize;
use serde_json::Value;
use ta_discovery::{Cluster, Kind, Resource, Scope, Status, WatchSettings, Watches};
use tokio::sync::Notify;

use crate::input::{cuts, pieces};

/// Objects of which everything is kept.
#[derive(Debug)]
struct Things;

impl Kind for Things {
    type Kept = String;
    const RESOURCE: Resource =
        Resource { group: "test.io", version: "v1", plural: "things", kind: "Thing", namespaced: true };

    fn keep(json: &[u8]) -> Result<String, String> {
        #[derive(Deserialize)]
        struct Thing<'a> {
            #[serde(borrow, default)]
            spec: Option<&'a serde_json::value::RawValue>,
        }
        let thing: Thing<'_> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        Ok(thing.spec.map(|spec| spec.get().to_owned()).unwrap_or_default())
    }

    fn bytes(kept: &String) -> usize {
        kept.len()
    }
}

const FIRST: [&str; 3] = ["a", "b", "c"];

/// A list of [`FIRST`], or the same as a stream.
fn first_answer(streaming: bool) -> String {
    let objects = FIRST
        .iter()
        .map(|name| format!(r#"{{"metadata":{{"name":"{name}","namespace":"n","resourceVersion":"1"}},"spec":1}}"#));
    if streaming {
        let events: String = objects.map(|object| format!("{{\"type\":\"ADDED\",\"object\":{object}}}\n")).collect();
        let end = r#"{"resourceVersion":"1","annotations":{"k8s.io/initial-events-end":"true"}}"#;
        return format!("{events}{{\"type\":\"BOOKMARK\",\"object\":{{\"metadata\":{end}}}}}\n");
    }
    let objects: Vec<String> = objects.collect();
    format!(r#"{{"metadata":{{"resourceVersion":"1"}},"items":[{}]}}"#, objects.join(","))
}

/// One answer of the server.
#[derive(Clone, Debug)]
struct Told {
    status: u16,
    body: Vec<u8>,
}

impl Told {
    fn read(text: &[u8]) -> Self {
        let digits =
            text.get(..4).and_then(|head| std::str::from_utf8(head).ok()).and_then(|head| head.strip_suffix('\n'));
        match digits.and_then(|digits| digits.parse().ok()).filter(|code| (200..600).contains(code)) {
            Some(status) => Self { status, body: text[4..].to_vec() },
            None => Self { status: 200, body: text.to_vec() },
        }
    }
}

/// What is seen at the end, times and words apart.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    objects: BTreeMap<String, String>,
    synced: bool,
    undecodable: u64,
    lists: u64,
    events: u64,
    errors: u64,
    requests: u64,
    last_error: String,
}

/// `data` is as the module says.
pub fn check(data: &[u8]) {
    let (streaming, rest) = match data.strip_prefix(b"s\n") {
        Some(rest) => (true, rest),
        None => (false, data),
    };
    let told: Vec<Told> = split(rest).into_iter().take(8).map(Told::read).collect();
    let whole = run(&told, streaming, |body| vec![body.to_vec()]);
    for object in FIRST {
        assert!(whole.objects.contains_key(&format!("n/{object}")) || may_be_gone(&told, object), "{object} is gone");
    }
    let cut = run(&told, streaming, |body| pieces(body, cuts(data)));
    assert_eq!(whole, cut, "whole, and in pieces");
    if data.len() < 400 {
        let cut = run(&told, streaming, |body| pieces(body, std::iter::repeat(1)));
        assert_eq!(whole, cut, "whole, and byte by byte");
    }
}

fn split(mut rest: &[u8]) -> Vec<&[u8]> {
    const BETWEEN: &[u8] = b"\n%%\n";
    let mut parts = Vec::new();
    while let Some(at) = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN) {
        parts.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    parts.push(rest);
    parts
}

/// Lets a watch have these answers, cut by `cut`, and says what came of it.
fn run(told: &[Told], streaming: bool, cut: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Seen {
    let first = Told { status: 200, body: first_answer(streaming).into_bytes() };
    let answers = std::iter::once(&first).chain(told).map(|told| (told.status, cut(&told.body))).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O needs nothing").block_on(follow(answers, streaming))
}

type Answers = VecDeque<(u16, Vec<Vec<u8>>)>;

async fn follow(answers: Answers, streaming: bool) -> Seen {
    let exhausted = Arc::new(Notify::new());
    let (from, end) = (Mutex::new(answers), exhausted.clone());
    let service = tower::service_fn(move |_: Request<kube::client::Body>| {
        let answer = from.lock().ok().and_then(|mut answers| answers.pop_front());
        let end = end.clone();
        async move {
            let Some((status, pieces)) = answer else {
                end.notify_one();
                return std::future::pending().await;
            };
            let frames = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(piece))));
            let mut response = Response::new(StreamBody::new(stream::iter(frames)));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
            Ok::<_, Infallible>(response)
        }
    });
    let cluster = Cluster::from_client(kube::Client::new(service, "n"), "fuzz");
    let status = Arc::new(Status::default());
    let settings = WatchSettings { streaming_lists: streaming, ..WatchSettings::default() };
    let watches = Watches::new(status.clone(), settings);
    let subscription = watches.subscribe::<Things>(&cluster, Scope::default(), Arc::default());
    // by a clock that jumps: it is enough for every pause there is
    let patience = Duration::from_secs(10_000_000);
    tokio::time::timeout(patience, exhausted.notified()).await.expect("the watch to go on asking");
    let view = status.watches().pop().expect("a watch is shown as long as somebody listens");
    let objects = subscription.all().into_iter().map(|(key, kept)| (key.to_string(), (*kept).clone())).collect();
    Seen {
        objects,
        synced: subscription.synced(),
        undecodable: view.undecodable,
        lists: view.lists,
        events: view.events,
        errors: view.errors,
        requests: view.requests,
        last_error: view.last_error,
    }
}

/// Whether anything in these answers says that `object` is gone: an event, or a whole list without it.
fn may_be_gone(told: &[Told], object: &str) -> bool {
    told.iter().filter(|told| told.status < 300).any(|told| {
        let text = String::from_utf8_lossy(&told.body);
        let is_list_without = serde_json::from_str::<Value>(&text).is_ok_and(|list| lacks(&list, object));
        is_list_without || text.lines().any(|line| says_gone(line.trim(), object))
    })
}

fn is_named(value: &Value, object: &str) -> bool {
    value["metadata"]["name"] == object && value["metadata"]["namespace"] == "n"
}

fn lacks(list: &Value, object: &str) -> bool {
    let is_list = list["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty());
    let names = list["items"].as_array().is_some_and(|objects| objects.iter().any(|one| is_named(one, object)));
    is_list && !names
}

fn says_gone(line: &str, object: &str) -> bool {
    let Ok(event) = serde_json::from_str::<Value>(line) else { return false };
    match event["type"].as_str() {
        Some("DELETED") => is_named(&event["object"], object),
        // ends a list, which may have begun without it
        Some("BOOKMARK") => event["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true",
        _ => false,
    }
}
