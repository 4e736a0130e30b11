//! What is routed and what is not.

use hyper::{Method, StatusCode};

use crate::support::{Setup, World, mk_jobs};

fn mk_world() -> World {
    World::new(&mk_jobs(&["a"]), &["c"])
}

#[tokio::test]
async fn only_get_and_only_known_paths() {
    let world = mk_world();
    let mut answers = Vec::new();
    for method in [Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
        for path in ["/", "/scrape_configs", "/jobs/", "/jobs/a/targets"] {
            answers.push((format!("{method} {path}"), world.method(method.clone(), path).await));
        }
    }
    for path in [
        "/nothing",
        "/nothing/",
        "/jobs/a/b/targets",
        "/jobs/a",
        "/jobs/targets",
        "//scrape_configs",
        "/scrape_configs//",
        "/scrape%5Fconfigs",
        "/debug",
    ] {
        answers.push((path.to_owned(), world.get(path).await));
    }
    for (asked, answer) in answers {
        assert_eq!((answer.status, answer.text()), (StatusCode::NOT_FOUND, "404 page not found"), "{asked}");
        assert_eq!(answer.content_type(), "text/plain", "{asked}");
    }
}

#[tokio::test]
async fn a_slash_too_many_or_too_few_redirects() {
    let world = mk_world();
    for (path, location) in [
        ("/jobs/", "/jobs"),
        ("/scrape_configs/?x=1", "/scrape_configs?x=1"),
        ("/jobs/a%2Fb/targets/?collector_id=c", "/jobs/a%2Fb/targets?collector_id=c"),
        ("/jobs//targets/", "/jobs//targets"),
        ("//", "/"),
        ("/debug/pprof", "/debug/pprof/"),
    ] {
        let answer = world.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::MOVED_PERMANENTLY, location));
        assert_eq!(answer.content_type(), "text/html; charset=utf-8");
        assert!(answer.text().contains("Moved Permanently"));
    }
}

#[tokio::test]
async fn a_panic_is_a_500_and_counted() {
    #[derive(Debug)]
    struct Panics;
    impl ta_server::http::StatusSource for Panics {
        fn status(&self) -> ta_server::http::DiscoveryStatus {
            panic!("as tests do")
        }
    }
    let setup = Setup { status: std::sync::Arc::new(Panics), ..Setup::default() };
    let world = World::with(setup, &mk_jobs(&["a"]), &["c"]);
    let answer = world.get("/debug/discovery").await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::INTERNAL_SERVER_ERROR, 0));
    // the next one is served all the same
    assert_eq!(world.get("/jobs").await.status, StatusCode::OK);
    let snapshot = world.engine.snapshots().load();
    let families = world.metrics.gather(&snapshot, &ta_server::http::NoStatus);
    let panics = families.iter().find(|family| family.name() == "opentelemetry_allocator_http_panics_total").unwrap();
    assert!(panics.get_metric()[0].get_counter().get_value() > 0.0);
}

#[tokio::test]
async fn profiles() {
    let world = mk_world();
    assert!(world.get("/debug/pprof/").await.text().contains("profile?seconds=30"));
    assert!(world.get("/debug/pprof/cmdline").await.text().contains("http"));
    assert_eq!(world.get("/debug/pprof/symbol").await.text(), "num_symbols: 1\n");
    let missing = world.get("/debug/pprof/heap").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert!(missing.text().contains("\"heap\""));
}

#[cfg(feature = "cpu-profiling")]
#[tokio::test]
async fn a_cpu_profile_is_gzipped_protobuf() {
    let answer = mk_world().get("/debug/pprof/profile?seconds=0.05").await;
    assert_eq!((answer.status, answer.content_type()), (StatusCode::OK, "application/octet-stream"));
    assert_eq!(answer.body[..2], [0x1f, 0x8b]);
}
