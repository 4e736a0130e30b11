use super::*;
use crate::cluster::object::key;
use serde_json::json;

fn mk_text(value: u32) -> Text {
    let object = json!({"metadata": {"name": "x", "labels": {"value": value.to_string()}}, "spec": {}});
    Text::new(object.as_object().unwrap())
}

fn pods() -> KindId {
    KindId::by_plural("pods").unwrap()
}

fn mk_store(keys: &[(&str, &str)]) -> Store {
    let store = Store::new(100);
    for (number, (namespace, name)) in keys.iter().enumerate() {
        store.put(pods(), &key(namespace, name), mk_text(number as u32));
    }
    store
}

fn names(page: &Page) -> Vec<String> {
    page.objects.iter().map(|object| format!("{}@{}", object.key, object.revision)).collect()
}

#[test]
fn lists_are_ordered_scoped_and_paged() {
    let store = mk_store(&[("b", "1"), ("a", "2"), ("a-b", "3"), ("a", "1")]);
    let all = store.list(pods(), &ListQuery::default()).unwrap();
    assert_eq!(names(&all), ["a-b/3@4", "a/1@5", "a/2@3", "b/1@2"], "etcd's order");
    let scoped = ListQuery { namespace: "a".into(), ..ListQuery::default() };
    assert_eq!(names(&store.list(pods(), &scoped).unwrap()), ["a/1@5", "a/2@3"]);
    let first = store.list(pods(), &ListQuery { limit: 1, ..scoped.clone() }).unwrap();
    assert_eq!((names(&first), first.total), (vec!["a/1@5".to_owned()], 2));
    let next = ListQuery { after: first.next.map(|key| key.to_string()), limit: 1, ..scoped };
    let last = store.list(pods(), &next).unwrap();
    assert_eq!((names(&last), last.next), (vec!["a/2@3".to_owned()], None));
}

#[test]
fn an_older_revision_is_listed_as_it_was() {
    let store = mk_store(&[("a", "1"), ("a", "2"), ("a", "3")]);
    let then = store.revision();
    let before = names(&store.list(pods(), &ListQuery::default()).unwrap());
    store.put(pods(), &key("a", "2"), mk_text(77));
    store.put(pods(), &key("a", "2"), mk_text(78));
    store.remove(pods(), "a/1");
    store.remove(pods(), "a/3");
    store.put(pods(), &key("a", "0"), mk_text(79));
    store.put(pods(), &key("a", "3"), mk_text(80));
    let at = |limit, after: Option<&str>| {
        let query = ListQuery { at: Some(then), limit, after: after.map(str::to_owned), ..ListQuery::default() };
        store.list(pods(), &query)
    };
    assert_eq!(names(&at(0, None).unwrap()), before);
    assert_eq!(names(&at(2, None).unwrap()), before[..2]);
    assert_eq!(names(&at(2, Some("a/1")).unwrap()), before[1..]);
    assert_eq!(names(&store.list(pods(), &ListQuery::default()).unwrap()), ["a/0@9", "a/2@6", "a/3@10"]);
    store.compact(None);
    assert_eq!(at(0, None).unwrap_err(), Expired(11));
}

#[test]
fn changes_reach_back_as_far_as_the_window() {
    let store = Store::new(3);
    for value in 0..5 {
        store.put(pods(), &key("a", "1"), mk_text(value));
    }
    let (changes, revision) = store.changes(pods(), 4).unwrap();
    assert_eq!((changes.iter().map(|change| change.revision).collect::<Vec<_>>(), revision), (vec![5, 6], 6));
    assert_eq!(store.changes(pods(), 3).unwrap().0.len(), 3);
    assert_eq!(store.changes(pods(), 2).unwrap_err(), Expired(3));
    store.compact(Some(pods()));
    assert_eq!(store.reaches(pods(), 6).unwrap_err(), Expired(7));
    assert_eq!(store.reaches(pods(), 7), Ok(()));
    assert!(store.changes(pods(), 6).unwrap().0.is_empty(), "an open watch goes on");
}

#[test]
fn equal_texts_and_missing_objects_change_nothing() {
    let store = mk_store(&[("a", "1")]);
    let revision = store.revision();
    store.put(pods(), &key("a", "1"), mk_text(0));
    assert!(store.remove(pods(), "a/2").is_none());
    assert_eq!(store.revision(), revision);
    assert_eq!(store.remove(pods(), "a/1").unwrap().revision, revision);
    assert_eq!(store.revision(), revision + 1);
}

#[test]
fn what_was_there_at_the_start_is_no_change() {
    let store = Store::new(10);
    store.load(pods(), (0..3).map(|value| (key("a", &value.to_string()), mk_text(value))));
    assert_eq!(store.revision(), 4);
    assert_eq!(store.changes(pods(), 4).unwrap().0.len(), 0);
    assert!(store.reaches(pods(), 3).is_err());
    assert_eq!(store.list(pods(), &ListQuery::default()).unwrap().objects.len(), 3);
}
