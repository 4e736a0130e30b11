//! An HTTP server that answers as a test says and remembers what it was asked.
#![allow(dead_code, unreachable_pub)] // every test file uses another part

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, Version, header};
use axum::response::Response;
use ta_model::scrape_config::{HttpClientConfig, HttpSdConfig, SdConfig};
use tokio::net::TcpListener;

use super::{mk_millis, until};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub uri: String,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// The value of a header that comes once; empty if it does not come.
    pub fn header(&self, name: &str) -> &str {
        let values = self.all(name);
        assert!(values.len() < 2, "{name} came {} times", values.len());
        values.first().copied().unwrap_or_default()
    }
}

type Answer = Arc<dyn Fn(&Seen) -> Response + Send + Sync>;

/// What a server says and has seen, whatever carries it.
#[derive(Clone)]
pub struct Script {
    answer: Arc<Mutex<Answer>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Script {
    pub fn new(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        Self { answer: Arc::new(Mutex::new(Arc::new(answer))), seen: Arc::default() }
    }

    /// Answers differently from now on.
    pub fn answer(&self, answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Arc::new(answer);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn last(&self) -> Seen {
        self.seen().pop().expect("it was asked")
    }

    /// Waits for a request that begins after this call.
    pub async fn next(&self) -> Seen {
        let before = self.seen().len();
        until("another request", || self.seen().len() > before).await;
        self.seen()[before].clone()
    }

    pub fn router(&self) -> Router {
        let script = self.clone();
        Router::new().fallback(move |request: Request| async move {
            let (head, body) = request.into_parts();
            let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
            let seen = Seen {
                method: head.method,
                uri: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
                version: head.version,
                headers: head.headers,
                body,
            };
            let answer = script.answer.lock().unwrap().clone();
            let response = answer(&seen);
            script.seen.lock().unwrap().push(seen);
            response
        })
    }
}

/// A server on a port of its own.
pub struct Server {
    pub address: SocketAddr,
    pub script: Script,
}

impl Server {
    pub async fn start(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        let script = Script::new(answer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = script.router();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, script }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A JSON answer.
pub fn json(body: impl Into<Body>) -> Response {
    answer(StatusCode::OK, &[("content-type", "application/json")], body)
}

/// One target.
pub fn one(address: &str) -> Response {
    json(format!(r#"[{{"targets": ["{address}"]}}]"#))
}

pub fn answer(status: StatusCode, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

pub fn redirect(to: &str) -> Response {
    answer(StatusCode::FOUND, &[(header::LOCATION.as_str(), to)], "")
}

/// How often tests ask; also how long an answer may take, so not too short for a busy machine.
pub const INTERVAL: Duration = Duration::from_millis(300);

pub fn mk_http(url: &str, http: HttpClientConfig) -> SdConfig {
    let refresh_interval = mk_millis(INTERVAL.as_millis() as u64);
    SdConfig::Http(Box::new(HttpSdConfig { url: url.to_owned(), refresh_interval, http }))
}
