//! Requests: `data` is what a client sends.
//!
//! A whole plain GET is answered by three ways: right where the connection is parked, by hyper if it comes in pieces or with
//! a header that concerns the connection, and by the router without any connection. All three have to say the same. What
//! is said of a job's targets is worked out once more, from the path as it came.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, DATE, IF_NONE_MATCH, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use ta_engine::{Engine, EngineOptions, StepInput, StrategyConfig, StrategyKind, TargetStore};
use ta_model::group::{GroupBuilder, GroupChange, GroupKey};
use ta_model::job_table::{FilterStrategy, JobTable, Origin};
use ta_model::scrape_config::{Authorization, ScrapeConfig};
use ta_model::{Collector, CollectorSet, Secret};
use ta_server::health::{Health, Phase};
use ta_server::http::{Limits, NoStatus, Options, Router, State, bind, serve};
use ta_server::metrics::{Identity, Metrics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::input::{cuts, pieces};

const JOBS: [&str; 9] = ["a", "a/b", "a b", "a+b", "a%b", "é", "targets", "..", LATE];
/// Its targets have not been discovered.
const LATE: &str = "late";
const COLLECTORS: [&str; 4] = ["c", "c 1", "c/2", "é%"];

/// As in the server.
const OF_THE_CONNECTION: [&str; 8] =
    ["connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// A server on loopback, and the same router without one.
struct World {
    runtime: Runtime,
    address: SocketAddr,
    router: Router,
    _engine: Engine,
}

impl World {
    fn new() -> Self {
        let store = TargetStore::new();
        let strategy = StrategyConfig { strategy: StrategyKind::LeastWeighted, ..StrategyConfig::default() };
        let options = EngineOptions { strategy, threads: 1, ..EngineOptions::default() };
        let mut engine = Engine::new(&options, store.clone()).expect("the strategy is a known one");
        for job in JOBS.into_iter().filter(|job| *job != LATE) {
            store.writer().apply([GroupChange::Replace(key(job), mk_group(job).into())]);
            store.writer().synced(&job.into());
        }
        let collectors = COLLECTORS.map(|name| Collector::new(name, "")).to_vec();
        let collectors = CollectorSet::new(collectors).expect("the names differ");
        let jobs = JobTable::new(1, JOBS.map(mk_job).to_vec(), FilterStrategy::RelabelConfig);
        engine.step(&StepInput { jobs: Arc::new(jobs), collectors });
        let health = Health::new();
        health.advance(Phase::Serving);
        let identity = Identity { strategy: strategy.strategy, service_name: "fuzz".to_owned() };
        let router = Router::new(State {
            snapshots: engine.snapshots(),
            health,
            metrics: Metrics::new(identity).expect("nobody else has registered these"),
            status: Arc::new(NoStatus),
            options: Options::default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let served = router.clone();
        let address = runtime.block_on(async move {
            let listener = bind(([127, 0, 0, 1], 0).into()).expect("loopback has a free port");
            let address = listener.local_addr().expect("it is bound");
            tokio::spawn(serve(listener, served, Limits::default(), std::future::pending()));
            address
        });
        Self { runtime, address, router, _engine: engine }
    }
}

fn key(job: &str) -> GroupKey {
    GroupKey { job: job.into(), provider: 1, source: "0".into() }
}

fn mk_group(job: &str) -> ta_model::group::TargetGroup {
    let mut builder = GroupBuilder::new();
    builder.begin();
    builder.group_label("of", job);
    for number in 0..5 {
        builder.begin_target();
        builder.target_label("__address__", &format!("{job}-{number}:80"));
    }
    builder.finish()
}

fn mk_job(name: &str) -> (Arc<ScrapeConfig>, Origin) {
    let mut job = ScrapeConfig::new(name);
    if name == "a" {
        let credentials = Secret::new("hunter2");
        job.http.authorization = Some(Authorization { scheme: "Bearer".into(), credentials, ..Default::default() });
    }
    (Arc::new(job), Origin::File)
}

/// An answer.
#[derive(Debug, PartialEq)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn without(mut self, names: &[HeaderName]) -> Self {
        names.iter().for_each(|name| drop(self.headers.remove(name)));
        self
    }
}

/// `data` is as the module says.
pub fn check(data: &[u8]) {
    thread_local! {
        static WORLD: &'static World = Box::leak(Box::new(World::new()));
    }
    WORLD.with(|world| {
        let all = async {
            match Plain::read(data) {
                Some(plain) => check_plain(world, data, &plain).await,
                None => check_any(world, data).await,
            }
        };
        world.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), all).await.expect("it hangs") });
    });
}

/// A whole GET, and nothing after it, without anything that concerns the connection.
struct Plain {
    target: String,
    headers: HeaderMap,
}

