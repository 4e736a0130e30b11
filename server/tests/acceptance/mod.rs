//! What the acceptance tests share: real programs from the distribution, started on loopback and stopped at the end,
//! and just enough HTTP to ask them. Everything is synchronous: the programs under test are other processes.

// each test program uses its part of this
#![allow(dead_code)]

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long anything may take to come true; ten times what a loaded two-core machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program of the distribution: from PATH, or unpacked below target/tools by `scripts/need prometheus`.
pub(crate) fn program(name: &str) -> PathBuf {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    let on_path = std::env::var_os("PATH")
        .and_then(|path| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file()));
    on_path.unwrap_or_else(|| TOOLS.get_or_init(fetch_tools).join(name))
}

fn fetch_tools() -> PathBuf {
    need("prometheus")
}

/// Debian 13's Prometheus, which has discovery in Kubernetes: KUBERNETES_PROMETHEUS, or what `scripts/need` fetches.
pub(crate) fn kubernetes_prometheus() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let given = || std::env::var_os("KUBERNETES_PROMETHEUS").map(PathBuf::from);
    PROGRAM.get_or_init(|| given().unwrap_or_else(|| need("kubernetes-prometheus"))).clone()
}

/// What `scripts/need` prints for `what`.
fn need(what: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/need");
    let output = Command::new(script).arg(what).stderr(Stdio::inherit()).output().expect("scripts/need starts");
    assert!(output.status.success(), "scripts/need {what} failed");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

/// A running program, killed when dropped; its output is in a file that is printed if the test fails.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `command` with its output in `folder/name.log`.
    pub(crate) fn start(folder: &Path, name: &str, command: &mut Command) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).spawn();
        Self { child: child.unwrap_or_else(|error| panic!("{command:?}: {error}")), log }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks it to leave, as an orchestrator does, and waits.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        eventually("it leaves after SIGTERM", || self.child.try_wait().unwrap().ok_or_else(|| "still running".into()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("--- {}", self.log.display());
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// The allocator under test: this build's, or the one that TARGET_ALLOCATOR names (the image's), from the repository's root.
pub(crate) fn binary() -> PathBuf {
    let ours = || env!("CARGO_BIN_EXE_target-allocator").into();
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(std::env::var_os("TARGET_ALLOCATOR").unwrap_or_else(ours))
}

/// The allocator under test, on a configuration file.
pub(crate) fn allocator(folder: &Path, config: &Path) -> Running {
    let mut command = Command::new(binary());
    Running::start(folder, "allocator", command.arg(arg("--config-file", config)).env_remove("OTELCOL_NAMESPACE"))
}

/// `--flag=value`, for values that need not be UTF-8.
pub(crate) fn arg(flag: &str, value: impl AsRef<OsStr>) -> std::ffi::OsString {
    let mut whole = std::ffi::OsString::from(flag);
    whole.push("=");
    whole.push(value);
    whole
}

/// A port nobody listens on now. Another process may take it meanwhile; that has to be lived with, as the programs
/// started here cannot be handed a socket.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Tries until it succeeds; panics with the last reason when patience ends.
pub(crate) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(reason) if began.elapsed() > PATIENCE => panic!("{what}: not within {PATIENCE:?}: {reason}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Status and body of a GET on loopback. HTTP/1.0, so that the body simply ends where the connection does.
pub(crate) fn get(port: u16, path: &str) -> Result<(u16, String), String> {
    let fail = |error: std::io::Error| format!("GET {path} on port {port}: {error}");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(fail)?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(fail)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n").map_err(fail)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(fail)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("GET {path}: no header end"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(|| format!("GET {path}: {head}"))?, body.to_owned()))
}

/// The JSON of a 200 answer.
pub(crate) fn get_json(port: u16, path: &str) -> Result<serde_json::Value, String> {
    match get(port, path)? {
        (200, body) => serde_json::from_str(&body).map_err(|error| format!("GET {path}: {error}: {body}")),
        (status, body) => Err(format!("GET {path}: {status} {body}")),
    }
}

/// Waits until the readiness probe says yes.
pub(crate) fn wait_ready(port: u16) {
    eventually("the allocator is ready", || match get(port, "/readyz")? {
        (200, _) => Ok(()),
        (status, body) => Err(format!("/readyz: {status} {body}")),
    });
}

/// Writes beside the file and renames over it, so that no reader sees half of it.
pub(crate) fn replace_file(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, path).unwrap();
}
