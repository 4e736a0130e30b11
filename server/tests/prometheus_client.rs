//! Three real Prometheus servers take the place of three collectors: each asks the allocator for its share by
//! `http_sd` and scrapes what it is given. Together they must scrape every target once.

#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

mod acceptance;

use acceptance::{Running, allocator, arg, eventually, free_port, get_json, program, replace_file, wait_ready};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// A name that only survives if the path is routed before it is decoded, and decoded once.
const JOB: &str = "serviceMonitor/shop/fleet 100%/0";
const JOB_PATH: &str = "/jobs/serviceMonitor%2Fshop%2Ffleet+100%25%2F0/targets";
const COLLECTORS: [&str; 3] = ["collector-0", "collector-1", "collector-2"];

/// What the three scrape: the addresses of each.
type Shares = [BTreeSet<String>; 3];

#[test]
fn three_prometheus_servers_share_two_hundred_targets() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (allocator_port, exporter_port) = (free_port(), free_port());
    let real = [format!("127.0.0.1:{allocator_port}"), format!("127.0.0.1:{exporter_port}")];
    let mut targets: BTreeSet<String> = (0..198).map(refusing).chain(real.iter().cloned()).collect();
    let file = folder.join("targets.json");
    write_targets(&file, &targets);

    let _exporter = start_exporter(folder, exporter_port);
    let config = write_config(folder, allocator_port);
    let first = allocator(folder, &config);
    wait_ready(allocator_port);
    let servers = start_servers(folder, allocator_port);
    let ports = servers.each_ref().map(|(port, _)| *port);

    let before = wait_for_targets(&ports, &targets);
    assert!(before.iter().all(|share| !share.is_empty()), "a collector without work: {before:?}");
    wait_for_up(&ports, &real);
    assert_scraped(&ports, "node_load1", &real[1]);
    assert_scraped(&ports, "opentelemetry_allocator_targets_per_collector", &real[0]);

    // targets come and go in the file
    targets = (20..230).map(refusing).chain(real.iter().cloned()).collect();
    write_targets(&file, &targets);
    let after = wait_for_targets(&ports, &targets);
    for (old, new) in before.iter().zip(&after) {
        let kept: BTreeSet<_> = old.intersection(&targets).collect();
        assert!(kept.iter().all(|address| new.contains(*address)), "a target moved although no collector changed");
    }

    // a restart costs no target: what is not known yet is answered 503, never with less, and clients keep what they have
    let bodies = bodies(allocator_port).unwrap();
    assert_eq!(first.terminate().code(), Some(0), "clean exit");
    let _second = allocator(folder, &config);
    let polls = poll_counts(&ports);
    eventually("two more polls of every client, and the same answers as before", || {
        assert_eq!(shares(&ports)?, after, "a client lost targets over a restart");
        let now = self::bodies(allocator_port)?;
        assert_eq!(now, bodies, "another answer than before the restart");
        let polled = poll_counts(&ports).iter().zip(&polls).all(|(now, before)| now >= &(before + 2.0));
        polled.then_some(()).ok_or_else(|| "not polled twice yet".to_owned())
    });
}

/// What the allocator says to each collector. An error while it does not say: not listening yet, or 503.
fn bodies(allocator_port: u16) -> Result<[String; 3], String> {
    let mut bodies = [const { String::new() }; 3];
    for (body, collector) in bodies.iter_mut().zip(COLLECTORS) {
        match acceptance::get(allocator_port, &format!("{JOB_PATH}?collector_id={collector}"))? {
            (200, text) => *body = text,
            (503, text) => return Err(format!("503 {text}")),
            other => panic!("neither an answer nor a 503: {other:?}"),
        }
    }
    Ok(bodies)
}

/// An address on loopback where nothing listens: scraping it fails at once and leaves the machine alone.
fn refusing(number: u32) -> String {
    format!("127.7.{}.{}:1", number / 100, number % 100 + 1)
}

/// Two hundred targets in groups of five, and one group that relabelling drops.
fn write_targets(file: &Path, targets: &BTreeSet<String>) {
    let addresses: Vec<&String> = targets.iter().collect();
    let mut groups: Vec<Value> = addresses
        .chunks(5)
        .enumerate()
        .map(|(n, chunk)| json!({"targets": chunk, "labels": {"team": format!("team <{}> & co", n % 7), "empty": ""}}))
        .collect();
    groups.push(json!({"targets": ["127.9.9.9:1", "127.9.9.8:1"], "labels": {"scrape": "no"}}));
    replace_file(file, &serde_json::to_string_pretty(&groups).unwrap());
}

fn write_config(folder: &Path, port: u16) -> std::path::PathBuf {
    let config = json!({
        "listen_addr": format!("127.0.0.1:{port}"),
        "filter_strategy": "relabel-config",
        "collectors": {"static": COLLECTORS.map(|name| json!({"name": name}))},
        "config": {"scrape_configs": [{
            "job_name": JOB,
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "file_sd_configs": [{"files": [folder.join("targets.json")]}],
            "relabel_configs": [
                {"source_labels": ["scrape"], "regex": "no", "action": "drop"},
                {"source_labels": ["team"], "regex": "team <(.*)> & co", "target_label": "team", "replacement": "$1"},
            ],
        }]},
    });
    let file = folder.join("allocator.yaml"); // JSON is YAML
    std::fs::write(&file, config.to_string()).unwrap();
    file
}

