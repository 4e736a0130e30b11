//! The whole program with HTTPS, and clients for it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ta_server::{Args, Environment, Limits, Program, config};
use tempfile::TempDir;

use crate::pki::{Authority, Pem};

/// Long for a machine under load; nothing here waits for time to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const CONFIG: &str = "\
listen_addr: 127.0.0.1:0
engine: {min_interval: 5ms, threads: 1}
http: {drain: 0s}
collectors: {static: [{name: c0}]}
config:
  scrape_configs:
  - job_name: shop
    basic_auth: {username: u, password: hunter2}
    static_configs: [{targets: ['10.0.0.1:9100']}]
";

/// The files of the server, laid out as a mounted Secret: links through `..data`.
pub(crate) struct Mounted {
    pub(crate) dir: TempDir,
    version: u32,
}

impl Mounted {
    pub(crate) fn new(ca: &str, pair: &Pem) -> Self {
        let mut mounted = Self { dir: tempfile::tempdir().unwrap(), version: 0 };
        mounted.swap(ca, pair);
        for name in ["ca.crt", "tls.crt", "tls.key"] {
            std::os::unix::fs::symlink(format!("..data/{name}"), mounted.path(name)).unwrap();
        }
        mounted
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Replaces all three at once, as the kubelet does.
    pub(crate) fn swap(&mut self, ca: &str, pair: &Pem) {
        self.version += 1;
        let folder = self.path(&format!("..version{}", self.version));
        std::fs::create_dir(&folder).unwrap();
        for (name, text) in [("ca.crt", ca), ("tls.crt", &pair.cert), ("tls.key", &pair.key)] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let link = self.path("..data_tmp");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        std::fs::rename(&link, self.path("..data")).unwrap();
    }

    /// Replaces one of the files, by renaming another over it.
    pub(crate) fn replace(&self, name: &str, text: &str) {
        let new = self.path("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, self.path(name)).unwrap();
    }
}

/// A running program.
pub(crate) struct Running {
    pub(crate) plain: SocketAddr,
    pub(crate) secure: SocketAddr,
    stop: tokio::sync::oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

pub(crate) async fn try_start(dir: &Path, files: [&Path; 3]) -> anyhow::Result<Program> {
    let [ca, cert, key] = files.map(|path| path.display().to_string());
    let https = format!(
        "https: {{enabled: true, listen_addr: '127.0.0.1:0', ca_file_path: '{ca}', tls_cert_file_path: '{cert}', \
         tls_key_file_path: '{key}'}}\n"
    );
    let file = dir.join("ta.yaml");
    std::fs::write(&file, format!("{CONFIG}{https}")).unwrap();
    let args = Args::parse(["target-allocator".into()]).unwrap();
    let env = Environment::new();
    let loaded = config::load(&file, &env, &args.overrides).unwrap();
    Program::start(loaded.config, &env, Limits { cpus: 1, memory: None }).await
}

impl Running {
    pub(crate) async fn start(mounted: &Mounted) -> Self {
        let files = ["ca.crt", "tls.crt", "tls.key"].map(|name| mounted.path(name));
        Self::with_files(mounted.dir.path(), [&files[0], &files[1], &files[2]]).await
    }

    pub(crate) async fn with_files(dir: &Path, files: [&Path; 3]) -> Self {
        let program = try_start(dir, files).await.unwrap();
        let (plain, secure) = (program.address(), program.https_address().unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let ended = tokio::spawn(program.run_until(async { stopped.await.unwrap() }));
        let running = Self { plain, secure, stop, ended };
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        until("it is ready", async || {
            let answer = client.get(format!("http://{plain}/readyz")).send().await;
            answer.is_ok_and(|answer| answer.status() == 200).then_some(())
        })
        .await;
        running
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.secure.port())
    }

    /// Asks `path` as `client`, trusting `ca`: a new connection each time.
    pub(crate) async fn ask(
        &self,
        ca: &Authority,
        client: Option<&Pem>,
        path: &str,
    ) -> Result<reqwest::Response, String> {
        let client = mk_client(ca, client);
        client.get(self.url(path)).send().await.map_err(|error| format!("{error:?}"))
    }

    /// Status by a new connection; 0 if it came to none.
    pub(crate) async fn status(&self, ca: &Authority, client: &Pem) -> u16 {
        self.ask(ca, Some(client), "/livez").await.map_or(0, |answer| answer.status().as_u16())
    }

    /// The metric's value on the plain port; `None` where it is not there.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let text = client.get(format!("http://{}/metrics", self.plain)).send().await.unwrap().text().await.unwrap();
        // the scope stands between our own labels: compare name and label apart
        let (name, label) = series.split_once('{').unwrap_or((series, ""));
        let label = label.trim_end_matches('}');
        let line = text.lines().find(|line| line.split(['{', ' ']).next() == Some(name) && line.contains(label))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    pub(crate) async fn wait_for_metric(&self, series: &str, value: f64) {
        until(series, async || (self.metric(series).await == Some(value)).then_some(())).await;
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap().unwrap();
    }
}

pub(crate) fn mk_client(ca: &Authority, client: Option<&Pem>) -> reqwest::Client {
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .resolve("localhost", ([127, 0, 0, 1], 0).into())
        .tls_certs_only([reqwest::Certificate::from_pem(ca.pem.cert.as_bytes()).unwrap()]);
    if let Some(pem) = client {
        let identity = reqwest::Identity::from_pem(format!("{}{}", pem.cert, pem.key).as_bytes()).unwrap();
        builder = builder.identity(identity);
    }
    builder.build().unwrap()
}

/// Tries until something comes of it.
pub(crate) async fn until<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What curl prints, and whether it succeeded. The real one: its TLS is not ours.
pub(crate) async fn curl(url: String, args: Vec<String>) -> (bool, String) {
    tokio::task::spawn_blocking(move || {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--noproxy", "*", "--resolve"]);
        let port = url.split(':').nth(2).unwrap().split('/').next().unwrap().to_owned();
        command.arg(format!("localhost:{port}:127.0.0.1")).args(args).arg(url);
        let output = command.output().expect("curl is installed");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    })
    .await
    .unwrap()
}
