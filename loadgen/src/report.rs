//! What a run found out: machine-readable (`report.schema.json`), as a table, and as plots.

mod plot;
mod table;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::ledger::ChangeTotals;
use crate::stats::RequestStats;

pub use plot::{PlotError, write_plots};
pub use table::write_table;

/// Version of the JSON report; goes up when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// A whole report. Times are seconds of this machine's clock, not scaled ones.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Name and version of this tool.
    pub tool: String,
    /// `collectors` or `scenario`.
    pub kind: String,
    /// Name of the scenario, or the endpoint.
    pub name: String,
    /// When it ended, Unix time in ms.
    pub finished_unix_ms: u64,
    /// Why it ended.
    pub ended_by: String,
    /// Settings that matter for reading the numbers.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// Held targets against the truth, since the last mark.
    pub accounting: Accounting,
    /// How long changes took.
    pub changes: Changes,
    /// Requests by kind, since the last mark.
    pub requests: Requests,
    /// TCP connections of the whole run.
    pub connections: Connections,
    /// The fleet at the end.
    pub fleet: FleetSummary,
    /// Checks of the allocator's own view, if there were any.
    pub audit: Option<Audit>,
    /// The allocator's process, if it was watched.
    pub process: Option<Process>,
    /// What the scenario expected.
    pub expectations: Vec<Expectation>,
    /// Steps of the scenario with their times.
    pub steps: Vec<Step>,
    /// State over time.
    pub series: Vec<Sample>,
    /// Latency of targets requests by percentile, for plots.
    pub latency_distribution: Vec<(f64, f64)>,
    /// Targets held per collector at the end, in order of name.
    pub loads: Vec<i64>,
}

/// Target-seconds since the last mark. The fields that need the truth are null without it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accounting {
    /// Length of what was measured.
    pub seconds: f64,
    /// Exists, was held, is held by nobody.
    pub lost_target_seconds: Option<f64>,
    /// Held more than once; each holder beyond the first counts.
    pub doubled_target_seconds: f64,
    /// Exists and was never held yet.
    pub waiting_target_seconds: Option<f64>,
    /// Gone and still held.
    pub stale_target_seconds: Option<f64>,
    /// Most targets lost at once.
    pub lost_targets_max: Option<i64>,
    /// Most doubled at once.
    pub doubled_targets_max: i64,
    /// Lost at the end.
    pub lost_targets_end: Option<i64>,
    /// Doubled at the end.
    pub doubled_targets_end: i64,
    /// Existing at the end.
    pub existing_targets: Option<i64>,
    /// Held at the end by at least one collector.
    pub held_targets: i64,
}

/// Times from a change of the feed to every collector concerned knowing it.
#[derive(Debug, Clone, Serialize)]
pub struct Changes {
    /// Changes a collector can see.
    pub made: u64,
    /// Known.
    pub known: u64,
    /// Not known at the end.
    pub pending: u64,
    /// Overtaken by a newer change of one of their targets.
    pub superseded: u64,
    /// From change to all of it known.
    pub known_seconds: Percentiles,
    /// From change to known for single targets.
    pub target_known_seconds: Percentiles,
}

/// Both kinds of requests.
#[derive(Debug, Clone, Serialize)]
pub struct Requests {
    /// `/jobs/<job>/targets`.
    pub targets: RequestSummary,
    /// `/scrape_configs`.
    pub job_list: RequestSummary,
}

/// One kind of requests.
#[derive(Debug, Clone, Serialize)]
pub struct RequestSummary {
    /// Sent.
    pub sent: u64,
    /// Answers a collector took.
    pub accepted: u64,
    /// Of these, those that changed nothing.
    pub unchanged: u64,
    /// Poll times that passed while the poll before was under way.
    pub missed_ticks: u64,
    /// Body bytes on the wire.
    pub body_bytes: u64,
    /// Sum of `errors`.
    pub error_count: u64,
    /// By kind.
    pub errors: BTreeMap<String, u64>,
    /// From the intended send time to the last body byte.
    pub latency_seconds: Percentiles,
}

/// A distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// Number of values.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p999: f64,
    /// Largest.
    pub max: f64,
}

/// TCP connections.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Connections {
    /// Made.
    pub opened: u64,
    /// Open at the end.
    pub open: i64,
    /// Most at once.
    pub peak: i64,
}

