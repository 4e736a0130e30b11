//! One keep-alive HTTP/1.1 connection, used as Go's `net/http` transport uses one.

use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderValue, LOCATION};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;

use crate::loopback::Endpoint;
use crate::stats::{ConnectionStats, lock};
use crate::tls::ClientTls;

/// Largest body read, after which the answer counts as an error: 512 MiB, 200,000 targets of the usual size.
const MAX_BODY: usize = 512 << 20;
/// Redirects followed, as Go's default client does.
const MAX_REDIRECTS: usize = 10;

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// `Content-Type`, if it was given and is text.
    pub content_type: Option<String>,
    /// Decoded body.
    pub body: Bytes,
    /// Bytes of the body on the wire.
    pub wire_bytes: u64,
    /// `Date`: what the server takes the time to be.
    pub date: Option<String>,
    location: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// The connection could not be made for another reason.
    #[error("connect: {0}")]
    Connect(#[source] std::io::Error),
    /// No TLS came about.
    #[error("tls: {0}")]
    Tls(#[source] std::io::Error),
    /// The connection broke, or what came was not HTTP.
    #[error("connection: {0}")]
    Connection(#[source] hyper::Error),
    /// The body could not be read or decoded.
    #[error("body: {0}")]
    Body(String),
    /// A redirect that leads nowhere.
    #[error("redirect: {0}")]
    Redirect(String),
    /// The request cannot be written (never for names this tool makes).
    #[error("request: {0}")]
    Request(#[source] http::Error),
}

impl RequestError {
    /// Short constant name for reports.
    pub fn kind(&self) -> &'static str {
        match self {
            RequestError::Refused => "refused",
            RequestError::Connect(_) => "connect",
            RequestError::Tls(_) => "tls",
            RequestError::Connection(_) => "connection-broken",
            RequestError::Body(_) => "body-unreadable",
            RequestError::Redirect(_) => "redirect",
            RequestError::Request(_) => "request",
        }
    }
}

/// How an answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// As the job list: Go's default transport, gzip welcome, redirects followed.
    JobList,
    /// As http_sd: no compression, redirects not followed.
    Targets,
}

/// How clients connect; it may change while some are connected.
#[derive(Debug, Default)]
pub struct Dialling {
    tls: Mutex<Option<Arc<ClientTls>>>,
    /// Connections made before it went up are not used again.
    epoch: AtomicU64,
}

impl Dialling {
    /// Connections speak TLS.
    pub fn over_tls(tls: ClientTls) -> Self {
        Dialling { tls: Mutex::new(Some(Arc::new(tls))), epoch: AtomicU64::new(0) }
    }

    /// New connections speak this TLS; those there are go on.
    pub fn set_tls(&self, tls: ClientTls) {
        *lock(&self.tls) = Some(Arc::new(tls));
    }

    /// Lets every client make a new connection for its next request.
    pub fn reconnect(&self) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
    }

    /// The TLS of new connections, if they have any.
    pub fn tls(&self) -> Option<Arc<ClientTls>> {
        lock(&self.tls).clone()
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }
}

/// A client with at most one connection, opened when needed, kept until either side closes it.
#[derive(Debug)]
pub struct Client {
    endpoint: Arc<Endpoint>,
    source: Option<IpAddr>,
    stats: Arc<crate::stats::Stats>,
    dialling: Arc<Dialling>,
    /// The connection, and when it was made.
    kept: Option<(u64, SendRequest<Empty<Bytes>>)>,
}

impl Client {
    /// A client that connects from `source`, if given (a loopback address per collector keeps 64k ports for each).
    pub fn new(endpoint: Arc<Endpoint>, source: Option<IpAddr>, stats: Arc<crate::stats::Stats>) -> Self {
        Client { endpoint, source, stats, dialling: Arc::default(), kept: None }
    }

    /// Connects as `dialling` says.
    #[must_use]
    pub fn dialling(self, dialling: Arc<Dialling>) -> Self {
        Client { dialling, ..self }
    }

