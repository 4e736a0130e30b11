//! Builders for tests that drive the engine from outside.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ta_engine::{Engine, EngineOptions, Snapshot, StepInput, StepReport, StrategyConfig, StrategyKind, TargetStore};
use ta_model::group::{GroupBuilder, GroupChange, GroupKey, TargetGroup};
use ta_model::job_table::{FilterStrategy, JobTable, Origin};
use ta_model::scrape_config::decode;
use ta_model::yaml::{Strings, parse};
use ta_model::{Collector, CollectorSet};

pub type Pairs<'a> = &'a [(&'a str, &'a str)];

pub fn mk_group(labels: Pairs<'_>, targets: &[Pairs<'_>]) -> Arc<TargetGroup> {
    let mut builder = GroupBuilder::new();
    builder.begin();
    labels.iter().for_each(|(name, value)| builder.group_label(name, value));
    for target in targets {
        builder.begin_target();
        target.iter().for_each(|(name, value)| builder.target_label(name, value));
    }
    Arc::new(builder.finish())
}

pub fn mk_key(job: &str, source: &str) -> GroupKey {
    GroupKey { job: job.into(), provider: 1, source: source.into() }
}

/// A table from the YAML of a `scrape_configs` list.
pub fn mk_table_filtered(jobs: &str, filter: FilterStrategy) -> Arc<JobTable> {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let document = parse(&format!("scrape_configs:\n{jobs}")).unwrap();
    let decoded = decode(&document.root, Strings::AsWritten);
    assert!(decoded.errors.is_empty(), "{:?}", decoded.errors);
    let configs = decoded.config.scrape_configs.into_iter().map(|config| (config, Origin::File)).collect();
    Arc::new(JobTable::new(NUMBER.fetch_add(1, Ordering::Relaxed), configs, filter))
}

pub fn mk_table(jobs: &str) -> Arc<JobTable> {
    mk_table_filtered(jobs, FilterStrategy::RelabelConfig)
}

/// A table of jobs that say nothing but their names.
pub fn mk_plain_table(names: &[&str]) -> Arc<JobTable> {
    mk_table(&names.iter().map(|name| format!("- job_name: {name:?}\n")).collect::<String>())
}

pub fn mk_collectors(names: &[&str]) -> CollectorSet {
    CollectorSet::new(names.iter().map(|name| Collector::new(*name, "")).collect()).unwrap()
}

/// `collector-<i>` on `node-<i>`, as upstream's test builder makes them.
pub fn mk_numbered(range: std::ops::Range<usize>) -> CollectorSet {
    let collectors = range.map(|n| Collector::new(format!("collector-{n}"), format!("node-{n}")));
    CollectorSet::new(collectors.collect()).unwrap()
}

/// An engine with its store and what it is stepped with.
pub struct World {
    pub store: TargetStore,
    pub engine: Engine,
    pub input: StepInput,
}

impl World {
    pub fn new(strategy: StrategyKind, table: Arc<JobTable>, collectors: CollectorSet) -> Self {
        Self::with(StrategyConfig { strategy, ..StrategyConfig::default() }, table, collectors)
    }

    pub fn with(strategy: StrategyConfig, table: Arc<JobTable>, collectors: CollectorSet) -> Self {
        let store = TargetStore::new();
        let options = EngineOptions { strategy, threads: 2, ..EngineOptions::default() };
        let engine = Engine::new(&options, store.clone()).unwrap();
        Self { store, engine, input: StepInput { jobs: table, collectors } }
    }

    pub fn replace(&self, job: &str, source: &str, group: Arc<TargetGroup>) {
        self.store.writer().apply([GroupChange::Replace(mk_key(job, source), group)]);
    }

    pub fn remove(&self, job: &str, source: &str) {
        self.store.writer().apply([GroupChange::Remove(mk_key(job, source))]);
    }

    /// One group of targets that have an address and nothing else.
    pub fn addresses(&self, job: &str, source: &str, addresses: &[&str]) {
        let targets: Vec<[(&str, &str); 1]> = addresses.iter().map(|address| [("__address__", *address)]).collect();
        let targets: Vec<Pairs<'_>> = targets.iter().map(|target| &target[..]).collect();
        self.replace(job, source, mk_group(&[], &targets));
    }

    pub fn step(&mut self) -> StepReport {
        self.engine.step(&self.input)
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.engine.snapshots().load()
    }

    /// Address → collector (empty if unassigned), for jobs whose addresses are distinct.
    pub fn placement(&self) -> BTreeMap<String, String> {
        let snapshot = self.snapshot();
        let mut placement = BTreeMap::new();
        for job in snapshot.jobs() {
            for (_, target) in job.targets(0) {
                let collector = target.collector().map_or(String::new(), |collector| collector.name.to_string());
                placement.insert(format!("{}|{}", job.name(), target.address()), collector);
            }
        }
        placement
    }

    /// Targets of each collector.
    pub fn counts(&self) -> BTreeMap<String, u32> {
        let snapshot = self.snapshot();
        let loads = snapshot.collectors().iter().zip(snapshot.loads());
        loads.map(|(collector, load)| (collector.name.to_string(), load.targets)).collect()
    }
}

/// The body of a share as it is served, whether whole or in pieces.
pub fn body(snapshot: &Snapshot, job: &str, collector: &str) -> String {
    let share = snapshot.collectors().ordinal(collector).and_then(|ordinal| snapshot.job(job)?.share(ordinal));
    let Some(share) = share else { return "[]\n".to_owned() };
    let text: String = share.body().map(|piece| String::from_utf8(piece.to_vec()).unwrap()).collect();
    assert_eq!(text.len() as u64, share.content_length());
    if let Some(whole) = share.whole() {
        assert_eq!(whole, text.as_bytes());
    }
    text
}
