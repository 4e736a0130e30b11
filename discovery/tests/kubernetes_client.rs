//! Connections: where their settings come from, and what they send.
#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

mod common;
mod mock_api;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use common::server::{Script, Seen, Server, answer, json};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use mock_api::{Things, key, list, thing};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::PrivateKeyDer;
use ta_discovery::{
    Cluster, KubeError, KubeSettings, Kubernetes, Scope, ServiceAccount, Status, Subscription, WatchSettings, Watches,
};
use ta_model::Secret;
use ta_model::scrape_config::{AttachMetadata, BasicAuth, HttpClientConfig, KubernetesRole, KubernetesSdConfig};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

fn mk_kubernetes(settings: KubeSettings) -> (Kubernetes, Arc<Status>) {
    let status = Arc::new(Status::default());
    let watching =
        WatchSettings { first_retry: Duration::from_millis(10), streaming_lists: false, ..WatchSettings::default() };
    (Kubernetes::new(Watches::new(status.clone(), watching), settings), status)
}

fn mk_settings(kube_config_file: &Path) -> KubeSettings {
    KubeSettings {
        kube_config_file: kube_config_file.to_str().unwrap().to_owned(),
        service_account: outside(),
        ..KubeSettings::default()
    }
}

fn outside() -> ServiceAccount {
    ServiceAccount { host: String::new(), port: String::new(), directory: "/nonexistent".into() }
}

fn mk_sd(api_server: &str, http: HttpClientConfig) -> KubernetesSdConfig {
    KubernetesSdConfig {
        api_server: api_server.to_owned(),
        role: KubernetesRole::Pod,
        kubeconfig_file: String::new(),
        http,
        own_namespace: false,
        namespaces: vec![],
        selectors: vec![],
        attach_metadata: AttachMetadata::default(),
    }
}

fn mk_file(directory: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

/// A kubeconfig for `server` with a user of these keys.
fn mk_kubeconfig(directory: &TempDir, server: &str, user: &str) -> PathBuf {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
         contexts: [{{name: here, context: {{cluster: c, user: u, namespace: mine}}}}]\n\
         clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
    );
    mk_file(directory, "kubeconfig", &text)
}

fn one_thing(seen: &Seen) -> Response {
    match seen.uri.contains("watch=true") {
        true => json(axum::body::Body::from_stream(futures::stream::pending::<Result<String, std::io::Error>>())),
        false => json(list(10, "", &[thing("a", 1, 1)])),
    }
}

/// Waits for the first list.
async fn synced(kubernetes: &Kubernetes, cluster: &Cluster) -> Subscription<Things> {
    let bell = Arc::new(Notify::new());
    let subscription = kubernetes.watches.subscribe::<Things>(cluster, Scope::default(), bell.clone());
    let ringing = async {
        while !subscription.synced() {
            bell.notified().await;
        }
    };
    let wait = tokio::time::timeout(Duration::from_secs(30), ringing).await;
    wait.unwrap_or_else(|_| panic!("{:?}", subscription.condition()));
    subscription
}

#[tokio::test]
async fn a_kubeconfig_says_where_the_server_is_and_who_we_are() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(one_thing).await;
    let path = mk_kubeconfig(&directory, &server.url("/prefix/"), "token: abc");
    let (kubernetes, _) = mk_kubernetes(mk_settings(&path));
    let cluster = kubernetes.cluster().unwrap();
    assert_eq!(&**cluster.name(), server.url("/prefix"));
    assert_eq!(cluster.kubeconfig_file(), path.to_str().unwrap());
    assert_eq!(&*cluster.own_namespace().unwrap(), "mine");
    assert!(server.script.seen().is_empty(), "nobody has subscribed");
    let subscription = synced(&kubernetes, &cluster).await;
    assert!(subscription.get(&key("a")).is_some());
    let seen = server.script.seen()[0].clone();
    assert_eq!(seen.uri, "/prefix/apis/test.io/v1/things?limit=500&resourceVersion=0");
    assert_eq!(seen.header("authorization"), "Bearer abc");
    assert_eq!((seen.header("accept"), seen.header("accept-encoding")), ("application/json", ""));
    assert!(seen.header("user-agent").starts_with("target-allocator/"));
}

