//! `loadgen cluster`.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use super::output::spinner;
use crate::cluster::{
    ClusterChurnKind, ClusterReport, Expiry, PopulationOptions, RequestCounts, RunOptions, SimulatedCluster, Stage,
    run as play,
};
use crate::duration::parse_flag;
use crate::loopback::resolve;

/// Sizes to begin with.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Preset {
    /// 10 nodes, 20 services, 200 pods.
    Small,
    /// 5,000 nodes, 20,000 services, 200,000 pods, 500 jobs, 100 collectors.
    Scale,
    /// 2,000 ServiceMonitors in 200 namespaces, 500 secrets.
    Monitors,
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Sizes to begin with; the flags below change single ones.
    #[arg(long, value_enum, default_value = "small")]
    preset: Preset,
    #[command(flatten)]
    sizes: Sizes,
    #[command(flatten)]
    server: Server,
    /// Where kubeconfig, allocator.yaml and the allocator's log go.
    #[arg(long, value_name = "DIR", default_value = "loadgen-cluster")]
    dir: PathBuf,
    /// Allocation strategy in allocator.yaml.
    #[arg(long, default_value = "consistent-hashing")]
    strategy: String,
    /// Allocator under test; {config}, {listen} and {kubeconfig} are filled in.
    #[arg(long)]
    command: Option<String>,
    /// Measure an allocator that runs already.
    #[arg(long, value_name = "URL", conflicts_with = "command")]
    measure: Option<String>,
    /// Process whose memory and CPU are reported with --measure.
    #[arg(long, value_name = "PID")]
    watch_pid: Option<u32>,
    /// Longest wait for the allocator to be ready, and then for all targets to be served.
    #[arg(long, value_parser = parse_flag, default_value = "3m")]
    patience: Duration,
    /// Change objects.
    #[arg(long, value_enum)]
    churn: Option<ClusterChurnKind>,
    /// Pods (or monitors) changed per second.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// How long to churn, or to serve.
    #[arg(long, value_parser = parse_flag, default_value = "1h")]
    duration: Duration,
    /// Changes followed at once until they are served.
    #[arg(long, default_value_t = 2)]
    probes: usize,
    /// Time between looks at what is served for each; default: 20ms, but 100ms for edits of monitors, which show in the
    /// one long answer of /scrape_configs.
    #[arg(long, value_parser = parse_flag)]
    probe_every: Option<Duration>,
    /// Exit with 1 if the allocator was not ready in this time.
    #[arg(long, value_parser = parse_flag, value_name = "TIME")]
    max_ready: Option<Duration>,
    /// Exit with 1 if more than one change in a hundred took longer.
    #[arg(long, value_parser = parse_flag, value_name = "TIME")]
    max_p99: Option<Duration>,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Sizes {
    /// Nodes.
    #[arg(long)]
    nodes: Option<u32>,
    /// Namespaces, besides that of the collectors.
    #[arg(long)]
    namespaces: Option<u32>,
    /// Services, each with a ReplicaSet.
    #[arg(long)]
    services: Option<u32>,
    /// Pods behind the services.
    #[arg(long)]
    pods: Option<u32>,
    /// Jobs of the allocator, a multiple of the namespaces.
    #[arg(long)]
    jobs: Option<u32>,
    /// Collector pods.
    #[arg(long)]
    collectors: Option<u32>,
    /// The last so many collectors are not ready.
    #[arg(long, default_value_t = 0)]
    unready_collectors: u32,
    /// Collectors as of a DaemonSet.
    #[arg(long)]
    daemon_set: bool,
    /// Namespace of the collectors.
    #[arg(long)]
    collector_namespace: Option<String>,
    /// Legacy Endpoints beside the EndpointSlices.
    #[arg(long)]
    endpoints: bool,
    /// ServiceMonitors.
    #[arg(long)]
    monitors: Option<u32>,
    /// Secrets.
    #[arg(long)]
    secrets: Option<u32>,
    /// ConfigMaps.
    #[arg(long)]
    config_maps: Option<u32>,
    /// Ingresses.
    #[arg(long)]
    ingresses: Option<u32>,
    /// Jobs of group batch.
    #[arg(long)]
    batch_jobs: Option<u32>,
    /// Seed of every choice.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Debug, clap::Args)]
struct Server {
    /// Port of the API on 127.0.0.1; 0 = any.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port of the admin pages (faults, counts) on 127.0.0.1; 0 = any.
    #[arg(long, default_value_t = 0)]
    admin_port: u16,
    /// Accept this bearer token only.
    #[arg(long)]
    token: Option<String>,
    /// Refuse sendInitialEvents with 422, as older servers do.
    #[arg(long)]
    no_watch_list: bool,
    /// Follow limit with resourceVersion=0, too, which real servers do not.
    #[arg(long)]
    pages_at_zero: bool,
    /// How a watch from too long ago is refused.
    #[arg(long, value_enum, default_value = "in-stream")]
    expiry: Expiry,
    /// Changes kept of each kind.
    #[arg(long, default_value_t = 10_000)]
    window: usize,
    /// Time between bookmarks.
    #[arg(long, value_parser = parse_flag, default_value = "1m")]
    bookmarks: Duration,
    /// Start without this kind (plural name); may be repeated.
    #[arg(long, value_name = "KIND")]
    without: Vec<String>,
}

impl Args {
    fn options(&self) -> anyhow::Result<RunOptions> {
        anyhow::ensure!(self.rate >= 0.0 && self.rate <= 100_000.0, "--rate must be from 0 to 100000");
        let measure = self.measure.as_deref().map(|endpoint| resolve(endpoint, false)).transpose()?;
        let mut server = SimulatedCluster::builder()
            .port(self.server.port)
            .admin_port(self.server.admin_port)
            .watch_list(!self.server.no_watch_list)
            .pages_at_zero(self.server.pages_at_zero)
            .expiry(self.server.expiry)
            .window(self.server.window)
            .bookmarks_every(self.server.bookmarks);
        if let Some(token) = &self.server.token {
            server = server.token(token);
        }
        for kind in &self.server.without {
            server = server.without(kind);
        }
        let usual = if self.churn == Some(ClusterChurnKind::MonitorEdits) { 100 } else { 20 };
        Ok(RunOptions {
            server,
            population: self.population(),
            directory: self.dir.clone(),
            strategy: self.strategy.clone(),
            command: self.command.clone(),
            measure,
            watch_pid: self.watch_pid,
            patience: self.patience,
            churn: self.churn,
            rate: self.rate,
            duration: self.duration,
            probes: self.probes,
            probe_every: self.probe_every.unwrap_or(Duration::from_millis(usual)),
        })
    }

    fn population(&self) -> PopulationOptions {
        let preset = match self.preset {
            Preset::Small => PopulationOptions::small(),
            Preset::Scale => PopulationOptions::scale(),
            Preset::Monitors => PopulationOptions::monitors(),
        };
        let sizes = &self.sizes;
        PopulationOptions {
            nodes: sizes.nodes.unwrap_or(preset.nodes),
            namespaces: sizes.namespaces.unwrap_or(preset.namespaces),
            services: sizes.services.unwrap_or(preset.services),
            pods: sizes.pods.unwrap_or(preset.pods),
            jobs: sizes.jobs.unwrap_or(preset.jobs),
            collectors: sizes.collectors.unwrap_or(preset.collectors),
            unready_collectors: sizes.unready_collectors,
            daemon_set: sizes.daemon_set,
            collector_namespace: sizes.collector_namespace.clone().unwrap_or(preset.collector_namespace),
            endpoints: sizes.endpoints,
            monitors: sizes.monitors.unwrap_or(preset.monitors),
            secrets: sizes.secrets.unwrap_or(preset.secrets),
            config_maps: sizes.config_maps.unwrap_or(preset.config_maps),
            ingresses: sizes.ingresses.unwrap_or(preset.ingresses),
            batch_jobs: sizes.batch_jobs.unwrap_or(preset.batch_jobs),
            seed: sizes.seed.unwrap_or(preset.seed),
        }
    }

    /// Whether what was found is what was asked for.
    fn is_good(&self, report: &ClusterReport) -> bool {
        let within = |found: Option<f64>, limit: Option<Duration>| {
            limit.is_none_or(|limit| found.is_some_and(|found| found <= limit.as_secs_f64()))
        };
        within(report.ready_seconds, self.max_ready)
            && within(report.change_to_served.map(|latency| latency.p99), self.max_p99)
            && report.change_to_served.is_none_or(|latency| latency.unseen == 0)
            && report.wrong_jobs.is_empty()
    }
}

pub(super) async fn run(args: Args) -> anyhow::Result<bool> {
    let options = args.options()?;
    let progress = spinner();
    progress.set_message("making objects");
    let mut stage = Stage::set(&options).await?;
    progress.suspend(|| summary(&stage))?;
    let show = |what: &str| progress.set_message(what.to_owned());
    let report = tokio::select! {
        report = play(&mut stage, &options, &show) => Some(report?),
        () = crate::interrupted() => None,
    };
    progress.finish_and_clear();
    let Some(report) = report else { return Ok(true) };
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("write {}", path.display()))?;
    }
    if options.command.is_some() || options.measure.is_some() {
        table(&report).context("write to stdout")?;
    }
    Ok(args.is_good(&report))
}

