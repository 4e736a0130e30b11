//! How evenly each strategy spreads targets, and how many it moves when the fleet changes.
//!
//! Deterministic: the same numbers on every machine. Weights (targets are not equally expensive) are for the report only:
//! no strategy knows them.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Parser;
use ta_bench::plot::{Axes, Line, log_lines};
use ta_bench::{Jobs, pending};
use ta_engine::{Owner, PointKey, Problem, Strategy, StrategyConfig, StrategyKind};
use ta_loadgen::Rng;
use ta_model::{Collector, CollectorSet};

#[derive(Debug, Parser)]
#[command(about = "Balance and churn of each strategy, against the theoretical minimum")]
struct Args {
    #[arg(long, default_value_t = 100_000)]
    targets: usize,
    #[arg(long, default_value_t = 20)]
    jobs: usize,
    /// Sizes of the fleet.
    #[arg(long, value_delimiter = ',', default_value = "3,10,30,100,300,1000,2000")]
    collectors: Vec<usize>,
    /// σ of the log-normal weights.
    #[arg(long, default_value_t = 1.5)]
    sigma: f64,
    /// Write balance.tsv, balance.svg and churn.svg into this folder.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Names collectors may have: what the ring makes of a fleet depends on them, so the median of several is reported.
const PREFIXES: [&str; 3] = ["otel-collector", "prod-eu1-collector", "metrics"];

/// Columns of the table: name and decimals. The order is that of [`Row::values`].
const COLUMNS: [(&str, usize); 13] = [
    ("collectors", 0),
    ("idle", 0),
    ("max/mean", 3),
    ("sigma/mean", 3),
    ("weight max/mean", 3),
    ("weight bound", 3),
    ("+1 moved %", 3),
    ("-1 moved %", 3),
    ("1 replaced moved %", 3),
    ("moved/minimum", 2),
    ("restart moved/target", 2),
    ("after restart max/mean", 3),
    ("after restart idle", 0),
];

#[derive(Clone, Copy, Debug, Default)]
struct Row([f64; COLUMNS.len()]);

const MAX_MEAN: usize = 2;
const OVER_MINIMUM: usize = 9;
const RESTART: usize = 10;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut text = format!("strategy\t{}\n", COLUMNS.map(|(name, _)| name).join("\t"));
    let mut rows: Vec<(String, Vec<Row>)> = Vec::new();
    print(&format!(
        "{} targets; median of {} collector name prefixes.\nminimum moved: 1/(N+1), 1/N, 1/N; a restart of all, one by \
         one, 2 per target; least-weighted moves less as new collectors stay idle\n\n",
        args.targets,
        PREFIXES.len()
    ));
    print(&format!("{:<28}{}\n", "", COLUMNS.map(|(name, _)| format!("{name:>24}")).concat()));
    for (name, config) in strategies() {
        let mut of_strategy = Vec::new();
        for count in &args.collectors {
            let row = median(PREFIXES.map(|prefix| measure(&args, &config, *count, prefix)));
            print(&format!("{name:<28}{}\n", row.cells().map(|cell| format!("{cell:>24}")).collect::<String>()));
            writeln!(text, "{name}\t{}", row.cells().collect::<Vec<_>>().join("\t"))
                .expect("a String takes every write");
            of_strategy.push(row);
        }
        rows.push((name.to_owned(), of_strategy));
    }
    args.out.as_ref().map_or(Ok(()), |out| write(out, &text, &rows))
}

fn print(text: &str) {
    // a closed pipe is no reason to stop
    drop(std::io::stdout().write_all(text.as_bytes()));
}

