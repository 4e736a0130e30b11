//! Making groups from what discovery finds, without ever holding a map of labels.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::skeleton::{Column, Hole, Shape, Skeleton, Slot};
use super::{Block, Lens, TargetGroup};
use crate::json::{Escapes, push_escaped};

/// From this many targets a run gets a skeleton of its own, with the values that its targets share inside the text.
/// Below it, runs of one shape share a skeleton that holds the names only: the text (about 2 kB for a Kubernetes
/// target) would otherwise weigh more than it saves. At 8 targets it costs 250 bytes each and renders twice as fast.
const OWN_SKELETON_FROM: usize = 8;

/// Longer runs are cut, so that one giant group can be worked on by several threads.
const MAX_RUN: usize = 1024;

/// Builds [`TargetGroup`]s. Keep one per provider: it remembers names and shapes from group to group.
///
/// ```
/// # use ta_model::group::GroupBuilder;
/// let mut builder = GroupBuilder::new();
/// builder.begin();
/// builder.group_label("env", "prod");
/// builder.begin_target();
/// builder.target_label("__address__", "10.0.0.1:9100");
/// let group = builder.finish();
/// assert_eq!(group.len(), 1);
/// ```
#[derive(Debug, Default)]
pub struct GroupBuilder {
    names: Names,
    /// Escaped values of the group under construction.
    text: String,
    group: Vec<Entry>,
    targets: Vec<Entry>,
    /// Where each target's entries begin in `targets`.
    starts: Vec<usize>,
    /// The names of the last group and the last target: nearly always the next has them in the same order, and
    /// comparing with a guess is ten times cheaper than hashing a forty-byte name.
    group_guess: Vec<u32>,
    target_guess: Vec<u32>,
    layouts: HashMap<Box<[u32]>, Arc<Layout>>,
    key: Vec<u32>,
    skeletons: HashMap<SkeletonKey, Weak<Skeleton>>,
}

/// One label as it was given: a name and an escaped value in the text.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name: u32,
    start: u32,
    len: u32,
}

/// For one sequence of names (group labels, then target labels): the sorted names, and which entry each takes.
#[derive(Debug)]
struct Layout {
    shape: Arc<Shape>,
    /// For each column: the number of its name.
    numbers: Box<[u32]>,
    /// For each column: an index into group entries, then target entries.
    picks: Box<[u32]>,
    /// How many entries are the group's.
    group_entries: u32,
    address: Option<usize>,
}

impl Layout {
    fn is_group_column(&self, column: usize) -> bool {
        self.picks[column] < self.group_entries
    }
}

/// The shared skeletons of a builder: shape (by address; the layout keeps it alive), which columns are the group's.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SkeletonKey {
    names: Box<[u32]>,
    constant: Box<[bool]>,
}

/// Names by number, with their escaped form.
#[derive(Debug, Default)]
struct Names {
    by_text: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
    escaped: Vec<Box<str>>,
}

/// A provider that keeps inventing names (labels made of identifiers) must not grow the builder for ever.
const MAX_REMEMBERED: usize = 1 << 16;

impl Names {
    fn number(&mut self, name: &str, guesses: &mut Vec<u32>, position: usize) -> u32 {
        if let Some(guess) = guesses.get(position)
            && &*self.texts[*guess as usize] == name
        {
            return *guess;
        }
        let number = self.look_up(name);
        guesses.truncate(position);
        guesses.resize(position + 1, number);
        number
    }

    fn look_up(&mut self, name: &str) -> u32 {
        if let Some(number) = self.by_text.get(name) {
            return *number;
        }
        let text: Arc<str> = name.into();
        let number = self.texts.len() as u32;
        let mut escaped = String::new();
        push_escaped(&mut escaped, name, Escapes::Short);
        self.escaped.push(escaped.into());
        self.texts.push(text.clone());
        self.by_text.insert(text, number);
        number
    }
}

impl GroupBuilder {
    /// A builder that remembers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a group, dropping one that was not finished.
    pub fn begin(&mut self) {
        self.text.clear();
        self.group.clear();
        self.targets.clear();
        self.starts.clear();
        if self.names.texts.len() > MAX_REMEMBERED || self.layouts.len() > MAX_REMEMBERED {
            *self = Self::default();
        }
    }

