//! Relabel rules as the engine runs them, compiled for all targets of a shape, against the same rules applied to one
//! target at a time. That the two are not one program shows in `/explain`: it applies the rules, the engine ran them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use ta_engine::{
    Discovered, Engine, EngineOptions, Explanation, Fate, JobView, StepInput, StrategyConfig, StrategyKind, TargetStore,
};
use ta_model::group::{GroupBuilder, GroupChange, GroupKey, TargetGroup};
use ta_model::job_table::{FilterStrategy, JobTable, Origin};
use ta_model::relabel::{Action, DEFAULT_SEPARATOR, RawRule, Rule};
use ta_model::scrape_config::ScrapeConfig;
use ta_model::{Collector, CollectorSet, LabelBuilder, NameScheme};

use crate::input::{several, text};

const JOB: &str = "job";

const NAMES: [&str; 18] = [
    "__address__",
    "a",
    "b",
    "c",
    "aa",
    "__meta_a",
    "__meta_b",
    "__meta_kubernetes_pod_label_a",
    "__scheme__",
    "__metrics_path__",
    "__param_module",
    "__scrape_interval__",
    "__tmp_hash",
    "__tmp_disable_sharding",
    "job",
    "instance",
    "é",
    "0",
];

const VALUES: [&str; 16] =
    ["", "x", "y", "xy", "10.0.0.1:80", "http", "Pod", "Node", "true", "a\"\\\n", "É", "a", "b", "xxxx", "x;y", "1"];

const ACTIONS: [Action; 11] = [
    Action::Replace,
    Action::Keep,
    Action::Drop,
    Action::KeepEqual,
    Action::DropEqual,
    Action::HashMod,
    Action::LabelMap,
    Action::LabelDrop,
    Action::LabelKeep,
    Action::Lowercase,
    Action::Uppercase,
];

/// Put together, they make patterns.
const PIECES: [&str; 32] = [
    "(.*)",
    "(.+)",
    "x",
    "y",
    ";",
    "Pod",
    ".*",
    "(x|y)",
    "|",
    "a",
    "b",
    "(",
    ")",
    "__",
    "meta_",
    "__meta_",
    "(a+)",
    "?",
    "[xy]",
    "(?i)x",
    ".",
    "(?P<n>.)",
    "address__",
    "x?",
    "^",
    "$",
    "1",
    "http",
    "\\d",
    "aa",
    "",
    "é",
];

const TEMPLATES: [&str; 16] =
    ["$1", "${1}", "x", "", "$2", "${1}x", "x$1", "$1$2", "$$1", "a$1", "${n}", "__meta_$1", "a", "$0", "$10", "é"];

/// What is fed to the engine.
struct Case {
    rules: Vec<Rule>,
    /// Each group is delivered, and then once more, changed.
    groups: Vec<[TargetGroup; 2]>,
}

impl Case {
    fn read(input: &mut Unstructured<'_>) -> Result<Self> {
        let scheme = if input.ratio(1, 8)? { NameScheme::Legacy } else { NameScheme::Utf8 };
        let rules = several(input, 8, read_rule)?.into_iter().filter_map(|raw| Rule::new(raw, scheme).ok()).collect();
        let groups = several(input, 3, read_group)?;
        Ok(Self { rules, groups })
    }
}

fn read_rule(input: &mut Unstructured<'_>) -> Result<RawRule> {
    let action = *input.choose(&ACTIONS)?;
    let mut raw = RawRule { action, ..RawRule::default() };
    let bare = matches!(action, Action::LabelMap | Action::LabelDrop | Action::LabelKeep);
    if !bare {
        raw.source_labels = Some(several(input, 3, |input| text(input, &NAMES))?);
        raw.target_label = text(input, &NAMES)?;
    }
    if !matches!(action, Action::KeepEqual | Action::DropEqual) && input.ratio(7, 8)? {
        raw.regex = Some(several(input, 4, |input| text(input, &PIECES))?.concat());
    }
    match action {
        Action::Replace => {
            raw.replacement = text(input, &TEMPLATES)?;
            raw.separator = text(input, &[DEFAULT_SEPARATOR, "", "x", ":"])?;
            if input.ratio(1, 8)? {
                raw.target_label = text(input, &TEMPLATES)?;
            }
        }
        Action::LabelMap => raw.replacement = text(input, &TEMPLATES)?,
        Action::HashMod => raw.modulus = *input.choose(&[1, 2, 3, 7, u64::MAX])?,
        _ => {}
    }
    Ok(raw)
}

type Labels = Vec<(String, String)>;

fn read_labels(input: &mut Unstructured<'_>) -> Result<Labels> {
    several(input, 5, |input| Ok((text(input, &NAMES)?, text(input, &VALUES)?)))
}

/// A group, and the same with some other targets.
fn read_group(input: &mut Unstructured<'_>) -> Result<[TargetGroup; 2]> {
    let shared = read_labels(input)?;
    let mut targets: Vec<Labels> = Vec::new();
    for kind in several(input, 3, read_labels)? {
        // several of one kind: some labels are then the same for all, and some differ
        for address in several(input, 12, |input| text(input, &VALUES))? {
            let mut target = kind.clone();
            target.push(("__address__".to_owned(), address));
            targets.push(target);
        }
    }
    let before = build(&shared, &targets);
    if !targets.is_empty() {
        let at = input.choose_index(targets.len())?;
        match input.arbitrary::<u8>()? % 4 {
            0 => drop(targets.remove(at)),
            1 => targets.insert(at, read_labels(input)?),
            2 => targets[at] = read_labels(input)?,
            _ => {}
        }
    }
    Ok([before, build(&shared, &targets)])
}

