//! A watch and everything an API server does to it. The clock is paused: waiting costs nothing.

mod mock_api;

use std::sync::Arc;
use std::time::Duration;

use http::Response;
use mock_api::{Server, Things, bookmark, broken, event, gone, key, list, paged, thing};
use ta_discovery::{Condition, Kind, Resource, Scope, WatchSettings};
use tokio::time::{Instant, advance, sleep};

fn names(keys: &[ta_discovery::ObjectKey]) -> Vec<&str> {
    keys.iter().map(|key| &*key.name).collect()
}

#[tokio::test(start_paused = true)]
async fn a_list_comes_in_pages_and_is_seen_as_one() {
    let mut server = Server::new(paged());
    let mut seen = server.subscribe();
    let ask = server.next().await.expect_list("0");
    assert_eq!((&*ask.path, ask.get("limit")), ("/apis/test.io/v1/things", "500"));
    ask.json(200, &list(10, "token/1+", &[thing("a", 1, 1)]));
    let ask = server.next().await;
    assert_eq!((ask.get("continue"), ask.get("resourceVersion")), ("token/1+", ""));
    assert!(!seen.subscription.synced() && seen.things().is_empty());
    assert_eq!(seen.subscription.condition(), Condition::Listing);
    ask.json(200, &list(11, "", &[thing("b", 2, 2)]));
    assert_eq!(names(&seen.changes().await), ["a", "b"]);
    server.next().await.expect_watch("10"); // of the first page: the second may have been younger
    assert!(seen.subscription.synced());
}

#[tokio::test(start_paused = true)]
async fn events_add_change_and_delete_and_a_watch_that_ends_is_resumed_where_it_was() {
    let mut server = Server::new(paged());
    let (mut seen, stream) = server.watching(&[thing("a", 1, 1), thing("b", 2, 2)]).await;
    stream.send(event("ADDED", &thing("c", 3, 11)) + &event("MODIFIED", &thing("a", 5, 12)));
    assert_eq!(names(&seen.changes().await), ["a", "c"]);
    stream.send(event("DELETED", &thing("b", 2, 13)));
    assert_eq!(names(&seen.changes().await), ["b"]);
    assert_eq!(seen.things(), [("a".into(), 5), ("c".into(), 3)]);
    advance(Duration::from_secs(280)).await;
    drop(stream);
    let began = Instant::now();
    server.next().await.expect_watch("13");
    assert!(began.elapsed() < Duration::from_millis(10), "a watch whose time is over goes on at once");
    assert_eq!(server.view().errors, 0);
}

#[tokio::test(start_paused = true)]
async fn bookmarks_move_the_place_to_resume_from() {
    let mut server = Server::new(paged());
    let (_seen, stream) = server.watching(&[]).await;
    stream.send(bookmark(40));
    sleep(Duration::from_secs(20)).await;
    drop(stream);
    server.next().await.expect_watch("40");
}

