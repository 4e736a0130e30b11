//! Running a program over a block: once for what its targets share, then for each target what is left.

use ta_model::group::{Block, Reader, Source};
use ta_model::regexp::Kind;
use ta_model::relabel::{Action, Rule, hashmod, lowercase, uppercase};

use super::identity::{IdentityText, TargetId};
use super::program::{Op, Program, SlotId};

/// A value in the evaluation's text, or in the run's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    start: u32,
    len: u32,
}

impl Span {
    fn of(self, text: &str) -> &str {
        &text[self.start as usize..(self.start + self.len) as usize]
    }

    /// Appends `value` to `text`.
    fn push(text: &mut String, value: &str) -> Self {
        let start = text.len() as u32;
        text.push_str(value);
        Self { start, len: value.len() as u32 }
    }
}

/// What is known of a slot after some ops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// The value of every target of the block.
    Value(Span),
    /// It differs from target to target.
    Varies,
}

/// A step that is left to do for each target.
#[derive(Debug)]
enum Step {
    Set {
        slot: SlotId,
        value: Span,
    },
    Seed {
        slot: SlotId,
        value: Span,
    },
    /// A value that is there.
    Copy {
        from: SlotId,
        to: SlotId,
    },
    /// A value or none.
    Assign {
        from: SlotId,
        to: SlotId,
    },
    /// Rule number `op` of the program, on these inputs.
    Rule {
        op: u32,
        inputs: (u32, u32),
        target: SlotId,
    },
}

#[derive(Clone, Copy, Debug)]
enum Input {
    Known(Span),
    Slot(SlotId),
}

/// What a program comes to for one block.
#[derive(Debug, Default)]
pub(super) struct Evaluation {
    text: String,
    known: Vec<Known>,
    steps: Vec<Step>,
    inputs: Vec<Input>,
    /// (index in the row, slot), by index.
    loads: Vec<(u32, SlotId)>,
    identity: IdentityText,
    /// After this much of `identity` comes the label in this slot.
    varying: Vec<(u32, SlotId)>,
    scratch: String,
    joined: String,
}

impl Evaluation {
    /// Evaluates `program` for `block`. False if all of its targets are dropped.
    pub(super) fn evaluate(&mut self, program: &Program, block: &Block, job: &str) -> bool {
        self.read_columns(program, block);
        for (number, op) in program.ops.iter().enumerate() {
            match op {
                Op::Seed { slot, value } => self.seed(*slot, value),
                Op::Clear { slot } => self.known[*slot as usize] = Known::Value(Span::default()),
                Op::Copy { from, to } => self.copy(*from, *to),
                Op::Rule { rule, sources, target } => {
                    if !self.rule(number as u32, rule, sources, *target) {
                        return false;
                    }
                }
            }
        }
        self.draw_identity(program, job);
        true
    }

    fn read_columns(&mut self, program: &Program, block: &Block) {
        self.text.clear();
        self.steps.clear();
        self.inputs.clear();
        self.loads.clear();
        self.known.clear();
        self.known.resize(program.names.len(), Known::Value(Span::default()));
        let mut reader = Reader::new(block);
        for column in &program.columns {
            self.known[*column as usize] = match reader.source(*column as usize) {
                Source::Fixed(value) => Known::Value(Span::push(&mut self.text, &block.unescape(value))),
                Source::Row(index) => {
                    self.loads.push((index as u32, *column));
                    Known::Varies
                }
            };
        }
    }

    fn seed(&mut self, slot: SlotId, value: &str) {
        match self.known[slot as usize] {
            Known::Value(span) if span.len > 0 => {}
            Known::Value(_) => self.known[slot as usize] = Known::Value(Span::push(&mut self.text, value)),
            Known::Varies => {
                let value = Span::push(&mut self.text, value);
                self.steps.push(Step::Seed { slot, value });
            }
        }
    }

    fn copy(&mut self, from: SlotId, to: SlotId) {
        match self.known[from as usize] {
            Known::Value(span) if span.len == 0 => {}
            known @ Known::Value(_) => self.known[to as usize] = known,
            Known::Varies => {
                self.vary(to);
                self.steps.push(Step::Copy { from, to });
            }
        }
    }

    /// From here on the slot differs from target to target, beginning with what it was.
    fn vary(&mut self, slot: SlotId) {
        if let Known::Value(value) = self.known[slot as usize] {
            self.steps.push(Step::Set { slot, value });
            self.known[slot as usize] = Known::Varies;
        }
    }

    fn rule(&mut self, op: u32, rule: &Rule, sources: &[SlotId], target: SlotId) -> bool {
        let compares = matches!(rule.action(), Action::KeepEqual | Action::DropEqual);
        let read = sources.iter().copied().chain(compares.then_some(target));
        let first = self.inputs.len();
        self.inputs.extend(read.map(|slot| match self.known[slot as usize] {
            Known::Value(span) => Input::Known(span),
            Known::Varies => Input::Slot(slot),
        }));
        if ignores_input(rule) || self.inputs[first..].iter().all(|input| matches!(input, Input::Known(_))) {
            let alive = self.rule_now(rule, first, target);
            self.inputs.truncate(first);
            return alive;
        }
        match self.foresee(rule, first) {
            Foreseen::Unknown => {}
            Foreseen::NoMatch => {
                self.inputs.truncate(first);
                return rule.action() != Action::Keep;
            }
            Foreseen::Copy(from) => {
                self.inputs.truncate(first);
                self.known[target as usize] = Known::Varies;
                self.steps.push(Step::Assign { from, to: target });
                return true;
            }
        }
        if writes(rule.action()) {
            self.vary(target);
        }
        self.steps.push(Step::Rule { op, inputs: (first as u32, self.inputs.len() as u32), target });
        true
    }

