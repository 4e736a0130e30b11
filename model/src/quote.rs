//! Quoting for error messages.

use std::fmt::Write as _;

/// `text` in double quotes, escaped as Go's `%q` does, so that messages read as upstream's.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            ' '..='~' => out.push(char),
            _ => push_beyond_ascii(&mut out, char),
        }
    }
    out.push('"');
    out
}

/// `text` in double quotes as Go's package `time` does it: byte by byte where not printable ASCII.
pub(crate) fn quote_bytes(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=0x7f => out.push(char::from(byte)),
            _ => write!(out, "\\x{byte:02x}").expect("writing to a string cannot fail"),
        }
    }
    out.push('"');
    out
}

fn push_beyond_ascii(out: &mut String, char: char) {
    let code = u32::from(char);
    // combining marks are printable to Go, while Rust escapes them
    let printable = char.is_alphanumeric() || char.escape_debug().len() == 1;
    let written = match code {
        0..=0x1f | 0x7f => write!(out, "\\x{code:02x}"),
        _ if printable => write!(out, "{char}"),
        0..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
    written.expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::{quote, quote_bytes};

    #[test]
    fn quotes_like_go() {
        let cases = [("a\"b\\", r#""a\"b\\""#), ("\u{1}\n\u{7f}", r#""\x01\n\x7f""#), ("é😀", "\"é😀\"")];
        for (text, quoted) in cases.into_iter().chain([("\u{a0}\u{2028}", r#""\u00a0\u2028""#)]) {
            assert_eq!(quote(text), quoted);
        }
        assert_eq!(quote_bytes("µ\n\"\\\u{7f}"), "\"\\xc2\\xb5\\x0a\\\"\\\\\u{7f}\"");
    }
}
