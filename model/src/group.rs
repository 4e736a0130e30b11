//! Target groups, compact and immutable.
//!
//! A group of Kubernetes targets says the same forty label names again and again, and most of the values too. So a
//! group is kept as what it is served as: JSON text, with the text that its targets share written once.
//!
//! ```text
//! Skeleton   {"targets":["▢"],"labels":{"__address__":"▢","__meta_…_name":"web","__meta_…_pod_name":"▢", …}}
//!              text, shared by all targets of a block           ▲ slots: a constant of the block, or one value a target
//! Block      Arc<Skeleton> + one arena:  constants │ row of target 0 │ row of target 1 │ …      (values, escaped)
//! Group      blocks: runs of targets that have the same label names
//! ```
//!
//! Rendering a target copies the pieces one after the other; reading a label finds its place in text or arena.
//! Everything is measured in bytes of UTF-8, values are kept as they stand in JSON (escapes are rare: see
//! [`Block::unescape`]). Memory: about 450 bytes a target of the 43-label shape at ten targets a group, against 4.5 kB for
//! maps of strings.

mod builder;
mod skeleton;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

pub use builder::GroupBuilder;
pub use skeleton::{Shape, Source};

use skeleton::{Column, Skeleton, Slot};

/// Where the address stands in `"targets"`: the length of `{"targets":["`.
const ADDRESS_AT: usize = 13;

/// Discovery's unit: targets that come and go together.
#[derive(Clone, Default)]
pub struct TargetGroup {
    blocks: Box<[Block]>,
    targets: u32,
    content_hash: u64,
}

/// Names one group for good: the job it is for, the provider that found it and that provider's own name for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey {
    /// The job.
    pub job: Arc<str>,
    /// Fingerprint of the service-discovery config: the same for equal configs, in every process.
    pub provider: u64,
    /// Unique within its provider (`<file>:0`, `pod/<namespace>/<name>` …).
    pub source: Arc<str>,
}

/// One change to what is known of the targets.
#[derive(Clone, Debug)]
pub enum GroupChange {
    /// The group is now this; an empty group removes it.
    Replace(GroupKey, Arc<TargetGroup>),
    /// The group is gone.
    Remove(GroupKey),
}

impl GroupChange {
    /// The group that it is about.
    #[must_use]
    pub fn key(&self) -> &GroupKey {
        match self {
            Self::Replace(key, _) | Self::Remove(key) => key,
        }
    }
}

/// A run of targets of one group that have the same label names.
#[derive(Clone)]
pub struct Block {
    skeleton: Arc<Skeleton>,
    /// The position of its first target in the group.
    first: u32,
    /// The values of the constant slots, then those of each target, slot by slot.
    text: Box<str>,
    lens: Lens,
    /// Where each target's row begins in `text`, and where the last ends.
    starts: Box<[u32]>,
    /// Whether any value has an escape, here or in the skeleton.
    escapes: bool,
}

/// Lengths of values; nearly every value is shorter than 256 bytes.
#[derive(Clone)]
enum Lens {
    Bytes(Box<[u8]>),
    Words(Box<[u32]>),
}

impl Lens {
    fn get(&self, at: usize) -> usize {
        match self {
            Lens::Bytes(lens) => usize::from(lens[at]),
            Lens::Words(lens) => lens[at] as usize,
        }
    }

    fn sum(&self, range: std::ops::Range<usize>) -> usize {
        match self {
            Lens::Bytes(lens) => lens[range].iter().map(|len| usize::from(*len)).sum(),
            Lens::Words(lens) => lens[range].iter().map(|len| *len as usize).sum(),
        }
    }

    fn hash(&self, range: std::ops::Range<usize>, seed: u64) -> u64 {
        match self {
            Lens::Bytes(lens) => xxh3_64_with_seed(&lens[range], seed),
            Lens::Words(lens) => lens[range].iter().fold(seed, |hash, len| xxh3_64_with_seed(&len.to_le_bytes(), hash)),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Lens::Bytes(lens) => lens.len(),
            Lens::Words(lens) => lens.len() * 4,
        }
    }
}

