//! `promtool check service-discovery` as oracle: for some hundred random jobs it says what discovery finds and what
//! relabelling makes of it. Our relabelling must say the same, and the running allocator must share out exactly the
//! targets that Prometheus would scrape, with the labels that Prometheus discovered.
//!
//! A failure names the job and prints its rules; the seed is fixed, so it can be repeated.

#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

mod acceptance;
#[path = "oracle/generator.rs"]
mod generator;

use acceptance::{allocator, free_port, get_json, program, wait_ready};
use generator::{Job, Map, Random};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use ta_model::relabel::{RawRule, Verdict, process};
use ta_model::{LabelBuilder, Labels};

const JOBS: usize = 300;
const SEED: u64 = 20_260_801;
/// promtool waits this long for discovery, always to the end; static targets are there at once.
const PROMTOOL_WAITS: &str = "--timeout=300ms";

/// Where promtool (2.42 and later 2.x) and we differ on purpose; `as_prometheus_2` and `why_refused` know the first six,
/// the generator avoids the others. What Prometheus refuses after relabelling, the allocator, like upstream, leaves to
/// the collector to refuse.
const DIVERGENCES: [(&str, &str); 11] = [
    ("refused: no address", "relabelling removed __address__"),
    ("refused: address", "a slash or too many colons in __address__"),
    ("refused: interval", "__scrape_interval__ or __scrape_timeout__ is no duration, zero, or the timeout is longer"),
    ("refused: scheme", "no port in __address__, and none can be derived from __scheme__"),
    ("default port", "2.x appends :80 or :443 to an address without port; 3.x and we leave it as it is"),
    ("instance", "Prometheus sets it from the address after relabelling; the allocator has no use for it"),
    ("discovered labels", "2.42 prints as discovered what a rule wrote over them, so they are asked for without rules"),
    (
        "empty result for a computed target",
        "2.x deletes the label named by the unexpanded target_label; 3.x and we do not",
    ),
    ("line break", "a dot matches one since 3.0"),
    (
        "labelmap of two labels to one name",
        "the later one wins; later is by name in 2.x, by time of writing in 3.x and here",
    ),
    ("params", "2.x overwrites a __param_ label that the target brings; 3.x and we keep it"),
];

/// What promtool says about one job. Sets, because it prints equal targets once.
#[derive(Debug, Default)]
struct Answer {
    /// Labels after relabelling of the targets that are kept.
    kept: BTreeSet<Map>,
    /// Whether any target was refused after relabelling; it does not say which.
    refused: bool,
}

#[test]
fn relabelling_and_shares_agree_with_promtool() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut random = Random(SEED);
    let mut refused = Vec::new();
    let jobs: Vec<Job> = (0..JOBS).map(|number| random.job(number, &mut refused)).collect();
    let port = free_port();
    let config = write_config(folder, port, &jobs);
    let _allocator = allocator(folder, &config);

    compare_discovered(folder, &jobs);
    let answers = ask_promtool(folder, &jobs);
    wait_ready(port);
    let mut seen = Tally::default();
    for (job, answer) in jobs.iter().zip(&answers) {
        let wanted = compare_relabelling(job, answer, &mut seen);
        compare_shares(job, port, &wanted);
    }
    println!("{seen:?}");
    seen.assert_worthwhile();
    assert_refused(folder, &refused);
}

/// How much was compared, and which divergences were met.
#[derive(Debug, Default)]
struct Tally {
    kept: usize,
    dropped: usize,
    merged: usize,
    divergences: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn diverged(&mut self, name: &'static str) {
        assert!(DIVERGENCES.iter().any(|(known, _)| *known == name), "{name} is not in the table");
        *self.divergences.entry(name).or_default() += 1;
    }

    /// A generator that drops everything, or only makes what diverges, would compare nothing.
    fn assert_worthwhile(&self) {
        assert!(self.kept > 1000 && self.dropped > 300 && self.merged > 50, "too little was compared: {self:?}");
        let refused = self.divergences.iter().filter(|(name, _)| name.starts_with("refused")).map(|(_, count)| count);
        assert!(refused.sum::<usize>() * 4 < self.kept, "most targets diverge: {self:?}");
    }
}

fn ask_promtool(folder: &Path, jobs: &[Job]) -> Vec<Answer> {
    let answers: Vec<Mutex<Answer>> = jobs.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    let ask_about_next = || {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let job = jobs.get(number)?;
        let entries = check_service_discovery(&folder.join(format!("{number}.yml")), &job.config());
        let mut answer = Answer::default();
        for entry in &entries {
            let labels = map(&entry["labels"]);
            answer.refused |= entry.get("error").is_some();
            if !labels.is_empty() {
                answer.kept.insert(labels);
            }
        }
        *answers[number].lock().unwrap() = answer;
        Some(())
    };
    // each call mostly waits for its timeout, so more of them than cores
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| while ask_about_next().is_some() {});
        }
    });
    answers.into_iter().map(|answer| answer.into_inner().unwrap()).collect()
}

