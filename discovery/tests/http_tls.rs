//! `tls_config` against real TLS servers.
#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

mod common;

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::http::Version;
use common::server::{Script, mk_http, one};
use common::{Discovery, until};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use ta_discovery::check_http_client;
use ta_model::Secret;
use ta_model::scrape_config::{HttpClientConfig, OAuth2, TlsConfig};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Certificate and key as PEM.
#[derive(Clone)]
struct Pem {
    cert: String,
    key: String,
}

struct Authority {
    pem: Pem,
    issuer: Issuer<'static, KeyPair>,
}

fn mk_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

fn mk_authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = mk_key();
    let pem = Pem { cert: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() };
    Authority { pem, issuer: Issuer::new(params, key) }
}

impl Authority {
    fn issue(&self, names: &[&str]) -> Pem {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = mk_key();
        let cert = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        Pem { cert: cert.pem(), key: key.serialize_pem() }
    }
}

/// A TLS server whose certificate can be changed.
struct TlsServer {
    address: SocketAddr,
    script: Script,
    acceptor: Arc<Mutex<TlsAcceptor>>,
}

fn mk_acceptor(own: &Pem, client_ca: Option<&Pem>, versions: &[&'static SupportedProtocolVersion]) -> TlsAcceptor {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions).unwrap();
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(ca.cert.as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(own.cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

impl TlsServer {
    async fn start(own: &Pem) -> Self {
        Self::start_with(mk_acceptor(own, None, rustls::ALL_VERSIONS)).await
    }

    async fn start_with(acceptor: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            script: Script::new(|_| one("x:1")),
            acceptor: Arc::new(Mutex::new(acceptor)),
        };
        let (router, acceptor) = (server.script.router(), server.acceptor.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, router) = (acceptor.lock().unwrap().clone(), router.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let http = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    drop(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await);
                });
            }
        });
        server
    }

    fn url(&self) -> String {
        format!("https://{}/", self.address)
    }
}

fn with_tls(tls: TlsConfig) -> HttpClientConfig {
    HttpClientConfig { tls, ..HttpClientConfig::default() }
}

fn trusting(ca: &Pem) -> TlsConfig {
    TlsConfig { ca: ca.cert.clone(), ..TlsConfig::default() }
}

fn start(server: &TlsServer, tls: TlsConfig) -> Discovery {
    Discovery::start(vec![("a", vec![mk_http(&server.url(), with_tls(tls))])])
}

async fn succeeds(server: &TlsServer, tls: TlsConfig) {
    start(server, tls).sink.until_addresses("a", &["x:1"]).await;
}

#[tokio::test]
async fn a_server_is_trusted_by_its_ca_only() {
    let (ca, other) = (mk_authority("ca"), mk_authority("other"));
    let server = TlsServer::start(&ca.issue(&["127.0.0.1"])).await;
    succeeds(&server, trusting(&ca.pem)).await;
    let both = TlsConfig { ca: format!("{}{}", other.pem.cert, ca.pem.cert), ..TlsConfig::default() };
    succeeds(&server, both).await;
    start(&server, trusting(&other.pem)).until_error("invalid peer certificate").await;
    start(&server, TlsConfig::default()).until_error("request to https://").await;
    succeeds(&server, TlsConfig { insecure_skip_verify: true, ..TlsConfig::default() }).await;
}

#[tokio::test]
async fn the_certificate_must_be_for_the_host_or_for_the_server_name() {
    let ca = mk_authority("ca");
    let server = TlsServer::start(&ca.issue(&["sd.example"])).await;
    start(&server, trusting(&ca.pem)).until_error("invalid peer certificate").await;
    succeeds(&server, TlsConfig { server_name: "sd.example".to_owned(), ..trusting(&ca.pem) }).await;
    let wrong = TlsConfig { server_name: "other.example".to_owned(), ..trusting(&ca.pem) };
    start(&server, wrong).until_error("invalid peer certificate").await;
}

