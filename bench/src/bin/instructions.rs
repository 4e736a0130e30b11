//! Runs one hot path a given number of times, to have its instructions counted (`scripts/bench-instructions`).
//!
//! ```text
//! instructions --list              the cases, one a line: name, rounds, what a round counts
//! instructions CASE ROUNDS         prepares the case, runs it once, and then ROUNDS times more
//! ```
//!
//! The counts of a run with no further round and of one with some differ by exactly those rounds: preparing, and what is
//! done once, cancels out. The system's allocator and single threads keep the counts equal from run to run.

use std::hint::black_box;
use std::io::Write as _;
use std::process::ExitCode;

use ta_bench::serve::{Served, largest_share, request, share_path};
use ta_bench::{Jobs, Loaded, Workload, build, collectors, pending};
use ta_engine::{PointKey, Problem, Ring, StrategyConfig, StrategyKind};
use ta_loadgen::synth::GroupPlan;
use ta_model::LabelBuilder;
use ta_model::group::GroupBuilder;
use ta_model::relabel;
use xxhash_rust::xxh64::xxh64;

/// A prepared case: does one round whenever it is called.
type Round = Box<dyn FnMut()>;

struct Case {
    name: &'static str,
    /// Rounds that cost some thousand million instructions: by the seeds of hash maps, the system's allocator finds other
    /// places for what is prepared, which makes up to 13 million more or less in a run.
    rounds: u32,
    /// What the count is divided by: so many of `unit` in a round.
    per: u32,
    unit: &'static str,
    prepare: fn() -> Round,
}

const fn case(name: &'static str, rounds: u32, per: u32, unit: &'static str, prepare: fn() -> Round) -> Case {
    Case { name, rounds, per, unit, prepare }
}

/// Targets of every case that works on targets.
const TARGETS: u32 = 2_000;
const GROUPS: u32 = TARGETS / 10;

