//! From the resource to a ready pod, with few rights or none.

use std::collections::BTreeSet;

use serde_json::json;

use crate::pod::Pod;
use crate::world::{NARROW, WIDE, World};

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What the kernel says of the process: nothing that Kubernetes could take from it is left.
fn assert_in_shape(pod: &Pod) {
    let status = pod.status_file();
    let fact = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name}")).trim().to_owned()
    };
    assert!(fact("NSpid").ends_with("\t1"), "PID 1: {}", fact("NSpid"));
    assert_eq!([fact("CapEff"), fact("CapBnd")], ["0000000000000000", "0000000000000000"]);
    assert_eq!(fact("NoNewPrivs"), "1");
    let ours = std::fs::read_to_string("/proc/self/status").unwrap();
    if ours.lines().any(|line| line.starts_with("Uid:\t0\t")) {
        assert!(fact("Uid").split_whitespace().all(|uid| uid != "0"), "{}", fact("Uid"));
    }
}

#[test]
fn e01_a_resource_of_its_own_and_a_change_of_it() {
    let world = World::new("obs", &NARROW);
    let old = world.pod("own", include_str!("files/e01-static.yaml")).start().ready();
    assert_in_shape(&old);
    for probe in ["/livez", "/readyz"] {
        assert_eq!(old.get(probe), (200, String::new()), "{probe}");
    }
    assert_eq!(old.jobs(), set(&["prometheus"]));
    // without a selector every pod is a collector, upstream the allocator's own too: then nobody would scrape its share
    assert!(
        old.log().contains("collector_selector") && !old.get("/jobs/prometheus/targets").1.contains("own-targetalloc")
    );

    // the resource changes, so a new pod comes; the old one goes when that is ready
    let changed = world.pod("own", include_str!("files/e01-changed.yaml"));
    let changed = changed.variable("TEST_ENV", "test").empty_volume("usr/share/testvolume");
    let new = changed.start().ready();
    // three of the four kinds it must not read, and it need not: nothing is selected
    assert_eq!(new.get("/scrape_configs").1.trim(), "{}");
    assert_eq!(new.get("/jobs").1.trim(), "{}");
    assert_eq!(old.get("/readyz").0, 200);
    assert_eq!(old.terminate().code(), Some(0));
    assert_eq!(new.get("/readyz").0, 200);
}

#[test]
fn e02_a_collector_is_attached_by_label() {
    let world = World::new("obs", &[]);
    // nothing to do yet: upstream refuses to start as well, and is restarted until there is
    let nothing = || world.pod("labelled", include_str!("files/e02-bare.yaml")).run();
    let (code, log) = nothing();
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains("at least one scrape config must be defined, or Prometheus CR watching must be enabled"),
        "{log}"
    );

    // the label brings the collector's jobs. The role is that of no test: this account has no right at all
    world.collector("labelled", "labelled-collector-0", "node-1");
    let mut pod = world.pod("labelled", include_str!("files/e02-attached.yaml")).start().ready();
    assert_eq!(pod.jobs(), set(&["otel-collector"]));
    let share = "/jobs/otel-collector/targets?collector_id=labelled-collector-0";
    assert_eq!(pod.get(share).0, 503, "who collects cannot be known, so nobody is told to stop");
    world.cluster.faults().clear("pods");
    pod.wait_for_share("otel-collector", "labelled-collector-0", &["0.0.0.0:8888"]);
    assert!(pod.is_running());

    let (code, log) = world.pod("labelled", include_str!("files/e02-without-jobs.yaml")).run();
    assert_eq!((code, log.contains("at least one scrape config")), (Some(1), true), "{log}");
    assert_eq!(nothing().0, Some(1));
}

