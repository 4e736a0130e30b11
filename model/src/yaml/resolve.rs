//! What a plain scalar means (go-yaml v2: `resolve.go`).

use std::borrow::Cow;

/// The meaning of a scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resolved {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    Uint(u64),
    Float(f64),
    /// Anything else. Timestamps and base-60 numbers too: Go keeps their text.
    Str,
}

impl Resolved {
    /// The tag in Go's error messages.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Int(_) | Self::Uint(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Str => "!!str",
        }
    }

    /// The text after a trip through Go's generic tree and back to YAML, for a scalar that read `text`.
    pub(crate) fn canonical(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Null | Self::Str => Cow::Borrowed(text),
            Self::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
            Self::Int(value) => Cow::Owned(value.to_string()),
            Self::Uint(value) => Cow::Owned(value.to_string()),
            Self::Float(value) => Cow::Owned(format_float(value)),
        }
    }
}

/// Resolves the text of a plain (unquoted) scalar.
pub(crate) fn resolve(text: &str) -> Resolved {
    match text.as_bytes().first() {
        None => Resolved::Null,
        Some(b'0'..=b'9' | b'+' | b'-') => resolve_number(text),
        Some(b'.') => resolve_dot(text),
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => resolve_word(text),
        _ => Resolved::Str,
    }
}

fn resolve_word(text: &str) -> Resolved {
    match text {
        "~" | "null" | "Null" | "NULL" => Resolved::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Resolved::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Resolved::Bool(false),
        _ => Resolved::Str,
    }
}

fn resolve_dot(text: &str) -> Resolved {
    match text {
        ".nan" | ".NaN" | ".NAN" => Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" => Resolved::Float(f64::INFINITY),
        _ => resolve_float(text),
    }
}

fn resolve_number(text: &str) -> Resolved {
    match text {
        "+.inf" | "+.Inf" | "+.INF" => return Resolved::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Resolved::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let plain: Cow<'_, str> = if text.contains('_') { text.replace('_', "").into() } else { text.into() };
    resolve_integer(&plain).unwrap_or_else(|| resolve_float(&plain))
}

/// Go's `strconv.ParseInt` and then `ParseUint`, base 0: the prefix decides the base, a bare leading zero is octal.
fn resolve_integer(text: &str) -> Option<Resolved> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None; // a second sign would be accepted below
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    if negative {
        return 0i64.checked_sub_unsigned(magnitude).map(Resolved::Int);
    }
    match i64::try_from(magnitude) {
        Ok(value) => Some(Resolved::Int(value)),
        // ParseUint takes no sign
        Err(_) => (!text.starts_with('+')).then_some(Resolved::Uint(magnitude)),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, within range.
fn resolve_float(text: &str) -> Resolved {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c == '.' || c.is_ascii_digit()) {
        return Resolved::Str; // "infinity", "nan": floats for Rust, not for YAML
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Resolved::Float(value),
        _ => Resolved::Str,
    }
}

/// A float as Go's `strconv.FormatFloat(f, 'g', -1, 64)` prints it, in YAML's spelling: shortest digits, with an exponent
/// below 1e-4 and from 1e6 (`1e+06`, `1.2345675e+06`).
#[must_use]
pub fn format_float(value: f64) -> String {
    if value.is_nan() {
        return ".nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf".into() } else { "-.inf".into() };
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}
