//! From text to tree: parser events, aliases, merge keys.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::{Document, Entry, Node, Resolved, Scalar, Value};

/// Levels of nesting, aliases followed. Prometheus configs need about ten; decoding is recursive, so this also bounds
/// the stack.
const MAX_DEPTH: usize = 200;

/// What aliases may add to a document, in [`Node::weight`]s: room for about 400,000 nodes, as many as Go lets pass
/// before it counts (yaml.v2: `decode.go`), but never more than 10 times the text for larger documents.
const MIN_ALIAS_WEIGHT: usize = 64 << 20;

/// Text that is not YAML, or YAML made to exhaust memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct YamlError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1.
    pub column: usize,
    pub message: String,
}

/// A key that stands twice in one mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateKey {
    /// Of the later one, which wins.
    pub line: usize,
    pub key: Box<str>,
}

/// Parses the first document of `text`; no document is null.
///
/// Duplicate keys are allowed (the last wins) and listed; merge keys are applied, explicit keys win.
///
/// # Errors
/// Syntax errors, unknown aliases, merges of something else than mappings, keys that are not scalars, and nesting or
/// aliasing beyond what a configuration needs.
pub fn parse(text: &str) -> Result<Document, YamlError> {
    let first = Documents::new(text).next().transpose()?;
    Ok(first.unwrap_or_else(|| Builder::new(0).document()))
}

/// Parses every document of `text`, in order; anchors end with their document.
///
/// # Errors
/// As [`parse`]; what stands before the error is lost with it.
pub fn parse_all(text: &str) -> Result<Vec<Document>, YamlError> {
    Documents::new(text).collect()
}

/// The documents of a text, one by one.
struct Documents<'t> {
    events: Parser<'t, StrInput<'t>>,
    text_len: usize,
}

impl<'t> Documents<'t> {
    fn new(text: &'t str) -> Self {
        let options = granit_parser::options! { emit_comments: false, block_scalar_eof_without_line_feed: true };
        Self { events: Parser::new_from_str_with_options(text, options), text_len: text.len() }
    }

    fn read(&mut self) -> Result<Option<Document>, YamlError> {
        let mut builder = Builder::new(self.text_len);
        for event in self.events.by_ref() {
            let (event, span) = event.map_err(|error| {
                let (line, column) = (error.marker().line(), error.marker().col() + 1);
                YamlError { line, column, message: error.info() }
            })?;
            if builder.event(event, &span)? {
                return Ok(Some(builder.document()));
            }
        }
        Ok(builder.root.is_some().then(|| builder.document()))
    }
}

impl Iterator for Documents<'_> {
    type Item = Result<Document, YamlError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

impl Node {
    /// Rough cost in memory, in bytes, without the children.
    fn weight(&self) -> usize {
        match &self.value {
            Value::Scalar(scalar) => size_of::<Self>() + scalar.text.len(),
            Value::List(_) => size_of::<Self>(),
            Value::Map(entries) => {
                size_of::<Self>() + entries.iter().map(|entry| size_of::<Entry>() + entry.key.text.len()).sum::<usize>()
            }
        }
    }
}

/// A finished node with what it takes to copy it.
#[derive(Clone)]
struct Built {
    node: Node,
    /// Of the whole subtree.
    weight: usize,
    /// 1 for a scalar.
    depth: usize,
}

/// A collection being filled.
struct Open {
    line: usize,
    column: usize,
    anchor: usize,
    weight: usize,
    depth: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, merged: Vec<Entry>, key: Option<(Scalar, usize)> },
}

struct Builder {
    stack: Vec<Open>,
    anchors: HashMap<usize, Built>,
    root: Option<Node>,
    duplicates: Vec<DuplicateKey>,
    alias_weight: usize,
    max_alias_weight: usize,
}

fn fail(span: &Span, message: impl Into<String>) -> YamlError {
    YamlError { line: span.start.line(), column: span.start.col() + 1, message: message.into() }
}

impl Builder {
    fn new(text_len: usize) -> Self {
        Self {
            stack: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            duplicates: Vec::new(),
            alias_weight: 0,
            max_alias_weight: MIN_ALIAS_WEIGHT.max(text_len.saturating_mul(10)),
        }
    }

    fn document(self) -> Document {
        let null = Node { line: 1, column: 1, value: Value::Scalar(Scalar { text: "".into(), quoted: false }) };
        Document { root: self.root.unwrap_or(null), duplicate_keys: self.duplicates }
    }

