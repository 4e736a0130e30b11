use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type Pairs = Vec<(String, String)>;

fn build(builder: &mut GroupBuilder, labels: &Pairs, targets: &[Pairs]) -> TargetGroup {
    builder.begin();
    for (name, value) in labels {
        builder.group_label(name, value);
    }
    for target in targets {
        builder.begin_target();
        for (name, value) in target {
            builder.target_label(name, value);
        }
    }
    builder.finish()
}

fn mk_pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn rendered(group: &TargetGroup) -> Vec<String> {
    let mut all = Vec::new();
    for block in group.blocks() {
        for index in 0..block.len() {
            let mut text = String::new();
            block.render(index, &mut text);
            assert_eq!(text.len(), block.rendered_len(index), "{text}");
            all.push(text);
        }
    }
    all
}

fn merged(labels: &Pairs, target: &Pairs) -> BTreeMap<String, String> {
    labels.iter().chain(target).cloned().collect()
}

#[test]
fn renders_group_and_target_labels_sorted_and_escaped() {
    let labels = mk_pairs(&[("vendor", "<acme>"), ("env", "group")]);
    let targets = [mk_pairs(&[("__address__", "10.0.0.1:9100"), ("env", "")])];
    let group = build(&mut GroupBuilder::new(), &labels, &targets);
    assert_eq!(
        rendered(&group),
        [
            r#"{"targets":["10.0.0.1:9100"],"labels":{"__address__":"10.0.0.1:9100","env":"","vendor":"\u003cacme\u003e"}}"#
        ]
    );
}

#[test]
fn an_address_of_the_group_is_no_address_of_the_target() {
    let group = build(&mut GroupBuilder::new(), &mk_pairs(&[("__address__", "x:1")]), &[mk_pairs(&[("a", "b")])]);
    assert_eq!(rendered(&group), [r#"{"targets":[""],"labels":{"__address__":"x:1","a":"b"}}"#]);
    assert_eq!(group.blocks()[0].address(0), "");
}

#[test]
fn the_last_value_of_a_name_counts() {
    let group =
        build(&mut GroupBuilder::new(), &mk_pairs(&[("a", "1"), ("a", "2")]), &[mk_pairs(&[("b", "1"), ("b", "2")])]);
    assert_eq!(rendered(&group), [r#"{"targets":[""],"labels":{"a":"2","b":"2"}}"#]);
}

#[test]
fn groups_of_one_shape_share_their_names() {
    let mut builder = GroupBuilder::new();
    let one = build(&mut builder, &mk_pairs(&[("a", "1")]), &[mk_pairs(&[("__address__", "x:1")])]);
    let two = build(&mut builder, &mk_pairs(&[("a", "2")]), &[mk_pairs(&[("__address__", "y:1")])]);
    assert!(Arc::ptr_eq(&one.blocks()[0].skeleton, &two.blocks()[0].skeleton));
}

#[test]
fn long_runs_are_cut_and_keep_their_order() {
    let targets: Vec<Pairs> = (0..2500).map(|n| mk_pairs(&[("__address__", &format!("h{n}:1"))])).collect();
    let group = build(&mut GroupBuilder::new(), &Pairs::new(), &targets);
    assert_eq!(group.blocks().len(), 3);
    assert_eq!(group.labels(2400).next().unwrap().1, "h2400:1");
}

#[test]
fn long_values_and_escapes_survive() {
    let long = "x".repeat(1000) + "\"\\\n\u{2028}";
    let targets: Vec<Pairs> = (0..10)
        .map(|n| mk_pairs(&[("__address__", &n.to_string()), ("long", &(long.clone() + &n.to_string()))]))
        .collect();
    let group = build(&mut GroupBuilder::new(), &mk_pairs(&[("g", &long)]), &targets);
    rendered(&group);
    assert_eq!(group.labels(7).find(|(name, _)| *name == "long").unwrap().1, long.clone() + "7");
    assert_eq!(group.labels(7).find(|(name, _)| *name == "g").unwrap().1, long);
}

#[test]
fn the_content_hash_tells_groups_apart() {
    let mut builder = GroupBuilder::new();
    let base = build(&mut builder, &mk_pairs(&[("a", "1")]), &[mk_pairs(&[("b", "12"), ("c", "3")])]);
    let same = build(&mut GroupBuilder::new(), &mk_pairs(&[("a", "1")]), &[mk_pairs(&[("c", "3"), ("b", "12")])]);
    let shifted = build(&mut builder, &mk_pairs(&[("a", "1")]), &[mk_pairs(&[("b", "1"), ("c", "23")])]);
    let fewer = build(&mut builder, &mk_pairs(&[("a", "1")]), &[]);
    assert_eq!(base.content_hash(), same.content_hash());
    assert_ne!(base.content_hash(), shifted.content_hash());
    assert_ne!(base.content_hash(), fewer.content_hash());
    let hash = |group: &TargetGroup| {
        let block = &group.blocks()[0];
        block.target_hash(block.shared_hash(), 0)
    };
    assert_eq!(hash(&base), hash(&same));
    assert_ne!(hash(&base), hash(&shifted));
}

#[test]
fn the_content_hash_tells_which_label_a_value_is_of() {
    let with = |filled: &str, empty: &str| {
        let targets: Vec<Pairs> = (0..10).map(|n| mk_pairs(&[(filled, &format!("v{n}")), (empty, "")])).collect();
        build(&mut GroupBuilder::new(), &Pairs::new(), &targets)
    };
    let (one, other) = (with("a", "b"), with("b", "a"));
    assert_ne!(rendered(&one), rendered(&other));
    assert_ne!(one.content_hash(), other.content_hash());
    let target = |group: &TargetGroup| group.blocks()[0].target_hash(group.blocks()[0].shared_hash(), 3);
    assert_ne!(target(&one), target(&other));
}

fn label() -> impl Strategy<Value = (String, String)> {
    ("[a-f_\"é]{1,3}|__address__", "[a-c\"\\\\\n<é\u{2028}]{0,4}")
}

proptest! {
    #[test]
    fn any_group_reads_back_as_the_union_of_its_labels(
        labels in prop::collection::vec(label(), 0..6),
        targets in prop::collection::vec(prop::collection::vec(label(), 0..6), 0..24),
        copies in 1usize..12,
    ) {
        let targets: Vec<Pairs> = targets.iter().flat_map(|target| vec![target.clone(); copies]).collect();
        let group = build(&mut GroupBuilder::new(), &labels, &targets);
        prop_assert_eq!(group.len(), targets.len());
        for (position, (target, text)) in targets.iter().zip(rendered(&group)).enumerate() {
            let wanted = merged(&labels, target);
            let read: BTreeMap<String, String> =
                group.labels(position).map(|(name, value)| (name.to_owned(), value.into_owned())).collect();
            prop_assert_eq!(&read, &wanted);
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&json["labels"], &serde_json::to_value(&wanted).unwrap());
            let own = target.iter().rev().find(|(name, _)| name == "__address__").map_or("", |(_, value)| value);
            prop_assert_eq!(&json["targets"], &serde_json::json!([own]));
        }
    }
}