/// The collectors.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct FleetSummary {
    /// Running at the end.
    pub collectors: u64,
    /// Gave up their first sync.
    pub exited: u64,
    /// Jobs in the newest job list.
    pub jobs: u64,
    /// Fewest targets of a collector.
    pub load_min: i64,
    /// Mean.
    pub load_mean: f64,
    /// Most.
    pub load_max: i64,
    /// `load_max / load_mean`; 0 without load.
    pub max_over_mean: f64,
}

/// The allocator's own view (`/jobs/<job>/targets` without `collector_id`), one snapshot per answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Answers checked.
    pub answers: u64,
    /// Targets in them.
    pub targets: u64,
    /// Existing targets that no collector had.
    pub unowned: u64,
    /// Targets two collectors had.
    pub doubled: u64,
    /// Answers that could not be checked.
    pub errors: u64,
}

/// The allocator's processes together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Process {
    /// CPU time while measured.
    pub cpu_seconds: f64,
    /// CPU time per second.
    pub cpu_share: f64,
    /// Resident memory at the start of measuring.
    pub rss_start_bytes: u64,
    /// Resident memory at the end.
    pub rss_end_bytes: u64,
    /// Most resident memory.
    pub rss_max_bytes: u64,
    /// Growth by least squares.
    pub rss_slope_bytes_per_minute: f64,
}

/// One expectation and how it came out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expectation {
    /// Path of the value in this report.
    pub value: String,
    /// Smallest accepted.
    pub min: Option<f64>,
    /// Largest accepted.
    pub max: Option<f64>,
    /// Found; null if there is no such number.
    pub found: Option<f64>,
    /// Whether it holds.
    pub met: bool,
}

/// One step of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// When it began, seconds from the start of the run.
    pub at: f64,
    /// What it did.
    pub what: String,
}

/// State at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds from the start of the run.
    pub t: f64,
    /// See [`crate::ledger::Now`].
    pub existing: i64,
    /// Held by at least one collector.
    pub held: i64,
    /// Never held yet.
    pub waiting: i64,
    /// Lost.
    pub lost: i64,
    /// Doubled.
    pub doubled: i64,
    /// Held though gone.
    pub stale: i64,
    /// Requests so far.
    pub requests: u64,
    /// Resident memory of the watched processes.
    pub rss_bytes: u64,
    /// CPU time of the watched processes so far.
    pub cpu_seconds: f64,
}

impl Percentiles {
    /// From a histogram of microseconds.
    pub fn of_micros(histogram: &Histogram<u64>) -> Self {
        let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1e6;
        Percentiles {
            count: histogram.len(),
            mean: histogram.mean() / 1e6,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1e6,
        }
    }
}

impl RequestSummary {
    /// From the counters of a run.
    pub fn of(stats: &RequestStats) -> Self {
        let errors = stats.errors();
        RequestSummary {
            sent: stats.sent(),
            accepted: stats.accepted(),
            unchanged: stats.unchanged(),
            missed_ticks: stats.missed_ticks(),
            body_bytes: stats.bytes(),
            error_count: errors.values().sum(),
            errors,
            latency_seconds: Percentiles::of_micros(&stats.latency_micros()),
        }
    }
}

impl Changes {
    /// From a ledger's totals.
    pub fn of(totals: &ChangeTotals) -> Self {
        Changes {
            made: totals.begun,
            known: totals.known,
            pending: totals.pending,
            superseded: totals.superseded,
            known_seconds: Percentiles::of_micros(&totals.known_micros),
            target_known_seconds: Percentiles::of_micros(&totals.target_known_micros),
        }
    }
}

impl FleetSummary {
    /// From what each collector holds.
    pub fn of(loads: &[i64], exited: u64, jobs: u64) -> Self {
        let count = loads.len() as u64;
        let load_mean = loads.iter().sum::<i64>() as f64 / count.max(1) as f64;
        let load_max = loads.iter().copied().max().unwrap_or(0);
        let max_over_mean = if load_mean > 0.0 { load_max as f64 / load_mean } else { 0.0 };
        let load_min = loads.iter().copied().min().unwrap_or(0);
        FleetSummary { collectors: count, exited, jobs, load_min, load_mean, load_max, max_over_mean }
    }
}

/// The number at a dotted path of a report, looked for under `accounting` when the path has one part.
pub fn number_at(report: &serde_json::Value, path: &str) -> Option<f64> {
    let (root, path) = if path.contains('.') { (report, path) } else { (&report["accounting"], path) };
    path.split('.').try_fold(root, |value, part| value.get(part))?.as_f64()
}

#[cfg(test)]
mod tests;
