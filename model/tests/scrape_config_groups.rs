//! Answers of file and HTTP discovery: strict, and safe against anything.

use std::collections::BTreeMap;

use ta_model::scrape_config::{GroupsError, StaticGroup, decode_groups_json, decode_groups_yaml};

fn mk_group(targets: &[&str], labels: &[(&str, &str)]) -> StaticGroup {
    let labels: BTreeMap<_, _> = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    StaticGroup { targets: targets.iter().map(|target| (*target).into()).collect(), labels }
}

#[test]
fn json_is_read_as_go_reads_it() {
    let table = [
        ("null", vec![]),
        (" [ ] \n", vec![]),
        ("[{}]", vec![mk_group(&[], &[])]),
        (r#"[{"targets":["a","b"],"labels":{"x":"y"}}]"#, vec![mk_group(&["a", "b"], &[("x", "y")])]),
        (r#"[{"Targets":["a"],"LABELS":{"X":"y"}}]"#, vec![mk_group(&["a"], &[("X", "y")])]),
        (r#"[{"targets":null,"labels":null}]"#, vec![mk_group(&[], &[])]),
        (r#"[{"targets":[null],"labels":{"a":null}}]"#, vec![mk_group(&[""], &[("a", "")])]),
        (r#"[{"targets":["a"],"TARGETS":["b"]}]"#, vec![mk_group(&["b"], &[])]),
        (r#"[{"labels":{"a":"1","a":"2"}}]"#, vec![mk_group(&[], &[("a", "2")])]),
        (r#"[{"labels":{"a":"1"},"labels":{"b":"2"}}]"#, vec![mk_group(&[], &[("b", "2")])]),
        (r#"[{"targets":["\u00e9\ud83d\ude00\n"]}]"#, vec![mk_group(&["é😀\n"], &[])]),
        (
            r#"[{"labels":{"a b.c":"x"}}, {"targets":["z"]}]"#,
            vec![mk_group(&[], &[("a b.c", "x")]), mk_group(&["z"], &[])],
        ),
    ];
    for (text, groups) in table {
        assert_eq!(decode_groups_json(text.as_bytes()), Ok(groups), "{text}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_replaced() {
    let groups = decode_groups_json(b"[{\"targets\":[\"a\xff\"]}]").unwrap();
    assert_eq!(groups, [mk_group(&["a\u{fffd}"], &[])]);
}

#[test]
fn broken_json_answers_are_refused_with_the_place() {
    let table = [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{}", "invalid type: map, expected a list of target groups at line 1 column 0"),
        ("1", "invalid type: integer `1`, expected a list of target groups at line 1 column 1"),
        ("[[]]", "invalid type: sequence, expected a target group at line 1 column 3"),
        (r#"["a"]"#, "invalid type: string \"a\", expected a target group at line 1 column 4"),
        (r#"[{"targets":[1]}]"#, "invalid type: integer `1`, expected a string at line 1 column 14"),
        (r#"[{"targets":"a"}]"#, "invalid type: string \"a\", expected a list of addresses at line 1 column 15"),
        (r#"[{"labels":[]}]"#, "invalid type: sequence, expected an object of labels at line 1 column 13"),
        (r#"[{"labels":{"a":1}}]"#, "invalid type: integer `1`, expected a string at line 1 column 17"),
        (r#"[{"labels":{"":"x"}}]"#, "\"\" is not a valid label name at line 1 column 19"),
        ("[{\"targets\":[\"a\"],\n\"source\":\"x\"}]", "unknown field \"source\" at line 2 column 8"),
        (r#"[{"targets":["a"]},]"#, "trailing comma at line 1 column 20"),
        ("[] x", "trailing characters at line 1 column 4"),
        (r#"[{"targets":["#, "EOF while parsing a list at line 1 column 13"),
    ];
    for (text, message) in table {
        assert_eq!(decode_groups_json(text.as_bytes()).unwrap_err().to_string(), message, "{text}");
    }
    assert_eq!(decode_groups_json(b"[null]"), Err(GroupsError::NullGroup));
    assert_eq!(GroupsError::NullGroup.to_string(), "nil target group item found");
}

#[test]
fn hostile_json_neither_panics_nor_hangs() {
    let deep = "[".repeat(1_000_000);
    assert!(decode_groups_json(deep.as_bytes()).is_err());
    let deep_value = format!(r#"[{{"x":{}"#, "{\"a\":".repeat(1_000_000));
    assert!(decode_groups_json(deep_value.as_bytes()).is_err());
    assert!(decode_groups_json(br#"[{"targets":["\ud800"]}]"#).is_err());
    let huge = format!(r#"[{{"targets":["{}"]}}]"#, "x".repeat(10 << 20));
    assert_eq!(decode_groups_json(huge.as_bytes()).unwrap()[0].targets[0].len(), 10 << 20);
    for cut in 0..40 {
        assert!(decode_groups_json(&br#"[{"targets":["a:1"],"labels":{"b":"\u00e9"}}]"#[..cut]).is_err());
    }
}

#[test]
fn yaml_scalars_become_text_as_written() {
    let table = [
        ("", vec![]),
        ("# nothing\n", vec![]),
        ("[]", vec![]),
        ("- {}", vec![mk_group(&[], &[])]),
        (
            "- targets: [a, 0123, yes]\n  labels: {a: 1.10, y: on}\n- labels: {}\n",
            vec![mk_group(&["a", "0123", "yes"], &[("a", "1.10"), ("y", "on")]), mk_group(&[], &[])],
        ),
        ("- targets:\n  - 'a:1'\n  - ~\n", vec![mk_group(&["a:1", ""], &[])]),
        ("- &g {targets: [a]}\n- *g\n- {<<: *g, labels: {b: c}}", {
            vec![mk_group(&["a"], &[]), mk_group(&["a"], &[]), mk_group(&["a"], &[("b", "c")])]
        }),
    ];
    for (text, groups) in table {
        assert_eq!(decode_groups_yaml(text), Ok(groups), "{text}");
    }
}

#[test]
fn broken_yaml_answers_are_refused_with_the_place() {
    let table = [
        ("- Targets: [a]", "line 1: [0].Targets: unknown key; did you mean \"targets\"?"),
        ("- targets: [a]\n  targets: [b]\n", "line 2: key \"targets\" already set in mapping"),
        ("- labels: {a: 1, a: 2}", "line 1: key \"a\" already set in mapping"),
        ("- targets: x", "line 1: [0].targets: cannot unmarshal !!str `x` into list"),
        ("a: b", "line 1: cannot unmarshal !!map into list"),
        ("- targets: [[a]]", "line 1: [0].targets[0]: cannot unmarshal !!seq into string"),
        ("- labels: {'': x}", "line 1: [0].labels: \"\" is not a valid label name"),
        ("- x\n", "line 1: [0]: cannot unmarshal !!str `x` into mapping"),
        ("- {}\n- null\n", "nil target group item found"),
    ];
    for (text, message) in table {
        assert_eq!(decode_groups_yaml(text).unwrap_err().to_string(), message, "{text}");
    }
    assert!(matches!(decode_groups_yaml("- [").unwrap_err(), GroupsError::Yaml(error) if error.line >= 1));
}
