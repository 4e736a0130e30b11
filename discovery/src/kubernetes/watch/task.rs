//! The task behind one watch: lists, watches, and does so again whatever happens.
//!
//! ```text
//!              ┌────────────── 410, 404, nonsense ◄─────────────┐
//!              ▼                                                │
//!  start ──► list ── streamed: goes on as a watch ──────────► follow ── ended, broken off ──► pause ──┐
//!              └──── in pages ──► version ──► watch from it ────▲                                     │
//!                                                └──────────────┴─────────────────────────────────────┘
//! ```

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, sleep};

use super::events::{Event, Lines, read_event};
use super::failure::{Failure, Reason, Retry};
use super::list::{Envelope, ListReader};
use super::requests::{Body, Page, Requests};
use super::store::{Staged, Store};
use super::{Condition, Scope, WatchNotes, WatchSettings};
use crate::kubernetes::client::Cluster;
use crate::kubernetes::object::Kind;

/// A watch that lasted this long was a good one: the next may begin at once, and pauses start small again. (client-go
/// calls those under a second with no event bad; a server that sends one event and hangs up would make it spin.)
const GOOD_WATCH: Duration = Duration::from_secs(5);
/// How often in a row a page that is not the first is asked for again before the list is begun anew.
const PAGE_TRIES: u32 = 5;

/// Lists and watches one kind of objects, into a store.
pub(super) struct WatchTask<K: Kind> {
    cluster: Cluster,
    requests: Requests,
    settings: WatchSettings,
    store: Arc<Store<K>>,
    notes: Arc<WatchNotes>,
    retry: Retry,
    /// Where to go on watching. None: a list is due.
    version: Option<String>,
    /// A list has been applied, so the next one must be newer.
    listed: bool,
    /// Lists of this kind may stream.
    streams: bool,
    /// A version was gone since the last good watch, and a list was begun at once.
    hurried: bool,
}

/// A watch that is open.
struct Stream<K: Kind> {
    body: Body,
    lines: Lines,
    /// The list it begins with, until that is complete.
    staged: Option<Staged<K>>,
    /// What went wrong right after the list, in what arrived with its end.
    broken: Option<Failure>,
}

impl<K: Kind> WatchTask<K> {
    pub(super) fn new(
        cluster: Cluster,
        scope: &Scope,
        settings: WatchSettings,
        store: Arc<Store<K>>,
        notes: Arc<WatchNotes>,
    ) -> Self {
        Self {
            requests: Requests::new(cluster.clone(), &K::RESOURCE, scope, K::METADATA_ONLY),
            cluster,
            retry: Retry::new(&settings),
            streams: settings.streaming_lists,
            settings,
            store,
            notes,
            version: None,
            listed: false,
            hurried: false,
        }
    }

    /// Runs until dropped. A panic is one more thing to recover from.
    pub(super) async fn keep_running(mut self) {
        loop {
            AssertUnwindSafe(self.run()).catch_unwind().await.ok();
            self.version = None;
            let pause = self.failed(Failure::new(Reason::Other, "the code of the watch panicked")).await;
            sleep(pause).await;
        }
    }

    async fn run(&mut self) {
        loop {
            let stream = match self.version.clone() {
                None => self.list().await,
                Some(version) => self.open(&version).await.map(Some),
            };
            let lasted = match stream {
                Ok(Some(stream)) => self.follow(stream).await,
                Ok(None) => continue,
                Err(failure) => Err(failure),
            };
            match lasted {
                Ok(lasted) if lasted >= GOOD_WATCH => {}
                Ok(_) => sleep(self.retry.after_end()).await,
                Err(failure) => {
                    let pause = self.failed(failure).await;
                    sleep(pause).await;
                }
            }
        }
    }

    /// Lists; a stream is still open afterwards.
    async fn list(&mut self) -> Result<Option<Stream<K>>, Failure> {
        let lists = self.cluster.lists().clone();
        let _permit = lists.acquire().await; // never closed; without a permit it would be right all the same
        if self.streams && self.cluster.streams_lists() {
            match self.list_streaming().await {
                Ok(stream) => return Ok(Some(stream)),
                Err(failure) => self.without_streams(failure)?,
            }
        }
        self.list_pages().await?;
        Ok(None)
    }

