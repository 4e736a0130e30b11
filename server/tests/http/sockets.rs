//! What only shows over a real connection.

use std::net::SocketAddr;
use std::time::Duration;

use ta_server::http::{Limits, bind, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{World, mk_jobs};

pub(crate) const EMPTY: &str = "GET /jobs/a/targets?collector_id=x HTTP/1.1\r\nHost: t\r\n\r\n";
pub(crate) const BIG: &str = "GET /jobs/a/targets?collector_id=c HTTP/1.1\r\nHost: t\r\n\r\n";

/// Long enough for anything that is supposed to happen, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) world: World,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    /// Ends with the number of connections cut.
    task: JoinHandle<usize>,
}

impl Server {
    pub(crate) fn start(limits: Limits) -> Self {
        Self::start_with(World::new(&mk_jobs(&["a"]), &["c"]), limits)
    }

    pub(crate) fn start_with(world: World, limits: Limits) -> Self {
        let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { drop(stopped.await) };
        let task = tokio::spawn(serve(listener, world.router.clone(), limits, shutdown));
        Self { world, address, stop: Some(stop), task }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until so many connections are open.
    pub(crate) async fn wait_for_connections(&self, expected: i64) {
        within(async {
            while self.world.metrics.connections() != expected {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it hangs")
}

pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Head and body of one answer, the body by its `Content-Length`.
    pub(crate) async fn receive(&mut self) -> (String, Vec<u8>) {
        within(async {
            let head = self.lines_to("\r\n\r\n").await.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length =
                length.unwrap_or_else(|| if head.starts_with("http/1.1 304") { "0" } else { panic!("{head}") });
            let mut body = vec![0; length.parse().unwrap()];
            self.0.read_exact(&mut body).await.unwrap();
            (head, body)
        })
        .await
    }

    /// Head and body of one answer that comes in chunks.
    pub(crate) async fn receive_chunks(&mut self) -> (String, Vec<u8>) {
        within(async {
            let head = self.lines_to("\r\n\r\n").await.to_ascii_lowercase();
            assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
            let mut body = Vec::new();
            loop {
                let size = usize::from_str_radix(self.lines_to("\r\n").await.trim_end(), 16).unwrap();
                let mut chunk = vec![0; size + 2];
                self.0.read_exact(&mut chunk).await.unwrap();
                assert_eq!(chunk.split_off(size), b"\r\n");
                if size == 0 {
                    return (head, body);
                }
                body.extend(chunk);
            }
        })
        .await
    }

    async fn lines_to(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        while !text.ends_with(end.as_bytes()) {
            text.push(self.0.read_u8().await.unwrap());
        }
        String::from_utf8(text).unwrap()
    }

    /// Everything until the other side closes.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // a reset is an end too
        drop(within(self.0.read_to_end(&mut rest)).await);
        String::from_utf8_lossy(&rest).into_owned()
    }
}

#[tokio::test]
async fn a_connection_is_kept_and_parked_between_requests() {
    let server = Server::start(Limits::default());
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send(EMPTY).await;
        let (head, body) = client.receive().await;
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
        assert!(!head.contains("transfer-encoding") && !head.contains("connection:"), "{head}");
        assert_eq!(body, b"[]\n");
        // the server has put the connection aside by the time the next request comes
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(server.world.metrics.connections(), 1);
    drop(client);
    server.wait_for_connections(0).await;
}

/// An answer but for its date.
fn undated(head: &str) -> String {
    head.lines().filter(|line| !line.starts_with("date: ")).map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn polls_are_answered_as_by_hyper() {
    let mut world = World::new(&mk_jobs(&["a", "b"]), &["c"]);
    world.targets("a", &[("1:80", "v"), ("2:80", "v")]);
    let server = Server::start_with(world, Limits::default());
    let (mut express, mut hyper) = (server.connect().await, server.connect().await);
    for path in [
        "/scrape_configs",
        "/jobs/a/targets?collector_id=c",
        "/jobs/a/targets?collector_id=x",
        "/jobs/a/targets",
        "/jobs//targets?collector_id=c",
        "/jobs/%zz/targets",
        "/livez",
        "/readyz",
        "/livez/",
        "/nothing",
    ] {
        for headers in
            ["", "If-None-Match: *\r\n", "ACCEPT-ENCODING: gzip\r\nIf-None-Match: \"x\"\r\n", "accept: text/html\r\n"]
        {
            // what it is asked for makes it compressed once, and is answered in chunks until then
            if path == "/jobs/a/targets?collector_id=c" && headers.contains("gzip") {
                express.send(&format!("GET {path} HTTP/1.1\r\nHost: t\r\n{headers}\r\n")).await;
                express.receive_chunks().await;
            }
            express.send(&format!("GET {path} HTTP/1.1\r\nHost: t\r\n{headers}\r\n")).await;
            hyper.send(&format!("GET {path} HTTP/1.1\r\nHost: t\r\n{headers}Connection: keep-alive\r\n\r\n")).await;
            let ((head, body), (expected_head, expected_body)) =
                if path == "/jobs/a/targets" && headers.contains("gzip") {
                    (express.receive_chunks().await, hyper.receive_chunks().await)
                } else {
                    (express.receive().await, hyper.receive().await)
                };
            assert_eq!(undated(&head), undated(&expected_head), "{path} {headers}");
            assert!(head.contains("\r\ndate: ") && body == expected_body, "{path} {headers}");
        }
    }
}

#[tokio::test]
async fn a_compressed_answer_is_the_same_made_or_kept() {
    let server = Server::start_with(mk_big_world(), Limits::default());
    let mut client = server.connect().await;
    let gzip = BIG.replace("Host: t", "Host: t\r\nAccept-Encoding: gzip");
    client.send(&gzip).await;
    let (head, made) = client.receive_chunks().await;
    assert!(head.contains("\r\ncontent-encoding: gzip\r\n"), "{head}");
    client.send(&gzip).await;
    let (head, kept) = client.receive().await;
    assert!(head.contains("\r\ncontent-encoding: gzip\r\n"), "{head}");
    assert!(made == kept && made.len() > 10_000);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(Limits::default());
    let mut client = server.connect().await;
    let livez = "GET /livez HTTP/1.1\r\nHost: t\r\n\r\n";
    // the fourth comes in two halves, the first of them together with the rest
    client.send(&format!("{EMPTY}{livez}{EMPTY}GET /jo")).await;
    assert_eq!(client.receive().await.1, b"[]\n");
    assert_eq!(client.receive().await.1, b"");
    assert_eq!(client.receive().await.1, b"[]\n");
    client.send("bs HTTP/1.1\r\nHost: t\r\n\r\n").await;
    assert_eq!(client.receive().await.1, b"{}\n");
}

#[tokio::test]
async fn head_has_a_length_and_no_body() {
    let server = Server::start(Limits::default());
    let mut client = server.connect().await;
    client.send("HEAD /jobs HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn what_is_unchanged_has_no_length() {
    let server = Server::start(Limits::default());
    let mut client = server.connect().await;
    client.send("GET /jobs HTTP/1.1\r\nHost: t\r\nIf-None-Match: *\r\nConnection: close\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 304") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("content-length"), "{answer}");
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let server = Server::start(Limits::default());
    let mut client = server.connect().await;
    client.send("GET /jobs HTTP/1.0\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("{}\n"), "{answer}");
}

#[tokio::test]
async fn a_body_with_a_get_is_ignored() {
    let server = Server::start(Limits::default());
    let mut client = server.connect().await;
    client.send("GET /jobs HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!(client.receive().await.1, b"{}\n");
}

#[tokio::test]
async fn a_malformed_request_is_a_400() {
    let server = Server::start(Limits::default());
    for request in ["nonsense\r\n\r\n", "GET / HTTP/1.1\r\nbroken header\r\n\r\n", "\x16\x03\x01\x02\x00\x01\r\n\r\n"] {
        let mut client = server.connect().await;
        client.send(request).await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{request:?}: {answer}");
    }
    server.wait_for_connections(0).await;
}

#[tokio::test]
async fn an_endless_head_is_refused() {
    let server = Server::start(Limits::default());
    let mut client = server.connect().await;
    let request = format!("GET / HTTP/1.1\r\nHost: t\r\nx: {}\r\n\r\n", "x".repeat(200 * 1024));
    // it may be refused before all of it is sent
    drop(client.0.write_all(request.as_bytes()).await);
    let answer = client.rest().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    server.wait_for_connections(0).await;
}

#[tokio::test]
async fn a_slow_head_is_cut_however_it_dribbles() {
    let server = Server::start(Limits { header_read: Duration::from_millis(100), ..Limits::default() });
    let mut client = server.connect().await;
    client.send(EMPTY).await;
    client.receive().await;
    let dribble = async {
        loop {
            if client.0.write_all(b"G").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(dribble).await;
    server.wait_for_connections(0).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let server = Server::start(Limits { idle: Duration::from_millis(100), ..Limits::default() });
    let mut silent = server.connect().await;
    let mut used = server.connect().await;
    used.send(EMPTY).await;
    used.receive().await;
    assert_eq!(silent.rest().await, "");
    assert_eq!(used.rest().await, "");
    server.wait_for_connections(0).await;
}

/// More than two sockets' buffers hold.
pub(crate) fn mk_big_world() -> World {
    let mut world = World::new(&mk_jobs(&["a"]), &["c"]);
    world.many_targets("a", 30_000);
    world
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut() {
    let server = Server::start_with(mk_big_world(), Limits { write: Duration::from_millis(200), ..Limits::default() });
    let mut client = server.connect().await;
    client.send(BIG).await;
    server.wait_for_connections(1).await;
    server.wait_for_connections(0).await;
    drop(client);
}

#[tokio::test]
async fn draining_finishes_what_is_in_flight_and_closes_the_rest() {
    let mut server = Server::start_with(mk_big_world(), Limits::default());
    let (mut idle, mut busy) = (server.connect().await, server.connect().await);
    idle.send(EMPTY).await;
    idle.receive().await;
    busy.send(BIG).await;
    busy.0.readable().await.unwrap();
    server.stop();
    assert_eq!(idle.rest().await, "");
    // the listener is gone
    within(async { while TcpStream::connect(server.address).await.is_ok() {} }).await;
    let (_, body) = busy.receive().await;
    assert!(body.len() > 30_000_000 && body.ends_with(b"]\n"));
    assert_eq!(busy.rest().await, "");
    assert_eq!(within(server.task).await.unwrap(), 0);
}

#[tokio::test]
async fn draining_ends_at_its_deadline() {
    let limits = Limits { drain: Duration::from_millis(100), ..Limits::default() };
    let mut server = Server::start_with(mk_big_world(), limits);
    let mut stuck = server.connect().await;
    stuck.send(BIG).await;
    stuck.0.readable().await.unwrap();
    server.stop();
    assert_eq!(within(server.task).await.unwrap(), 1);
}

#[tokio::test]
async fn an_address_in_use_is_an_error() {
    let server = Server::start(Limits::default());
    assert_eq!(bind(server.address).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
}
