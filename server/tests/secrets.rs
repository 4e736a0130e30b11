//! Planted secrets, looked for in every byte that leaves the process: answers, pages, metrics, errors, logs at their most
//! talkative, `check` and `render`.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

const PATIENCE: Duration = Duration::from_secs(60);

/// In every place where Prometheus has a secret. `#` becomes a number, so that each is told apart.
const JOBS: &str = "
  - job_name: basic
    basic_auth: {username: u, password: S3CR3T#}
    tls_config: {cert: none, key: S3CR3T#}
    http_headers: {X-Key: {secrets: [S3CR3T#, S3CR3T#]}}
    http_sd_configs:
    - url: http://127.0.0.1:1/sd
      basic_auth: {username: u, password: S3CR3T#}
      http_headers: {X-Key: {secrets: [S3CR3T#]}}
  - job_name: bearer
    authorization: {credentials: S3CR3T#}
    proxy_url: http://127.0.0.1:1
    proxy_connect_header: {Proxy-Authorization: [S3CR3T#]}
    http_sd_configs:
    - url: http://127.0.0.1:1/sd
      authorization: {credentials: S3CR3T#}
      proxy_url: http://127.0.0.1:1
      proxy_connect_header: {Proxy-Authorization: [S3CR3T#]}
  - job_name: old bearer
    bearer_token: S3CR3T#
    static_configs: [{targets: ['10.0.0.1:1']}]
  - job_name: oauth
    oauth2:
      client_id: c
      client_secret: S3CR3T#
      token_url: http://127.0.0.1:1/token
      tls_config: {cert: none, key: S3CR3T#}
    http_sd_configs:
    - url: http://127.0.0.1:1/sd
      oauth2: {client_id: c, client_secret: S3CR3T#, token_url: 'http://127.0.0.1:1/token'}
  - job_name: jwt
    oauth2:
      client_id: c
      grant_type: urn:ietf:params:oauth:grant-type:jwt-bearer
      client_certificate_key: S3CR3T#
      token_url: http://127.0.0.1:1/token
    static_configs: [{targets: ['10.0.0.2:1']}]
";

/// Never shown, not even over HTTPS: a password in a URL, and what is not for collectors at all.
const NEVER: &str = "
  - job_name: proxied
    proxy_url: http://u:N3V3R1@127.0.0.1:1
    http_sd_configs: [{url: 'http://127.0.0.1:1/sd', proxy_url: 'http://u:N3V3R2@127.0.0.1:1'}]
";

const SETTINGS: &str = "\
listen_addr: 127.0.0.1:0
https: {enabled: true, listen_addr: '127.0.0.1:0', ca_file_path: DIR/ca, tls_cert_file_path: DIR/cert, tls_key_file_path: DIR/key}
readiness: {cap: 1s, job_cap: 1s}
http: {drain: 0s}
collectors: {static: [{name: c0}]}
telemetry:
  metrics:
    readers:
    - periodic:
        interval: 100
        exporter: {otlp_http: {endpoint: 'http://127.0.0.1:1', headers: [{name: authorization, value: 'Bearer ${env:TOKEN}'}]}}
    - periodic:
        interval: 100
        exporter: {otlp_grpc: {endpoint: '127.0.0.1:1', headers: [{name: x-key, value: N3V3R3}], tls: {insecure: true}}}
config:
  scrape_configs:
";

/// The jobs with numbers in, and all that was planted.
fn plant() -> (String, Vec<String>) {
    let (mut text, mut planted) = (String::new(), Vec::new());
    for part in JOBS.split_inclusive('#') {
        match part.strip_suffix('#') {
            Some(before) => {
                let number = format!("{:02}", planted.len());
                planted.push(format!("S3CR3T{number}"));
                text.push_str(&format!("{before}{number}"));
            }
            None => text.push_str(part),
        }
    }
    (text, planted)
}

/// Plain, and as `u:secret` and the like in base64, however it falls.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut forms = vec![secret.as_bytes().to_vec()];
    for skip in 0..3 {
        // whole triples only: what stands before or after changes none of their digits
        let triples = secret.as_bytes()[skip..].chunks_exact(3);
        let coded = triples.flat_map(|triple| {
            let word = triple.iter().fold(0_usize, |word, byte| word << 8 | usize::from(*byte));
            [18, 12, 6, 0].map(|shift| DIGITS[word >> shift & 63])
        });
        forms.push(coded.collect());
    }
    forms
}

fn assert_clean(what: &str, bytes: &[u8]) {
    // the common beginning is enough to find them all
    for form in ["S3CR3T", "N3V3R", "T0K3NT0K3N"].iter().flat_map(|secret| forms(secret)) {
        let found = bytes.windows(form.len()).position(|window| window == form);
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(100)..(at + 50).min(bytes.len())];
            panic!("{what} shows a secret: …{}…", String::from_utf8_lossy(around));
        }
    }
}

#[test]
fn the_search_finds_what_is_hidden() {
    // "u:S3CR3T00" and "uu:S3CR3T00"
    for text in ["xx S3CR3T00", "Basic dTpTM0NSM1QwMA==", "Basic dXU6UzNDUjNUMDA="] {
        assert!(std::panic::catch_unwind(|| assert_clean("it", text.as_bytes())).is_err(), "{text}");
    }
}

struct Running {
    child: std::process::Child,
    plain: SocketAddr,
    secure: SocketAddr,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Running {
    fn start(dir: &Path, config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_target-allocator"))
            .env_clear()
            .env("TOKEN", "T0K3NT0K3N")
            .arg(format!("--config-file={}", config.display()))
            .arg("--zap-log-level=9") // libraries too, down to their traces
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let address_of = |lines: &mut BufReader<_>, message: &str| loop {
            let mut line = String::new();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "ended before it listened");
            log.lock().unwrap().extend_from_slice(line.as_bytes());
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if line["msg"] == message {
                return line["address"].as_str().unwrap().parse().unwrap();
            }
        };
        let plain = address_of(&mut lines, "listening");
        let secure = address_of(&mut lines, "listening for HTTPS");
        let copy = log.clone();
        std::thread::Builder::new()
            .spawn(move || {
                let mut chunk = [0; 4096];
                while let Ok(count @ 1..) = lines.read(&mut chunk) {
                    copy.lock().unwrap().extend_from_slice(&chunk[..count]);
                }
            })
            .unwrap();
        Self { child, plain, secure, log }
    }

    /// Head and body over the plain port.
    fn get(&self, path: &str, headers: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.plain).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    fn wait_for(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < PATIENCE, "never: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> Vec<u8> {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill()); // it may have ended
        drop(self.child.wait());
    }
}

const PATHS: [&str; 19] = [
    "/",
    "/scrape_configs",
    "/jobs",
    "/jobs/basic/targets",
    "/jobs/old+bearer/targets?collector_id=c0",
    "/jobs/%zz/targets",
    "/metrics",
    "/livez",
    "/readyz",
    "/debug/jobs",
    "/debug/job?job_id=basic",
    "/debug/targets",
    "/debug/target?target_hash=1",
    "/debug/collector?collector_id=c0",
    "/debug/scrape_configs",
    "/debug/discovery",
    "/debug/pprof/",
    "/debug/pprof/cmdline",
    "/nonsense",
];

/// A CA, a server's and a client's certificate; the files of the server in `dir`.
fn mk_certificates(dir: &Path) -> (String, String) {
    let (mut ca, ca_key) = (CertificateParams::default(), KeyPair::generate().unwrap());
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let issue = || {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    let (server, client) = (issue(), issue());
    for (name, text) in [("ca", &ca_pem), ("cert", &server.0), ("key", &server.1)] {
        std::fs::write(dir.join(name), text).unwrap();
    }
    (ca_pem, client.0 + &client.1)
}

fn get_over_https(running: &Running, ca: &str, identity: &str, path: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .resolve("localhost", ([127, 0, 0, 1], 0).into())
        .tls_certs_only([reqwest::Certificate::from_pem(ca.as_bytes()).unwrap()])
        .identity(reqwest::Identity::from_pem(identity.as_bytes()).unwrap());
    let url = format!("https://localhost:{}{path}", running.secure.port());
    runtime.block_on(async { client.build().unwrap().get(url).send().await.unwrap().text().await.unwrap() })
}

#[test]
fn no_secret_leaves_the_process_but_over_https_and_for_collectors() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, identity) = mk_certificates(dir.path());
    let (jobs, planted) = plant();
    assert_eq!(planted.len(), 15);
    let config = dir.path().join("ta.yaml");
    let settings = SETTINGS.replace("DIR", &dir.path().display().to_string());
    std::fs::write(&config, format!("{settings}{jobs}{NEVER}")).unwrap();

    let running = Running::start(dir.path(), &config);
    running.wait_for("ready", |running| running.get("/readyz", "").starts_with(b"HTTP/1.1 200"));
    // discovery and pushes have failed by then, and said so
    let has_logged =
        |text: &'static str| move |running: &Running| String::from_utf8_lossy(&running.log()).matches(text).count() > 0;
    running.wait_for("a failed push", has_logged("metrics could not be pushed"));
    running.wait_for("failed discovery", has_logged("127.0.0.1:1"));

    for path in PATHS {
        assert_clean(path, &running.get(path, ""));
        assert_clean(path, &running.get(path, "Accept: text/html\r\n"));
    }
    let broken = ["GARBAGE\r\n\r\n", "GET http://u:p@x/ HTTP/9\r\n\r\n"];
    for request in broken {
        let mut stream = TcpStream::connect(running.plain).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        assert_clean(request, &answer);
    }

    // where they belong they are, or none of this would mean anything
    let revealed = get_over_https(&running, &ca, &identity, "/scrape_configs");
    let missing: Vec<_> = planted.iter().filter(|secret| !revealed.contains(secret.as_str())).collect();
    assert!(missing.is_empty(), "not shown to collectors: {missing:?}");
    assert!(revealed.contains("u:xxxxx@") && !revealed.contains("N3V3R"), "{revealed}");
    for path in PATHS.iter().filter(|path| **path != "/scrape_configs") {
        assert_clean(path, get_over_https(&running, &ca, &identity, path).as_bytes());
    }

    let log = running.log();
    assert!(String::from_utf8_lossy(&log).contains("served masked"), "the masks are told of");
    assert_clean("the log", &log);
    let metrics = String::from_utf8_lossy(&running.get("/metrics", "")).into_owned();
    let polls = metrics.lines().find(|line| line.starts_with("opentelemetry_allocator_masked_config_polls_total"));
    assert!(polls.unwrap().ends_with(" 1"), "the page is for people: {polls:?}");
}

fn run(args: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_target-allocator")).env_clear().args(args).output().unwrap();
    [output.stdout, output.stderr].concat()
}

#[test]
fn check_and_render_show_none() {
    let dir = tempfile::tempdir().unwrap();
    mk_certificates(dir.path());
    let config = dir.path().join("ta.yaml");
    let settings = SETTINGS.replace("DIR", &dir.path().display().to_string());
    std::fs::write(&config, format!("{settings}{}{NEVER}", plant().0)).unwrap();
    let config = config.to_str().unwrap();
    let checked = run(&["check", "--config-file", config]);
    assert!(String::from_utf8_lossy(&checked).contains("jobs: 6"), "{}", String::from_utf8_lossy(&checked));
    assert_clean("check", &checked);
    assert_clean("render", &run(&["render", "--config-file", config]));
}

/// Mistakes beside secrets, in secrets, and in place of secrets.
#[test]
fn mistakes_are_told_without_the_secrets_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ta.yaml");
    for job in [
        "basic_auth: {username: u, password: [S3CR3T]}",
        "basic_auth: {username: u, password: {S3CR3T: S3CR3T}}",
        "basic_auth: {username: [], password: S3CR3T}",
        "basic_auth: {username: u, password: S3CR3T, password_file: f}",
        "basic_auth: {username: u, passwort: S3CR3T}",
        "basic_auth: S3CR3T",
        "oauth2: S3CR3T",
        "tls_config: S3CR3T",
        "http_headers: S3CR3T",
        "http_headers: {X: S3CR3T}",
        "proxy_connect_header: S3CR3T",
        "authorization: {type: basic, credentials: S3CR3T}",
        "authorization: [S3CR3T]",
        "bearer_token: {a: S3CR3T}",
        "bearer_token: S3CR3T\n    authorization: {credentials: S3CR3T}",
        "oauth2: {client_secret: S3CR3T}",
        "oauth2: {client_id: c, client_secret: [S3CR3T], token_url: x}",
        "tls_config: {key: S3CR3T}",
        "tls_config: {key: [S3CR3T], cert: c}",
        "http_headers: {X: {secrets: S3CR3T}}",
        "http_headers: {X: {secrets: [{a: S3CR3T}]}}",
        "http_headers: {Authorization: {secrets: [S3CR3T]}}",
        "proxy_url: 'http://u:S3CR3T@[x'",
        "proxy_url: 'http://u:S3CR3T@x:port'",
        "proxy_url: ['http://u:S3CR3T@x']",
        "proxy_connect_header: {X: S3CR3T}",
        "basic_auth: {username: u, password: \"S3CR3T",
        "basic_auth: {username: u, password: S3CR3T}}",
        "basic_auth: {username: u, password: S3CR3T}\n    http_sd_configs: [{url: 'http://x', basic_auth: {password: [S3CR3T]}}]",
    ] {
        let config = format!("collectors: {{static: []}}\nconfig:\n  scrape_configs:\n  - job_name: j\n    {job}\n");
        std::fs::write(&file, config).unwrap();
        let path = file.to_str().unwrap();
        for args in [&["check", "--config-file", path][..], &["render", "--config-file", path]] {
            assert_clean(job, &run(args));
        }
    }
}