fn build(shared: &Labels, targets: &[Labels]) -> TargetGroup {
    let mut builder = GroupBuilder::new();
    builder.begin();
    shared.iter().for_each(|(name, value)| builder.group_label(name, value));
    for target in targets {
        builder.begin_target();
        target.iter().for_each(|(name, value)| builder.target_label(name, value));
    }
    builder.finish()
}

/// An engine that has nothing to do between two inputs.
struct World {
    store: TargetStore,
    engine: Engine,
    collectors: CollectorSet,
    tables: u64,
}

impl World {
    fn new() -> Self {
        let strategy = StrategyConfig { strategy: StrategyKind::LeastWeighted, ..StrategyConfig::default() };
        let store = TargetStore::new();
        let options = EngineOptions { strategy, threads: 1, ..EngineOptions::default() };
        let engine = Engine::new(&options, store.clone()).expect("the strategy is a known one");
        let collectors = vec![Collector::new("c1", "n1"), Collector::new("c2", "n2")];
        let collectors = CollectorSet::new(collectors).expect("the names differ");
        Self { store, engine, collectors, tables: 0 }
    }

    fn step(&mut self, rules: Option<&[Rule]>, changes: impl IntoIterator<Item = GroupChange>) {
        self.tables += 1;
        let job = rules.map(|rules| {
            let mut config = ScrapeConfig::new(JOB);
            config.params.insert("module".to_owned(), vec!["m".to_owned()]);
            config.relabel_configs = rules.to_vec();
            (Arc::new(config), Origin::File)
        });
        let jobs = JobTable::new(self.tables, job.into_iter().collect(), FilterStrategy::RelabelConfig);
        self.store.writer().apply(changes);
        self.engine.step(&StepInput { jobs: Arc::new(jobs), collectors: self.collectors.clone() });
    }
}

fn key(number: usize) -> GroupKey {
    GroupKey { job: JOB.into(), provider: 1, source: number.to_string().into() }
}

/// Rules and groups made of `data`.
pub fn check(data: &[u8]) {
    thread_local! {
        static WORLD: RefCell<World> = RefCell::new(World::new());
    }
    let Ok(case) = Case::read(&mut Unstructured::new(data)) else { return };
    let count = case.groups.len();
    let (first, second): (Vec<TargetGroup>, Vec<TargetGroup>) =
        case.groups.into_iter().map(|[one, other]| (one, other)).unzip();
    WORLD.with_borrow_mut(|world| {
        for groups in [first, second] {
            let changes = groups.into_iter().enumerate().map(|(at, group)| GroupChange::Replace(key(at), group.into()));
            world.step(Some(&case.rules), changes);
            if let Some(job) = world.engine.last().job(JOB) {
                check_job(job);
            }
        }
        world.step(None, (0..count).map(|at| GroupChange::Remove(key(at))));
        assert_eq!(world.engine.last().targets(), 0, "something is left of an input");
    });
}

fn check_job(job: JobView<'_>) {
    let (mut kept, mut merged, mut dropped) = (0, 0, 0);
    for (_, target) in job.discovered_from(0) {
        let explanation = target.explain();
        check_explanation(&target, &explanation);
        let ran = match target.fate() {
            Fate::Kept(served) => {
                kept += 1;
                Some(served.id())
            }
            Fate::Merged(other) => {
                merged += 1;
                Some(other.id())
            }
            Fate::Dropped => {
                dropped += 1;
                None
            }
        };
        let labels: Labels = target.labels().map(|(name, value)| (name.to_owned(), value.into_owned())).collect();
        assert_eq!(ran, explanation.id, "compiled, and one by one; {labels:?} by {:?}", job.job().plan().rules());
    }
    assert_eq!((kept, merged as u64, dropped), (job.kept(), job.merged() as u64, job.dropped()), "they are counted");
    let shares: usize = job.shares().map(|(_, share)| share.len()).sum();
    assert_eq!(shares + job.unassigned(), kept, "each target is in one share");
}

/// What the steps say they did has to lead from the labels discovered to those at the end.
fn check_explanation(target: &Discovered<'_>, explanation: &Explanation<'_>) {
    let mut labels: BTreeMap<String, String> =
        target.labels().map(|(name, value)| (name.to_owned(), value.into_owned())).collect();
    labels.retain(|_, value| !value.is_empty());
    for (name, value) in &explanation.seeds {
        let before = labels.insert((*name).to_owned(), (*value).to_owned());
        assert_eq!(before, None, "a seed hides a label");
    }
    for step in &explanation.steps {
        for change in &step.changes {
            let before = labels.insert(change.name.clone(), change.after.clone());
            assert_eq!(before.unwrap_or_default(), change.before);
        }
        labels.retain(|_, value| !value.is_empty());
    }
    assert!(labels.iter().eq(explanation.labels.iter().map(|(name, value)| (name, value))));
    let sorted = explanation.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let again = LabelBuilder::from_sorted(sorted.clone()).labels();
    assert!(again.iter().eq(sorted), "labels that nothing happens to stay");
}
