//! Parsed pieces of a pattern, with what is needed to enforce Go's limits.

use regex_syntax::hir::{Class, ClassUnicode, Hir, Repetition};

use super::error::{Fault, RegexpError};
use super::unicode;

/// Levels of nesting (Go: `maxHeight`).
const MAX_HEIGHT: u32 = 1000;
/// Instructions of Go's program: 128 MiB of 40 bytes each (Go: `maxSize`).
const MAX_SIZE: u64 = (128 << 20) / 40;

/// A piece of a pattern.
pub(super) struct Node {
    pub(super) hir: Hir,
    /// The largest product of repeat counts nested in one another.
    pub(super) repeats: u64,
    /// Height of the tree, sequences of literals being one level.
    height: u32,
    /// About the number of instructions in Go's program.
    size: u64,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Literal,
    Concat,
    Alternation,
    Other,
}

/// A repetition operator.
pub(super) struct Repeat {
    min: u64,
    max: Option<u64>,
    pub(super) greedy: bool,
    /// Written with braces.
    pub(super) counted: bool,
}

impl Repeat {
    pub(super) fn new(min: u64, max: Option<u64>) -> Self {
        Self { min, max, greedy: true, counted: false }
    }

    /// Reads `{2}`, `{2,}` or `{2,3}` and its width. Counts too large to matter stay too large.
    pub(super) fn parse_counted(text: &str) -> Option<(Self, usize)> {
        let inner = &text[1..text.find('}')?];
        let (min, max) = match inner.split_once(',') {
            None => (count(inner)?, Some(count(inner)?)),
            Some((min, "")) => (count(min)?, None),
            Some((min, max)) => (count(min)?, Some(count(max)?)),
        };
        Some((Self { min, max, greedy: true, counted: true }, inner.len() + 2))
    }

    pub(super) fn is_in_range(&self) -> bool {
        self.min <= 1000 && self.max.is_none_or(|max| max <= 1000 && self.min <= max)
    }

    pub(super) fn is_above_one(&self) -> bool {
        self.min >= 2 || self.max.is_some_and(|max| max >= 2)
    }

    /// What the operator multiplies nested counts with.
    fn factor(&self) -> u64 {
        self.max.unwrap_or(self.min)
    }
}

/// Decimal digits without leading zero.
fn count(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

impl Node {
    pub(super) fn leaf(hir: Hir) -> Self {
        Self { hir, repeats: 1, height: 1, size: 1, kind: Kind::Other }
    }

    pub(super) fn class(class: ClassUnicode) -> Self {
        Self::leaf(Hir::class(Class::Unicode(class)))
    }

    pub(super) fn literal(char: char, fold_case: bool) -> Self {
        let hir = match fold_case.then(|| unicode::folded_char(char)).flatten() {
            Some(class) => Hir::class(Class::Unicode(class)),
            None => Hir::literal(char.encode_utf8(&mut [0; 4]).as_bytes()),
        };
        Self { kind: Kind::Literal, ..Self::leaf(hir) }
    }

    /// One level on top.
    pub(super) fn wrap(self, wrapper: impl FnOnce(Hir) -> Hir) -> Self {
        Self { hir: wrapper(self.hir), height: self.height + 1, size: self.size + 2, kind: Kind::Other, ..self }
    }

    pub(super) fn concat(mut nodes: Vec<Self>) -> Self {
        if nodes.len() == 1 {
            return nodes.remove(0);
        }
        let literal = !nodes.is_empty() && nodes.iter().all(|node| node.kind == Kind::Literal);
        let (repeats, height, size) = Self::measure(&nodes, Kind::Concat);
        let hir = Hir::concat(nodes.into_iter().map(|node| node.hir).collect());
        match literal {
            true => Self { hir, repeats, height: 1, size, kind: Kind::Literal },
            false => Self { hir, repeats, height, size, kind: Kind::Concat },
        }
    }

    pub(super) fn alternation(mut nodes: Vec<Self>) -> Self {
        if nodes.len() == 1 {
            return nodes.remove(0);
        }
        let (repeats, height, size) = Self::measure(&nodes, Kind::Alternation);
        let size = size + nodes.len() as u64;
        let hir = Hir::alternation(nodes.into_iter().map(|node| node.hir).collect());
        Self { hir, repeats, height, size, kind: Kind::Alternation }
    }

    /// Sums up the parts of a `kind`; parts of the same kind are on its own level.
    fn measure(nodes: &[Self], kind: Kind) -> (u64, u32, u64) {
        let level = |node: &Self| if node.kind == kind { node.height } else { node.height + 1 };
        let repeats = nodes.iter().map(|node| node.repeats).max().unwrap_or(1);
        let height = nodes.iter().map(level).max().unwrap_or(1);
        (repeats, height, nodes.iter().map(|node| node.size).sum::<u64>().max(1))
    }

    pub(super) fn repeat(self, repeat: &Repeat) -> Self {
        let repetition = Repetition {
            min: repeat.min as u32,
            max: repeat.max.map(|max| max as u32),
            greedy: repeat.greedy,
            sub: Box::new(self.hir),
        };
        let repeats = match (repeat.counted, repeat.max) {
            (false, _) => self.repeats,
            (true, Some(0)) => 1, // nothing is repeated, and what is inside does not count
            (true, _) => self.repeats * repeat.factor().max(1),
        };
        let size = match repeat.max {
            _ if !repeat.counted => self.size + 2,
            Some(max) => max * self.size + (max - repeat.min),
            None => (repeat.min * self.size).max(self.size) + 2,
        };
        let hir = Hir::repetition(repetition);
        Self { hir, repeats, height: self.height + 1, size: size.max(1), kind: Kind::Other }
    }

    pub(super) fn check_limits(&self, whole: &str) -> Result<(), RegexpError> {
        if self.height > MAX_HEIGHT {
            return Err(RegexpError::new(Fault::TooDeep, whole));
        }
        if self.size > MAX_SIZE {
            return Err(RegexpError::new(Fault::TooLarge, whole));
        }
        Ok(())
    }
}
