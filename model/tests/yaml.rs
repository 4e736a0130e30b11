//! YAML as go-yaml v2 reads it: scalars, merge keys, limits, and the decoder on top.

use std::collections::BTreeMap;

use ta_model::yaml::{Decode, Decoder, Dialect, GoDuration, Node, Resolved, Strings, Value, parse};

fn mk_root(text: &str) -> Node {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}")).root
}

fn resolve(text: &str) -> Resolved {
    match mk_root(&format!("k: {text}")).get("k").expect("has k").value.clone() {
        Value::Scalar(scalar) => scalar.resolve(),
        other => panic!("{other:?}"),
    }
}

/// Decodes `k` of a document; gives the value and the problems.
fn decode<T: Decode>(text: &str, dialect: Dialect) -> (T, Vec<String>, Vec<String>) {
    let root = mk_root(text);
    let mut decoder = Decoder::new(dialect, "");
    let mut value = T::default();
    decoder.fields(&root, |fields| fields.set("k", &mut value));
    let problems = decoder.finish();
    let texts = |list: Vec<ta_model::yaml::Problem>| list.iter().map(ToString::to_string).collect();
    (value, texts(problems.errors), texts(problems.warnings))
}

fn string(text: &str, strings: Strings) -> String {
    let (value, errors, _) = decode::<String>(&format!("k: {text}"), Dialect::Prometheus(strings));
    assert_eq!(errors, [""; 0], "{text}");
    value
}

#[test]
fn scalars_resolve_as_yaml_1_1() {
    for text in ["", "~", "null", "Null", "NULL"] {
        assert_eq!(resolve(text), Resolved::Null, "{text}");
    }
    for text in ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"] {
        assert_eq!(resolve(text), Resolved::Bool(true), "{text}");
    }
    for text in ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"] {
        assert_eq!(resolve(text), Resolved::Bool(false), "{text}");
    }
    let ints = [
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("0123", 83),
        ("0x1F", 31),
        ("-0x10", -16),
        ("0o17", 15),
        ("0b101", 5),
        ("1_000", 1000),
        ("-9223372036854775808", i64::MIN),
    ];
    for (text, value) in ints {
        assert_eq!(resolve(text), Resolved::Int(value), "{text}");
    }
    assert_eq!(resolve("18446744073709551615"), Resolved::Uint(u64::MAX));
    let floats = [
        ("1e3", 1000.0),
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("08", 8.0),
        ("1e+06", 1e6),
        ("18446744073709551616", 18_446_744_073_709_551_616.0),
        (".inf", f64::INFINITY),
        ("-.INF", f64::NEG_INFINITY),
    ];
    for (text, value) in floats {
        assert_eq!(resolve(text), Resolved::Float(value), "{text}");
    }
    assert!(matches!(resolve(".nan"), Resolved::Float(value) if value.is_nan()));
    let strings = [
        "nulL",
        "yEs",
        "12:30:45",
        "2020-01-01",
        "2001-12-14t21:59:43.10-05:00",
        "1.2.3",
        "0x",
        "0xg",
        "1e",
        "+",
        ".",
        "1e400",
        "infinity",
        "nan",
        ":8443",
        "--5",
        "+-5",
        "0b2",
        "\"12\"",
        "'true'",
        "\"\"",
        "!!str 12",
        "!custom yes",
    ];
    for text in strings {
        assert_eq!(resolve(text), Resolved::Str, "{text}");
    }
}

