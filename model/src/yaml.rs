//! YAML 1.1 as Go reads it (gopkg.in/yaml.v2), with source positions.
//!
//! [`parse()`] gives a tree that still knows how every scalar was written; [`Decoder`] turns it into typed values,
//! goes on after an error, and so reports everything that is wrong with a file at once.

mod decode;
mod durations;
mod emit;
mod parse;
mod resolve;
mod suggest;
mod values;

use std::borrow::Cow;

pub use decode::{Decoder, Dialect, Fields, Problem, Problems, Strings};
pub use durations::GoDuration;
pub use emit::emit;
pub use parse::{DuplicateKey, YamlError, parse, parse_all};
pub use resolve::{Resolved, format_float};
pub use suggest::suggest;
pub use values::Decode;

/// The first document of a YAML text.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub root: Node,
    /// Keys that stood twice in one mapping. The tree holds the last one.
    pub duplicate_keys: Vec<DuplicateKey>,
}

/// A value and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    pub value: Value,
}

/// What a node holds. Aliases and merge keys are already resolved.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In source order, merged entries first; keys are unique as written.
    Map(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: Scalar,
    /// Where the key stands.
    pub line: usize,
    pub value: Node,
}

/// A scalar as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text after escapes and folding.
    pub text: Box<str>,
    /// Quoted, a block scalar or tagged `!!str`: a string, whatever it looks like.
    pub quoted: bool,
}

impl Scalar {
    /// What the scalar means by YAML 1.1.
    #[must_use]
    pub fn resolve(&self) -> Resolved {
        if self.quoted { Resolved::Str } else { resolve::resolve(&self.text) }
    }

    /// The text a string field sees.
    #[must_use]
    pub fn string(&self, strings: Strings) -> Cow<'_, str> {
        match strings {
            Strings::AsWritten => Cow::Borrowed(&self.text),
            Strings::RoundTripped => self.resolve().canonical(&self.text),
        }
    }
}

impl Node {
    /// True for `null`, `~` or nothing at all.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.resolve() == Resolved::Null)
    }

    /// The value of `key`, if this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|entry| &*entry.key.text == key).map(|entry| &entry.value)
    }
}
