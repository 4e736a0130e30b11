//! Watches.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::Place;
use super::body::{Body, Gone, Pipe, piped};
use super::negotiate::Wanted;
use super::options::{Options, Version};
use super::table;
use crate::cluster::faults::Verbs;
use crate::cluster::kinds::KindId;
use crate::cluster::object::{Object, Shape};
use crate::cluster::selector::Filter;
use crate::cluster::server::Shared;
use crate::cluster::settings::Expiry;
use crate::cluster::status::Failure;
use crate::cluster::store::{Change, ListQuery, Signal};

/// Bytes of events put into one chunk, roughly.
const CHUNK: usize = 64 << 10;
/// Annotation of the bookmark that ends the initial events.
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// Answers a watch.
///
/// # Errors
/// Parameters that cannot be followed; a revision that is too old, if such refusals come by HTTP.
pub(super) fn answer(
    place: Place,
    options: &Options,
    wanted: Wanted,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, Failure> {
    let filter = Filter::parse(place.kind.get(), &options.labels, &options.fields).map_err(Failure::bad_request)?;
    check_initial_events(options, shared)?;
    let mut start = match (options.version, options.initial_events) {
        (_, Some(true)) | (Version::Unset | Version::Any, None) => Start::Objects,
        (Version::At(revision), _) => Start::After(revision),
        (Version::Unset | Version::Any, Some(false)) => Start::After(shared.store.revision()),
    };
    if let Start::After(revision) = start
        && let Err(oldest) = shared.store.reaches(place.kind, revision)
    {
        let too_old = Failure::too_old(revision, oldest.0);
        if shared.settings.expiry == Expiry::Http {
            return Err(too_old);
        }
        start = Start::TooOld(too_old);
    }
    let asked = options.timeout_seconds.filter(|seconds| *seconds > 0);
    let timeout = asked.map_or(shared.settings.watch_timeout, Duration::from_secs);
    let (response, pipe) = piped(place, Verbs::Watch, shared.clone());
    let watch = Watch {
        filter,
        wanted,
        include_object: options.include_object.clone(),
        bookmarks: options.bookmarks,
        initial_end: options.initial_events == Some(true),
        cursor: 0,
        first_table: true,
        signals: shared.store.signals(pipe.place().kind),
        _open: OpenWatch::new(shared.clone(), pipe.place().kind),
        pipe,
    };
    tokio::spawn(watch.run(start, timeout));
    Ok(response)
}

/// The rules of `sendInitialEvents` (Kubernetes: apimachinery/pkg/apis/meta/internalversion/validation).
fn check_initial_events(options: &Options, shared: &Shared) -> Result<(), Failure> {
    match options.initial_events {
        Some(_) if !shared.settings.watch_list => Err(Failure::invalid(
            "sendInitialEvents",
            "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
        )),
        Some(_) if options.exact != Some(false) => Err(Failure::invalid(
            "resourceVersionMatch",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )),
        None if options.exact.is_some() => Err(Failure::invalid(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        )),
        _ => Ok(()),
    }
}

enum Start {
    /// With what is there now.
    Objects,
    /// With what comes after a revision.
    After(u64),
    TooOld(Failure),
}

/// One open watch.
struct Watch {
    filter: Filter,
    wanted: Wanted,
    include_object: String,
    bookmarks: bool,
    initial_end: bool,
    /// Everything up to this revision was told.
    cursor: u64,
    first_table: bool,
    signals: broadcast::Receiver<Signal>,
    _open: OpenWatch,
    pipe: Pipe,
}

/// Counts a watch as open for as long as it lives.
struct OpenWatch(Arc<Shared>, KindId);

impl OpenWatch {
    fn new(shared: Arc<Shared>, kind: KindId) -> OpenWatch {
        shared.counts.count(kind.get().plural, |counts| {
            counts.watches_open += 1;
            counts.watches_peak = counts.watches_peak.max(counts.watches_open);
        });
        OpenWatch(shared, kind)
    }
}

impl Drop for OpenWatch {
    fn drop(&mut self) {
        self.0.counts.count(self.1.get().plural, |counts| counts.watches_open -= 1);
    }
}

/// Why a watch ends.
enum End {
    Proper,
    Broken,
}

impl Watch {
    async fn run(mut self, start: Start, timeout: Duration) {
        let told = match start {
            Start::TooOld(failure) => {
                self.pipe.send(error(&failure)).await.ok();
                return;
            }
            Start::Objects => self.tell_objects().await,
            Start::After(revision) => {
                self.cursor = revision;
                Ok(())
            }
        };
        if told.is_ok()
            && let Ok(End::Broken) = self.follow(timeout).await
        {
            self.pipe.break_off().await;
        }
    }

    /// Tells changes until something ends it.
    async fn follow(&mut self, timeout: Duration) -> Result<End, Gone> {
        let shared = self.pipe.shared().clone();
        let kind = self.pipe.place().kind;
        let mut bell = shared.store.bell(kind);
        let deadline = Instant::now() + timeout;
        let period = shared.settings.bookmarks_every.max(Duration::from_millis(1));
        let mut bookmarks = interval_at(Instant::now() + period, period);
        bookmarks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            bell.mark_unchanged();
            if let Err(failure) = self.tell_changes().await? {
                self.pipe.send(error(&failure)).await?;
                return Ok(End::Proper);
            }
            tokio::select! {
                rung = bell.changed() => if rung.is_err() { return Ok(End::Proper) },
                signal = self.signals.recv() => match signal {
                    Ok(Signal::Send(bytes)) => self.pipe.send(bytes).await?,
                    Ok(Signal::Break) => return Ok(End::Broken),
                    Ok(Signal::Expire) => {
                        let failure = Failure::too_old(self.cursor, shared.store.revision());
                        self.pipe.send(error(&failure)).await?;
                        return Ok(End::Proper);
                    }
                    Ok(Signal::End) | Err(RecvError::Closed) => return Ok(End::Proper),
                    Err(RecvError::Lagged(_)) => {}
                },
                _ = bookmarks.tick(), if self.bookmarks => self.catch_up().await?,
                () = sleep_until(deadline) => {
                    self.catch_up().await?;
                    return Ok(End::Proper);
                }
                () = self.pipe.closed() => return Err(Gone),
            }
        }
    }

    async fn tell_objects(&mut self) -> Result<(), Gone> {
        let place = self.pipe.place().clone();
        let query =
            ListQuery { namespace: place.namespace.clone(), filter: self.filter.clone(), ..ListQuery::default() };
        // the newest revision is always in the window
        let Ok(page) = self.pipe.shared().store.list(place.kind, &query) else { return Ok(()) };
        let mut chunk = Vec::new();
        for object in &page.objects {
            self.event("ADDED", object, object.revision, &mut chunk);
            if chunk.len() >= CHUNK {
                self.pipe.send(std::mem::take(&mut chunk).into()).await?;
            }
        }
        self.pipe.send(chunk.into()).await?;
        self.cursor = page.revision;
        self.count_events(page.objects.len() as u64);
        if self.initial_end && self.bookmarks { self.bookmark(true).await } else { Ok(()) }
    }

    async fn tell_changes(&mut self) -> Result<Result<(), Failure>, Gone> {
        let kind = self.pipe.place().kind;
        let (changes, revision) = match self.pipe.shared().store.changes(kind, self.cursor) {
            Ok(changes) => changes,
            Err(oldest) => return Ok(Err(Failure::too_old(self.cursor, oldest.0))),
        };
        let (mut chunk, mut told) = (Vec::new(), 0);
        for change in &changes {
            let Some((event, object)) = self.seen(change) else { continue };
            told += 1;
            self.event(event, object, change.revision, &mut chunk);
            if chunk.len() >= CHUNK {
                self.pipe.send(std::mem::take(&mut chunk).into()).await?;
            }
        }
        if !chunk.is_empty() {
            self.pipe.send(chunk.into()).await?;
        }
        self.cursor = revision;
        self.count_events(told);
        Ok(Ok(()))
    }

    /// What a change is to whoever sees only what matches: an object that stops to match is deleted, and shown as it was.
    fn seen<'a>(&self, change: &'a Change) -> Option<(&'static str, &'a Object)> {
        let place = self.pipe.place();
        let matching = |object: &'a Option<Arc<Object>>| {
            object.as_deref().filter(|object| {
                let inside = place.namespace.is_empty() || object.place().0 == place.namespace;
                inside && self.filter.matches(place.kind.get(), object)
            })
        };
        match (matching(&change.before), matching(&change.after)) {
            (None, None) => None,
            (None, Some(now)) => Some(("ADDED", now)),
            (Some(_), Some(now)) => Some(("MODIFIED", now)),
            (Some(was), None) => Some(("DELETED", was)),
        }
    }

    fn event(&mut self, event: &str, object: &Object, revision: u64, out: &mut Vec<u8>) {
        let kind = self.pipe.place().kind.get();
        out.extend(format!("{{\"type\":\"{event}\",\"object\":").bytes());
        match self.wanted {
            Wanted::Table => {
                let meta = json!({"resourceVersion": revision.to_string()});
                let table = table::one(kind, object, revision, meta, &self.include_object, self.first_table);
                self.first_table = false;
                out.extend(table.to_string().bytes());
            }
            wanted => object.write(kind, wanted.shape(), revision, out),
        }
        out.extend(b"}\n");
    }

    /// A bookmark at the newest revision, if the client likes bookmarks.
    async fn catch_up(&mut self) -> Result<(), Gone> {
        match self.tell_changes().await? {
            Ok(()) if self.bookmarks => self.bookmark(false).await,
            // fallen behind: the next look says so
            _ => Ok(()),
        }
    }

    async fn bookmark(&self, initial_end: bool) -> Result<(), Gone> {
        let kind = self.pipe.place().kind.get();
        let mut metadata = json!({"resourceVersion": self.cursor.to_string(), "creationTimestamp": null});
        if initial_end {
            metadata["annotations"] = json!({INITIAL_END: "true"});
        }
        let (name, version) = match self.wanted.shape() {
            Shape::Metadata => ("PartialObjectMetadata", "meta.k8s.io/v1".to_owned()),
            _ => (kind.kind, kind.api_version()),
        };
        let object = json!({"kind": name, "apiVersion": version, "metadata": metadata});
        self.pipe.send(line("BOOKMARK", &object)).await
    }

    fn count_events(&self, told: u64) {
        self.pipe.shared().counts.count(self.pipe.place().kind.get().plural, |counts| counts.events += told);
    }
}

fn line(event: &str, object: &Value) -> Bytes {
    format!("{{\"type\":\"{event}\",\"object\":{object}}}\n").into()
}

fn error(failure: &Failure) -> Bytes {
    line("ERROR", &failure.body())
}