impl Plain {
    fn read(data: &[u8]) -> Option<Self> {
        let mut space = [httparse::EMPTY_HEADER; 40];
        let mut request = httparse::Request::new(&mut space);
        let Ok(httparse::Status::Complete(end)) = request.parse(data) else { return None };
        if end != data.len() || request.method != Some("GET") || request.version != Some(1) {
            return None;
        }
        let mut headers = HeaderMap::new();
        for header in request.headers.iter() {
            if OF_THE_CONNECTION.iter().any(|name| name.eq_ignore_ascii_case(header.name)) {
                return None;
            }
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            headers.append(name, HeaderValue::from_bytes(header.value).ok()?);
        }
        Some(Self { target: request.path?.to_owned(), headers })
    }
}

async fn check_plain(world: &World, data: &[u8], plain: &Plain) {
    let whole = ask(world, std::slice::from_ref(&data.to_vec())).await;
    let cut = ask(world, &pieces(data, cuts(data))).await;
    let end = data.len() - if data.ends_with(b"\r\n") { 2 } else { 1 };
    let by_hyper = ask(world, &[[&data[..end], b"te: x\r\n\r\n"].concat()]).await;
    let routed = match plain.target.parse::<http::Uri>() {
        Ok(uri) => route(world, uri, &plain.headers).await,
        Err(_) => return assert_eq!(whole.status, StatusCode::BAD_REQUEST, "{}", plain.target),
    };
    assert_eq!((whole.status, cut.status, by_hyper.status), (routed.status, routed.status, routed.status));
    assert!(routed.status != StatusCode::INTERNAL_SERVER_ERROR || !routed.body.is_empty(), "a handler panicked");
    if !is_polled(&plain.target) {
        return; // pages show times, and metrics what was asked before
    }
    // what is compressed has a length only if it is kept, and then the next asks for the same
    let varies = [DATE, CONTENT_LENGTH, TRANSFER_ENCODING];
    let varies = if routed.headers.contains_key(CONTENT_ENCODING) { &varies[..] } else { &varies[..1] };
    let (whole, cut, by_hyper) = (whole.without(varies), cut.without(varies), by_hyper.without(varies));
    assert_eq!(whole, cut, "whole, and in pieces");
    assert_eq!(whole, by_hyper, "from where it is parked, and by hyper");
    let whole = whole.without(&[CONTENT_LENGTH, TRANSFER_ENCODING]);
    assert_eq!(whole, routed, "over a connection, and by the router");
    assert!(!whole.body.windows(7).any(|window| window == b"hunter2"), "a secret in the clear");
    let negotiates = plain.headers.contains_key(ACCEPT_ENCODING) || plain.headers.contains_key(IF_NONE_MATCH);
    if let (Some((status, body)), false) = (expected(world, &plain.target), negotiates) {
        let got = (whole.status, String::from_utf8_lossy(&whole.body).into_owned());
        assert_eq!(got, (status, body), "{}", plain.target);
    }
}

fn is_polled(target: &str) -> bool {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    path.starts_with("/jobs/") && path.ends_with("/targets") || ["/scrape_configs", "/livez", "/readyz"].contains(&path)
}

/// The answer to a request for one collector's targets of a job, by a plain reading of its path.
fn expected(world: &World, target: &str) -> Option<(StatusCode, String)> {
    let target = target.split('#').next()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let job = path.strip_prefix("/jobs/")?.strip_suffix("/targets").filter(|job| !job.contains('/'))?;
    let Some(job) = decoded(job) else {
        let at = job.as_bytes().iter().enumerate().position(|(at, byte)| {
            *byte == b'%'
                && !job.as_bytes().get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
        })?;
        let part = &job.as_bytes()[at..(at + 3).min(job.len())];
        let body = format!("{}\n", serde_json::Value::from(String::from_utf8_lossy(part)));
        // these are escaped in more ways than one
        let is_plain = part.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'%');
        return is_plain.then_some((StatusCode::INTERNAL_SERVER_ERROR, body));
    };
    if job == LATE {
        let body = "not ready, the targets of this job have not been discovered yet\n".to_owned();
        return Some((StatusCode::SERVICE_UNAVAILABLE, body));
    }
    let pairs = query.split('&').filter(|pair| !pair.contains(';'));
    let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let collector = pairs.find_map(|(name, value)| {
        let (name, value) = (decoded(name)?, decoded(value)?);
        (name == "collector_id").then_some(value)
    })?;
    let snapshot = world.router.state().snapshots.load();
    let share = snapshot.collectors().ordinal(&collector).and_then(|ordinal| snapshot.job(&job)?.share(ordinal));
    let bytes: Vec<u8> = share.map_or_else(|| b"[]\n".to_vec(), |share| share.body().flatten().collect());
    Some((StatusCode::OK, String::from_utf8_lossy(&bytes).into_owned()))
}

