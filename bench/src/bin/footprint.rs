//! Loads one engine with synthetic targets and prints what each stage costs, in time and in bytes per target.
//!
//! Times are of one run on a machine that others may use: read them as ratios to the anchors printed beside them.

use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::json;
use ta_bench::{Loaded, Workload, build, collectors, resident};
use ta_engine::{Phase, StrategyKind};
use ta_loadgen::synth::{SynthGroup, SynthOptions};
use ta_model::group::GroupBuilder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a loaded engine weighs, and what its steps cost.
#[derive(Debug, Parser)]
struct Args {
    #[arg(long, default_value_t = 100_000)]
    targets: u64,
    #[arg(long, default_value_t = 200)]
    jobs: u32,
    #[arg(long, default_value_t = 10)]
    per_group: u32,
    #[arg(long, default_value_t = 100)]
    collectors: usize,
    #[arg(long, default_value_t = 0)]
    threads: usize,
    #[arg(long, default_value = "consistent-hashing")]
    strategy: StrategyKind,
    /// Upstream's benchmark shape: 42 labels, groups of 5, 100 targets a job.
    #[arg(long)]
    upstream: bool,
    /// Without relabel rules.
    #[arg(long)]
    unfiltered: bool,
    /// Megabytes of whole bodies that may be kept.
    #[arg(long, default_value_t = 256)]
    body_budget: usize,
    /// JSON instead of lines.
    #[arg(long)]
    json: bool,
}

/// What was measured, as lines for people or as JSON for the results.
struct Report {
    targets: f64,
    json: bool,
    rows: Vec<serde_json::Value>,
}

impl Report {
    fn time(&mut self, what: &str, taken: Duration, note: &str) {
        let (ms, per_target) = (taken.as_secs_f64() * 1e3, taken.as_nanos() as f64 / self.targets);
        self.rows.push(json!({"what": what, "ms": ms, "ns_per_target": per_target}));
        self.say(&format!("{what:<44} {ms:>10.2} ms {per_target:>10.1} ns/target  {note}\n"));
    }

    fn bytes(&mut self, what: &str, bytes: usize) {
        let per_target = bytes as f64 / self.targets;
        self.rows.push(json!({"what": what, "bytes": bytes, "bytes_per_target": per_target}));
        self.say(&format!("{what:<44} {:>10.2} MB {per_target:>10.1} B/target\n", bytes as f64 / 1e6));
    }

    /// Anything else: a ratio, a number per group.
    fn value(&mut self, what: &str, value: f64, unit: &str) {
        self.rows.push(json!({"what": what, "value": value, "unit": unit}));
        self.say(&format!("{what:<44} {value:>10.2} {unit}\n"));
    }

    fn say(&self, line: &str) {
        if !self.json {
            // a closed pipe is no reason to stop measuring
            drop(std::io::stdout().write_all(line.as_bytes()));
        }
    }

