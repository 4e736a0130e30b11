//! The report for people.

use std::io::{self, Write};

use super::{Percentiles, Report, RequestSummary};

/// Writes the report as aligned lines of plain text.
///
/// # Errors
/// The writer fails.
pub fn write_table(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{} {}: ended by {}", report.kind, report.name, report.ended_by)?;
    for step in &report.steps {
        writeln!(out, "  {:>8.2} s  {}", step.at, step.what)?;
    }
    accounting(report, out)?;
    changes(report, out)?;
    requests(out, "targets", &report.requests.targets)?;
    requests(out, "job list", &report.requests.job_list)?;
    fleet(report, out)?;
    for expectation in &report.expectations {
        let bounds = match (expectation.min, expectation.max) {
            (Some(min), Some(max)) if min == max => format!("= {min}"),
            (min, max) => {
                let text =
                    |sign: &str, bound: Option<f64>| bound.map_or(String::new(), |bound| format!("{sign} {bound}"));
                format!("{} {}", text(">=", min), text("<=", max)).trim().to_owned()
            }
        };
        let found = expectation.found.map_or("nothing".to_owned(), |found| format!("{found}"));
        let verdict = if expectation.met { "ok  " } else { "FAIL" };
        writeln!(out, "  {verdict} {} {bounds} (found {found})", expectation.value)?;
    }
    Ok(())
}

fn row(out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {name:<26} {value}")
}

fn accounting(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let sums = &report.accounting;
    let truth = |value: Option<f64>| value.map_or("unknown (no truth)".to_owned(), |value| format!("{value:.3}"));
    writeln!(out, "accounting, {:.1} s", sums.seconds)?;
    row(out, "lost target-seconds", &truth(sums.lost_target_seconds))?;
    row(out, "doubled target-seconds", &format!("{:.3}", sums.doubled_target_seconds))?;
    row(out, "waiting target-seconds", &truth(sums.waiting_target_seconds))?;
    row(out, "stale target-seconds", &truth(sums.stale_target_seconds))?;
    let existing = sums.existing_targets.map_or(String::new(), |existing| format!(" of {existing}"));
    row(out, "targets held at the end", &format!("{}{existing}", sums.held_targets))
}

fn changes(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let changes = &report.changes;
    if changes.made == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "changes: {} made, {} known, {} pending, {} superseded",
        changes.made, changes.known, changes.pending, changes.superseded
    )?;
    row(out, "change → all know", &times(&changes.known_seconds))?;
    row(out, "per target", &times(&changes.target_known_seconds))
}

fn requests(out: &mut dyn Write, name: &str, requests: &RequestSummary) -> io::Result<()> {
    let bytes = indicatif::HumanBytes(requests.body_bytes);
    writeln!(
        out,
        "{name} requests: {} sent, {} accepted ({} unchanged), {bytes}",
        requests.sent, requests.accepted, requests.unchanged
    )?;
    row(out, "latency (intended → done)", &times(&requests.latency_seconds))?;
    for (kind, count) in &requests.errors {
        row(out, &format!("error {kind}"), &count.to_string())?;
    }
    if requests.missed_ticks > 0 {
        row(out, "missed poll times", &requests.missed_ticks.to_string())?;
    }
    Ok(())
}

fn fleet(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let (fleet, connections) = (&report.fleet, &report.connections);
    writeln!(out, "fleet: {} collectors, {} jobs, {} exited", fleet.collectors, fleet.jobs, fleet.exited)?;
    let load = format!(
        "min {} · mean {:.1} · max {} · max/mean {:.3}",
        fleet.load_min, fleet.load_mean, fleet.load_max, fleet.max_over_mean
    );
    row(out, "targets per collector", &load)?;
    let text =
        format!("{} opened · {} at the end · {} at most", connections.opened, connections.open, connections.peak);
    row(out, "connections", &text)?;
    if let Some(audit) = &report.audit {
        let text = format!(
            "{} answers, {} targets: {} unowned, {} doubled, {} errors",
            audit.answers, audit.targets, audit.unowned, audit.doubled, audit.errors
        );
        row(out, "audit", &text)?;
    }
    if let Some(process) = &report.process {
        let bytes = indicatif::HumanBytes;
        let text = format!(
            "cpu {:.2} s ({:.1} %) · rss {} → {} (max {}), slope {:+.0} kB/min",
            process.cpu_seconds,
            process.cpu_share * 100.0,
            bytes(process.rss_start_bytes),
            bytes(process.rss_end_bytes),
            bytes(process.rss_max_bytes),
            process.rss_slope_bytes_per_minute / 1e3
        );
        row(out, "allocator", &text)?;
    }
    Ok(())
}

fn times(p: &Percentiles) -> String {
    if p.count == 0 {
        return "none".to_owned();
    }
    let ms = |seconds: f64| format!("{:.3}", seconds * 1e3);
    format!("p50 {} · p90 {} · p99 {} · p99.9 {} · max {} ms", ms(p.p50), ms(p.p90), ms(p.p99), ms(p.p999), ms(p.max))
}