fn summary(stage: &Stage) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let (pods, bytes) = stage.cluster.size("pods");
    writeln!(out, "api         {}", stage.cluster.url())?;
    writeln!(out, "admin       {}", stage.cluster.admin_url())?;
    writeln!(out, "kubeconfig  {}", stage.kubeconfig.display())?;
    writeln!(out, "config      {}", stage.config.display())?;
    let megabytes = bytes as f64 / 1e6;
    writeln!(
        out,
        "objects     {pods} pods ({megabytes:.0} MB) and more, made in {:.1} s",
        stage.populate.as_secs_f64()
    )?;
    out.flush()?;
    Ok(())
}

fn table(report: &ClusterReport) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let seconds = |time: Option<f64>| time.map_or("-".to_owned(), |time| format!("{time:.2} s"));
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    writeln!(out, "ready after              {}", seconds(report.ready_seconds))?;
    writeln!(out, "all targets after        {}", seconds(report.served_seconds))?;
    let (served, bytes) = (report.targets_served.unwrap_or_default(), report.served_bytes.unwrap_or_default());
    writeln!(out, "targets served           {served} of {} ({})", report.targets, megabytes(bytes))?;
    for (job, served) in &report.wrong_jobs {
        writeln!(out, "  wrong: {job} serves {served}")?;
    }
    if let Some(process) = &report.process {
        let (rss, most) = (megabytes(process.rss_at_start), megabytes(process.rss_max));
        writeln!(out, "resident memory          {rss}, at most {most}, at the end {}", megabytes(process.rss_end))?;
        if let Some(bytes) = process.overhead_per_target {
            writeln!(out, "  beyond served JSON     {bytes} bytes per target")?;
        }
        writeln!(
            out,
            "cpu                      {:.2} s to start, {:.3} cores while churning",
            process.cpu_seconds_at_start, process.churn_cores
        )?;
    }
    if let Some(latency) = &report.change_to_served {
        let millis = |seconds: f64| format!("{:.0} ms", seconds * 1e3);
        writeln!(
            out,
            "change to served         p50 {}, p99 {}, max {} ({} of {} changes measured, {} never served)",
            millis(latency.p50),
            millis(latency.p99),
            millis(latency.max),
            latency.count,
            report.changes,
            latency.unseen
        )?;
    }
    requests(&mut out, "requests to start", &report.requests_at_start)?;
    requests(&mut out, "requests while churning", &report.requests_during_churn)?;
    out.flush()
}

fn requests(
    out: &mut dyn std::io::Write,
    title: &str,
    counts: &std::collections::BTreeMap<String, RequestCounts>,
) -> std::io::Result<()> {
    writeln!(out, "{title}")?;
    for (kind, count) in counts.iter().filter(|(_, count)| **count != RequestCounts::default()) {
        writeln!(
            out,
            "  {kind:<24} {} lists, {} watches ({} open), {} gets, {} writes, {} refused, {} events, {:.1} MB",
            count.lists,
            count.watches,
            count.watches_open,
            count.gets,
            count.writes,
            count.refused,
            count.events,
            count.bytes as f64 / 1e6
        )?;
    }
    Ok(())
}
