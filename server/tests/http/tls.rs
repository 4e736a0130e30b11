//! Connections over TLS: the same limits as plain ones, and that of the handshake.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use ta_server::http::{Limits, Tls, bind, serve_tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{World, mk_jobs};

const EMPTY: &str = "GET /jobs/a/targets?collector_id=x HTTP/1.1\r\nHost: t\r\n\r\n";
const BIG: &str = "GET /jobs/a/targets?collector_id=c HTTP/1.1\r\nHost: t\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(30);

struct Server {
    world: World,
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<usize>,
    _config: watch::Sender<Arc<ServerConfig>>,
}

impl Server {
    fn start(limits: Limits) -> Self {
        let mut world = World::new(&mk_jobs(&["a"]), &["c"]);
        world.many_targets("a", 30_000); // 30 MB: more than any buffer on the way
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let certificate = certificate.der().clone();
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.clone()],
                PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let (sender, receiver) = watch::channel(Arc::new(config));
        let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { drop(stopped.await) };
        let task = tokio::spawn(serve_tls(listener, Tls::new(receiver, 1), world.router.clone(), limits, shutdown));
        Self { world, address, certificate, stop: Some(stop), task, _config: sender }
    }

    async fn connect(&self) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        Client(TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap())
    }

    fn http2(&self) -> reqwest::Client {
        reqwest::Client::builder()
            .no_proxy()
            .resolve("localhost", ([127, 0, 0, 1], 0).into())
            .tls_certs_only([reqwest::Certificate::from_der(&self.certificate).unwrap()])
            .build()
            .unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    async fn wait_for_connections(&self, expected: i64) {
        within(async {
            while self.world.metrics.connections() != expected {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it hangs")
}

struct Client(TlsStream<TcpStream>);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// The body of one answer, by its `Content-Length`.
    async fn receive(&mut self) -> Vec<u8> {
        within(async {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(self.0.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            self.0.read_exact(&mut body).await.unwrap();
            body
        })
        .await
    }

    async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        drop(within(self.0.read_to_end(&mut rest)).await); // a reset is an end too
        rest
    }
}

#[tokio::test]
async fn a_handshake_that_stalls_is_cut() {
    let server = Server::start(Limits { handshake: Duration::from_millis(100), ..Limits::default() });
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut begun = TcpStream::connect(server.address).await.unwrap();
    begun.write_all(&[22, 3, 1, 0, 200]).await.unwrap();
    for stream in [&mut silent, &mut begun] {
        let mut rest = Vec::new();
        drop(within(stream.read_to_end(&mut rest)).await);
        assert_eq!(rest, b"");
    }
    server.wait_for_connections(0).await;
}

#[tokio::test]
async fn requests_follow_each_other_pipelined_or_not() {
    let server = Server::start(Limits::default());
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send(EMPTY).await;
        assert_eq!(client.receive().await, b"[]\n");
        tokio::time::sleep(Duration::from_millis(5)).await; // the server has put it aside
    }
    // several in one record, one in two, and two records in one packet
    client.send(&format!("{EMPTY}{EMPTY}GET /jo")).await;
    assert_eq!(client.receive().await, b"[]\n");
    assert_eq!(client.receive().await, b"[]\n");
    client.send("bs/a/targets?collector_id=x HTTP/1.1\r\nHost: t\r\n\r\n").await;
    assert_eq!(client.receive().await, b"[]\n");
    client.0.write_all(EMPTY.as_bytes()).await.unwrap();
    client.send(EMPTY).await;
    assert_eq!(client.receive().await, b"[]\n");
    assert_eq!(client.receive().await, b"[]\n");
    assert_eq!(server.world.metrics.connections(), 1);
    client.send(BIG).await;
    assert!(client.receive().await.len() > 30_000_000);
    drop(client);
    server.wait_for_connections(0).await;
}

#[tokio::test]
async fn heads_that_dribble_and_idle_connections_are_cut() {
    let short = Duration::from_millis(100);
    let server = Server::start(Limits { header_read: short, idle: short, ..Limits::default() });
    let mut idle = server.connect().await;
    assert_eq!(idle.rest().await, b"");
    let mut slow = server.connect().await;
    let dribble = async {
        while slow.0.write_all(b"G").await.is_ok() && slow.0.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(dribble).await;
    server.wait_for_connections(0).await;
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_in_either_protocol() {
    let server = Server::start(Limits { write: Duration::from_millis(200), ..Limits::default() });
    let mut client = server.connect().await;
    client.send(BIG).await;
    server.wait_for_connections(1).await;
    server.wait_for_connections(0).await;

    let http2 = server.http2();
    let stuck = http2.get(server.url("/jobs/a/targets?collector_id=c")).send().await.unwrap();
    assert_eq!(stuck.version(), reqwest::Version::HTTP_2);
    server.wait_for_connections(0).await;
    drop(stuck);
}

#[tokio::test]
async fn http_2_serves_many_at_once_and_ends_when_idle() {
    let server = Server::start(Limits { idle: Duration::from_millis(300), ..Limits::default() });
    let http2 = server.http2();
    let ask = |path: &str| http2.get(server.url(path)).send();
    assert_eq!(ask("/livez").await.unwrap().status(), 200);
    let answers = futures::future::join_all((0..50).map(|_| ask("/jobs/a/targets?collector_id=x"))).await;
    for answer in answers {
        assert_eq!(answer.unwrap().text().await.unwrap(), "[]\n");
    }
    let big = ask("/jobs/a/targets?collector_id=c").await.unwrap().bytes().await.unwrap();
    assert!(big.len() > 30_000_000 && big.ends_with(b"]\n"));
    server.wait_for_connections(0).await;
}

#[tokio::test]
async fn draining_finishes_what_is_in_flight_and_closes_the_rest() {
    let mut server = Server::start(Limits::default());
    let (mut idle, mut busy) = (server.connect().await, server.connect().await);
    idle.send(EMPTY).await;
    idle.receive().await;
    busy.send(BIG).await;
    // the answer has begun
    assert_eq!(within(busy.0.read_u8()).await.unwrap(), b'H');
    server.stop.take().unwrap().send(()).unwrap();
    assert_eq!(idle.rest().await, b"");
    assert!(busy.receive().await.len() > 30_000_000);
    assert_eq!(busy.rest().await, b"");
    assert_eq!(within(server.task).await.unwrap(), 0);
}
