//! Replacement texts with references to groups.

use std::fmt;

/// A replacement text, parsed (Go: `Regexp.Expand`).
///
/// `$name`, `${name}` and `$1` stand for groups, `$$` for a dollar. The longest name counts (`$1x` is the group
/// called `1x`); a dollar that starts no reference is itself.
#[derive(Clone)]
pub struct Template {
    text: Box<str>,
    parts: Box<[Part]>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Literal(Box<str>),
    /// A group by number; 0 is the whole match.
    Number(usize),
    /// A group by name.
    Name(Box<str>),
}

impl Template {
    /// Parses `text`. Every text is a template.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(dollar) = rest.find('$') {
            literal.push_str(&rest[..dollar]);
            let after = &rest[dollar + 1..];
            if let Some(after) = after.strip_prefix('$') {
                literal.push('$');
                rest = after;
            } else if let Some((reference, after)) = reference(after) {
                push_literal(&mut parts, &mut literal);
                parts.push(reference);
                rest = after;
            } else {
                literal.push('$');
                rest = after;
            }
        }
        literal.push_str(rest);
        push_literal(&mut parts, &mut literal);
        Self { text: text.into(), parts: parts.into() }
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it always expands to, if it refers to no group.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match &*self.parts {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }
}

fn push_literal(parts: &mut Vec<Part>, literal: &mut String) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal).into()));
    }
}

/// Reads `name` or `{name}` after a dollar.
fn reference(text: &str) -> Option<(Part, &str)> {
    let (name, rest) = match text.strip_prefix('{') {
        Some(braced) => {
            let (name, rest) = split_name(braced);
            (name, rest.strip_prefix('}')?)
        }
        None => split_name(text),
    };
    if name.is_empty() {
        return None;
    }
    Some((number(name).map_or_else(|| Part::Name(name.into()), Part::Number), rest))
}

fn split_name(text: &str) -> (&str, &str) {
    text.split_at(text.find(|char| !super::unicode::is_name_char(char)).unwrap_or(text.len()))
}

/// Reads a group number. Not a number but a name: a leading zero, or ten digits and more.
fn number(name: &str) -> Option<usize> {
    let canonical = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    if !canonical || name.len() > 9 {
        return None;
    }
    name.parse().ok()
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Template {}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}
