//! Lists that stream (WatchList), from servers that have them, that do not, and that are of two minds.

mod mock_api;

use std::time::Duration;

use mock_api::{Server, Things, end_of_list, event, key, list, thing};
use ta_discovery::{Condition, Scope, WatchSettings};
use tokio::time::{Instant, advance, sleep};

fn mk_server() -> Server {
    Server::new(WatchSettings::default())
}

/// Fails unless a list is asked for as a stream.
fn expect_stream(ask: mock_api::Ask, version: Option<&str>) -> mock_api::Ask {
    assert!(ask.is_watch(), "{:?}", ask.query);
    assert_eq!(ask.get("sendInitialEvents"), "true");
    assert_eq!(ask.get("resourceVersionMatch"), "NotOlderThan");
    assert_eq!(ask.get("allowWatchBookmarks"), "true");
    assert_eq!(ask.query.get("resourceVersion").map(String::as_str), version);
    ask
}

#[tokio::test(start_paused = true)]
async fn a_streamed_list_is_seen_as_one_and_goes_on_as_a_watch() {
    let mut server = mk_server();
    let mut seen = server.subscribe();
    let stream = expect_stream(server.next().await, Some("0")).stream();
    stream.send(event("ADDED", &thing("a", 1, 5)) + &event("ADDED", &thing("b", 2, 6)));
    stream.send(event("DELETED", &thing("b", 2, 9)));
    sleep(Duration::from_secs(5)).await;
    assert!(!seen.subscription.synced() && seen.things().is_empty());
    stream.send(event("MODIFIED", &thing("a", 3, 10)) + &end_of_list(12) + &event("ADDED", &thing("c", 4, 13)));
    seen.until_things(&[("a", 3), ("c", 4)]).await;
    assert!(seen.subscription.synced());
    assert_eq!(seen.subscription.condition(), Condition::Watching);
    stream.send(event("ADDED", &thing("d", 5, 14)));
    seen.until_things(&[("a", 3), ("c", 4), ("d", 5)]).await;
    advance(Duration::from_secs(250)).await;
    drop(stream);
    server.next().await.expect_watch("14");
    assert_eq!((server.view().lists, server.view().requests), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_streamed_relist_finds_deletions_and_changes_nothing_until_it_is_complete() {
    let mut server = mk_server();
    let mut seen = server.subscribe();
    let stream = server.next().await.stream();
    stream.send(event("ADDED", &thing("a", 1, 5)) + &event("ADDED", &thing("b", 2, 6)) + &end_of_list(12));
    assert_eq!(seen.changes().await.len(), 2);
    stream.send(mock_api::gone());
    let stream = expect_stream(server.next().await, None).stream();
    stream.send(event("ADDED", &thing("b", 2, 6)));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(seen.things().len(), 2);
    stream.send(end_of_list(30));
    assert_eq!(seen.changes().await, [key("a")]);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_streams_is_asked_for_pages_and_never_for_streams_again() {
    for status in [400, 422] {
        let mut server = mk_server();
        let mut seen = server.subscribe();
        let ask = expect_stream(server.next().await, Some("0"));
        ask.refuse(status, "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled");
        let began = Instant::now();
        server.next().await.expect_list("0").json(200, &list(10, "", &[thing("a", 1, 1)]));
        assert!(began.elapsed() < Duration::from_millis(10), "that was an answer, not a failure");
        seen.until_things(&[("a", 1)]).await;
        let stream = server.next().await.expect_watch("10").stream();
        let other = server.subscribe_to::<Things>(Scope { namespace: Some("n".into()), ..Scope::default() });
        let _others = server.next().await.expect_list("0");
        stream.send(mock_api::gone());
        server.next().await.expect_list("");
        assert_eq!(server.status.watches()[0].last_error, "410 Gone: too old resource version");
        drop(other);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_says_that_the_list_is_complete_is_given_up_for_pages() {
    for ends in [true, false] {
        let mut server = mk_server();
        let mut seen = server.subscribe();
        let stream = server.next().await.stream();
        stream.send(event("ADDED", &thing("x", 1, 5)));
        let kept = (!ends).then_some(stream);
        server.next().await.expect_list("0").json(200, &list(10, "", &[thing("a", 1, 1)]));
        seen.until_things(&[("a", 1)]).await;
        drop(kept);
        server.next().await.expect_watch("10").stream().send(mock_api::gone());
        server.next().await.expect_list("");
    }
}

#[tokio::test(start_paused = true)]
async fn trouble_with_a_stream_is_first_waited_out_and_then_pages_are_tried() {
    let mut server = mk_server();
    let mut seen = server.subscribe();
    server.next().await.refuse(500, "apiserver is starting");
    let began = Instant::now();
    expect_stream(server.next().await, Some("0")).refuse(500, "the streams are broken");
    assert!(began.elapsed() > Duration::from_millis(400));
    server.next().await.expect_list("0").json(200, &list(10, "", &[thing("a", 1, 1)]));
    seen.until_things(&[("a", 1)]).await;
    server.next().await.expect_watch("10").stream().send(mock_api::gone());
    expect_stream(server.next().await, None);
}

/// However the bytes are cut: what makes no sense after a list is the watch's trouble, and no reason to ask for pages.
#[tokio::test(start_paused = true)]
async fn nonsense_in_the_same_bytes_as_the_end_of_a_list_does_not_undo_the_list() {
    let mut server = Server::new(WatchSettings::default());
    let mut seen = server.subscribe();
    let stream = server.next().await.stream();
    stream.send(event("ADDED", &thing("a", 1, 5)) + &end_of_list(12) + "nonsense\n");
    seen.until_things(&[("a", 1)]).await;
    let ask = server.next().await;
    assert_eq!(ask.get("sendInitialEvents"), "true", "{:?}", ask.query);
    assert_eq!((server.view().lists, server.view().errors), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn who_may_not_stream_may_not_list_either() {
    for (status, condition) in [(403, "Forbidden"), (404, "Absent")] {
        let mut server = mk_server();
        let seen = server.subscribe();
        server.next().await.refuse(status, "no");
        expect_stream(server.next().await, Some("0"));
        assert!(format!("{:?}", seen.subscription.condition()).starts_with(condition));
    }
}
