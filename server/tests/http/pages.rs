//! The pages for people.

use hyper::StatusCode;
use ta_engine::TargetId;

use crate::support::{World, mk_jobs};

fn owned(rows: &[&[&str]]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
}

/// The identity of a job's only target, as the pages link it.
fn id_of(world: &World, job: &str) -> TargetId {
    let snapshot = world.engine.snapshots().load();
    let view = snapshot.job(job).unwrap();
    let (_, target) = view.targets(0).next().unwrap();
    target.id()
}

// S14
#[tokio::test]
async fn jobs_by_name_with_their_counts() {
    let mut world = World::new(&mk_jobs(&["job2", "job1", "job3"]), &["c"]);
    for (job, count) in [("job1", 1), ("job2", 1), ("job3", 3)] {
        let targets: Vec<_> = ["1", "2", "3"].iter().take(count).map(|address| (*address, "v")).collect();
        world.targets(job, &targets);
    }
    for answer in [world.get("/debug/jobs").await, world.get_with("/jobs", &[("accept", "text/html,*/*")]).await] {
        assert!(answer.page().contains("<title>OpenTelemetry Target Allocator - Jobs</title>"));
        assert!(answer.page().contains("href=\"/debug/job?job_id=job1\""));
        let rows: Vec<_> = answer.rows().into_iter().map(|row| row[..2].to_vec()).collect();
        assert_eq!(rows, owned(&[&["job1", "1"], &["job2", "1"], &["job3", "3"]]));
    }
    assert_eq!(world.get("/debug/jobs?q=JOB2").await.rows().len(), 1);
    let page = world.get("/debug/jobs?per_page=2&page=2").await;
    assert_eq!(page.rows()[0][0], "job3");
    assert!(page.page().contains("/debug/jobs?page=1&amp;per_page=2"));
}

// S15, S35
#[tokio::test]
async fn a_job_by_collector() {
    let mut world = World::new(&mk_jobs(&["test-job"]), &["test-collector", "test-collector2"]);
    let path = "/debug/job?job_id=test-job";
    assert_eq!(world.get(path).await.rows(), owned(&[&["test-collector", "0"], &["test-collector2", "0"]]));
    world.targets("test-job", &[("test-url", "v")]);
    let answer = world.get(path).await;
    assert!(answer.page().contains("<title>Job: test-job</title>"));
    assert_eq!(answer.rows(), owned(&[&["test-collector", "1"], &["test-collector2", "0"]]));
    let unknown = world.get("/debug/job?job_id=unknown").await;
    assert_eq!(unknown.status, StatusCode::OK);
    assert_eq!(unknown.rows(), owned(&[&["test-collector", "0"], &["test-collector2", "0"]]));
    for path in ["/debug/job", "/debug/job?job_id=a&job_id=b"] {
        let answer = world.get(path).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::BAD_REQUEST, 0), "{path}");
    }
}

// S16
#[tokio::test]
async fn the_index_at_a_glance() {
    let mut world = World::new(&mk_jobs(&["test-job", "test-job2"]), &["test-collector1", "test-collector2"]);
    let expected = |jobs: &str, targets: &str, first: [&str; 2], second: [&str; 2]| {
        owned(&[
            &["Scrape Configs", "2"],
            &["Jobs", jobs],
            &["Targets", targets],
            &["test-collector1", first[0], first[1]],
            &["test-collector2", second[0], second[1]],
        ])
    };
    assert_eq!(world.get("/").await.rows(), expected("0", "0", ["0", "0"], ["0", "0"]));
    world.targets("test-job", &[("test-url", "v")]);
    assert_eq!(world.get("/").await.rows(), expected("1", "1", ["1", "1"], ["0", "0"]));
    world.targets("test-job", &[("test-url", "v"), ("test-url2", "v")]);
    world.targets("test-job2", &[("test-url3", "v")]);
    assert_eq!(world.get("/").await.rows(), expected("2", "3", ["2", "2"], ["1", "1"]));
    let page = world.get("/").await;
    for part in
        ["<title>OpenTelemetry Target Allocator</title>", "serving", "least-weighted", "1.33", "No problems known"]
    {
        assert!(page.page().contains(part), "{part}");
    }
}