    /// Gives all targets of the group a label. The last value of a name counts.
    pub fn group_label(&mut self, name: &str, value: &str) {
        let number = self.names.number(name, &mut self.group_guess, self.group.len());
        let entry = self.entry(number, value);
        self.group.push(entry);
    }

    /// Begins the next target.
    pub fn begin_target(&mut self) {
        self.starts.push(self.targets.len());
    }

    /// Gives the target a label, which hides a group label of that name, even if it is empty. The last value counts.
    pub fn target_label(&mut self, name: &str, value: &str) {
        debug_assert!(!self.starts.is_empty(), "begin_target comes first");
        let position = self.targets.len() - self.starts.last().copied().unwrap_or(0);
        let number = self.names.number(name, &mut self.target_guess, position);
        let entry = self.entry(number, value);
        self.targets.push(entry);
    }

    /// The group, with its targets in the order they were given.
    pub fn finish(&mut self) -> TargetGroup {
        let mut blocks = Vec::new();
        let mut first = 0;
        while first < self.starts.len() {
            let layout = self.layout(first);
            let most = self.starts.len().min(first + MAX_RUN);
            let mut end = first + 1;
            while end < most && (self.same_names(end - 1, end) || Arc::ptr_eq(&self.layout(end), &layout)) {
                end += 1;
            }
            blocks.push(self.block(&layout, first..end));
            first = end;
        }
        TargetGroup::from_blocks(blocks)
    }

    fn entry(&mut self, name: u32, value: &str) -> Entry {
        let start = self.text.len();
        push_escaped(&mut self.text, value, Escapes::Short);
        Entry { name, start: start as u32, len: (self.text.len() - start) as u32 }
    }

    fn entries(&self, target: usize) -> &[Entry] {
        let end = self.starts.get(target + 1).copied().unwrap_or(self.targets.len());
        &self.targets[self.starts[target]..end]
    }

