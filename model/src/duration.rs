//! Durations: Prometheus' own notation, and Go's.

use std::fmt;
use std::str::FromStr;

use crate::quote::{quote, quote_bytes};

/// A Prometheus duration in whole milliseconds (prometheus/common: `model/time.go`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

/// Why a text is no Prometheus duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing there.
    #[error("empty duration string")]
    Empty,
    /// Not `<digits><unit>…` with units in descending order.
    #[error("not a valid duration string: {}", quote(.0))]
    Invalid(String),
    /// A unit that is none of `y w d h m s ms`.
    #[error("unknown unit {} in duration {}", quote(.unit), quote(.text))]
    UnknownUnit {
        /// The unit found.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// More than 2⁶³-1 nanoseconds.
    #[error("duration out of range")]
    OutOfRange,
}

/// Units from the largest down, in milliseconds; a duration names each at most once and in this order.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Go keeps durations in nanoseconds as an int64.
const MAX_MILLIS: u64 = i64::MAX as u64 / 1_000_000;

impl Duration {
    /// Zero, which most keys read as "not given".
    pub const ZERO: Self = Self(0);

    /// From milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1_000)
    }

    /// In milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// True for zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// As the standard library has it.
    #[must_use]
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }

    /// Parses `0` or `<digits><unit>…`, units in strictly descending order.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let invalid = || DurationError::Invalid(text.to_owned());
        match text {
            "" => return Err(DurationError::Empty),
            "0" => return Ok(Self(0)),
            _ => {}
        }
        let (mut rest, mut total, mut next_unit) = (text, 0_u64, 0);
        while !rest.is_empty() {
            let (digits, after) = split_where(rest, |byte| !byte.is_ascii_digit());
            let count: u64 = digits.parse().map_err(|_| invalid())?;
            let (unit, after) = split_where(after, |byte| byte.is_ascii_digit());
            if unit.is_empty() {
                return Err(invalid());
            }
            let at = UNITS
                .iter()
                .position(|(name, _)| *name == unit)
                .ok_or_else(|| DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() })?;
            if at < next_unit {
                return Err(invalid());
            }
            next_unit = at + 1;
            total = count
                .checked_mul(UNITS[at].1)
                .and_then(|millis| millis.checked_add(total))
                .filter(|millis| *millis <= MAX_MILLIS)
                .ok_or(DurationError::OutOfRange)?;
            rest = after;
        }
        Ok(Self(total))
    }
}

/// Splits before the first byte for which `stop` holds. `stop` only ever holds at character boundaries.
fn split_where(text: &str, stop: impl Fn(u8) -> bool) -> (&str, &str) {
    text.split_at(text.bytes().position(stop).unwrap_or(text.len()))
}

impl FromStr for Duration {
    type Err = DurationError;
    fn from_str(text: &str) -> Result<Self, DurationError> {
        Self::parse(text)
    }
}

impl fmt::Display for Duration {
    /// Years and weeks only where they divide exactly ("90d" reads better than "12w6d"), the rest greedily.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut left = self.0;
        for (unit, millis) in UNITS {
            let exact_only = matches!(unit, "y" | "w");
            if left < millis || exact_only && !left.is_multiple_of(millis) {
                continue;
            }
            write!(f, "{}{unit}", left / millis)?;
            left %= millis;
        }
        Ok(())
    }
}

/// Why a text is no Go duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GoDurationError {
    /// Not a sequence of decimal numbers with units, or beyond 2⁶³ nanoseconds.
    #[error("time: invalid duration {}", quote_bytes(.0))]
    Invalid(String),
    /// A number without unit.
    #[error("time: missing unit in duration {}", quote_bytes(.0))]
    MissingUnit(String),
    /// A unit that is none of `ns us µs ms s m h`.
    #[error("time: unknown unit {} in duration {}", quote_bytes(.unit), quote_bytes(.text))]
    UnknownUnit {
        /// The unit found.
        unit: String,
        /// The whole text.
        text: String,
    },
}

/// Parses a duration as Go's `time.ParseDuration` does, into nanoseconds: `300ms`, `-1.5h`, `1h2m3s`, `0`.
pub fn parse_go_duration(text: &str) -> Result<i64, GoDurationError> {
    let invalid = || GoDurationError::Invalid(text.to_owned());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    match rest {
        "0" => return Ok(0),
        "" => return Err(invalid()),
        _ => {}
    }
    let mut total = 0_u64;
    while !rest.is_empty() {
        let (nanos, after) = go_term(rest, text)?;
        total = total.checked_add(nanos).filter(|total| *total <= 1 << 63).ok_or_else(invalid)?;
        rest = after;
    }
    match (negative, total) {
        (true, total) => Ok((total as i64).wrapping_neg()), // 2⁶³ is its own negative: the smallest i64
        (false, total) => i64::try_from(total).map_err(|_| invalid()),
    }
}

/// Reads one number with its unit at the start of `rest`, of the duration `text`. At most 2⁶³ nanoseconds.
fn go_term<'t>(rest: &'t str, text: &str) -> Result<(u64, &'t str), GoDurationError> {
    let invalid = || GoDurationError::Invalid(text.to_owned());
    let (whole, after) = split_where(rest, |byte| !byte.is_ascii_digit());
    let (fraction, after) = match after.strip_prefix('.') {
        Some(after) => split_where(after, |byte| !byte.is_ascii_digit()),
        None => ("", after),
    };
    let count: u64 = match (whole, fraction) {
        ("", "") => return Err(invalid()),
        ("", _) => 0,
        (whole, _) => whole.parse().ok().filter(|count| *count <= 1 << 63).ok_or_else(invalid)?,
    };
    let (unit, after) = split_where(after, |byte| byte == b'.' || byte.is_ascii_digit());
    if unit.is_empty() {
        return Err(GoDurationError::MissingUnit(text.to_owned()));
    }
    let unit_nanos =
        go_unit(unit).ok_or_else(|| GoDurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() })?;
    let nanos = count.checked_mul(unit_nanos).and_then(|nanos| nanos.checked_add(go_fraction(fraction, unit_nanos)));
    Ok((nanos.filter(|nanos| *nanos <= 1 << 63).ok_or_else(invalid)?, after))
}

/// Nanoseconds of `unit`. `µ` is either of the two characters that look so.
fn go_unit(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// The fraction `0.<digits>` of `nanos`, truncated. Digits beyond what fits 63 bits are ignored, as in Go, and the
/// arithmetic is floating point, as in Go.
fn go_fraction(digits: &str, nanos: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1_f64);
    for digit in digits.bytes().map(|byte| u64::from(byte - b'0')) {
        let Some(next) = value.checked_mul(10).filter(|_| value <= (1 << 63) / 10).map(|tens| tens + digit) else {
            break;
        };
        if next > 1 << 63 {
            break;
        }
        value = next;
        scale *= 10.0;
    }
    (value as f64 * (nanos as f64 / scale)) as u64
}
