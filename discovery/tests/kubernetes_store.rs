//! What subscribers of a watch see, whoever feeds it.

mod mock_api;

use std::sync::Arc;
use std::time::Duration;

use mock_api::{Thing, Things, broken, key, thing};
use ta_discovery::{Cluster, Condition, Feed, Scope, Status, Subscription, WatchSettings, Watches};
use tokio::sync::Notify;

struct Fed {
    status: Arc<Status>,
    watches: Watches,
    cluster: Cluster,
    feed: Feed<Things>,
}

fn mk_fed() -> Fed {
    let status = Arc::new(Status::default());
    let settings = WatchSettings { linger: Duration::ZERO, ..WatchSettings::default() };
    let watches = Watches::new(status.clone(), settings);
    let cluster = Cluster::detached("nowhere");
    let feed = Feed::new(&watches, &cluster, Scope::default());
    Fed { status, watches, cluster, feed }
}

impl Fed {
    fn list(&self, objects: &[String]) {
        self.feed.list(objects.iter().map(String::as_str));
    }

    fn subscribe(&self, bell: &Arc<Notify>) -> Subscription<Things> {
        self.watches.subscribe(&self.cluster, Scope::default(), bell.clone())
    }
}

fn changes(subscription: &Subscription<Things>) -> Vec<String> {
    let mut changes: Vec<_> = subscription.take_changes().iter().map(ToString::to_string).collect();
    changes.sort();
    changes
}

/// Whether `bell` has rung since it was last asked.
async fn rang(bell: &Notify) -> bool {
    tokio::select! {
        biased;
        () = bell.notified() => true,
        () = std::future::ready(()) => false,
    }
}

#[tokio::test]
async fn at_first_everything_is_a_change_and_then_only_what_changed() {
    let (fed, bell) = (mk_fed(), Arc::default());
    let early = fed.subscribe(&bell);
    assert!(!early.synced() && changes(&early).is_empty());
    fed.list(&[thing("a", 1, 1), thing("b", 2, 2)]);
    assert!(early.synced() && rang(&bell).await);
    assert_eq!(changes(&early), ["n/a", "n/b"]);

    let (late_bell, mut late) = (Arc::default(), None);
    fed.feed.put(&thing("b", 3, 3));
    late.replace(fed.subscribe(&late_bell));
    let late = late.unwrap();
    assert!(rang(&late_bell).await, "what is there already is news to who joins");
    fed.feed.put(&thing("c", 4, 4));
    fed.feed.delete(&key("a"));
    assert_eq!(changes(&early), ["n/a", "n/b", "n/c"]);
    assert_eq!(changes(&late), ["n/a", "n/b", "n/c"]);
    assert!(changes(&early).is_empty() && changes(&late).is_empty());
    assert_eq!(late.get(&key("b")).as_deref(), Some(&Thing { value: 3 }));
    assert_eq!(late.get(&key("a")), None);
}

#[tokio::test]
async fn what_did_not_change_rings_nothing_and_is_the_same_object() {
    let (fed, bell) = (mk_fed(), Arc::default());
    let subscription = fed.subscribe(&bell);
    fed.list(&[thing("a", 1, 1), thing("b", 2, 2)]);
    let before = subscription.get(&key("a")).unwrap();
    assert_eq!(changes(&subscription).len(), 2);
    rang(&bell).await;

    fed.list(&[thing("a", 1, 7), thing("b", 2, 8)]);
    fed.feed.put(&thing("b", 2, 9));
    fed.feed.delete(&key("x"));
    assert!(!rang(&bell).await && changes(&subscription).is_empty());
    assert!(Arc::ptr_eq(&before, &subscription.get(&key("a")).unwrap()));

    fed.list(&[thing("a", 5, 10)]);
    assert!(rang(&bell).await);
    assert_eq!(changes(&subscription), ["n/a", "n/b"]);
}

#[tokio::test]
async fn an_object_that_cannot_be_read_keeps_what_was_known_of_it_and_costs_no_other() {
    let fed = mk_fed();
    let subscription = fed.subscribe(&Arc::default());
    fed.list(&[thing("a", 1, 1), broken("b", 2), thing("c", 3, 3)]);
    assert!(subscription.synced());
    assert_eq!(changes(&subscription), ["n/a", "n/c"]);
    fed.feed.put(&broken("a", 4));
    fed.list(&[broken("a", 5), thing("c", 4, 6)]);
    assert_eq!(changes(&subscription), ["n/c"]);
    assert_eq!(subscription.get(&key("a")).as_deref(), Some(&Thing { value: 1 }));
    let view = &fed.status.watches()[0];
    assert_eq!((view.undecodable, view.objects), (3, 2));
    assert!(view.last_undecodable.starts_with("n/a: invalid type"), "{}", view.last_undecodable);
}

#[tokio::test]
async fn a_list_with_an_object_that_is_not_named_removes_nothing() {
    let fed = mk_fed();
    let subscription = fed.subscribe(&Arc::default());
    fed.list(&[thing("a", 1, 1), thing("b", 2, 2)]);
    fed.list(&[r#"{"metadata":{},"spec":{"value":1}}"#.into(), thing("b", 3, 3)]);
    assert_eq!(subscription.all().len(), 2);
    fed.list(&[thing("b", 3, 3)]);
    assert_eq!(subscription.all().len(), 1);
}

#[tokio::test]
async fn trouble_takes_nothing_away_and_sync_is_for_good() {
    let (fed, bell) = (mk_fed(), Arc::default());
    let subscription = fed.subscribe(&bell);
    fed.feed.condition(Condition::Forbidden("no".into()));
    assert!(!subscription.synced() && rang(&bell).await);
    fed.list(&[thing("a", 1, 1)]);
    for condition in [Condition::Failing("gone".into()), Condition::Forbidden("no".into()), Condition::Absent] {
        rang(&bell).await;
        fed.feed.condition(condition.clone());
        assert!(rang(&bell).await);
        assert_eq!(subscription.condition(), condition);
        assert!(subscription.synced() && subscription.all().len() == 1);
    }
}

#[tokio::test]
async fn a_kind_the_server_does_not_have_is_known_to_be_empty() {
    let fed = mk_fed();
    let subscription = fed.subscribe(&Arc::default());
    fed.feed.condition(Condition::Absent);
    assert!(subscription.synced() && subscription.all().is_empty());
}

#[tokio::test]
async fn the_page_says_what_is_kept() {
    let fed = mk_fed();
    let first = fed.subscribe(&Arc::default());
    fed.list(&[thing("a", 1, 1), thing("b", 2, 2)]);
    fed.feed.put(&thing("c", 3, 3));
    let full = fed.status.watches()[0].clone();
    assert_eq!((full.objects, full.lists, full.events, full.subscribers), (3, 1, 1, 2));
    assert!(full.synced && full.last_event.is_some());
    assert!((3 * 60..3 * 200).contains(&full.bytes), "{}", full.bytes);
    fed.list(&[]);
    assert_eq!(fed.status.watches()[0].bytes, 0);
    drop(first);
    assert_eq!(fed.status.watches()[0].subscribers, 1);
    drop(fed.feed);
    assert!(fed.status.watches().is_empty());
}
