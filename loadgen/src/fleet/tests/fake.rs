//! An allocator that answers whatever a test wants.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use tokio::task::JoinHandle;

use crate::stats::lock;

#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
    delay: Duration,
}

impl Reply {
    pub(super) fn json(body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Reply { status: 200, headers, body: body.into(), delay: Duration::ZERO }
    }

    pub(super) fn text(status: u16, body: &str) -> Self {
        let headers = vec![("content-type", "text/plain".to_owned())];
        Reply { status, headers, body: Bytes::from(body.to_owned()), delay: Duration::ZERO }
    }

    pub(super) fn status(self, status: u16) -> Self {
        Reply { status, ..self }
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn without_content_type(mut self) -> Self {
        self.headers.clear();
        self
    }

    pub(super) fn closing(self) -> Self {
        self.header("connection", "close")
    }

    pub(super) fn after(self, delay: Duration) -> Self {
        Reply { delay, ..self }
    }

    pub(super) fn gzipped(self) -> Self {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&self.body).unwrap();
        let body = encoder.finish().unwrap().into();
        Reply { body, ..self }.header("content-encoding", "gzip")
    }
}

#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) path: String,
    headers: HashMap<String, String>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

#[derive(Debug)]
struct Script {
    job_list: Reply,
    targets: HashMap<String, Reply>,
    seen: Vec<Seen>,
}

#[derive(Debug)]
pub(super) struct FakeAllocator {
    script: Arc<Mutex<Script>>,
    address: SocketAddr,
    server: Mutex<Option<JoinHandle<()>>>,
}

impl FakeAllocator {
    pub(super) async fn start() -> Self {
        let script = Script { job_list: Reply::json("{}"), targets: HashMap::new(), seen: Vec::new() };
        let mut fake = FakeAllocator {
            script: Arc::new(Mutex::new(script)),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            server: Mutex::new(None),
        };
        fake.address = fake.listen(fake.address).await;
        fake
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) async fn listen(&self, address: SocketAddr) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().fallback(answer).with_state(self.script.clone());
        *lock(&self.server) = Some(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
        address
    }

    /// Connections are refused from now on.
    pub(super) async fn stop_listening(&self) -> SocketAddr {
        let server = lock(&self.server).take().unwrap();
        server.abort();
        server.await.ok();
        self.address
    }

    pub(super) fn job_list(&self, reply: Reply) {
        lock(&self.script).job_list = reply;
    }

    pub(super) fn targets(&self, escaped_job: &str, reply: Reply) {
        lock(&self.script).targets.insert(escaped_job.to_owned(), reply);
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        lock(&self.script).seen.clone()
    }

    pub(super) fn count(&self, part: &str) -> usize {
        lock(&self.script).seen.iter().filter(|seen| seen.path.contains(part)).count()
    }
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Response {
    let path = request.uri().to_string();
    let (reply, seen) = {
        let script = lock(&script);
        let job = path.strip_prefix("/jobs/").and_then(|rest| rest.split('/').next());
        let headers =
            request.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        let reply = match job {
            Some(job) => script.targets.get(job).cloned().unwrap_or_else(|| Reply::json("[]")),
            None if path.contains("elsewhere") => Reply::json(super::jobs(&["moved"])),
            None => script.job_list.clone(),
        };
        (reply, Seen { path: path.clone(), headers: headers.collect() })
    };
    tokio::time::sleep(reply.delay).await;
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    lock(&script).seen.push(seen);
    response.body(Body::from(reply.body)).unwrap()
}
