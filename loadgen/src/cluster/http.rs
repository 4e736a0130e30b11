//! Listening, and finding out what a request is about.

mod body;
mod defaults;
mod discovery;
mod list;
mod negotiate;
mod openapi;
mod options;
mod patch;
mod review;
mod table;
mod watch;
pub(crate) mod write;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::faults::{Asked, FaultKind, Verbs};
use super::kinds::KindId;
use super::server::Shared;
use super::status::Failure;
use body::{Body, failure};
use options::Options;

/// Pause before the port is tried again when coming back.
const BIND_RETRY: Duration = Duration::from_millis(20);

/// Accepts connections whenever the server is to be there.
pub(crate) async fn listen(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let Ok(address) = listener.local_addr() else { return };
    let mut listener = Some(listener);
    let mut wanted = shared.wanted.subscribe();
    loop {
        let serving = async {
            if !*wanted.borrow_and_update() {
                drop(listener.take()); // taken down before it was ever up
                shared.listening.send_replace(false);
            }
            if wanted.wait_for(|up| *up).await.is_err() {
                return;
            }
            let listener = match listener.take() {
                Some(listener) => listener,
                None => bind(address).await,
            };
            shared.listening.send_replace(true);
            let connections = stop.child_token();
            let tracker = TaskTracker::new();
            tokio::select! {
                () = accept(&listener, &shared, &connections, &tracker) => {}
                _ = wanted.wait_for(|up| !*up) => {}
            }
            drop(listener);
            connections.cancel();
            tracker.close();
            tracker.wait().await;
            shared.listening.send_replace(false);
        };
        if stop.run_until_cancelled(serving).await.is_none() {
            return;
        }
    }
}

async fn bind(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_taken) => tokio::time::sleep(BIND_RETRY).await,
        }
    }
}

async fn accept(listener: &TcpListener, shared: &Arc<Shared>, stop: &CancellationToken, tracker: &TaskTracker) {
    loop {
        // out of descriptors or reset in the queue: the next one may work
        let Ok((stream, _)) = listener.accept().await else { continue };
        tracker.spawn(connection(stream, shared.clone(), stop.clone()));
    }
}

/// Serves one connection; it ends with a reset if a fault or the end of the server says so.
async fn connection(mut stream: TcpStream, shared: Arc<Shared>, stop: CancellationToken) {
    // without it small watch events wait for acknowledgements; failure only costs time
    stream.set_nodelay(true).ok();
    let reset = CancellationToken::new();
    {
        let serving = async {
            match shared.settings.tls.clone() {
                None => serve(&mut stream, &shared, &reset).await,
                Some(config) => {
                    let handshake = TlsAcceptor::from(config).accept(&mut stream).await;
                    if let Ok(secured) = handshake {
                        serve(secured, &shared, &reset).await;
                    }
                }
            }
        };
        tokio::select! {
            () = serving => return,
            () = reset.cancelled() => {}
            () = stop.cancelled() => {}
        }
    }
    stream.set_zero_linger().ok();
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Arc<Shared>, reset: &CancellationToken) {
    let service = service_fn(|request| answer(request, shared.clone(), reset.clone()));
    // why a connection ended is the client's business
    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    reset: CancellationToken,
) -> Result<Response<Body>, Infallible> {
    shared.counts.log(format!("{} {}", request.method(), request.uri()));
    let path = request.uri().path().to_owned();
    let route = route(&path);
    let name = match &route {
        Route::Objects(place) => place.kind.get().plural,
        _ => path.as_str(),
    }
    .to_owned();
    let answered = dispatch(request, route, &shared, &reset).await;
    let response = answered.unwrap_or_else(|refusal| failure(&refusal));
    if !response.status().is_success() {
        shared.counts.count(&name, |counts| counts.refused += 1);
    }
    Ok(response)
}

/// Where a request about objects points.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    kind: KindId,
    namespace: String,
    /// Empty for the collection.
    name: String,
    subresource: String,
}

impl Place {
    fn asked(&self, verb: Verbs) -> Asked<'_> {
        Asked { resource: self.kind.get().plural, namespace: &self.namespace, verb }
    }
}

