//! The real binary: exit codes, what it says, signals. Every process starts with an empty environment: no HOME, no PATH.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Long for a machine under load; nothing here waits for time to pass.
const PATIENCE: Duration = Duration::from_secs(60);

const CONFIG: &str = "\
listen_addr: 127.0.0.1:0
collectors: {static: [{name: c0}, {name: c1, node_name: n1}]}
http: {drain: DRAIN}
config:
  scrape_configs:
  - job_name: shop
    scrape_interval: 15s
    static_configs: [{targets: ['10.0.0.1:9100', '10.0.0.2:9100']}]
";

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_target-allocator"));
    command.env_clear().args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn mk_file(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("ta.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs with a configuration that must not start: the lines on stderr, after checking exit code 1.
fn refused(config: &str, args: &[&str]) -> Vec<serde_json::Value> {
    let dir = tempfile::tempdir().unwrap();
    let file = mk_file(dir.path(), config);
    let file = format!("--config-file={}", file.display());
    let args: Vec<&str> = args.iter().copied().chain([file.as_str()]).collect();
    let output = run(&args);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
    text(&output.stderr).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn messages(lines: &[serde_json::Value]) -> String {
    lines.iter().map(|line| line["msg"].as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// A running allocator; killed when dropped.
struct Running {
    child: Child,
    address: SocketAddr,
    log: Box<dyn BufRead>,
    _dir: tempfile::TempDir,
}

impl Running {
    fn start(drain: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = mk_file(dir.path(), &CONFIG.replace("DRAIN", drain));
        let mut child = command(&[&format!("--config-file={}", file.display())]).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "ended before it listened");
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if line["msg"] == "listening" {
                break line["address"].as_str().unwrap().parse().unwrap();
            }
        };
        let running = Self { child, address, log: Box::new(log), _dir: dir };
        running.wait_for("/readyz", 200);
        running
    }

    /// Nothing can be written to its stderr.
    fn start_on_a_full_disk() -> Self {
        // it cannot say where it listens
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = mk_file(dir.path(), &CONFIG.replace("DRAIN", "100ms"));
        let args = [&format!("--config-file={}", file.display()), "--listen-addr", &address.to_string()];
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let child = command(&args).stderr(full).spawn().unwrap();
        let running = Self { child, address, log: Box::new(std::io::empty()), _dir: dir };
        running.wait_for("/readyz", 200);
        running
    }

    /// Status and body; status 0 where nobody answers.
    fn get(&self, path: &str) -> (u16, String) {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return (0, String::new()) };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        if stream.write_all(request.as_bytes()).is_err() || stream.read_to_end(&mut answer).is_err() {
            return (0, String::new());
        }
        let answer = text(&answer);
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        (status, answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned())
    }

    fn wait_for(&self, path: &str, status: u16) {
        let begun = Instant::now();
        while self.get(path).0 != status {
            assert!(begun.elapsed() < PATIENCE, "{path} never answered {status}");
            std::thread::yield_now();
        }
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("/bin/sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for the end: exit code and the rest of the log.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill()); // it may have ended
        drop(self.child.wait());
    }
}

#[test]
fn it_serves_and_a_signal_ends_it_with_0() {
    for signal in ["TERM", "INT"] {
        let running = Running::start("100ms");
        let (status, body) = running.get("/jobs/shop/targets");
        assert_eq!(status, 200);
        assert!(body.contains("10.0.0.1:9100") && body.contains("10.0.0.2:9100"), "{body}");
        running.signal(signal);
        let (code, log) = running.end();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("\"msg\":\"stopped\""), "{log}");
    }
}

#[test]
fn a_full_disk_for_logs_costs_the_lines_and_nothing_else() {
    let running = Running::start_on_a_full_disk();
    let (status, body) = running.get("/jobs/shop/targets");
    assert!(status == 200 && body.contains("10.0.0.1:9100"), "{status}: {body}");
    running.signal("TERM");
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn while_draining_it_is_not_ready_but_answers_and_a_second_signal_ends_it_at_once() {
    let running = Running::start("15s");
    let before = running.get("/scrape_configs");
    let begun = Instant::now();
    running.signal("TERM");
    running.wait_for("/readyz", 503);
    assert_eq!(running.get("/livez").0, 200);
    assert_eq!(running.get("/scrape_configs"), before);
    running.signal("TERM");
    assert_eq!(running.end().0, Some(143));
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_port_in_use_is_told_with_its_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let lines = refused(&CONFIG.replace("DRAIN", "0s"), &["--listen-addr", &address]);
    let last = lines.last().unwrap();
    assert_eq!(last["level"], "error");
    let message = last["msg"].as_str().unwrap();
    assert!(message.contains(&address) && message.contains("already in use"), "{message}");
}

#[test]
fn a_missing_file_is_told_with_its_name() {
    let output = run(&["--config-file=/no/such/file.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot read the configuration file /no/such/file.yaml"));
    let output = run(&["check", "--config-file=/no/such/file.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: cannot read the configuration file /no/such/file.yaml"));
}

#[test]
fn a_bad_configuration_is_told_problem_by_problem() {
    let config = "listen_addr: 1\nhttps: {enabled: maybe}\ncollectors: {static: []}\nconfig: {scrape_configs: [{job_name: a}]}\n";
    let all = messages(&refused(config, &[]));
    assert!(all.contains("ta.yaml:1: listen_addr: ") && all.contains("ta.yaml:2: https.enabled: "), "{all}");
    assert!(all.ends_with("the configuration has 2 problems, listed above"), "{all}");
}

#[test]
fn an_unknown_mechanism_stops_the_start_with_job_and_name() {
    let config =
        "collectors: {static: []}\nconfig: {scrape_configs: [{job_name: vms, ec2_sd_configs: [{region: eu}]}]}\n";
    let all = messages(&refused(config, &[]));
    assert!(all.contains("\"vms\"") && all.contains("ec2_sd_configs"), "{all}");
}

#[test]
fn without_a_way_to_kubernetes_it_says_what_needs_it_and_where_it_looked() {
    let jobs = "config: {scrape_configs: [{job_name: shop, static_configs: [{targets: ['a:1']}]}]}\n";
    let config = format!("collector_namespace: obs\ncollector_selector: {{matchLabels: {{app: c}}}}\n{jobs}");
    let lines = refused(&config, &["--kubeconfig-path=/no/such/kubeconfig"]);
    let last = lines.last().unwrap()["msg"].as_str().unwrap();
    for part in ["pods of namespace \"obs\"", "collectors.static", "KUBERNETES_SERVICE_HOST", "/no/such/kubeconfig"] {
        assert!(last.contains(part), "{part}: {last}");
    }
}

#[test]
fn bad_command_lines_exit_with_2_and_say_so_on_stderr() {
    for args in [&["--no-such-flag"][..], &["--enable-https-server=maybe"], &["check", "--no-such-flag"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(text(&output.stdout), "");
        assert!(text(&output.stderr).contains("Usage: target-allocator"), "{args:?}: {}", text(&output.stderr));
    }
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("--collectors-static"));
}

#[test]
fn check_says_what_is_configured() {
    let dir = tempfile::tempdir().unwrap();
    let file = mk_file(dir.path(), &format!("{}surprise: 1\n", CONFIG.replace("DRAIN", "1s")));
    let output = run(&["check", "--config-file", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let wanted = format!(
        "strategy: consistent-hashing\ncollectors: 2\n  c0 (node unknown)\n  c1 (n1)\nresources: not watched\njobs: 1\n  shop (static) every 15s\n\
         {}: valid, 1 warning\n",
        file.display()
    );
    assert_eq!(text(&output.stdout), wanted);
    assert_eq!(text(&output.stderr), format!("warning: {}:9: surprise: unknown key\n", file.display()));
}

#[test]
fn check_reads_the_collectors_file() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = dir.path().join("fleet.yaml");
    let file = mk_file(dir.path(), "config: {scrape_configs: [{job_name: j}]}\n");
    let args = ["check", "--config-file", file.to_str().unwrap(), "--collectors-file", fleet.to_str().unwrap()];
    let output = run(&args);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: collectors.file "), "{}", text(&output.stderr));
    std::fs::write(&fleet, "- {name: c9, node_name: n9}\n").unwrap();
    let output = run(&args);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("collectors: 1\n  c9 (n9)\n"), "{}", text(&output.stdout));
}

#[test]
fn check_says_what_is_wrong_and_exits_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let file = mk_file(
        dir.path(),
        "config: {scrape_configs: [{job_name: a}, {job_name: a}, {job_name: b, consul_sd_configs: [{server: s}]}]}\n\
         prometheus_cr: {enabled: 1}\nallocation_strategy: wrong\ncollectors: {file: /no/such/file}\n",
    );
    let output = run(&["check", "--config-file", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.lines().count() == 5 && stderr.lines().all(|line| line.starts_with("error: ")), "{stderr}");
    for part in
        ["found multiple", "ta.yaml:2: prometheus_cr.enabled", "ta.yaml:3: allocation_strategy", "consul", "/no/such"]
    {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}
