//! Byte sizes (alecthomas/units: `bytes.go`): every unit is a power of 1024, `KB` and `KiB` alike.

/// Prefixes from the largest down, with their factor.
const PREFIXES: [(&str, u64); 6] =
    [("E", 1 << 60), ("P", 1 << 50), ("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];

/// 2^63: sizes are an int64 in Go.
const LIMIT: f64 = 9_223_372_036_854_775_808.0;

/// Why a text is no byte size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitError {
    #[error("units: invalid {0}")]
    Invalid(String),
    #[error("units: unknown unit {unit} in {text}")]
    UnknownUnit { unit: String, text: String },
    #[error("units: overflow parsing unit")]
    Overflow,
    /// Go takes it, and then every scrape fails.
    #[error("size {0} is negative")]
    Negative(String),
}

/// Parses `0` or `[+]<number><unit>…`, with one family of units (`KB`… or `KiB`…) per text; fractions are cut to bytes.
///
/// # Errors
/// No unit, an unknown one, both families, no number, 8 EiB or more, or less than nothing.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, UnitError> {
    parse_family(text, "iB").or_else(|_| parse_family(text, "B"))
}

fn parse_family(text: &str, suffix: &str) -> Result<u64, UnitError> {
    let invalid = || UnitError::Invalid(text.to_owned());
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !is_number(c)).unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(is_number).unwrap_or(after.len()));
        let unknown = || UnitError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() };
        if number.is_empty() || number == "." {
            return Err(invalid());
        }
        if number.matches('.').count() > 1 {
            return Err(UnitError::UnknownUnit { unit: String::new(), text: text.to_owned() });
        }
        let number: f64 = number.parse().map_err(|_| invalid())?;
        total += number * factor(unit, suffix).ok_or_else(unknown)? as f64;
        rest = after;
    }
    match total {
        _ if total >= LIMIT => Err(UnitError::Overflow),
        _ if negative && total >= 1.0 => Err(UnitError::Negative(text.to_owned())),
        _ => Ok(total as u64),
    }
}

fn is_number(c: char) -> bool {
    c == '.' || c.is_ascii_digit()
}

fn factor(unit: &str, suffix: &str) -> Option<u64> {
    if unit == "B" {
        return Some(1);
    }
    let prefix = unit.strip_suffix(suffix)?;
    PREFIXES.iter().find(|(name, _)| *name == prefix).map(|(_, factor)| *factor)
}

/// Formats as Go does: whole units from the largest down, zeros left out, `0B` for zero.
#[must_use]
pub(crate) fn format_bytes(bytes: u64) -> String {
    let mut text = String::new();
    let mut rest = bytes;
    for (prefix, factor) in PREFIXES {
        if rest >= factor {
            text.push_str(&format!("{}{prefix}iB", rest / factor));
            rest %= factor;
        }
    }
    if rest > 0 || bytes == 0 {
        text.push_str(&format!("{rest}B"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_formats_like_go() {
        let table = [
            ("0", "0B"),
            ("1KB", "1KiB"),
            ("10MB", "10MiB"),
            ("1.5MiB", "1MiB512KiB"),
            ("1GB1MB", "1GiB1MiB"),
            (".5KB", "512B"),
            ("1025KB", "1MiB1KiB"),
            ("+1B", "1B"),
            ("7EiB", "7EiB"),
            ("0.3B", "0B"),
        ];
        for (text, formatted) in table {
            assert_eq!(format_bytes(parse_bytes(text).unwrap()), formatted, "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        let table = [
            ("", "units: invalid "),
            ("1", "units: unknown unit  in 1"),
            ("1kB", "units: unknown unit kB in 1kB"),
            ("1K", "units: unknown unit K in 1K"),
            ("1Mb", "units: unknown unit Mb in 1Mb"),
            ("1 KB", "units: unknown unit  KB in 1 KB"),
            ("1e3B", "units: unknown unit e in 1e3B"),
            (".B", "units: invalid .B"),
            ("B", "units: invalid B"),
            ("1KB1MiB", "units: unknown unit MiB in 1KB1MiB"),
            ("9EB", "units: overflow parsing unit"),
            ("-1KB", "size -1KB is negative"),
        ];
        for (text, message) in table {
            assert_eq!(parse_bytes(text).unwrap_err().to_string(), message, "{text}");
        }
    }
}
