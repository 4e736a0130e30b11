//! `loadgen scenario`.

use std::path::PathBuf;

use super::output::{OutputArgs, spinner};
use crate::scenario::{RunOptions, Scenario, run as play};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario file.
    file: PathBuf,
    /// Allocator under test; {config} and {listen} are filled in.
    #[arg(long, default_value = "target-allocator --config-file {config} --listen-addr {listen}")]
    command: String,
    /// Where targets, config and allocator logs go; default: a directory that is removed at the end.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Override the number of targets.
    #[arg(long)]
    targets: Option<u64>,
    /// Override the number of collectors at the start.
    #[arg(long)]
    collectors: Option<u32>,
    /// Poll so many times faster, and make what steps wait for shorter.
    #[arg(long, value_name = "TIMES", default_value_t = 1.0)]
    hurry: f64,
    /// libfaketimeMT.so.1, for steps that set the clock; default: where Debian's package libfaketime puts it.
    #[arg(long, value_name = "FILE", env = "LIBFAKETIME")]
    libfaketime: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(args: Args) -> anyhow::Result<bool> {
    let mut scenario = Scenario::read(&args.file)?;
    scenario.targets.targets = args.targets.unwrap_or(scenario.targets.targets);
    scenario.collectors.count = args.collectors.unwrap_or(scenario.collectors.count);
    anyhow::ensure!(args.hurry > 0.0 && args.hurry <= 1000.0, "--hurry must be above 0, at most 1000");
    scenario.hurry(args.hurry);
    let own = std::env::temp_dir().join(format!("loadgen-{}-{}", scenario.name, std::process::id()));
    let directory = args.dir.clone().unwrap_or_else(|| own.clone());
    let progress = spinner();
    let options = RunOptions { command: args.command, directory, libfaketime: args.libfaketime };
    let show = |what: &str| progress.set_message(format!("{}: {what}", scenario.name));
    let report = play(&scenario, &options, &show).await;
    progress.finish_and_clear();
    if args.dir.is_none() {
        // a leftover in the temporary directory is no reason to fail
        std::fs::remove_dir_all(&own).ok();
    }
    let report = report?;
    args.output.write(&report)?;
    Ok(report.ended_by == "steps done" && report.expectations.iter().all(|expectation| expectation.met))
}