fn start_exporter(folder: &Path, port: u16) -> Running {
    let mut command = Command::new(program("prometheus-node-exporter"));
    let address = format!("127.0.0.1:{port}");
    command.args(["--collector.disable-defaults", "--collector.loadavg"]).arg(arg("--web.listen-address", address));
    Running::start(folder, "exporter", &mut command)
}

/// One Prometheus for each collector, on the job exactly as the allocator serves it, with discovery replaced by
/// `http_sd`: what a collector does with it.
fn start_servers(folder: &Path, allocator_port: u16) -> [(u16, Running); 3] {
    let job = get_json(allocator_port, "/scrape_configs").unwrap()[JOB].clone();
    COLLECTORS.map(|collector| {
        let port = free_port();
        let config = folder.join(format!("{collector}.yml"));
        let url = format!("http://127.0.0.1:{allocator_port}{JOB_PATH}?collector_id={collector}");
        std::fs::write(&config, json!({"scrape_configs": [as_client(&job, &url)]}).to_string()).unwrap();
        let mut command = Command::new(program("prometheus"));
        command
            .arg(arg("--config.file", &config))
            .arg(arg("--storage.tsdb.path", folder.join(format!("{collector}.data"))))
            .arg(arg("--web.listen-address", format!("127.0.0.1:{port}")))
            .arg("--log.level=warn");
        (port, Running::start(folder, collector, &mut command))
    })
}

/// The served job as a scrape config of Prometheus 2.42, which refuses keys it does not know.
fn as_client(job: &Value, url: &str) -> Value {
    const KNOWN: [&str; 8] = [
        "job_name",
        "scrape_interval",
        "scrape_timeout",
        "metrics_path",
        "scheme",
        "honor_timestamps",
        "relabel_configs",
        "metric_relabel_configs",
    ];
    let mut config: serde_json::Map<String, Value> = job
        .as_object()
        .unwrap()
        .iter()
        .filter(|(key, _)| KNOWN.contains(&key.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    assert!(config.contains_key("relabel_configs"), "relabelling is left to the client: {job}");
    config.insert("http_sd_configs".into(), json!([{"url": url, "refresh_interval": "1s"}]));
    Value::Object(config)
}

/// What each server scrapes now.
fn shares(ports: &[u16; 3]) -> Result<Shares, String> {
    let mut shares = Shares::default();
    for (share, port) in shares.iter_mut().zip(ports) {
        let answer = get_json(*port, "/api/v1/targets?state=active")?;
        let active = answer["data"]["activeTargets"].as_array().ok_or("no list of targets")?;
        for target in active {
            let address = target["discoveredLabels"]["__address__"].as_str().ok_or("no address")?;
            assert!(share.insert(address.to_owned()), "{address} twice in one share");
        }
    }
    Ok(shares)
}

/// Waits until the three together scrape exactly `targets`, each of them once.
fn wait_for_targets(ports: &[u16; 3], targets: &BTreeSet<String>) -> Shares {
    eventually("every target is in one share", || {
        let shares = shares(ports)?;
        let mut owners: BTreeMap<&String, usize> = BTreeMap::new();
        shares.iter().flatten().for_each(|address| *owners.entry(address).or_default() += 1);
        let missing: Vec<_> = targets.iter().filter(|address| !owners.contains_key(address)).collect();
        let wrong: Vec<_> =
            owners.iter().filter(|(address, count)| **count > 1 || !targets.contains(**address)).collect();
        match missing.is_empty() && wrong.is_empty() {
            true => Ok(shares.clone()),
            false => Err(format!("missing {missing:?}, twice or too many {wrong:?}")),
        }
    })
}

/// `instance` values for which `query` has a result on any of the servers.
fn instances(ports: &[u16; 3], query: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for port in ports {
        let answer = get_json(*port, &format!("/api/v1/query?query={query}"))?;
        let results = answer["data"]["result"].as_array().ok_or_else(|| answer.to_string())?;
        found.extend(results.iter().map(|result| result["metric"]["instance"].as_str().unwrap_or("").to_owned()));
    }
    found.sort();
    Ok(found)
}

fn wait_for_up(ports: &[u16; 3], real: &[String; 2]) {
    let mut wanted = real.to_vec();
    wanted.sort();
    eventually("the real targets are up, and no other", || {
        let up = instances(ports, "up%3D%3D1")?;
        if up == wanted { Ok(()) } else { Err(format!("{up:?}")) }
    });
}

fn assert_scraped(ports: &[u16; 3], metric: &str, instance: &str) {
    eventually("a metric of a real target arrives", || {
        let found = instances(ports, metric)?;
        if found.iter().any(|name| name == instance) { Ok(()) } else { Err(format!("{metric}: {found:?}")) }
    });
}

/// How often each server has asked the allocator, failures included.
fn poll_counts(ports: &[u16; 3]) -> [f64; 3] {
    ports.map(|port| {
        let (_, text) = acceptance::get(port, "/metrics").unwrap();
        let of = |name: &str| {
            text.lines()
                .filter(|line| line.starts_with(name))
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum::<f64>()
        };
        of("prometheus_sd_refresh_duration_seconds_count{mechanism=\"http\"}")
            + of("prometheus_sd_refresh_failures_total{mechanism=\"http\"}")
    })
}
