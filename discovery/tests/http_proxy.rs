//! Requests through a proxy: plain ones, tunnels, and those that go past it.
#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

mod common;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use common::Discovery;
use common::server::{Server, mk_http, one};
use ta_discovery::ProxyEnvironment;
use ta_model::Secret;
use ta_model::scrape_config::{HttpClientConfig, OAuth2, ProxyConfig, TlsConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that tunnels to where it is told, and answers plain requests itself.
struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// `body` is what it answers to plain requests.
    async fn start(body: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), heads: Arc::default() };
        let heads = proxy.heads.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, heads.clone(), body));
            }
        });
        proxy
    }

    /// The first line and the headers of the last request, in small letters.
    fn last(&self) -> String {
        self.heads.lock().unwrap().last().cloned().unwrap_or_default()
    }

    fn config(&self) -> ProxyConfig {
        ProxyConfig {
            proxy_url: Secret::new(format!("http://Aladdin:open%20sesame@{}", self.address)),
            ..ProxyConfig::default()
        }
    }
}

async fn serve(mut stream: TcpStream, heads: Arc<Mutex<Vec<String>>>, body: &str) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    heads.lock().unwrap().push(head.clone());
    let Some(target) = head.strip_prefix("connect ").and_then(|rest| rest.split(' ').next()) else {
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        return stream.write_all(answer.as_bytes()).await.unwrap();
    };
    let mut target = TcpStream::connect(target).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    drop(copy_bidirectional(&mut stream, &mut target).await);
}

const PROXIED: &str = r#"[{"targets": ["proxied:1"]}]"#;
const CREDENTIALS: &str = "proxy-authorization: basic qwxhzgrpbjpvcgvuihnlc2ftzq==\r\n"; // in small letters

fn start(url: &str, proxy: ProxyConfig) -> Discovery {
    let http = HttpClientConfig { proxy, ..HttpClientConfig::default() };
    Discovery::start(vec![("a", vec![mk_http(url, http)])])
}

fn with_header(mut proxy: ProxyConfig) -> ProxyConfig {
    proxy.proxy_connect_header = [("X-Tunnel".to_owned(), vec![Secret::new("t1"), Secret::new("t2")])].into();
    proxy
}

#[tokio::test]
async fn a_plain_request_names_its_whole_url_to_the_proxy() {
    let proxy = Proxy::start(PROXIED).await;
    let discovery = start("http://sd.invalid/x?y=z", with_header(proxy.config()));
    discovery.sink.until_addresses("a", &["proxied:1"]).await;
    let head = proxy.last();
    assert!(head.starts_with("get http://sd.invalid/x?y=z http/1.1\r\n"), "{head}");
    assert!(head.contains("host: sd.invalid\r\n") && head.contains(CREDENTIALS), "{head}");
    assert!(!head.contains("x-tunnel"), "only tunnels carry proxy_connect_header: {head}");
}

#[tokio::test]
async fn https_goes_through_a_tunnel_that_carries_the_connect_header() {
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let address = start_tls(&cert, &key).await;
    let proxy = Proxy::start(PROXIED).await;
    let tls = TlsConfig { ca: cert.pem(), ..TlsConfig::default() };
    let http = HttpClientConfig { proxy: with_header(proxy.config()), tls, ..HttpClientConfig::default() };
    let discovery = Discovery::start(vec![("a", vec![mk_http(&format!("https://{address}/"), http)])]);
    discovery.sink.until_addresses("a", &["tunnelled:1"]).await;
    let head = proxy.last();
    assert!(head.starts_with(&format!("connect {address} http/1.1\r\n")), "{head}");
    assert!(head.contains(CREDENTIALS) && head.contains("x-tunnel: t1\r\nx-tunnel: t2\r\n"), "{head}");
}

/// A TLS server that answers every request the same.
async fn start_tls(cert: &rcgen::Certificate, key: &rcgen::KeyPair) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let body = r#"[{"targets": ["tunnelled:1"]}]"#;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
            let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
            drop(stream.read(&mut [0; 4096]).await);
            drop(stream.write_all(answer.as_bytes()).await);
            drop(stream.shutdown().await);
        }
    });
    address
}

#[tokio::test]
async fn no_proxy_and_loopback_go_past_the_proxy() {
    let proxy = Proxy::start(PROXIED).await;
    let server = Server::start(|_| one("direct:1")).await;
    // without no_proxy even loopback is proxied (Go: http.ProxyURL)
    start(&server.url("/"), proxy.config()).sink.until_addresses("a", &["proxied:1"]).await;
    let elsewhere = ProxyConfig { no_proxy: "other.invalid".to_owned(), ..proxy.config() };
    start(&server.url("/"), elsewhere.clone()).sink.until_addresses("a", &["direct:1"]).await;
    start("http://sd.invalid/", elsewhere).sink.until_addresses("a", &["proxied:1"]).await;
    let direct = ProxyConfig { no_proxy: "10.0.0.0/8, .invalid".to_owned(), ..proxy.config() };
    start("http://sd.invalid/", direct).until_error("request to http://sd.invalid/ failed").await;
}

#[tokio::test]
async fn the_environment_is_used_only_if_the_config_says_so() {
    let proxy = Proxy::start(PROXIED).await;
    let http_proxy = proxy.address.to_string(); // without a scheme
    let environment = ProxyEnvironment::from_lookup(|name| (name == "HTTP_PROXY").then(|| http_proxy.clone()));
    let start = |proxy_from_environment| {
        let proxy = ProxyConfig { proxy_from_environment, ..ProxyConfig::default() };
        let http = HttpClientConfig { proxy, ..HttpClientConfig::default() };
        let jobs = vec![("a", vec![mk_http("http://sd.invalid/", http)])];
        Discovery::start_with(jobs, |sources| sources.environment = environment.clone())
    };
    start(true).sink.until_addresses("a", &["proxied:1"]).await;
    start(false).until_error("request to http://sd.invalid/ failed").await;
}

#[tokio::test]
async fn tokens_come_through_the_proxy_of_oauth2() {
    let proxy = Proxy::start(r#"{"access_token": "t"}"#).await;
    let server = Server::start(|_| one("x:1")).await;
    let oauth2 = OAuth2 {
        client_id: "c".to_owned(),
        token_url: "http://token.invalid/".to_owned(),
        proxy: proxy.config(),
        ..OAuth2::default()
    };
    let http = HttpClientConfig { oauth2: Some(Box::new(oauth2)), ..HttpClientConfig::default() };
    let discovery = Discovery::start(vec![("a", vec![mk_http(&server.url("/"), http)])]);
    discovery.sink.until_addresses("a", &["x:1"]).await;
    assert!(proxy.last().starts_with("post http://token.invalid/ http/1.1\r\n"), "{}", proxy.last());
    assert_eq!(server.script.last().header("authorization"), "Bearer t");
}

#[tokio::test]
async fn a_dead_proxy_is_an_error_that_hides_its_password() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for scheme in ["http", "socks5"] {
        let proxy_url = Secret::new(format!("{scheme}://user:hunter2@{address}"));
        let proxy = ProxyConfig { proxy_url, ..ProxyConfig::default() };
        let discovery = start("http://sd.invalid/", proxy);
        discovery.until_error("request to http://sd.invalid/ failed").await;
        assert!(!discovery.provider().last_error.contains("hunter2"), "{}", discovery.provider().last_error);
    }
}