    /// What can be said of a rule on values that differ, from the text that all of them begin with.
    fn foresee(&mut self, rule: &Rule, first: usize) -> Foreseen {
        if !matches!(rule.action(), Action::Replace | Action::Keep | Action::Drop) {
            return Foreseen::Unknown;
        }
        let Self { text, inputs, joined, .. } = self;
        joined.clear();
        for (number, input) in inputs[first..].iter().enumerate() {
            if number > 0 {
                joined.push_str(rule.separator());
            }
            match input {
                Input::Known(span) => joined.push_str(span.of(text)),
                Input::Slot(_) if !rule.regex().may_match_after(joined) => return Foreseen::NoMatch,
                Input::Slot(slot) => {
                    let copies = rule.action() == Action::Replace
                        && first + number + 1 == inputs.len()
                        && rule.regex().copies_after(joined, rule.replacement());
                    return if copies { Foreseen::Copy(*slot) } else { Foreseen::Unknown };
                }
            }
        }
        Foreseen::Unknown
    }

    fn rule_now(&mut self, rule: &Rule, first: usize, target: SlotId) -> bool {
        let Self { text, inputs, joined, scratch, .. } = self;
        let known = |input: &Input| match input {
            Input::Known(span) => span.of(text),
            Input::Slot(_) => "",
        };
        let inputs = &inputs[first..];
        let (sources, compared) = inputs.split_at(rule.source_labels().len());
        let value = join(sources.iter().map(known), rule.separator(), joined);
        let effect = apply(rule, value, compared.first().map_or("", known), scratch);
        match effect {
            Effect::Nothing => true,
            Effect::Drop => false,
            Effect::Write => {
                self.known[target as usize] = Known::Value(Span::push(&mut self.text, &self.scratch));
                true
            }
        }
    }

    fn draw_identity(&mut self, program: &Program, job: &str) {
        self.identity.clear();
        self.varying.clear();
        for slot in &program.identity {
            match self.known[*slot as usize] {
                Known::Value(span) => self.identity.label(&program.names[*slot as usize], span.of(&self.text)),
                Known::Varies => self.varying.push((self.identity.len() as u32, *slot)),
            }
        }
        self.identity.raw(job.as_bytes());
    }
}

/// What is known of a rule before its values are.
enum Foreseen {
    Unknown,
    NoMatch,
    /// It writes what is in this slot.
    Copy(SlotId),
}

/// Whether a rule does the same whatever it reads. Generated rules do: an unsharded ServiceMonitor's `hashmod` is by 1.
fn ignores_input(rule: &Rule) -> bool {
    let any = *rule.regex().kind() == Kind::Any;
    match rule.action() {
        Action::HashMod => rule.modulus() == 1,
        Action::Replace => any && rule.replacement().literal().is_some(),
        Action::Keep | Action::Drop => any,
        _ => false,
    }
}

fn writes(action: Action) -> bool {
    matches!(action, Action::Replace | Action::HashMod | Action::Lowercase | Action::Uppercase)
}

/// What a rule does to a target.
enum Effect {
    Nothing,
    Drop,
    /// Write the scratch text to the target label.
    Write,
}

/// Applies a rule about values. `compared` is the target label's value for keepequal and dropequal.
fn apply(rule: &Rule, value: &str, compared: &str, scratch: &mut String) -> Effect {
    let drop_if = |drop: bool| if drop { Effect::Drop } else { Effect::Nothing };
    scratch.clear();
    match rule.action() {
        Action::Keep => return drop_if(!rule.regex().is_match(value)),
        Action::Drop => return drop_if(rule.regex().is_match(value)),
        Action::KeepEqual => return drop_if(value != compared),
        Action::DropEqual => return drop_if(value == compared),
        Action::Replace => {
            if !rule.regex().expand(value, rule.replacement(), scratch) {
                return Effect::Nothing;
            }
        }
        Action::HashMod => scratch.push_str(&hashmod(value, rule.modulus()).to_string()),
        Action::Lowercase => scratch.push_str(&lowercase(value)),
        Action::Uppercase => scratch.push_str(&uppercase(value)),
        Action::LabelMap | Action::LabelDrop | Action::LabelKeep => return Effect::Nothing, // compiled away
    }
    Effect::Write
}

/// The source labels' values, joined; a single one is not copied.
fn join<'a>(mut values: impl Iterator<Item = &'a str>, separator: &str, joined: &'a mut String) -> &'a str {
    let Some(first) = values.next() else { return "" };
    let Some(second) = values.next() else { return first };
    joined.clear();
    joined.push_str(first);
    for value in std::iter::once(second).chain(values) {
        joined.push_str(separator);
        joined.push_str(value);
    }
    joined
}

