//! Bodies that are the same for everyone: rendered, tagged and compressed at most once per job table or snapshot.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use ta_model::job_table::JobTable;
use tokio::sync::OnceCell;
use xxhash_rust::xxh3::xxh3_64;

use super::body::Body;
use super::negotiate::{self, Encoding, Etag, Headers};
use super::respond;
use crate::throttle::Throttle;

/// A body with its tag, and its compressed form once somebody asked for it.
#[derive(Debug)]
pub(crate) struct SharedBody {
    plain: Bytes,
    etag: Etag,
    gzip: OnceCell<Bytes>,
}

impl SharedBody {
    pub(crate) fn new(plain: Bytes) -> Self {
        let etag = Etag(xxh3_64(&plain));
        Self { plain, etag, gzip: OnceCell::new() }
    }

    /// The answer in the encoding the client prefers.
    pub(crate) async fn respond(&self, headers: Headers<'_>) -> Response<Body> {
        if negotiate::encoding(headers) == Encoding::Gzip {
            self.compress().await;
        }
        self.respond_at_once(headers).expect("compressed by now")
    }

    /// The same, unless it is still to be compressed. The HTML page lives at the same address, hence `Vary: Accept`.
    pub(crate) fn respond_at_once(&self, headers: Headers<'_>) -> Option<Response<Body>> {
        let encoding = negotiate::encoding(headers);
        let bytes = match encoding {
            Encoding::Identity => &self.plain,
            Encoding::Gzip => self.gzip.get()?,
        };
        Some(respond::tagged(headers, self.etag, "Accept, Accept-Encoding", encoding, || bytes.clone().into()))
    }

    /// Some 20 ms of work per megabyte, so off the threads that serve polls; all who ask meanwhile wait for the one.
    async fn compress(&self) {
        let compress = || async {
            let plain = self.plain.clone();
            let task = tokio::task::spawn_blocking(move || negotiate::gzip(&plain));
            task.await.expect("compressing in memory neither panics nor is cancelled")
        };
        self.gzip.get_or_init(compress).await;
    }
}

/// The bodies of one job table.
#[derive(Debug)]
pub(crate) struct TableBodies {
    pub(crate) table_number: u64,
    pub(crate) masked: SharedBody,
    pub(crate) revealed: SharedBody,
    pub(crate) has_secrets: bool,
}

impl TableBodies {
    pub(crate) fn new(table: &JobTable) -> Self {
        Self {
            table_number: table.number(),
            masked: SharedBody::new(shared(table.masked())),
            revealed: SharedBody::new(shared(table.revealed())),
            has_secrets: table.has_secrets(),
        }
    }
}

/// How often the log tells that clients get masks in place of secrets.
const TELL_OF_MASKS: Duration = Duration::from_secs(60);

/// The newest of each kind.
#[derive(Debug)]
pub(crate) struct SharedBodies {
    pub(crate) scrape_configs: Newest<TableBodies>,
    pub(crate) jobs: Newest<SharedBody>,
    pub(crate) masks: Throttle,
}

impl Default for SharedBodies {
    fn default() -> Self {
        Self { scrape_configs: Newest::default(), jobs: Newest::default(), masks: Throttle::new(TELL_OF_MASKS) }
    }
}

/// A value made from something numbered, kept until another number is asked for.
#[derive(Debug)]
pub(crate) struct Newest<T>(Mutex<Option<(u64, Arc<T>)>>);

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Newest<T> {
    /// The value of `number`. Requests that find it missing at once make it once each; the last one is kept.
    pub(crate) fn get(&self, number: u64, make: impl FnOnce() -> T) -> Arc<T> {
        let kept = |slot: &Option<(u64, Arc<T>)>| match slot {
            Some((known, value)) if *known == number => Some(value.clone()),
            _ => None,
        };
        if let Some(value) = kept(&self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            return value;
        }
        let value = Arc::new(make());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, value.clone()));
        value
    }
}

fn shared(text: &Arc<str>) -> Bytes {
    struct Text(Arc<str>);
    impl AsRef<[u8]> for Text {
        fn as_ref(&self) -> &[u8] {
            self.0.as_bytes()
        }
    }
    Bytes::from_owner(Text(text.clone()))
}
