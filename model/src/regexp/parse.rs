//! Go's grammar of regular expressions (`regexp/syntax`, flags `Perl`), read into a `regex-syntax` HIR.
//!
//! A parser of our own because the dialects differ in what they accept *and* in what the same text means; the HIR
//! below both is the same.

use regex_syntax::hir::{Capture, Dot, Hir, Look};

use super::class;
use super::error::{Fault, RegexpError};
use super::escape::{self, single_escape};
use super::node::{Node, Repeat};

/// A parsed pattern.
pub(super) struct Ast {
    pub(super) hir: Hir,
    /// Number of capturing groups, without the whole match.
    pub(super) groups: usize,
    /// Named groups in order; a name may occur more than once.
    pub(super) names: Vec<(Box<str>, usize)>,
}

/// Flags in force.
#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    /// `i`
    pub(super) fold_case: bool,
    /// `m`: `^` and `$` match at line boundaries.
    multi_line: bool,
    /// `s`: `.` matches a line feed.
    dot_newline: bool,
    /// `U`: repetitions are non-greedy unless followed by `?`.
    swap_greed: bool,
}

/// An open group, or the pattern as a whole.
struct Frame {
    /// In force again after the group.
    outer: Flags,
    capture: Option<usize>,
    alternatives: Vec<Node>,
    sequence: Vec<Node>,
}

impl Frame {
    fn new(outer: Flags, capture: Option<usize>) -> Self {
        Self { outer, capture, alternatives: Vec::new(), sequence: Vec::new() }
    }

    fn next_alternative(&mut self) {
        let sequence = std::mem::take(&mut self.sequence);
        self.alternatives.push(Node::concat(sequence));
    }

    fn close(mut self) -> Node {
        self.next_alternative();
        let node = Node::alternation(self.alternatives);
        match self.capture {
            Some(index) => {
                node.wrap(|sub| Hir::capture(Capture { index: index as u32, name: None, sub: Box::new(sub) }))
            }
            None => node,
        }
    }
}

pub(super) struct Parser<'t> {
    whole: &'t str,
    rest: &'t str,
    flags: Flags,
    open: Vec<Frame>,
    current: Frame,
    groups: usize,
    names: Vec<(Box<str>, usize)>,
    /// The text from the repetition operator just read on, if the last thing read was one.
    last_repeat: Option<&'t str>,
}

/// Parses `pattern` (which is the wrapped text, if it is to be wrapped).
pub(super) fn parse(pattern: &str) -> Result<Ast, RegexpError> {
    let mut parser = Parser {
        whole: pattern,
        rest: pattern,
        flags: Flags::default(),
        open: Vec::new(),
        current: Frame::new(Flags::default(), None),
        groups: 0,
        names: Vec::new(),
        last_repeat: None,
    };
    while let Some(next) = parser.rest.chars().next() {
        let repeat_before = parser.last_repeat.take();
        parser.step(next, repeat_before)?;
    }
    if !parser.open.is_empty() {
        return Err(RegexpError::new(Fault::MissingParen, pattern));
    }
    let node = parser.current.close();
    node.check_limits(pattern)?;
    Ok(Ast { hir: node.hir, groups: parser.groups, names: parser.names })
}

