//! Durations against Prometheus' and Go's own results; see `testdata/duration/README.md`.

use proptest::prelude::*;
use serde::Deserialize;
use ta_model::{Duration, DurationError, parse_go_duration};

#[test]
fn formats_as_prometheus_does() {
    let pairs = "0→0s 0m→0s 01s→1s 90s→1m30s 60s→1m 90m→1h30m 3600s→1h 86400s→1d 7d→1w 8d→8d 1w1d→8d 365d→1y \
        366d→366d 52w→52w 1y1w→372d 2y→2y 1500ms→1s500ms 1m0s→1m 1d12h→1d12h 10000h→416d16h 106751d→106751d \
        5m30s10ms→5m30s10ms";
    for (text, formatted) in pairs.split_whitespace().map(|pair| pair.split_once('→').unwrap()) {
        assert_eq!(Duration::parse(text).unwrap().to_string(), formatted, "{text}");
    }
}

#[test]
fn refuses_what_prometheus_refuses() {
    let invalid = ["1", "00", "-1s", " 1s", "1m1m", "1s1m", "1h1d"];
    for text in invalid {
        assert_eq!(Duration::parse(text), Err(DurationError::Invalid(text.to_owned())), "{text}");
    }
    let message = |text: &str| Duration::parse(text).unwrap_err().to_string();
    assert_eq!(message(""), "empty duration string");
    assert_eq!(message("1us"), "unknown unit \"us\" in duration \"1us\"");
    assert_eq!(message("1S"), "unknown unit \"S\" in duration \"1S\"");
    assert_eq!(message("1 s"), "unknown unit \" s\" in duration \"1 s\"");
    assert_eq!(message("1.5s"), "unknown unit \".\" in duration \"1.5s\"");
    assert_eq!(message("293y"), "duration out of range");
    assert_eq!(message("9223372036854775807ms"), "duration out of range");
    assert_eq!(Duration::parse("292y").unwrap().as_millis(), 292 * 365 * 86_400_000);
}

#[test]
fn go_durations() {
    let cases = [
        ("300ms", 300_000_000),
        ("1h2m3s", 3_723_000_000_000),
        ("1.5s", 1_500_000_000),
        ("-1s", -1_000_000_000),
        ("0", 0),
        ("100us", 100_000),
        ("1µs", 1_000),
        ("-9223372036854775808ns", i64::MIN),
    ];
    for (text, nanos) in cases {
        assert_eq!(parse_go_duration(text), Ok(nanos), "{text}");
    }
    let message = |text: &str| parse_go_duration(text).unwrap_err().to_string();
    assert_eq!(message("1d"), "time: unknown unit \"d\" in duration \"1d\"");
    assert_eq!(message("1"), "time: missing unit in duration \"1\"");
    assert_eq!(message(""), "time: invalid duration \"\"");
    assert_eq!(message("9223372036854775808ns"), "time: invalid duration \"9223372036854775808ns\"");
}

#[derive(Deserialize)]
struct Row {
    s: String,
    ms: Option<u64>,
    text: Option<String>,
    perr: Option<String>,
    ns: Option<String>,
    gerr: Option<String>,
}

#[test]
fn random_texts() {
    for line in include_str!("../testdata/duration/random.jsonl").lines() {
        let row: Row = serde_json::from_str(line).unwrap();
        match Duration::parse(&row.s) {
            Ok(duration) => {
                assert_eq!(Some(duration.as_millis()), row.ms, "{:?}", row.s);
                assert_eq!(Some(duration.to_string()), row.text, "{:?}", row.s);
            }
            Err(error) => assert_eq!(Some(error.to_string()), row.perr, "{:?}", row.s),
        }
        match parse_go_duration(&row.s) {
            Ok(nanos) => assert_eq!(Some(nanos.to_string()), row.ns, "{:?}", row.s),
            Err(error) => assert_eq!(Some(error.to_string()), row.gerr, "{:?}", row.s),
        }
    }
}

proptest! {
    #[test]
    fn formatting_round_trips(millis in 0_u64..=9_223_372_036_854) {
        let duration = Duration::from_millis(millis);
        prop_assert_eq!(Duration::parse(&duration.to_string()), Ok(duration));
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = (Duration::parse(&text).is_ok(), parse_go_duration(&text).is_ok());
    }
}
