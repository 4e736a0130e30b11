//! Patches: JSON merge patches, and as much of strategic merge patches as kubectl makes.

use serde_json::{Map, Value};

/// Merges a patch in (RFC 7396).
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            object(target).remove(name);
        } else {
            merge(object(target).entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Merges a strategic patch in. Lists are merged by key where the patch names the order of their elements
/// (`$setElementOrder/…`, which kubectl always sends for such lists, with the key as only field); all others are
/// replaced. There are no schemas here to know more.
pub(super) fn strategic(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if patch.get("$patch").is_some_and(|directive| directive == "replace") {
        *target = Value::Object(patch.iter().filter(|(name, _)| !name.starts_with('$')).map(owned).collect());
        return;
    }
    for (name, value) in patch.iter().filter(|(name, _)| !name.starts_with('$')) {
        let order = patch.get(&format!("$setElementOrder/{name}")).and_then(Value::as_array);
        match (value, order.and_then(|order| merge_keys(order))) {
            (Value::Null, _) => drop(object(target).remove(name)),
            (Value::Array(elements), Some(keys)) => {
                let list = object(target).entry(name).or_insert_with(|| Value::Array(Vec::new()));
                merge_list(list, elements, &keys, order.map_or(&[], Vec::as_slice));
            }
            _ => strategic(object(target).entry(name).or_insert(Value::Null), value),
        }
    }
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it was made an object just now")
}

fn merge_keys(order: &[Value]) -> Option<Vec<String>> {
    Some(order.first()?.as_object()?.keys().cloned().collect())
}

fn merge_list(list: &mut Value, elements: &[Value], keys: &[String], order: &[Value]) {
    let same = |a: &Value, b: &Value| keys.iter().all(|key| a.get(key) == b.get(key));
    let mut merged = list.as_array().cloned().unwrap_or_default();
    for element in elements {
        let deleted = element.get("$patch").is_some_and(|directive| directive == "delete");
        match merged.iter_mut().find(|known| same(known, element)) {
            Some(_) if deleted => merged.retain(|known| !same(known, element)),
            Some(known) => strategic(known, element),
            None if deleted => {}
            None => merged.push(element.clone()),
        }
    }
    // elements the patch does not name keep their places behind those it does
    merged.sort_by_key(|element| order.iter().position(|wanted| same(wanted, element)).unwrap_or(order.len()));
    *list = Value::Array(merged);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merge_patches_follow_the_rfc() {
        for (mut target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
            (json!([1]), json!({"a": "b"}), json!({"a": "b"})),
        ] {
            merge(&mut target, &patch);
            assert_eq!(target, expected, "{patch}");
        }
    }

    #[test]
    fn lists_with_a_named_order_are_merged_by_key() {
        let mut target = json!({"spec": {"containers": [
            {"name": "a", "image": "1", "ports": [{"containerPort": 1}]}, {"name": "b", "image": "1"}, {"name": "c"}]}});
        let patch = json!({"spec": {
            "$setElementOrder/containers": [{"name": "d"}, {"name": "a"}, {"name": "b"}],
            "containers": [{"name": "a", "image": "2"}, {"name": "c", "$patch": "delete"}, {"name": "d"}]}});
        strategic(&mut target, &patch);
        let expected = json!([{"name": "d"}, {"name": "a", "image": "2", "ports": [{"containerPort": 1}]},
            {"name": "b", "image": "1"}]);
        assert_eq!(target["spec"]["containers"], expected);
    }

    #[test]
    fn other_lists_and_replaced_parts_are_taken_over() {
        let mut target = json!({"a": [1, 2], "b": {"x": 1, "y": 2}, "c": 1});
        strategic(&mut target, &json!({"a": [3], "b": {"$patch": "replace", "z": 3}, "c": null, "$retainKeys": ["a"]}));
        assert_eq!(target, json!({"a": [3], "b": {"z": 3}}));
    }
}
