//! The kept targets of one job, as columns by ordinal.
//!
//! Immutable. When a group of the job changes, the job is laid out anew: what did not change is copied column by
//! column, which costs a few nanoseconds a target, and everything that reads a layout stays simple.

use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashTable;
use ta_model::group::{Block, TargetGroup};

use crate::resolve::{Record, TargetId};

/// See the module. The ordinal of a target is its index in each column.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pub(crate) groups: Box<[LaidGroup]>,
    pub(crate) ids: Box<[TargetId]>,
    pub(crate) addresses: Box<[u64]>,
    /// Empty unless the strategy needs nodes.
    pub(crate) nodes: Box<[u64]>,
    pub(crate) contents: Box<[u64]>,
    /// Positions in the group; empty if no target of the job is dropped, as then they follow from the ordinal.
    positions: Box<[u32]>,
    /// Ordinals by identity. Of several targets with one identity it has the last.
    index: HashTable<u32>,
    /// The others, ascending.
    pub(crate) shadowed: Box<[u32]>,
    /// Targets before relabelling dropped any.
    pub(crate) discovered: u64,
}

/// A group and where its kept targets begin.
#[derive(Clone, Debug)]
pub(crate) struct LaidGroup {
    pub(crate) group: Arc<TargetGroup>,
    pub(crate) base: u32,
}

impl Layout {
    /// The number of ordinals, shadowed ones included.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The number of distinct targets.
    pub(crate) fn kept(&self) -> usize {
        self.ids.len() - self.shadowed.len()
    }

    /// Whether relabelling dropped any.
    pub(crate) fn some_dropped(&self) -> bool {
        (self.len() as u64) < self.discovered
    }

    /// The ordinal that stands for `id`.
    pub(crate) fn find(&self, id: TargetId) -> Option<usize> {
        self.index.find(id.0, |ordinal| self.ids[*ordinal as usize] == id).map(|ordinal| *ordinal as usize)
    }

    /// The group of an ordinal, by index.
    pub(crate) fn group_of(&self, ordinal: usize) -> usize {
        self.groups.partition_point(|group| group.base as usize <= ordinal) - 1
    }

    /// Where the targets of group `index` are.
    pub(crate) fn range(&self, index: usize) -> Range<usize> {
        let end = self.groups.get(index + 1).map_or(self.len(), |next| next.base as usize);
        self.groups[index].base as usize..end
    }

    /// The ordinal of the target at `position` of group `index`; nothing if relabelling dropped it.
    pub(crate) fn kept_at(&self, index: usize, position: usize) -> Option<usize> {
        let ordinal = self.ordinal_at(index, position);
        (self.range(index).contains(&ordinal) && self.position(index, ordinal) == position).then_some(ordinal)
    }

    /// The block and the index in it of a target whose group is known.
    pub(crate) fn locate(&self, group: usize, ordinal: usize) -> (&Block, usize) {
        self.groups[group].group.locate(self.position(group, ordinal))
    }

    /// The position in its group of a target whose group is known.
    pub(crate) fn position(&self, group: usize, ordinal: usize) -> usize {
        match self.positions.get(ordinal) {
            Some(position) => *position as usize,
            None => ordinal - self.groups[group].base as usize,
        }
    }

    /// The first ordinal of group `index` whose target stands at `position` of it, or after that.
    pub(crate) fn ordinal_at(&self, index: usize, position: usize) -> usize {
        let range = self.range(index);
        match self.positions.get(range.clone()) {
            Some(positions) if !self.positions.is_empty() => {
                range.start + positions.partition_point(|other| (*other as usize) < position)
            }
            _ => range.end.min(range.start + position),
        }
    }

    /// What was found out about a target, its position apart.
    pub(crate) fn record(&self, ordinal: usize) -> Record {
        Record {
            id: self.ids[ordinal],
            address: self.addresses[ordinal],
            node: self.nodes.get(ordinal).copied().unwrap_or(0),
            content: self.contents[ordinal],
            position: 0,
        }
    }

    /// Bytes on the heap, groups left out.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.groups.len() * size_of::<LaidGroup>()
            + self.len() * 24
            + self.nodes.len() * 8
            + (self.positions.len() + self.shadowed.len()) * 4
            + self.index.allocation_size()
    }
}

/// Targets of groups that did not change: those from `old` on stand from `new` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Same {
    pub(crate) old: u32,
    pub(crate) new: u32,
    pub(crate) len: u32,
}

