//! From tree to text: block style, for people to read and for any YAML reader to take.

use super::{Node, Resolved, Scalar, Value, resolve};

/// Writes `node` as one document, lists of mappings in the compact form (`- key: value`).
#[must_use]
pub fn emit(node: &Node) -> String {
    let mut out = String::new();
    match &node.value {
        Value::Scalar(scalar) => push_scalar(&mut out, scalar, 0),
        Value::List(nodes) if nodes.is_empty() => out.push_str("[]"),
        Value::Map(entries) if entries.is_empty() => out.push_str("{}"),
        value => push_block(&mut out, value, 0),
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// Writes a list or mapping with something in it; the first line is indented already.
fn push_block(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Scalar(scalar) => push_scalar(out, scalar, indent),
        Value::List(nodes) => {
            for (at, node) in nodes.iter().enumerate() {
                push_line_start(out, at, indent);
                out.push_str("- ");
                push_inline_or_block(out, &node.value, indent + 2);
            }
        }
        Value::Map(entries) => {
            for (at, entry) in entries.iter().enumerate() {
                push_line_start(out, at, indent);
                push_scalar(out, &entry.key, indent);
                out.push(':');
                match &entry.value.value {
                    Value::List(nodes) if !nodes.is_empty() => {
                        out.push('\n');
                        out.extend(std::iter::repeat_n(' ', indent));
                        push_block(out, &entry.value.value, indent);
                    }
                    Value::Map(inner) if !inner.is_empty() => {
                        out.push('\n');
                        out.extend(std::iter::repeat_n(' ', indent + 2));
                        push_block(out, &entry.value.value, indent + 2);
                    }
                    value => {
                        out.push(' ');
                        push_inline_or_block(out, value, indent + 2);
                    }
                }
            }
        }
    }
}

fn push_line_start(out: &mut String, at: usize, indent: usize) {
    if at == 0 {
        return;
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out.extend(std::iter::repeat_n(' ', indent));
}

fn push_inline_or_block(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::List(nodes) if nodes.is_empty() => out.push_str("[]"),
        Value::Map(entries) if entries.is_empty() => out.push_str("{}"),
        value => push_block(out, value, indent),
    }
}

fn push_scalar(out: &mut String, scalar: &Scalar, indent: usize) {
    let text = &*scalar.text;
    if !scalar.quoted {
        out.push_str(if text.is_empty() { "null" } else { text });
    } else if is_plain(text) {
        out.push_str(text);
    } else if is_literal(text) && indent > 0 {
        push_literal(out, text, indent);
    } else {
        out.push_str(&serde_json::Value::from(text).to_string()); // JSON strings are YAML strings
    }
}

/// Text that is the same string without quotes, to every reader.
fn is_plain(text: &str) -> bool {
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/');
    let rest = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte));
    first && rest && resolve::resolve(text) == Resolved::Str
}

/// Lines that read better one below the other (certificates).
fn is_literal(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\n', '\t'])
        && body.chars().all(|c| c == '\n' || c.is_ascii_graphic() || c == ' ')
}

fn push_literal(out: &mut String, text: &str, indent: usize) {
    out.push_str(if text.ends_with('\n') { "|\n" } else { "|-\n" });
    for line in text.lines() {
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(line);
        }
        out.push('\n');
    }
}