#[test]
fn string_fields_see_canonical_text_after_a_round_trip_only() {
    let table = [
        ("0123", "83"),
        ("1.10", "1.1"),
        ("1.0", "1"),
        ("1_000", "1000"),
        ("0x10", "16"),
        ("1e3", "1000"),
        ("1e6", "1e+06"),
        ("1234567.5", "1.2345675e+06"),
        ("123456.5", "123456.5"),
        ("0.00001", "1e-05"),
        ("0.0001", "0.0001"),
        ("1e21", "1e+21"),
        (".5", "0.5"),
        ("-0.0", "-0"),
        (".Inf", ".inf"),
        ("yes", "true"),
        ("on", "true"),
        ("y", "true"),
        ("True", "true"),
        ("no", "false"),
        ("off", "false"),
        ("n", "false"),
        ("2020-01-01", "2020-01-01"),
        ("12:30:45", "12:30:45"),
        ("18446744073709551615", "18446744073709551615"),
    ];
    for (written, canonical) in table {
        assert_eq!(string(written, Strings::RoundTripped), canonical, "{written}");
        assert_eq!(string(written, Strings::AsWritten), written);
        assert_eq!(string(&format!("'{written}'"), Strings::RoundTripped), written, "quoted {written}");
    }
    assert_eq!(string("null", Strings::RoundTripped), "");
    assert_eq!(string("'null'", Strings::RoundTripped), "null");
}

#[test]
fn map_keys_are_canonical_after_a_round_trip_and_may_collide() {
    type Map = BTreeMap<String, String>;
    let text = "k: {y: a, on: b, 1.50: c, 0x10: d, '0x10': e}";
    let (map, ..) = decode::<Map>(text, Dialect::Prometheus(Strings::RoundTripped));
    let keys: Vec<_> = map.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(keys, [("0x10", "e"), ("1.5", "c"), ("16", "d"), ("true", "b")]);
    let (map, _, _) = decode::<Map>(text, Dialect::Prometheus(Strings::AsWritten));
    assert_eq!(map.keys().collect::<Vec<_>>(), ["0x10", "1.50", "on", "y"]);
}

#[test]
fn numbers_convert_as_in_go() {
    let prometheus = Dialect::Prometheus(Strings::RoundTripped);
    for (text, value) in
        [("1e+06", 1_000_000), ("1.9", 1), ("0x10", 16), ("18446744073709551615", u64::MAX), ("-0.5", 0)]
    {
        assert_eq!(decode::<u64>(&format!("k: {text}"), prometheus), (value, vec![], vec![]), "{text}");
    }
    for text in ["-1", "x", "'1'", "1e20", "[1]", "{a: 1}", "yes", ".nan", "-1.5"] {
        let (_, errors, _) = decode::<u64>(&format!("k: {text}"), prometheus);
        assert_eq!(errors.len(), 1, "{text}");
        assert!(errors[0].starts_with("line 1: k: cannot unmarshal !!"), "{errors:?}");
    }
    assert_eq!(decode::<f64>("k: 3", prometheus).0, 3.0);
    assert_eq!(decode::<i64>("k: -3", prometheus).0, -3);
}

#[test]
fn mismatches_name_line_key_and_value() {
    type Case = (&'static str, fn(&str) -> Vec<String>, &'static str);
    let table: [Case; 5] = [
        ("\nk: x", |text| errors::<bool>(text), "line 2: k: cannot unmarshal !!str `x` into bool"),
        ("k: 1", |text| errors::<bool>(text), "line 1: k: cannot unmarshal !!int `1` into bool"),
        ("k: foo", |text| errors::<Vec<String>>(text), "line 1: k: cannot unmarshal !!str `foo` into list"),
        ("k: [a,\n [b]]", |text| errors::<Vec<String>>(text), "line 2: k[1]: cannot unmarshal !!seq into string"),
        (
            "k: abcdefghijklmn",
            |text| errors::<BTreeMap<String, String>>(text),
            "line 1: k: cannot unmarshal !!str `abcdefg...` into mapping",
        ),
    ];
    for (text, run, wanted) in table {
        assert_eq!(run(text), [wanted], "{text}");
    }
}

fn errors<T: Decode>(text: &str) -> Vec<String> {
    decode::<T>(text, Dialect::Prometheus(Strings::RoundTripped)).1
}

#[test]
fn null_resets_or_keeps_by_dialect() {
    for (dialect, wanted) in [(Dialect::Prometheus(Strings::AsWritten), ""), (Dialect::Allocator, "default")] {
        let mut value = "default".to_owned();
        let root = mk_root("k: null");
        Decoder::new(dialect, "").fields(&root, |fields| fields.set("k", &mut value));
        assert_eq!(value, wanted);
    }
    let (list, ..) = decode::<Vec<String>>("k: [a, null, ~]", Dialect::Prometheus(Strings::AsWritten));
    assert_eq!(list, ["a", "", ""]);
}

