//! Command line of the `loadgen` binary.

mod cluster;
mod collectors;
mod output;
mod scenario;
mod targets;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::synth::{JobSizes, LabelAmount, Profile, SynthOptions};

/// Synthetic targets and emulated collectors for target allocators.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, about)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make synthetic targets: file_sd files or an http_sd server, a ready allocator config, and the truth about what
    /// exists; optionally churn.
    Targets(targets::Args),
    /// Emulate collectors against a running allocator.
    ///
    /// Each polls /scrape_configs and, for every job, /jobs/<job>/targets, as the prometheusreceiver does: one connection
    /// and one poller per job, no jitter, the status of /scrape_configs ignored, http_sd answers judged strictly.
    Collectors(collectors::Args),
    /// A simulated Kubernetes API server with a synthetic cluster in it; optionally churn, and measure an allocator.
    ///
    /// kubectl works with the kubeconfig it writes. Faults are set on the admin port: `curl $ADMIN` tells how.
    Cluster(Box<cluster::Args>),
    /// Run a scripted scenario with an allocator command under test; exit 1 if an expectation is not met.
    Scenario(scenario::Args),
}

/// Parses the command line and runs it.
pub async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LOADGEN_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    // thousands of sockets; a lower hard limit shows as connect errors in the report
    rlimit::increase_nofile_limit(u64::MAX).ok();
    let done = match Args::parse().command {
        Command::Targets(args) => targets::run(args).await.map(|()| true),
        Command::Cluster(args) => cluster::run(*args).await,
        Command::Collectors(args) => collectors::run(args).await,
        Command::Scenario(args) => scenario::run(args).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("loadgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The synthetic cluster.
#[derive(Debug, clap::Args)]
struct SynthArgs {
    /// Label sets.
    #[arg(long, value_enum, default_value = "endpointslice")]
    profile: Profile,
    /// Labels per target (endpointslice only).
    #[arg(long, value_enum, default_value = "usual")]
    labels: LabelAmount,
    /// Number of targets.
    #[arg(long, default_value_t = 1000)]
    targets: u64,
    /// Number of jobs.
    #[arg(long, default_value_t = 10)]
    jobs: u32,
    /// Targets per group.
    #[arg(long, default_value_t = 10)]
    per_group: u32,
    /// Number of nodes.
    #[arg(long, default_value_t = 50)]
    nodes: u32,
    /// Number of services.
    #[arg(long, default_value_t = 100)]
    services: u32,
    /// Seed of every choice.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Job sizes by Zipf's law with this exponent instead of even ones (1.1 looks like a real cluster).
    #[arg(long, value_name = "S")]
    zipf_jobs: Option<f64>,
}

impl SynthArgs {
    fn options(&self) -> SynthOptions {
        SynthOptions {
            profile: self.profile,
            labels: self.labels,
            targets: self.targets,
            jobs: self.jobs,
            per_group: self.per_group,
            nodes: self.nodes,
            services: self.services,
            seed: self.seed,
            job_sizes: self.zipf_jobs.map_or(JobSizes::Even, JobSizes::Zipf),
            weight_sigma: None,
        }
    }
}