const CASES: &[Case] = &[
    case("compact/groups_of_10", 40, TARGETS, "target", || compact(10)),
    case("compact/groups_of_100", 40, TARGETS, "target", || compact(100)),
    case("relabel/one_by_one", 15, TARGETS, "target", relabel_one_by_one),
    case("step/full_unfiltered", 200, TARGETS, "target", || full(false)),
    case("step/full_servicemonitor", 80, TARGETS, "target", || full(true)),
    case("step/unchanged_groups", 8_000, GROUPS, "group", unchanged),
    case("step/ten_groups_replaced", 600, 200, "target", || {
        edited(|plan| plan.slots.iter_mut().for_each(|slot| slot.serial += 1))
    }),
    case("step/ten_groups_meta_only", 700, 200, "target", || edited(|plan| plan.revision += 1)),
    case("step/collector_more_or_less/consistent_hashing", 700, 2 * TARGETS, "target", || {
        scale(StrategyKind::ConsistentHashing)
    }),
    case("step/collector_more_or_less/least_weighted", 2_400, 2 * TARGETS, "target", || {
        scale(StrategyKind::LeastWeighted)
    }),
    case("step/collector_more_or_less/per_node", 1_000, 2 * TARGETS, "target", || scale(StrategyKind::PerNode)),
    case("place/consistent_hashing", 6_000, STRATEGY_TARGETS, "target", || place(StrategyKind::ConsistentHashing)),
    case("place/least_weighted", 400, STRATEGY_TARGETS, "target", || place(StrategyKind::LeastWeighted)),
    case("place/per_node", 600, STRATEGY_TARGETS, "target", || place(StrategyKind::PerNode)),
    case("ring/build_v1_100_collectors", 2_000, 1, "ring", || ring(PointKey::V1)),
    case("ring/build_legacy_100_collectors", 2_000, 1, "ring", || ring(PointKey::Legacy)),
    case("ring/locate_with_hash", 9_000, 1_000, "target", locate),
    case("body/render", 250, TARGETS, "target", render),
    case("body/etag", 26_000, TARGETS, "target", etag),
    case("snapshot/load", 30_000_000, 1, "load", load),
    case("http/empty", 140_000, 1, "request", || http(Ask::Empty)),
    case("http/not_modified", 120_000, 1, "request", || http(Ask::NotModified)),
    case("http/whole", 140_000, 1, "request", || http(Ask::Whole)),
    case("http/streamed", 6_000, 1, "request", || http(Ask::Streamed)),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [list] if list == "--list" => {
            let lines: String = CASES
                .iter()
                .map(|case| format!("{}\t{}\t{}\t{}\n", case.name, case.rounds, case.per, case.unit))
                .collect();
            drop(std::io::stdout().write_all(lines.as_bytes()));
            ExitCode::SUCCESS
        }
        [name, rounds] => match (CASES.iter().find(|case| case.name == name), rounds.parse::<u32>()) {
            (Some(case), Ok(rounds)) => {
                let mut round = (case.prepare)();
                (0..=rounds).for_each(|_| round());
                // dropping what was prepared costs the same whatever the rounds
                ExitCode::SUCCESS
            }
            _ => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    drop(std::io::stderr().write_all(b"usage: instructions --list | instructions CASE ROUNDS\n"));
    ExitCode::from(2)
}

fn workload() -> Workload {
    Workload::slices(u64::from(TARGETS), 4, 10)
}

fn compact(per_group: u32) -> Round {
    let workload = Workload::slices(u64::from(TARGETS), 4, per_group);
    let groups: Vec<_> = workload.plans().map(|plan| workload.render(&plan)).collect();
    let mut builder = GroupBuilder::new();
    Box::new(move || {
        black_box(groups.iter().map(|group| build(&mut builder, group).len()).sum::<usize>());
    })
}

/// The plain relabelling, as tools and templated rules use it; the engine's compiled one is part of `step/full`.
fn relabel_one_by_one() -> Round {
    let workload = workload();
    let table = workload.table(true);
    let rules = table.jobs()[0].plan().rules().to_vec();
    let merged = |plan: GroupPlan| {
        let group = workload.render(&plan);
        (0..group.targets.len()).map(|index| group.merged(index)).collect::<Vec<_>>()
    };
    let targets: Vec<_> = workload.plans().flat_map(merged).collect();
    Box::new(move || {
        for labels in &targets {
            let sorted = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let mut labels = LabelBuilder::from_sorted(sorted);
            black_box(relabel::process(&rules, &mut labels));
        }
    })
}

/// Everything new: an empty engine takes, resolves, lays out, places and publishes all targets.
fn full(filter: bool) -> Round {
    let workload = workload();
    let (changes, table) = (workload.changes(), workload.table(filter));
    Box::new(move || {
        let mut loaded = Loaded::empty(table.clone(), StrategyKind::ConsistentHashing, collectors(20), 1);
        loaded.store.writer().apply(changes.iter().cloned());
        black_box(loaded.engine.step(&loaded.input));
    })
}

fn loaded(kind: StrategyKind) -> (Workload, Loaded) {
    let workload = workload();
    let loaded = Loaded::full(&workload, true, kind, 100, 1);
    (workload, loaded)
}

/// The same groups again, built anew: compared by content.
fn unchanged() -> Round {
    let (workload, mut loaded) = loaded(StrategyKind::ConsistentHashing);
    let changes = workload.changes();
    Box::new(move || {
        loaded.store.writer().apply(changes.iter().cloned());
        black_box(loaded.engine.step(&loaded.input));
    })
}

/// Ten groups of one job, changed back and forth.
fn edited(edit: fn(&mut GroupPlan)) -> Round {
    let (workload, mut loaded) = loaded(StrategyKind::ConsistentHashing);
    let mut builder = GroupBuilder::new();
    let mut plans: Vec<GroupPlan> = workload.plans().take(10).collect();
    let before: Vec<_> = plans.iter().map(|plan| workload.change(&mut builder, plan)).collect();
    plans.iter_mut().for_each(edit);
    let after: Vec<_> = plans.iter().map(|plan| workload.change(&mut builder, plan)).collect();
    Box::new(move || {
        for changes in [&after, &before] {
            loaded.store.writer().apply(changes.iter().cloned());
            black_box(loaded.engine.step(&loaded.input));
        }
    })
}

/// One collector more, one collector less.
fn scale(kind: StrategyKind) -> Round {
    let (_, mut loaded) = loaded(kind);
    let sets = [collectors(101), collectors(100)];
    Box::new(move || {
        for set in &sets {
            loaded.input.collectors = set.clone();
            black_box(loaded.engine.step(&loaded.input));
        }
    })
}

const STRATEGY_TARGETS: u32 = 10_000;

fn place(kind: StrategyKind) -> Round {
    let (jobs, nobody) = (Jobs::new(STRATEGY_TARGETS as usize, 20, 100), pending(STRATEGY_TARGETS as usize, 20));
    let strategy = StrategyConfig { strategy: kind, ..StrategyConfig::default() }.build().expect("no fallback");
    let planner = strategy.prepare(&collectors(100));
    Box::new(move || {
        let mut owners = nobody.clone();
        let targets = jobs.targets(&nobody);
        planner.place(&Problem { jobs: &targets, outside_load: &[0; 100] }, &mut owners);
        black_box(owners);
    })
}

fn ring(key: PointKey) -> Round {
    let collectors = collectors(100);
    Box::new(move || {
        black_box(Ring::new(black_box(&collectors), key));
    })
}

fn locate() -> Round {
    let ring = Ring::new(&collectors(100), PointKey::V1);
    let addresses: Vec<String> = (0..1_000).map(|n| format!("10.{}.{}.7:9100", n / 256, n % 256)).collect();
    Box::new(move || {
        black_box(addresses.iter().map(|address| ring.owner(xxh64(address.as_bytes(), 0))).sum::<usize>());
    })
}

fn render() -> Round {
    let (_, loaded) = loaded(StrategyKind::ConsistentHashing);
    Box::new(move || {
        let snapshot = loaded.engine.last();
        let shares = snapshot.jobs().flat_map(|job| job.shares());
        black_box(shares.flat_map(|(_, share)| share.body()).map(|piece| piece.len()).sum::<usize>());
    })
}

fn etag() -> Round {
    let (_, loaded) = loaded(StrategyKind::ConsistentHashing);
    Box::new(move || {
        let shares = loaded.engine.last().jobs().flat_map(|job| job.shares());
        black_box(shares.fold(0, |all, (_, share)| all ^ share.etag()));
    })
}

fn load() -> Round {
    let cell = loaded(StrategyKind::ConsistentHashing).1.engine.snapshots();
    Box::new(move || {
        black_box(cell.load());
    })
}

#[derive(Clone, Copy)]
enum Ask {
    Empty,
    NotModified,
    /// The body lies ready.
    Whole,
    /// The body is rendered from segments while it is sent.
    Streamed,
}

fn http(ask: Ask) -> Round {
    let workload = workload();
    let budget = if matches!(ask, Ask::Whole) { usize::MAX } else { 0 };
    let mut loaded =
        Loaded::with_budget(workload.table(true), StrategyKind::ConsistentHashing, collectors(10), 1, budget);
    loaded.feed(&workload);
    let served = Served::new(&mut loaded);
    loaded.engine.warm(&|| false);
    let (path, _, tag) = largest_share(loaded.engine.last());
    let request = match ask {
        Ask::Empty => request(&share_path("no-such-job", "otel-collector-0"), &[]),
        Ask::NotModified => request(&path, &[("if-none-match", &tag)]),
        Ask::Whole | Ask::Streamed => request(&path, &[]),
    };
    Box::new(move || {
        black_box(served.get(&request));
        // the engine stays, as what is served is its
        black_box(&loaded);
    })
}
