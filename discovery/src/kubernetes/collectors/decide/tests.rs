use super::*;

fn at(secs: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
}

fn after(time: SystemTime) -> SystemTime {
    time + Duration::from_nanos(1)
}

const NOW: u64 = 1_000;

/// Running and ready on `node-<name>`.
fn mk_pod(name: &str) -> (String, CollectorPod) {
    let node = format!("node-{name}").into();
    let pod = CollectorPod { node, is_running: true, started: Some(at(1)), ..CollectorPod::default() };
    (name.to_owned(), pod)
}

fn mk_with(name: &str, change: impl FnOnce(&mut CollectorPod)) -> (String, CollectorPod) {
    let (name, mut pod) = mk_pod(name);
    change(&mut pod);
    (name, pod)
}

/// Started `secs` ago and not running.
fn mk_stuck(name: &str, secs: u64) -> (String, CollectorPod) {
    mk_with(name, |pod| (pod.is_running, pod.started) = (false, Some(at(NOW - secs))))
}

/// Running, but its Ready condition has not been true for `secs`.
fn mk_unready(name: &str, secs: u64) -> (String, CollectorPod) {
    mk_with(name, |pod| pod.unready_since = Some(at(NOW - secs)))
}

fn mk_rules(grace: u64) -> Rules {
    Rules { grace: Duration::from_secs(grace), ..Rules::default() }
}

fn decide(rules: &Rules, pods: impl IntoIterator<Item = (String, CollectorPod)>) -> Decision {
    rules.decide(&pods.into_iter().collect::<BTreeMap<_, _>>(), at(NOW))
}

fn names(decision: &Decision) -> Vec<&str> {
    decision.collectors.iter().map(|collector| &*collector.name).collect()
}

// W1, W2
#[test]
fn running_pods_are_collectors_on_their_nodes() {
    let decision = decide(&mk_rules(0), [mk_pod("c"), mk_pod("a"), mk_pod("b")]);
    let expected = ["a", "b", "c"].map(|name| Collector::new(name, format!("node-{name}")));
    assert_eq!(decision.collectors[..], expected);
    assert_eq!((decision.next, decision.left_out.len()), (None, 0));
    assert_eq!(names(&decide(&mk_rules(0), [mk_pod("c")])), ["c"]);
    assert_eq!(decide(&mk_rules(30), []), Decision::default());
}

// W3, W5
#[test]
fn without_a_grace_period_health_does_not_count() {
    let pods = || [mk_pod("ok"), mk_stuck("stuck", 15), mk_stuck("stuck-long", 900), mk_unready("unready", 900)];
    let decision = decide(&mk_rules(0), pods());
    assert_eq!(names(&decision), ["ok", "stuck", "stuck-long", "unready"]);
    assert_eq!(decision.next, None);
}

// W4
#[test]
fn a_pod_that_does_not_run_is_left_out_after_the_grace_period() {
    let decision = decide(&mk_rules(30), [mk_pod("ok"), mk_stuck("new", 15), mk_stuck("old", 45)]);
    assert_eq!(names(&decision), ["new", "ok"]);
    assert_eq!(decision.left_out, [("old".to_owned(), LeftOut::NotRunning)].into());
    assert_eq!(decision.next, Some(after(at(NOW + 15))));
}

// W6
#[test]
fn a_pod_that_is_not_ready_is_left_out_after_the_grace_period() {
    let decision = decide(&mk_rules(30), [mk_pod("ok"), mk_unready("new", 15), mk_unready("old", 45)]);
    assert_eq!(names(&decision), ["new", "ok"]);
    assert_eq!(decision.left_out, [("old".to_owned(), LeftOut::NotReady)].into());
    assert_eq!(decision.next, Some(after(at(NOW + 15))));
}

#[test]
fn the_grace_period_is_over_just_after_its_end() {
    let rules = mk_rules(30);
    let pods: BTreeMap<_, _> = [mk_unready("c", 30)].into();
    let on_the_dot = rules.decide(&pods, at(NOW));
    assert_eq!((names(&on_the_dot), on_the_dot.next), (vec!["c"], Some(after(at(NOW)))));
    let just_after = rules.decide(&pods, after(at(NOW)));
    assert_eq!((names(&just_after), just_after.next), (vec![], None));
}

