//! The faults of `loadgen/scenarios`, small and fast: whatever happens, no target is lost and none is held twice. The same files run at
//! full size with `loadgen scenario`, against any allocator.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ta_loadgen::duration::Time;
use ta_loadgen::report::{Expectation, Report};
use ta_loadgen::scenario::{RunOptions, Scenario, StepKind, run};

/// How much faster than real ones collectors poll: every half second.
const TIME_SCALE: f64 = 60.0;
/// What files wait for is so many times shorter.
const HURRY: f64 = 6.0;
/// The same where an API server is away: a client that was refused for longer waits for longer before it tries again.
const GREAT_HURRY: f64 = 20.0;
/// Of the numbers that files expect, those that depend on nothing but what the allocator does. How long something takes on a machine that
/// runs other tests besides is no business of a test, and neither are requests that took too long.
const JUDGED: [&str; 6] = [
    "lost_target_seconds",
    "doubled_target_seconds",
    "lost_targets_end",
    "doubled_targets_end",
    "changes.pending",
    "fleet.exited",
];

/// Long for a machine under load.
const PATIENCE: Duration = Duration::from_secs(180);

/// A file of `loadgen/scenarios`, made small.
fn mk_scenario(name: &str, hurry: f64) -> Scenario {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadgen/scenarios").join(format!("{name}.yaml"));
    let mut scenario = Scenario::read(&file).unwrap();
    let sizes = &mut scenario.targets;
    (sizes.targets, sizes.jobs, sizes.nodes, sizes.services) = (600, 6, 20, 24);
    scenario.collectors.count = 6;
    scenario.limits.duration = Time(PATIENCE);
    scenario.hurry(hurry);
    scenario.collectors.time_scale = TIME_SCALE;
    for step in &mut scenario.steps {
        if let StepKind::Strangers(counts) = step {
            (counts.idle, counts.dribbling, counts.deaf) = (counts.idle / 20, counts.dribbling / 20, counts.deaf / 10);
        }
    }
    scenario
}

/// Plays it, and asserts that everything could be done and that it came out as expected.
async fn survives(scenario: Scenario, libfaketime: Option<PathBuf>) -> Report {
    // descriptors of strangers, collectors and the simulated cluster
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let allocator = env!("CARGO_BIN_EXE_target-allocator");
    let options = RunOptions {
        command: format!(
            "{allocator} --config-file {{config}} --listen-addr {{listen}} --http-drain 300ms --readiness-cap 3s"
        ),
        directory: directory.path().to_owned(),
        libfaketime,
    };
    let report = run(&scenario, &options, &|_| {}).await.unwrap();
    let log = std::fs::read_to_string(directory.path().join("allocator-0.log")).unwrap_or_default();
    assert_eq!(report.ended_by, "steps done", "{:#?}\n{log}", report.steps);
    let judged = |expectation: &&Expectation| JUDGED.contains(&expectation.value.as_str());
    let wrong: Vec<_> = report.expectations.iter().filter(judged).filter(|expectation| !expectation.met).collect();
    assert!(wrong.is_empty(), "{wrong:?}\n{:#?}\n{log}", report.steps);
    assert!(report.accounting.held_targets == 600 && report.requests.targets.accepted > 0, "{:?}", report.accounting);
    report
}

/// libfaketime: LIBFAKETIME, or what `scripts/need faketime` fetches.
fn faketime() -> PathBuf {
    if let Some(library) = std::env::var_os("LIBFAKETIME") {
        return library.into();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/need");
    let output = Command::new(script).arg("faketime").stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "scripts/need faketime failed");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

macro_rules! faults {
    ($($test:ident: $file:literal, $hurry:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            survives(mk_scenario($file, $hurry), None).await;
        }
    )*};
}

faults! {
    a_kill_and_a_restart: "restart", HURRY;
    a_second_instance_takes_over: "handover", HURRY;
    an_api_server_that_is_gone: "api-server-gone", GREAT_HURRY;
    an_api_server_that_fails: "api-server-fails", GREAT_HURRY;
    a_restart_while_the_api_server_is_gone: "restart-without-api-server", GREAT_HURRY;
    clients_that_do_harm: "strangers", HURRY;
    a_full_disk: "full-disk", HURRY;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_do_harm_over_https() {
    let mut scenario = mk_scenario("strangers", HURRY);
    scenario.allocator.https = true;
    survives(scenario, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps() {
    survives(mk_scenario("clock", HURRY), Some(faketime())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_are_garbage() {
    let report = survives(mk_scenario("certificates", HURRY), None).await;
    // six collectors with a list and six jobs: at first, and after each of five changes
    assert!(report.connections.opened >= 6 * 7 * 6, "{:?}", report.connections);
}