    /// Takes one event; true once the document is complete.
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<bool, YamlError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = mk_scalar(&text, style, tag.as_deref(), span)?;
                let node = Node { line: span.start.line(), column: span.start.col() + 1, value: Value::Scalar(scalar) };
                let built = Built { weight: node.weight(), node, depth: 1 };
                self.finish(built, anchor, span)?;
            }
            Event::SequenceStart(_, anchor, _) => self.open(anchor, OpenKind::List(Vec::new()), span)?,
            Event::MappingStart(_, anchor, _) => {
                let kind = OpenKind::Map { entries: Vec::new(), merged: Vec::new(), key: None };
                self.open(anchor, kind, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
            Event::Alias(id) => {
                let Some(built) = self.anchors.get(&id) else {
                    return Err(fail(span, "an anchor cannot contain itself"));
                };
                let built = Built::clone(built);
                self.copy(&built, span)?;
                self.finish(built, 0, span)?;
            }
            Event::DocumentEnd => return Ok(true),
            _ => {}
        }
        Ok(false)
    }

    /// Pays for one copy of `built`.
    fn copy(&mut self, built: &Built, span: &Span) -> Result<(), YamlError> {
        self.alias_weight = self.alias_weight.saturating_add(built.weight);
        if self.alias_weight > self.max_alias_weight {
            return Err(fail(span, "anchors and aliases expand to too much; write the repeated part out"));
        }
        Ok(())
    }

    fn open(&mut self, anchor: usize, kind: OpenKind, span: &Span) -> Result<(), YamlError> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(fail(span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let (line, column) = (span.start.line(), span.start.col() + 1);
        self.stack.push(Open { line, column, anchor, weight: 0, depth: 0, kind });
        Ok(())
    }

    fn close(&mut self, span: &Span) -> Result<(), YamlError> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let value = match open.kind {
            OpenKind::List(nodes) => Value::List(nodes),
            OpenKind::Map { entries, merged, .. } => Value::Map(self.unique(entries, merged)),
        };
        let node = Node { line: open.line, column: open.column, value };
        let built = Built { weight: open.weight + node.weight(), node, depth: open.depth + 1 };
        self.finish(built, open.anchor, span)
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, built: Built, anchor: usize, span: &Span) -> Result<(), YamlError> {
        if built.depth + self.stack.len() > MAX_DEPTH {
            return Err(fail(span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        if anchor != 0 {
            self.copy(&built, span)?;
            self.anchors.insert(anchor, built.clone());
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(built.node);
            return Ok(());
        };
        open.weight += built.weight;
        open.depth = open.depth.max(built.depth);
        match &mut open.kind {
            OpenKind::List(nodes) => nodes.push(built.node),
            OpenKind::Map { entries, merged, key } => match key.take() {
                None => *key = Some((into_key(built.node, span)?, span.start.line())),
                Some((name, _)) if is_merge(&name) => merge(built.node, merged, span)?,
                Some((name, line)) => entries.push(Entry { key: name, line, value: built.node }),
            },
        }
        Ok(())
    }

    /// Merged entries first, then explicit ones; the last of one name wins, and only explicit repetitions are reported.
    fn unique(&mut self, entries: Vec<Entry>, merged: Vec<Entry>) -> Vec<Entry> {
        let explicit = entries.len();
        // `10` and `'10'` are two keys until a decoder makes both of them strings
        let identity = |key: &Scalar| (key.text.clone(), key.resolve() == Resolved::Str);
        let mut seen = HashSet::with_capacity(explicit);
        let mut repeated = HashSet::new();
        let mut kept = Vec::with_capacity(explicit + merged.len());
        for (at, entry) in entries.into_iter().rev().chain(merged.into_iter().rev()).enumerate() {
            if seen.insert(identity(&entry.key)) {
                kept.push(entry);
            } else if at < explicit {
                repeated.insert(identity(&entry.key));
            }
        }
        kept.reverse();
        let twice = kept.iter().filter(|entry| repeated.contains(&identity(&entry.key)));
        self.duplicates.extend(twice.map(|entry| DuplicateKey { line: entry.line, key: entry.key.text.clone() }));
        kept
    }
}

fn mk_scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Result<Scalar, YamlError> {
    let plain = style == ScalarStyle::Plain;
    let Some(tag) = tag else {
        return Ok(Scalar { text: text.into(), quoted: !plain });
    };
    let name = tag.to_string();
    let kind = name.strip_prefix("tag:yaml.org,2002:").or_else(|| name.strip_prefix("!!"));
    let meaning = super::resolve::resolve(text);
    let fits = match kind {
        Some("binary") => return Err(fail(span, "!!binary is not supported")),
        Some("null") => meaning == Resolved::Null,
        Some("bool") => matches!(meaning, Resolved::Bool(_)),
        Some("int") => matches!(meaning, Resolved::Int(_) | Resolved::Uint(_)),
        Some("float") => matches!(meaning, Resolved::Int(_) | Resolved::Uint(_) | Resolved::Float(_)),
        // `!!str`, timestamps and private tags: text
        _ => return Ok(Scalar { text: text.into(), quoted: true }),
    };
    if !fits {
        let tag = kind.unwrap_or_default();
        return Err(fail(span, format!("cannot decode {} `{text}` as a !!{tag}", meaning.tag())));
    }
    Ok(Scalar { text: text.into(), quoted: false })
}

fn into_key(node: Node, span: &Span) -> Result<Scalar, YamlError> {
    match node.value {
        Value::Scalar(key) => Ok(key),
        _ => Err(fail(span, "a key must be a scalar, not a list or mapping")),
    }
}

fn is_merge(key: &Scalar) -> bool {
    !key.quoted && &*key.text == "<<"
}

/// Adds the entries of a merge value; of several mappings the first wins.
fn merge(value: Node, merged: &mut Vec<Entry>, span: &Span) -> Result<(), YamlError> {
    let not_a_map = || fail(span, "a merge key (<<) needs a mapping or a list of mappings");
    match value.value {
        Value::Map(entries) => merged.extend(entries),
        Value::List(nodes) => {
            for node in nodes.into_iter().rev() {
                let Value::Map(entries) = node.value else { return Err(not_a_map()) };
                merged.extend(entries);
            }
        }
        Value::Scalar(_) => return Err(not_a_map()),
    }
    Ok(())
}
