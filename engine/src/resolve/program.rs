//! A relabel plan compiled for one shape.
//!
//! The names that targets of a shape can ever have are known beforehand: the shape's own, the seeds', those that rules
//! write. So names become slots, and rules about names (`labelmap`, `labeldrop`, `labelkeep`) become plain copies and
//! clears. An empty slot is an absent label, as in Prometheus' label builder.

use std::collections::HashMap;
use std::sync::Arc;

use ta_model::group::Shape;
use ta_model::job_table::RelabelPlan;
use ta_model::relabel::{Action, Rule};

use super::identity::META;

/// A place for the value of one label name. Slots below the shape's length are its columns.
pub(super) type SlotId = u32;

/// One step for every target.
#[derive(Debug)]
pub(super) enum Op {
    /// Set the slot where it is empty.
    Seed { slot: SlotId, value: String },
    /// A rule about values.
    Rule { rule: Rule, sources: Box<[SlotId]>, target: SlotId },
    /// Copy the value, if there is one.
    Copy { from: SlotId, to: SlotId },
    /// Forget the label.
    Clear { slot: SlotId },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Program {
    pub(super) names: Vec<Arc<str>>,
    pub(super) ops: Vec<Op>,
    /// The columns that a rule or the identity looks at.
    pub(super) columns: Vec<SlotId>,
    /// The slots that make the identity, sorted by name.
    pub(super) identity: Vec<SlotId>,
}

impl Program {
    /// Compiles `plan` for targets of `shape`; nothing if a rule's effect on names depends on values.
    pub(crate) fn compile(plan: &RelabelPlan, shape: &Shape) -> Option<Self> {
        let mut compiler = Compiler::new(shape);
        for (name, value) in plan.seeds() {
            let slot = compiler.write(name);
            compiler.ops.push(Op::Seed { slot, value: value.clone() });
        }
        for rule in plan.rules() {
            compiler.rule(rule)?;
        }
        Some(compiler.finish())
    }
}

struct Compiler {
    shape_len: usize,
    names: Vec<Arc<str>>,
    slots: HashMap<Arc<str>, SlotId>,
    /// Whether a seed or rule may have written the slot: then it iterates after the labels that were there first.
    written: Vec<bool>,
    ops: Vec<Op>,
}

impl Compiler {
    fn new(shape: &Shape) -> Self {
        let names = shape.names().to_vec();
        let slots = names.iter().enumerate().map(|(slot, name)| (name.clone(), slot as SlotId)).collect();
        Self { shape_len: names.len(), written: vec![false; names.len()], names, slots, ops: Vec::new() }
    }

    fn slot(&mut self, name: &str) -> SlotId {
        if let Some(slot) = self.slots.get(name) {
            return *slot;
        }
        let slot = self.names.len() as SlotId;
        let name: Arc<str> = name.into();
        self.names.push(name.clone());
        self.slots.insert(name, slot);
        self.written.push(false);
        slot
    }

    fn write(&mut self, name: &str) -> SlotId {
        let slot = self.slot(name);
        self.written[slot as usize] = true;
        slot
    }

    /// Slots that may hold a label now.
    fn possible(&self) -> impl Iterator<Item = SlotId> {
        (0..self.names.len()).filter(|slot| *slot < self.shape_len || self.written[*slot]).map(|slot| slot as SlotId)
    }

    fn rule(&mut self, rule: &Rule) -> Option<()> {
        match rule.action() {
            Action::LabelMap => return self.label_map(rule),
            Action::LabelDrop => self.clear(rule, true),
            Action::LabelKeep => self.clear(rule, false),
            Action::Replace => {
                let name = rule.target_label().literal()?.to_owned();
                self.on_values(rule, &name, true);
            }
            Action::HashMod | Action::Lowercase | Action::Uppercase => {
                self.on_values(rule, &rule.raw().target_label.clone(), true);
            }
            Action::Keep | Action::Drop | Action::KeepEqual | Action::DropEqual => {
                self.on_values(rule, &rule.raw().target_label.clone(), false);
            }
        }
        Some(())
    }

    fn on_values(&mut self, rule: &Rule, target: &str, writes: bool) {
        let sources = rule.source_labels().iter().map(|name| self.slot(name)).collect();
        let target = if writes { self.write(target) } else { self.slot(target) };
        self.ops.push(Op::Rule { rule: rule.clone(), sources, target });
    }

    fn clear(&mut self, rule: &Rule, matching: bool) {
        let slots = self.possible().filter(|slot| rule.regex().is_match(&self.names[*slot as usize]) == matching);
        let clears: Vec<Op> = slots.map(|slot| Op::Clear { slot }).collect();
        self.ops.extend(clears);
    }

    /// `labelmap` reads all labels before it writes any, and the last of two that go to one name wins, in an order that
    /// may depend on which rules matched before. Copies one after the other do the same only where neither matters.
    fn label_map(&mut self, rule: &Rule) -> Option<()> {
        let sources: Vec<SlotId> =
            self.possible().filter(|slot| rule.regex().is_match(&self.names[*slot as usize])).collect();
        let (mut copies, mut onto_itself) = (Vec::with_capacity(sources.len()), Vec::new());
        for from in &sources {
            let name = rule.regex().replace_all(&self.names[*from as usize], rule.replacement());
            match self.slot(&name) {
                to if to == *from => onto_itself.push(to),
                to => copies.push((*from, to)),
            }
        }
        let chained = copies.iter().any(|(_, to)| sources.contains(to));
        let mut targets: HashMap<SlotId, SlotId> = HashMap::new();
        let mut order_matters = false;
        for (from, to) in &copies {
            let simple = |slot: &SlotId| !self.written[*slot as usize];
            order_matters |= targets.insert(*to, *from).is_some_and(|other| !(simple(&other) && simple(from)));
        }
        if chained || order_matters {
            return None;
        }
        for (from, to) in copies {
            self.written[to as usize] = true;
            self.ops.push(Op::Copy { from, to });
        }
        // its value stays, but it is written as any other, and so iterates later from now on
        for slot in onto_itself {
            self.written[slot as usize] = true;
        }
        Some(())
    }

    fn finish(self) -> Program {
        let mut identity: Vec<SlotId> =
            self.possible().filter(|slot| !self.names[*slot as usize].starts_with(META)).collect();
        identity.sort_by(|a, b| self.names[*a as usize].cmp(&self.names[*b as usize]));
        let mut used = vec![false; self.names.len()];
        let mut mark = |slot: SlotId| used[slot as usize] = true;
        identity.iter().for_each(|slot| mark(*slot));
        for op in &self.ops {
            match op {
                Op::Seed { slot, .. } | Op::Clear { slot } => mark(*slot),
                Op::Copy { from, to } => {
                    mark(*from);
                    mark(*to);
                }
                Op::Rule { sources, target, .. } => {
                    sources.iter().for_each(|slot| mark(*slot));
                    mark(*target);
                }
            }
        }
        let columns = (0..self.shape_len as SlotId).filter(|slot| used[*slot as usize]).collect();
        Program { names: self.names, ops: self.ops, columns, identity }
    }
}