    /// Whether to ask for pages now that a stream has failed: not if that would fail just the same.
    fn without_streams(&mut self, failure: Failure) -> Result<(), Failure> {
        match failure.reason {
            Reason::Refused => self.cluster.refuse_streams(),
            Reason::Garbage | Reason::Silence => self.streams = false,
            Reason::Unauthorized(_) | Reason::Forbidden | Reason::Absent => return Err(failure),
            // the server is in trouble, or it is the streams that are: the second time pages are tried too
            Reason::Other if failure.retry_after.is_some() || self.retry.failures() == 0 => return Err(failure),
            Reason::Other | Reason::Gone => {}
        }
        let (resource, error) = (K::RESOURCE, failure.message);
        tracing::debug!(cluster = %self.cluster.name(), %resource, %error, "no stream; the list is asked for in pages");
        Ok(())
    }

    async fn list_streaming(&mut self) -> Result<Stream<K>, Failure> {
        self.count_request();
        let mut body = self.requests.stream(!self.listed, &self.settings).await?;
        let silence = std::mem::replace(&mut body.silence, self.settings.stream_timeout);
        let mut stream = Stream { body, lines: Lines::default(), staged: Some(Staged::default()), broken: None };
        while stream.staged.is_some() {
            if !stream.body.read(&mut stream.lines.buffer).await? {
                return Err(Failure::new(Reason::Silence, "the stream ended before the list was complete"));
            }
            match self.take(&mut stream) {
                Err(failure) if stream.staged.is_some() => return Err(failure),
                taken => stream.broken = taken.err(),
            }
        }
        self.listed = true;
        stream.body.silence = silence;
        Ok(stream)
    }

    async fn list_pages(&mut self) -> Result<(), Failure> {
        let mut staged = Staged::default();
        let mut page = if self.listed { Page::First } else { Page::FirstCached };
        let mut first_version = None;
        let mut tries = 0;
        loop {
            match self.page(&page, &mut staged).await {
                Ok(Envelope { version, more }) => {
                    first_version.get_or_insert(version);
                    tries = 0;
                    let Some(token) = more else { break };
                    page = Page::Next(token);
                }
                Err(failure) if !matches!(page, Page::Next(_)) => return Err(failure),
                Err(failure) if failure.reason == Reason::Gone => {
                    // so many pages that the first had expired: all at once now, or it might never end
                    (staged, first_version, page) = (Staged::default(), None, Page::Whole);
                }
                Err(failure) if failure.may_pass() && tries < PAGE_TRIES => {
                    tries += 1;
                    self.count_error(&failure);
                    sleep(self.retry.after(&failure)).await;
                }
                Err(failure) => return Err(failure),
            }
        }
        self.store.replace(staged);
        self.listed = true;
        self.version = first_version;
        Ok(())
    }

    async fn page(&self, page: &Page, staged: &mut Staged<K>) -> Result<Envelope, Failure> {
        self.count_request();
        let mut body = self.requests.list(page, &self.settings).await?;
        let (mut reader, mut text) = (ListReader::default(), Vec::new());
        while body.read(&mut text).await? {
            reader.push(&text, |object| self.store.stage(staged, object)).map_err(Failure::garbage)?;
            text.clear();
        }
        reader.finish().map_err(Failure::garbage)
    }

    async fn open(&self, version: &str) -> Result<Stream<K>, Failure> {
        self.count_request();
        let body = self.requests.watch(version, &self.settings).await?;
        Ok(Stream { body, lines: Lines::default(), staged: None, broken: None })
    }

    /// Takes events until the stream ends, and says how long it lasted.
    async fn follow(&mut self, mut stream: Stream<K>) -> Result<Duration, Failure> {
        self.recovered();
        let began = Instant::now();
        let result = loop {
            if let Some(failure) = stream.broken.take() {
                break Err(failure);
            }
            match stream.body.read(&mut stream.lines.buffer).await {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(failure) => break Err(failure),
            }
            if let Err(failure) = self.take(&mut stream) {
                break Err(failure);
            }
        };
        let lasted = began.elapsed();
        if lasted >= GOOD_WATCH {
            self.retry.reset();
            self.hurried = false;
        }
        result.map(|()| lasted)
    }