#[test]
fn e03_everything_set() {
    let world = World::new("obs", &WIDE);
    world.collector("stateful", "stateful-collector-0", "node-1");
    let start = || {
        let pod = world.pod("stateful", include_str!("files/e03-features.yaml")).variable("TEST_ENV", "test");
        pod.start().ready()
    };
    let old = start();
    let rules = &old.json("/scrape_configs")["otel-collector"]["metric_relabel_configs"];
    // the operator wrote one $ for the collector's two
    assert_eq!((&rules[0]["regex"], &rules[1]["replacement"]), (&json!("(id|name)"), &json!("$1")));
    old.wait_for_share("otel-collector", "stateful-collector-0", &["0.0.0.0:8888"]);

    // another name label of the collector changes the pod's labels, not its file: for a while there are two pods
    let mut new = start();
    for path in ["/scrape_configs", "/jobs", "/jobs/otel-collector/targets?collector_id=stateful-collector-0"] {
        assert_eq!(old.get(path), new.get(path), "{path}");
    }
    assert_eq!(old.terminate().code(), Some(0));

    let labels = json!({"team": "platform", "environment": "test", "custom.label": "ta-value"});
    world.own_monitor("stateful", &new, &labels);
    new.wait_for_texts("/jobs", &["serviceMonitor/obs/stateful-targetallocator/0"]);
    assert!(new.is_running());
}

#[test]
fn e04_empty_selectors_and_nothing_to_select() {
    let world = World::new("obs", &WIDE);
    let pod = world.pod("annotated", include_str!("files/e04-annotated.yaml")).start().ready();
    assert_eq!(pod.get("/scrape_configs").1.trim(), "{}");
}

#[test]
fn e17_smoke() {
    let world = World::new("obs", &NARROW);
    world.collector("stateful", "stateful-collector-0", "node-1");
    let pod = world.pod("stateful", include_str!("files/e17-smoke.yaml")).start().ready();
    let job = &pod.json("/scrape_configs")["otel-collector"];
    let protocols = ["PrometheusProto", "OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText0.0.4"];
    assert_eq!((&job["scrape_interval"], &job["scrape_protocols"]), (&json!("10s"), &json!(protocols)));
    pod.wait_for_share("otel-collector", "stateful-collector-0", &["0.0.0.0:8888"]);

    let changed = world.pod("stateful", include_str!("files/e17-changed.yaml")).start().ready();
    assert_eq!(changed.jobs(), set(&["otel-collector"]));
    changed.wait_for_share("otel-collector", "stateful-collector-0", &["0.0.0.0:8888"]);
}

#[test]
fn e18_pods_must_not_be_listed() {
    let world = World::new("obs", &["servicemonitors", "podmonitors", "namespaces"]);
    world.collector("otel", "otel-collector-0", "node-1");
    let pod = world.pod("otel", include_str!("files/e18-restart.yaml")).start().ready();
    assert_eq!(pod.jobs(), set(&["otel-collector"]));
    assert_eq!(pod.get("/jobs/otel-collector/targets?collector_id=otel-collector-0").0, 503);
    // nor may it reach anything but the API server: it did not ask for a name or another address to come this far
    let watches = pod.json("/debug/watches");
    let servers: BTreeSet<&str> =
        watches.as_array().unwrap().iter().map(|watch| watch["cluster"].as_str().unwrap()).collect();
    assert_eq!(servers, BTreeSet::from([&*world.cluster.url()]));
}

#[test]
fn e19_collectors_with_an_allocator_block_of_their_own() {
    for (file, jobs) in [
        (include_str!("files/e19-static.yaml"), &["otel-collector"][..]),
        (include_str!("files/e19-resources.yaml"), &["otel-collector"][..]),
        (include_str!("files/e19-resources-alone.yaml"), &[][..]),
    ] {
        let world = World::new("obs", &["pods", "namespaces"]);
        world.collector("validated", "validated-collector-0", "node-1");
        let pod = world.pod("validated", file).start().ready();
        assert_eq!(pod.jobs(), set(jobs));
        // the client asks every 10 s, not every 30: the answers are the same
        for job in jobs {
            pod.wait_for_share(job, "validated-collector-0", &["0.0.0.0:8888"]);
        }
    }
}