fn check_service_discovery(config: &Path, job: &Value) -> Vec<Value> {
    std::fs::write(config, json!({"scrape_configs": [job]}).to_string()).unwrap();
    let name = job["job_name"].as_str().unwrap();
    let ask = |timeout: &str| {
        let output = Command::new(program("promtool"))
            .args(["check", "service-discovery", timeout])
            .arg(config)
            .arg(name)
            .output();
        let output = output.expect("promtool starts");
        let entries: Result<Vec<Value>, _> = serde_json::from_slice(&output.stdout);
        entries.unwrap_or_else(|error| panic!("{error}: {}\n{job:#}", String::from_utf8_lossy(&output.stderr)))
    };
    match ask(PROMTOOL_WAITS) {
        entries if entries.is_empty() => ask("--timeout=10s"), // the machine was too busy
        entries => entries,
    }
}

fn map(labels: &Value) -> Map {
    let labels = labels.as_object().into_iter().flatten();
    labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// What the generator takes for discovered labels is what Prometheus discovers: all targets of all jobs in one.
fn compare_discovered(folder: &Path, jobs: &[Job]) {
    let groups: Vec<_> = jobs.iter().flat_map(|job| job.groups.clone()).collect();
    let all = Job { name: "all".into(), rules: Vec::new(), params: BTreeMap::new(), groups };
    let entries = check_service_discovery(&folder.join("all.yml"), &all.config());
    let refused = entries.iter().filter(|entry| entry.get("error").is_some()).count();
    let theirs: BTreeSet<Map> = entries.iter().map(|entry| map(&entry["discoveredLabels"])).collect();
    let ours: BTreeSet<Map> = all.targets().iter().map(|target| all.seeded(target)).collect();
    let missing = ours.difference(&theirs).filter(|labels| why_refused(labels).is_none()).collect::<Vec<_>>();
    assert_eq!(missing, Vec::<&Map>::new(), "not discovered by promtool, which refused {refused}");
    assert!(
        theirs.difference(&ours).all(Map::is_empty),
        "discovered by promtool alone: {:?}",
        theirs.difference(&ours)
    );
}

/// Relabels each target by the model and holds it against promtool. Gives identity → the targets that end there: what
/// the allocator should share out.
fn compare_relabelling(job: &Job, answer: &Answer, seen: &mut Tally) -> BTreeMap<Map, Vec<Map>> {
    let mut wanted: BTreeMap<Map, Vec<Map>> = BTreeMap::new();
    let mut kept = BTreeSet::new();
    let mut refused = false;
    for target in job.targets() {
        let Some(identity) = relabel(job, &target) else {
            seen.dropped += 1;
            continue;
        };
        if let Some(reason) = why_refused(&identity) {
            seen.diverged(reason);
            refused = true;
        } else {
            seen.kept += 1;
            let labels = as_prometheus_2(&identity, seen);
            if !answer.kept.contains(&labels) {
                fail(job, &target, &labels, &format!("promtool keeps no such target, but {:#?}", answer.kept));
            }
            kept.insert(labels);
        }
        wanted.entry(identity).or_default().push(target);
    }
    seen.merged += wanted.values().map(|targets| targets.len() - 1).sum::<usize>();
    if let Some(labels) = answer.kept.difference(&kept).next() {
        fail(job, &Map::new(), labels, "only promtool keeps it");
    }
    assert_eq!(refused, answer.refused, "{}: whether targets are refused after relabelling", job.name);
    wanted
}

fn fail(job: &Job, target: &Map, labels: &Map, what: &str) -> ! {
    panic!("{}: {what}\nlabels {labels:?}\nof {target:?}\nby {:#}", job.name, job.config()["relabel_configs"])
}

/// Labels after relabelling, without meta labels; `None` if dropped. Seeds are set after the target's labels: where two
/// labels are mapped to one name, the later one wins.
fn relabel(job: &Job, target: &Map) -> Option<Map> {
    let base = Labels::from_pairs(target.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut builder = LabelBuilder::new(&base);
    for (name, value) in job.seeds() {
        if builder.get(&name).is_empty() {
            builder.set(&name, &value);
        }
    }
    let verdict = process(&job.rules, &mut builder);
    let labels = builder.labels();
    let kept = labels.iter().filter(|(name, _)| !name.starts_with("__meta_"));
    matches!(verdict, Verdict::Keep).then(|| kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// What Prometheus 2.x does to labels between relabelling and scraping.
fn as_prometheus_2(labels: &Map, seen: &mut Tally) -> Map {
    let mut labels = labels.clone();
    let mut address = labels["__address__"].clone();
    if !has_port(&address) {
        seen.diverged("default port");
        address += if labels.get("__scheme__").is_some_and(|scheme| scheme == "https") { ":443" } else { ":80" };
        labels.insert("__address__".into(), address.clone());
    }
    labels.entry("instance".into()).or_insert_with(|| {
        seen.diverged("instance");
        address
    });
    labels
}

fn has_port(address: &str) -> bool {
    address.rfind(':').is_some_and(|colon| address.rfind(']').is_none_or(|bracket| bracket < colon))
}

/// Which divergence explains that Prometheus refuses a target with these labels.
fn why_refused(labels: &Map) -> Option<&'static str> {
    let get = |name: &str| labels.get(name).map_or("", String::as_str);
    let duration = |name: &str| get(name).parse::<ta_model::Duration>().map_or(0, |duration| duration.as_millis());
    let (address, interval, timeout) =
        (get("__address__"), duration("__scrape_interval__"), duration("__scrape_timeout__"));
    match () {
        () if address.is_empty() => Some("refused: no address"),
        () if !has_port(address) && !matches!(get("__scheme__"), "" | "http" | "https") => Some("refused: scheme"),
        () if address.contains('/') || address.matches(':').count() > 1 && !address.starts_with('[') => {
            Some("refused: address")
        }
        () if interval == 0 || timeout == 0 || timeout > interval => Some("refused: interval"),
        () => None,
    }
}

fn write_config(folder: &Path, port: u16, jobs: &[Job]) -> std::path::PathBuf {
    let jobs: Vec<Value> = jobs.iter().map(Job::config).collect();
    let config = json!({
        "listen_addr": format!("127.0.0.1:{port}"),
        "filter_strategy": "relabel-config",
        "collectors": {"static": [{"name": "collector-0"}, {"name": "collector-1"}]},
        // label names as promtool 2.x has them
        "config": {"global": {"metric_name_validation_scheme": "legacy"}, "scrape_configs": jobs},
    });
    let file = folder.join("allocator.yaml");
    std::fs::write(&file, config.to_string()).unwrap();
    file
}

/// The two shares together must hold each identity once, with the labels discovered for one of its targets.
fn compare_shares(job: &Job, port: u16, wanted: &BTreeMap<Map, Vec<Map>>) {
    let mut served = BTreeSet::new();
    for collector in ["collector-0", "collector-1"] {
        let path = format!("/jobs/{}/targets?collector_id={collector}", query_escape(&job.name));
        for group in get_json(port, &path).unwrap().as_array().unwrap() {
            let labels = map(&group["labels"]);
            assert_eq!(
                group["targets"],
                json!([labels["__address__"]]),
                "{}: the address is the discovered one",
                job.name
            );
            let target =
                labels.iter().filter(|(_, value)| !value.is_empty()).map(|(n, v)| (n.clone(), v.clone())).collect();
            let Some((identity, _)) = wanted.iter().find(|(_, targets)| targets.contains(&target)) else {
                fail(job, &target, &labels, "it is served, but promtool would not scrape it");
            };
            assert!(served.insert(identity), "{}: served twice: {identity:?}", job.name);
        }
    }
    if let Some((identity, targets)) = wanted.iter().find(|(identity, _)| !served.contains(identity)) {
        fail(job, &targets[0], identity, "it is not served");
    }
}

/// Rules that our validation refuses must be refused by Prometheus as well.
fn assert_refused(folder: &Path, rules: &[RawRule]) {
    let rules: BTreeMap<String, &RawRule> =
        rules.iter().map(|rule| (generator::rule_config(rule).to_string(), rule)).collect();
    assert!(!rules.is_empty(), "the generator makes no bad rule any more");
    for (number, (rule, _)) in rules.iter().take(40).enumerate() {
        let file = folder.join(format!("refused-{number}.yml"));
        let rule: Value = serde_json::from_str(rule).unwrap();
        std::fs::write(&file, json!({"scrape_configs": [{"job_name": "j", "relabel_configs": [rule]}]}).to_string())
            .unwrap();
        let output = Command::new(program("promtool")).args(["check", "config"]).arg(&file).output().unwrap();
        assert!(!output.status.success(), "we refuse {rule}, promtool does not");
    }
}

/// Go's `url.QueryEscape`, as collectors use it.
fn query_escape(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let escape = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        byte if keep(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}
