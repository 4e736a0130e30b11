//! The fleet against an allocator that misbehaves: every row of the client contract is a case.

mod fake;
mod rows;

use std::time::Duration;

use super::*;
use crate::feed::{ChangeSink as _, TruthFile, WorldChange};
use crate::ledger::{Now, Truth};
use crate::protocol::LabelFold;
use crate::stats::lock;
use fake::{FakeAllocator, Reply};

/// Polls every 50 ms instead of every 30 s.
const FAST: f64 = 600.0;

struct Bed {
    fake: FakeAllocator,
    fleet: Fleet,
    ledger: Arc<Mutex<Ledger>>,
    stats: Arc<Stats>,
    clock: Instant,
}

impl Bed {
    async fn new(lanes: Option<usize>) -> Self {
        Bed::with(FakeAllocator::start().await, |options| options.lanes = lanes)
    }

    fn with(fake: FakeAllocator, edit: impl FnOnce(&mut FleetOptions)) -> Self {
        let endpoint = crate::loopback::resolve(&fake.url(), false).unwrap();
        let mut options = FleetOptions { time_scale: FAST, ..FleetOptions::new(endpoint) };
        edit(&mut options);
        let (ledger, stats, clock) = (Arc::<Mutex<Ledger>>::default(), Arc::<Stats>::default(), Instant::now());
        let fleet = Fleet::new(options, ledger.clone(), stats.clone(), clock);
        Bed { fake, fleet, ledger, stats, clock }
    }

    /// Tells the ledger that `host:1 … host:n` of the job exist.
    fn truth(&self, job: &str, count: usize) {
        for index in 1..=count {
            let target = LabelFold::default().finish(job, &format!("host:{index}"));
            lock(&self.ledger).tell(self.clock.elapsed(), Truth::Added, target, None);
        }
    }

    fn held(&self) -> i64 {
        lock(&self.ledger).now().held
    }

    async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        for _ in 0..2000 {
            if condition() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never came: {what}; held {}, {:?}", self.held(), self.stats);
    }

    /// Waits until `count` more requests whose path contains `part` were answered from now on.
    async fn after_requests(&self, part: &str, count: usize) {
        let start = self.fake.count(part);
        self.until(part, || self.fake.count(part) >= start + count).await;
    }
}

fn groups(count: usize) -> String {
    let targets: Vec<String> = (1..=count).map(|i| format!("\"host:{i}\"")).collect();
    format!("[{{\"targets\":[{}],\"labels\":{{}}}}]", targets.join(","))
}

fn jobs(names: &[&str]) -> String {
    let configs: Vec<String> = names.iter().map(|name| format!("\"{name}\":{{\"job_name\":\"{name}\"}}")).collect();
    format!("{{{}}}", configs.join(","))
}

#[tokio::test]
async fn a_collector_takes_its_targets_over_one_connection_per_job() {
    let mut bed = Bed::new(None).await;
    bed.truth("a", 2);
    bed.truth("b", 3);
    bed.fake.job_list(Reply::json(jobs(&["a", "b"])));
    bed.fake.targets("a", Reply::json(groups(2)));
    bed.fake.targets("b", Reply::json(groups(3)));
    bed.fleet.start("c-0", Duration::ZERO);
    bed.until("five held", || bed.held() == 5).await;
    bed.after_requests("/jobs/a/targets", 3).await;
    assert_eq!(bed.stats.connections.opened(), 3, "one for the list, one for each job");
    assert_eq!(bed.fleet.loads(), [("c-0".to_owned(), 5)].into());
    bed.fleet.stop("c-0").await;
    assert_eq!((bed.held(), lock(&bed.ledger).now().lost), (0, 5), "a stopped collector gives everything up");
}

#[tokio::test]
async fn lanes_hold_the_same_over_fewer_connections() {
    let mut bed = Bed::new(Some(1)).await;
    for job in ["a", "b", "c", "d"] {
        bed.truth(job, 2);
        bed.fake.targets(job, Reply::json(groups(2)));
    }
    bed.fake.job_list(Reply::json(jobs(&["a", "b", "c", "d"])));
    bed.fleet.start("c-0", Duration::ZERO);
    bed.until("eight held", || bed.held() == 8).await;
    bed.after_requests("/jobs/d/targets", 2).await;
    assert_eq!(bed.stats.connections.opened(), 2);
    bed.fake.job_list(Reply::json(jobs(&["a", "d"])));
    bed.until("two jobs left", || bed.held() == 4).await;
}

#[tokio::test]
async fn requests_look_like_the_real_ones() {
    let mut bed = Bed::new(None).await;
    bed.fake.job_list(Reply::json(jobs(&["serviceMonitor/ns/x/0", "my job+x"])));
    bed.fleet.start("c-0", Duration::ZERO);
    bed.until("both jobs asked", || bed.fake.count("/jobs/") >= 2).await;
    let seen = bed.fake.seen();
    let list = seen.iter().find(|request| request.path == "/scrape_configs").unwrap();
    assert_eq!((list.header("accept"), list.header("accept-encoding")), (None, Some("gzip")));
    let paths =
        ["/jobs/serviceMonitor%2Fns%2Fx%2F0/targets?collector_id=c-0", "/jobs/my+job%2Bx/targets?collector_id=c-0"];
    for path in paths {
        let targets = seen.iter().find(|request| request.path == path).expect(path);
        assert_eq!((targets.header("accept"), targets.header("accept-encoding")), (Some("application/json"), None));
        assert_eq!(targets.header("x-prometheus-refresh-interval-seconds"), Some("30"));
    }
}

