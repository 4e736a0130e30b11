//! Tables of everything else that was measured.

use std::fmt::Write as _;

use crate::data::Data;

pub(crate) fn write(text: &mut String, data: &Data) {
    footprint(text, data);
    requests(text, data);
    readers(text, data);
    balance(text, data);
    text.push_str("## Plots\n\n");
}

fn head(text: &mut String, columns: &[&str]) {
    writeln!(text, "| {} |\n|{}", columns.join(" | "), " --- |".repeat(columns.len()))
        .expect("a String takes every write");
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
}

const FOOTPRINTS: [(&str, &str); 6] = [
    ("unfiltered", "100k, no relabelling"),
    ("filtered", "100k"),
    ("filtered-2", "100k, 2 threads"),
    ("per-100", "100k, 100 a group"),
    ("million", "1M"),
    ("million-2", "1M, 2 threads"),
];

fn footprint(text: &mut String, data: &Data) {
    text.push_str(
        "## An engine loaded: time and memory per target\n\nKubernetes endpointslice targets, 10 a group, 200 jobs and \
         100 collectors (1M: 2,000 and 1,000), one thread unless said; medians of three runs. Times in \
         ns per target, memory in bytes per target.\n\n",
    );
    let columns: Vec<&str> = std::iter::once("").chain(FOOTPRINTS.map(|(_, title)| title)).collect();
    head(text, &columns);
    for what in data.footprint_rows("filtered") {
        write!(text, "| {what} ").expect("a String takes every write");
        for (case, _) in FOOTPRINTS {
            let found = ["ns_per_target", "bytes_per_target", "value"].into_iter().find_map(|field| {
                let value = data.footprint(case, &what, field)?;
                Some(format!("{value:.*}", if value < 10.0 { 2 } else { 0 }))
            });
            write!(text, "| {} ", found.unwrap_or_else(|| "–".to_owned())).expect("a String takes every write");
        }
        text.push_str("|\n");
    }
    text.push('\n');
}

fn requests(text: &mut String, data: &Data) {
    text.push_str(
        "## Requests over loopback: processor time of the server, µs each\n\n16 keep-alive connections, one server \
         thread, client in another process. whole: the body lies ready; streamed: it is rendered while it is sent.\n\n",
    );
    head(
        text,
        &[
            "targets",
            "bytes",
            "whole",
            "streamed",
            "gzip",
            "304",
            "nginx file",
            "nginx gzip_static",
            "nginx 304",
            "other allocator",
        ],
    );
    for row in data.requests.iter().filter(|row| row["case"] == "whole") {
        let targets = row["targets"].as_u64().unwrap_or(0);
        let ours = |case| number(Data::request(&data.requests, case, targets), 1);
        let theirs = |case| number(Data::request(&data.nginx, case, targets), 1);
        writeln!(
            text,
            "| {targets} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row["bytes"],
            ours("whole"),
            ours("streamed"),
            ours("gzip"),
            ours("not_modified"),
            theirs("whole"),
            theirs("gzip"),
            theirs("not_modified"),
            number(Data::request(&data.other, "whole", targets), 1)
        )
        .expect("a String takes every write");
    }
    if !data.other.is_empty() {
        text.push_str("\nThe other allocator is the one that `BENCH_OTHER` named: see `scripts/bench-other` and bench/README.md.\n");
    }
    if let Some(each) = data.idle["bytes_per_connection"].as_f64() {
        writeln!(
            text,
            "\nAn idle keep-alive connection: {each:.0} B resident ({} of them, each after one answer of {} B).",
            data.idle["connections"], data.idle["answer_bytes"]
        )
        .expect("a String takes every write");
    }
    text.push('\n');
}

fn readers(text: &mut String, data: &Data) {
    text.push_str("## Readers: look-ups every 200 µs, in µs\n\n");
    head(text, &["", "count", "steps meanwhile", "p50", "p99", "p99.9", "longest", "longest on core"]);
    for row in &data.readers {
        let what = row["what"].as_str().unwrap_or_default();
        let [p50, p99, p999, max, on_core] =
            ["p50_us", "p99_us", "p999_us", "max_us", "max_cpu_us"].map(|key| number(row[key].as_f64(), 2));
        let count = |key: &str| row[key].as_u64().unwrap_or(0);
        let (count, steps) = (count("count"), count("steps"));
        writeln!(text, "| {what} | {count} | {steps} | {p50} | {p99} | {p999} | {max} | {on_core} |")
            .expect("a String takes every write");
    }
    text.push('\n');
}

fn balance(text: &mut String, data: &Data) {
    text.push_str(
        "## Balance and churn of the strategies\n\n100,000 targets in 20 jobs; deterministic. Minimum moved: 1/(N+1) for \
         one more, 1/N for one less or one replaced, 2 per target for a restart of all collectors one by one. \
         `least-weighted` moves less than that, because a new collector stays idle until targets come: see the last \
         columns. Weights are log-normal (σ 1.5) and known to no strategy; the bound is what the heaviest target \
         allows.\n\n",
    );
    for (index, row) in data.balance.iter().enumerate() {
        if index == 0 {
            head(text, &row.iter().map(String::as_str).collect::<Vec<_>>());
        } else {
            writeln!(text, "| {} |", row.join(" | ")).expect("a String takes every write");
        }
    }
    text.push('\n');
}

/// All of criterion's medians.
pub(crate) fn criterion(text: &mut String, data: &Data) {
    text.push_str("## All medians\n\n");
    head(text, &["bench", "median", "per element or throughput"]);
    for (name, median) in &data.medians {
        let each = match (median.elements, median.bytes) {
            (Some(elements), _) => format!("{:.1} ns", median.ns / elements),
            (_, Some(bytes)) => format!("{:.2} GB/s", bytes / median.ns),
            _ => String::new(),
        };
        writeln!(text, "| {name} | {} | {each} |", time(median.ns)).expect("a String takes every write");
    }
}

fn time(ns: f64) -> String {
    match ns {
        v if v >= 1e9 => format!("{:.2} s", v / 1e9),
        v if v >= 1e6 => format!("{:.2} ms", v / 1e6),
        v if v >= 1e3 => format!("{:.2} µs", v / 1e3),
        v => format!("{v:.1} ns"),
    }
}