fn strategies() -> [(&'static str, StrategyConfig); 4] {
    let kind = |strategy| StrategyConfig { strategy, ..StrategyConfig::default() };
    [
        ("consistent-hashing", kind(StrategyKind::ConsistentHashing)),
        (
            "consistent-hashing (legacy)",
            StrategyConfig { point_key: PointKey::Legacy, ..kind(StrategyKind::ConsistentHashing) },
        ),
        ("least-weighted", kind(StrategyKind::LeastWeighted)),
        ("per-node", kind(StrategyKind::PerNode)),
    ]
}

impl Row {
    fn cells(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().zip(COLUMNS).map(|(value, (_, decimals))| format!("{value:.decimals$}"))
    }
}

fn median(rows: [Row; PREFIXES.len()]) -> Row {
    let mut median = Row::default();
    for (column, value) in median.0.iter_mut().enumerate() {
        let mut values = rows.map(|row| row.0[column]);
        values.sort_by(f64::total_cmp);
        *value = values[values.len() / 2];
    }
    median
}

fn measure(args: &Args, config: &StrategyConfig, count: usize, prefix: &str) -> Row {
    let jobs = Jobs::new(args.targets, args.jobs, count);
    let members: Vec<Collector> =
        (0..=count).map(|n| Collector::new(format!("{prefix}-{n}"), format!("node-{n}"))).collect();
    let (all, first) = (set(&members), set(&members[..count]));
    let mut fleet = Fleet::new(config, &jobs, args.targets, args.jobs);
    fleet.change(&first);
    let loads = fleet.loads(|_, _| 1.0);
    let weights = fleet.loads(|job, index| weight(args.sigma, job, index));
    let heaviest = (0..args.jobs)
        .flat_map(|job| (0..args.targets / args.jobs).map(move |index| weight(args.sigma, job, index)))
        .fold(0.0, f64::max);
    let n = args.targets as f64;
    let plus = fleet.change(&all) as f64 / n;
    fleet.reset(&first);
    let minus = fleet.change(&without(&members[..count], count / 2)) as f64 / n;
    fleet.reset(&first);
    let mut other = members[..count].to_vec();
    other[count / 2] = Collector::new(format!("{prefix}-other"), other[count / 2].node.clone());
    let replaced = fleet.change(&set(&other)) as f64 / n;
    fleet.reset(&first);
    let mut restart = 0;
    for gone in 0..count {
        restart += fleet.change(&without(&members[..count], gone));
        restart += fleet.change(&first);
    }
    let after = fleet.loads(|_, _| 1.0);
    let minimum = 1.0 / (count + 1) as f64 + 2.0 / count as f64;
    Row([
        count as f64,
        idle(&loads),
        over_mean(&loads),
        sigma(&loads),
        over_mean(&weights),
        (heaviest * count as f64 / weights.iter().sum::<f64>()).max(1.0),
        plus * 100.0,
        minus * 100.0,
        replaced * 100.0,
        (plus + minus + replaced) / minimum,
        restart as f64 / n,
        over_mean(&after),
        idle(&after),
    ])
}

fn set(members: &[Collector]) -> CollectorSet {
    CollectorSet::new(members.to_vec()).expect("distinct names")
}

fn without(members: &[Collector], gone: usize) -> CollectorSet {
    set(&[&members[..gone], &members[gone + 1..]].concat())
}

fn weight(sigma: f64, job: usize, index: usize) -> f64 {
    (sigma * Rng::at(7, [job as u64, index as u64, 0]).normal()).exp()
}

fn idle(loads: &[f64]) -> f64 {
    loads.iter().filter(|load| **load == 0.0).count() as f64
}

fn mean(loads: &[f64]) -> f64 {
    loads.iter().sum::<f64>() / loads.len() as f64
}

fn over_mean(loads: &[f64]) -> f64 {
    loads.iter().copied().fold(0.0, f64::max) / mean(loads)
}

fn sigma(loads: &[f64]) -> f64 {
    let mean = mean(loads);
    (loads.iter().map(|load| (load - mean).powi(2)).sum::<f64>() / loads.len() as f64).sqrt() / mean
}

/// Targets and who has them, from collector set to collector set, as `Engine::step` carries owners over.
struct Fleet<'a> {
    strategy: Box<dyn Strategy>,
    jobs: &'a Jobs,
    nobody: Vec<Vec<Owner>>,
    owners: Vec<Vec<Owner>>,
    collectors: CollectorSet,
}

impl<'a> Fleet<'a> {
    fn new(config: &StrategyConfig, jobs: &'a Jobs, targets: usize, job_count: usize) -> Self {
        let nobody = pending(targets, job_count);
        let strategy = config.build().expect("no fallback");
        Self { strategy, jobs, owners: nobody.clone(), nobody, collectors: CollectorSet::default() }
    }

    /// Forgets who had what, and starts with `collectors`.
    fn reset(&mut self, collectors: &CollectorSet) {
        self.owners.clone_from(&self.nobody);
        self.change(collectors);
    }

    /// Goes on with `collectors`; returns how many targets have another collector now, or none, or had none before.
    fn change(&mut self, collectors: &CollectorSet) -> usize {
        let find = |old: &Collector| collectors.ordinal(&old.name).map_or(Owner::PENDING, Owner::collector);
        let remap: Vec<Owner> = self.collectors.iter().map(find).collect();
        let mut previous = std::mem::take(&mut self.owners);
        for owner in previous.iter_mut().flatten() {
            *owner = owner.ordinal().map_or(Owner::PENDING, |ordinal| remap[ordinal]);
        }
        let mut owners = self.nobody.clone();
        let targets = self.jobs.targets(&previous);
        let problem = Problem { jobs: &targets, outside_load: &vec![0; collectors.len()] };
        self.strategy.prepare(collectors).place(&problem, &mut owners);
        let pairs = previous.iter().flatten().zip(owners.iter().flatten());
        let changed = pairs.filter(|(before, after)| before.ordinal() != after.ordinal() || before.ordinal().is_none());
        let changed = changed.count();
        self.owners = owners;
        self.collectors = collectors.clone();
        changed
    }

    fn loads(&self, weight: impl Fn(usize, usize) -> f64) -> Vec<f64> {
        let mut loads = vec![0.0; self.collectors.len()];
        for (job, owners) in self.owners.iter().enumerate() {
            for (index, owner) in owners.iter().enumerate() {
                if let Some(ordinal) = owner.ordinal() {
                    loads[ordinal] += weight(job, index);
                }
            }
        }
        loads
    }
}

fn write(out: &Path, text: &str, rows: &[(String, Vec<Row>)]) -> anyhow::Result<()> {
    std::fs::create_dir_all(out)?;
    std::fs::write(out.join("balance.tsv"), text)?;
    let lines = |column: usize| -> Vec<Line> {
        rows.iter()
            .map(|(name, rows)| (name.clone(), rows.iter().map(|row| (row.0[0], row.0[column])).collect()))
            .collect()
    };
    let x = "collectors";
    let title = "Targets of the fullest collector, against the mean";
    log_lines(&out.join("balance.svg"), Axes { title, x, y: "max / mean" }, &lines(MAX_MEAN))?;
    let title = "Targets moved when one collector is added, lost or replaced, against the minimum";
    log_lines(&out.join("churn.svg"), Axes { title, x, y: "moved / minimum" }, &lines(OVER_MINIMUM))?;
    let title = "Moves per target while all collectors restart one by one (minimum 2)";
    log_lines(&out.join("restart.svg"), Axes { title, x, y: "moves per target" }, &lines(RESTART))?;
    Ok(())
}