    fn same_names(&self, one: usize, other: usize) -> bool {
        let (one, other) = (self.entries(one), self.entries(other));
        one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.name == b.name)
    }

    fn layout(&mut self, target: usize) -> Arc<Layout> {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        key.extend(self.group.iter().map(|entry| entry.name));
        key.push(u32::MAX);
        key.extend(self.entries(target).iter().map(|entry| entry.name));
        let layout = match self.layouts.get(key.as_slice()) {
            Some(layout) => layout.clone(),
            None => {
                let layout = Arc::new(self.new_layout(target));
                self.layouts.insert(key.as_slice().into(), layout.clone());
                layout
            }
        };
        self.key = key;
        layout
    }

    fn new_layout(&self, target: usize) -> Layout {
        let own = self.entries(target);
        let mut by_name: Vec<(&Arc<str>, u32)> = Vec::with_capacity(self.group.len() + own.len());
        for (index, entry) in self.group.iter().chain(own).enumerate() {
            by_name.push((&self.names.texts[entry.name as usize], index as u32));
        }
        by_name.sort(); // by name, then in the order given
        let mut picked: Vec<(&Arc<str>, u32)> = Vec::with_capacity(by_name.len());
        for (name, index) in by_name {
            match picked.last_mut() {
                Some(last) if last.0 == name => last.1 = index,
                _ => picked.push((name, index)),
            }
        }
        let group_entries = self.group.len() as u32;
        let address = picked.iter().position(|(name, pick)| &***name == "__address__" && *pick >= group_entries);
        Layout {
            shape: Arc::new(Shape::new(picked.iter().map(|(name, _)| (*name).clone()).collect())),
            numbers: picked.iter().map(|(name, _)| self.names.by_text[*name]).collect(),
            picks: picked.iter().map(|(_, index)| *index).collect(),
            group_entries,
            address,
        }
    }

    fn value(&self, target: usize, pick: u32) -> &str {
        let entry = match self.group.get(pick as usize) {
            Some(entry) => *entry,
            None => self.entries(target)[pick as usize - self.group.len()],
        };
        &self.text[entry.start as usize..(entry.start + entry.len) as usize]
    }

    fn block(&mut self, layout: &Layout, targets: std::ops::Range<usize>) -> Block {
        let own = targets.len() >= OWN_SKELETON_FROM;
        let skeleton = if own { self.own_skeleton(layout, targets.clone()) } else { self.shared_skeleton(layout) };
        let (mut constant, mut varying) = (Vec::new(), Vec::new());
        for (column, pick) in layout.picks.iter().enumerate() {
            match skeleton.columns[column].unpack() {
                Column::Text(_) => {}
                Column::Slot(Slot::Constant(_)) => constant.push(*pick),
                Column::Slot(Slot::Row(_)) => varying.push(*pick),
            }
        }
        let mut rows = Rows::with_capacity(constant.len() + varying.len() * targets.len(), targets.len());
        let len = |target, picks: &[u32]| picks.iter().map(|pick| self.value(target, *pick).len()).sum::<usize>();
        rows.text.reserve_exact(
            len(targets.start, &constant) + targets.clone().map(|target| len(target, &varying)).sum::<usize>(),
        );
        constant.iter().for_each(|pick| rows.push(self.value(targets.start, *pick)));
        rows.starts.push(rows.text.len() as u32);
        for target in targets {
            varying.iter().for_each(|pick| rows.push(self.value(target, *pick)));
            rows.starts.push(rows.text.len() as u32);
        }
        rows.into_block(skeleton)
    }

    fn own_skeleton(&self, layout: &Layout, targets: std::ops::Range<usize>) -> Arc<Skeleton> {
        let first = targets.start;
        let holes: Vec<Hole<'_>> = (0..layout.picks.len())
            .map(|column| {
                let value = self.value(first, layout.picks[column]);
                let same = layout.is_group_column(column)
                    || targets.clone().skip(1).all(|target| self.value(target, layout.picks[column]) == value);
                if same { Hole::Text(value) } else { Hole::Row }
            })
            .collect();
        Arc::new(self.draw(layout, &holes))
    }

    fn shared_skeleton(&mut self, layout: &Layout) -> Arc<Skeleton> {
        let key = SkeletonKey {
            names: layout.numbers.clone(),
            constant: (0..layout.picks.len()).map(|column| layout.is_group_column(column)).collect(),
        };
        if let Some(skeleton) = self.skeletons.get(&key).and_then(Weak::upgrade) {
            return skeleton;
        }
        let holes: Vec<Hole<'_>> =
            key.constant.iter().map(|constant| if *constant { Hole::Constant } else { Hole::Row }).collect();
        let skeleton = Arc::new(self.draw(layout, &holes));
        self.skeletons.insert(key, Arc::downgrade(&skeleton));
        skeleton
    }

    fn draw(&self, layout: &Layout, holes: &[Hole<'_>]) -> Skeleton {
        let names = layout.numbers.iter().map(|number| &*self.names.escaped[*number as usize]);
        Skeleton::draw(layout.shape.clone(), names, holes, layout.address)
    }
}

/// The arena of a block under construction.
struct Rows {
    text: String,
    lens: Vec<u32>,
    starts: Vec<u32>,
}

impl Rows {
    fn with_capacity(values: usize, targets: usize) -> Self {
        Self { text: String::new(), lens: Vec::with_capacity(values), starts: Vec::with_capacity(targets + 1) }
    }

    fn push(&mut self, value: &str) {
        self.text.push_str(value);
        self.lens.push(value.len() as u32);
    }

    fn into_block(self, skeleton: Arc<Skeleton>) -> Block {
        let lens = match self.lens.iter().map(|len| u8::try_from(*len)).collect::<Result<Box<[u8]>, _>>() {
            Ok(bytes) => Lens::Bytes(bytes),
            Err(_) => Lens::Words(self.lens.into()),
        };
        let escapes = skeleton.escapes || memchr::memchr(b'\\', self.text.as_bytes()).is_some();
        Block { skeleton, first: 0, text: self.text.into(), lens, starts: self.starts.into(), escapes }
    }
}
