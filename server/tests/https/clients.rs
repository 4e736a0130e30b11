//! Who gets in.

use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, date_time_ymd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::pki::{Authority, Pem, testdata};
use crate::program::{Mounted, Running, curl, try_start, until};

const OK: &str = "opentelemetry_allocator_tls_handshakes_total{result=\"ok\"}";
const NONE: &str = "opentelemetry_allocator_tls_handshakes_total{result=\"no_certificate\"}";
const BAD: &str = "opentelemetry_allocator_tls_handshakes_total{result=\"bad_certificate\"}";
const FAILED: &str = "opentelemetry_allocator_tls_handshakes_total{result=\"failed\"}";

struct World {
    ca: Authority,
    running: Running,
    _mounted: Mounted,
}

async fn mk_world() -> World {
    let ca = Authority::new("the CA");
    let mounted = Mounted::new(&ca.pem.cert, &ca.server());
    let running = Running::start(&mounted).await;
    World { ca, running, _mounted: mounted }
}

impl World {
    async fn admits(&self, client: &Pem) -> bool {
        self.running.status(&self.ca, client).await == 200
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_the_ca_get_in_and_no_others() {
    let world = mk_world().await;
    let ca = &world.ca;
    assert!(world.admits(&ca.client()).await);
    assert!(world.admits(&ca.issue(|_| {})).await, "without extended key usage it is for anything");
    assert!(world.admits(&ca.issue(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))).await);
    assert_eq!(world.running.metric(OK).await, Some(3.0));

    assert!(world.running.ask(ca, None, "/livez").await.is_err());
    assert_eq!(world.running.metric(NONE).await, Some(1.0));

    let stranger = Authority::new("a stranger");
    let namesake = Authority::new("the CA");
    for (what, client) in [
        ("of another CA", stranger.client()),
        ("of another CA by the same name", namesake.client()),
        ("for servers", ca.server()),
        ("for mail", ca.issue(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection])),
        ("expired", ca.issue(|params| params.not_after = date_time_ymd(2020, 1, 1))),
        ("not valid yet", ca.issue(|params| params.not_before = date_time_ymd(2120, 1, 1))),
    ] {
        assert!(!world.admits(&client).await, "{what}");
    }
    assert_eq!(world.running.metric(BAD).await, Some(6.0));
    world.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intermediates_come_from_the_client() {
    let world = mk_world().await;
    let one = world.ca.intermediate("one");
    let two = one.intermediate("two");
    let client = two.client();
    assert!(!world.admits(&client).await);
    let chain = [&client.cert, &one.pem.cert, &two.pem.cert].map(String::as_str).concat();
    assert!(world.admits(&Pem { cert: chain, key: client.key.clone() }).await);
    let broken = [&client.cert, &two.pem.cert].map(String::as_str).concat();
    assert!(!world.admits(&Pem { cert: broken, key: client.key }).await);
    world.running.stop().await;
}

/// `curl` with a client certificate of `testdata/tls`.
fn as_client(name: &str, more: &[&str]) -> Vec<String> {
    let path = |file: String| testdata(&file).display().to_string();
    let files = ["--cacert".into(), path("ca.crt".into()), "--cert".into(), path(format!("{name}.crt"))];
    let key = ["--key".into(), path(format!("{name}.key"))];
    files.into_iter().chain(key).chain(more.iter().map(|arg| (*arg).to_owned())).collect()
}

/// Certificates as `openssl x509 -req` makes them, of upstream's end-to-end test among others; rustls alone refuses them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_version_1_are_as_good_as_others() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, cert, key) = (testdata("ca.crt"), testdata("server-v1.crt"), testdata("server-v1.key"));
    let running = Running::with_files(dir.path(), [&ca, &cert, &key]).await;
    for client in ["client-v1-ec", "client-v1-rsa"] {
        for version in ["--tls-max 1.2", "--tlsv1.3"] {
            // the server's own has no name in it but the common one, which curl does not look at any more
            let more: Vec<&str> = version.split(' ').chain(["--insecure"]).collect();
            let (success, text) = curl(running.url("/scrape_configs"), as_client(client, &more)).await;
            assert!(success && text.contains("hunter2"), "{client} {version}: {text}");
        }
    }
    // who has the certificate but not the key does not get in
    let mut stolen = as_client("client-v1-ec", &["--insecure"]);
    stolen[5] = testdata("client-v1-rsa.key").display().to_string();
    assert!(!curl(running.url("/livez"), stolen).await.0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_versions_and_other_protocols_are_refused() {
    let world = mk_world().await;
    // a ClientHello that goes no further than TLS 1.1
    let body = [
        &[3, 2][..],                        // version
        &[7; 32],                           // random
        &[0],                               // session
        &[0, 4, 0xc0, 0x13, 0xc0, 0x14],    // suites
        &[1, 0],                            // compression
        &[0, 16, 0, 10, 0, 4, 0, 2, 0, 23], // extensions: groups,
        &[0, 13, 0, 4, 0, 2, 4, 3],         // and signatures
    ]
    .concat();
    let message = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    let hello = [&[22, 3, 1, 0, message.len() as u8][..], &message].concat();
    let mut stream = TcpStream::connect(world.running.secure).await.unwrap();
    stream.write_all(&hello).await.unwrap();
    let mut alert = Vec::new();
    stream.read_to_end(&mut alert).await.unwrap();
    assert_eq!((alert[0], &alert[5..]), (21, &[2, 70][..]), "a fatal alert: protocol_version");

    let mut stream = TcpStream::connect(world.running.secure).await.unwrap();
    stream.write_all(b"GET /scrape_configs HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await); // closed or reset
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
    world.running.wait_for_metric(FAILED, 2.0).await;
    world.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_shows_its_certificate_to_whoever_asks() {
    let world = mk_world().await;
    let address = world.running.secure.to_string();
    let shown = tokio::task::spawn_blocking(move || {
        let mut command = std::process::Command::new("openssl");
        command.args(["s_client", "-connect", &address, "-alpn", "h2,http/1.1"]).stdin(std::process::Stdio::null());
        String::from_utf8_lossy(&command.output().expect("openssl is installed").stdout).into_owned()
    })
    .await
    .unwrap();
    assert!(shown.contains("-----BEGIN CERTIFICATE-----") && shown.contains("CN = someone"), "{shown}");
    world.running.wait_for_metric(NONE, 1.0).await;
    world.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_with_bad_files_fails_and_says_why() {
    let ca = Authority::new("ca");
    let (one, other) = (ca.server(), ca.server());
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (good_ca, cert, key) = (file("ca", &ca.pem.cert), file("cert", &one.cert), file("key", &one.key));
    let (garbage, other_key) = (file("garbage", "-----BEGIN NOTHING"), file("other", &other.key));
    let missing = dir.path().join("missing");
    let empty = std::path::PathBuf::new();
    for (files, why) in [
        ([&missing, &cert, &key], "cannot read https.ca_file_path"),
        ([&empty, &cert, &key], "https.ca_file_path is not set"),
        ([&garbage, &cert, &key], "no certificate that parses"),
        ([&good_ca, &garbage, &key], "https.tls_cert_file_path"),
        ([&good_ca, &key, &key], "there is no certificate in it"),
        ([&good_ca, &cert, &garbage], "no private key that can be used"),
        ([&good_ca, &cert, &other_key], "the key does not belong to the certificate"),
    ] {
        let error = try_start(dir.path(), files.map(std::path::PathBuf::as_path)).await.unwrap_err();
        let text = format!("{error:#}");
        assert!(text.starts_with("cannot serve HTTPS: ") && text.contains(why), "{why}: {text}");
        assert!(!text.contains("PRIVATE KEY"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_clients_that_say_nothing_hold_up_nobody() {
    let world = mk_world().await;
    let mut silent = Vec::new();
    for _ in 0..10 {
        let mut stream = TcpStream::connect(world.running.secure).await.unwrap();
        stream.write_all(&[22, 3, 1]).await.unwrap(); // the beginning of a hello
        silent.push(stream);
    }
    let client = world.ca.client();
    assert!(world.admits(&client).await);
    drop(silent);
    until("they are counted as failed", async || (world.running.metric(FAILED).await == Some(10.0)).then_some(()))
        .await;
    world.running.stop().await;
}
