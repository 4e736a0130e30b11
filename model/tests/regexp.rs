//! The regular expression dialect against Go's; see `testdata/regexp/README.md`.

use serde::Deserialize;
use ta_model::regexp::{Regexp, Template};

#[derive(Deserialize)]
struct Dialect {
    p: String,
    #[serde(default)]
    error: bool,
    #[serde(default)]
    yes: Vec<String>,
    #[serde(default)]
    no: Vec<String>,
}

#[test]
fn every_row_of_the_dialect() {
    let mut wrong = String::new();
    for line in include_str!("../testdata/regexp/dialect.jsonl").lines() {
        let row: Dialect = serde_json::from_str(line).unwrap();
        match (Regexp::new(&row.p), row.error) {
            (Err(_), true) => {}
            (Err(error), false) => wrong += &format!("{:?} is refused: {error}\n", row.p),
            (Ok(_), true) => wrong += &format!("{:?} is accepted\n", row.p),
            (Ok(regexp), false) => {
                for (texts, matches) in [(&row.yes, true), (&row.no, false)] {
                    for text in texts.iter().filter(|text| regexp.is_match(text) != matches) {
                        wrong += &format!("{:?} on {text:?} should be {matches}\n", row.p);
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn class_sum(pattern: &str) -> Option<(u64, u64)> {
    let regexp = Regexp::new(pattern).ok()?;
    let (mut count, mut ranges) = (0, Vec::<(u32, u32)>::new());
    let mut text = [0; 4];
    for char in ('\0'..=char::MAX).filter(|char| regexp.is_match(char.encode_utf8(&mut text))) {
        count += 1;
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == char as u32 => *end += 1,
            _ => ranges.push((char as u32, char as u32)),
        }
    }
    let bytes = ranges.iter().flat_map(|(from, to)| [from.to_le_bytes(), to.to_le_bytes()].concat());
    let fnv =
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    Some((count, fnv))
}

#[derive(Deserialize)]
struct UnicodeClass {
    name: String,
    #[serde(default)]
    error: bool,
    #[serde(default)]
    fold: bool,
    #[serde(default)]
    chars: u64,
    #[serde(default)]
    fnv: String,
}

#[test]
fn every_unicode_class() {
    let mut wrong = String::new();
    for line in include_str!("../testdata/regexp/unicode_classes.jsonl").lines() {
        let row: UnicodeClass = serde_json::from_str(line).unwrap();
        let pattern = format!("{}[\\p{{{}}}]", if row.fold { "(?i)" } else { "" }, row.name);
        let expected = (!row.error).then(|| (row.chars, row.fnv.parse().unwrap()));
        let found = class_sum(&pattern);
        if found != expected {
            wrong += &format!("{pattern}: {found:?} instead of {expected:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn wraps_as_text_and_keeps_what_was_written() {
    let regexp = Regexp::new("a)|(?:b").unwrap();
    assert_eq!(
        (regexp.as_str(), regexp.to_string(), format!("{regexp:?}")),
        ("a)|(?:b", "a)|(?:b".into(), "\"a)|(?:b\"".into())
    );
    assert_eq!(regexp.replace_all("aab", &Template::new("Q")), "QaQ");
}
