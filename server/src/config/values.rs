//! Values as text: one reading for file, environment and flags.

use std::path::PathBuf;
use std::time::Duration;

use super::raw::CollectorEntry;

/// A value of one of our own keys, from its text. The error says what is wanted; the place is the caller's to add.
pub(crate) trait FromText: Sized {
    fn from_text(text: &str) -> Result<Self, String>;
}

/// Reads a boolean as Go's `strconv.ParseBool`.
pub fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("want true or false, not {text:?}")),
    }
}

impl FromText for bool {
    fn from_text(text: &str) -> Result<Self, String> {
        parse_bool(text)
    }
}

impl FromText for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl FromText for PathBuf {
    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("want a path".into()) } else { Ok(text.into()) }
    }
}

impl FromText for usize {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("want a number from 0 up, not {text:?}"))
    }
}

impl FromText for Duration {
    /// Go's notation; a bare number other than 0 is refused rather than taken for nanoseconds.
    fn from_text(text: &str) -> Result<Self, String> {
        let nanos =
            ta_model::parse_go_duration(text).map_err(|error| format!("{error}; write it as 300ms, 10s or 1m30s"))?;
        u64::try_from(nanos).map(Self::from_nanos).map_err(|_| format!("{text} is less than nothing"))
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromText for Size {
    fn from_text(text: &str) -> Result<Self, String> {
        parse_size(text)
            .map(Self)
            .ok_or_else(|| format!("want bytes, as 1048576, 512KiB, 256MiB or 2GiB, not {text:?}"))
    }
}

/// Reads bytes as Go reads `GOMEMLIMIT`: a number, optionally with `B`, `KiB`, `MiB`, `GiB` or `TiB`.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let (number, shift) = match text.strip_suffix('B') {
        None => (text, 0),
        Some(rest) => {
            let unit = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40)];
            let found = unit.iter().find_map(|(unit, shift)| rest.strip_suffix(unit).map(|number| (number, *shift)));
            found.unwrap_or((rest, 0))
        }
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

impl FromText for Vec<CollectorEntry> {
    /// `name`, or `name=node`, separated by commas.
    fn from_text(text: &str) -> Result<Self, String> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Ok(entries
            .map(|entry| {
                let (name, node) = entry.split_once('=').unwrap_or((entry, ""));
                CollectorEntry { name: name.trim().into(), node_name: node.trim().into() }
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_go_reads_its_memory_limit() {
        let cases = [
            ("1024", Some(1024)),
            ("12B", Some(12)),
            ("1KiB", Some(1024)),
            ("256MiB", Some(256 << 20)),
            ("2GiB", Some(2 << 30)),
            ("1TiB", Some(1 << 40)),
            ("0", Some(0)),
            ("", None),
            ("B", None),
            ("1KB", None),
            ("-1", None),
            ("+1", None),
            ("1.5GiB", None),
            ("99999999999TiB", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(parse_size(text), wanted, "{text}");
        }
    }

    #[test]
    fn durations_want_a_unit_and_a_sign_that_makes_sense() {
        assert_eq!(Duration::from_text("1m0.5s"), Ok(Duration::from_millis(60_500)));
        assert_eq!(Duration::from_text("0"), Ok(Duration::ZERO));
        assert!(Duration::from_text("30").unwrap_err().contains("missing unit"));
        assert!(Duration::from_text("-1s").is_err());
        assert!(Duration::from_text("1d").unwrap_err().contains("unknown unit"));
    }

    #[test]
    fn collectors_are_names_with_an_optional_node() {
        let entries = Vec::<CollectorEntry>::from_text("a, b=node-1,,c=").unwrap();
        let pairs: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.node_name.as_str())).collect();
        assert_eq!(pairs, [("a", ""), ("b", "node-1"), ("c", "")]);
    }
}
