//! `http_sd_configs`: what counts as an answer, and that everything else costs nothing.
#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::Response;
use common::server::{Server, answer, json, mk_http, one, redirect};
use common::{Discovery, labels, mk_static, until};
use futures::stream;
use ta_model::scrape_config::HttpClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn start(url: &str) -> Discovery {
    Discovery::start_with(vec![("a", vec![mk_http(url, HttpClientConfig::default())])], |sources| {
        sources.settings.max_http_body = 100_000;
    })
}

#[tokio::test]
async fn an_answer_becomes_groups_with_their_url() {
    let server = Server::start(|_| {
        json(r#"[{"targets": ["x:1", "y:1"], "labels": {"env": "prod", "__meta_url": "mine"}}, {"Targets": ["z:1"]}]"#)
    })
    .await;
    let url = server.url("/sd?a=b");
    let discovery = start(&url);
    discovery.sink.until("a synced", |told| told.is_synced("a")).await;
    discovery.sink.read(|told| {
        assert_eq!(told.sources("a"), [format!("{url}:0"), format!("{url}:1")]);
        assert_eq!(told.targets("a")[0], labels([("__address__", "x:1"), ("__meta_url", &url), ("env", "prod")]));
        assert_eq!(told.targets("a")[2], labels([("__address__", "z:1"), ("__meta_url", &url)]));
    });
    let asked = server.script.last();
    assert_eq!((asked.method.as_str(), &*asked.uri), ("GET", "/sd?a=b"));
    assert_eq!(asked.header("user-agent"), "Prometheus/3.14.0");
    assert_eq!(asked.header("accept"), "application/json");
    assert_eq!(asked.header("x-prometheus-refresh-interval-seconds"), "0.3");
    assert_eq!((asked.header("accept-encoding"), asked.header("authorization")), ("", ""));

    server.script.answer(|_| json(r#"[{"targets": ["x:2"]}]"#));
    discovery.sink.until_addresses("a", &["x:2"]).await;
    server.script.answer(|_| json(b"[{\"targets\": [\"\xff:1\"]}]".to_vec())); // no UTF-8: replaced, as Go does
    discovery.sink.until_addresses("a", &["\u{fffd}:1"]).await;
    server.script.answer(|_| json("null"));
    discovery.sink.until_addresses("a", &[]).await;
}

type Hostile = fn() -> Response;

#[tokio::test]
async fn an_answer_that_is_none_keeps_the_targets() {
    let server = Server::start(|_| one("x:1")).await;
    let discovery = start(&server.url("/"));
    discovery.sink.until_addresses("a", &["x:1"]).await;
    let type_json = &[("content-type", "application/json")];
    let cases: &[(Hostile, &str)] = &[
        (|| answer(StatusCode::NOT_FOUND, &[("content-type", "application/json")], "[]"), "HTTP status 404 Not Found"),
        (|| answer(StatusCode::INTERNAL_SERVER_ERROR, &[], "[]"), "HTTP status 500 Internal Server Error"),
        (|| answer(StatusCode::NO_CONTENT, &[], ""), "HTTP status 204"),
        (|| answer(StatusCode::FOUND, &[], "[]"), "HTTP status 302 Found"),
        (|| answer(StatusCode::OK, &[("content-type", "text/plain")], "[]"), "unsupported content type \"text/plain\""),
        (|| answer(StatusCode::OK, &[], "[]"), "unsupported content type \"\""),
        (|| json(""), "EOF"),
        (|| json("[{"), "EOF"),
        (|| json("{}"), "expected"),
        (|| json("[] x"), "trailing"),
        (|| json("[null]"), "nil target group item found"),
        (|| json(r#"[{"targets": [], "port": 1}]"#), "unknown field"),
        (|| json(r#"[{"targets": "x:1"}]"#), "expected"),
        (|| json(r#"[{"targets": [1]}]"#), "expected"),
        (|| json(r#"[{"targets": [], "labels": {"a": true}}]"#), "expected"),
        (|| json(vec![b' '; 100_001]), "longer than 100000 bytes"),
        (
            || {
                json(Body::from_stream(stream::repeat_with(|| {
                    Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 4096]))
                })))
            },
            "longer than 100000 bytes",
        ),
        (|| json("[".repeat(90_000)), "expected a target group"),
        (|| redirect("/"), "stopped after 10 redirects"),
        (|| redirect("ftp://x/"), "no http or https URL"),
        (|| redirect("http://["), "no http or https URL"),
        (
            || json(Body::from_stream(stream::pending::<std::io::Result<Bytes>>())),
            "no whole answer within the refresh interval",
        ),
    ];
    for (hostile, error) in cases {
        let hostile = *hostile;
        let before = discovery.provider().refresh_failures;
        server.script.answer(move |_| hostile());
        until("another failure", || discovery.provider().refresh_failures > before).await;
        discovery.until_error(error).await;
        discovery.sink.read(|told| assert_eq!(told.addresses("a").into_iter().collect::<Vec<_>>(), ["x:1"], "{error}"));
    }
    let view = discovery.provider();
    assert!(view.consecutive_failures >= cases.len() as u64 && view.refresh_failures == view.consecutive_failures);
    assert!(discovery.status.counters.http_failures.load(Ordering::Relaxed) >= cases.len() as u64);

    server.script.answer(move |_| answer(StatusCode::OK, type_json, r#"[{"targets": ["x:2"]}]"#));
    discovery.sink.until_addresses("a", &["x:2"]).await;
    until("recovered", || discovery.provider().consecutive_failures == 0).await;
}

#[tokio::test]
async fn bytes_that_are_no_http_keep_the_job_unsynced_and_disturb_no_other() {
    for garbage in [
        &b""[..],
        b"\x00\xff\xfe garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n[]",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n[]",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                drop(stream.read(&mut [0; 4096]).await);
                drop(stream.write_all(garbage).await);
            }
        });
        let http = mk_http(&url, HttpClientConfig::default());
        let discovery = Discovery::start(vec![("a", vec![http]), ("b", vec![mk_static(&["x:1"])])]);
        discovery.sink.until("b synced", |told| told.is_synced("b")).await;
        let failures = || discovery.status.providers().iter().map(|view| view.consecutive_failures).max();
        until("three failures", || failures() >= Some(3)).await;
        discovery.sink.read(|told| assert!(!told.is_synced("a")));
        server.abort();
    }
}

#[tokio::test]
async fn a_server_that_comes_up_late_is_found_before_the_interval_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let config = ta_model::scrape_config::HttpSdConfig {
        url: format!("http://user:hunter2@{address}/"),
        refresh_interval: common::mk_millis(3_600_000),
        http: HttpClientConfig::default(),
    };
    let discovery = Discovery::start(vec![("a", vec![ta_model::scrape_config::SdConfig::Http(Box::new(config))])]);
    discovery.until_error(&format!("request to http://{address}/ failed")).await;
    let script = common::server::Script::new(|_| one("x:1"));
    let listener = TcpListener::bind(address).await.unwrap();
    let router = script.router();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    discovery.sink.until_addresses("a", &["x:1"]).await;
    assert!(!discovery.provider().last_error.contains("hunter2"));
    assert_eq!(script.last().header("authorization"), "Basic dXNlcjpodW50ZXIy");
    assert!(discovery.provider().refreshes.last < Duration::from_secs(30));
}

#[tokio::test]
async fn a_long_answer_is_decoded_beside_and_an_equal_one_not_at_all() {
    let body = |n: usize| {
        let groups: Vec<_> =
            (0..n).map(|i| format!(r#"{{"targets":["host-{i:05}:1"],"labels":{{"n":"{i}"}}}}"#)).collect();
        format!("[{}]", groups.join(","))
    };
    let server = Server::start(move |_| json(body(1000))).await;
    let discovery = start(&server.url("/"));
    discovery.sink.until("all of them", |told| told.addresses("a").len() == 1000).await;
    server.script.answer(move |_| json(body(998)));
    discovery.sink.until("two less", |told| told.addresses("a").len() == 998).await;
    server.script.next().await;
    server.script.next().await;
    discovery.sink.read(|told| {
        assert_eq!(told.batches.len(), 2);
        assert_eq!(told.batches[1]["a"], (0, 2), "equal groups are not sent again");
    });
}
