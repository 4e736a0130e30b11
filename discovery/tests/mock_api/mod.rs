//! An API server that does exactly what a test tells it, in process and without a socket, so that clocks can be paused.
#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy
#![allow(dead_code, unreachable_pub)] // every test file uses another part

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::channel::mpsc;
use http::{Request, Response};
use serde::Deserialize;
use ta_discovery::{
    Cluster, Condition, Kind, ObjectKey, Resource, Scope, Status, Subscription, WatchSettings, WatchView, Watches,
};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

/// A kind for tests: objects that hold a number.
#[derive(Debug)]
pub struct Things;

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Thing {
    pub value: i64,
}

impl Kind for Things {
    type Kept = Thing;
    const RESOURCE: Resource =
        Resource { group: "test.io", version: "v1", plural: "things", kind: "Thing", namespaced: true };

    fn keep(json: &[u8]) -> Result<Thing, String> {
        #[derive(Deserialize)]
        struct Object {
            spec: Thing,
        }
        let object: Object = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        assert_ne!(object.spec.value, 666, "a decoder that panics");
        Ok(object.spec)
    }

    fn bytes(_: &Thing) -> usize {
        0
    }
}

/// An object of namespace `n`.
pub fn thing(name: &str, value: i64, version: u64) -> String {
    let meta = format!(r#"{{"name":"{name}","namespace":"n","resourceVersion":"{version}"}}"#);
    format!(r#"{{"apiVersion":"test.io/v1","kind":"Thing","metadata":{meta},"spec":{{"value":{value}}}}}"#)
}

/// One that cannot be read.
pub fn broken(name: &str, version: u64) -> String {
    format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"n","resourceVersion":"{version}"}},"spec":{{"value":"?"}}}}"#
    )
}

pub fn key(name: &str) -> ObjectKey {
    ObjectKey::new("n", name)
}

