//! The regular expression dialect against Go's; see `testdata/regexp/README.md`.

use proptest::prelude::*;
use serde::Deserialize;
use ta_model::regexp::{Kind, Regexp, Template};

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

/// Every character that is in some class and not in all of its plane.
fn all_characters() -> String {
    ('\0'..='\u{32fff}').chain('\u{e0000}'..='\u{e0fff}').collect()
}

/// Number of characters in a class and a checksum of its ranges.
fn class_sum(class: &str, fold_case: bool, all: &str) -> Option<(u64, u64)> {
    let flag = if fold_case { "i" } else { "" };
    // the middle alternative is not anchored: what is not in the class goes
    let others = Regexp::new(&format!("-)|(?{flag}:[^{class}]+)|(?:-")).ok()?;
    let (mut count, mut ranges) = (0, Vec::<(u32, u32)>::new());
    for char in others.replace_all(all, &Template::new("")).chars() {
        count += 1;
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == char as u32 => *end += 1,
            _ => ranges.push((char as u32, char as u32)),
        }
    }
    let bytes = ranges.iter().flat_map(|(from, to)| [from.to_le_bytes(), to.to_le_bytes()].concat());
    let fnv = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    Some((count, bytes.fold(0xcbf2_9ce4_8422_2325, fnv)))
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
    let all = all_characters();
    let mut wrong = String::new();
    for line in include_str!("../testdata/regexp/unicode_classes.jsonl").lines() {
        let row: UnicodeClass = serde_json::from_str(line).unwrap();
        let class = format!("\\p{{{}}}", row.name);
        let expected = (!row.error).then(|| (row.chars, row.fnv.parse().unwrap()));
        let found = class_sum(&class, row.fold, &all);
        if found != expected {
            wrong += &format!("{class}, fold {}: {found:?} instead of {expected:?}\n", row.fold);
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

#[derive(Deserialize)]
struct Random {
    p: String,
    error: Option<String>,
    #[serde(default)]
    tests: Vec<(String, String, bool, String, String, String)>,
}

#[test]
fn random_patterns() {
    for line in include_str!("../testdata/regexp/random.jsonl").lines() {
        let row: Random = serde_json::from_str(line).unwrap();
        let regexp = Regexp::new(&row.p);
        assert_eq!(regexp.as_ref().err().map(ToString::to_string), row.error, "{:?}", row.p);
        let Ok(regexp) = regexp else { continue };
        for (text, template, matches, expanded, replaced, replacement) in row.tests {
            let name = format!("{:?} on {text:?}", row.p);
            let mut out = String::new();
            assert_eq!(regexp.is_match(&text), matches, "{name}");
            assert_eq!(regexp.expand(&text, &Template::new(&template), &mut out), matches, "{name}");
            assert_eq!(out, expanded, "{name}, {template:?}");
            assert_eq!(regexp.replace_all(&text, &Template::new(&replacement)), replaced, "{name}, {replacement:?}");
        }
    }
}

fn mk_literals(texts: &[&str]) -> Kind {
    Kind::Literals(texts.iter().map(|text| Box::from(*text)).collect())
}

fn mk_affix(prefix: &str, suffix: &str, non_empty: bool) -> Kind {
    Kind::Affix { prefix: prefix.into(), suffix: suffix.into(), non_empty }
}

#[test]
fn simple_patterns_are_known_as_such() {
    let cases = [
        ("(.*)", Kind::Any),
        (".*", Kind::Any),
        (".+", Kind::NonEmpty),
        ("(.+?)", Kind::NonEmpty),
        ("", mk_literals(&[""])),
        ("true", mk_literals(&["true"])),
        ("b|a|(?:c)", mk_literals(&["a", "b", "c"])),
        ("(https?);true", mk_literals(&["http;true", "https;true"])),
        ("\\Qa.b\\E", mk_literals(&["a.b"])),
        ("app_(.+)", mk_affix("app_", "", true)),
        (".*-canary", mk_affix("", "-canary", false)),
        ("(a)(.*)b", mk_affix("a", "b", false)),
        ("(?-s).*", Kind::General),
        ("a)|(?:b", Kind::General),
        ("[a-z]+", Kind::General),
        ("[a-z]{2}", Kind::General),
        (".*.*", Kind::General),
        ("a\\b", Kind::General),
    ];
    for (pattern, kind) in cases {
        assert_eq!(*Regexp::new(pattern).unwrap().kind(), kind, "{pattern}");
    }
}

#[test]
fn limits_are_those_of_go() {
    let nested = |open: &str, inner: &str, close: &str, depth| open.repeat(depth) + inner + &close.repeat(depth);
    let accepted = [
        nested("(", "a", ")", 998),
        nested("(a", "", ")", 499),
        nested("(?:", "a", ")", 5000),
        nested("(?:", "a", ")*", 998),
        "(a{32}){31}".into(),
        "(a*){1000}".into(),
        "((a{2}){0}){1000}".into(),
    ];
    for pattern in accepted {
        assert!(Regexp::new(&pattern).is_ok(), "{pattern:.40}");
    }
    let refused = [
        (nested("(", "a", ")", 999), "nests too deeply"),
        (nested("(?:", "a", ")*", 999), "nests too deeply"),
        ("(a{32}){32}".into(), "invalid repeat count: `{32}`"),
        ("a{1001}".into(), "invalid repeat count: `{1001}`"),
        ("a{1000}".repeat(3400), "expression too large"),
    ];
    for (pattern, message) in refused {
        let error = Regexp::new(&pattern).unwrap_err().to_string();
        assert!(error.contains(message), "{error:.80}");
    }
}

#[test]
fn errors_name_the_construct() {
    let message = |pattern: &str| Regexp::new(pattern).unwrap_err().to_string();
    assert_eq!(message("a**"), "error parsing regexp: invalid nested repetition operator: `**`");
    assert_eq!(message("("), "error parsing regexp: missing closing ): `^(?s:()$`");
    assert_eq!(message("[[:foo:]]"), "error parsing regexp: invalid character class range: `[:foo:]`");
}

fn mk_pattern() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b", "ab", "é", "(", ")", "|", ".*", ".+", "*", "?", "{2}", "[ab]", "[^a", "]", "\\d", "\\", "(?i)",
        "(?:", "$", "^",
    ]);
    prop::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_panics(pattern in "\\PC{0,12}", template in "[$\\{\\}1a-]{0,8}", text in "\\PC{0,6}") {
        let template = Template::new(&template);
        if let Ok(regexp) = Regexp::new(&pattern) {
            let matches = regexp.expand(&text, &template, &mut String::new());
            prop_assert_eq!(matches, regexp.is_match(&text));
            let replaced = regexp.replace_all(&text, &template);
            prop_assert!(matches || replaced == text || *regexp.kind() == Kind::General);
        }
    }

    #[test]
    fn fast_paths_agree_with_the_automaton(pattern in mk_pattern(), text in "[abé]{0,4}", template in "[$x\\{\\}12]{0,6}") {
        // the assertion changes nothing, but no fast path knows it
        let (Ok(fast), Ok(slow)) = (Regexp::new(&pattern), Regexp::new(&format!("(?:{pattern})\\z"))) else {
            return Ok(());
        };
        prop_assume!(!pattern.contains(')') || *fast.kind() != Kind::General); // unbalanced ones mean something else
        prop_assert_eq!(slow.kind(), &Kind::General);
        let template = Template::new(&template);
        let (mut from_fast, mut from_slow) = (String::new(), String::new());
        prop_assert_eq!(fast.is_match(&text), slow.is_match(&text));
        fast.expand(&text, &template, &mut from_fast);
        slow.expand(&text, &template, &mut from_slow);
        prop_assert_eq!(from_fast, from_slow);
        prop_assert_eq!(fast.replace_all(&text, &template), slow.replace_all(&text, &template));
    }
}

#[test]
fn equal_texts_share_one_program() {
    let first = Regexp::new("shared-[0-9]+").unwrap();
    let again = Regexp::new("shared-[0-9]+").unwrap();
    assert_eq!(first, again);
    assert!(std::ptr::eq(first.kind(), again.kind()));
    assert_ne!(first, Regexp::new("shared-[0-9]*").unwrap());
}

#[test]
fn negation_minds_the_gap_of_the_surrogates() {
    let regexp = Regexp::new("[^\\x{D7FF}\\x{E000}]").unwrap();
    let matching: Vec<bool> = ["\u{d7fe}", "\u{d7ff}", "\u{e000}", "\u{e001}"].map(|text| regexp.is_match(text)).into();
    assert_eq!(matching, [true, false, false, true]);
}