    /// Takes what has arrived as one change, up to the first thing that makes no sense.
    fn take(&mut self, stream: &mut Stream<K>) -> Result<(), Failure> {
        let Self { store, version, .. } = self;
        let Stream { lines, staged, .. } = stream;
        let mut changes = Vec::new();
        let result = lines.take(|line| {
            match (read_event(line)?, &mut *staged) {
                (Event::Put(head, json), Some(staged)) => store.stage_named(staged, &head, json),
                (Event::Remove(head), Some(staged)) => store.unstage(staged, &head),
                (Event::Nameless(error), Some(staged)) => store.stage_nameless(staged, &error),
                (Event::Bookmark { version: at, initial_events_end: true }, Some(complete)) => {
                    store.replace(std::mem::take(complete));
                    *staged = None;
                    *version = Some(at);
                }
                (Event::Put(head, json), None) => {
                    changes.extend(store.put(&head, json));
                    advance(version, &head.resource_version);
                }
                (Event::Remove(head), None) => {
                    changes.push(store.removal(&head));
                    advance(version, &head.resource_version);
                }
                (Event::Nameless(error), None) => store.undecodable("an object", &error),
                (Event::Bookmark { version: at, .. }, None) => advance(version, &at),
                (Event::Bookmark { .. }, Some(_)) | (Event::Other, _) => {}
            }
            Ok(())
        });
        self.store.apply(changes);
        result
    }

    /// Notes a failure, says what it means for what comes next, and how long to wait for that.
    async fn failed(&mut self, failure: Failure) -> Duration {
        let mut pause = self.retry.after(&failure);
        self.count_error(&failure);
        match failure.reason {
            // it may be as simple as a token that was renewed on disk
            Reason::Unauthorized(generation) => {
                self.cluster.renew(generation).await;
                if self.retry.failures() == 1 {
                    pause = Duration::ZERO;
                }
            }
            // The server is there: after a long absence the pause would be half a minute. A second time it may go on like this.
            Reason::Gone if !self.hurried => (self.version, self.hurried, pause) = (None, true, Duration::ZERO),
            Reason::Gone | Reason::Absent | Reason::Refused | Reason::Garbage => self.version = None,
            Reason::Forbidden | Reason::Silence | Reason::Other => {}
        }
        match failure.reason {
            Reason::Gone => {} // part of the protocol
            Reason::Absent => self.store.set_condition(Condition::Absent),
            Reason::Forbidden => self.store.set_condition(Condition::Forbidden(failure.message)),
            _ if pause.is_zero() => {}
            _ => self.store.set_condition(Condition::Failing(failure.message)),
        }
        pause
    }

    fn recovered(&self) {
        if !matches!(self.store.condition(), Condition::Listing | Condition::Watching) {
            tracing::info!(cluster = %self.cluster.name(), resource = %K::RESOURCE, "watching again");
        }
        self.store.set_condition(Condition::Watching);
    }

    fn count_request(&self) {
        self.notes.change(|view, _| view.requests += 1);
    }

    fn count_error(&self, failure: &Failure) {
        let message = &failure.message;
        let new = self.notes.change(|view, now| {
            view.errors += 1;
            view.last_error_at = Some(now);
            let new = view.last_error != *message;
            view.last_error.clone_from(message);
            new
        });
        let (resource, failures, cluster) = (K::RESOURCE, self.retry.failures(), self.cluster.name());
        if failure.reason == Reason::Gone {
            tracing::debug!(%cluster, %resource, error = %message, "the watch lost its place; listing anew");
        } else if new || failures.is_power_of_two() {
            // a steady failure is told at 1, 2, 4, 8 … times; a new one at once
            tracing::warn!(%cluster, %resource, failures, error = %message, "cannot watch; what is known stays");
        }
    }
}

/// Versions are the server's business: they are kept as they come. A bad object may have none.
fn advance(version: &mut Option<String>, to: &str) {
    if to.is_empty() {
        return;
    }
    match version {
        Some(version) => to.clone_into(version),
        None => *version = Some(to.to_owned()),
    }
}
