//! What `render -o yaml` prints of every golden case is loaded by a real Prometheus: Debian 13's 2.53.3, which has discovery in
//! Kubernetes built in. It is older than the version whose configuration is rendered, so what it cannot know is taken away
//! first: listed here by name, and each found to be needed.

#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

mod acceptance;
mod yaml_json;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use acceptance::{Running, arg, eventually, free_port, get_json};
use serde_json::{Value as Json, json};
use ta_model::cr::split;
use ta_model::yaml::parse;
use yaml_json::to_json;

/// Keys of 3.x, and mechanisms that Debian's build leaves out.
const UNKNOWN_KEYS: [&str; 12] = [
    "always_scrape_classic_histograms",
    "convert_classic_histograms_to_nhcb",
    "fallback_scrape_protocol",
    "match_first_network",
    "metric_name_escaping_scheme",
    "metric_name_validation_scheme",
    "scrape_native_histograms",
    "scrape_protocols", // known, but not all its values
    "azure_sd_configs",
    "consul_sd_configs",
    "kuma_sd_configs",
    "nomad_sd_configs",
];

/// Jobs with values of 3.x, or values that masking spoils; and what 2.53 says to them.
const UNKNOWN_VALUES: [(&str, &str); 5] = [
    ("scrape-config-gce-and-openstack-sd/scrapeConfig/farm/clouds", "unknown OpenStack SD role \"loadbalancer\""),
    ("scrape-config-hosting-sd/scrapeConfig/farm/hosting", "invalid secret key format '<secret>'"),
    ("scrape-config-name-schemes/scrapeConfig/farm/c-utf8", "\"farm.field/no\" is invalid 'target_label'"),
    ("service-monitor-job-and-target-labels/serviceMonitor/library/reading-rooms/0", "\"2nd_floor\" is invalid"),
    ("service-monitor-job-and-target-labels/serviceMonitor/library/reading-rooms/1", "\"2nd_floor\" is invalid"),
];

#[test]
fn prometheus_loads_what_every_golden_case_is_rendered_to() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut jobs: Vec<Json> = Vec::new();
    for case in cases() {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        for mut job in render(folder, &case.join("input.yaml")) {
            // cases use the same names
            job["job_name"] = format!("{name}/{}", job["job_name"].as_str().unwrap()).into();
            jobs.push(job);
        }
    }
    assert!(jobs.len() > 140, "{}", jobs.len());
    let mut removed = BTreeSet::new();
    jobs.iter_mut().for_each(|job| remove_unknown(job, &mut removed));
    assert_eq!(removed, BTreeSet::from(UNKNOWN_KEYS), "a key that is in no case any more");

    for (name, reason) in UNKNOWN_VALUES {
        let at = jobs.iter().position(|job| job["job_name"] == name).unwrap_or_else(|| panic!("no job {name}"));
        let said = refusal(folder, &jobs.remove(at));
        assert!(said.contains(reason), "{name}: {said}");
    }
    assert_eq!(loaded_jobs(folder, &jobs), jobs.len());
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/testdata/prometheus-crs");
    let entries = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    assert!(cases.len() >= 55, "{}", cases.len());
    cases
}

/// The scrape configs that the program prints. Scrape classes of a case go into a configuration file.
fn render(folder: &Path, input: &Path) -> Vec<Json> {
    let documents = split(&std::fs::read_to_string(input).unwrap()).unwrap();
    let classes = documents.iter().find_map(|document| document.get("scrape_classes"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_target-allocator"));
    command.env_clear().args(["render", "-o", "yaml", "-f"]).arg(input);
    if let Some(classes) = classes {
        let file = folder.join("classes.yaml");
        let config = json!({
            "collectors": {"static": [{"name": "a"}]},
            "prometheus_cr": {
                "enabled": true, "scrape_classes": to_json(classes),
                "service_monitor_selector": {}, "pod_monitor_selector": {}, "probe_selector": {}, "scrape_config_selector": {},
            },
        });
        std::fs::write(&file, config.to_string()).unwrap();
        command.arg(arg("--config-file", &file));
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let printed = to_json(&parse(&text).unwrap_or_else(|error| panic!("{}: {error}\n{text}", input.display())).root);
    printed["scrape_configs"].as_array().cloned().unwrap_or_default()
}

fn remove_unknown(value: &mut Json, removed: &mut BTreeSet<&'static str>) {
    match value {
        Json::Array(values) => values.iter_mut().for_each(|value| remove_unknown(value, removed)),
        Json::Object(members) => {
            removed.extend(UNKNOWN_KEYS.into_iter().filter(|key| members.remove(*key).is_some()));
            members.values_mut().for_each(|value| remove_unknown(value, removed));
        }
        _ => {}
    }
}

/// Debian 13's Prometheus with these jobs, on a port.
fn prometheus(folder: &Path, name: &str, jobs: &[Json], port: u16) -> Command {
    let config = folder.join(format!("{name}.yaml"));
    // JSON is YAML
    std::fs::write(&config, json!({"global": {"scrape_interval": "30s"}, "scrape_configs": jobs}).to_string()).unwrap();
    let mut command = Command::new(acceptance::kubernetes_prometheus());
    command
        .arg(arg("--config.file", &config))
        .arg(arg("--storage.tsdb.path", folder.join(name)))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    command
}

/// What it says to a job that it does not load.
fn refusal(folder: &Path, job: &Json) -> String {
    let output = prometheus(folder, "refused", std::slice::from_ref(job), free_port()).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).replace("\\\"", "\"")
}

/// How many jobs it says it has.
fn loaded_jobs(folder: &Path, jobs: &[Json]) -> usize {
    let port = free_port();
    let running = Running::start(folder, "loaded", &mut prometheus(folder, "loaded", jobs, port));
    let config = eventually("Prometheus has loaded the jobs", || {
        let log = running.log();
        assert!(!log.contains("Error loading config"), "{log}");
        let answer = get_json(port, "/api/v1/status/config")?;
        answer["data"]["yaml"].as_str().map(str::to_owned).ok_or_else(|| answer.to_string())
    });
    to_json(&parse(&config).unwrap().root)["scrape_configs"].as_array().map_or(0, Vec::len)
}
