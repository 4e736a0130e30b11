//! Bracketed classes: `[a-z]`, `[^[:alpha:]\d]`.

use regex_syntax::hir::ClassUnicode;

use super::error::{Fault, RegexpError};
use super::escape::{ascii_class, class_escape, single_escape};
use super::unicode;

/// The classes that POSIX names, ASCII only.
const POSIX: [(&str, &[(char, char)]); 14] = [
    ("alnum", &[('0', '9'), ('A', 'Z'), ('a', 'z')]),
    ("alpha", &[('A', 'Z'), ('a', 'z')]),
    ("ascii", &[('\0', '\x7f')]),
    ("blank", &[('\t', '\t'), (' ', ' ')]),
    ("cntrl", &[('\0', '\x1f'), ('\x7f', '\x7f')]),
    ("digit", &[('0', '9')]),
    ("graph", &[('!', '~')]),
    ("lower", &[('a', 'z')]),
    ("print", &[(' ', '~')]),
    ("punct", &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
    ("space", &[('\t', '\r'), (' ', ' ')]),
    ("upper", &[('A', 'Z')]),
    ("word", &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]),
    ("xdigit", &[('0', '9'), ('A', 'F'), ('a', 'f')]),
];

/// Reads the class at the start of `text`, which starts with `[`, and gives what follows it.
pub(super) fn bracketed(text: &str, fold_case: bool) -> Result<(ClassUnicode, &str), RegexpError> {
    let (negated, mut rest) = match text[1..].strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, &text[1..]),
    };
    let (mut class, mut first) = (ClassUnicode::empty(), true);
    // a `]` right at the start is a member
    while first || !rest.starts_with(']') {
        first = false;
        let named = match posix_class(rest, fold_case)? {
            Some(named) => Some(named),
            None => class_escape(rest, fold_case)?,
        };
        if let Some((named, after)) = named {
            class.union(&named);
            rest = after;
            continue;
        }
        let (mut range, after) = range(rest, text)?;
        if fold_case {
            unicode::fold(&mut range);
        }
        class.union(&range);
        rest = after;
    }
    if negated {
        class = unicode::negated(&class);
    }
    Ok((class, &rest[1..]))
}

/// Reads `[:alpha:]` or `[:^alpha:]`.
fn posix_class(text: &str, fold_case: bool) -> Result<Option<(ClassUnicode, &str)>, RegexpError> {
    let Some((name, rest)) = text.strip_prefix("[:").and_then(|inner| inner.split_once(":]")) else {
        return Ok(None);
    };
    let (negated, plain) = match name.strip_prefix('^') {
        Some(plain) => (true, plain),
        None => (false, name),
    };
    match POSIX.iter().find(|(known, _)| *known == plain) {
        Some((_, ranges)) => Ok(Some((ascii_class(ranges, negated, fold_case), rest))),
        None => Err(RegexpError::new(Fault::ClassRange, &text[..name.len() + 4])),
    }
}

/// Reads `a` or `a-z`. A dash before the closing bracket is a member.
fn range<'t>(text: &'t str, whole: &'t str) -> Result<(ClassUnicode, &'t str), RegexpError> {
    let (low, mut rest) = member(text, whole)?;
    let mut high = low;
    if rest.len() >= 2 && rest.starts_with('-') && !rest.starts_with("-]") {
        (high, rest) = member(&rest[1..], whole)?;
        if high < low {
            return Err(RegexpError::new(Fault::ClassRange, &text[..text.len() - rest.len()]));
        }
    }
    Ok((unicode::code_points(low, high), rest))
}

fn member<'t>(text: &'t str, whole: &'t str) -> Result<(u32, &'t str), RegexpError> {
    match text.chars().next() {
        None => Err(RegexpError::new(Fault::MissingBracket, whole)),
        Some('\\') => single_escape(text),
        Some(char) => Ok((u32::from(char), &text[char.len_utf8()..])),
    }
}