#[test]
fn the_allocators_own_keys_match_in_any_case_and_strings_must_be_strings() {
    assert_eq!(decode::<String>("K: x", Dialect::Allocator).0, "x");
    let (value, _, warnings) = decode::<String>("K: x\nk: z", Dialect::Allocator);
    assert_eq!((value.as_str(), warnings.len()), ("z", 1), "the exact spelling wins: {warnings:?}");
    let (_, errors, _) = decode::<String>("k: 12", Dialect::Allocator);
    assert_eq!(errors, ["line 1: k: cannot unmarshal !!int `12` into string (quote it)"]);
    let (value, _, warnings) = decode::<String>("K: x", Dialect::Prometheus(Strings::AsWritten));
    assert_eq!((value.as_str(), warnings.len()), ("", 1));
}

#[test]
fn unknown_keys_are_warnings_with_a_suggestion() {
    let root = mk_root("job_nmae: a\nqwertyuiop: b\n");
    let mut decoder = Decoder::new(Dialect::Prometheus(Strings::AsWritten), "config");
    decoder.fields(&root, |fields| fields.get::<String>("job_name"));
    let texts: Vec<_> = decoder.finish().warnings.iter().map(ToString::to_string).collect();
    let wanted =
        ["line 1: config.job_nmae: unknown key; did you mean \"job_name\"?", "line 2: config.qwertyuiop: unknown key"];
    assert_eq!(texts, wanted);
}

