//! OTLP over HTTP: one POST of protobuf.

use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};

use super::PushError;
use super::tls::ClientTls;

pub(super) const PATH: &str = "/v1/metrics";

/// Where to post.
#[derive(Debug)]
pub(super) struct Receiver {
    url: String,
    client: reqwest::Client,
}

impl Receiver {
    pub(super) fn new(url: String, tls: &ClientTls, compressed: bool, mut headers: HeaderMap) -> Result<Self, String> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(USER_AGENT, HeaderValue::from_static(super::grpc::AGENT));
        if compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.speaking(&[b"h2", b"http/1.1"]))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none()) // headers are for this receiver only
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| format!("otlp_http: {error}"))?;
        Ok(Self { url, client })
    }

    pub(super) fn shown(&self) -> &str {
        &self.url
    }

    pub(super) async fn send(&self, message: Bytes) -> Result<Bytes, PushError> {
        let answer = self.client.post(&self.url).body(message).send().await;
        let answer = answer.map_err(|error| PushError::Connect(root_cause(&error)))?;
        match answer.status() {
            status if status.is_success() => {
                answer.bytes().await.map_err(|error| PushError::Broken(root_cause(&error)))
            }
            status => Err(PushError::Refused(status.to_string())),
        }
    }
}

/// The innermost error: the outer ones repeat the URL.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
