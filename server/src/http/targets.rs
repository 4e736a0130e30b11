//! `GET /jobs/{job}/targets`: the request of the hot path, once per job, collector and poll interval.

use std::time::SystemTime;

use bytes::Bytes;
use hyper::{Response, StatusCode};
use ta_engine::{Share, ShareBody, Snapshot};
use ta_model::Collector;
use ta_model::json::{self, Escapes};
use xxhash_rust::xxh3::Xxh3Default;

use super::body::Chunks;
use super::escape::query_unescape;
use super::negotiate::{self, Encoding, Etag, Headers};
use super::scrape_configs::NOT_READY;
use super::{Ask, Body, Inner, Query, jobs, polls, query_escape, respond};

/// An empty share: most answers of a large fleet are this one.
const NONE: Bytes = Bytes::from_static(b"[]\n");

/// The tag of [`NONE`].
const NONE_ETAG: Etag = Etag(0);

const JOB_NOT_READY: &str = "not ready, the targets of this job have not been discovered yet\n";

const FLEET_NOT_READY: &str = "not ready, it is not known yet which collectors there are\n";

const VARY: &str = "Accept-Encoding";

/// `job` is as it stands in the path: still escaped, and to be unescaped once, as Go does it.
pub(crate) fn answer(inner: &Inner, job: &str, ask: &Ask<'_>) -> Response<Body> {
    let job = match query_unescape(job) {
        Ok(job) => job,
        Err(error) => return respond::json_string(StatusCode::INTERNAL_SERVER_ERROR, &error.0),
    };
    if !inner.health.answers_data() {
        return respond::not_ready(NOT_READY);
    }
    let snapshot = inner.snapshots.load();
    let view = snapshot.job(&job);
    if view.is_some_and(|job| !job.synced()) {
        // an empty list would make collectors drop the targets they have
        return respond::not_ready(JOB_NOT_READY);
    }
    match Query::new(ask.query).first("collector_id") {
        Some(_) if inner.health.lacks_collectors() => respond::not_ready(FLEET_NOT_READY),
        Some(collector) => {
            let share = view.and_then(|job| job.share(snapshot.collectors().ordinal(&collector)?));
            of_collector(inner, share, ask.headers)
        }
        None => by_collector(&snapshot, &job, ask.headers),
    }
}

/// The share of one collector. An unknown job or collector has none.
fn of_collector(inner: &Inner, share: Option<Share<'_>>, headers: Headers<'_>) -> Response<Body> {
    let Some(share) = share else {
        return respond::tagged(headers, NONE_ETAG, VARY, Encoding::Identity, || NONE.into());
    };
    polls::note(&share, SystemTime::now());
    let (encoding, etag) = (negotiate::encoding(headers), Etag(share.etag()));
    respond::tagged(headers, etag, VARY, encoding, || match encoding {
        Encoding::Identity => Array::of(&share).into_body(),
        Encoding::Gzip => inner.packed.get(etag).map_or_else(
            || Body::chunked(inner.packed.compress(etag, Array::of(&share).into_body().into_chunks()), None),
            Body::from,
        ),
    })
}

/// The JSON array of a share and the newline after it.
enum Array {
    Whole(Bytes),
    Pieces(ShareBody),
}

impl Array {
    fn of(share: &Share<'_>) -> Self {
        share.whole().map_or_else(|| Self::Pieces(share.body()), Self::Whole)
    }

    fn len(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Pieces(pieces) => pieces.remaining(),
        }
    }

    fn into_body(self) -> Body {
        let length = self.len();
        match self {
            Self::Whole(bytes) => bytes.into(),
            Self::Pieces(pieces) => Body::chunked(Box::new(pieces), Some(length)),
        }
    }

    fn into_chunks_without_newline(self) -> Chunks {
        let mut left = self.len() - 1;
        Box::new(self.into_body().into_chunks().map(move |mut chunk| {
            chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= chunk.len() as u64;
            chunk
        }))
    }
}

/// The job's targets under the name of every collector, for people. Streamed: it may be all there is.
fn by_collector(snapshot: &Snapshot, job: &str, headers: Headers<'_>) -> Response<Body> {
    let members = members(snapshot, job);
    let mut tag = Xxh3Default::new();
    for member in &members {
        tag.update(member.head.as_bytes());
        tag.update(&member.etag.to_le_bytes());
    }
    let encoding = negotiate::encoding(headers);
    respond::tagged(headers, Etag(tag.digest()), VARY, encoding, || {
        let commas = members.len().saturating_sub(1) as u64;
        let length = "{}\n".len() as u64 + members.iter().map(Member::len).sum::<u64>() + commas;
        match encoding {
            Encoding::Identity => Body::chunked(object(members), Some(length)),
            Encoding::Gzip => Body::chunked(negotiate::gzip_chunks(object(members)), None),
        }
    })
}

/// One member of the object, without the comma before it.
struct Member {
    /// Up to and including `"targets":`.
    head: String,
    array: Array,
    etag: u64,
}

impl Member {
    /// In place of the newline that ends the array comes the brace that ends the member.
    fn len(&self) -> u64 {
        self.head.len() as u64 + self.array.len()
    }
}

/// In the order of the encoded names, as Go sorts them.
fn members(snapshot: &Snapshot, job: &str) -> Vec<Member> {
    let view = snapshot.job(job);
    let link = jobs::link(job);
    let member = |(ordinal, collector): (usize, &Collector)| {
        let mut head = String::new();
        json::push_string(&mut head, &collector.name, Escapes::Short);
        head.push_str(":{\"_link\":");
        let link = format!("{link}?collector_id={}", query_escape(&collector.name));
        json::push_string(&mut head, &link, Escapes::Short);
        head.push_str(",\"targets\":");
        match view.and_then(|job| job.share(ordinal)) {
            Some(share) => Member { head, array: Array::of(&share), etag: share.etag() },
            None => Member { head, array: Array::Whole(NONE), etag: NONE_ETAG.0 },
        }
    };
    let mut members: Vec<Member> = snapshot.collectors().iter().enumerate().map(member).collect();
    members.sort_unstable_by(|a, b| a.head.cmp(&b.head));
    members
}

fn object(members: Vec<Member>) -> Chunks {
    let members = members.into_iter().enumerate().flat_map(move |(index, member)| {
        let open = if index == 0 { member.head } else { format!(",{}", member.head) };
        let array = member.array.into_chunks_without_newline();
        std::iter::once(Bytes::from(open)).chain(array).chain(std::iter::once(Bytes::from_static(b"}")))
    });
    let open = std::iter::once(Bytes::from_static(b"{"));
    Box::new(open.chain(members).chain(std::iter::once(Bytes::from_static(b"}\n"))))
}
