//! HTTPS with client certificates, which cert-manager or the user made.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::acceptance::eventually;
use crate::pki::{Authority, testdata};
use crate::pod::{Pod, tls_files};
use crate::secrets::{add_login, add_shop, over_mtls};
use crate::world::{WIDE, World};

const USER: &str = "scraper";
const PASSWORD: &str = "t0p$ecreT-of-the-shop";
/// Both, as HTTP writes them.
const AUTHORIZATION: &str = "authorization: Basic c2NyYXBlcjp0MHAkZWNyZVQtb2YtdGhlLXNob3A=";

/// An application that shows its metrics to who logs in: its port.
fn start_shop() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = move || {
        for stream in listener.incoming() {
            let (mut stream, mut request, mut chunk) = (stream.unwrap(), Vec::new(), [0; 1024]);
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read(&mut chunk) {
                    Ok(length @ 1..) => request.extend_from_slice(&chunk[..length]),
                    _ => break,
                }
            }
            let is_known =
                String::from_utf8_lossy(&request).lines().any(|line| line.eq_ignore_ascii_case(AUTHORIZATION));
            let (status, body) = if is_known { ("200 OK", "shop_orders 1\n") } else { ("401 Unauthorized", "who?\n") };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).ok(); // the client may be gone
        }
    };
    std::thread::Builder::new().name("shop".into()).spawn(serve).unwrap();
    port
}

/// When the certificate became valid that is shown to somebody without one.
fn shown_since(pod: &Pod, service: &str) -> String {
    let address = format!("127.0.0.1:{}", pod.https_port());
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", &address, "-servername", service]).stdin(Stdio::null()).stderr(Stdio::null());
    let shown = client.output().expect("openssl is installed").stdout;
    let mut reader = Command::new("openssl")
        .args(["x509", "-noout", "-startdate"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(&shown).unwrap();
    let date = String::from_utf8(reader.wait_with_output().unwrap().stdout).unwrap();
    assert!(date.starts_with("notBefore="), "no certificate in {}", String::from_utf8_lossy(&shown));
    date
}

#[test]
fn e12_certificates_of_cert_manager() {
    const SERVICE: &str = "shopping-targetallocator";
    let world = World::new("obs", &WIDE);
    world.collector("shopping", "shopping-collector-0", "node-1");
    let ca = Authority::new("shopping-ca-cert");
    let server = ca.issue_for(SERVICE, 2025);
    let mut pod = world.pod("shopping", include_str!("files/e12-mtls.yaml")).tls_secret(&ca, &server).start().ready();
    assert!(over_mtls(&pod, SERVICE, &ca, "/").contains("<html"));

    // what a collector does with what it gets: it logs in
    add_login(&world, USER, PASSWORD);
    add_shop(&world, "127.0.0.1", start_shop());
    let job = "serviceMonitor/obs/shop/0";
    pod.wait_for_texts("/scrape_configs", &[job]);
    assert!(!pod.get("/scrape_configs").1.contains(PASSWORD));
    assert!(over_mtls(&pod, SERVICE, &ca, "/jobs").contains(job));
    let configs: Value = serde_json::from_str(&over_mtls(&pod, SERVICE, &ca, "/scrape_configs")).unwrap();
    let login = &configs[job]["basic_auth"];
    let path = "/jobs/serviceMonitor%2Fobs%2Fshop%2F0/targets?collector_id=shopping-collector-0";
    let groups: Value = serde_json::from_str(&over_mtls(&pod, SERVICE, &ca, path)).unwrap();
    let url = format!("http://{}/metrics", groups[0]["targets"][0].as_str().unwrap());
    let scrape = |user: &str, password: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--noproxy", "*", "--user", &format!("{user}:{password}"), &url]);
        String::from_utf8(curl.output().unwrap().stdout).unwrap()
    };
    assert_eq!(scrape(login["username"].as_str().unwrap(), login["password"].as_str().unwrap()), "shop_orders 1\n");
    assert_eq!(scrape(USER, "<secret>"), "");

    // renewed: the same CA, another certificate, and the same process
    let before = shown_since(&pod, SERVICE);
    let renewed = ca.issue_for(SERVICE, 2026);
    pod.tls().swap(&tls_files(&ca, &renewed));
    eventually("the renewed certificate is shown", || {
        let now = shown_since(&pod, SERVICE);
        if now != before { Ok(()) } else { Err(now) }
    });
    assert!(over_mtls(&pod, SERVICE, &ca, "/scrape_configs").contains(PASSWORD));
    assert!(pod.is_running() && pod.get("/readyz").0 == 200);
}

#[test]
fn e13_certificates_of_the_user() {
    const SERVICE: &str = "provided-targetallocator";
    let world = World::new("obs", &WIDE);
    world.collector("provided", "provided-collector-0", "node-1");
    let server_ca = Authority::new("ta-mtls-ca");
    let server = server_ca.issue_for(SERVICE, 2025);
    // the client's is of version 1, as `openssl x509 -req` makes them: that of the tests' data, whose CA has no key any more
    let client_ca = std::fs::read_to_string(testdata("ca.crt")).unwrap();
    let files = [("ca.crt", &*client_ca), ("tls.crt", &server.cert), ("tls.key", &server.key)];
    let pod = world.pod("provided", include_str!("files/e13-mtls.yaml")).tls_sub_paths(&files).start().ready();

    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.crt");
    std::fs::write(&ca, &server_ca.pem.cert).unwrap();
    let path = |name: &str| testdata(name).display().to_string();
    let ca = ca.display().to_string();
    for client in ["client-v1-rsa", "client-v1-ec"] {
        let (cert, key) = (path(&format!("{client}.crt")), path(&format!("{client}.key")));
        let page = pod.curl(&format!("https://{SERVICE}:443"), &["--cert", &cert, "--key", &key, "--cacert", &ca]);
        assert!(page.as_ref().is_ok_and(|page| page.contains("<html")), "{client}: {page:?}");
    }
    assert!(pod.curl(&format!("https://{SERVICE}:443"), &["--cacert", &ca]).is_err(), "without one nobody gets in");
}

#[test]
fn e14_certificates_without_a_collector() {
    const SERVICE: &str = "lonely-targetallocator";
    let world = World::new("obs", &WIDE);
    let ca = Authority::new("lonely-ca-cert");
    let server = ca.issue_for(SERVICE, 2025);
    let pod = world.pod("lonely", include_str!("files/e14-mtls.yaml")).tls_secret(&ca, &server).start().ready();
    assert!(over_mtls(&pod, SERVICE, &ca, "/").contains("<html"));
    let configs: Value = serde_json::from_str(&over_mtls(&pod, SERVICE, &ca, "/scrape_configs")).unwrap();
    assert_eq!(configs["prometheus"]["job_name"], json!("prometheus"));
}
