//! One measuring run: fleet, ledger, counters, samples over time, and the report at the end.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::fleet::{Fleet, FleetOptions};
use crate::ledger::Ledger;
use crate::process::{Usage, slope, usage};
use crate::report::{
    Accounting, Audit, Changes, Connections, FleetSummary, Process, Report, RequestSummary, Requests, SCHEMA_VERSION,
    Sample, Step,
};
use crate::stats::{Stats, lock};

/// Time between samples at the start of a run.
const SAMPLE_PERIOD: Duration = Duration::from_millis(200);
/// When there are more samples than this, every second one is dropped and the period doubles.
const SAMPLES_MAX: usize = 4000;

/// Fleet and measurements.
#[derive(Debug)]
pub struct Session {
    /// The emulated collectors.
    pub fleet: Fleet,
    /// Held targets against the truth.
    pub ledger: Arc<Mutex<Ledger>>,
    /// Counters.
    pub stats: Arc<Stats>,
    /// What the ledger calls zero.
    pub clock: Instant,
    /// What the report says about the allocator's own view; set by who audits.
    pub audit: Option<Arc<Mutex<Audit>>>,
    truth: bool,
    samples: Arc<Mutex<Samples>>,
    sampler: JoinHandle<()>,
    marked: Duration,
}

#[derive(Debug, Default)]
struct Samples {
    /// Usage last seen of every watched process, gone ones included.
    watched: BTreeMap<u32, Usage>,
    alive: Vec<u32>,
    series: Vec<Sample>,
    keep_every: u64,
    taken: u64,
}

impl Session {
    /// A session without collectors; `truth` = something will tell the ledger what exists.
    pub fn new(options: FleetOptions, truth: bool) -> Self {
        let (ledger, stats, clock) = (Arc::<Mutex<Ledger>>::default(), Arc::<Stats>::default(), Instant::now());
        let samples = Arc::new(Mutex::new(Samples { keep_every: 1, ..Samples::default() }));
        let sampler = tokio::spawn(sample_for_ever(samples.clone(), ledger.clone(), stats.clone(), clock));
        let fleet = Fleet::new(options, ledger.clone(), stats.clone(), clock);
        Session { fleet, ledger, stats, clock, audit: None, truth, samples, sampler, marked: Duration::ZERO }
    }

    /// Watches memory and CPU of a process from now on.
    pub fn watch(&self, pid: u32) {
        let mut samples = lock(&self.samples);
        samples.watched.insert(pid, usage(pid).unwrap_or_default());
        samples.alive.push(pid);
    }

    /// Whether every existing target is held exactly once, nothing else is, and no change is pending. Without truth:
    /// whether every job was asked for by every collector.
    pub fn settled(&self) -> bool {
        if !self.truth {
            let (jobs, collectors) = (self.fleet.jobs() as u64, self.fleet.names().len() as u64);
            return jobs > 0 && self.stats.targets.accepted() >= jobs * collectors;
        }
        let ledger = lock(&self.ledger);
        let now = ledger.now();
        now.existing == now.held && now.doubled == 0 && now.stale == 0 && ledger.changes().pending == 0
    }

    /// What is measured begins now.
    pub fn mark(&mut self) {
        self.marked = self.clock.elapsed();
        lock(&self.ledger).mark(self.marked);
        self.stats.job_list.reset();
        self.stats.targets.reset();
        take_sample(&self.samples, &self.ledger, &self.stats, self.clock, true);
    }