    fn finish(self, args: &Args) {
        if self.json {
            let Args { targets, jobs, per_group, collectors, threads, upstream, unfiltered, .. } = args;
            let json = json!({
                "targets": targets, "jobs": jobs, "per_group": per_group, "collectors": collectors, "threads": threads,
                "strategy": args.strategy.name(), "upstream": upstream, "unfiltered": unfiltered, "rows": self.rows,
            });
            drop(std::io::stdout().write_all(format!("{json}\n").as_bytes()));
        }
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

fn main() {
    let args = Args::parse();
    let workload = match args.upstream {
        true => Workload::upstream(args.targets),
        false => Workload::new(SynthOptions {
            targets: args.targets,
            jobs: args.jobs,
            per_group: args.per_group,
            nodes: 5000,
            services: 20_000,
            ..SynthOptions::default()
        }),
    };
    let mut report = Report { targets: args.targets as f64, json: args.json, rows: Vec::new() };
    let table = workload.table(!args.unfiltered);
    let budget = args.body_budget << 20;
    let engine = |table| Loaded::with_budget(table, args.strategy, collectors(args.collectors), args.threads, budget);
    let mut loaded = engine(table.clone());
    let before = resident();
    if args.threads > 1 {
        scaling(&workload, &mut report);
    }
    let ingested = ingest(&workload, &loaded, &mut report);
    let fed = resident().saturating_sub(before);
    let full = steps(&workload, &mut loaded, &mut report);
    bytes(&mut loaded, before, fed, &mut report);
    bodies(&loaded, &mut report);
    drop(loaded);
    // after some rounds of changes groups lie scattered, which would count against all that is measured afterwards
    let mut loaded = engine(table);
    loaded.feed(&workload);
    loaded.engine.step(&loaded.input);
    for churn in churns(&workload) {
        churn.run(&workload, &mut loaded, (full, ingested + full), &mut report);
    }
    report.finish(&args);
}

/// What any engine fed with strings has to do at least.
fn merge_labels(group: &SynthGroup) {
    for target in &group.targets {
        let mut all: Vec<(&str, &str)> = Vec::with_capacity(group.labels.len() + target.len());
        all.extend(group.labels.iter().chain(target).map(|(name, value)| (name.as_str(), value.as_str())));
        all.sort_unstable();
        black_box(&all);
    }
}

/// What a second thread is worth on this machine, for work that shares nothing: two virtual processors may be one core.
fn scaling(workload: &Workload, report: &mut Report) {
    const GROUPS: usize = 2_000;
    let groups: Vec<SynthGroup> = workload.plans().take(GROUPS).map(|plan| workload.render(&plan)).collect();
    let merge = || (0..5).for_each(|_| groups.iter().for_each(merge_labels));
    let rounds = (0..5).map(|_| {
        let one_after_the_other = timed(|| [merge(), merge()]).1;
        let at_once = timed(|| std::thread::scope(|scope| drop([scope.spawn(merge), scope.spawn(merge)]))).1;
        one_after_the_other.as_secs_f64() / at_once.as_secs_f64()
    });
    let mut rounds: Vec<f64> = rounds.collect();
    rounds.sort_unstable_by(f64::total_cmp);
    report.value("anchor: merging on 1 thread / on 2", rounds[rounds.len() / 2], "×");
}

/// Generates, merges and compacts group by group, so that only what the store keeps stays in memory.
/// Returns what compacting and storing took.
fn ingest(workload: &Workload, loaded: &Loaded, report: &mut Report) -> Duration {
    let (mut merge, mut compact, mut store) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut builder = GroupBuilder::new();
    let writer = loaded.store.writer();
    for plan in workload.plans() {
        let group = workload.render(&plan);
        merge += timed(|| merge_labels(&group)).1;
        compact += timed(|| black_box(build(&mut builder, &group))).1;
        let change = workload.change(&mut builder, &plan);
        store += timed(|| writer.apply([change])).1;
    }
    report.time("anchor: sorted merge of label references", merge, "");
    report.value("compact / merge", compact.as_secs_f64() / merge.as_secs_f64(), "");
    report.time("compact groups", compact, &format!("{:.2} of the merge", compact.as_secs_f64() / merge.as_secs_f64()));
    report.time("store groups", store, "");
    compact + store
}

fn step(loaded: &mut Loaded, what: &str, report: &mut Report) -> Duration {
    let mut phases: Vec<(Phase, Duration)> = Vec::new();
    let start = Instant::now();
    let mut last = start;
    let input = loaded.input.clone();
    let done = loaded.engine.step_observed(&input, &mut |phase| {
        let now = Instant::now();
        phases.push((phase, now - last));
        last = now;
    });
    let taken = start.elapsed();
    let parts: Vec<String> =
        phases.iter().map(|(phase, taken)| format!("{phase:?} {:.2}", taken.as_secs_f64() * 1e3)).collect();
    let note =
        format!("+{} -{} ~{} moved {} | {}", done.added, done.removed, done.relabelled, done.moved, parts.join(", "));
    report.time(what, taken, &note);
    taken
}

/// Returns what the step over everything took.
fn steps(workload: &Workload, loaded: &mut Loaded, report: &mut Report) -> Duration {
    let full = step(loaded, "step: everything new", report);
    let (_, again) = timed(|| loaded.feed(workload));
    report.time("feed of the same groups (generating included)", again, "");
    step(loaded, "step: nothing changed", report);
    unchanged(workload, loaded, report);

    // changes are measured on an engine of their own; here they belong to what memory has gone through
    for churn in churns(workload) {
        churn.feed(workload, loaded, 0);
        loaded.engine.step(&loaded.input);
    }

    let count = loaded.input.collectors.len();
    let mut taken: Vec<Duration> = (0..201)
        .map(|round| {
            loaded.input.collectors = collectors(count + (round + 1) % 2);
            timed(|| loaded.engine.step(&loaded.input)).1
        })
        .collect();
    taken.sort_unstable();
    report.time("step: one collector more or less (median)", taken[taken.len() / 2], "");
    loaded.input.collectors = collectors(count);
    step(loaded, "step: one collector less", report);
    full
}

/// Groups that change as a provider has them change: it builds those, and hands them over.
struct Churn {
    what: &'static str,
    short: &'static str,
    /// Whether a group changes in a round.
    groups: Box<dyn Fn(usize, usize) -> bool>,
    /// How many targets of each at most.
    targets: usize,
}

/// One target of a hundred: all of them in a hundredth of the groups, or spread over a tenth.
fn churns(workload: &Workload) -> [Churn; 2] {
    let one_pct = (workload.plans().count() / 100).max(1);
    [
        Churn {
            what: "1 % of targets changed, clustered",
            short: "1 % clustered",
            groups: Box::new(move |round, at| at / one_pct == round),
            targets: usize::MAX,
        },
        Churn {
            what: "1 target in every 10th group changed",
            short: "1 target in every 10th group",
            groups: Box::new(|round, at| at % 10 == round),
            targets: 1,
        },
    ]
}

impl Churn {
    /// Takes medians of several rounds with other groups: one in a while meets memory that nobody used before, which the
    /// kernel has to clear.
    fn run(
        &self,
        workload: &Workload,
        loaded: &mut Loaded,
        (full, rebuild): (Duration, Duration),
        report: &mut Report,
    ) {
        const ROUNDS: usize = 7;
        let (mut steps, mut whole) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let fed = self.feed(workload, loaded, round);
            let step = timed(|| loaded.engine.step(&loaded.input)).1;
            steps.push(step);
            whole.push(fed + step);
        }
        let median = |times: &mut Vec<Duration>| {
            times.sort_unstable();
            times[ROUNDS / 2]
        };
        let (step, whole) = (median(&mut steps), median(&mut whole));
        let percent = |part: Duration, whole: Duration| part.as_secs_f64() / whole.as_secs_f64() * 1e2;
        let Self { what, short, .. } = self;
        report.time(&format!("step: {what}"), step, "");
        report.value(&format!("{short} / full step"), percent(step, full), "%");
        report.value(&format!("{short} / full rebuild, both with ingest"), percent(whole, rebuild), "%");
    }

    fn feed(&self, workload: &Workload, loaded: &Loaded, round: usize) -> Duration {
        let mut builder = GroupBuilder::new();
        let writer = loaded.store.writer();
        let mut taken = Duration::ZERO;
        // what is generated would count as the engine's memory if it were kept
        for (_, mut plan) in workload.plans().enumerate().filter(|(at, _)| (self.groups)(round, *at)) {
            plan.slots.iter_mut().take(self.targets).for_each(|slot| slot.serial += 1);
            let group = workload.render(&plan);
            taken += timed(|| black_box(build(&mut builder, &group))).1;
            let change = workload.change(&mut builder, &plan);
            taken += timed(|| writer.apply([change])).1;
        }
        taken
    }
}

/// Groups that are there, sent again job by job: right after they were built anew, which sweeps the caches, and once more.
/// With the step over all of them. Freeing what was built for nothing belongs to the building, and is timed apart.
fn unchanged(workload: &Workload, loaded: &mut Loaded, report: &mut Report) {
    const GROUPS: usize = 10_000;
    const ROUNDS: usize = 7;
    let mut builder = GroupBuilder::new();
    let writer = loaded.store.writer();
    let plans: Vec<_> = workload.plans().take(GROUPS).collect();
    let mut rows = ["re-sent unchanged, built anew", "re-sent unchanged", "freeing what was built again for nothing"]
        .map(|what| (what, Vec::new()));
    for _ in 0..ROUNDS {
        let mut taken = [Duration::ZERO; 3];
        for job in plans.chunk_by(|one, next| one.job == next.job) {
            let built: Vec<_> = job.iter().map(|plan| workload.change(&mut builder, plan)).collect();
            for taken in &mut taken[..2] {
                let changes = built.clone();
                *taken += timed(|| writer.apply(changes)).1;
            }
            taken[2] += timed(|| drop(built)).1;
        }
        // the step looks at all jobs, and so at all groups
        let step = timed(|| loaded.engine.step(&loaded.input)).1.as_nanos() as f64 / loaded.store.groups() as f64;
        for ((_, times), (taken, step)) in rows.iter_mut().zip(taken.into_iter().zip([step, step, 0.0])) {
            times.push(taken.as_nanos() as f64 / plans.len() as f64 + step);
        }
    }
    for (what, mut times) in rows {
        times.sort_unstable_by(f64::total_cmp);
        report.value(what, times[ROUNDS / 2], "ns/group");
    }
}

/// What lies where. Parts are counted exactly where the engine knows them; the rest is what is resident beyond them.
fn bytes(loaded: &mut Loaded, before: usize, fed: usize, report: &mut Report) {
    let snapshot = loaded.engine.snapshots().load();
    let groups = snapshot.group_bytes();
    report.bytes("groups", groups);
    report.bytes("store map, keys, slack (resident after feeding)", fed.saturating_sub(groups));
    report.bytes("tables: records, index, owners, shares", snapshot.table_bytes());
    let (loads, jobs) = (size_of_val(snapshot.loads()), snapshot.job_count() * size_of::<usize>());
    report.bytes("snapshot: loads, jobs, list of jobs", loads + jobs + snapshot.listing().len());
    let stepped = resident().saturating_sub(before);
    report.bytes("resident after all steps, no bodies", stepped);
    let (kept, warming) = timed(|| loaded.engine.warm(&|| false));
    report.time("warm whole bodies within the budget", warming, "");
    report.bytes("whole bodies kept", kept);
    report.bytes("resident with bodies", resident().saturating_sub(before));
    let snapshot = loaded.engine.snapshots().load();
    let lengths = snapshot.jobs().map(|job| job.shares().map(|(_, share)| share.content_length()).sum::<u64>());
    let json = lengths.sum::<u64>() as f64;
    report.bytes("JSON of all bodies", json as usize);
    report.value("resident without bodies / JSON", stepped as f64 / json * 100.0, "%");
}

fn bodies(loaded: &Loaded, report: &mut Report) {
    let snapshot = loaded.engine.snapshots().load();
    let shares: Vec<_> = snapshot.jobs().flat_map(|job| job.shares().map(|(_, share)| share)).collect();
    let (_, pieces) = timed(|| {
        for share in &shares {
            for piece in share.body() {
                black_box(&piece);
            }
        }
    });
    report.time("render all bodies in pieces", pieces, &format!("{} bodies", shares.len()));
    // the anchor copies a tenth at a time, so that the copies fit beside a million targets
    let (mut copy, mut copied) = (Duration::ZERO, 0);
    for part in shares.chunks(shares.len() / 10 + 1) {
        let whole: Vec<String> = part
            .iter()
            .map(|share| share.body().map(|piece| String::from_utf8_lossy(&piece).into_owned()).collect())
            .collect();
        copied += whole.len();
        copy += timed(|| whole.iter().map(|body| black_box(body.clone()).len()).sum::<usize>()).1;
    }
    report.time(
        "anchor: copy all bodies, fresh allocations",
        copy,
        &format!("{copied} bodies; rendering is {:.2} of it", pieces.as_secs_f64() / copy.as_secs_f64()),
    );
    report.value("render / copy", pieces.as_secs_f64() / copy.as_secs_f64(), "");
    let (_, etags) = timed(|| shares.iter().fold(0, |all, share| all ^ share.etag()));
    report.time("fold all ETags", etags, "");
}
