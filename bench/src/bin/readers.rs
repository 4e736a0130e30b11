//! Whether readers wait for the engine: look-ups at a steady pace, while nothing happens and while steps follow each
//! other without a pause.
//!
//! A look-up is what a request does with the engine: load the snapshot, find job, collector and share, its length and
//! tag. In turns with it the same is looked up in a snapshot that is held all the time: what the machine itself takes away
//! meets both alike, and what the engine does to readers only the first.

use std::hint::black_box;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use rustix::time::{ClockId, clock_gettime};
use ta_bench::{Loaded, Workload, collectors};
use ta_engine::{Snapshot, StrategyKind};
use ta_loadgen::synth::GroupPlan;
use ta_model::group::GroupBuilder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(about = "Latency of look-ups while the engine recomputes")]
struct Args {
    #[arg(long, default_value_t = 100_000)]
    targets: u64,
    #[arg(long, default_value_t = 200)]
    jobs: u32,
    #[arg(long, default_value_t = 100)]
    collectors: usize,
    /// Of each of the two measurements: engine idle, engine stepping.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Between two look-ups.
const PACE: Duration = Duration::from_micros(200);

/// Sorted times of one measurement.
struct Times {
    wall: Vec<Duration>,
    /// Time the reader had a core. It differs where the machine took it away.
    on_core: Vec<Duration>,
}

impl Times {
    fn new(mut wall: Vec<Duration>, mut on_core: Vec<Duration>) -> Self {
        wall.sort_unstable();
        on_core.sort_unstable();
        Self { wall, on_core }
    }

    fn at(&self, quantile: f64) -> f64 {
        micros(self.wall[((self.wall.len() - 1) as f64 * quantile) as usize])
    }

    fn longest_on_core(&self) -> f64 {
        micros(self.on_core.last().copied().unwrap_or_default())
    }
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

/// Time this thread has had a core.
fn on_core() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn main() {
    let args = Args::parse();
    let workload = Workload::slices(args.targets, args.jobs, 10);
    // one thread for the engine, so that on two cores one is left for the reader
    let mut loaded = Loaded::full(&workload, true, StrategyKind::ConsistentHashing, args.collectors, 1);
    let cell = loaded.engine.snapshots();
    let length = Duration::from_secs(args.seconds);
    let held = cell.load();
    let measure = || pace(length, [&|round| look_up(&cell.load(), round), &|round| look_up(&held, round)]);
    let [look_up, kept] = measure();
    let mut rows = vec![("look-up, engine idle", look_up, 0), ("held snapshot, engine idle", kept, 0)];
    let over = AtomicBool::new(false);
    let ([look_up, kept], steps) = std::thread::scope(|scope| {
        let stepping = scope.spawn(|| steps(&workload, &mut loaded, &over));
        let times = measure();
        over.store(true, Ordering::Relaxed);
        (times, stepping.join().unwrap_or_default())
    });
    rows.extend([("look-up, engine stepping", look_up, steps), ("held snapshot, engine stepping", kept, steps)]);
    drop(std::io::stdout().write_all(report(&rows, args.json).as_bytes()));
}

/// Calls the two in turns at a steady pace and notes how long each call took.
fn pace(length: Duration, work: [&dyn Fn(usize); 2]) -> [Times; 2] {
    let begun = Instant::now();
    let room = (length.as_micros() / PACE.as_micros()) as usize;
    let mut times = [(); 2].map(|()| (Vec::with_capacity(room), Vec::with_capacity(room)));
    for round in 0.. {
        let had = on_core();
        let start = Instant::now();
        work[round % 2](round / 2);
        times[round % 2].0.push(start.elapsed());
        times[round % 2].1.push(on_core() - had);
        if begun.elapsed() >= length && round % 2 == 1 {
            break;
        }
        // waiting in the kernel would add its wake-up to the next look-up: cold caches, another core
        while start.elapsed() < PACE {
            std::hint::spin_loop();
        }
    }
    times.map(|(wall, on_core)| Times::new(wall, on_core))
}

fn look_up(snapshot: &Snapshot, round: usize) {
    let table = snapshot.table();
    let job = table.jobs()[round * 31 % table.jobs().len()].name();
    let collector = &snapshot.collectors()[round * 17 % snapshot.collectors().len()].name;
    let ordinal = snapshot.collectors().ordinal(collector);
    let share = ordinal.and_then(|ordinal| snapshot.job(job)?.share(ordinal));
    black_box(share.map(|share| (share.content_length(), share.etag())));
}

/// Steps until `over`: one percent of the groups replaced, and a collector more or less, in turns. Returns their number.
fn steps(workload: &Workload, loaded: &mut Loaded, over: &AtomicBool) -> usize {
    let mut plans: Vec<GroupPlan> = workload.plans().collect();
    let mut builder = GroupBuilder::new();
    let writer = loaded.store.writer();
    let count = loaded.input.collectors.len();
    let (fewer, more) = (collectors(count), collectors(count + 1));
    let mut steps = 0;
    while !over.load(Ordering::Relaxed) {
        let part = plans.len() / 100;
        let from = steps * part % (plans.len() - part).max(1);
        for plan in &mut plans[from..from + part] {
            plan.slots.iter_mut().for_each(|slot| slot.serial += 1);
            writer.apply([workload.change(&mut builder, plan)]);
        }
        loaded.engine.step(&loaded.input);
        loaded.input.collectors = if steps % 2 == 0 { more.clone() } else { fewer.clone() };
        loaded.engine.step(&loaded.input);
        steps += 2;
    }
    steps
}

fn report(rows: &[(&str, Times, usize)], json: bool) -> String {
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(what, times, steps)| {
                serde_json::json!({
                    "what": what, "count": times.wall.len(), "steps": steps, "p50_us": times.at(0.5),
                    "p99_us": times.at(0.99), "p999_us": times.at(0.999), "max_us": times.at(1.0),
                    "max_cpu_us": times.longest_on_core(),
                })
            })
            .collect();
        return format!("{}\n", serde_json::Value::from(rows));
    }
    let row = |(what, times, steps): &(&str, Times, usize)| {
        format!(
            "{what:<31}{:>9}{steps:>8}{:>12.2}{:>12.2}{:>12.2}{:>12.2}{:>16.2}\n",
            times.wall.len(),
            times.at(0.5),
            times.at(0.99),
            times.at(0.999),
            times.at(1.0),
            times.longest_on_core()
        )
    };
    let head = ["count", "steps", "p50 us", "p99 us", "p99.9 us", "max us", "max us on core"];
    let [count, steps, p50, p99, p999, max, on_core] = head;
    let head = format!("{:<31}{count:>9}{steps:>8}{p50:>12}{p99:>12}{p999:>12}{max:>12}{on_core:>16}\n", "");
    head + &rows.iter().map(row).collect::<String>()
}
