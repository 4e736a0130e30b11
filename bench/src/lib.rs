//! What the benches measure with: life-like targets, fed the way discovery feeds them.

pub mod plot;
pub mod serve;

use std::fmt::Write as _;
use std::sync::Arc;

use ta_engine::{
    Engine, EngineOptions, JobTargets, Owner, Previous, StepInput, StrategyConfig, StrategyKind, TargetStore, node_hash,
};
use ta_loadgen::Rng;
use ta_loadgen::synth::{GroupPlan, Synth, SynthGroup, SynthOptions, relabel_rules, relabel_rules_yaml};
use ta_model::group::{GroupBuilder, GroupChange, GroupKey, TargetGroup};
use ta_model::job_table::{FilterStrategy, JobTable, Origin};
use ta_model::scrape_config::decode;
use ta_model::yaml::{Strings, parse};
use ta_model::{Collector, CollectorSet};

/// A synthetic cluster with the jobs that scrape it.
#[derive(Debug)]
pub struct Workload {
    synth: Synth,
    names: Vec<Arc<str>>,
}

impl Workload {
    /// `targets` targets of Kubernetes' endpointslice role, in `jobs` jobs and groups of `per_group`.
    ///
    /// # Panics
    /// If a number is zero.
    #[must_use]
    pub fn slices(targets: u64, jobs: u32, per_group: u32) -> Self {
        Self::new(SynthOptions { targets, jobs, per_group, nodes: 5000, services: 20_000, ..SynthOptions::default() })
    }

    /// Upstream's benchmark shape: 42 labels, 5 targets a group, 20 groups a job.
    #[must_use]
    pub fn upstream(targets: u64) -> Self {
        Self::new(SynthOptions::upstream_bench(targets))
    }

    /// A cluster from its options.
    ///
    /// # Panics
    /// If the options describe no cluster.
    #[must_use]
    pub fn new(options: SynthOptions) -> Self {
        let synth = Synth::new(options).expect("the options describe a cluster");
        let names = (0..synth.jobs()).map(|job| synth.job_name(job).into()).collect();
        Self { synth, names }
    }

    /// The number of targets.
    #[must_use]
    pub fn targets(&self) -> usize {
        self.synth.options().targets as usize
    }

    /// The plan of every group: its job and what is in it.
    pub fn plans(&self) -> impl Iterator<Item = GroupPlan> + '_ {
        (0..self.synth.jobs())
            .flat_map(move |job| (0..self.synth.job_groups(job)).map(move |group| self.synth.plan(job, group)))
    }

    /// The labels of a group, as maps of strings: what discovery starts from.
    #[must_use]
    pub fn render(&self, plan: &GroupPlan) -> SynthGroup {
        self.synth.render(plan)
    }

    /// A group under its key.
    #[must_use]
    pub fn change(&self, builder: &mut GroupBuilder, plan: &GroupPlan) -> GroupChange {
        let group = self.render(plan);
        // the source stays when the content changes
        let source = format!("{}/{}", plan.job, plan.group).into();
        let key = GroupKey { job: self.names[plan.job as usize].clone(), provider: 1, source };
        GroupChange::Replace(key, Arc::new(build(builder, &group)))
    }

    /// All groups, under their keys.
    #[must_use]
    pub fn changes(&self) -> Vec<GroupChange> {
        let mut builder = GroupBuilder::new();
        self.plans().map(|plan| self.change(&mut builder, &plan)).collect()
    }

    /// The jobs. With `filter`, each has the relabel rules typical of its kind.
    ///
    /// # Panics
    /// Never: the rules are valid.
    #[must_use]
    pub fn table(&self, filter: bool) -> Arc<JobTable> {
        let rules = relabel_rules_yaml(&relabel_rules(self.synth.options().profile), 2);
        let mut text = String::from("scrape_configs:\n");
        for name in &self.names {
            writeln!(text, "- job_name: {name:?}").expect("a String takes every write");
            if filter {
                writeln!(text, "  relabel_configs:\n{rules}").expect("a String takes every write");
            }
        }
        let document = parse(&text).expect("well-formed YAML");
        let decoded = decode(&document.root, Strings::AsWritten);
        assert!(decoded.errors.is_empty(), "{:?}", decoded.errors.first());
        let configs = decoded.config.scrape_configs.into_iter().map(|config| (config, Origin::File)).collect();
        let strategy = if filter { FilterStrategy::RelabelConfig } else { FilterStrategy::None };
        Arc::new(JobTable::new(1, configs, strategy))
    }
}

/// Builds the compact form of a group.
pub fn build(builder: &mut GroupBuilder, group: &SynthGroup) -> TargetGroup {
    builder.begin();
    group.labels.iter().for_each(|(name, value)| builder.group_label(name, value));
    for target in &group.targets {
        builder.begin_target();
        target.iter().for_each(|(name, value)| builder.target_label(name, value));
    }
    builder.finish()
}

