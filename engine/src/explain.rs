//! Why a discovered target is where it is: from its labels, rule by rule, to its collector.
//!
//! Nothing is kept for this. Dropped targets are in their groups, which the snapshot holds for its bodies anyway; the
//! rules are applied again to the one target asked for, by their definition.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ta_model::LabelBuilder;
use ta_model::group::Block;
use ta_model::relabel::{Rule, Verdict, process};

use crate::owner::Owner;
use crate::resolve::{TargetId, identify};
use crate::snapshot::{JobView, TargetView};

/// A target as discovered, whatever became of it.
#[derive(Clone, Copy, Debug)]
pub struct Discovered<'a> {
    view: JobView<'a>,
    group: usize,
    position: usize,
}

/// What became of a discovered target.
#[derive(Clone, Copy, Debug)]
pub enum Fate<'a> {
    /// A rule dropped it.
    Dropped,
    /// It is served.
    Kept(TargetView<'a>),
    /// After relabelling it equals this other one of its job, which is served in its place.
    Merged(TargetView<'a>),
}

/// What relabelling did to a target.
#[derive(Clone, Debug, Default)]
pub struct Explanation<'a> {
    /// Labels set before the rules, because discovery said nothing else.
    pub seeds: Vec<(&'a str, &'a str)>,
    /// The job's rules as far as they ran. Empty if the job is not filtered: rules are then left to the collectors.
    pub steps: Vec<RuleStep<'a>>,
    /// After the last rule that ran, sorted by name.
    pub labels: Vec<(String, String)>,
    /// `None` if it was dropped.
    pub id: Option<TargetId>,
}

/// One rule and what it did.
#[derive(Clone, Debug)]
pub struct RuleStep<'a> {
    pub rule: &'a Rule,
    /// The values of its source labels, joined as the rule has it.
    pub input: String,
    pub changes: Vec<LabelChange>,
    /// Whether it dropped the target.
    pub drops: bool,
}

/// A label that a rule changed; empty = absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelChange {
    pub name: String,
    pub before: String,
    pub after: String,
}

impl<'a> JobView<'a> {
    /// The targets discovered, dropped ones included, from number `first` on, each with its number. Numbers follow the
    /// order of discovery and are good for this snapshot only.
    pub fn discovered_from(&self, first: u64) -> impl Iterator<Item = (u64, Discovered<'a>)> + use<'a> {
        let view = *self;
        let mut begin = 0_u64;
        view.snapshot_job().layout.groups.iter().enumerate().flat_map(move |(group, laid)| {
            let number = begin;
            begin += laid.group.len() as u64;
            let skip = first.saturating_sub(number).min(laid.group.len() as u64);
            (skip..laid.group.len() as u64)
                .map(move |at| (number + at, Discovered { view, group, position: at as usize }))
        })
    }
}

impl<'a> TargetView<'a> {
    /// The target as discovered.
    #[must_use]
    pub fn discovered(&self) -> Discovered<'a> {
        let (group, position) = self.origin();
        Discovered { view: self.job(), group, position }
    }
}

impl<'a> Discovered<'a> {
    /// Its number, see [`JobView::discovered_from`].
    #[must_use]
    pub fn number(&self) -> u64 {
        let before = &self.view.snapshot_job().layout.groups[..self.group];
        before.iter().map(|laid| laid.group.len() as u64).sum::<u64>() + self.position as u64
    }

    /// Its address before relabelling.
    #[must_use]
    pub fn address(&self) -> Cow<'a, str> {
        let (block, index) = self.place();
        block.unescape(block.address(index))
    }

    /// Its labels as discovered, sorted by name.
    pub fn labels(&self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> + use<'a> {
        let (block, index) = self.place();
        block.labels(index)
    }

    /// Its job.
    #[must_use]
    pub fn job(&self) -> JobView<'a> {
        self.view
    }

    /// What became of it.
    #[must_use]
    pub fn fate(&self) -> Fate<'a> {
        let job = self.view.snapshot_job();
        let Some(ordinal) = job.layout.kept_at(self.group, self.position) else { return Fate::Dropped };
        if job.owners[ordinal] != Owner::SHADOWED {
            return Fate::Kept(self.view.target(ordinal));
        }
        match self.view.find(job.layout.ids[ordinal]) {
            Some(stands_for_it) => Fate::Merged(stands_for_it),
            None => Fate::Dropped,
        }
    }

    /// Applies the job's rules to it once more, and tells what each does.
    #[must_use]
    pub fn explain(&self) -> Explanation<'a> {
        let (job, plan) = (self.view.name(), self.view.job().plan());
        let base: Vec<(&str, Cow<'_, str>)> = self.labels().collect();
        let mut labels = LabelBuilder::from_sorted(base.iter().map(|(name, value)| (*name, &**value)));
        let mut explanation = Explanation::default();
        for (name, value) in plan.seeds() {
            if labels.get(name).is_empty() {
                labels.set(name, value);
                explanation.seeds.push((name, value));
            }
        }
        let mut is_kept = true;
        for rule in plan.rules() {
            let before = sorted(&labels);
            let input =
                rule.source_labels().iter().map(|name| labels.get(name)).collect::<Vec<_>>().join(rule.separator());
            is_kept = process(std::slice::from_ref(rule), &mut labels) == Verdict::Keep;
            let changes = changes(&before, &sorted(&labels));
            explanation.steps.push(RuleStep { rule, input, changes, drops: !is_kept });
            if !is_kept {
                break;
            }
        }
        explanation.id = is_kept.then(|| identify(job, &labels));
        explanation.labels = sorted(&labels).into_iter().collect();
        explanation
    }

    pub(crate) fn place(&self) -> (&'a Block, usize) {
        self.view.snapshot_job().layout.groups[self.group].group.locate(self.position)
    }
}

fn sorted(labels: &LabelBuilder<'_>) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn changes(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<LabelChange> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let value = |labels: &BTreeMap<String, String>, name: &String| labels.get(name).cloned().unwrap_or_default();
    let change =
        |name: &String| LabelChange { name: name.clone(), before: value(before, name), after: value(after, name) };
    names.into_iter().map(change).filter(|change| change.before != change.after).collect()
}