#[tokio::test(start_paused = true)]
async fn a_line_may_come_in_pieces_and_a_piece_may_hold_many_lines() {
    let mut server = Server::new(paged());
    let (mut seen, stream) = server.watching(&[]).await;
    let text = event("ADDED", &thing("ä", 1, 11)) + &event("ADDED", &thing("b", 2, 12)) + &bookmark(13);
    for piece in text.as_bytes().chunks(7) {
        stream.send(piece.to_vec());
        tokio::task::yield_now().await;
    }
    seen.until_things(&[("b", 2), ("ä", 1)]).await;
    stream.send(event("MODIFIED", &thing("b", 3, 14)).repeat(300) + "\n\n" + &event("ADDED", &thing("c", 4, 15)));
    seen.until_things(&[("b", 3), ("c", 4), ("ä", 1)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_stream_is_not_cut() {
    let mut server = Server::new(paged());
    let (mut seen, stream) = server.watching(&[]).await;
    for byte in event("ADDED", &thing("a", 1, 11)).into_bytes() {
        sleep(Duration::from_secs(200)).await;
        stream.send(vec![byte]);
    }
    seen.until_things(&[("a", 1)]).await;
    assert_eq!(server.view().requests, 2);
}

#[tokio::test(start_paused = true)]
async fn a_huge_object_is_an_object() {
    let mut server = Server::new(paged());
    let (mut seen, stream) = server.watching(&[]).await;
    let huge = thing("a", 1, 11).replacen("{", &format!(r#"{{"data":"{}","#, "x\\\"{".repeat(1 << 20)), 1);
    stream.send(event("ADDED", &huge));
    seen.until_things(&[("a", 1)]).await;
    stream.send(gone());
    server.next().await.expect_list("").json(200, &list(20, "", &[huge.replace(r#""value":1"#, r#""value":2"#)]));
    seen.until_things(&[("a", 2)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_relist_finds_deletions_missed_while_disconnected_as_one_change() {
    let mut server = Server::new(paged());
    let (mut seen, stream) = server.watching(&[thing("a", 1, 1), thing("b", 2, 2), thing("c", 3, 3)]).await;
    let held = seen.subscription.get(&key("c")).unwrap();
    stream.reset();
    server.next().await.expect_watch("10").refuse(410, "too old resource version: 10 (20)");
    let ask = server.next().await.expect_list(""); // newer than anything seen: not from a cache
    ask.json(200, &list(20, "more", &[thing("d", 4, 15)]));
    let ask = server.next().await;
    assert!(seen.subscription.take_changes().is_empty(), "half a list changes nothing");
    assert_eq!(seen.things().len(), 3);
    ask.json(200, &list(20, "", &[thing("b", 7, 16), thing("c", 3, 17)]));
    assert_eq!(names(&seen.changes().await), ["a", "b", "d"]);
    assert_eq!(seen.things(), [("b".into(), 7), ("c".into(), 3), ("d".into(), 4)]);
    assert!(Arc::ptr_eq(&held, &seen.subscription.get(&key("c")).unwrap()));
    server.next().await.expect_watch("20");
    assert_eq!(server.view().lists, 2);
}

#[tokio::test(start_paused = true)]
async fn gone_within_the_stream_lists_anew_and_what_came_before_it_counts() {
    let mut server = Server::new(paged());
    let (mut seen, stream) = server.watching(&[thing("a", 1, 1)]).await;
    stream.send(event("ADDED", &thing("b", 2, 11)) + &gone() + &event("ADDED", &thing("x", 0, 12)));
    assert_eq!(names(&seen.changes().await), ["b"]);
    server.next().await.expect_list("").json(200, &list(20, "", &[thing("b", 2, 11)]));
    assert_eq!(names(&seen.changes().await), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_restored_from_a_backup_has_its_list_taken() {
    let mut server = Server::new(paged());
    let (mut seen, stream) = server.watching(&[thing("a", 1, 1)]).await;
    stream.reset();
    let body = r#"{"kind":"Status","code":504,"reason":"Timeout","message":"Too large resource version: 10, current: 5",
        "details":{"causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version"}]}}"#;
    server.next().await.expect_watch("10").json(504, body);
    server.next().await.expect_list("").json(200, &list(5, "", &[thing("b", 1, 4)]));
    assert_eq!(names(&seen.changes().await), ["a", "b"]);
    server.next().await.expect_watch("5");
}

#[tokio::test(start_paused = true)]
async fn pages_that_expire_in_the_middle_are_replaced_by_one_whole_list() {
    let mut server = Server::new(paged());
    let seen = server.subscribe();
    server.next().await.json(200, &list(10, "1", &[thing("a", 1, 1), thing("x", 1, 1)]));
    server.next().await.refuse(410, "The provided continue parameter is too old");
    assert!(!seen.subscription.synced());
    let ask = server.next().await.expect_list("");
    assert_eq!(ask.get("limit"), "", "with pages it could go on like this for ever");
    ask.json(200, &list(30, "", &[thing("a", 1, 1), thing("b", 1, 1)]));
    server.next().await.expect_watch("30");
    assert_eq!(seen.things(), [("a".into(), 1), ("b".into(), 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_is_asked_for_again_instead_of_the_whole_list() {
    let mut server = Server::new(paged());
    let mut seen = server.subscribe();
    server.next().await.json(200, &list(10, "1", &[thing("a", 1, 1)]));
    server.next().await.refuse(503, "starting");
    drop(server.next().await); // connection reset
    let cut = server.next().await.stream();
    cut.send(list(10, "2", &[thing("b", 1, 1)])[..150].to_owned());
    cut.reset();
    let ask = server.next().await;
    assert_eq!(ask.get("continue"), "1");
    ask.json(200, &list(10, "", &[thing("b", 1, 1), thing("c", 1, 1)]));
    assert_eq!(names(&seen.changes().await), ["a", "b", "c"]);
    assert_eq!(server.view().errors, 3);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_off_is_no_list() {
    let mut server = Server::new(paged());
    let (seen, stream) = server.watching(&[thing("a", 1, 1), thing("b", 2, 2)]).await;
    stream.send(gone());
    let whole = list(20, "", &[thing("b", 3, 12)]);
    server.next().await.expect_list("").json(200, &whole[..whole.len() - 2]);
    server.next().await.expect_list("").json(200, "<html>proxy says hello</html>");
    server.next().await.expect_list("").json(200, r#"{"items":[]}"#);
    assert_eq!(seen.things(), [("a".into(), 1), ("b".into(), 2)]);
    server.next().await.expect_list("").json(200, &whole);
    server.next().await.expect_watch("20");
    assert_eq!(seen.things(), [("b".into(), 3)]);
}

#[tokio::test(start_paused = true)]
async fn one_object_that_cannot_be_read_costs_no_other_one() {
    let mut server = Server::new(paged());
    let mut seen = server.subscribe();
    server.next().await.json(200, &list(10, "", &[thing("a", 1, 1), broken("b", 2), thing("c", 3, 3)]));
    assert_eq!(names(&seen.changes().await), ["a", "c"]);
    let stream = server.next().await.stream();
    stream.send(event("MODIFIED", &broken("a", 11)) + &event("ADDED", r#"{"metadata":{}}"#));
    stream.send(event("MODIFIED", &thing("c", 4, 12)));
    seen.until_things(&[("a", 1), ("c", 4)]).await;
    let view = server.view();
    assert_eq!((view.undecodable, view.errors), (3, 0));
    drop(stream);
    server.next().await.expect_watch("12");
}

#[tokio::test(start_paused = true)]
async fn a_line_of_garbage_may_have_been_news_so_the_list_is_taken() {
    let mut server = Server::new(paged());
    let (mut seen, stream) = server.watching(&[thing("a", 1, 1)]).await;
    stream.send(event("MODIFIED", &thing("a", 2, 11)) + "%%%\n" + &event("MODIFIED", &thing("a", 3, 13)));
    seen.until_things(&[("a", 2)]).await;
    server.next().await.expect_list("").json(200, &list(14, "", &[thing("a", 3, 13), thing("b", 1, 12)]));
    seen.until_things(&[("a", 3), ("b", 1)]).await;
    assert!(server.view().last_error.starts_with("a line that is no event"), "{}", server.view().last_error);
}

#[tokio::test(start_paused = true)]
async fn a_decoder_that_panics_stops_no_watch() {
    let mut server = Server::new(paged());
    let (mut seen, stream) = server.watching(&[thing("a", 1, 1)]).await;
    stream.send(event("MODIFIED", &thing("a", 666, 11)));
    server.next().await.expect_list("").json(200, &list(14, "", &[thing("a", 3, 13)]));
    seen.until_things(&[("a", 3)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_busy_gets_the_pause_it_asks_for() {
    let mut server = Server::new(paged());
    let seen = server.subscribe();
    let ask = server.next().await;
    let busy = Response::builder().status(429).header("retry-after", "17").body("slow down".into()).unwrap();
    ask.respond(busy);
    let began = Instant::now();
    let ask = server.next().await;
    let waited = began.elapsed().as_secs_f64();
    assert!((17.0..22.0).contains(&waited), "{waited}");
    assert_eq!(seen.subscription.condition(), Condition::Failing("429 Too Many Requests: slow down".into()));
    ask.json(200, &list(10, "", &[]));
    server.next().await.expect_watch("10");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expired_is_renewed_at_once_and_then_with_patience() {
    let mut server = Server::new(paged());
    let (seen, stream) = server.watching(&[thing("a", 1, 1)]).await;
    advance(Duration::from_secs(100)).await;
    drop(stream);
    let began = Instant::now();
    server.next().await.refuse(401, "Unauthorized");
    let ask = server.next().await.expect_watch("10");
    assert!(began.elapsed() < Duration::from_millis(10));
    ask.refuse(401, "Unauthorized");
    let ask = server.next().await.expect_watch("10");
    assert!(began.elapsed() > Duration::from_millis(400));
    ask.refuse(401, "Unauthorized");
    server.next().await.expect_watch("10");
    assert_eq!(seen.things().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn forbidden_is_said_retried_patiently_and_over_once_granted() {
    let mut server = Server::new(paged());
    let mut seen = server.subscribe();
    let mut last = Instant::now();
    let mut pauses = Vec::new();
    let message = r#"things.test.io is forbidden: User "x" cannot list resource "things""#;
    for _ in 0..12 {
        let ask = server.next().await;
        pauses.push(last.elapsed().as_secs());
        last = Instant::now();
        ask.refuse(403, message);
    }
    assert!(pauses[11] >= 30 && *pauses.iter().max().unwrap() <= 75, "{pauses:?}");
    assert_eq!(seen.subscription.condition(), Condition::Forbidden(format!("403 Forbidden: {message}")));
    assert!(!seen.subscription.synced(), "what we may not see is not known to be empty");
    server.next().await.json(200, &list(10, "", &[thing("a", 1, 1)]));
    let stream = server.next().await.stream();
    seen.until(|seen| seen.subscription.condition() == Condition::Watching).await;

    // and taken away again
    advance(Duration::from_secs(100)).await;
    stream.reset();
    server.next().await.refuse(403, message);
    let ask = server.next().await.expect_watch("10");
    assert!(matches!(seen.subscription.condition(), Condition::Forbidden(_)));
    assert_eq!(seen.things().len(), 1);
    ask.stream().send(event("ADDED", &thing("b", 2, 11)));
    seen.until_things(&[("a", 1), ("b", 2)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_installed_later_is_noticed_within_seconds() {
    let mut server = Server::new(paged());
    let mut seen = server.subscribe();
    server.next().await.refuse(404, "the server could not find the requested resource");
    seen.until(|seen| seen.subscription.condition() == Condition::Absent).await;
    assert!(seen.subscription.synced() && seen.things().is_empty());
    for _ in 0..10 {
        let began = Instant::now();
        let ask = server.next().await;
        assert!(began.elapsed() <= Duration::from_secs(10));
        ask.refuse(404, "the server could not find the requested resource");
    }
    server.next().await.json(200, &list(10, "", &[thing("a", 1, 1)]));
    assert_eq!(names(&seen.changes().await), ["a"]);
    let stream = server.next().await.stream();
    seen.until(|seen| seen.subscription.condition() == Condition::Watching).await;

    // removed and installed again: its objects are others
    stream.reset();
    server.next().await.refuse(404, "the server could not find the requested resource");
    let ask = server.next().await;
    assert_eq!(seen.things().len(), 1, "an answer that may be a proxy's takes nothing away");
    ask.json(200, &list(3, "", &[thing("b", 1, 2)]));
    seen.until_things(&[("b", 1)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_resumed_without_a_list() {
    let mut server = Server::new(paged());
    let (mut seen, stream) = server.watching(&[thing("a", 1, 1)]).await;
    advance(Duration::from_secs(60)).await;
    stream.send(event("ADDED", &thing("b", 2, 11)) + r#"{"type":"ADDED","obj"#);
    seen.until_things(&[("a", 1), ("b", 2)]).await;
    stream.reset();
    let began = Instant::now();
    let stream = server.next().await.expect_watch("11").stream();
    assert!(began.elapsed() <= Duration::from_millis(1200));
    stream.send(event("ADDED", &thing("c", 3, 12)));
    seen.until_things(&[("a", 1), ("b", 2), ("c", 3)]).await;
    assert_eq!(server.view().lists, 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_shrinks_because_a_watch_failed_and_a_dead_server_is_not_stormed() {
    let mut server = Server::new(paged());
    let (mut seen, stream) = server.watching(&[thing("a", 1, 1), thing("b", 2, 2)]).await;
    advance(Duration::from_secs(60)).await;
    stream.reset();
    let (began, mut asked) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(600) {
        drop(server.next().await);
        asked += 1;
        assert_eq!(seen.things().len(), 2);
        assert!(seen.subscription.synced());
    }
    assert!((18..60).contains(&asked), "{asked} requests in ten minutes");
    let Condition::Failing(message) = seen.subscription.condition() else { panic!("it fails") };
    assert!(message.contains("connection reset"), "{message}");
    server.next().await.expect_watch("10").stream().send(event("DELETED", &thing("a", 1, 11)));
    seen.until_things(&[("b", 2)]).await;
    assert_eq!(seen.subscription.condition(), Condition::Watching);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_at_once_again_and_again_does_not_spin() {
    let mut server = Server::new(paged());
    let (_seen, stream) = server.watching(&[]).await;
    drop(stream);
    let (began, mut asked) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(300) {
        let stream = server.next().await.expect_watch("10").stream();
        if asked % 2 == 0 {
            stream.send(bookmark(10));
        }
        asked += 1;
    }
    assert!((8..40).contains(&asked), "{asked} watches in five minutes");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_without_its_history_is_listed_at_once() {
    let mut server = Server::new(paged());
    let (mut seen, stream) = server.watching(&[thing("a", 1, 1)]).await;
    stream.reset();
    for _ in 0..8 {
        drop(server.next().await); // reset: the pause grows to half a minute
    }
    server.next().await.expect_watch("10").refuse(410, "too old resource version: 10 (20)");
    let began = Instant::now();
    server.next().await.expect_list("").json(200, &list(20, "", &[thing("b", 2, 15)]));
    assert!(began.elapsed() < Duration::from_millis(10), "{:?}", began.elapsed());
    assert_eq!(names(&seen.changes().await), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forgets_everything_at_once_is_not_listed_in_a_loop() {
    let mut server = Server::new(paged());
    let (_seen, stream) = server.watching(&[]).await;
    stream.send(gone());
    let (began, mut lists) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(300) {
        let ask = server.next().await;
        match ask.is_watch() {
            true => ask.refuse(410, "too old"),
            false => ask.json(200, &list(10, "", &[])),
        }
        lists += 1;
    }
    assert!((10..80).contains(&lists), "{lists} requests in five minutes");
}

#[tokio::test(start_paused = true)]
async fn silence_longer_than_a_watch_may_last_is_a_dead_connection() {
    let mut server = Server::new(paged());
    let (seen, stream) = server.watching(&[thing("a", 1, 1)]).await;
    let began = Instant::now();
    server.next().await.expect_watch("10");
    let waited = began.elapsed().as_secs_f64();
    assert!((295.0..297.0).contains(&waited), "{waited}");
    assert!(!stream.is_read());
    assert_eq!(seen.things().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_asked_again() {
    let mut server = Server::new(paged());
    let seen = server.subscribe();
    let silent = server.next().await;
    let began = Instant::now();
    let half = server.next().await.stream();
    assert!((65.0..67.0).contains(&began.elapsed().as_secs_f64()));
    half.send(r#"{"metadata":{"resourceVersion":"1"},"items":["#);
    server.next().await.json(200, &list(10, "", &[thing("a", 1, 1)]));
    server.next().await.expect_watch("10");
    assert_eq!(seen.things().len(), 1);
    drop(silent);
}

#[tokio::test(start_paused = true)]
async fn two_subscribers_share_one_watch_and_the_last_one_stops_it() {
    let mut server = Server::new(paged());
    let (first, stream) = server.watching(&[thing("a", 1, 1)]).await;
    let second = server.subscribe();
    assert!(second.subscription.synced());
    assert_eq!(names(&second.subscription.take_changes()), ["a"]);
    assert_eq!((server.view().subscribers, server.view().requests), (2, 2));
    assert!(server.next_within(Duration::from_secs(1)).await.is_none(), "no second list");
    drop(first);
    sleep(Duration::from_secs(1)).await;
    assert!(stream.is_read());
    drop(second);
    sleep(Duration::from_secs(11)).await;
    assert!(!stream.is_read() && server.status.watches().is_empty());

    let _third = server.subscribe();
    server.next().await.expect_list("0");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_soon_finds_the_watch_still_running() {
    let mut server = Server::new(paged());
    let (first, stream) = server.watching(&[thing("a", 1, 1)]).await;
    drop(first);
    for _ in 0..3 {
        sleep(Duration::from_secs(6)).await;
        let again = server.subscribe();
        assert_eq!((again.things().len(), again.subscription.synced()), (1, true));
    }
    assert!(stream.is_read());
    assert_eq!((server.view().requests, server.view().subscribers), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn selectors_and_namespaces_make_watches_of_their_own() {
    let mut server = Server::new(paged());
    let scope = Scope {
        namespace: Some("team a".into()),
        label_selector: "app in (a,b),x!=y".into(),
        field_selector: "spec.nodeName=n&1".into(),
    };
    let _all = server.subscribe();
    let some = server.subscribe_to::<Things>(scope.clone());
    let (one, other) = (server.next().await, server.next().await);
    let ask = if one.path.contains("namespaces") { one } else { other };
    assert_eq!(ask.path, "/apis/test.io/v1/namespaces/team+a/things");
    assert_eq!(ask.get("labelSelector"), "app in (a,b),x!=y");
    assert_eq!(ask.get("fieldSelector"), "spec.nodeName=n&1");
    ask.json(200, &list(10, "", &[]));
    let ask = server.next().await.expect_watch("10");
    assert_eq!(ask.get("labelSelector"), "app in (a,b),x!=y");
    assert_eq!(some.subscription.scope(), &scope);
    assert_eq!(server.status.watches().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn thousands_of_watches_do_not_list_all_at_once() {
    let mut server = Server::new(paged());
    let subscribe = |n: i32| {
        let namespace = Some(n.to_string().into());
        server.subscribe_to::<Things>(Scope { namespace, ..Scope::default() })
    };
    let seen: Vec<_> = (0..2000).map(subscribe).collect();
    let mut asked = Vec::new();
    while let Some(ask) = server.next_within(Duration::from_secs(10)).await {
        asked.push(ask);
    }
    assert_eq!(asked.len(), 8);
    let mut watches = Vec::new();
    while watches.len() < 2000 {
        let ask = match asked.pop() {
            Some(ask) => ask,
            None => server.next().await,
        };
        match ask.is_watch() {
            true => watches.push(ask.stream()),
            false => ask.json(200, &list(10, "", &[])),
        }
    }
    assert!(seen.iter().all(|seen| seen.subscription.synced()));
}

/// Of which only metadata is wanted.
#[derive(Debug)]
struct Names;

impl Kind for Names {
    type Kept = ();
    const RESOURCE: Resource = Resource { plural: "names", namespaced: false, ..Things::RESOURCE };
    const METADATA_ONLY: bool = true;

    fn keep(_: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn bytes((): &()) -> usize {
        0
    }
}

#[tokio::test(start_paused = true)]
async fn only_metadata_is_asked_for_where_nothing_else_is_used() {
    let mut server = Server::new(WatchSettings { page_size: 7, ..paged() });
    let namespace = Some("ignored".into());
    let _seen = server.subscribe_to::<Names>(Scope { namespace, ..Scope::default() });
    let ask = server.next().await.expect_list("0");
    assert_eq!((&*ask.path, ask.get("limit")), ("/apis/test.io/v1/names", "7"));
    assert!(ask.accept.starts_with("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"));
    ask.json(200, &list(10, "", &[]));
    let ask = server.next().await.expect_watch("10");
    assert!(ask.accept.starts_with("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,"));
}
