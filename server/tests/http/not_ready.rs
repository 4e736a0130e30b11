//! Before the truth is known: nothing that a collector could take for "you have no targets".

use hyper::StatusCode;
use ta_model::yaml::{Resolved, Value, parse};
use ta_server::health::Phase;

use crate::support::{Answer, Setup, World, mk_jobs};

fn mk_world() -> World {
    World::unsynced(Setup::default(), &mk_jobs(&["a", "b"]), &["c"])
}

/// 503 with a body that a collector, which ignores the status and reads YAML, cannot take for a job list.
fn assert_not_ready(answer: &Answer) {
    assert_eq!((answer.status, answer.content_type()), (StatusCode::SERVICE_UNAVAILABLE, "text/plain"));
    let text = answer.text();
    assert_eq!(text.lines().count(), 1);
    let Value::Scalar(scalar) = parse(text).unwrap().root.value else { panic!("a map or a list: {text}") };
    assert_eq!((&*scalar.text, scalar.quoted), (text.trim_end(), false));
    assert!(matches!(scalar.resolve(), Resolved::Str), "not null: {text}");
}

// S1, S26, S30
#[tokio::test]
async fn alive_at_once_and_ready_once_serving() {
    let world = mk_world();
    for (phase, ready) in [
        (Phase::Starting, StatusCode::SERVICE_UNAVAILABLE),
        (Phase::Syncing, StatusCode::SERVICE_UNAVAILABLE),
        (Phase::Serving, StatusCode::OK),
        (Phase::Draining, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        world.health.advance(phase);
        let (alive, ready_now) = (world.get("/livez").await, world.get("/readyz").await);
        assert_eq!((alive.status, alive.body.len(), alive.content_type()), (StatusCode::OK, 0, ""));
        assert_eq!((ready_now.status, ready_now.body.len()), (ready, 0), "{phase:?}");
    }
}

#[tokio::test]
async fn no_answer_is_given_before_the_first_sync() {
    let mut world = mk_world();
    for phase in [Phase::Starting, Phase::Syncing, Phase::Draining] {
        world.health.advance(phase);
        for path in ["/scrape_configs", "/jobs", "/jobs/a/targets?collector_id=c", "/jobs/a/targets", "/jobs/x/targets"]
        {
            assert_not_ready(&world.get(path).await);
        }
        world.step();
    }
}

#[tokio::test]
async fn people_see_pages_before_the_first_sync() {
    let world = mk_world();
    for path in ["/", "/debug/jobs", "/debug/targets", "/debug/scrape_configs", "/debug/discovery", "/metrics"] {
        assert_eq!(world.get(path).await.status, StatusCode::OK, "{path}");
    }
    assert!(world.get("/").await.page().contains("starting"));
}

#[tokio::test]
async fn draining_answers_stay_true() {
    let mut world = World::new(&mk_jobs(&["a"]), &["c"]);
    world.targets("a", &[("url", "v")]);
    world.health.advance(Phase::Draining);
    assert_eq!(world.get("/jobs/a/targets?collector_id=c").await.json().as_array().unwrap().len(), 1);
    assert_eq!(world.get("/scrape_configs").await.json().as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn a_job_that_was_never_discovered_keeps_its_targets_in_the_collectors() {
    let mut world = World::new(&mk_jobs(&["a"]), &["c"]);
    world.set_jobs(&mk_jobs(&["a", "late"]));
    assert!(world.get("/scrape_configs").await.json()["late"].is_object());
    for path in ["/jobs/late/targets?collector_id=c", "/jobs/late/targets", "/jobs/late/targets?collector_id=unknown"] {
        assert_not_ready(&world.get(path).await);
    }
    assert_eq!(world.get("/jobs/a/targets?collector_id=c").await.text(), "[]\n");
    assert!(world.get("/").await.page().contains("1 jobs are not discovered yet"));
    assert_eq!(world.get("/debug/jobs?unsynced=1").await.rows().len(), 1);
}

#[tokio::test]
async fn without_knowing_the_collectors_no_share_is_said_to_be_empty() {
    let mut world = World::new(&mk_jobs(&["a"]), &[]);
    world.health.set_lacks_collectors(true);
    assert_not_ready(&world.get("/jobs/a/targets?collector_id=c").await);
    assert_eq!(world.get("/readyz").await.status, StatusCode::OK);
    assert!(world.get("/scrape_configs").await.json()["a"].is_object());
    assert!(world.get("/").await.page().contains("not known yet which collectors there are"));
    world.set_collectors(&["c"]);
    world.health.set_lacks_collectors(false);
    assert_eq!(world.get("/jobs/a/targets?collector_id=c").await.text(), "[]\n");
}