/// A value while a target is worked on.
#[derive(Clone, Copy, Debug)]
enum Value {
    /// Of the target's row.
    Row(u32),
    /// Of the evaluation's text.
    Known(Span),
    /// Of the run's own text.
    Own(Span),
}

/// Works on the targets of a block, one after the other.
#[derive(Debug, Default)]
pub(super) struct Run {
    values: Vec<Value>,
    own: String,
    identity: IdentityText,
    scratch: String,
    joined: String,
}

/// The targets of one block, worked on one after the other.
pub(super) struct Targets<'a> {
    run: &'a mut Run,
    program: &'a Program,
    evaluation: &'a Evaluation,
    block: &'a Block,
    row: Vec<&'a str>,
}

impl Targets<'_> {
    /// The identity of target `index`; nothing if it is dropped.
    pub(super) fn resolve(&mut self, index: usize) -> Option<TargetId> {
        self.row.clear();
        if !self.evaluation.loads.is_empty() {
            self.row.extend(self.block.row(index));
        }
        self.run.target(self.program, self.evaluation, self.block, &self.row)
    }
}

impl Run {
    /// Begins a block that was evaluated.
    pub(super) fn targets<'a>(
        &'a mut self,
        program: &'a Program,
        evaluation: &'a Evaluation,
        block: &'a Block,
    ) -> Targets<'a> {
        self.values.clear();
        self.values.resize(program.names.len(), Value::Known(Span::default()));
        Targets { run: self, program, evaluation, block, row: Vec::new() }
    }

    fn target(&mut self, program: &Program, evaluation: &Evaluation, block: &Block, row: &[&str]) -> Option<TargetId> {
        self.own.clear();
        for (index, slot) in &evaluation.loads {
            let value = row[*index as usize];
            self.values[*slot as usize] = match block.unescape(value) {
                std::borrow::Cow::Borrowed(_) => Value::Row(*index),
                std::borrow::Cow::Owned(text) => Value::Own(Span::push(&mut self.own, &text)),
            };
        }
        for step in &evaluation.steps {
            match step {
                Step::Set { slot, value } => self.values[*slot as usize] = Value::Known(*value),
                Step::Seed { slot, value } => {
                    if self.get(*slot, evaluation, row).is_empty() {
                        self.values[*slot as usize] = Value::Known(*value);
                    }
                }
                Step::Copy { from, to } => {
                    if !self.get(*from, evaluation, row).is_empty() {
                        self.values[*to as usize] = self.values[*from as usize];
                    }
                }
                Step::Assign { from, to } => self.values[*to as usize] = self.values[*from as usize],
                Step::Rule { op, inputs, target } => {
                    let Op::Rule { rule, .. } = &program.ops[*op as usize] else { continue };
                    let inputs = &evaluation.inputs[inputs.0 as usize..inputs.1 as usize];
                    if !self.rule(rule, inputs, *target, evaluation, row) {
                        return None;
                    }
                }
            }
        }
        Some(self.identify(program, evaluation, row))
    }

    fn get<'a>(&'a self, slot: SlotId, evaluation: &'a Evaluation, row: &[&'a str]) -> &'a str {
        resolve(self.values[slot as usize], &self.own, evaluation, row)
    }

    fn rule(&mut self, rule: &Rule, inputs: &[Input], target: SlotId, evaluation: &Evaluation, row: &[&str]) -> bool {
        let Self { values, own, joined, scratch, .. } = self;
        let read = |input: &Input| match input {
            Input::Known(span) => span.of(&evaluation.text),
            Input::Slot(slot) => resolve(values[*slot as usize], own, evaluation, row),
        };
        let (sources, compared) = inputs.split_at(rule.source_labels().len());
        let value = join(sources.iter().map(read), rule.separator(), joined);
        let effect = apply(rule, value, compared.first().map_or("", read), scratch);
        if let Effect::Write = effect {
            self.values[target as usize] = Value::Own(Span::push(&mut self.own, &self.scratch));
        }
        !matches!(effect, Effect::Drop)
    }

    fn identify(&mut self, program: &Program, evaluation: &Evaluation, row: &[&str]) -> TargetId {
        let shared = evaluation.identity.bytes();
        let mut identity = std::mem::take(&mut self.identity);
        identity.clear();
        let mut copied = 0;
        for (at, slot) in &evaluation.varying {
            identity.raw(&shared[copied..*at as usize]);
            copied = *at as usize;
            identity.label(&program.names[*slot as usize], self.get(*slot, evaluation, row));
        }
        identity.raw(&shared[copied..]);
        let id = identity.hash();
        self.identity = identity;
        id
    }
}

fn resolve<'a>(value: Value, own: &'a str, evaluation: &'a Evaluation, row: &[&'a str]) -> &'a str {
    match value {
        Value::Row(index) => row[index as usize],
        Value::Known(span) => span.of(&evaluation.text),
        Value::Own(span) => span.of(own),
    }
}
