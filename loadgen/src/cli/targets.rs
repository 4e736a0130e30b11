//! `loadgen targets`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

use super::SynthArgs;
use super::output::spinner;
use crate::duration::parse_flag;
use crate::feed::{
    AllocatorConfig, ChangeSink as _, Churn, ChurnKind, ChurnOptions, CollectorSource, FileFeed, HttpFeed,
    TargetSource, TruthFile, World, collectors_file, show,
};
use crate::scenario::{Feed, Rate};
use crate::stats::lock;
use crate::synth::Synth;

const CHURN_TICK: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    synth: SynthArgs,
    /// Directory for everything written: targets/, allocator.yaml, collectors.yaml, truth.jsonl.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// How the allocator gets the targets.
    #[arg(long, value_enum, default_value = "file")]
    feed: Feed,
    /// Port of the http feed on 127.0.0.1; 0 = any.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How often the allocator should ask the http feed.
    #[arg(long, value_parser = parse_flag, default_value = "5s")]
    refresh: Duration,
    /// Collectors named in the config (collector-0, collector-1, …).
    #[arg(long, default_value_t = 3)]
    collectors: u32,
    /// Put the collectors into the config itself instead of a watched file beside it.
    #[arg(long)]
    static_collectors: bool,
    /// Allocation strategy in the config.
    #[arg(long, default_value = "consistent-hashing")]
    strategy: String,
    /// Fallback strategy in the config.
    #[arg(long)]
    fallback: Option<String>,
    /// Leave relabel rules out of the config.
    #[arg(long)]
    no_relabel: bool,
    /// Change targets.
    #[arg(long, value_enum)]
    churn: Option<ChurnKind>,
    /// Targets changed per second: a number, or a share such as 1%.
    #[arg(long, default_value = "1%")]
    rate: Rate,
    /// How long to churn, or to serve the http feed.
    #[arg(long, value_parser = parse_flag, default_value = "10m")]
    duration: Duration,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let progress = spinner();
    progress.set_message("making targets");
    std::fs::create_dir_all(&args.dir).with_context(|| format!("make {}", args.dir.display()))?;
    let world = Arc::new(Mutex::new(World::new(Synth::new(args.synth.options())?)));
    let mut truth = TruthFile::create(&args.dir.join("truth.jsonl")).context("truth.jsonl")?;
    truth.initial_world(&lock(&world)).context("truth.jsonl")?;
    let (files, http) = match args.feed {
        Feed::File => (Some(FileFeed::new(&args.dir.join("targets")).context("targets")?), None),
        Feed::Cluster => anyhow::bail!("a cluster is what `loadgen cluster` serves"),
        Feed::Http => (None, Some(HttpFeed::start(args.port, world.clone()).await.context("http feed")?)),
    };
    if let Some(files) = &files {
        let world = lock(&world);
        for job in 0..world.synth().jobs() {
            progress.set_message(format!("writing job {job} of {}", world.synth().jobs()));
            files.write(&world, job).context("targets")?;
        }
    }
    let config = write_config(&args, &lock(&world), files.as_ref(), http.as_ref().map(HttpFeed::address))?;
    summary(&args, &lock(&world), &config, http.as_ref().map(HttpFeed::address))?;
    if args.churn.is_some() || http.is_some() {
        progress.set_message("running; Ctrl-C ends it");
        let run = live(&args, &world, files.as_ref(), &mut truth, &progress);
        tokio::select! {
            done = run => done?,
            () = crate::interrupted() => {}
        }
    }
    progress.finish_and_clear();
    Ok(())
}

async fn live(
    args: &Args,
    world: &Mutex<World>,
    files: Option<&FileFeed>,
    truth: &mut TruthFile,
    progress: &indicatif::ProgressBar,
) -> anyhow::Result<()> {
    let Some(kind) = args.churn else {
        sleep(args.duration).await;
        return Ok(());
    };
    let rate = args.rate.per_second(args.synth.targets);
    let mut churn = Churn::new(ChurnOptions { kind, rate, seed: args.synth.seed });
    let (start, mut last, mut facts) = (Instant::now(), Instant::now(), 0);
    while start.elapsed() < args.duration {
        sleep(CHURN_TICK).await;
        let now = Instant::now();
        let mut world = lock(world);
        let change = churn.advance(&mut world, (now - last).as_secs_f64());
        last = now;
        if change.is_empty() {
            continue;
        }
        show(&change, &world, files, truth).context("targets or truth.jsonl")?;
        facts += change.facts.len();
        progress.set_message(format!("{facts} facts told; Ctrl-C ends it"));
    }
    Ok(())
}

fn write_config(
    args: &Args,
    world: &World,
    files: Option<&FileFeed>,
    http: Option<SocketAddr>,
) -> anyhow::Result<PathBuf> {
    let synth = world.synth();
    let collectors: Vec<(String, String)> =
        (0..args.collectors).map(|n| (format!("collector-{n}"), synth.node_name(n))).collect();
    let collectors_path = args.dir.join("collectors.yaml");
    std::fs::write(&collectors_path, collectors_file(&collectors)).context("collectors.yaml")?;
    let targets = match (files, http) {
        (_, Some(address)) => TargetSource::Http { address, refresh: args.refresh },
        (Some(files), None) => TargetSource::Files { directory: files.directory().to_owned() },
        (None, None) => TargetSource::Files { directory: args.dir.clone() },
    };
    let config = AllocatorConfig {
        synth,
        strategy: args.strategy.clone(),
        fallback: args.fallback.clone(),
        relabel: !args.no_relabel,
        targets,
        collectors: match args.static_collectors {
            true => CollectorSource::Static(collectors),
            false => CollectorSource::File(collectors_path.canonicalize()?),
        },
    };
    let path = args.dir.join("allocator.yaml");
    std::fs::write(&path, config.to_yaml()).context("allocator.yaml")?;
    Ok(path)
}

fn summary(args: &Args, world: &World, config: &Path, http: Option<SocketAddr>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "targets     {} in {} jobs", world.target_count(), world.synth().jobs())?;
    match http {
        Some(address) => writeln!(out, "feed        http://{address}/jobs/<n>")?,
        None => writeln!(out, "feed        {}", args.dir.join("targets").display())?,
    }
    writeln!(out, "config      {}", config.display())?;
    writeln!(out, "collectors  {} in {}", args.collectors, args.dir.join("collectors.yaml").display())?;
    writeln!(out, "truth       {}", args.dir.join("truth.jsonl").display())?;
    out.flush()?;
    Ok(())
}