    /// GETs `path_and_query`, which goes onto the wire as it is.
    ///
    /// As in Go, a request on a kept connection that broke before the first byte of an answer is sent once more on a new
    /// one.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn get(&mut self, path_and_query: &str, asking: Asking) -> Result<Answer, RequestError> {
        let mut path = path_and_query.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.get_once(&path, asking).await?;
            match &answer.location {
                Some(to) if asking == Asking::JobList && matches!(answer.status, 301 | 302 | 303 | 307 | 308) => {
                    path = self.redirected(&path, to)?;
                }
                _ => return Ok(answer),
            }
        }
        Err(RequestError::Redirect(format!("stopped after {MAX_REDIRECTS} redirects")))
    }

    async fn get_once(&mut self, path: &str, asking: Asking) -> Result<Answer, RequestError> {
        let epoch = self.dialling.epoch();
        let kept = self.kept.take().filter(|(made, sender)| *made == epoch && !sender.is_closed());
        if let Some((_, mut sender)) = kept {
            match sender.send_request(self.request(path, asking)?).await {
                Ok(response) => return self.read((epoch, sender), response, asking).await,
                Err(_broken) => {} // closed by the other side while idle
            }
        }
        let mut sender = self.connect().await?;
        let response = sender.send_request(self.request(path, asking)?).await.map_err(RequestError::Connection)?;
        self.read((epoch, sender), response, asking).await
    }

    async fn read(
        &mut self,
        connection: (u64, SendRequest<Empty<Bytes>>),
        response: http::Response<hyper::body::Incoming>,
        asking: Asking,
    ) -> Result<Answer, RequestError> {
        let (head, body) = response.into_parts();
        let collected = Limited::new(body, MAX_BODY).collect().await;
        let wire = collected.map_err(|error| RequestError::Body(error.to_string()))?.to_bytes();
        self.kept = Some(connection);
        let text = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
        Ok(Answer {
            status: head.status.as_u16(),
            content_type: text(CONTENT_TYPE),
            location: text(LOCATION),
            date: text(DATE),
            wire_bytes: wire.len() as u64,
            // http_sd switched compression off: an unsolicited gzip body stays as it is, and fails to parse
            body: if asking == Asking::JobList { decode(&head.headers, wire)? } else { wire },
        })
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, RequestError> {
        let stream = dial(self.endpoint.address, self.source).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => RequestError::Refused,
            _ => RequestError::Connect(error),
        })?;
        match self.dialling.tls() {
            None => self.shake_hands(stream).await,
            Some(tls) => self.shake_hands(tls.connect(stream).await.map_err(RequestError::Tls)?).await,
        }
    }

    async fn shake_hands<S>(&self, stream: S) -> Result<SendRequest<Empty<Bytes>>, RequestError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut builder = Builder::new();
        builder.title_case_headers(true);
        let handshake = builder.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(RequestError::Connection)?;
        let open = OpenConnection::new(self.stats.clone());
        tokio::spawn(async move {
            // why a connection ended shows in the request that needed it
            connection.await.ok();
            drop(open);
        });
        Ok(sender)
    }

    fn request(&self, path: &str, asking: Asking) -> Result<http::Request<Empty<Bytes>>, RequestError> {
        let request = http::Request::get(path).header(HOST, &self.endpoint.authority);
        let request = match asking {
            Asking::JobList => request.header("User-Agent", "Go-http-client/1.1").header(ACCEPT_ENCODING, "gzip"),
            Asking::Targets => request
                .header("User-Agent", "Prometheus/3.0.0 (loadgen)")
                .header("Accept", "application/json")
                .header("X-Prometheus-Refresh-Interval-Seconds", "30"),
        };
        request.body(Empty::new()).map_err(RequestError::Request)
    }

    /// The path of a redirect to the same authority; another one is not gone to.
    fn redirected(&self, from: &str, to: &str) -> Result<String, RequestError> {
        let fail = |why: String| RequestError::Redirect(why);
        let scheme = if self.dialling.tls().is_some() { "https" } else { "http" };
        let base = url::Url::parse(&format!("{scheme}://{}{from}", self.endpoint.authority));
        let url = base.and_then(|base| base.join(to)).map_err(|error| fail(error.to_string()))?;
        if url[url::Position::BeforeHost..url::Position::AfterPort] != *self.endpoint.authority {
            return Err(fail(format!("leads to another server, {url}")));
        }
        Ok(url[url::Position::BeforePath..url::Position::AfterQuery].to_owned())
    }
}

/// Counts a connection as open for as long as it lives.
struct OpenConnection(Arc<crate::stats::Stats>);

impl OpenConnection {
    fn new(stats: Arc<crate::stats::Stats>) -> Self {
        stats.connections.count_opened();
        OpenConnection(stats)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let connections: &ConnectionStats = &self.0.connections;
        connections.count_closed();
    }
}

pub(crate) async fn dial(address: SocketAddr, source: Option<IpAddr>) -> std::io::Result<tokio::net::TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Undoes gzip, as Go's transport does when it asked for it itself.
fn decode(headers: &HeaderMap, wire: Bytes) -> Result<Bytes, RequestError> {
    if headers.get(CONTENT_ENCODING).is_none_or(|encoding| encoding != "gzip") {
        return Ok(wire);
    }
    let mut plain = Vec::new();
    let limited = flate2::read::MultiGzDecoder::new(wire.as_ref()).take(MAX_BODY as u64).read_to_end(&mut plain);
    limited.map_err(|error| RequestError::Body(format!("gzip: {error}")))?;
    Ok(plain.into())
}