#[tokio::test]
async fn a_vanished_job_stops_at_once_and_a_new_one_polls_at_once() {
    let mut bed = Bed::with(FakeAllocator::start().await, |options| options.refresh = Duration::from_secs(3000));
    bed.truth("a", 1);
    bed.truth("b", 2);
    bed.fake.targets("a", Reply::json(groups(1)));
    bed.fake.targets("b", Reply::json(groups(2)));
    bed.fake.job_list(Reply::json(jobs(&["a"])));
    bed.fleet.start("c-0", Duration::ZERO);
    bed.until("a held", || bed.held() == 1).await;
    bed.fake.job_list(Reply::json(jobs(&["b"])));
    bed.until("b held", || bed.held() == 2).await;
    assert_eq!(bed.fake.count("/jobs/a/"), 1, "the refresh interval is 5 s: only the first poll was made");
}

#[tokio::test]
async fn first_sync_waits_for_an_allocator_that_is_not_there_yet() {
    let fake = FakeAllocator::start().await;
    let address = fake.stop_listening().await;
    let mut bed = Bed::with(fake, |_| ());
    bed.fleet.start("c-0", Duration::ZERO);
    bed.until("refused", || bed.stats.job_list.errors().contains_key("refused")).await;
    bed.fake.job_list(Reply::json(jobs(&["a"])));
    bed.fake.targets("a", Reply::json(groups(1)));
    bed.fake.listen(address).await;
    bed.until("held", || bed.held() == 1).await;
}

#[tokio::test]
async fn first_sync_backs_off_on_bad_lists_and_gives_up_after_fifteen_minutes() {
    // 15 min are 90 ms here; the first backoffs 0.025 to 0.1 ms
    let mut bed = Bed::with(FakeAllocator::start().await, |options| options.time_scale = 10_000.0);
    bed.fake.job_list(Reply::text(503, "not ready"));
    bed.fleet.start("c-0", Duration::ZERO);
    bed.until("gave up", || bed.stats.exited.load(Ordering::Relaxed) == 1).await;
    let tried = bed.stats.job_list.errors()["job-list-not-a-map"];
    assert!((5..100).contains(&tried), "{tried} tries: 0.5 s × 1.5ⁿ up to 60 s within 15 min");
}

#[tokio::test]
async fn an_idle_connection_closed_by_the_server_is_harmless() {
    let mut bed = Bed::new(None).await;
    bed.truth("a", 1);
    bed.fake.job_list(Reply::json(jobs(&["a"])));
    bed.fake.targets("a", Reply::json(groups(1)).closing());
    bed.fleet.start("c-0", Duration::ZERO);
    bed.after_requests("/jobs/a/", 4).await;
    assert_eq!(bed.stats.targets.errors(), [].into());
    assert!(bed.stats.connections.opened() >= 4);
    assert_eq!((bed.held(), lock(&bed.ledger).now().lost), (1, 0));
}

#[tokio::test]
async fn the_request_budget_ends_the_run() {
    let mut bed = Bed::with(FakeAllocator::start().await, |options| options.max_requests = 7);
    bed.fake.job_list(Reply::json(jobs(&["a"])));
    bed.fake.targets("a", Reply::json(groups(1)));
    bed.fleet.start("c-0", Duration::ZERO);
    let stopped = tokio::time::timeout(Duration::from_secs(20), bed.fleet.out_of_budget().cancelled_owned()).await;
    assert!(stopped.is_ok());
    bed.fleet.stop_all().await;
    assert_eq!(bed.stats.job_list.sent() + bed.stats.targets.sent(), 7);
}

#[tokio::test]
async fn latency_counts_from_the_intended_time() {
    let mut bed = Bed::new(None).await;
    bed.fake.job_list(Reply::json(jobs(&["a"])));
    // slower than one interval of 50 ms would be a timeout, so take most of it
    bed.fake.targets("a", Reply::json(groups(1)).after(Duration::from_millis(20)));
    bed.fleet.start("c-0", Duration::ZERO);
    bed.until("accepted", || bed.stats.targets.accepted() >= 3).await;
    assert!(bed.stats.targets.latency_micros().min() >= 19_000);
}

/// A holder that gives up what is gone must not be seen before the removal is: it would count as lost.
#[tokio::test]
async fn the_truth_of_another_process_is_read_before_an_answer_is_taken() {
    let path = tempfile::tempdir().unwrap().keep().join("truth.jsonl");
    let mut told = TruthFile::create(&path).unwrap();
    let targets = [1, 2].map(|index| LabelFold::default().finish("a", &format!("host:{index}")));
    told.initial(&targets).unwrap();
    let mut bed = Bed::new(None).await;
    bed.fake.job_list(Reply::json(jobs(&["a"])));
    bed.fake.targets("a", Reply::json(groups(2)));
    let reader = TruthReader::open(&path, bed.ledger.clone(), bed.clock).unwrap();
    // nobody else reads the file here
    bed.fleet.look_into(Arc::new(Mutex::new(reader)));
    bed.fleet.start("c-0", Duration::ZERO);
    bed.until("two held", || bed.held() == 2).await;
    assert_eq!(lock(&bed.ledger).now(), Now { existing: 2, held: 2, ..Now::default() });
    told.change(&WorldChange { facts: vec![(Truth::Removed, targets[1])], ..WorldChange::default() }).unwrap();
    bed.fake.targets("a", Reply::json(groups(1)));
    bed.until("one held", || bed.held() == 1).await;
    assert_eq!(lock(&bed.ledger).now(), Now { existing: 1, held: 1, ..Now::default() });
    assert_eq!(lock(&bed.ledger).changes().pending, 0);
}
