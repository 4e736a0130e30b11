//! The binary from outside, against the toy allocator of `examples/`.

#![allow(clippy::unwrap_used, reason = "test helpers are tests too")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use serde_json::Value;

const LOADGEN: &str = env!("CARGO_BIN_EXE_loadgen");

/// Cargo builds examples along with integration tests, beside them.
fn toy_allocator() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples/toy_allocator")
}

fn run(args: &[&str]) -> Output {
    Command::new(LOADGEN).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a small scenario; gives exit code, stdout and the JSON report.
fn scenario(steps: &str, expect: &str, extra: &str) -> (Option<i32>, String, Value) {
    let directory = tempfile::tempdir().unwrap();
    let (file, json) = (directory.path().join("s.yaml"), directory.path().join("report.json"));
    let head = "version: 1\nname: small\ntargets: {targets: 200, jobs: 4, nodes: 10}\n\
                collectors: {count: 3, time_scale: 20}\naudit_every: 5ms\n";
    std::fs::write(&file, format!("{head}steps:\n- start: 0\n- settle: 30s\n- mark\n{steps}expect:\n{expect}"))
        .unwrap();
    let command = format!("{} --config-file {{config}} --listen-addr {{listen}} {extra}", toy_allocator().display());
    let plots = directory.path().join("plots");
    let output = run(&[
        "scenario",
        file.to_str().unwrap(),
        "--command",
        &command,
        "--json",
        json.to_str().unwrap(),
        "--plot",
        plots.to_str().unwrap(),
        "--dir",
        directory.path().join("run").to_str().unwrap(),
    ]);
    assert!(text(&output.stderr).is_empty(), "{}", text(&output.stderr));
    assert!(plots.join("targets.svg").exists());
    let report = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    (output.status.code(), text(&output.stdout), report)
}

#[test]
fn a_restart_that_is_done_well_costs_nothing() {
    let steps = "- kill: 0\n- start: 0\n- wait: 2s\n- terminate: 0\n- start: 0\n- wait: 2s\n";
    let expect = "  lost_target_seconds: 0\n  doubled_target_seconds: 0\n  audit.unowned: 0\n  audit.doubled: 0\n";
    let (code, table, report) = scenario(steps, expect, "");
    assert_eq!(code, Some(0), "{table}");
    assert_eq!(report["accounting"]["held_targets"], 200);
    assert!(report["audit"]["answers"].as_u64().unwrap() > 10, "{table}");
    assert!(report["process"]["rss_max_bytes"].as_u64().unwrap() > 1_000_000);
    assert!(table.contains("ok   lost_target_seconds <= 0"), "{table}");
}

#[test]
fn an_allocator_that_is_ready_too_early_is_caught() {
    let (code, table, report) =
        scenario("- kill: 0\n- start: 0\n- wait: 4s\n", "  lost_target_seconds: 0\n", "--bad-start 3");
    assert_eq!(code, Some(1), "{table}");
    // three collectors polling every 1.5 s lose all 200 targets for the better part of a second
    let lost = report["accounting"]["lost_target_seconds"].as_f64().unwrap();
    assert!(lost > 50.0, "{table}");
    assert!(table.contains("FAIL lost_target_seconds"), "{table}");
}

#[test]
fn scaling_and_churn_are_followed() {
    let steps = "- scale: 4\n- settle: 20s\n- scale: 2\n- settle: 20s\n\
                 - churn: {kind: rolling-deployment, rate: 10%, for: 2s}\n- settle: 20s\n";
    let expect = "  lost_targets_end: 0\n  fleet.collectors: {min: 2, max: 2}\n  changes.known: {min: 1}\n";
    let (code, table, report) = scenario(steps, expect, "");
    assert_eq!(code, Some(0), "{table}");
    assert!(report["changes"]["target_known_seconds"]["count"].as_u64().unwrap() > 20, "{table}");
}

#[test]
fn a_step_that_fails_ends_the_run() {
    let (code, table, report) = scenario("- kill: 0\n- kill: 0\n- wait: 60s\n", "  lost_target_seconds: 0\n", "");
    assert_eq!(code, Some(1), "{table}");
    assert!(report["ended_by"].as_str().unwrap().contains("does not run"), "{table}");
}

#[test]
fn targets_and_collectors_work_together_over_files() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().to_str().unwrap();
    let made = run(&["targets", "--dir", dir, "--targets", "300", "--jobs", "5", "--collectors", "4"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = directory.path().join("allocator.yaml");
    let mut command = Command::new(toy_allocator());
    command.args(["--config-file", config.to_str().unwrap(), "--listen-addr", &format!("127.0.0.1:{port}")]);
    let _allocator = Running(command.spawn().unwrap());
    let truth = directory.path().join("truth.jsonl");
    let endpoint = format!("http://127.0.0.1:{port}");
    let common = ["collectors", "--endpoint", &endpoint, "--collectors", "4", "--time-scale", "20"];
    for extra in [&["--truth", truth.to_str().unwrap()][..], &["--multiplex", "2"][..]] {
        let json = directory.path().join("report.json");
        let mut args = common.to_vec();
        args.extend(["--duration", "3s", "--json", json.to_str().unwrap()]);
        args.extend(extra);
        let output = run(&args);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let report: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        assert_eq!(report["accounting"]["held_targets"], 300, "{}", text(&output.stdout));
        assert_eq!(report["accounting"]["doubled_target_seconds"], 0.0);
        assert_eq!(report["ended_by"], "duration");
        let connections = report["connections"]["peak"].as_i64().unwrap();
        // a list connection and one per job and collector, or two lanes
        let one_per_job = connections >= 4 * 6;
        assert_eq!(one_per_job, extra[0] != "--multiplex", "{}", text(&output.stdout));
    }
}

/// Ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn another_machine_is_refused() {
    let output = run(&["collectors", "--endpoint", "http://192.0.2.1:8080"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("refusing") && error.contains("--allow-remote"), "{error}");
}

#[test]
fn wrong_options_are_explained() {
    for (args, part) in [
        (&["targets", "--dir", "/tmp/x", "--rate", "fast"][..], "not a rate"),
        (&["targets", "--dir", "/dev/null/x"][..], "make /dev/null/x"),
        (&["collectors", "--multiplex", "0"][..], "--multiplex"),
        (&["collectors", "--time-scale", "0"][..], "--time-scale"),
        (&["collectors", "--endpoint", "https://127.0.0.1:1"][..], "--tls-ca"),
        (&["collectors", "--tls-ca", "/ca.crt"][..], "https://"),
        (&["scenario", "/no/such.yaml"][..], "/no/such.yaml"),
    ] {
        let output = run(args);
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains(part), "{part} not in {}", text(&output.stderr));
    }
}