// S17
#[tokio::test]
async fn targets_in_pages() {
    let mut world = World::new(&mk_jobs(&["a", "b", "c"]), &["c"]);
    assert_eq!(world.get("/debug/targets").await.rows().len(), 0);
    world.many_targets("a", 150);
    world.group("b", "0", &[], &[&[("__address__", "url"), ("__meta_kubernetes_endpointslice_name", "slice-1")]]);
    world.many_targets("c", 20);
    let first = world.get("/debug/targets").await;
    assert_eq!(first.rows().len(), 100);
    assert!(first.page().contains("1–100 of 171"));
    let second = world.get("/debug/targets?page=2").await;
    assert_eq!(second.rows().len(), 71);
    assert_eq!(second.rows()[50], owned(&[&["b", "url", "c", "slice-1"]])[0]);
    let id = id_of(&world, "b");
    assert!(second.page().contains(&format!("/debug/target?target_hash={id}")));
    assert_eq!(world.get("/debug/targets?job=c").await.rows().len(), 20);
    assert_eq!(world.get("/debug/targets?job=unknown").await.rows().len(), 0);
    assert_eq!(world.get("/debug/targets?page=99999999999999999999").await.rows().len(), 100);
    assert_eq!(world.get("/debug/targets?page=18446744073709551615&per_page=7").await.rows().len(), 0);
}

#[tokio::test]
async fn targets_are_found_by_address_and_label_value() {
    let mut world = World::new(&mk_jobs(&["a", "b"]), &["c"]);
    world.many_targets("a", 150);
    world.targets("b", &[("needle:80", "v"), ("other:80", "NEEDLE")]);
    let found = world.get("/debug/targets?q=needle").await;
    assert_eq!(found.rows().into_iter().map(|row| row[1].clone()).collect::<Vec<_>>(), ["needle:80", "other:80"]);
    // more than fit: the rest is one link away
    let many = world.get("/debug/targets?q=host-").await;
    assert_eq!(many.rows().len(), 100);
    assert!(many.page().contains("/debug/targets?q=host-&amp;job=&amp;from=100"));
    let rest = world.get("/debug/targets?q=host-&from=100").await;
    assert_eq!(rest.rows().len(), 50);
    assert!(!rest.page().contains("search on"));
    assert_eq!(world.get("/debug/targets?q=host-&from=18446744073709551615").await.rows().len(), 0);
}