/// `count` collectors, each on a node of its own.
///
/// # Panics
/// Never: the names are distinct.
#[must_use]
pub fn collectors(count: usize) -> CollectorSet {
    let collectors = (0..count).map(|n| Collector::new(format!("otel-collector-{n}"), format!("node-{n}")));
    CollectorSet::new(collectors.collect()).expect("distinct names")
}

/// An engine, loaded.
#[derive(Debug)]
pub struct Loaded {
    /// Where changes go.
    pub store: TargetStore,
    /// The engine.
    pub engine: Engine,
    /// What it is stepped with.
    pub input: StepInput,
}

impl Loaded {
    /// An engine that has not seen anything yet.
    ///
    /// # Panics
    /// If there are no threads to be had.
    #[must_use]
    pub fn empty(table: Arc<JobTable>, strategy: StrategyKind, collectors: CollectorSet, threads: usize) -> Self {
        Self::with_budget(table, strategy, collectors, threads, 0)
    }

    /// The same, keeping so many bytes of whole bodies.
    ///
    /// # Panics
    /// If there are no threads to be had.
    #[must_use]
    pub fn with_budget(
        table: Arc<JobTable>,
        strategy: StrategyKind,
        collectors: CollectorSet,
        threads: usize,
        body_budget: usize,
    ) -> Self {
        let store = TargetStore::new();
        let strategy = StrategyConfig { strategy, ..StrategyConfig::default() };
        let options = EngineOptions { strategy, threads, body_budget };
        let engine = Engine::new(&options, store.clone()).expect("threads");
        Self { store, engine, input: StepInput { jobs: table, collectors } }
    }

    /// Feeds all groups of `workload` without a step.
    pub fn feed(&self, workload: &Workload) {
        let mut builder = GroupBuilder::new();
        let writer = self.store.writer();
        for plan in workload.plans() {
            writer.apply([workload.change(&mut builder, &plan)]);
        }
    }

    /// Feeds and steps.
    #[must_use]
    pub fn full(workload: &Workload, filter: bool, strategy: StrategyKind, count: usize, threads: usize) -> Self {
        let mut loaded = Self::empty(workload.table(filter), strategy, collectors(count), threads);
        loaded.feed(workload);
        loaded.engine.step(&loaded.input);
        loaded
    }
}

/// The targets of some jobs as strategies see them.
#[derive(Debug)]
pub struct Jobs {
    addresses: Vec<Vec<u64>>,
    nodes: Vec<Vec<u64>>,
}

impl Jobs {
    /// `targets` targets in `jobs` jobs of one size, on as many nodes as there are collectors.
    #[must_use]
    pub fn new(targets: usize, jobs: usize, collectors: usize) -> Self {
        let mut rng = Rng::new(1);
        let mut column = |draw: &dyn Fn(&mut Rng) -> u64| -> Vec<Vec<u64>> {
            (0..jobs).map(|_| (0..targets / jobs).map(|_| draw(&mut rng)).collect()).collect()
        };
        // hashes of addresses are as good as random; nodes have more or fewer targets, as in life
        let nodes: Vec<u64> = (0..collectors).map(|n| node_hash(&format!("node-{n}"))).collect();
        Self {
            addresses: column(&|rng| rng.next_u64()),
            nodes: column(&|rng| nodes[rng.below(nodes.len() as u64) as usize]),
        }
    }

    /// All of them, with the owners they had.
    #[must_use]
    pub fn targets<'a>(&'a self, previous: &'a [Vec<Owner>]) -> Vec<JobTargets<'a>> {
        let jobs = self.addresses.iter().zip(&self.nodes).zip(previous);
        jobs.map(|((addresses, nodes), previous)| {
            let previous = Previous::same(previous);
            JobTargets { addresses, nodes, previous }
        })
        .collect()
    }
}

/// Owners of targets that nobody has.
#[must_use]
pub fn pending(targets: usize, jobs: usize) -> Vec<Vec<Owner>> {
    vec![vec![Owner::PENDING; targets / jobs]; jobs]
}

/// The sizes a bench runs at: those up to the number in `BENCH_MOST` (all without it), or with `BENCH_SMOKE` set those up
/// to 10,000, to see that it runs at all.
#[must_use]
pub fn sizes(all: &[u64]) -> Vec<u64> {
    let given = std::env::var("BENCH_MOST").ok().and_then(|most| most.parse().ok()).unwrap_or(u64::MAX);
    let most = if std::env::var_os("BENCH_SMOKE").is_some() { 10_000 } else { given };
    all.iter().copied().filter(|size| *size <= most).collect()
}

/// Resident memory of this process in bytes.
#[must_use]
pub fn resident() -> usize {
    resident_of(std::process::id())
}

/// Resident memory of a process in bytes; 0 if there is no such process.
#[must_use]
pub fn resident_of(process: u32) -> usize {
    /// The unit of `/proc/PID/statm` on every Linux this runs on.
    const PAGE: usize = 4096;
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * PAGE
}
