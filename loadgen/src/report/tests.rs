use serde_json::Value;

use super::*;

pub(crate) fn mk_report() -> Report {
    let stats = RequestStats::default();
    stats.count_sent();
    stats.count_answer(std::time::Duration::from_millis(3), 100);
    stats.count_error("timeout");
    let sample = Sample {
        t: 1.0,
        existing: 5,
        held: 5,
        waiting: 0,
        lost: 1,
        doubled: 2,
        stale: 0,
        requests: 9,
        rss_bytes: 1 << 20,
        cpu_seconds: 0.5,
    };
    let process = Process {
        cpu_seconds: 1.0,
        cpu_share: 0.5,
        rss_start_bytes: 1,
        rss_end_bytes: 2,
        rss_max_bytes: 3,
        rss_slope_bytes_per_minute: 4.0,
    };
    Report {
        schema_version: SCHEMA_VERSION,
        tool: "loadgen 0".to_owned(),
        kind: "scenario".to_owned(),
        name: "test".to_owned(),
        finished_unix_ms: 1,
        ended_by: "steps done".to_owned(),
        settings: BTreeMap::from([("time_scale".to_owned(), Value::from(10.0))]),
        accounting: Accounting {
            seconds: 10.0,
            lost_target_seconds: Some(1.5),
            doubled_target_seconds: 0.0,
            waiting_target_seconds: Some(0.0),
            stale_target_seconds: None,
            lost_targets_max: Some(3),
            doubled_targets_max: 0,
            lost_targets_end: Some(0),
            doubled_targets_end: 0,
            existing_targets: Some(5),
            held_targets: 5,
        },
        changes: Changes::of(&crate::ledger::Ledger::default().changes()),
        requests: Requests { targets: RequestSummary::of(&stats), job_list: RequestSummary::of(&stats) },
        connections: Connections { opened: 3, open: 2, peak: 3 },
        fleet: FleetSummary::of(&[2, 3], 0, 1),
        audit: Some(Audit { answers: 1, targets: 5, ..Audit::default() }),
        process: Some(process),
        expectations: vec![Expectation {
            value: "lost_target_seconds".to_owned(),
            min: None,
            max: Some(0.0),
            found: Some(1.5),
            met: false,
        }],
        steps: vec![Step { at: 0.5, what: "kill".to_owned() }],
        series: vec![Sample { t: 0.0, ..sample }, sample],
        latency_distribution: vec![(0.5, 0.003), (0.99, 0.01), (0.999, 0.02)],
        loads: vec![2, 3],
    }
}

/// Every property of the report is described in the schema, and every required one is there; no more is checked.
fn check(value: &Value, schema: &Value, root: &Value, path: &str) {
    let schema = match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => &root["$defs"][reference.rsplit('/').next().unwrap()],
        None => schema,
    };
    match value {
        Value::Object(object) => {
            if let Some(required) = schema["required"].as_array() {
                for name in required {
                    assert!(object.contains_key(name.as_str().unwrap()), "{path}: {name} is missing");
                }
            }
            for (name, value) in object {
                let described = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
                let described = described.filter(|schema| **schema != Value::Bool(false));
                check(
                    value,
                    described.unwrap_or_else(|| panic!("{path}.{name} is not in the schema")),
                    root,
                    &format!("{path}.{name}"),
                );
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                check(value, &schema["items"], root, &format!("{path}[{at}]"));
            }
        }
        _ => {}
    }
}

#[test]
fn the_report_is_as_the_schema_says() {
    let schema: Value = serde_json::from_str(include_str!("../../report.schema.json")).unwrap();
    assert_eq!(schema["properties"]["schema_version"]["const"], SCHEMA_VERSION);
    check(&serde_json::to_value(mk_report()).unwrap(), &schema, &schema, "report");
}

#[test]
fn numbers_are_found_by_path() {
    let report = serde_json::to_value(mk_report()).unwrap();
    assert_eq!(number_at(&report, "lost_target_seconds"), Some(1.5));
    assert_eq!(number_at(&report, "requests.targets.errors.timeout"), Some(1.0));
    assert_eq!(number_at(&report, "fleet.load_max"), Some(3.0));
    assert_eq!(number_at(&report, "stale_target_seconds"), None);
    assert_eq!(number_at(&report, "no.such.path"), None);
}

#[test]
fn the_table_names_what_failed() {
    let mut out = Vec::new();
    write_table(&mk_report(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    for part in [
        "lost target-seconds        1.500",
        "FAIL lost_target_seconds <= 0 (found 1.5)",
        "error timeout",
        "unknown (no truth)",
    ] {
        assert!(text.contains(part), "{part} not in\n{text}");
    }
}

#[test]
fn plots_are_written_also_without_data() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(write_plots(&mk_report(), directory.path()).unwrap().len(), 4);
    let mut empty = mk_report();
    (empty.series, empty.latency_distribution, empty.loads, empty.process) = (vec![], vec![], vec![], None);
    let written = write_plots(&empty, directory.path()).unwrap();
    assert_eq!(written.len(), 3);
    for path in written {
        let svg = std::fs::read_to_string(path).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }
}