#[test]
fn the_earliest_end_of_all_is_the_next_look() {
    let decision = decide(&mk_rules(30), [mk_unready("a", 3), mk_stuck("b", 20), mk_unready("c", 10), mk_pod("d")]);
    assert_eq!(decision.next, Some(after(at(NOW + 10))));
    let both = mk_with("a", |pod| {
        (pod.is_running, pod.started) = (false, Some(at(NOW - 5)));
        pod.unready_since = Some(at(NOW - 25));
    });
    let decision = decide(&mk_rules(30), [both]);
    assert_eq!((names(&decision), decision.next), (vec!["a"], Some(after(at(NOW + 5)))));
}

#[test]
fn nothing_known_of_a_pod_speaks_against_it() {
    // scheduled a moment ago: neither started nor any condition
    let fresh = mk_with("fresh", |pod| (pod.is_running, pod.started) = (false, None));
    let decision = decide(&mk_rules(30), [fresh]);
    assert_eq!((names(&decision), decision.next), (vec!["fresh"], None));
}

#[test]
fn a_pod_without_a_node_is_no_collector_whatever_the_rules() {
    for rules in [mk_rules(0), mk_rules(30)] {
        let decision = decide(&rules, [mk_with("c", |pod| pod.node = "".into())]);
        assert_eq!(names(&decision), [""; 0]);
        assert_eq!(decision.left_out["c"], LeftOut::NotScheduled);
    }
}

#[test]
fn a_pod_on_another_node_is_another_collector() {
    let before = decide(&mk_rules(30), [mk_pod("c")]);
    let after = decide(&mk_rules(30), [mk_with("c", |pod| pod.node = "elsewhere".into())]);
    assert_eq!(names(&before), names(&after));
    assert_ne!(before.collectors, after.collectors);
}

#[test]
fn terminating_pods_go_at_once_or_when_they_are_gone() {
    let pods = || [mk_pod("a"), mk_with("b", |pod| pod.is_terminating = true)];
    for grace in [0, 30] {
        let decision = decide(&mk_rules(grace), pods());
        assert_eq!((names(&decision), decision.left_out["b"]), (vec!["a"], LeftOut::Terminating));
        let keep = Rules { terminating: Terminating::Keep, ..mk_rules(grace) };
        assert_eq!(names(&decide(&keep, pods())), ["a", "b"]);
    }
    // kept, it is judged like any other
    let keep = Rules { terminating: Terminating::Keep, ..mk_rules(30) };
    let (name, mut pod) = mk_unready("b", 45);
    pod.is_terminating = true;
    assert_eq!(decide(&keep, [(name, pod)]).left_out["b"], LeftOut::NotReady);
}

#[test]
fn where_every_pod_is_selected_the_allocators_are_not_collectors() {
    let family = |name: &str, family| mk_with(name, |pod| pod.family = family);
    let labelled = mk_with("ta-of-another", |pod| pod.is_allocator = true);
    let pods = || {
        [
            family("ta-1", Some(7)),
            family("ta-2", Some(7)),
            family("c-0", Some(8)),
            family("bare", None),
            labelled.clone(),
        ]
    };
    let rules = |own_pod: &str| Rules { selects_all: true, own_pod: own_pod.into(), ..mk_rules(30) };
    // both replicas come to the same set
    assert_eq!(names(&decide(&rules("ta-1"), pods())), ["bare", "c-0"]);
    assert_eq!(decide(&rules("ta-1"), pods()), decide(&rules("ta-2"), pods()));
    assert_eq!(decide(&rules("ta-1"), pods()).left_out["ta-2"], LeftOut::Allocator);
    // without labels, it is only itself that it knows
    assert_eq!(names(&decide(&rules("bare"), [family("bare", None), family("also-bare", None)])), ["also-bare"]);
    // it does not know its name, or runs elsewhere
    for own_pod in ["", "node-7"] {
        assert_eq!(names(&decide(&rules(own_pod), pods())), ["bare", "c-0", "ta-1", "ta-2"]);
    }
    // a selector was given, and it selects them: a sidecar, say
    let named = Rules { selects_all: false, ..rules("ta-1") };
    assert_eq!(names(&decide(&named, pods())).len(), 5);
}

#[test]
fn extreme_times_and_periods_do_no_harm() {
    let forever = Rules { grace: Duration::MAX, ..Rules::default() };
    let decision = decide(&forever, [mk_unready("c", 900)]);
    assert_eq!((names(&decision), decision.next), (vec!["c"], None));
    // a clock ahead of ours
    let future = mk_with("c", |pod| pod.unready_since = Some(at(NOW + 500)));
    assert_eq!(decide(&mk_rules(30), [future]).next, Some(after(at(NOW + 530))));
    // Go's zero time
    let never = mk_with("c", |pod| pod.unready_since = Some(at(0)));
    assert_eq!(names(&decide(&mk_rules(30), [never])), [""; 0]);
}
