//! Case mapping, character by character.

use crate::regexp::is_assigned;

/// `text` in lower case by Unicode's simple (one-to-one) mappings (Go: `strings.ToLower`).
#[must_use]
pub fn lowercase(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().map(lower).collect()
}

/// `text` in upper case by Unicode's simple (one-to-one) mappings (Go: `strings.ToUpper`).
#[must_use]
pub fn uppercase(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    text.chars().map(upper).collect()
}

fn lower(char: char) -> char {
    match char {
        '\u{130}' => 'i', // the standard library keeps the dot, as a second character
        _ => simple(char, char.to_lowercase()),
    }
}

fn upper(char: char) -> char {
    let code = u32::from(char);
    let upper = match code {
        // small Greek letters with iota subscript: the standard library writes the iota as a letter of its own
        0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7 => char::from_u32(code + 8),
        0x1fb3 | 0x1fc3 | 0x1ff3 => char::from_u32(code + 9),
        _ => None,
    };
    upper.unwrap_or_else(|| simple(char, char.to_uppercase()))
}

/// What `char` is mapped to, if that is one character and both were characters when Go's tables were made.
fn simple(char: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) if one == char || is_assigned(char) && is_assigned(one) => one,
        _ => char,
    }
}
