//! `loadgen collectors`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

use super::output::{OutputArgs, spinner};
use crate::client::Dialling;
use crate::duration::parse_flag;
use crate::feed::TruthReader;
use crate::fleet::FleetOptions;
use crate::loopback::resolve;
use crate::protocol::http_sd::LabelNames;
use crate::session::Session;
use crate::stats::lock;
use crate::tls::{ClientTls, Pair};

/// Time between looks at the truth file, beside those before every answer that brings news.
const TRUTH_POLL: Duration = Duration::from_millis(20);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The allocator, over HTTP or HTTPS. A string prefix, as in the collector's config: a trailing slash asks for
    /// //scrape_configs.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    endpoint: String,
    /// CA of the allocator's certificate (PEM), for HTTPS.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Certificate the collectors show (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Name in the allocator's certificate; default: the host of the endpoint.
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Load a machine that is not this one.
    #[arg(long)]
    allow_remote: bool,
    /// Number of collectors.
    #[arg(long, default_value_t = 3)]
    collectors: u32,
    /// Names are this and a number from 0.
    #[arg(long, default_value = "collector-")]
    prefix: String,
    /// Job list poll interval.
    #[arg(long, value_parser = parse_flag, default_value = "30s")]
    interval: Duration,
    /// Targets poll interval and timeout.
    #[arg(long, value_parser = parse_flag, default_value = "30s")]
    refresh: Duration,
    /// Divide all times of the protocol by this.
    #[arg(long, default_value_t = 1.0)]
    time_scale: f64,
    /// Multiplex: poll all jobs of a collector in turn over this many connections, for fleets too large for a connection
    /// per collector and job. What differs from the real client: polls of a collector are spread over the interval
    /// instead of coming in one burst, a slow answer delays the jobs behind it on the same connection, a vanished job is
    /// given up after the request under way, and the server sees far fewer connections.
    #[arg(long, value_name = "N")]
    multiplex: Option<usize>,
    /// What $(SHARD) becomes.
    #[arg(long, default_value = "0")]
    shard: String,
    /// Label names accepted: any UTF-8 as Prometheus 3, or the legacy set.
    #[arg(long, value_enum, default_value = "utf8")]
    label_names: LabelNames,
    /// Follow the truth file of `loadgen targets`; without it lost, waiting and stale targets are unknown.
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Spread the starts of the collectors over this time; default: one job list interval, scaled.
    #[arg(long, value_parser = parse_flag)]
    start_spread: Option<Duration>,
    /// Measure only after everything is held exactly once, or after this time.
    #[arg(long, value_parser = parse_flag, default_value = "2m")]
    settle: Duration,
    /// How long to measure.
    #[arg(long, value_parser = parse_flag, default_value = "1m")]
    duration: Duration,
    /// Requests after which the run ends.
    #[arg(long, default_value_t = 1_000_000)]
    max_requests: u64,
    /// Process whose memory and CPU are reported.
    #[arg(long, value_name = "PID")]
    watch_pid: Option<u32>,
    /// Seed of the backoff jitter.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(args: Args) -> anyhow::Result<bool> {
    let endpoint = resolve(&args.endpoint, args.allow_remote)?;
    anyhow::ensure!(
        args.time_scale > 0.0 && args.time_scale <= 10_000.0,
        "--time-scale must be above 0, at most 10000"
    );
    anyhow::ensure!(args.multiplex != Some(0), "--multiplex must be at least 1");
    let options = FleetOptions {
        endpoint,
        dialling: Arc::new(dialling(&args)?),
        interval: args.interval,
        refresh: args.refresh,
        time_scale: args.time_scale,
        shard: args.shard.clone(),
        label_names: args.label_names,
        lanes: args.multiplex,
        max_requests: args.max_requests,
        seed: args.seed,
    };
    let mut session = Session::new(options, args.truth.is_some());
    if let Some(pid) = args.watch_pid {
        session.watch(pid);
    }
    let mut truth = None;
    if let Some(path) = &args.truth {
        let read = TruthReader::open(path, session.ledger.clone(), session.clock);
        let mut reader = read.with_context(|| format!("read {}", path.display()))?;
        reader.pump().with_context(|| format!("read {}", path.display()))?;
        let reader = Arc::new(Mutex::new(reader));
        session.fleet.look_into(reader.clone());
        truth = Some(tokio::spawn(follow(reader)));
    }
    start(&args, &mut session);
    let stop = session.fleet.out_of_budget();
    let ended = tokio::select! {
        () = measure(&args, &mut session) => "duration",
        () = stop.cancelled() => "max-requests",
        () = crate::interrupted() => "interrupt",
        Err(error) = follower(truth.as_mut()) => return Err(error.context("follow the truth file")),
    };
    let mut report = session.report("collectors", &args.endpoint, ended);
    report.settings = [
        ("time_scale".to_owned(), args.time_scale.into()),
        ("collectors".to_owned(), args.collectors.into()),
        ("lanes".to_owned(), args.multiplex.into()),
    ]
    .into();
    session.fleet.stop_all().await;
    args.output.write(&report)?;
    Ok(true)
}

fn dialling(args: &Args) -> anyhow::Result<Dialling> {
    let url = url::Url::parse(&args.endpoint)?;
    if url.scheme() != "https" {
        anyhow::ensure!(args.tls_ca.is_none() && args.tls_cert.is_none(), "--tls-… needs an endpoint with https://");
        return Ok(Dialling::default());
    }
    let read = |path: &PathBuf| std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()));
    let ca = args.tls_ca.as_ref().context("an endpoint with https:// needs --tls-ca")?;
    let pair = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(Pair { certificate: read(certificate)?, key: read(key)? }),
        _ => None,
    };
    // an IPv6 address stands in brackets there
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let name = args.tls_server_name.as_deref().unwrap_or(host);
    Ok(Dialling::over_tls(ClientTls::new(name, &read(ca)?, pair.as_ref())?))
}

fn start(args: &Args, session: &mut Session) {
    let interval = Duration::from_secs_f64(args.interval.as_secs_f64() / args.time_scale);
    let spread = args.start_spread.unwrap_or(interval);
    for number in 0..args.collectors {
        let delay = spread.mul_f64(f64::from(number) / f64::from(args.collectors));
        session.fleet.start(&format!("{}{number}", args.prefix), delay);
    }
}

async fn measure(args: &Args, session: &mut Session) {
    let progress = spinner();
    let start = Instant::now();
    while start.elapsed() < args.settle && !session.settled() {
        progress.set_message(format!("settling: {}", state(session)));
        sleep(Duration::from_millis(100)).await;
    }
    session.mark();
    let start = Instant::now();
    while start.elapsed() < args.duration {
        progress.set_message(format!("measuring: {}", state(session)));
        sleep(Duration::from_millis(200).min(args.duration.saturating_sub(start.elapsed()))).await;
    }
    progress.finish_and_clear();
}

fn state(session: &Session) -> String {
    let now = lock(&session.ledger).now();
    let requests = session.stats.targets.sent() + session.stats.job_list.sent();
    format!("{} held, {} lost, {} doubled, {requests} requests", now.held, now.lost, now.doubled)
}

async fn follow(reader: Arc<Mutex<TruthReader>>) -> anyhow::Result<()> {
    loop {
        lock(&reader).pump()?;
        sleep(TRUTH_POLL).await;
    }
}

/// Ends only if following fails.
async fn follower(truth: Option<&mut tokio::task::JoinHandle<anyhow::Result<()>>>) -> anyhow::Result<()> {
    match truth {
        Some(task) => task.await?,
        None => std::future::pending().await,
    }
}