#[derive(Debug, PartialEq)]
enum Route<'a> {
    /// Health and version, open to everybody.
    Open(&'a str),
    /// Discovery, by the parts of the path behind `/api` or `/apis`.
    Discovery(Vec<&'a str>),
    OpenApi(&'a str),
    /// A review of access, by its plural name.
    Review(&'a str),
    Objects(Place),
    Nothing,
}

fn route(path: &str) -> Route<'_> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["version"] => Route::Open("version"),
        ["livez" | "readyz" | "healthz", ..] => Route::Open("health"),
        ["openapi", ..] => Route::OpenApi(path),
        ["api" | "apis"] | ["api", _] | ["apis", _] | ["apis", _, _] => Route::Discovery(parts),
        ["apis", "authorization.k8s.io", "v1", review] => Route::Review(review),
        ["api", version, rest @ ..] => objects("", version, rest),
        ["apis", group, version, rest @ ..] => objects(group, version, rest),
        _ => Route::Nothing,
    }
}

fn objects<'a>(group: &str, version: &str, rest: &[&str]) -> Route<'a> {
    let (namespace, rest) = match rest {
        ["namespaces", _, "status" | "finalize"] => ("", rest),
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        rest => ("", rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (plural, "", ""),
        [plural, name] => (plural, *name, ""),
        [plural, name, subresource] => (plural, *name, *subresource),
        _ => return Route::Nothing,
    };
    match KindId::by_path(group, version, plural) {
        Some(kind) if kind.get().namespaced || namespace.is_empty() => Route::Objects(Place {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
        }),
        _ => Route::Nothing,
    }
}

async fn dispatch(
    request: Request<Incoming>,
    route: Route<'_>,
    shared: &Arc<Shared>,
    reset: &CancellationToken,
) -> Result<Response<Body>, Failure> {
    if let Route::Open(which) = route {
        return Ok(discovery::open(which));
    }
    authenticate(&request, shared)?;
    match route {
        Route::Discovery(parts) => discovery::answer(&parts, shared),
        Route::OpenApi(path) => openapi::answer(path, shared),
        Route::Review(review) => review::answer(review, request, shared).await,
        Route::Objects(place) => about_objects(request, place, shared, reset).await,
        Route::Open(_) | Route::Nothing => Err(Failure::no_such_path()),
    }
}

fn authenticate(request: &Request<Incoming>, shared: &Shared) -> Result<(), Failure> {
    let Some(expected) = shared.faults.token() else { return Ok(()) };
    let given = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match given.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(token) if token == expected => Ok(()),
        _ => Err(Failure::unauthorized()),
    }
}

async fn about_objects(
    request: Request<Incoming>,
    place: Place,
    shared: &Arc<Shared>,
    reset: &CancellationToken,
) -> Result<Response<Body>, Failure> {
    let options = Options::parse(request.uri().query().unwrap_or(""))?;
    let reading = matches!(*request.method(), Method::GET | Method::HEAD);
    let verb = match (reading, place.name.is_empty()) {
        (true, true) if options.watch => Verbs::Watch,
        (true, true) => Verbs::List,
        (true, false) => Verbs::Get,
        (false, _) => Verbs::Write,
    };
    count(shared, &place, verb);
    let truncated = suffer(&place, verb, request.method(), shared, reset).await?;
    if !shared.store.installed(place.kind) {
        return Err(Failure::no_such_path());
    }
    let wanted = negotiate::accepted(request.headers());
    match verb {
        Verbs::Watch => watch::answer(place, &options, wanted?, shared),
        Verbs::List => list::answer(place, &options, wanted?, truncated, shared),
        Verbs::Get => list::answer_one(&place, wanted?, shared),
        _ => write::answer(request, &place, &options, shared).await,
    }
}

fn count(shared: &Shared, place: &Place, verb: Verbs) {
    shared.counts.count(place.kind.get().plural, |counts| match verb {
        Verbs::Watch => counts.watches += 1,
        Verbs::List => counts.lists += 1,
        Verbs::Get => counts.gets += 1,
        _ => counts.writes += 1,
    });
}

/// Lets the faults set for such a request happen. Gives whether the body is to be cut off.
async fn suffer(
    place: &Place,
    verb: Verbs,
    method: &Method,
    shared: &Shared,
    reset: &CancellationToken,
) -> Result<bool, Failure> {
    let mut truncated = false;
    for fault in shared.faults.befall(place.asked(verb)) {
        match fault {
            FaultKind::Forbidden => {
                return Err(Failure::forbidden(
                    place.kind.get(),
                    review::verb(verb, method),
                    &place.namespace,
                    &place.name,
                ));
            }
            FaultKind::Unauthorized => return Err(Failure::unauthorized()),
            FaultKind::TooManyRequests { retry_after } => {
                let message = "the server has received too many requests and has asked us to try again later";
                return Err(Failure { retry_after, ..Failure::new(429, "TooManyRequests", message) });
            }
            FaultKind::Gone => return Err(Failure::too_old(0, shared.store.revision())),
            FaultKind::Status { code } => {
                return Err(Failure::new(code, "InternalError", format!("simulated failure {code}")));
            }
            FaultKind::Latency { millis } => tokio::time::sleep(Duration::from_millis(millis)).await,
            FaultKind::Reset => {
                reset.cancel();
                std::future::pending::<()>().await;
            }
            // a watch begins and then says nothing
            FaultKind::Hang if verb != Verbs::Watch => shared.faults.unhung(place.asked(verb)).await,
            FaultKind::Truncated => truncated = true,
            FaultKind::Hang | FaultKind::Slow { .. } => {}
        }
    }
    Ok(truncated)
}