    /// Everything measured since the last mark.
    pub fn report(&self, kind: &str, name: &str, ended_by: &str) -> Report {
        take_sample(&self.samples, &self.ledger, &self.stats, self.clock, true);
        let loads: Vec<i64> = self.fleet.loads().into_values().collect();
        let exited = self.stats.exited.load(Ordering::Relaxed);
        let latency = self.stats.targets.latency_micros();
        let connections = &self.stats.connections;
        Report {
            schema_version: SCHEMA_VERSION,
            tool: concat!("loadgen ", env!("CARGO_PKG_VERSION")).to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            finished_unix_ms: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64),
            ended_by: ended_by.to_owned(),
            settings: BTreeMap::new(),
            accounting: self.accounting(),
            changes: Changes::of(&lock(&self.ledger).changes()),
            requests: Requests {
                targets: RequestSummary::of(&self.stats.targets),
                job_list: RequestSummary::of(&self.stats.job_list),
            },
            connections: Connections {
                opened: connections.opened(),
                open: connections.open(),
                peak: connections.peak(),
            },
            fleet: FleetSummary::of(&loads, exited, self.fleet.jobs() as u64),
            audit: self.audit.as_ref().map(|audit| *lock(audit)),
            process: self.process(),
            expectations: Vec::new(),
            steps: Vec::<Step>::new(),
            series: lock(&self.samples).series.clone(),
            latency_distribution: latency
                .iter_quantiles(2)
                .map(|value| (value.quantile(), value.value_iterated_to() as f64 / 1e6))
                .collect(),
            loads,
        }
    }

    fn accounting(&self) -> Accounting {
        let mut ledger = lock(&self.ledger);
        let (sums, now) = (ledger.integrals(self.clock.elapsed()), ledger.now());
        let known = |value: f64| self.truth.then_some(value);
        Accounting {
            seconds: sums.seconds,
            lost_target_seconds: known(sums.lost),
            doubled_target_seconds: sums.doubled,
            waiting_target_seconds: known(sums.waiting),
            stale_target_seconds: known(sums.stale),
            lost_targets_max: self.truth.then_some(sums.lost_max),
            doubled_targets_max: sums.doubled_max,
            lost_targets_end: self.truth.then_some(now.lost),
            doubled_targets_end: now.doubled,
            existing_targets: self.truth.then_some(now.existing),
            held_targets: now.held,
        }
    }

    fn process(&self) -> Option<Process> {
        let samples = lock(&self.samples);
        if samples.watched.is_empty() {
            return None;
        }
        let from = self.marked.as_secs_f64();
        let measured: Vec<&Sample> = samples.series.iter().filter(|sample| sample.t >= from).collect();
        let (first, last) = (measured.first()?, measured.last()?);
        let (cpu_seconds, seconds) = (last.cpu_seconds - first.cpu_seconds, last.t - first.t);
        let points: Vec<(f64, f64)> = measured.iter().map(|sample| (sample.t, sample.rss_bytes as f64)).collect();
        Some(Process {
            cpu_seconds,
            cpu_share: if seconds > 0.0 { cpu_seconds / seconds } else { 0.0 },
            rss_start_bytes: first.rss_bytes,
            rss_end_bytes: last.rss_bytes,
            rss_max_bytes: measured.iter().map(|sample| sample.rss_bytes).max().unwrap_or(0),
            rss_slope_bytes_per_minute: slope(&points) * 60.0,
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.sampler.abort();
    }
}

async fn sample_for_ever(samples: Arc<Mutex<Samples>>, ledger: Arc<Mutex<Ledger>>, stats: Arc<Stats>, clock: Instant) {
    let mut ticks = interval(SAMPLE_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        take_sample(&samples, &ledger, &stats, clock, false);
    }
}

fn take_sample(samples: &Mutex<Samples>, ledger: &Mutex<Ledger>, stats: &Stats, clock: Instant, always: bool) {
    let now = lock(ledger).now();
    let mut samples = lock(samples);
    samples.taken += 1;
    if !always && !samples.taken.is_multiple_of(samples.keep_every) {
        return;
    }
    let alive: Vec<(u32, Usage)> = samples.alive.iter().filter_map(|pid| Some((*pid, usage(*pid)?))).collect();
    samples.alive = alive.iter().map(|(pid, _)| *pid).collect();
    samples.watched.extend(alive.iter().copied());
    let sample = Sample {
        t: clock.elapsed().as_secs_f64(),
        existing: now.existing,
        held: now.held,
        waiting: now.waiting,
        lost: now.lost,
        doubled: now.doubled,
        stale: now.stale,
        requests: stats.targets.sent() + stats.job_list.sent(),
        rss_bytes: alive.iter().map(|(_, usage)| usage.rss_bytes).sum(),
        cpu_seconds: samples.watched.values().map(|usage| usage.cpu_seconds).sum(),
    };
    samples.series.push(sample);
    if samples.series.len() > SAMPLES_MAX {
        let mut odd = false;
        samples.series.retain(|_| {
            odd = !odd;
            odd
        });
        samples.keep_every *= 2;
    }
}
