//! What targets of one block have in common.

use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The label names of a target, sorted bytewise, each once.
#[derive(Debug)]
pub struct Shape {
    names: Box<[Arc<str>]>,
    hash: u64,
}

impl Shape {
    pub(super) fn new(names: Vec<Arc<str>>) -> Self {
        debug_assert!(names.is_sorted(), "names of a shape are sorted");
        let hash = names.iter().fold(0, |hash, name| xxh3_64_with_seed(name.as_bytes(), hash ^ name.len() as u64));
        Self { names: names.into(), hash }
    }

    /// The names.
    #[must_use]
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The column of the label called `name`.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.names.binary_search_by(|probe| (**probe).cmp(name)).ok()
    }

    /// The number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True if there is no label at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// A hash over the names; the same in every process.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.names == other.names
    }
}

/// Where the values of a label come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// The same for all targets of the block; escaped.
    Fixed(&'a str),
    /// The value with this index in every target's row.
    Row(usize),
}

/// A place in the arena of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Constant number *n*.
    Constant(usize),
    /// Value *n* of the target's row.
    Row(usize),
}

/// How the value of a label is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// In the skeleton's text from here to the closing quote.
    Text(usize),
    /// In the block's arena.
    Slot(Slot),
}

/// A [`Column`] in four bytes: a private skeleton has one for each of its forty names, which at ten targets a group is
/// 17 bytes a target; the plain enum would be 70.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PackedColumn(u32);

impl PackedColumn {
    const CONSTANT: u32 = 1 << 30;
    const ROW: u32 = 2 << 30;
    const VALUE: u32 = (1 << 30) - 1;

    fn new(column: Column) -> Self {
        let (tag, value) = match column {
            Column::Text(start) => (0, start),
            Column::Slot(Slot::Constant(slot)) => (Self::CONSTANT, slot),
            Column::Slot(Slot::Row(slot)) => (Self::ROW, slot),
        };
        debug_assert!(value <= Self::VALUE as usize, "a skeleton's text is below 1 GiB");
        Self(tag | (value as u32 & Self::VALUE))
    }

    pub(super) fn unpack(self) -> Column {
        let value = (self.0 & Self::VALUE) as usize;
        match self.0 & !Self::VALUE {
            0 => Column::Text(value),
            Self::CONSTANT => Column::Slot(Slot::Constant(value)),
            _ => Column::Slot(Slot::Row(value)),
        }
    }
}

/// Text up to `text_end`, then the value in the slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) text_end: u32,
    pub(super) slot: PackedColumn,
}

/// The JSON text of a target with holes.
#[derive(Debug)]
pub(super) struct Skeleton {
    pub(super) shape: Arc<Shape>,
    pub(super) columns: Box<[PackedColumn]>,
    pub(super) text: Box<str>,
    pub(super) pieces: Box<[Piece]>,
    pub(super) constant_slots: u32,
    pub(super) row_slots: u32,
    /// The column of the targets' own address.
    pub(super) address: Option<u32>,
    /// Whether anything in the text is escaped.
    pub(super) escapes: bool,
    pub(super) hash: u64,
}

/// What stands in one column while a skeleton is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hole<'a> {
    /// This escaped text, for good.
    Text(&'a str),
    Constant,
    Row,
}

impl Skeleton {
    /// Draws the skeleton of targets with the names of `shape`. `names` are the same names, escaped.
    /// `address` is the column of the targets' own address.
    pub(super) fn draw<'a>(
        shape: Arc<Shape>,
        names: impl Iterator<Item = &'a str>,
        holes: &[Hole<'_>],
        address: Option<usize>,
    ) -> Self {
        let mut drawing = Drawing { text: String::with_capacity(64 * holes.len()), pieces: Vec::new() };
        let slots = number_slots(holes);
        drawing.text.push_str("{\"targets\":[\"");
        if let Some(column) = address {
            drawing.value(holes[column], slots[column]);
        }
        drawing.text.push_str("\"],\"labels\":{");
        let mut columns = Vec::with_capacity(holes.len());
        for (column, name) in names.enumerate() {
            drawing.text.push_str(if column == 0 { "\"" } else { ",\"" });
            drawing.text.push_str(name);
            drawing.text.push_str("\":\"");
            columns.push(PackedColumn::new(match holes[column] {
                Hole::Text(_) => Column::Text(drawing.text.len()),
                Hole::Constant | Hole::Row => Column::Slot(slots[column]),
            }));
            drawing.value(holes[column], slots[column]);
            drawing.text.push('"');
        }
        drawing.text.push_str("}}");
        let count = |wanted: fn(&Hole<'_>) -> bool| holes.iter().filter(|hole| wanted(hole)).count() as u32;
        Self {
            hash: drawing.hash(),
            escapes: memchr::memchr(b'\\', drawing.text.as_bytes()).is_some(),
            shape,
            columns: columns.into(),
            text: drawing.text.into(),
            pieces: drawing.pieces.into(),
            constant_slots: count(|hole| matches!(hole, Hole::Constant)),
            row_slots: count(|hole| matches!(hole, Hole::Row)),
            address: address.map(|column| column as u32),
        }
    }

    /// The value that begins at `start` of the text and ends before the closing quote.
    pub(super) fn text_value(&self, start: usize) -> &str {
        let bytes = &self.text.as_bytes()[start..];
        if !self.escapes {
            let end = memchr::memchr(b'"', bytes).unwrap_or(bytes.len());
            return &self.text[start..start + end];
        }
        let mut at = 0;
        while let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at..]) {
            at += found;
            if bytes[at] == b'"' {
                break;
            }
            at += 2;
        }
        &self.text[start..start + at]
    }

    /// Whether the value of `column` is part of the text.
    pub(super) fn is_inlined(&self, column: usize) -> bool {
        matches!(self.columns[column].unpack(), Column::Text(_))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + self.text.len()
            + self.columns.len() * size_of::<PackedColumn>()
            + self.pieces.len() * size_of::<Piece>()
    }
}

struct Drawing {
    text: String,
    pieces: Vec<Piece>,
}

impl Drawing {
    /// Over the text and where its holes are: an empty value in the text looks like the place of one.
    fn hash(&self) -> u64 {
        self.pieces.iter().fold(xxh3_64(self.text.as_bytes()), |hash, piece| {
            let (end, slot) = (u64::from(piece.text_end), u64::from(piece.slot.0));
            xxh3_64_with_seed(&(end << 32 | slot).to_le_bytes(), hash)
        })
    }

    fn value(&mut self, hole: Hole<'_>, slot: Slot) {
        match hole {
            Hole::Text(text) => self.text.push_str(text),
            Hole::Constant | Hole::Row => self
                .pieces
                .push(Piece { text_end: self.text.len() as u32, slot: PackedColumn::new(Column::Slot(slot)) }),
        }
    }
}

/// Numbers the constants and the row values in column order; inlined columns get a number nobody reads.
fn number_slots(holes: &[Hole<'_>]) -> Vec<Slot> {
    let (mut constants, mut rows) = (0, 0);
    let mut number = |hole: &Hole<'_>| match hole {
        Hole::Text(_) => Slot::Constant(0),
        Hole::Constant => {
            constants += 1;
            Slot::Constant(constants - 1)
        }
        Hole::Row => {
            rows += 1;
            Slot::Row(rows - 1)
        }
    };
    holes.iter().map(&mut number).collect()
}
