//! Documents that follow from the code, and files that name its metrics. `UPDATE_DOCS=1` writes the former anew.

#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

mod acceptance;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use acceptance::program;
use ta_server::config::{KEYS, Key, Owner};
use ta_server::metrics::Name;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Compares the part of `document` between the markers with what the code says.
fn check_generated(document: &str, wanted: &str) {
    let path = root().join("docs").join(document);
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- generated: begin -->\n", "<!-- generated: end -->");
    let (before, rest) = text.split_once(begin).unwrap_or_else(|| panic!("{document} has no {begin}"));
    let (now, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
    } else {
        assert!(
            now == wanted,
            "docs/{document} is out of date: UPDATE_DOCS=1 cargo test -p ta-server --test documents"
        );
    }
}

#[test]
fn the_configuration_reference_lists_every_key_that_has_a_flag_or_a_variable() {
    let mut table = String::new();
    for (owner, title) in [(Owner::Upstream, "Upstream's"), (Owner::Ours, "Ours")] {
        write!(table, "\n### {title}\n\n| Key | Flag | Variable | Value | Default | |\n|---|---|---|---|---|---|\n")
            .unwrap();
        for key in KEYS.iter().filter(|key| key.owner == owner) {
            table.push_str(&row(key));
        }
    }
    table.push('\n');
    check_generated("configuration.md", &table);
}

fn row(key: &Key) -> String {
    let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{}`", text.replace('|', "\\|")) };
    let flag = if key.has_flag() { format!("--{}", key.flag()) } else { String::new() };
    let (path, flag, env) = (code(key.path), code(&flag), code(key.env));
    let (kind, default) = (key.kind.name().replace('|', " or "), code(key.default));
    format!("| {path} | {flag} | {env} | {kind} | {default} | {}. |\n", key.help)
}

#[test]
fn the_metrics_reference_lists_every_metric() {
    let mut table = String::from("\n| Metric | |\n|---|---|\n");
    for name in Name::ALL {
        writeln!(table, "| `{}` | {} |", name.as_str(), name.help()).unwrap();
    }
    table.push('\n');
    check_generated("metrics.md", &table);
}

/// The metrics that `text` names, without what histograms append.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|char: char| !(char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_'));
    let ours = |word: &&str| word.starts_with("opentelemetry_allocator_") || word.starts_with("prometheus_sd_");
    let base = |word: &str| {
        let end = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
        end.unwrap_or(word).to_owned()
    };
    words.filter(ours).map(base).collect()
}

#[test]
fn alerts_and_dashboard_name_only_metrics_that_exist() {
    let known: BTreeSet<String> = Name::ALL.iter().map(|name| name.as_str().to_owned()).collect();
    for file in ["alerts.yaml", "dashboard.json"] {
        let text = std::fs::read_to_string(root().join("deploy/monitoring").join(file)).unwrap();
        let named = metrics_in(&text);
        assert!(named.len() > 5, "{file} names few metrics: {named:?}");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert_eq!(unknown, Vec::<&String>::new(), "{file}");
    }
    let text = std::fs::read_to_string(root().join("deploy/monitoring/dashboard.json")).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["panels"].as_array().unwrap().len() > 10);
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    let folder = root().join("deploy/monitoring");
    let output = Command::new(program("promtool"))
        .args(["test", "rules", "alerts_test.yaml"])
        .current_dir(&folder)
        .output()
        .unwrap();
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{errors}");
    // an alert without a test would pass unnoticed
    let alerts = std::fs::read_to_string(folder.join("alerts.yaml")).unwrap();
    let tests = std::fs::read_to_string(folder.join("alerts_test.yaml")).unwrap();
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let fires = tests.split("- eval_time:").any(|case| case.contains(&format!("alertname: {alert}\n")));
        assert!(fires, "no test lets {alert} fire");
    }
}