// S18–S22, S34
#[tokio::test]
async fn a_collector_and_its_targets() {
    let mut world = World::new(&mk_jobs(&["test-job", "test-job2"]), &["test-collector", "test-collector2"]);
    let path = "/debug/collector?collector_id=test-collector";
    assert_eq!(world.get(path).await.rows().len(), 0);
    world.targets("test-job", &[("test-url", "v")]);
    world.targets("test-job2", &[("test-url4", "v")]);
    let answer = world.get(path).await;
    assert!(answer.page().contains("<title>Collector: test-collector</title>"));
    assert_eq!(answer.rows(), owned(&[&["test-job", "test-url", ""]]));
    let second = world.get("/debug/collector?collector_id=test-collector2").await;
    assert_eq!(second.rows(), owned(&[&["test-job2", "test-url4", ""]]));
    for path in ["/debug/collector", "/debug/collector?collector_id=", "/debug/collector?collector_id=a&collector_id=b"]
    {
        let answer = world.get(path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(answer.page().contains("Expected collector_id in the query string"));
        assert!(answer.page().contains("/debug/collector?collector_id=my-collector-42"));
    }
    for name in ["unknown-collector-1", "nonexistent"] {
        let answer = world.get(&format!("/debug/collector?collector_id={name}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(answer.page().contains(&format!("Unknown Collector: {name}")));
    }
}

#[tokio::test]
async fn a_collectors_targets_in_pages() {
    let mut world = World::new(&mk_jobs(&["a", "b"]), &["c0", "c1"]);
    world.many_targets("a", 100);
    world.many_targets("b", 100);
    let all = world.get("/debug/collector?collector_id=c1").await.rows();
    assert_eq!(all.len(), 100);
    let mut paged = Vec::new();
    for page in 1..=4 {
        paged.extend(world.get(&format!("/debug/collector?collector_id=c1&per_page=30&page={page}")).await.rows());
    }
    assert_eq!(paged, all);
    assert_eq!(all.iter().filter(|row| row[0] == "b").count(), 50);
}

// S23–S25, S31–S33
#[tokio::test]
async fn a_target_and_its_labels() {
    let mut world = World::new(&mk_jobs(&["test-job"]), &["test-collector"]);
    let labels = [
        ("__address__", "test-url"),
        ("__meta_kubernetes_namespace", "ns"),
        ("__meta_kubernetes_pod_name", "pod"),
        ("__meta_kubernetes_endpointslice_address_target_kind", "Node"),
        ("__meta_kubernetes_endpointslice_address_target_name", "node-7"),
        ("test_label", "test-value"),
    ];
    world.group("test-job", "0", &[], &[&labels]);
    let answer = world.get(&format!("/debug/target?target_hash={}", id_of(&world, "test-job"))).await;
    assert!(answer.page().contains("<title>Target: test-url</title>"));
    let rows = answer.rows();
    assert_eq!(
        rows[..10],
        owned(&[
            &["Collector", "test-collector"],
            &["Job", "test-job"],
            &["Namespace", "ns"],
            &["Service Name", ""],
            &["Service Port", ""],
            &["Pod Name", "pod"],
            &["Container Name", ""],
            &["Container Port Name", ""],
            &["Node Name", "node-7"],
            &["Endpoint Slice Name", ""],
        ])
    );
    assert_eq!(rows[10], ["__address__", "test-url"]);
    assert_eq!(rows.last().unwrap(), &["test_label", "test-value"]);
    for (query, status, part) in [
        ("?target_hash=0", StatusCode::BAD_REQUEST, "Expected target_hash in the query string"),
        ("?target_hash=", StatusCode::BAD_REQUEST, "Expected target_hash in the query string"),
        ("", StatusCode::BAD_REQUEST, "/debug/target?target_hash=my-target-42"),
        ("?target_hash=not-a-number", StatusCode::BAD_REQUEST, "Expected target_hash to be a number"),
        ("?target_hash=18446744073709551616", StatusCode::BAD_REQUEST, "Expected target_hash to be a number"),
        ("?target_hash=999999999", StatusCode::NOT_FOUND, "Unknown Target: 999999999"),
    ] {
        let answer = world.get(&format!("/debug/target{query}")).await;
        assert_eq!(answer.status, status, "{query}");
        assert!(answer.page().contains(part), "{query}");
        assert_eq!(answer.page().matches("<html").count(), 1, "one page, not two");
    }
}

#[tokio::test]
async fn scrape_configs_in_pages() {
    let names: Vec<String> = (0..30).map(|n| format!("job-{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::new(&mk_jobs(&names), &["c"]);
    let answer = world.get("/debug/scrape_configs").await;
    assert!(answer.page().contains("<title>OpenTelemetry Target Allocator - Scrape Configs</title>"));
    assert_eq!(answer.rows().len(), 25);
    assert!(answer.rows()[0][1].contains("  &quot;job_name&quot;: &quot;job-00&quot;"));
    assert_eq!(world.get("/debug/scrape_configs?page=2").await.rows().len(), 5);
    assert_eq!(world.get("/debug/scrape_configs?job=job-07").await.rows().len(), 1);
    assert_eq!(world.get("/debug/scrape_configs?q=JOB-2").await.rows().len(), 10);
}

#[tokio::test]
async fn hostile_names_stay_text() {
    let job = "<script>alert(1)</script>\"'&+";
    let mut world = World::new(&format!("- job_name: '{}'\n", job.replace('\'', "''")), &["\"><img src=x>"]);
    world.group(job, "0", &[], &[&[("__address__", "\"><b>"), ("l", "</td><script>")]]);
    let id = id_of(&world, job);
    let escaped = "%3Cscript%3Ealert%281%29%3C%2Fscript%3E%22%27%26%2B";
    for path in [
        "/".to_owned(),
        "/debug/jobs".to_owned(),
        format!("/debug/job?job_id={escaped}"),
        "/debug/targets".to_owned(),
        format!("/debug/targets?q={escaped}"),
        format!("/debug/targets?job={escaped}"),
        format!("/debug/target?target_hash={id}"),
        "/debug/collector?collector_id=%22%3E%3Cimg+src%3Dx%3E".to_owned(),
        "/debug/scrape_configs".to_owned(),
        format!("/debug/collector?collector_id={escaped}"),
        format!("/debug/target?target_hash={escaped}"),
    ] {
        let answer = world.get(&path).await;
        let page = answer.page();
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>\""), "{path}: {page}");
    }
    assert!(world.get("/debug/jobs").await.page().contains(&format!("/debug/job?job_id={escaped}")));
}
