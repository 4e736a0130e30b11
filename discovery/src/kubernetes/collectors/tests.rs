use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::{Instant, advance};

use super::*;
use crate::kubernetes::object::ObjectKey;
use crate::kubernetes::watch::{Feed, WatchSettings};
use crate::status::Status;

const NAMESPACE: &str = "obs";

fn mk_config() -> CollectorPodsConfig {
    CollectorPodsConfig {
        namespace: NAMESPACE.to_owned(),
        selector: Some(LabelSelector {
            match_labels: [("app".to_owned(), "c".to_owned())].into(),
            ..LabelSelector::default()
        }),
        not_ready_grace_period: Duration::from_secs(30),
        terminating: Terminating::Drop,
        own_pod: String::new(),
    }
}

/// A clock that goes with tokio's, from 2026-01-01, and how many seconds it has been set on.
fn mk_clock() -> (Clock, Arc<AtomicI64>) {
    let (begun, jumped) = (Instant::now(), Arc::<AtomicI64>::default());
    let start = crate::kubernetes::time::parse_time("2026-01-01T00:00:00Z").unwrap();
    let seen = jumped.clone();
    let clock = move || {
        let (time, jumped) = (start + begun.elapsed(), seen.load(Ordering::Relaxed));
        let jump = Duration::from_secs(jumped.unsigned_abs());
        if jumped < 0 { time - jump } else { time + jump }
    };
    (Arc::new(clock), jumped)
}

/// A running collector watch, what it is told, and what it tells.
struct World {
    feed: Feed<Pods>,
    fleet: watch::Receiver<Fleet>,
    clock: Arc<AtomicI64>,
    cancel: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
}

impl World {
    fn new(config: CollectorPodsConfig) -> Self {
        let watches = Watches::new(Arc::new(Status::default()), WatchSettings::default());
        let cluster = Cluster::detached("test");
        let feed = Feed::new(&watches, &cluster, config.watched().1);
        let (told, clock) = mk_clock();
        let pods = CollectorPods::new(config, watches, cluster, told);
        let (sender, fleet) = watch::channel(Fleet::Unknown);
        let cancel = CancellationToken::new();
        let ended = tokio::spawn(pods.run(sender, cancel.clone()));
        Self { feed, fleet, clock, cancel, ended }
    }

    /// The next fleet told, however long that takes: time flies when nothing else is to be done.
    async fn next(&mut self) -> Vec<String> {
        self.fleet.changed().await.unwrap();
        names(&self.fleet.borrow_and_update())
    }

    /// Nothing is told within `time`.
    async fn assert_silent(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
        assert!(!self.fleet.has_changed().unwrap(), "{:?}", self.fleet.borrow());
    }
}

fn names(fleet: &Fleet) -> Vec<String> {
    assert!(fleet.is_known());
    fleet.collectors().iter().map(|collector| format!("{}@{}", collector.name, collector.node)).collect()
}

fn mk_pod(name: &str, node: &str, more_status: &str) -> String {
    format!(
        r#"{{"metadata": {{"namespace": "{NAMESPACE}", "name": "{name}", "labels": {{"app": "c"}}}},
            "spec": {{"nodeName": "{node}"}}, "status": {{"phase": "Running"{more_status}}}}}"#
    )
}

