//! The whole program in this process: service discovery in, HTTP out, with short intervals.

#![allow(clippy::unwrap_used)] // helpers of tests

mod program;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use program::Running;
use ta_server::Environment;

const FLEET: &str = "collectors: {static: [{name: c0}, {name: c1}, {name: c2}]}\n";

async fn start(dir: &Path, text: &str) -> Running {
    Running::start_in(dir, text, &Environment::new()).await
}

/// A file for file_sd with `count` targets.
fn write_targets(path: &Path, count: usize) {
    let targets: Vec<String> = (0..count).map(|n| format!("\"10.0.{}.{}:9100\"", n / 250, n % 250)).collect();
    // as editors and config maps do: a new file in place of the old
    let next = path.with_extension("new");
    std::fs::write(&next, format!("[{{\"targets\": [{}], \"labels\": {{\"team\": \"a\"}}}}]", targets.join(",")))
        .unwrap();
    std::fs::rename(&next, path).unwrap();
}

fn file_job(dir: &Path) -> String {
    let glob = dir.join("*.json");
    format!(
        "config:\n  scrape_configs:\n  - job_name: files\n    file_sd_configs: [{{files: ['{}']}}]\n",
        glob.display()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_of_a_file_are_shared_out_completely_and_changes_arrive() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("targets.json");
    write_targets(&file, 100);
    let running = start(dir.path(), &format!("{FLEET}{}", file_job(dir.path()))).await.ready().await;

    let mut all = Vec::new();
    for collector in ["c0", "c1", "c2"] {
        all.extend(running.share("files", collector).await);
    }
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (100, 100));
    let configs = running.json("/scrape_configs").await;
    assert_eq!(configs["files"]["job_name"], "files");
    assert_eq!(running.json("/jobs").await["files"]["_link"], "/jobs/files/targets");

    write_targets(&file, 150);
    running.wait_for("/jobs/files/targets", |_, body| body.contains("10.0.0.149:9100")).await;
    write_targets(&file, 1);
    running.wait_for("/jobs/files/targets", |_, body| !body.contains("10.0.0.1:9100")).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_file_costs_nobody_a_target() {
    let dir = tempfile::tempdir().unwrap();
    let (good, broken) = (dir.path().join("good.json"), dir.path().join("broken.json"));
    write_targets(&good, 10);
    std::fs::write(&broken, "[{\"targets\": [\"marker:1\"]}]").unwrap();
    let running = start(dir.path(), &format!("{FLEET}{}", file_job(dir.path()))).await.ready().await;
    assert!(running.get("/jobs/files/targets").await.1.contains("marker:1"));

    std::fs::write(&broken, "[{\"targets\": [7]").unwrap();
    write_targets(&good, 20);
    running.wait_for("/jobs/files/targets", |_, body| body.contains("10.0.0.19:9100")).await;
    assert!(running.get("/jobs/files/targets").await.1.contains("marker:1"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_relabelling_drops_is_not_shared_out() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "{FLEET}config:\n  scrape_configs:\n  - job_name: j\n    static_configs: [{{targets: ['a:1', 'b:1', 'c:1']}}]\n    \
         relabel_configs: [{{source_labels: [__address__], regex: 'b:.*', action: drop}}]\n"
    );
    let running = start(dir.path(), &text).await.ready().await;
    let body = running.get("/jobs/j/targets").await.1;
    assert!(body.contains("a:1") && body.contains("c:1") && !body.contains("b:1"), "{body}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_answers_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    write_targets(&dir.path().join("targets.json"), 300);
    let mut answers = Vec::new();
    for _ in 0..2 {
        let running = start(dir.path(), &format!("{FLEET}{}", file_job(dir.path()))).await.ready().await;
        let mut answer = vec![running.get("/scrape_configs").await];
        for collector in ["c0", "c1", "c2", "nobody"] {
            answer.push(running.get(&format!("/jobs/files/targets?collector_id={collector}")).await);
        }
        answers.push(answer);
        running.stop().await;
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0][4], (200, "[]\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_not_discovered_yet_holds_the_start_up_to_its_cap_and_then_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    write_targets(&dir.path().join("targets.json"), 5);
    // accepts and never answers
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http_job =
        format!("  - job_name: slow\n    http_sd_configs: [{{url: 'http://{}/'}}]\n", silent.local_addr().unwrap());
    let text = format!("{FLEET}{}{http_job}readiness: {{job_cap: 1500ms, cap: 50s}}\n", file_job(dir.path()));
    let begun = Instant::now();
    let running = start(dir.path(), &text).await;
    running.wait_for("/metrics", |_, body| body.contains("job_name=\"files\"")).await;
    if begun.elapsed() < Duration::from_millis(1_000) {
        for path in ["/readyz", "/scrape_configs", "/jobs", "/jobs/files/targets?collector_id=c0"] {
            let (status, body) = running.get(path).await;
            assert!(status == 503 || begun.elapsed() > Duration::from_millis(1_500), "{path}: {status} {body}");
        }
    }
    let running = running.ready().await;
    assert!(begun.elapsed() >= Duration::from_millis(1_500));
    assert!(running.json("/scrape_configs").await["slow"].is_object());
    assert_eq!(running.get("/jobs/slow/targets?collector_id=c0").await.0, 503);
    assert_eq!(running.get("/jobs/files/targets?collector_id=c0").await.0, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collectors_of_a_file_are_waited_for_and_followed() {
    let dir = tempfile::tempdir().unwrap();
    write_targets(&dir.path().join("targets.json"), 50);
    let fleet = dir.path().join("fleet.yaml");
    let text = format!("collectors: {{file: '{}'}}\n{}", fleet.display(), file_job(dir.path()));
    let running = start(dir.path(), &text).await;
    running.wait_for("/metrics", |_, body| body.contains("job_name=\"files\"")).await;
    assert_eq!(running.get("/readyz").await.0, 503);

    std::fs::write(&fleet, "- name: c0\n").unwrap();
    let running = running.ready().await;
    assert_eq!(running.share("files", "c0").await.len(), 50);

    std::fs::write(&fleet, "- name: c0\n- name: c1\n").unwrap();
    running.wait_for("/jobs/files/targets?collector_id=c1", |_, body| body != "[]\n").await;
    assert_eq!(running.share("files", "c0").await.len() + running.share("files", "c1").await.len(), 50);

    std::fs::write(&fleet, "- name: c0\n- name: c0\n").unwrap(); // no good: the last good list stays
    std::fs::write(dir.path().join("more.json"), "[{\"targets\": [\"marker:1\"]}]").unwrap();
    running.wait_for("/jobs/files/targets", |_, body| body.contains("marker:1")).await;
    assert_eq!(running.share("files", "c0").await.len() + running.share("files", "c1").await.len(), 51);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_collectors_everything_is_served_and_nothing_assigned() {
    let dir = tempfile::tempdir().unwrap();
    let text =
        "collectors: {static: []}\nconfig: {scrape_configs: [{job_name: j, static_configs: [{targets: ['a:1']}]}]}\n";
    let running = start(dir.path(), text).await.ready().await;
    assert!(running.json("/scrape_configs").await["j"].is_object());
    assert_eq!(running.json("/jobs").await["j"]["_link"], "/jobs/j/targets");
    assert_eq!(running.get("/jobs/j/targets?collector_id=c0").await, (200, "[]\n".to_owned()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_discovered_to_be_empty_is_known_and_empty() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("{FLEET}config: {{scrape_configs: [{{job_name: none}}]}}\n");
    let running = start(dir.path(), &text).await.ready().await;
    assert_eq!(running.get("/jobs/none/targets?collector_id=c0").await, (200, "[]\n".to_owned()));
    running.stop().await;
}
