//! Who shares a provider, who sees its groups when, and what happens when one breaks.
#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

mod common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use common::{Discovery, mk_millis, mk_static, until};
use ta_discovery::{Deliver, NamedGroup, SourceError, SourceFuture, Sources, Status, unsupported};
use ta_model::group::GroupBuilder;
use ta_model::scrape_config::{FileSdConfig, SdConfig};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What a scripted source does next.
enum Step {
    Groups(Vec<NamedGroup>),
    Synced,
    Fail(&'static str),
    End,
    Panic,
}

/// Sources that do as they are told. A config is known by its first file name.
#[derive(Debug, Default)]
struct Scripted {
    starts: Mutex<Vec<String>>,
    scripts: Mutex<HashMap<String, Vec<mpsc::UnboundedReceiver<Step>>>>,
}

impl Sources for Scripted {
    fn start(&self, config: &SdConfig, deliver: Deliver, cancel: CancellationToken) -> SourceFuture {
        let SdConfig::File(config) = config else { panic!("not a scripted config") };
        let name = config.files[0].clone();
        let mut scripts = self.scripts.lock().unwrap();
        let script = scripts.get_mut(&name).filter(|scripts| !scripts.is_empty()).map(|scripts| scripts.remove(0));
        self.starts.lock().unwrap().push(name);
        Box::pin(play(script, deliver, cancel))
    }
}

async fn play(
    script: Option<mpsc::UnboundedReceiver<Step>>,
    deliver: Deliver,
    cancel: CancellationToken,
) -> Result<(), SourceError> {
    if let Some(mut script) = script {
        while let Some(step) = script.recv().await {
            match step {
                Step::Groups(groups) => deliver.groups(groups).await,
                Step::Synced => deliver.synced().await,
                Step::Fail(error) => return Err(error.into()),
                Step::End => return Ok(()),
                Step::Panic => panic!("as told"),
            }
        }
    }
    cancel.cancelled().await;
    Ok(())
}

impl Scripted {
    /// The script of the next start of `name`.
    fn script(&self, name: &str) -> mpsc::UnboundedSender<Step> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.scripts.lock().unwrap().entry(name.to_owned()).or_default().push(receiver);
        sender
    }

    fn starts(&self, name: &str) -> usize {
        self.starts.lock().unwrap().iter().filter(|start| *start == name).count()
    }
}

fn mk_scripted(name: &str) -> SdConfig {
    SdConfig::File(FileSdConfig { files: vec![name.to_owned()], refresh_interval: mk_millis(1000) })
}

fn mk_group(source: &str, addresses: &[&str]) -> NamedGroup {
    let mut builder = GroupBuilder::new();
    builder.begin();
    for address in addresses {
        builder.begin_target();
        builder.target_label("__address__", address);
    }
    (source.into(), Arc::new(builder.finish()))
}

fn start(jobs: Vec<(&str, Vec<SdConfig>)>, sources: &Arc<Scripted>) -> Discovery {
    Discovery::start_sources(jobs, sources.clone(), Arc::new(Status::default()))
}

fn send(script: &mpsc::UnboundedSender<Step>, steps: impl IntoIterator<Item = Step>) {
    steps.into_iter().for_each(|step| script.send(step).unwrap_or_else(|_| panic!("the source is gone")));
}

#[tokio::test]
async fn static_groups_are_there_at_once_and_a_job_without_discovery_is_synced() {
    let discovery = Discovery::start(vec![("a", vec![mk_static(&["x:1", "y:1"])]), ("none", vec![])]);
    discovery.sink.until("both synced", |told| told.is_synced("a") && told.is_synced("none")).await;
    discovery.sink.read(|told| {
        assert_eq!(told.addresses("a").len(), 2);
        assert_eq!(told.sources("a"), ["0"]);
        assert_eq!(told.synced.iter().filter(|job| *job == "a").count(), 1);
    });
    let view = discovery.provider();
    assert_eq!((&*view.name, view.groups, view.targets, view.synced), ("static/0", 1, 2, true));
    let jobs = discovery.status.jobs();
    assert_eq!((&*jobs[0].0, jobs[0].1.targets, jobs[0].1.synced), ("a", 2, true));
    assert!(jobs[0].1.last_update.is_some() && jobs[1].1.synced);
}

