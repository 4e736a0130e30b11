//! What follows a backslash.

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use super::error::{Fault, RegexpError};
use super::unicode;

type Ranges = &'static [(char, char)];

const DIGIT: Ranges = &[('0', '9')];
const SPACE: Ranges = &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')]; // without vertical tab
const WORD: Ranges = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// Reads a class such as `\d` or `\p{Greek}` at the start of `text`; `None` if there is none.
pub(super) fn class_escape(text: &str, fold_case: bool) -> Result<Option<(ClassUnicode, &str)>, RegexpError> {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'\\') || bytes.len() < 2 {
        return Ok(None);
    }
    let (ranges, negated) = match bytes[1] {
        b'p' | b'P' => return unicode_class(text, fold_case).map(Some),
        b'd' => (DIGIT, false),
        b'D' => (DIGIT, true),
        b's' => (SPACE, false),
        b'S' => (SPACE, true),
        b'w' => (WORD, false),
        b'W' => (WORD, true),
        _ => return Ok(None),
    };
    Ok(Some((ascii_class(ranges, negated, fold_case), &text[2..])))
}

/// A class of the given characters. Folded before it is negated, so that `(?i)\W` excludes the Kelvin sign.
pub(super) fn ascii_class(ranges: Ranges, negated: bool, fold_case: bool) -> ClassUnicode {
    let mut class = ClassUnicode::new(ranges.iter().map(|(from, to)| ClassUnicodeRange::new(*from, *to)));
    if fold_case {
        unicode::fold(&mut class);
    }
    if negated {
        class = unicode::negated(&class);
    }
    class
}

/// Reads `\pL`, `\p{Greek}`, `\p{^Greek}`, `\P…`.
fn unicode_class(text: &str, fold_case: bool) -> Result<(ClassUnicode, &str), RegexpError> {
    let mut negated = text.starts_with("\\P");
    let after = &text[2..];
    let (mut name, end) = match after.chars().next() {
        Some('{') => {
            let close = text.find('}').ok_or_else(|| RegexpError::new(Fault::ClassRange, text))?;
            (&text[3..close], close + 1)
        }
        letter => {
            let end = 2 + letter.map_or(0, char::len_utf8);
            (&text[2..end], end)
        }
    };
    if let Some(inverse) = name.strip_prefix('^') {
        negated = !negated;
        name = inverse;
    }
    let class = unicode::property(name, fold_case);
    let mut class = class.ok_or_else(|| RegexpError::new(Fault::ClassRange, &text[..end]))?;
    if negated {
        class = unicode::negated(&class);
    }
    Ok((class, &text[end..]))
}

/// Reads a character such as `\n`, `\x41` or `\.` at the start of `text`. May be a surrogate.
pub(super) fn single_escape(text: &str) -> Result<(u32, &str), RegexpError> {
    let mut rest = text[1..].chars();
    let Some(char) = rest.next() else {
        return Err(RegexpError::new(Fault::TrailingBackslash, ""));
    };
    let code = match char {
        'x' => return hex(text),
        '0' => return Ok(octal(&text[1..])),
        '1'..='7' if rest.as_str().starts_with(|next: char| ('0'..='7').contains(&next)) => {
            return Ok(octal(&text[1..]));
        }
        'a' => '\x07',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        other if other.is_ascii() && !other.is_ascii_alphanumeric() => other,
        _ => return Err(bad_escape(text, rest.as_str())),
    };
    Ok((u32::from(code), rest.as_str()))
}

fn bad_escape(text: &str, rest: &str) -> RegexpError {
    RegexpError::new(Fault::Escape, &text[..text.len() - rest.len()])
}

/// Reads one to three octal digits.
fn octal(digits: &str) -> (u32, &str) {
    let width = digits.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    let (digits, rest) = digits.split_at(width);
    (digits.bytes().fold(0, |code, digit| code * 8 + u32::from(digit - b'0')), rest)
}

/// Reads `\x41` or `\x{1F600}`.
fn hex(text: &str) -> Result<(u32, &str), RegexpError> {
    let mut rest = text[2..].chars();
    let Some(first) = rest.next() else {
        return Err(bad_escape(text, rest.as_str()));
    };
    if first != '{' {
        let second = rest.next();
        let code = first.to_digit(16).zip(second.and_then(|char| char.to_digit(16)));
        let (high, low) = code.ok_or_else(|| bad_escape(text, rest.as_str()))?;
        return Ok((high * 16 + low, rest.as_str()));
    }
    let mut code = None;
    loop {
        match (rest.next(), code) {
            (Some('}'), Some(code)) => return Ok((code, rest.as_str())),
            (Some(char), so_far) => {
                let more = char.to_digit(16).map(|digit| so_far.unwrap_or(0) * 16 + digit);
                code = Some(more.filter(|code| *code <= 0x10_ffff).ok_or_else(|| bad_escape(text, rest.as_str()))?);
            }
            (None, _) => return Err(bad_escape(text, "")),
        }
    }
}