fn unready_since(time: &str) -> String {
    format!(r#", "conditions": [{{"type": "Ready", "status": "False", "lastTransitionTime": "{time}"}}]"#)
}

#[tokio::test(start_paused = true)]
async fn collectors_are_known_once_listed_and_then_followed() {
    let mut world = World::new(mk_config());
    world.assert_silent(Duration::from_secs(3600)).await;
    world.feed.list([&*mk_pod("c-0", "n0", ""), &*mk_pod("c-1", "n1", "")]);
    assert_eq!(world.next().await, ["c-0@n0", "c-1@n1"]);
    world.feed.put(&mk_pod("c-2", "n2", ""));
    assert_eq!(world.next().await, ["c-0@n0", "c-1@n1", "c-2@n2"]);
    world.feed.put(&mk_pod("c-1", "n9", ""));
    assert_eq!(world.next().await, ["c-0@n0", "c-1@n9", "c-2@n2"]);
    world.feed.delete(&ObjectKey::new(NAMESPACE, "c-0"));
    assert_eq!(world.next().await, ["c-1@n9", "c-2@n2"]);
    // deletions missed while disconnected
    world.feed.list([&*mk_pod("c-2", "n2", "")]);
    assert_eq!(world.next().await, ["c-2@n2"]);
    world.feed.list([]);
    assert_eq!(world.next().await, [""; 0]);
    world.cancel.cancel();
    world.ended.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_is_known_to_be_empty() {
    let mut world = World::new(mk_config());
    world.feed.list([]);
    assert_eq!(world.next().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn changes_that_come_together_are_told_together_and_soon() {
    let mut world = World::new(mk_config());
    world.feed.list([]);
    world.next().await;
    let begun = Instant::now();
    for number in 0..10 {
        world.feed.put(&mk_pod(&format!("c-{number}"), "n", ""));
        advance(Duration::from_millis(10)).await;
    }
    assert_eq!(world.next().await.len(), 10);
    let took = begun.elapsed();
    assert!((Duration::from_millis(100)..=Duration::from_millis(250)).contains(&took), "{took:?}");
    // what changes nothing is not told
    world.feed.put(&mk_pod("c-0", "n", r#", "startTime": "2026-01-01T00:00:00Z""#));
    world.assert_silent(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_grace_period_is_noticed_when_it_comes() {
    let mut world = World::new(mk_config());
    let begun = Instant::now();
    world.feed.list([
        &*mk_pod("late", "n", &unready_since("2026-01-01T00:00:00Z")),
        &*mk_pod("soon", "n", &unready_since("2025-12-31T23:59:40Z")),
    ]);
    assert_eq!(world.next().await, ["late@n", "soon@n"]);
    assert_eq!(world.next().await, ["late@n"]);
    assert!((10_000..10_050).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert_eq!(world.next().await, [""; 0]);
    assert!((30_000..30_050).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    world.feed.put(&mk_pod("soon", "n", ""));
    assert_eq!(world.next().await, ["soon@n"]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_ends_no_grace_period_and_begins_none() {
    const DAY: i64 = 86_400;
    for jump in [3600, -3600, DAY, -DAY] {
        let mut world = World::new(mk_config());
        let begun = Instant::now();
        world.feed.list([
            &*mk_pod("dead", "n", &unready_since("2025-12-31T23:00:00Z")),
            &*mk_pod("ill", "n", &unready_since("2025-12-31T23:59:50Z")),
            &*mk_pod("well", "n", ""),
        ]);
        assert_eq!(world.next().await, ["ill@n", "well@n"]);
        advance(Duration::from_secs(1)).await;
        world.clock.store(jump, Ordering::Relaxed);
        // everything is looked at again, and nobody comes back or goes
        world.feed.put(&mk_pod("new", "n", ""));
        assert_eq!(world.next().await, ["ill@n", "new@n", "well@n"], "{jump}");
        assert_eq!(world.next().await, ["new@n", "well@n"], "{jump}");
        assert!((20_000..20_050).contains(&begun.elapsed().as_millis()), "{jump}: {:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_api_server_says_of_the_future_begins_when_it_is_seen() {
    let mut world = World::new(mk_config());
    let begun = Instant::now();
    world.feed.list([&*mk_pod("c-0", "n", &unready_since("2026-01-01T09:00:00Z"))]);
    assert_eq!(world.next().await, ["c-0@n"]);
    assert_eq!(world.next().await, [""; 0]);
    assert!((30_000..30_050).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_failing_watch_changes_nothing() {
    let mut world = World::new(mk_config());
    for condition in [Condition::Failing("refused".to_owned()), Condition::Absent] {
        world.feed.condition(condition);
        world.assert_silent(Duration::from_secs(600)).await;
        assert_eq!(*world.fleet.borrow(), Fleet::Unknown);
    }
    world.feed.list([&*mk_pod("c-0", "n0", "")]);
    assert_eq!(world.next().await, ["c-0@n0"]);
    for condition in [
        Condition::Failing("refused".to_owned()),
        Condition::Forbidden("no".to_owned()),
        Condition::Absent,
        Condition::Listing,
    ] {
        world.feed.condition(condition);
        world.assert_silent(Duration::from_secs(600)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn forbidden_is_told_as_long_as_nothing_is_known() {
    let mut world = World::new(mk_config());
    world.feed.condition(Condition::Forbidden("pods is forbidden".to_owned()));
    world.fleet.changed().await.unwrap();
    assert_eq!(*world.fleet.borrow_and_update(), Fleet::Denied);
    world.feed.list([&*mk_pod("c-0", "n0", "")]);
    assert_eq!(world.next().await, ["c-0@n0"]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_cannot_be_read_costs_no_other_one() {
    let mut world = World::new(mk_config());
    let odd = r#"{"metadata": {"namespace": "obs", "name": "odd"}, "spec": {"nodeName": 7}}"#;
    world.feed.list([&*mk_pod("c-0", "n0", ""), odd]);
    assert_eq!(world.next().await, ["c-0@n0"]);
}

#[test]
fn selectors_are_sent_as_kubernetes_writes_them() {
    let config = mk_config();
    assert_eq!((&*config.watched().1.label_selector, config.selects_all()), ("app=c", false));
    for selector in [None, Some(LabelSelector::default())] {
        let all = CollectorPodsConfig { selector, ..mk_config() };
        assert_eq!((&*all.watched().1.label_selector, all.selects_all()), ("", true));
    }
}
