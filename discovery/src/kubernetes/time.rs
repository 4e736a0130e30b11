//! Times as the API server writes them.

use std::time::{Duration, SystemTime};

/// Reads RFC 3339: `2026-03-01T12:00:00Z`, with a fraction or an offset too. Times before 1970 are 1970. `None`: no time.
pub(crate) fn parse_time(text: &str) -> Option<SystemTime> {
    let bytes = text.as_bytes();
    if bytes.len() < "2026-03-01T12:00:00Z".len() || !text.is_ascii() {
        return None;
    }
    let separators = [(4, b"-"), (7, b"-"), (10, b"T"), (13, b":"), (16, b":")];
    if separators.iter().any(|(at, wanted)| !bytes[*at].eq_ignore_ascii_case(&wanted[0])) {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = &text[from..to];
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, zone) = fraction(&text[19..])?;
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset(zone)?;
    let since = Duration::new(u64::try_from(seconds).unwrap_or(0), nanos);
    Some(SystemTime::UNIX_EPOCH + since)
}

/// The nanoseconds of `.123…` and what comes after.
fn fraction(rest: &str) -> Option<(u32, &str)> {
    let Some(digits) = rest.strip_prefix('.') else { return Some((0, rest)) };
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 {
        return None;
    }
    let nanos: String = digits[..count].chars().chain(std::iter::repeat('0')).take(9).collect();
    Some((nanos.parse().ok()?, &digits[count..]))
}

/// Seconds east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    let two = |digits: &str| (digits.len() == 2).then(|| digits.parse::<u8>().ok())?.map(i64::from);
    Some(sign * (two(hours)? * 3_600 + two(minutes)? * 60))
}

/// Days since 1970-01-01 in the Gregorian calendar; the year is taken to begin in March, so that the leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str) -> Option<u128> {
        parse_time(text).map(|time| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos())
    }

    #[test]
    fn times_read_as_seconds_since_1970() {
        let second = 1_000_000_000;
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-03-01T00:00:01Z", (59 * 86_400 + 1) * second),
            ("2000-02-29T23:59:59Z", 951_868_799 * second),
            ("2026-11-25T21:51:12Z", 1_795_643_472 * second),
            ("2026-11-25t21:51:12.25z", 1_795_643_472 * second + second / 4),
            ("2026-11-25T21:51:12.123456789012Z", 1_795_643_472 * second + 123_456_789),
            ("2026-11-25T23:21:12+01:30", 1_795_643_472 * second),
            ("2026-11-25T20:51:12-01:00", 1_795_643_472 * second),
            ("0001-01-01T00:00:00Z", 0),
        ] {
            assert_eq!(nanos(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "now",
            "2026-11-25",
            "2026-11-25T21:51:12",
            "2026-13-25T21:51:12Z",
            "2026-11-00T21:51:12Z",
            "2026-11-25T24:51:12Z",
            "2026-11-25T21:51:12.Z",
            "2026-11-25T21:51:12+1:00",
            "2026-11-25T21:51:12+0100",
            "+026-11-25T21:51:12Z",
            "2026-11-25 21:51:12Z",
            "2026-11-25T21:51:12Zz",
            "２026-11-25T21:51:12Z",
        ] {
            assert_eq!(nanos(text), None, "{text}");
        }
    }
}
