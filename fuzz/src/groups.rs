//! Lists of target groups, as `http_sd` and files answer with them, against a plain reading of the same JSON; and the way
//! from there to what is served.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use ta_model::group::{GroupBuilder, TargetGroup};
use ta_model::scrape_config::{StaticGroup, decode_groups_json, decode_groups_yaml};

/// `data` is the answer.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let ours = decode_groups_json(data).ok();
    let theirs = serde_json::from_str::<Tree>(&text).ok().and_then(|tree| read_list(&tree));
    assert_eq!(ours, theirs, "ours, and a plain reading of {text}");
    let groups = match ours {
        Some(groups) => groups,
        None => decode_groups_yaml(&text).unwrap_or_default(),
    };
    check_served(&groups);
    check_files(&groups);
}

/// JSON with everything that it says, repeated keys and their order included.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Null,
    Text(String),
    Other,
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element()? {
            list.push(entry);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            object.push(entry);
        }
        Ok(Tree::Object(object))
    }
}

/// The rules of Prometheus (`discovery/targetgroup/targetgroup.go` on Go's `encoding/json`).
fn read_list(tree: &Tree) -> Option<Vec<StaticGroup>> {
    match tree {
        Tree::Null => Some(Vec::new()),
        Tree::List(groups) => groups.iter().map(read_group).collect(),
        _ => None,
    }
}

fn read_group(tree: &Tree) -> Option<StaticGroup> {
    let Tree::Object(members) = tree else { return None };
    let mut group = StaticGroup::default();
    for (key, value) in members {
        match key.to_ascii_lowercase().as_str() {
            "targets" => group.targets = read_targets(value)?,
            "labels" => group.labels = read_labels(value)?,
            _ => return None,
        }
    }
    Some(group)
}

fn read_text(tree: &Tree) -> Option<String> {
    match tree {
        Tree::Null => Some(String::new()),
        Tree::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn read_targets(tree: &Tree) -> Option<Vec<String>> {
    match tree {
        Tree::Null => Some(Vec::new()),
        Tree::List(targets) => targets.iter().map(read_text).collect(),
        _ => None,
    }
}

fn read_labels(tree: &Tree) -> Option<BTreeMap<String, String>> {
    match tree {
        Tree::Null => Some(BTreeMap::new()),
        Tree::Object(labels) => {
            let label = |(name, value): &(String, Tree)| Some((name.clone(), read_text(value)?));
            labels.iter().map(label).map(|label| label.filter(|(name, _)| !name.is_empty())).collect()
        }
        _ => None,
    }
}

/// As `discovery::source::groups` does.
fn build(builder: &mut GroupBuilder, group: &StaticGroup, meta: &str) -> TargetGroup {
    builder.begin();
    group.labels.iter().for_each(|(name, value)| builder.group_label(name, value));
    builder.group_label("__meta_url", meta);
    for address in &group.targets {
        builder.begin_target();
        builder.target_label("__address__", address);
    }
    builder.finish()
}

/// What is served says what was discovered, whichever groups its builder has seen before.
fn check_served(groups: &[StaticGroup]) {
    let mut builder = GroupBuilder::new();
    for group in groups {
        let built = build(&mut builder, group, "http://sd/a&b");
        let alone = build(&mut GroupBuilder::new(), group, "http://sd/a&b");
        assert_eq!(built.content_hash(), alone.content_hash(), "of equal groups");
        let other = build(&mut GroupBuilder::new(), group, "http://sd/a&c");
        assert!(group.targets.is_empty() || other.content_hash() != built.content_hash(), "of groups that differ");
        assert_eq!(built.len(), group.targets.len());
        for (block, index) in (0..built.len()).map(|position| built.locate(position)) {
            let mut text = String::new();
            block.render(index, &mut text);
            assert_eq!(text.len(), block.rendered_len(index), "{text}");
            let address = &group.targets[block.first() + index];
            let mut labels = group.labels.clone();
            labels.insert("__meta_url".to_owned(), "http://sd/a&b".to_owned());
            labels.insert("__address__".to_owned(), address.clone());
            assert!(
                block.labels(index).eq(labels.iter().map(|(name, value)| (name.as_str(), value.into()))),
                "{labels:?}"
            );
            let served = decode_groups_json(format!("[{text}]").as_bytes());
            assert_eq!(served, Ok(vec![StaticGroup { targets: vec![address.clone()], labels }]), "{text}");
        }
    }
}

/// Groups are read from YAML as from JSON, but for some characters that YAML refuses or takes for the end of a line.
fn check_files(groups: &[StaticGroup]) {
    let group = |group: &StaticGroup| serde_json::json!({ "targets": group.targets, "labels": group.labels });
    let text = serde_json::Value::Array(groups.iter().map(group).collect()).to_string();
    assert_eq!(decode_groups_json(text.as_bytes()).as_deref(), Ok(groups), "{text}");
    if !text.contains(is_nothing_in_yaml) {
        assert_eq!(decode_groups_yaml(&text).as_deref(), Ok(groups), "{text}");
    }
}

fn is_nothing_in_yaml(char: char) -> bool {
    matches!(char, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}