impl TargetGroup {
    /// The number of targets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets as usize
    }

    /// True if there is no target.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets == 0
    }

    /// A hash over everything served: groups of equal hash are taken for equal. Stable across processes.
    #[must_use]
    pub fn content_hash(&self) -> u64 {
        self.content_hash
    }

    /// The runs of targets with the same label names, in the order discovery gave the targets.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The block that holds target `position`, and its index there.
    ///
    /// # Panics
    /// If there is no such target.
    #[must_use]
    pub fn locate(&self, position: usize) -> (&Block, usize) {
        let at = self.blocks.partition_point(|block| block.first as usize <= position).saturating_sub(1);
        let block = &self.blocks[at];
        (block, position - block.first as usize)
    }

    /// The served labels of target `position`, sorted by name: group labels and target labels before relabelling,
    /// empty values included.
    pub fn labels(&self, position: usize) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        let (block, index) = self.locate(position);
        block.labels(index)
    }

    /// Bytes on the heap, skeletons that other groups share left out.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.blocks.iter().map(|block| size_of::<Block>() + block.heap_bytes()).sum()
    }

    fn from_blocks(mut blocks: Vec<Block>) -> Self {
        let mut targets = 0;
        for block in &mut blocks {
            block.first = targets;
            targets += block.len() as u32;
        }
        let content_hash = blocks.iter().fold(0, |hash, block| xxh3_64_with_seed(&block.hash().to_le_bytes(), hash));
        Self { blocks: blocks.into(), targets, content_hash }
    }
}

impl fmt::Debug for TargetGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetGroup").field("targets", &self.targets).field("blocks", &self.blocks.len()).finish()
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("targets", &self.len()).field("labels", &self.shape().len()).finish()
    }
}

impl PartialEq for TargetGroup {
    fn eq(&self, other: &Self) -> bool {
        self.targets == other.targets && self.content_hash == other.content_hash
    }
}

impl Block {
    /// The position of its first target in the group.
    #[must_use]
    pub fn first(&self) -> usize {
        self.first as usize
    }

    /// The number of targets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Blocks are never empty; this is here because `len` is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The label names of these targets.
    #[must_use]
    pub fn shape(&self) -> &Arc<Shape> {
        &self.skeleton.shape
    }

    /// Where the values of label `column` (an index into the shape) come from.
    #[must_use]
    #[inline]
    pub fn source(&self, column: usize) -> Source<'_> {
        match self.skeleton.columns[column].unpack() {
            Column::Text(start) => Source::Fixed(self.skeleton.text_value(start)),
            Column::Slot(Slot::Constant(slot)) => Source::Fixed(self.constant(slot)),
            Column::Slot(Slot::Row(slot)) => Source::Row(slot),
        }
    }

    /// The column whose value is the target's address: `__address__`, if the targets themselves have it. An address
    /// that stands only at group level is no address (upstream: `internal/target/discovery.go`).
    #[must_use]
    pub fn address_column(&self) -> Option<usize> {
        self.skeleton.address.map(|column| column as usize)
    }

    /// The values of target `index` that are not fixed for the block, in slot order, escaped.
    pub fn row(&self, index: usize) -> impl Iterator<Item = &str> {
        let mut start = self.starts[index] as usize;
        self.row_lens(index).map(move |at| {
            let end = start + self.lens.get(at);
            let value = &self.text[start..end];
            start = end;
            value
        })
    }

    /// The escaped value of label `column` of target `index`.
    #[must_use]
    #[inline]
    pub fn value(&self, index: usize, column: usize) -> &str {
        match self.source(column) {
            Source::Fixed(value) => value,
            Source::Row(slot) => self.row_value(index, slot),
        }
    }

    /// The escaped address of target `index`, empty if it has none of its own.
    #[must_use]
    pub fn address(&self, index: usize) -> &str {
        self.address_column().map_or("", |column| self.value(index, column))
    }

    /// The text of an escaped value of this block. Borrowed unless it holds an escape, which most blocks need not look for.
    #[must_use]
    #[inline]
    pub fn unescape<'v>(&self, value: &'v str) -> Cow<'v, str> {
        if self.escapes { unescape(value) } else { Cow::Borrowed(value) }
    }

    /// The served labels of target `index`, sorted by name.
    pub fn labels(&self, index: usize) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        let names = self.shape().names().iter();
        names.enumerate().map(move |(column, name)| (&**name, self.unescape(self.value(index, column))))
    }

    /// Appends target `index` as it is served: `{"targets":["…"],"labels":{…}}`.
    pub fn render(&self, index: usize, out: &mut String) {
        let skeleton = &*self.skeleton;
        let row = self.row_lens(index).start;
        let mut constants = Reader::new(self);
        let (mut copied, mut next, mut at) = (0, 0, self.starts[index] as usize);
        for piece in &skeleton.pieces {
            let end = piece.text_end as usize;
            out.push_str(&skeleton.text[copied..end]);
            copied = end;
            match piece.slot.unpack() {
                // rows are laid out in the order in which the text asks for them, the address in "targets" apart
                Column::Slot(Slot::Row(slot)) if slot == next && copied > ADDRESS_AT => {
                    let len = self.lens.get(row + next);
                    out.push_str(&self.text[at..at + len]);
                    at += len;
                    next += 1;
                }
                Column::Slot(Slot::Row(slot)) => out.push_str(self.row_value(index, slot)),
                Column::Slot(Slot::Constant(slot)) => out.push_str(constants.constant(slot)),
                Column::Text(_) => {}
            }
        }
        out.push_str(&skeleton.text[copied..]);
    }

    /// The length of what [`Block::render`] appends, in bytes.
    #[must_use]
    pub fn rendered_len(&self, index: usize) -> usize {
        let row = (self.starts[index + 1] - self.starts[index]) as usize;
        let address = match self.address_column().map(|column| self.source(column)) {
            Some(Source::Row(slot)) => self.row_value(index, slot).len(),
            Some(Source::Fixed(value)) if !self.address_column().is_some_and(|at| self.skeleton.is_inlined(at)) => {
                value.len()
            }
            _ => 0,
        };
        self.skeleton.text.len() + self.starts[0] as usize + row + address
    }

    /// A hash over what [`Block::render`] appends for target `index`.
    #[must_use]
    #[inline]
    pub fn target_hash(&self, block_hash: u64, index: usize) -> u64 {
        let row = &self.text[self.starts[index] as usize..self.starts[index + 1] as usize];
        self.lens.hash(self.row_lens(index), xxh3_64_with_seed(row.as_bytes(), block_hash))
    }

    /// A hash over what all targets of the block share: the seed of [`Block::target_hash`].
    #[must_use]
    pub fn shared_hash(&self) -> u64 {
        let constants = &self.text[..self.starts[0] as usize];
        let seed = xxh3_64_with_seed(constants.as_bytes(), self.skeleton.hash);
        self.lens.hash(0..self.skeleton.constant_slots as usize, seed)
    }

    fn hash(&self) -> u64 {
        let seed = xxh3_64_with_seed(self.text.as_bytes(), self.skeleton.hash ^ self.len() as u64);
        match &self.lens {
            Lens::Bytes(lens) => xxh3_64_with_seed(lens, seed),
            Lens::Words(lens) => lens.iter().fold(seed, |hash, len| xxh3_64(&(hash ^ u64::from(*len)).to_le_bytes())),
        }
    }

    fn row_lens(&self, index: usize) -> std::ops::Range<usize> {
        let width = self.skeleton.row_slots as usize;
        let first = self.skeleton.constant_slots as usize + index * width;
        first..first + width
    }

    #[inline]
    fn row_value(&self, index: usize, slot: usize) -> &str {
        let first = self.row_lens(index).start;
        let start = self.starts[index] as usize + self.lens.sum(first..first + slot);
        &self.text[start..start + self.lens.get(first + slot)]
    }

    fn constant(&self, slot: usize) -> &str {
        let start = self.lens.sum(0..slot);
        &self.text[start..start + self.lens.get(slot)]
    }

    fn heap_bytes(&self) -> usize {
        let own = if Arc::strong_count(&self.skeleton) == 1 { self.skeleton.heap_bytes() } else { 0 };
        self.text.len() + self.lens.heap_bytes() + self.starts.len() * 4 + own
    }
}