#[tokio::test]
async fn a_self_signed_certificate_may_be_its_own_ca() {
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.is_ca = is_ca;
        let key = mk_key();
        let own = Pem { cert: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() };
        let server = TlsServer::start(&own).await;
        succeeds(&server, trusting(&own)).await;
        let named = TlsConfig { server_name: "other.example".to_owned(), ..trusting(&own) };
        start(&server, named).until_error("invalid peer certificate").await;
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_its_files_are_read_again() {
    let (ca, client_ca, wrong_ca) = (mk_authority("ca"), mk_authority("client ca"), mk_authority("wrong ca"));
    let acceptor = mk_acceptor(&ca.issue(&["127.0.0.1"]), Some(&client_ca.pem), rustls::ALL_VERSIONS);
    let server = TlsServer::start_with(acceptor).await;
    start(&server, trusting(&ca.pem)).until_error("request to https://").await;
    assert_eq!(server.script.seen().len(), 0);

    let inline = client_ca.issue(&["client"]);
    let tls = TlsConfig { cert: inline.cert, key: Secret::new(inline.key), ..trusting(&ca.pem) };
    succeeds(&server, tls).await;

    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let put = |pem: &Pem| {
        fs::write(path("cert"), &pem.cert).unwrap();
        fs::write(path("key"), &pem.key).unwrap();
    };
    put(&wrong_ca.issue(&["client"]));
    let tls = TlsConfig { cert_file: path("cert"), key_file: path("key"), ..trusting(&ca.pem) };
    let discovery = start(&server, tls);
    discovery.until_error("request to https://").await;
    put(&client_ca.issue(&["client"]));
    discovery.sink.until_addresses("a", &["x:1"]).await;

    fs::write(path("key"), mk_key().serialize_pem()).unwrap();
    discovery.until_error("tls_config: ").await; // the key is not the certificate's
    fs::write(path("key"), "no key").unwrap();
    discovery.until_error("bad PEM private key").await;
    fs::remove_file(path("key")).unwrap();
    discovery.until_error("unable to read client key file").await;
    discovery.sink.read(|told| assert_eq!(told.addresses("a").len(), 1));
}

#[tokio::test]
async fn a_new_ca_file_and_a_new_server_certificate_go_together() {
    let (old, new) = (mk_authority("old"), mk_authority("new"));
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("ca.crt").to_str().unwrap().to_owned();
    fs::write(&file, &old.pem.cert).unwrap();
    let server = TlsServer::start(&old.issue(&["127.0.0.1"])).await;
    let discovery = start(&server, TlsConfig { ca_file: file.clone(), ..TlsConfig::default() });
    discovery.sink.until_addresses("a", &["x:1"]).await;

    *server.acceptor.lock().unwrap() = mk_acceptor(&new.issue(&["127.0.0.1"]), None, rustls::ALL_VERSIONS);
    fs::write(&file, &new.pem.cert).unwrap();
    server.script.answer(|_| one("y:1")); // also over the old connection, should it still be used
    discovery.sink.until_addresses("a", &["y:1"]).await;
    fs::write(&file, "nothing").unwrap();
    discovery.until_error("no PEM certificate").await;
    fs::write(&file, &old.pem.cert).unwrap();
    discovery.until_error("invalid peer certificate").await; // no pooled connection outlives its CA
}

#[tokio::test]
async fn versions_are_bounded_from_both_sides() {
    let ca = mk_authority("ca");
    let own = ca.issue(&["127.0.0.1"]);
    let tls13 = TlsServer::start_with(mk_acceptor(&own, None, &[&rustls::version::TLS13])).await;
    let tls12 = TlsServer::start_with(mk_acceptor(&own, None, &[&rustls::version::TLS12])).await;
    let mk = |min: &str, max: &str| TlsConfig {
        min_version: min.to_owned(),
        max_version: max.to_owned(),
        ..trusting(&ca.pem)
    };
    for (server, tls) in [(&tls13, mk("TLS10", "")), (&tls12, mk("", "TLS13")), (&tls12, mk("TLS12", "TLS12"))] {
        succeeds(server, tls).await;
    }
    start(&tls13, mk("", "TLS12")).until_error("request to https://").await;
    start(&tls12, mk("TLS13", "")).until_error("request to https://").await;
}

#[tokio::test]
async fn http2_is_used_unless_switched_off() {
    let ca = mk_authority("ca");
    let server = TlsServer::start(&ca.issue(&["127.0.0.1"])).await;
    succeeds(&server, trusting(&ca.pem)).await;
    assert_eq!(server.script.last().version, Version::HTTP_2);
    let http = HttpClientConfig { enable_http2: false, ..with_tls(trusting(&ca.pem)) };
    let discovery = Discovery::start(vec![("a", vec![mk_http(&server.url(), http)])]);
    until("HTTP/1.1", || server.script.last().version == Version::HTTP_11).await;
    drop(discovery);
}

#[tokio::test]
async fn the_token_server_has_tls_settings_of_its_own() {
    let (ca, token_ca) = (mk_authority("ca"), mk_authority("token ca"));
    let server = TlsServer::start(&ca.issue(&["127.0.0.1"])).await;
    let tokens = TlsServer::start(&token_ca.issue(&["127.0.0.1"])).await;
    tokens.script.answer(|_| common::server::json(r#"{"access_token": "t"}"#));
    let mk = |tls| OAuth2 { client_id: "c".to_owned(), token_url: tokens.url(), tls, ..OAuth2::default() };
    let with = |oauth2| HttpClientConfig { oauth2: Some(Box::new(oauth2)), ..with_tls(trusting(&ca.pem)) };
    let bad = Discovery::start(vec![("a", vec![mk_http(&server.url(), with(mk(trusting(&ca.pem))))])]);
    bad.until_error("invalid peer certificate").await;
    let good = Discovery::start(vec![("a", vec![mk_http(&server.url(), with(mk(trusting(&token_ca.pem))))])]);
    good.sink.until_addresses("a", &["x:1"]).await;
    assert_eq!(server.script.last().header("authorization"), "Bearer t");
}

#[test]
fn what_can_never_work_is_refused_without_a_connection() {
    let tls = |change: fn(&mut TlsConfig)| {
        let mut tls = TlsConfig::default();
        change(&mut tls);
        check_http_client(&with_tls(tls)).unwrap_err().to_string()
    };
    assert!(tls(|tls| tls.max_version = "TLS11".to_owned()).contains("TLS12 and TLS13"));
    assert!(
        tls(|tls| (tls.min_version, tls.max_version) = ("TLS13".to_owned(), "TLS12".to_owned())).contains("no version")
    );
    assert!(tls(|tls| tls.min_version = "SSL3".to_owned()).contains("unknown TLS version"));
    assert!(tls(|tls| tls.ca_ref = "x".to_owned()).contains("tls_config.ca_ref"));
    assert!(tls(|tls| tls.server_name = "not a name".to_owned()).contains("server_name"));
    assert!(check_http_client(&HttpClientConfig::default()).is_ok());
}