#[tokio::test]
async fn equal_configs_share_a_provider_and_a_late_job_inherits_its_groups() {
    let sources = Arc::new(Scripted::default());
    let script = sources.script("p");
    let mut discovery = start(vec![("a", vec![mk_scripted("p")]), ("b", vec![mk_scripted("p")])], &sources);
    send(&script, [Step::Groups(vec![mk_group("g", &["x:1"])]), Step::Synced]);
    discovery.sink.until("a and b synced", |told| told.is_synced("a") && told.is_synced("b")).await;

    discovery.follow(vec![("b", vec![mk_scripted("p")]), ("c", vec![mk_scripted("p")])]);
    discovery.sink.until("c synced", |told| told.is_synced("c")).await;
    discovery.sink.read(|told| {
        assert_eq!((told.addresses("a").len(), told.addresses("b").len(), told.addresses("c").len()), (0, 1, 1));
    });
    assert_eq!(sources.starts("p"), 1);
    assert_eq!(discovery.provider().jobs, ["b".into(), "c".into()]);

    send(&script, [Step::Groups(vec![mk_group("g", &["y:1"])])]);
    discovery.sink.until_addresses("c", &["y:1"]).await;
    discovery.sink.until_addresses("b", &["y:1"]).await;
}

#[tokio::test]
async fn an_equal_table_changes_nothing_and_a_vanished_job_is_cleared() {
    let sources = Arc::new(Scripted::default());
    let script = sources.script("p");
    let jobs = || vec![("a", vec![mk_scripted("p")])];
    let mut discovery = start(jobs(), &sources);
    send(&script, [Step::Groups(vec![mk_group("g", &["x:1"]), mk_group("h", &["y:1"])]), Step::Synced]);
    discovery.sink.until_addresses("a", &["x:1", "y:1"]).await;
    let batches = discovery.sink.read(|told| told.batches.len());

    discovery.follow(jobs());
    send(&script, [Step::Groups(vec![mk_group("g", &["x:1"])])]); // equal content: not passed on
    send(&script, [Step::Groups(vec![mk_group("h", &["z:1"])])]);
    discovery.sink.until_addresses("a", &["x:1", "z:1"]).await;
    assert_eq!(discovery.sink.read(|told| told.batches.len()), batches + 1);

    discovery.follow(vec![]);
    discovery.sink.until_addresses("a", &[]).await;
    until("the provider stops", || script.is_closed()).await;
    assert_eq!((discovery.status.providers().len(), discovery.status.jobs().len()), (0, 0));
}

#[tokio::test]
async fn a_job_is_unsynced_until_its_last_provider_has_delivered() {
    let sources = Arc::new(Scripted::default());
    let (p, q) = (sources.script("p"), sources.script("q"));
    let discovery =
        start(vec![("a", vec![mk_scripted("p"), mk_scripted("q")]), ("b", vec![mk_scripted("p")])], &sources);
    send(&p, [Step::Groups(vec![mk_group("g", &["x:1"])]), Step::Synced]);
    discovery.sink.until("b synced", |told| told.is_synced("b")).await;
    discovery.sink.read(|told| assert!(!told.is_synced("a") && told.addresses("a").len() == 1));
    send(&q, [Step::Synced]); // empty is an answer too
    discovery.sink.until("a synced", |told| told.is_synced("a")).await;
}

#[tokio::test]
async fn groups_of_a_listing_are_seen_whole_or_not_at_all() {
    let sources = Arc::new(Scripted::default());
    let script = sources.script("p");
    let discovery = start(vec![("a", vec![mk_scripted("p")])], &sources);
    send(&script, [Step::Groups(vec![mk_group("g", &["x:1"])])]);
    send(&script, [Step::Groups(vec![mk_group("h", &["y:1"])])]);
    until("both arrived", || discovery.status.providers().first().is_some_and(|view| view.groups == 2)).await;
    discovery.sink.read(|told| assert!(told.batches.is_empty()));
    send(&script, [Step::Synced]);
    discovery.sink.until_addresses("a", &["x:1", "y:1"]).await;
    discovery.sink.read(|told| assert_eq!(told.batches.len(), 1));
}

#[tokio::test]
async fn a_replaced_config_keeps_its_targets_until_the_new_one_has_delivered() {
    let sources = Arc::new(Scripted::default());
    let (old, new) = (sources.script("old"), sources.script("new"));
    let mut discovery = start(vec![("a", vec![mk_scripted("old")])], &sources);
    send(&old, [Step::Groups(vec![mk_group("g", &["x:1"])]), Step::Synced]);
    discovery.sink.until_addresses("a", &["x:1"]).await;

    discovery.follow(vec![("a", vec![mk_scripted("new")])]);
    send(&new, [Step::Groups(vec![mk_group("g", &["y:1"])])]);
    until("the new one is heard", || discovery.status.providers().iter().any(|view| view.groups == 1)).await;
    until("the old one stops", || old.is_closed()).await;
    discovery.sink.read(|told| assert_eq!(told.batches.len(), 1));
    assert_eq!(discovery.status.jobs()[0].1.targets, 1, "the kept target counts");
    send(&new, [Step::Synced]);
    discovery.sink.until_addresses("a", &["y:1"]).await;
    discovery.sink.read(|told| {
        assert_eq!(told.batches.len(), 2, "one batch swaps old for new");
        assert_eq!(told.batches[1]["a"], (1, 1));
        assert_eq!(told.synced, ["a"]);
    });
    until("the old one is forgotten", || discovery.status.providers().len() == 1).await;
    assert_eq!(discovery.status.jobs()[0].1.targets, 1);
}