#[test]
fn merge_keys_fill_in_and_explicit_keys_win() {
    let text = "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nk:\n  x: own\n  <<: [*b, *o]\nn: {<<: *b, y: 9}\n";
    let root = mk_root(text);
    let get = |map: &str, key: &str| match &root.get(map).unwrap().get(key).unwrap().value {
        Value::Scalar(scalar) => scalar.text.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!([get("k", "x"), get("k", "y"), get("k", "z")], ["own", "2", "4"]);
    assert_eq!([get("n", "x"), get("n", "y")], ["1", "9"]);
    assert!(parse(text).unwrap().duplicate_keys.is_empty());
    assert_eq!(parse("k: {<<: 5}").unwrap_err().message, "a merge key (<<) needs a mapping or a list of mappings");
}

#[test]
fn the_last_of_two_equal_keys_wins_and_is_reported() {
    let document = parse("a: 1\nb: 2\na: 3\n").unwrap();
    assert_eq!(document.root.get("a").unwrap().line, 3);
    let [duplicate] = &document.duplicate_keys[..] else { panic!("{:?}", document.duplicate_keys) };
    assert_eq!((duplicate.line, &*duplicate.key), (3, "a"));
    let mut decoder = Decoder::new(Dialect::Allocator, "");
    decoder.warn_duplicates(&document.duplicate_keys);
    let warnings = decoder.finish().warnings;
    assert_eq!(warnings[0].to_string(), "line 3: key \"a\" is given twice in one mapping; this one is used");
}

#[test]
fn only_the_first_document_counts() {
    assert_eq!(mk_root("a: 1\n---\nb: [").get("a").unwrap().line, 1);
    assert!(mk_root("").is_null() && mk_root("# nothing\n").is_null() && mk_root("---\n...\n").is_null());
}

#[test]
fn byte_order_marks_line_ends_and_block_scalars_are_fine() {
    let root = mk_root("\u{feff}a: 1\r\nb: |\r\n  x\r\n  y\r\n");
    assert_eq!(root.get("a").map(|node| (node.line, node.column)), Some((1, 4)));
    assert!(
        matches!(&root.get("b").unwrap().value, Value::Scalar(scalar) if &*scalar.text == "x\ny\n" && scalar.quoted)
    );
}

#[test]
fn broken_yaml_says_where() {
    let table = [
        ("a: [1, 2\nb: 3", 2),
        ("a: 1\n b: 2\n", 2),
        ("a: *nowhere\n", 1),
        ("a: \"open\n", 1),
        ("a:\n\t- 1", 2),
        ("? [a, b]\n: c\n", 1),
        ("a: !!int x", 1),
        ("a: &x [*x]", 1),
    ];
    for (text, line) in table {
        let error = parse(text).unwrap_err();
        assert_eq!(error.line, line, "{text:?}: {error}");
        assert!(error.to_string().starts_with(&format!("line {line}, column ")), "{error}");
    }
}

#[test]
fn bombs_are_refused_quickly() {
    let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(parse(&laughs).unwrap_err().message.contains("expand to too much"));

    let long = format!("a: &a {}\nb: [{}]", "x".repeat(1 << 20), vec!["*a"; 1000].join(","));
    assert!(parse(&long).unwrap_err().message.contains("expand to too much"));

    assert!(parse(&"[".repeat(100_000)).is_err());
    assert!(parse(&"- ".repeat(100_000)).is_err());
    let mut chain = String::from("a0: &a0 1\n");
    for level in 1..300 {
        chain.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert_eq!(parse(&chain).unwrap_err().message, "nested deeper than 200 levels");
}

#[test]
fn an_honest_use_of_aliases_is_no_bomb() {
    let mut text = String::from("base: &base\n");
    for key in 0..30 {
        text.push_str(&format!("  key_{key}: some value of ordinary length\n"));
    }
    text.push_str("jobs:\n");
    for job in 0..2000 {
        text.push_str(&format!("- {{<<: *base, job_name: j{job}}}\n"));
    }
    let root = mk_root(&text);
    let Value::List(jobs) = &root.get("jobs").unwrap().value else { panic!("no list") };
    assert_eq!(jobs.len(), 2000);
    assert!(jobs[1999].get("key_29").is_some());
}

#[test]
fn the_allocators_durations_are_gos_and_bare_numbers_are_nanoseconds() {
    let table = [
        ("1m0s", 60_000_000_000),
        ("1.5s", 1_500_000_000),
        ("-1s", -1_000_000_000),
        ("30", 30),
        ("1e9", 1_000_000_000),
    ];
    for (text, nanos) in table {
        let (duration, errors, _) = decode::<GoDuration>(&format!("k: {text}"), Dialect::Allocator);
        assert_eq!((duration.nanos, errors), (nanos, vec![]), "{text}");
    }
    for text in ["1d", "''", "yes", "[1s]", "1e30"] {
        let (_, errors, _) = decode::<GoDuration>(&format!("k: {text}"), Dialect::Allocator);
        assert_eq!(errors.len(), 1, "{text}");
        assert!(errors[0].starts_with("line 1: k: "), "{errors:?}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(512))]

    /// Whatever is read from disk: an error or a tree, never a panic, and never a line that is not there.
    #[test]
    fn any_text_parses_or_says_where_not(text in "[a-c:,\\-\\[\\]{}&*!|>'\"%#~<? \n\t0x.\u{e9}]{0,60}") {
        let lines = text.split('\n').count() + 1;
        match parse(&text) {
            Ok(document) => {
                let decoded = ta_model::scrape_config::decode(&document.root, Strings::RoundTripped);
                assert!(decoded.errors.iter().chain(&decoded.warnings).all(|problem| (1..=lines).contains(&problem.line)));
            }
            Err(error) => assert!((1..=lines).contains(&error.line), "{error}"),
        }
    }
}

#[test]
fn all_documents_of_a_text_keep_their_lines_and_their_anchors() {
    let text = "a: &x 1\n---\n---\nb: 2\n...\n---\n[c]\n";
    let documents = ta_model::yaml::parse_all(text).unwrap();
    let lines: Vec<usize> = documents.iter().map(|document| document.root.line).collect();
    assert_eq!(lines, [1, 2, 4, 7]);
    assert!(documents[1].root.is_null());
    assert!(ta_model::yaml::parse_all("a: &x 1\n---\nb: *x\n").is_err(), "an anchor ends with its document");
    assert_eq!(ta_model::yaml::parse_all("").unwrap(), []);
}