#[tokio::test]
async fn a_token_that_was_rotated_on_disk_is_read_again_after_one_refusal() {
    let directory = TempDir::new().unwrap();
    let token = mk_file(&directory, "token", "old");
    let rotated = token.clone();
    let server = Server::start(move |seen| match seen.header("authorization") {
        "Bearer new" => one_thing(seen),
        _ => {
            fs::write(&rotated, "new").unwrap();
            answer(StatusCode::UNAUTHORIZED, &[], r#"{"kind":"Status","code":401,"message":"Unauthorized"}"#)
        }
    })
    .await;
    let user = format!("tokenFile: '{}'", token.display());
    let (kubernetes, status) = mk_kubernetes(mk_settings(&mk_kubeconfig(&directory, &server.url(""), &user)));
    let _subscription = synced(&kubernetes, &kubernetes.cluster().unwrap()).await;
    assert_eq!(status.watches()[0].errors, 1);
    assert_eq!(status.watches()[0].last_error, "401 Unauthorized: Unauthorized");
}

#[tokio::test]
async fn a_plugin_is_asked_for_the_token_and_one_that_fails_is_named() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(one_thing).await;
    let credential =
        r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"from-plugin"}}"#;
    let plugin = mk_file(&directory, "plugin", credential);
    let user = |command: &str| {
        format!(
            "exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: {command}, \
             args: ['{}']}}",
            plugin.display()
        )
    };
    let (kubernetes, _) = mk_kubernetes(mk_settings(&mk_kubeconfig(&directory, &server.url(""), &user("cat"))));
    let _subscription = synced(&kubernetes, &kubernetes.cluster().unwrap()).await;
    assert_eq!(server.script.seen()[0].header("authorization"), "Bearer from-plugin");

    for (plugin, expected) in [
        ("no-such-plugin", r#"exec plugin "no-such-plugin" of the kubeconfig cannot be run: No such file"#),
        ("rmdir", r#"exec plugin "rmdir" of the kubeconfig failed with exit status: 1: rmdir: "#),
        ("echo", r#"exec plugin "echo" of the kubeconfig gave no ExecCredential"#),
    ] {
        let path = mk_kubeconfig(&directory, &server.url(""), &user(plugin));
        let (kubernetes, status) = mk_kubernetes(mk_settings(&path));
        let cluster = kubernetes.cluster().unwrap();
        let _subscription = kubernetes.watches.subscribe::<Things>(&cluster, Scope::default(), Arc::default());
        common::until("a failure", || !status.watches()[0].last_error.is_empty()).await;
        let error = &status.watches()[0].last_error;
        assert!(error.starts_with(expected), "{error}");
    }
}

#[tokio::test]
async fn a_kubeconfig_that_cannot_be_opened_means_in_cluster_and_without_one_says_what_to_do() {
    let directory = TempDir::new().unwrap();
    let missing = directory.path().join("none");
    let error = mk_kubernetes(mk_settings(&missing)).0.cluster().unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("KUBERNETES_SERVICE_HOST is not set"), "{text}");
    assert!(text.contains(missing.to_str().unwrap()) && text.contains("--kubeconfig-path"), "{text}");

    mk_file(&directory, "token", "abc");
    mk_file(&directory, "namespace", "pods-own\n");
    let account = ServiceAccount { host: "fd00::1".into(), port: "443".into(), directory: directory.path().into() };
    for file in [missing.as_path(), Path::new("")] {
        let (kubernetes, _) = mk_kubernetes(KubeSettings { service_account: account.clone(), ..mk_settings(file) });
        let cluster = kubernetes.cluster().unwrap();
        assert_eq!(&**cluster.name(), "https://[fd00::1]:443");
        assert_eq!((cluster.kubeconfig_file(), &*cluster.own_namespace().unwrap()), ("", "pods-own"));
        assert_eq!(cluster, kubernetes.cluster_for(&mk_sd("", HttpClientConfig::default())).unwrap());
    }
}

#[tokio::test]
async fn a_service_account_that_is_not_whole_is_named() {
    let directory = TempDir::new().unwrap();
    let mut account = ServiceAccount { host: "h".into(), port: "443".into(), directory: directory.path().into() };
    let cluster = |account: &ServiceAccount| {
        let settings = KubeSettings { service_account: account.clone(), ..mk_settings(Path::new("")) };
        mk_kubernetes(settings).0.cluster()
    };
    let text = cluster(&account).unwrap_err().to_string();
    assert!(text.contains("/token of the service account") && text.contains("automountServiceAccountToken"), "{text}");
    mk_file(&directory, "token", "abc");
    let own_namespace = cluster(&account).unwrap().own_namespace();
    assert!(matches!(own_namespace, Err(KubeError::OwnNamespace { .. })));
    account.port = "https".into();
    let text = cluster(&account).unwrap_err().to_string();
    assert!(text.starts_with(r#"KUBERNETES_SERVICE_HOST="h" and KUBERNETES_SERVICE_PORT="https" make no"#), "{text}");
}

#[tokio::test]
async fn a_bad_kubeconfig_is_an_error_that_shows_no_secret() {
    let directory = TempDir::new().unwrap();
    let no_context = "apiVersion: v1\nkind: Config\nclusters: []\n";
    let wrong_context = "apiVersion: v1\nkind: Config\ncurrent-context: there\n";
    let broken = "apiVersion: v1\nusers:\n- name: u\n  user: {token: s3cr3t\nclusters: x\n";
    for (text, expected) in [
        (no_context, "has no current-context; set one, or use another file"),
        (wrong_context, r#"has no context "there", which current-context names"#),
        (broken, "is no kubeconfig: line "),
        ("\u{0}", "is no kubeconfig"),
    ] {
        let path = mk_file(&directory, "kubeconfig", text);
        let error = mk_kubernetes(mk_settings(&path)).0.cluster().unwrap_err().to_string();
        let start = format!("kubeconfig {}: {expected}", path.display());
        assert!(error.starts_with(&start) && !error.contains("s3cr3t"), "{error}");
    }
}

#[tokio::test]
async fn an_api_server_of_an_sd_config_is_asked_with_the_keys_of_that_config() {
    let server = Server::start(one_thing).await;
    let (kubernetes, _) = mk_kubernetes(mk_settings(Path::new("/nonexistent")));
    let basic_auth = BasicAuth { username: "u".into(), password: Secret::new("p"), ..BasicAuth::default() };
    let http = HttpClientConfig { basic_auth: Some(basic_auth), ..HttpClientConfig::default() };
    let sd = mk_sd(&server.url("/k8s/c-1"), http);
    let cluster = kubernetes.cluster_for(&sd).unwrap();
    let subscription = synced(&kubernetes, &cluster).await;
    assert!(subscription.get(&key("a")).is_some());
    let seen = server.script.seen()[0].clone();
    assert_eq!(seen.uri, "/k8s/c-1/apis/test.io/v1/things?limit=500&resourceVersion=0");
    assert_eq!(seen.header("authorization"), "Basic dTpw");
    assert_eq!(seen.header("accept"), "application/json");
    assert!(seen.header("user-agent").starts_with("target-allocator/"));
    assert!(cluster.own_namespace().is_err());
}

#[tokio::test]
async fn equal_settings_share_a_connection_and_others_do_not() {
    let directory = TempDir::new().unwrap();
    let (kubernetes, _) = mk_kubernetes(mk_settings(&mk_kubeconfig(&directory, "http://127.0.0.1:1", "token: abc")));
    let sd = mk_sd("https://u:s3cr3t@h", HttpClientConfig::default());
    let one = kubernetes.cluster_for(&sd).unwrap();
    assert_eq!(&**one.name(), "https://h");
    assert_eq!(one, kubernetes.cluster_for(&KubernetesSdConfig { role: KubernetesRole::Node, ..sd.clone() }).unwrap());
    let http = HttpClientConfig { follow_redirects: false, ..HttpClientConfig::default() };
    assert_ne!(one, kubernetes.cluster_for(&KubernetesSdConfig { http, ..sd }).unwrap());

    let own = kubernetes.cluster().unwrap();
    assert_eq!(own, kubernetes.cluster_for(&mk_sd("", HttpClientConfig::default())).unwrap());
    let file = own.kubeconfig_file().to_owned();
    let named = KubernetesSdConfig { kubeconfig_file: file, ..mk_sd("", HttpClientConfig::default()) };
    assert_eq!(own, kubernetes.cluster_for(&named).unwrap());
}

#[tokio::test]
async fn a_pod_trusts_the_authority_and_sends_the_token_of_its_service_account() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let script = Script::new(one_thing);
    let port = serve_tls(&script, &certificate, &key).await;
    let directory = TempDir::new().unwrap();
    mk_file(&directory, "token", "abc\n");
    let account =
        ServiceAccount { host: "127.0.0.1".into(), port: port.to_string(), directory: directory.path().into() };
    let settings = KubeSettings { service_account: account, ..mk_settings(Path::new("")) };
    mk_file(&directory, "ca.crt", &certificate.pem());
    let (kubernetes, _) = mk_kubernetes(settings);
    let _subscription = synced(&kubernetes, &kubernetes.cluster().unwrap()).await;
    assert_eq!(script.seen()[0].header("authorization"), "Bearer abc");
}

async fn serve_tls(script: &Script, certificate: &rcgen::Certificate, key: &KeyPair) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let (acceptor, router) = (TlsAcceptor::from(Arc::new(config)), script.router());
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (acceptor, router) = (acceptor.clone(), router.clone());
            tokio::spawn(async move {
                let Ok(socket) = acceptor.accept(socket).await else { return };
                let service = TowerToHyperService::new(router);
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                server.serve_connection(TokioIo::new(socket), service).await.ok();
            });
        }
    });
    port
}