#[tokio::test]
async fn a_change_that_is_taken_back_in_time_loses_nothing() {
    let sources = Arc::new(Scripted::default());
    let (first, second) = (sources.script("old"), sources.script("old"));
    let mut discovery = start(vec![("a", vec![mk_scripted("old")])], &sources);
    send(&first, [Step::Groups(vec![mk_group("g", &["x:1"]), mk_group("h", &["y:1"])]), Step::Synced]);
    discovery.sink.until_addresses("a", &["x:1", "y:1"]).await;

    discovery.follow(vec![("a", vec![mk_scripted("never")])]);
    until("it was replaced", || sources.starts("never") == 1).await;
    discovery.follow(vec![("a", vec![mk_scripted("old")])]);
    until("it runs again", || sources.starts("old") == 2).await;
    discovery.sink.read(|told| assert_eq!(told.addresses("a").len(), 2));
    // what the second run does not find is gone, once it has found everything
    send(&second, [Step::Groups(vec![mk_group("g", &["x:1"])]), Step::Synced]);
    discovery.sink.until_addresses("a", &["x:1"]).await;
    discovery.sink.read(|told| assert!(told.history.iter().all(|state| state["a"].contains("x:1"))));
}

#[tokio::test]
async fn a_provider_that_breaks_is_started_again_and_keeps_its_groups_meanwhile() {
    let sources = Arc::new(Scripted::default());
    let runs: Vec<_> = (0..4).map(|_| sources.script("p")).collect();
    let steady = sources.script("q");
    let discovery = start(vec![("a", vec![mk_scripted("p")]), ("b", vec![mk_scripted("q")])], &sources);
    send(&steady, [Step::Groups(vec![mk_group("g", &["q:1"])]), Step::Synced]);
    send(&runs[0], [Step::Groups(vec![mk_group("g", &["x:1"]), mk_group("h", &["y:1"])]), Step::Synced]);
    discovery.sink.until_addresses("a", &["x:1", "y:1"]).await;
    discovery.sink.until("b synced", |told| told.is_synced("b")).await;
    let broken = || discovery.status.providers().into_iter().find(|view| view.broken);

    for (run, step, error) in [
        (0, Step::Panic, "panicked: as told"),
        (1, Step::End, "ended by itself"),
        (2, Step::Fail("no luck"), "no luck"),
    ] {
        send(&runs[run], [step]);
        until("it is started again", || sources.starts("p") == run + 2).await;
        assert_eq!(broken().expect("it broke").last_error, error);
    }
    discovery.sink.read(|told| assert_eq!((told.addresses("a").len(), told.addresses("b").len()), (2, 1)));

    send(&runs[3], [Step::Groups(vec![mk_group("g", &["x:1"]), mk_group("i", &["z:1"])]), Step::Synced]);
    discovery.sink.until_addresses("a", &["x:1", "z:1"]).await;
    assert_eq!(sources.starts("q"), 1);
    assert_eq!(discovery.status.counters.provider_restarts.load(std::sync::atomic::Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_provider_that_never_delivers_keeps_only_its_own_job_waiting() {
    let sources = Arc::new(Scripted::default());
    let good = sources.script("good");
    let failing = sources.script("bad");
    let discovery = start(vec![("bad", vec![mk_scripted("bad")]), ("good", vec![mk_scripted("good")])], &sources);
    send(&failing, [Step::Fail("cannot be built")]);
    send(&good, [Step::Synced]);
    discovery.sink.until("good synced", |told| told.is_synced("good")).await;
    until("bad is tried again", || sources.starts("bad") > 1).await;
    discovery.sink.read(|told| assert!(!told.is_synced("bad")));
}

#[tokio::test]
async fn the_supervisor_ends_when_told_and_when_nobody_can_tell_it_anything() {
    let sources = Arc::new(Scripted::default());
    let script = sources.script("p");
    let discovery = start(vec![("a", vec![mk_scripted("p")])], &sources);
    until("it runs", || sources.starts("p") == 1).await;
    discovery.cancel.cancel();
    assert!(discovery.task.await.unwrap().is_ok());
    until("the source stops", || script.is_closed()).await;

    let orphan = start(vec![], &sources);
    drop(orphan.tables);
    assert!(orphan.task.await.unwrap().is_err());
}

#[tokio::test]
async fn what_is_not_supported_is_named_with_its_job() {
    let table = common::mk_table(
        1,
        vec![
            ("ok", vec![mk_static(&["x:1"])]),
            ("web", vec![mk_static(&["x:1"]), SdConfig::Unsupported("consul".to_owned())]),
        ],
    );
    let texts: Vec<_> = unsupported(&table).iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["job \"web\" uses consul_sd_configs, which this target allocator does not support"]);
}
