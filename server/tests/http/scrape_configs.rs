//! `/scrape_configs` and `/jobs`.

use serde_json::json;
use ta_model::scrape_config::{GlobalConfig, ScrapeConfig, decode_job};
use ta_model::yaml::{Strings, Value, parse};
use ta_server::http::Options;

use crate::support::{Answer, Setup, World, mk_jobs, mk_table};

/// What a collector makes of the body: it reads YAML.
fn parse_back(answer: &Answer) -> Vec<ScrapeConfig> {
    let document = parse(answer.text()).unwrap();
    let Value::Map(jobs) = &document.root.value else { panic!("not a mapping: {}", answer.text()) };
    jobs.iter()
        .map(|job| {
            let decoded = decode_job(&job.value, &GlobalConfig::default(), Strings::AsWritten);
            assert!(decoded.errors.is_empty(), "{:?}", decoded.errors);
            decoded.job.unwrap()
        })
        .collect()
}

async fn assert_round_trip(jobs: &str) {
    let world = World::new(jobs, &["c"]);
    let answer = world.get_all_ways("/scrape_configs").await;
    let expected: Vec<ScrapeConfig> = mk_table(jobs).jobs().iter().map(|job| (**job.config()).clone()).collect();
    assert_eq!(parse_back(&answer), expected);
}

// S6
#[tokio::test]
async fn no_jobs_is_an_empty_object_without_newline() {
    let answer = World::new("", &["c"]).get_all_ways("/scrape_configs").await;
    assert_eq!(answer.text(), "{}");
    assert_eq!(answer.content_type(), "application/json");
}

// S7, S8
#[tokio::test]
async fn jobs_parse_back_equal() {
    assert_round_trip(
        "- job_name: serviceMonitor/testapp/testapp/0\n  relabel_configs: [{source_labels: [a, b], regex: '(.*);(.*)', \
         target_label: c, replacement: '$$1-$2'}]\n",
    )
    .await;
    let rules = "relabel_configs:\n  - {source_labels: [__meta_kubernetes_pod_name], action: keep, regex: 'a.*'}\n  \
                 - {action: labelmap, regex: __meta_(.+)}\n  - {source_labels: [x], target_label: y, replacement: test$1}\n  \
                 - {source_labels: [__address__], modulus: 3, target_label: __tmp_hash, action: hashmod}\n";
    let job = |name: &str, interval: &str| {
        format!("- job_name: {name}\n  scrape_interval: {interval}\n  metrics_path: /v2/metrics\n  {rules}")
    };
    assert_round_trip(&[job("a", "30s"), job("b", "5m"), job("c", "30m")].concat()).await;
}

// S27
#[tokio::test]
async fn every_relabel_action_parses_back() {
    let mut jobs = String::new();
    for (action, more) in [
        ("replace", "regex: '(ci.*)(name$)', target_label: t, replacement: myreplacement$$1"),
        ("lowercase", "target_label: t"),
        ("uppercase", "target_label: t"),
        ("keep", "regex: '(ci.*)(name$$)'"),
        ("drop", "regex: test$1replacement"),
        ("keepequal", "target_label: t"),
        ("dropequal", "target_label: t"),
        ("hashmod", "target_label: t, modulus: 10"),
    ] {
        let rule = format!("{{source_labels: [__meta_kubernetes_pod_label_x], action: {action}, {more}}}");
        jobs += &format!("- job_name: {action}\n  relabel_configs: [{rule}]\n  metric_relabel_configs: [{rule}]\n");
    }
    for (action, more) in [
        ("labelmap", "regex: a(.*), replacement: test_newest_1_$1"),
        ("labeldrop", "regex: a"),
        ("labelkeep", "regex: a"),
    ] {
        let rule = format!("{{action: {action}, {more}}}");
        jobs += &format!("- job_name: {action}\n  relabel_configs: [{rule}]\n  metric_relabel_configs: [{rule}]\n");
    }
    assert_round_trip(&jobs).await;
}

const SECRET_JOB: &str = "- job_name: j\n  basic_auth: {username: u, password: 'P@$$w0rd1!?'}\n";

// S9, S10, S11
#[tokio::test]
async fn secrets_are_shown_to_the_right_clients_only() {
    let world = World::new(SECRET_JOB, &["c"]);
    let masked = world.get("/scrape_configs").await;
    assert_eq!(masked.json()["j"]["basic_auth"]["password"], "<secret>");
    assert_eq!(world.get_secure("/scrape_configs").await.json()["j"]["basic_auth"]["password"], "P@$$w0rd1!?");
    let options = Options { allow_insecure_auth_secrets: true, ..Options::default() };
    let open = World::with(Setup { options, ..Setup::default() }, SECRET_JOB, &["c"]);
    assert_eq!(open.get("/scrape_configs").await.json()["j"]["basic_auth"]["password"], "P@$$w0rd1!?");
    // people never see them
    for page in ["/scrape_configs", "/debug/scrape_configs"] {
        let page = open.get_with(page, &[("accept", "text/html")]).await;
        assert!(page.page().contains("&lt;secret&gt;"));
        assert!(!page.page().contains("P@$$w0rd1!?"));
    }
}

#[tokio::test]
async fn masked_and_real_have_different_tags() {
    let world = World::new(SECRET_JOB, &["c"]);
    let masked = world.get("/scrape_configs").await;
    assert_ne!(masked.header("etag"), world.get_secure("/scrape_configs").await.header("etag"));
}

#[tokio::test]
async fn a_new_job_table_is_a_new_body() {
    let mut world = World::new(&mk_jobs(&["a"]), &["c"]);
    let before = world.get("/scrape_configs").await;
    assert_eq!(before.json().as_object().unwrap().len(), 1);
    world.set_jobs(&mk_jobs(&["a", "b"]));
    let after = world.get_with("/scrape_configs", &[("if-none-match", before.header("etag"))]).await;
    assert_eq!(after.json().as_object().unwrap().len(), 2);
}

// S12, S13
#[tokio::test]
async fn jobs_with_targets_are_listed_with_links_that_work() {
    let mut world = World::new(&mk_jobs(&["a/b", "a b", "empty"]), &["c"]);
    assert_eq!(world.get_all_ways("/jobs").await.text(), "{}\n");
    world.targets("a/b", &[("1", "v"), ("2", "v"), ("3", "v")]);
    world.targets("a b", &[("1", "v")]);
    let listing = world.get_all_ways("/jobs").await;
    assert_eq!(listing.json(), json!({"a/b": {"_link": "/jobs/a%2Fb/targets"}, "a b": {"_link": "/jobs/a+b/targets"}}));
    assert!(listing.text().ends_with("}\n"));
    let linked = world.get("/jobs/a%2Fb/targets").await;
    assert_eq!(linked.json()["c"]["targets"].as_array().unwrap().len(), 3);
}
