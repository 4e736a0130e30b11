//! Progress on stderr, the table on stdout, JSON and plots into files.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::report::{Report, write_plots, write_table};

/// Where a report goes beside stdout.
#[derive(Debug, clap::Args)]
pub(super) struct OutputArgs {
    /// Write the report as JSON (loadgen/report.schema.json).
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write SVG plots: latency, load per collector, lost and doubled targets over time, memory.
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,
}

impl OutputArgs {
    pub(super) fn write(&self, report: &Report) -> anyhow::Result<()> {
        if let Some(path) = &self.json {
            let json = serde_json::to_vec_pretty(report)?;
            std::fs::write(path, json).with_context(|| format!("write {}", path.display()))?;
        }
        if let Some(directory) = &self.plot {
            write_plots(report, directory)?;
        }
        let mut out = std::io::stdout().lock();
        write_table(report, &mut out).context("write to stdout")?;
        out.flush().context("write to stdout")
    }
}

/// A spinner with a changing message; nothing when stderr is not a terminal.
pub(super) fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}");
    bar.set_style(style.expect("the constant template is valid"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