/// Lays out a job, group by group in the order of keys.
#[derive(Debug, Default)]
pub(crate) struct LayoutBuilder {
    same: Vec<Same>,
    groups: Vec<LaidGroup>,
    ids: Vec<TargetId>,
    addresses: Vec<u64>,
    nodes: Vec<u64>,
    contents: Vec<u64>,
    /// Nothing if no target is dropped.
    positions: Option<Vec<u32>>,
    discovered: u64,
}

impl LayoutBuilder {
    /// For this many `targets`, of which every one is kept unless `some_dropped`.
    pub(crate) fn with_capacity(targets: usize, groups: usize, nodes: bool, some_dropped: bool) -> Self {
        Self {
            same: Vec::new(),
            groups: Vec::with_capacity(groups),
            ids: Vec::with_capacity(targets),
            addresses: Vec::with_capacity(targets),
            nodes: Vec::with_capacity(if nodes { targets } else { 0 }),
            contents: Vec::with_capacity(targets),
            positions: some_dropped.then(|| Vec::with_capacity(targets)),
            discovered: 0,
        }
    }

    /// Begins a group; its targets follow.
    pub(crate) fn group(&mut self, group: &Arc<TargetGroup>) {
        self.discovered += group.len() as u64;
        self.groups.push(LaidGroup { group: group.clone(), base: self.ids.len() as u32 });
    }

    /// Adds targets that have just been resolved.
    pub(crate) fn fresh(&mut self, records: &[Record], nodes: bool) {
        self.ids.extend(records.iter().map(|record| record.id));
        self.addresses.extend(records.iter().map(|record| record.address));
        self.contents.extend(records.iter().map(|record| record.content));
        if let Some(positions) = &mut self.positions {
            positions.extend(records.iter().map(|record| record.position));
        }
        if nodes {
            self.nodes.extend(records.iter().map(|record| record.node));
        }
    }

    /// Adds targets of a group that has not changed.
    pub(crate) fn unchanged(&mut self, old: &Layout, group: usize) {
        let range = old.range(group);
        let (from, to, len) = (range.start as u32, self.ids.len() as u32, range.len() as u32);
        match self.same.last_mut() {
            Some(last) if last.old + last.len == from && last.new + last.len == to => last.len += len,
            _ if range.is_empty() => {}
            _ => self.same.push(Same { old: from, new: to, len }),
        }
        self.ids.extend_from_slice(&old.ids[range.clone()]);
        self.addresses.extend_from_slice(&old.addresses[range.clone()]);
        self.contents.extend_from_slice(&old.contents[range.clone()]);
        if let Some(positions) = &mut self.positions {
            match old.positions.get(range.clone()) {
                Some(old) if !range.is_empty() => positions.extend_from_slice(old),
                _ => positions.extend(0..range.len() as u32),
            }
        }
        if !old.nodes.is_empty() {
            self.nodes.extend_from_slice(&old.nodes[range]);
        }
    }

    pub(crate) fn finish(self) -> (Layout, Vec<Same>) {
        let ids: Box<[TargetId]> = self.ids.into();
        let (index, shadowed) = index(&ids);
        let all_kept = ids.len() as u64 == self.discovered;
        debug_assert!(all_kept || self.positions.is_some(), "a target was dropped");
        let layout = Layout {
            groups: self.groups.into(),
            ids,
            addresses: self.addresses.into(),
            nodes: self.nodes.into(),
            contents: self.contents.into(),
            positions: self.positions.filter(|_| !all_kept).unwrap_or_default().into(),
            index,
            shadowed,
            discovered: self.discovered,
        };
        (layout, self.same)
    }
}

fn index(ids: &[TargetId]) -> (HashTable<u32>, Box<[u32]>) {
    let mut index: HashTable<u32> = HashTable::with_capacity(ids.len());
    let mut shadowed = Vec::new();
    for (ordinal, id) in ids.iter().enumerate() {
        let hash = |ordinal: &u32| ids[*ordinal as usize].0;
        match index.entry(id.0, |other| ids[*other as usize] == *id, hash) {
            hashbrown::hash_table::Entry::Occupied(mut taken) => {
                shadowed.push(std::mem::replace(taken.get_mut(), ordinal as u32));
            }
            hashbrown::hash_table::Entry::Vacant(free) => {
                free.insert(ordinal as u32);
            }
        }
    }
    shadowed.sort_unstable();
    (index, shadowed.into())
}
