//! OTLP over gRPC: one unary call, which is one request of HTTP/2 with a frame of five bytes before the message and the
//! status in the trailers (gRPC: doc/PROTOCOL-HTTP2.md).

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::PushError;
use super::tls::ClientTls;

/// Where OTLP over gRPC listens if nothing else is said.
pub(super) const PORT: u16 = 4317;
pub(super) const AGENT: &str = concat!("target-allocator/", env!("CARGO_PKG_VERSION"));

const METHOD: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/// Of an answer; one is a dozen bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Where to call.
#[derive(Debug)]
pub(super) struct Receiver {
    /// Without the brackets of IPv6.
    host: String,
    port: u16,
    /// Scheme and authority.
    shown: String,
    tls: Option<Arc<ClientConfig>>,
    /// Messages come compressed by gzip.
    compressed: bool,
    headers: HeaderMap,
}

impl Receiver {
    pub(super) fn new(
        host: &str,
        port: u16,
        tls: Option<&ClientTls>,
        compressed: bool,
        mut headers: HeaderMap,
    ) -> Self {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if compressed {
            headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
        }
        Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            shown: format!("{}://{host}:{port}", if tls.is_some() { "https" } else { "http" }),
            tls: tls.map(|tls| Arc::new(tls.speaking(&[b"h2"]))),
            compressed,
            headers,
        }
    }

    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    pub(super) async fn send(&self, message: Bytes) -> Result<Bytes, PushError> {
        let connect = |error: std::io::Error| PushError::Connect(error.to_string());
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(connect)?;
        stream.set_nodelay(true).map_err(connect)?;
        let answer = match &self.tls {
            None => exchange(stream, self.request(&message)?).await?,
            Some(config) => {
                let name =
                    ServerName::try_from(self.host.clone()).map_err(|error| PushError::Connect(error.to_string()))?;
                let stream = TlsConnector::from(config.clone()).connect(name, stream).await.map_err(connect)?;
                exchange(stream, self.request(&message)?).await?
            }
        };
        read(answer)
    }

    fn request(&self, message: &[u8]) -> Result<Request<Full<Bytes>>, PushError> {
        let mut frame = BytesMut::with_capacity(message.len() + 5);
        frame.put_u8(u8::from(self.compressed));
        frame.put_u32(u32::try_from(message.len()).map_err(|_| PushError::Refused("it is too large".to_owned()))?);
        frame.put_slice(message);
        let mut request = Request::post(format!("{}{METHOD}", self.shown))
            .body(Full::new(frame.freeze()))
            .map_err(|error| PushError::Connect(error.to_string()))?;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }
}

/// The answer's head, trailers and message (still framed), over a connection that is used once.
async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<(HeaderMap, Option<HeaderMap>, Bytes), PushError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| PushError::Broken(error.to_string());
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(broken)?;
    let answer = async {
        let answer: Response<_> = sender.send_request(request).await.map_err(broken)?;
        if answer.status() != 200 {
            return Err(PushError::Refused(format!("{}, which is no gRPC", answer.status())));
        }
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|error| PushError::Broken(error.to_string()))?;
        Ok((head.headers, body.trailers().cloned(), body.to_bytes()))
    };
    let (mut answer, mut connection) = (std::pin::pin!(answer), std::pin::pin!(connection));
    tokio::select! {
        answered = &mut answer => answered,
        // it has ended: what is there of the answer is all there will be
        _ = &mut connection => answer.await,
    }
}

/// The message, if the status is 0.
fn read((head, trailers, body): (HeaderMap, Option<HeaderMap>, Bytes)) -> Result<Bytes, PushError> {
    // an answer of trailers alone has them in its head
    let text = |name: &str| {
        let value = trailers.as_ref().and_then(|trailers| trailers.get(name)).or_else(|| head.get(name));
        value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    match text("grpc-status").as_str() {
        "0" => Ok(if body.len() > 5 { body.slice(5..) } else { Bytes::new() }),
        "" => Err(PushError::Refused("an answer without grpc-status".to_owned())),
        status => Err(PushError::Refused(format!("gRPC status {status} {}", text("grpc-message")))),
    }
}