/// Percent escapes and `+`, as Go reads them in queries.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let plain = |part: &str| part.replace('+', " ").into_bytes();
    let mut bytes = plain(parts.next()?);
    for part in parts {
        let hex = part.get(..2).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        bytes.extend(plain(&part[2..]));
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

async fn route(world: &World, uri: http::Uri, headers: &HeaderMap) -> Answer {
    let mut request = Request::new(());
    *request.uri_mut() = uri;
    *request.headers_mut() = headers.clone();
    let Ok(response) = world.router.clone().oneshot(request).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("bodies are made without fail").to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

async fn connect(world: &World) -> TcpStream {
    TcpStream::connect(world.address).await.expect("the server is there")
}

/// Sends `pieces`, each by itself as far as one can, and reads one answer.
async fn ask(world: &World, pieces: &[Vec<u8>]) -> Answer {
    let mut stream = connect(world).await;
    send(&mut stream, pieces).await;
    let mut received = Vec::new();
    loop {
        match read_answer(&received) {
            Some((answer, _)) => {
                // gone at once, with nothing left behind: thousands of ports would wait to be free again
                stream.set_zero_linger().expect("it is a socket");
                return answer;
            }
            None => {
                let more = stream.read_buf(&mut received).await.expect("an answer");
                assert!(more > 0, "cut off after {:?}", String::from_utf8_lossy(&received));
            }
        }
    }
}

async fn send(stream: &mut TcpStream, pieces: &[Vec<u8>]) {
    stream.set_nodelay(true).expect("it is a socket");
    for piece in pieces {
        // whoever has heard enough may close
        if stream.write_all(piece).await.is_err() {
            return;
        }
        if pieces.len() > 1 {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        }
    }
}

/// The first answer in `bytes`, and how long it is.
fn read_answer(bytes: &[u8]) -> Option<(Answer, usize)> {
    let mut space = [httparse::EMPTY_HEADER; 40];
    let mut response = httparse::Response::new(&mut space);
    let parsed = response.parse(bytes).unwrap_or_else(|error| {
        panic!("{error}: no answer of HTTP: {:?}", String::from_utf8_lossy(bytes));
    });
    let httparse::Status::Complete(head) = parsed else { return None };
    let status = StatusCode::from_u16(response.code?).expect("a status of HTTP");
    let headers: HeaderMap = response
        .headers
        .iter()
        .map(|header| {
            let name = HeaderName::from_bytes(header.name.as_bytes()).expect("a name");
            (name, HeaderValue::from_bytes(header.value).expect("a value"))
        })
        .collect();
    if headers.contains_key(TRANSFER_ENCODING) {
        let (body, length) = read_chunks(&bytes[head..])?;
        return Some((Answer { status, headers, body: body.into() }, head + length));
    }
    let length = headers
        .get(CONTENT_LENGTH)
        .map_or(0, |length| length.to_str().ok().and_then(|length| length.parse().ok()).expect("a length"));
    let body = bytes.get(head..head + length)?;
    Some((Answer { status, headers, body: Bytes::copy_from_slice(body) }, head + length))
}

fn read_chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = bytes[at..].windows(2).position(|two| two == b"\r\n")?;
        let size =
            std::str::from_utf8(&bytes[at..at + line]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.expect("the size of a chunk");
        at += line + 2;
        body.extend_from_slice(bytes.get(at..at + size)?);
        assert_eq!(bytes.get(at + size..at + size + 2)?, b"\r\n", "a chunk ends");
        at += size + 2;
        if size == 0 {
            return Some((body, at));
        }
    }
}

/// Whatever comes, what is said is HTTP, and afterwards others are answered.
async fn check_any(world: &World, data: &[u8]) {
    let mut stream = connect(world).await;
    let pieces = if data.len().is_multiple_of(2) { vec![data.to_vec()] } else { pieces(data, cuts(data)) };
    send(&mut stream, &pieces).await;
    drop(stream.shutdown().await);
    let mut received = Vec::new();
    // a reset is an end too
    drop(stream.read_to_end(&mut received).await);
    let mut rest = &received[..];
    // of what has no length the end is that of the connection: nothing can be said of what follows
    let is_old = data.windows(8).any(|window| window == b"HTTP/1.0");
    while let Some((answer, length)) = read_answer(rest).filter(|_| !is_old) {
        let is_head = data.windows(5).any(|window| window.eq_ignore_ascii_case(b"HEAD "));
        assert!(answer.status != StatusCode::INTERNAL_SERVER_ERROR || !answer.body.is_empty() || is_head, "a panic");
        if is_head {
            return; // has the length of what it does not have
        }
        let closes = answer.headers.get(CONNECTION).is_some_and(|value| value == "close");
        rest = &rest[length..];
        assert!(!closes || rest.is_empty(), "something is said after the end");
    }
    let alive = ask(world, &[b"GET /livez HTTP/1.1\r\n\r\n".to_vec()]).await;
    assert_eq!(alive.status, StatusCode::OK);
}
