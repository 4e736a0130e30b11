//! What is asked of the API server, and how answers are read.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};
use url::form_urlencoded::Serializer;

use super::failure::{Failure, Reason, spread};
use super::{Scope, WatchSettings};
use crate::kubernetes::client::{Accept, Answer, Cluster};
use crate::kubernetes::resource::Resource;

/// Longest text of an error that is read.
const LONGEST_ERROR: usize = 64 << 10;
/// And how long it may take: the code says most already.
const ERROR_TIMEOUT: Duration = Duration::from_secs(5);
/// How long after its time a watch may still be silent before its connection counts as dead.
const OVERTIME: Duration = Duration::from_secs(5);

/// The requests that one watch makes.
#[derive(Debug)]
pub(super) struct Requests {
    cluster: Cluster,
    path: String,
    scope: Scope,
    metadata_only: bool,
}

/// Which part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// The first, as the server's cache has it: cheap, and maybe a little old.
    FirstCached,
    /// The first, as it is now.
    First,
    /// What follows.
    Next(String),
    /// All of it in one answer, as it is now.
    Whole,
}

impl Requests {
    pub(super) fn new(cluster: Cluster, resource: &Resource, scope: &Scope, metadata_only: bool) -> Self {
        let path = resource.path(scope.namespace.as_deref());
        Self { cluster, path, scope: scope.clone(), metadata_only }
    }

    /// Asks for a page of a list.
    pub(super) async fn list(&self, page: &Page, settings: &WatchSettings) -> Result<Body, Failure> {
        let accept = if self.metadata_only { Accept::MetadataList } else { Accept::Json };
        self.get(&self.list_path(page, settings), accept, settings.answer_timeout, settings.answer_timeout).await
    }

    /// Asks for a list as a stream that goes on as a watch.
    pub(super) async fn stream(&self, cached: bool, settings: &WatchSettings) -> Result<Body, Failure> {
        self.get_watch(&self.stream_path(cached, settings), settings).await
    }

    /// Asks for what happened since `version`, and what will.
    pub(super) async fn watch(&self, version: &str, settings: &WatchSettings) -> Result<Body, Failure> {
        let path = self.watch_query(settings).append_pair("resourceVersion", version).finish();
        self.get_watch(&path, settings).await
    }

    fn list_path(&self, page: &Page, settings: &WatchSettings) -> String {
        let mut query = self.query();
        if *page != Page::Whole {
            query.append_pair("limit", &settings.page_size.to_string());
        }
        match page {
            Page::FirstCached => query.append_pair("resourceVersion", "0"),
            Page::Next(token) => query.append_pair("continue", token),
            Page::First | Page::Whole => &mut query, // no version: the newest
        };
        query.finish()
    }

    fn stream_path(&self, cached: bool, settings: &WatchSettings) -> String {
        let mut query = self.watch_query(settings);
        query.append_pair("sendInitialEvents", "true").append_pair("resourceVersionMatch", "NotOlderThan");
        if cached {
            query.append_pair("resourceVersion", "0");
        }
        query.finish()
    }

    fn query(&self) -> Serializer<'static, String> {
        let path = format!("{}?", self.path);
        let end = path.len();
        let mut query = Serializer::for_suffix(path, end);
        if !self.scope.label_selector.is_empty() {
            query.append_pair("labelSelector", &self.scope.label_selector);
        }
        if !self.scope.field_selector.is_empty() {
            query.append_pair("fieldSelector", &self.scope.field_selector);
        }
        query
    }

    fn watch_query(&self, settings: &WatchSettings) -> Serializer<'static, String> {
        // a little less for some: what began together should not begin anew together
        let seconds = (settings.watch_timeout - spread(settings.watch_timeout / 10)).as_secs().max(1);
        let mut query = self.query();
        query.append_pair("watch", "true").append_pair("allowWatchBookmarks", "true");
        query.append_pair("timeoutSeconds", &seconds.to_string());
        query
    }

    async fn get_watch(&self, path: &str, settings: &WatchSettings) -> Result<Body, Failure> {
        let accept = if self.metadata_only { Accept::MetadataWatch } else { Accept::Json };
        self.get(path, accept, settings.answer_timeout, settings.watch_timeout + OVERTIME).await
    }

    async fn get(&self, path: &str, accept: Accept, wait: Duration, silence: Duration) -> Result<Body, Failure> {
        let answer = timeout(wait, self.cluster.get(path, accept)).await;
        let answer = answer.map_err(|_| silent("no answer", wait))?.map_err(Failure::connection)?;
        if answer.status.is_success() {
            return Ok(Body { answer, silence });
        }
        Err(refusal(answer).await)
    }
}

fn silent(what: &str, wait: Duration) -> Failure {
    Failure::new(Reason::Silence, format!("{what} for {} s", wait.as_secs()))
}

/// Why the server said no.
async fn refusal(mut answer: Answer) -> Failure {
    let deadline = Instant::now() + ERROR_TIMEOUT;
    let mut text = Vec::new();
    while text.len() < LONGEST_ERROR {
        match timeout_at(deadline, answer.read(&mut text)).await {
            Ok(Ok(true)) => {}
            _ => break, // the code is known all the same
        }
    }
    let mut failure = Failure::from_status(Some((answer.status, answer.generation)), &text);
    failure.retry_after = answer.retry_after.or(failure.retry_after);
    failure
}

/// A body on its way in.
pub(super) struct Body {
    answer: Answer,
    /// Longest wait for more.
    pub(super) silence: Duration,
}

impl Body {
    /// Appends what comes next to `buffer`; false at the end.
    pub(super) async fn read(&mut self, buffer: &mut Vec<u8>) -> Result<bool, Failure> {
        let read = timeout(self.silence, self.answer.read(buffer)).await;
        read.map_err(|_| silent("nothing came", self.silence))?.map_err(Failure::connection)
    }
}