impl<'t> Parser<'t> {
    fn step(&mut self, next: char, repeat_before: Option<&'t str>) -> Result<(), RegexpError> {
        match next {
            '(' if self.rest.starts_with("(?") => return self.perl_group(),
            '(' => {
                self.skip(1);
                self.groups += 1;
                self.open_group(Some(self.groups));
            }
            '|' => {
                self.skip(1);
                self.current.next_alternative();
            }
            ')' => return self.close_group(),
            '^' => self.look(if self.flags.multi_line { Look::StartLF } else { Look::Start }, 1),
            '$' => self.look(if self.flags.multi_line { Look::EndLF } else { Look::End }, 1),
            '.' => {
                self.skip(1);
                let dot = if self.flags.dot_newline { Dot::AnyChar } else { Dot::AnyCharExceptLF };
                self.push(Node::leaf(Hir::dot(dot)));
            }
            '[' => {
                let (class, rest) = class::bracketed(self.rest, self.flags.fold_case)?;
                self.push(Node::class(class));
                self.rest = rest;
            }
            '*' => return self.repeat(Repeat::new(0, None), 1, repeat_before),
            '+' => return self.repeat(Repeat::new(1, None), 1, repeat_before),
            '?' => return self.repeat(Repeat::new(0, Some(1)), 1, repeat_before),
            '{' => return self.counted(repeat_before),
            '\\' => return self.escape(),
            char => {
                self.skip(char.len_utf8());
                self.literal(char);
            }
        }
        Ok(())
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn push(&mut self, node: Node) {
        self.current.sequence.push(node);
    }

    fn literal(&mut self, char: char) {
        let node = Node::literal(char, self.flags.fold_case);
        self.push(node);
    }

    fn look(&mut self, look: Look, width: usize) {
        self.skip(width);
        self.push(Node::leaf(Hir::look(look)));
    }

    fn open_group(&mut self, capture: Option<usize>) {
        let outer = std::mem::replace(&mut self.current, Frame::new(self.flags, capture));
        self.open.push(outer);
    }

    fn close_group(&mut self) -> Result<(), RegexpError> {
        let Some(outer) = self.open.pop() else {
            return Err(RegexpError::new(Fault::UnexpectedParen, self.whole));
        };
        self.skip(1);
        let group = std::mem::replace(&mut self.current, outer);
        self.flags = group.outer;
        let node = group.close();
        node.check_limits(self.whole)?;
        self.push(node);
        Ok(())
    }

    /// `\…` outside a class.
    fn escape(&mut self) -> Result<(), RegexpError> {
        match self.rest.as_bytes().get(1) {
            Some(b'A') => self.look(Look::Start, 2),
            Some(b'z') => self.look(Look::End, 2),
            Some(b'b') => self.look(Look::WordAscii, 2),
            Some(b'B') => self.look(Look::WordAsciiNegate, 2),
            Some(b'Q') => {
                let quoted = &self.rest[2..];
                let (literal, rest) = quoted.split_once("\\E").unwrap_or((quoted, ""));
                literal.chars().for_each(|char| self.literal(char));
                self.rest = rest;
            }
            _ => {
                if let Some((class, rest)) = escape::class_escape(self.rest, self.flags.fold_case)? {
                    self.push(Node::class(class));
                    self.rest = rest;
                } else {
                    let (code, rest) = single_escape(self.rest)?;
                    self.rest = rest;
                    match char::from_u32(code) {
                        Some(char) => self.literal(char),
                        None => self.push(Node::leaf(Hir::fail())), // a surrogate: no text has it
                    }
                }
            }
        }
        Ok(())
    }

    /// `{…}`: a repetition if it reads as one, a literal brace otherwise.
    fn counted(&mut self, repeat_before: Option<&'t str>) -> Result<(), RegexpError> {
        let Some((repeat, width)) = Repeat::parse_counted(self.rest) else {
            self.skip(1);
            self.literal('{');
            return Ok(());
        };
        if !repeat.is_in_range() {
            return Err(RegexpError::new(Fault::RepeatCount, &self.rest[..width]));
        }
        self.repeat(repeat, width, repeat_before)
    }

    fn repeat(&mut self, mut repeat: Repeat, width: usize, repeat_before: Option<&'t str>) -> Result<(), RegexpError> {
        let before = self.rest;
        self.skip(width);
        repeat.greedy = !self.flags.swap_greed;
        if self.rest.starts_with('?') {
            self.skip(1);
            repeat.greedy = !repeat.greedy;
        }
        let upto_here = |from: &'t str| &from[..from.len() - self.rest.len()];
        if let Some(previous) = repeat_before {
            return Err(RegexpError::new(Fault::NestedRepeat, upto_here(previous)));
        }
        let Some(sub) = self.current.sequence.pop() else {
            return Err(RegexpError::new(Fault::NothingToRepeat, upto_here(before)));
        };
        let node = sub.repeat(&repeat);
        node.check_limits(self.whole)?;
        if repeat.counted && repeat.is_above_one() && node.repeats > 1000 {
            return Err(RegexpError::new(Fault::RepeatCount, upto_here(before)));
        }
        self.last_repeat = Some(before);
        self.push(node);
        Ok(())
    }

    /// `(?…`: a named group, flags, or a group with flags.
    fn perl_group(&mut self) -> Result<(), RegexpError> {
        let text = self.rest;
        let named = if text.len() > 4 && text.starts_with("(?P<") {
            Some(4)
        } else if text.len() > 3 && text.starts_with("(?<") {
            Some(3)
        } else {
            None
        };
        match named {
            Some(from) => self.named_group(from),
            None => self.flags_group(),
        }
    }

    fn named_group(&mut self, from: usize) -> Result<(), RegexpError> {
        let text = self.rest;
        let Some(end) = text.find('>') else {
            return Err(RegexpError::new(Fault::NamedCapture, text));
        };
        let name = text.get(from..end).unwrap_or("");
        if name.is_empty() || !name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {
            return Err(RegexpError::new(Fault::NamedCapture, &text[..=end]));
        }
        self.skip(end + 1);
        self.groups += 1;
        self.names.push((name.into(), self.groups));
        self.open_group(Some(self.groups));
        Ok(())
    }

    fn flags_group(&mut self) -> Result<(), RegexpError> {
        let text = self.rest;
        let mut flags = self.flags;
        // None before a `-`, then whether a flag followed it
        let mut negated = None;
        for (at, char) in text.char_indices().skip(2) {
            let on = negated.is_none();
            match char {
                'i' => flags.fold_case = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_newline = on,
                'U' => flags.swap_greed = on,
                '-' if on => {
                    negated = Some(false);
                    continue;
                }
                ':' | ')' if negated != Some(false) => {
                    self.skip(at + 1);
                    if char == ':' {
                        self.open_group(None);
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => return Err(RegexpError::new(Fault::PerlSyntax, &text[..at + char.len_utf8()])),
            }
            negated = negated.map(|_| true);
        }
        Err(RegexpError::new(Fault::PerlSyntax, text))
    }
}
