//! The two tables of the client contract, row by row: what is held after such an answer, starting from 2 held targets.

use super::*;

struct Row {
    name: &'static str,
    reply: Reply,
    held: i64,
    error: Option<&'static str>,
}

fn row(name: &'static str, reply: Reply, held: i64, error: Option<&'static str>) -> Row {
    Row { name, reply, held, error }
}

async fn settled_bed() -> Bed {
    let mut bed = Bed::new(None).await;
    bed.truth("a", 2);
    bed.fake.job_list(Reply::json(jobs(&["a"])));
    bed.fake.targets("a", Reply::json(groups(2)));
    bed.fleet.start("c-0", Duration::ZERO);
    bed.until("two held", || bed.held() == 2).await;
    bed
}

fn job_list_rows() -> Vec<Row> {
    let good = || jobs(&["a"]);
    vec![
        row("valid map with status 500", Reply::json(good()).status(500), 2, None),
        row("valid map as text, reformatted", Reply::text(200, &good().replace(':', ": ")), 2, None),
        row("valid map, gzip", Reply::json(good()).gzipped(), 2, None),
        row("empty body, 200", Reply::json(""), 0, None),
        row("empty body, 503", Reply::json("").status(503), 0, None),
        row("{} with 404", Reply::json("{}").status(404), 0, None),
        row("null", Reply::json("null"), 0, None),
        row("404 page not found", Reply::text(404, "404 page not found"), 2, Some("job-list-not-a-map")),
        row("not ready", Reply::text(503, "not ready"), 2, Some("job-list-not-a-map")),
        row("array", Reply::json("[]"), 2, Some("job-list-not-a-map")),
        row("html", Reply::text(200, "<html><body>hi</body></html>"), 2, Some("job-list-not-a-map")),
        row("map of strings", Reply::text(503, r#"{"upstream connect error":"reset"}"#), 2, Some("job-list-bad-job")),
        row(
            "one invalid job in a valid map",
            Reply::json(r#"{"b":{"job_name":"b"},"a":{"job_name":""}}"#),
            2,
            Some("job-list-bad-job"),
        ),
        row("redirect to another list", Reply::text(302, "").header("location", "/elsewhere"), 0, None),
        row("redirect loop", Reply::text(302, "").header("location", "/scrape_configs"), 2, Some("redirect")),
    ]
}

#[tokio::test]
async fn job_list_rows_hold() {
    for Row { name, reply, held, error } in job_list_rows() {
        let bed = settled_bed().await;
        bed.fake.job_list(reply);
        match error {
            Some(kind) => bed.until(name, || bed.stats.job_list.errors().get(kind).is_some_and(|n| *n >= 2)).await,
            None => bed.after_requests("/scrape_configs", 3).await,
        }
        bed.until(name, || bed.held() == held).await;
        let errors = bed.stats.job_list.errors();
        assert_eq!(errors.keys().next().map(String::as_str), error, "{name}: {errors:?}");
        if held == 0 {
            // recovery: the full list again brings everything back
            bed.fake.job_list(Reply::json(jobs(&["a"])));
            bed.until("recovered", || bed.held() == 2).await;
        }
    }
}

fn targets_rows() -> Vec<Row> {
    let ok = || Reply::json(groups(1));
    let body = |text: &str| Reply::json(text.to_owned());
    vec![
        row("array", ok(), 1, None),
        row("charset", ok().header("content-type", "Application/JSON; charset=UTF-8"), 1, None),
        row("[]", body("[]"), 0, None),
        row("null", body("null"), 0, None),
        row("empty group", body(r#"[{"targets":[],"labels":{}}]"#), 0, None),
        row("labels only", body(r#"[{"labels":{"x":"y"}}]"#), 0, None),
        row("other case", body(r#"[{"Targets":["host:1"],"Labels":{}}]"#), 1, None),
        row("empty body", body(""), 2, Some("body")),
        row("object", body("{}"), 2, Some("body")),
        row("null group", body("[null]"), 2, Some("body")),
        row("trailing garbage", body("[] []"), 2, Some("body")),
        row("byte order mark", body("\u{feff}[]"), 2, Some("body")),
        row("unknown key", body(r#"[{"targets":["host:1"],"x":1}]"#), 2, Some("body")),
        row("label not a string", body(r#"[{"targets":["host:1"],"labels":{"x":1}}]"#), 2, Some("body")),
        row("empty label name", body(r#"[{"targets":["host:1"],"labels":{"":"x"}}]"#), 2, Some("body")),
        row("no content type", ok().without_content_type(), 2, Some("content-type")),
        row("text/plain", ok().header("content-type", "text/plain"), 2, Some("content-type")),
        row("unsolicited gzip", ok().gzipped(), 2, Some("body")),
        row("204", body("").status(204), 2, Some("status-other")),
        row("302", ok().status(302).header("location", "/jobs/b/targets"), 2, Some("status-other")),
        row("404", ok().status(404), 2, Some("status-4xx")),
        row("500", ok().status(500), 2, Some("status-5xx")),
        row("503", ok().status(503), 2, Some("status-503")),
        row("slower than the refresh interval", ok().after(Duration::from_millis(90)), 2, Some("timeout")),
    ]
}

#[tokio::test]
async fn targets_rows_hold() {
    for Row { name, reply, held, error } in targets_rows() {
        let bed = settled_bed().await;
        bed.fake.targets("a", reply);
        match error {
            Some(kind) => bed.until(name, || bed.stats.targets.errors().get(kind).is_some_and(|n| *n >= 2)).await,
            None => bed.after_requests("/jobs/a/", 3).await,
        }
        bed.until(name, || bed.held() == held).await;
        let errors = bed.stats.targets.errors();
        assert_eq!(errors.keys().next().map(String::as_str), error, "{name}: {errors:?}");
        assert_eq!(errors.len(), usize::from(error.is_some()), "{name}: {errors:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_keeps_everything() {
    let bed = settled_bed().await;
    bed.fake.stop_listening().await;
    // open connections go on being served by axum's tasks; new ones are refused
    bed.fake.targets("a", Reply::json(groups(2)).closing());
    bed.fake.job_list(Reply::json(jobs(&["a"])).closing());
    bed.until("refused", || bed.stats.targets.errors().contains_key("refused")).await;
    bed.until("refused list", || bed.stats.job_list.errors().contains_key("refused")).await;
    assert_eq!(bed.held(), 2);
}