/// Reads what the targets of a block share, column after column. Asked in ascending order it never looks back.
#[derive(Debug)]
pub struct Reader<'a> {
    block: &'a Block,
    /// The constant before which it stands, and where that begins.
    slot: usize,
    start: usize,
}

impl<'a> Reader<'a> {
    /// A reader that stands before the first constant.
    #[must_use]
    pub fn new(block: &'a Block) -> Self {
        Self { block, slot: 0, start: 0 }
    }

    /// As [`Block::source`].
    pub fn source(&mut self, column: usize) -> Source<'a> {
        match self.block.skeleton.columns[column].unpack() {
            Column::Slot(Slot::Constant(slot)) => Source::Fixed(self.constant(slot)),
            _ => self.block.source(column),
        }
    }

    fn constant(&mut self, slot: usize) -> &'a str {
        if slot < self.slot {
            (self.slot, self.start) = (0, 0);
        }
        self.start += self.block.lens.sum(self.slot..slot);
        self.slot = slot;
        &self.block.text[self.start..self.start + self.block.lens.get(slot)]
    }
}

/// The text of an escaped value. Borrowed unless it holds an escape.
fn unescape(value: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', value.as_bytes()) else {
        return Cow::Borrowed(value);
    };
    let mut out = String::with_capacity(value.len());
    out.push_str(&value[..first]);
    let mut rest = &value[first..];
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let (escaped, used) = match rest.as_bytes().get(at + 1) {
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b't') => ('\t', 2),
            Some(b'b') => ('\u{8}', 2),
            Some(b'f') => ('\u{c}', 2),
            Some(b'u') => {
                let code = rest.get(at + 2..at + 6).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                (code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
            }
            Some(byte) => (char::from(*byte), 2),
            None => ('\\', 1),
        };
        out.push(escaped);
        rest = rest.get(at + used..).unwrap_or("");
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;