/// A list, or a page of one.
pub fn list(version: u64, more: &str, objects: &[String]) -> String {
    let meta = format!(r#"{{"resourceVersion":"{version}","continue":"{more}"}}"#);
    format!(r#"{{"kind":"ThingList","apiVersion":"test.io/v1","metadata":{meta},"items":[{}]}}"#, objects.join(","))
}

/// A line of a watch.
pub fn event(kind: &str, object: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

pub fn bookmark(version: u64) -> String {
    event("BOOKMARK", &format!(r#"{{"kind":"Thing","metadata":{{"resourceVersion":"{version}"}}}}"#))
}

pub fn end_of_list(version: u64) -> String {
    let annotations = r#"{"k8s.io/initial-events-end":"true"}"#;
    let meta = format!(r#"{{"resourceVersion":"{version}","annotations":{annotations}}}"#);
    event("BOOKMARK", &format!(r#"{{"kind":"Thing","metadata":{meta}}}"#))
}

pub fn gone() -> String {
    event("ERROR", r#"{"kind":"Status","code":410,"reason":"Expired","message":"too old resource version"}"#)
}

/// The server's end.
pub struct Server {
    asked: mpsc::UnboundedReceiver<Ask>,
    pub cluster: Cluster,
    pub status: Arc<Status>,
    pub watches: Watches,
}

/// A request that waits for its answer. Dropped, its connection breaks.
pub struct Ask {
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub accept: String,
    answer: oneshot::Sender<Response<Body>>,
}

/// A body on its way out. Dropped, it ends in good order.
pub struct Stream(mpsc::UnboundedSender<Result<Bytes, std::io::Error>>);

/// Settings that ask for pages; otherwise those of the program.
pub fn paged() -> WatchSettings {
    WatchSettings { streaming_lists: false, ..WatchSettings::default() }
}

impl Server {
    pub fn new(settings: WatchSettings) -> Self {
        let (sender, asked) = mpsc::unbounded();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let sender = sender.clone();
            async move {
                let (answer, answered) = oneshot::channel();
                let uri = request.uri();
                let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned();
                let accept = request.headers()["accept"].to_str().unwrap().to_owned();
                let ask = Ask { path: uri.path().to_owned(), query: query.collect(), accept, answer };
                sender.unbounded_send(ask).map_err(|_| "connection refused")?;
                answered.await.map_err(|_| "connection reset")
            }
        });
        let client = kube::Client::new(service, "own");
        let status = Arc::new(Status::default());
        let watches = Watches::new(status.clone(), settings);
        Self { asked, cluster: Cluster::from_client(client, "mock"), status, watches }
    }

    /// The next request. Waits days, by the paused clock.
    pub async fn next(&mut self) -> Ask {
        let next = futures::StreamExt::next(&mut self.asked);
        timeout(Duration::from_secs(1_000_000), next).await.expect("another request").expect("a client")
    }

    /// A request that has come already or comes within `wait`.
    pub async fn next_within(&mut self, wait: Duration) -> Option<Ask> {
        timeout(wait, futures::StreamExt::next(&mut self.asked)).await.ok().flatten()
    }

    pub fn view(&self) -> WatchView {
        let views = self.status.watches();
        assert_eq!(views.len(), 1, "{views:?}");
        views.into_iter().next().unwrap()
    }

    pub fn subscribe(&self) -> Seen<Things> {
        self.subscribe_to(Scope::default())
    }

    pub fn subscribe_to<K: Kind>(&self, scope: Scope) -> Seen<K> {
        let bell = Arc::new(Notify::new());
        let subscription = self.watches.subscribe(&self.cluster, scope, bell.clone());
        Seen { subscription, bell }
    }

    /// A watch that has listed `objects` at version 10 and is open now.
    pub async fn watching(&mut self, objects: &[String]) -> (Seen<Things>, Stream) {
        let mut seen = self.subscribe();
        self.next().await.json(200, &list(10, "", objects));
        let stream = self.next().await.expect_watch("10").stream();
        seen.until(|seen| seen.subscription.condition() == Condition::Watching).await;
        assert_eq!(seen.subscription.take_changes().len(), objects.len());
        (seen, stream)
    }
}

impl Ask {
    pub fn get(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    pub fn is_watch(&self) -> bool {
        self.get("watch") == "true"
    }

    /// Fails unless it is a watch from `version`.
    pub fn expect_watch(self, version: &str) -> Self {
        assert!(self.is_watch() && self.get("sendInitialEvents").is_empty(), "{:?}", self.query);
        assert_eq!(self.get("resourceVersion"), version);
        assert_eq!(self.get("allowWatchBookmarks"), "true");
        self
    }

    /// Fails unless it is the beginning of a list, asked for as `version`.
    pub fn expect_list(self, version: &str) -> Self {
        assert!(!self.is_watch() && self.get("continue").is_empty(), "{:?}", self.query);
        assert_eq!(self.get("resourceVersion"), version);
        self
    }

    pub fn json(self, status: u16, body: &str) {
        self.respond(Response::builder().status(status).body(Body::from(body.to_owned())).unwrap());
    }

    pub fn refuse(self, status: u16, message: &str) {
        self.json(status, &format!(r#"{{"kind":"Status","code":{status},"message":{message:?}}}"#));
    }

    pub fn respond(self, response: Response<Body>) {
        self.answer.send(response).ok(); // the client may have given up
    }

    pub fn stream(self) -> Stream {
        let (sender, body) = mpsc::unbounded();
        self.respond(Response::new(Body::from_stream(body)));
        Stream(sender)
    }
}

impl Stream {
    /// Sends bytes as one chunk.
    pub fn send(&self, text: impl Into<Bytes>) {
        self.0.unbounded_send(Ok(text.into())).expect("somebody reads");
    }

    /// Breaks the connection.
    pub fn reset(self) {
        self.0.unbounded_send(Err(std::io::ErrorKind::ConnectionReset.into())).expect("somebody reads");
    }

    pub fn is_read(&self) -> bool {
        !self.0.is_closed()
    }
}

/// A subscriber.
pub struct Seen<K: Kind> {
    pub subscription: Subscription<K>,
    pub bell: Arc<Notify>,
}

impl<K: Kind> Seen<K> {
    /// Waits for `condition`, which may change only when the bell rings.
    pub async fn until(&mut self, condition: impl Fn(&Self) -> bool) {
        while !condition(self) {
            timeout(Duration::from_secs(1_000_000), self.bell.notified()).await.expect("the bell to ring");
        }
    }

    /// The next changes, sorted.
    pub async fn changes(&mut self) -> Vec<ObjectKey> {
        loop {
            let mut changes = self.subscription.take_changes();
            if !changes.is_empty() {
                changes.sort();
                return changes;
            }
            timeout(Duration::from_secs(1_000_000), self.bell.notified()).await.expect("the bell to ring");
        }
    }
}

impl Seen<Things> {
    /// Names and numbers of all objects, sorted.
    pub fn things(&self) -> Vec<(String, i64)> {
        let all = self.subscription.all().into_iter();
        let mut things: Vec<_> = all.map(|(key, thing)| (key.name.to_string(), thing.value)).collect();
        things.sort();
        things
    }

    pub async fn until_things(&mut self, expected: &[(&str, i64)]) {
        let expected: Vec<_> = expected.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        self.until(|seen| seen.things() == expected).await;
    }
}
