use super::*;

#[test]
fn a_target_for_each_port_of_each_container() {
    let port = |container: &str, id: &str, image: &str, init: &str, name: &str, number: &str, protocol: &str| {
        json!({"__address__": format!("10.0.0.5:{number}"), "pod_container_name": container, "pod_container_id": id,
            "pod_container_image": image, "pod_container_init": init, "pod_container_port_name": name,
            "pod_container_port_number": number, "pod_container_port_protocol": protocol})
    };
    assert_targets(
        targets(&mk_pod(), &[], NOTHING),
        all([pod_meta(), json!({"namespace": "ns1"})]),
        &[
            port("app", "containerd://1", "img:1", "false", "http", "8080", "TCP"),
            port("app", "containerd://1", "img:1", "false", "metrics", "9090", "TCP"),
            json!({"__address__": "10.0.0.5", "pod_container_name": "bare", "pod_container_id": "",
                "pod_container_image": "img:2", "pod_container_init": "false"}),
            port("init", "containerd://3", "img:3", "true", "", "7000", "UDP"),
        ],
    );
}

#[test]
fn without_ip_there_is_no_target_and_phases_do_not_matter() {
    for (ip, phase, wanted) in [("", "Running", 0), ("10.0.0.5", "Failed", 4), ("10.0.0.5", "", 4)] {
        let mut pod = mk_pod();
        set(&mut pod, "/status/podIP", json!(ip));
        set(&mut pod, "/status/phase", json!(phase));
        assert_eq!(targets(&pod, &[], NOTHING).unwrap().len(), wanted, "{ip} {phase}");
    }
}

#[test]
fn ipv6_addresses_get_brackets_with_a_port_only() {
    let mut pod = mk_pod();
    set(&mut pod, "/status/podIP", json!("fd00::5"));
    let wanted = ["[fd00::5]:8080", "[fd00::5]:9090", "fd00::5", "[fd00::5]:7000"];
    assert_eq!(addresses(targets(&pod, &[], NOTHING)), wanted);
}

#[test]
fn bare_metadata_makes_empty_labels() {
    let pod = json!({"kind": "Pod", "metadata": {"namespace": "a", "name": "p"},
        "spec": {"containers": [{"name": "c"}]}, "status": {"podIP": "1.2.3.4"}});
    let shared = json!({"namespace": "a", "pod_name": "p", "pod_ip": "1.2.3.4", "pod_ready": "unknown", "pod_phase": "",
        "pod_node_name": "", "pod_host_ip": "", "pod_uid": ""});
    let target = json!({"__address__": "1.2.3.4", "pod_container_name": "c", "pod_container_id": "",
        "pod_container_image": "", "pod_container_init": "false"});
    assert_targets(targets(&pod, &[], NOTHING), shared, &[target]);
}

#[test]
fn metadata_of_node_and_namespace_is_attached() {
    let found = targets(&mk_pod(), &[mk_node("n1"), mk_namespace()], EVERYTHING);
    for meta in [node_meta("n1"), namespace_meta(), pod_meta()] {
        let wanted = labels(meta);
        let has = |target: &Labels| wanted.iter().all(|(name, value)| target.get(name) == Some(value));
        assert!(found.iter().flatten().all(has), "{wanted:?}");
    }
    let none: [&str; 4] = ["-"; 4];
    assert_eq!(values(targets(&mk_pod(), &[mk_node("n1"), mk_namespace()], NOTHING), "node_name"), none);
}

#[test]
fn a_node_asked_for_must_be_there() {
    let mut unscheduled = mk_pod();
    set(&mut unscheduled, "/spec/nodeName", json!(null));
    let node = AttachMetadata { node: true, ..NOTHING };
    assert_eq!(targets(&mk_pod(), &[mk_node("n2")], node), Some(vec![]));
    assert_eq!(targets(&unscheduled, &[mk_node("n1")], node), Some(vec![]));
    assert_eq!(targets(&unscheduled, &[mk_node("n1")], NOTHING).unwrap().len(), 4);
}

#[test]
fn deployments_stand_behind_replica_sets() {
    let of = |others: &[Value], attach| values(targets(&mk_pod(), others, attach), "pod_deployment_name").remove(0);
    let deployment = AttachMetadata { deployment: true, ..NOTHING };
    let set = mk_controlled("ReplicaSet", "web-5d", "Deployment", "web");
    assert_eq!(of(std::slice::from_ref(&set), deployment), "web");
    assert_eq!(of(&[set], AttachMetadata { job: true, cronjob: true, ..NOTHING }), "-");
    assert_eq!(of(&[], deployment), "-");
    assert_eq!(of(&[mk_controlled("ReplicaSet", "web-5d", "Rollout", "web")], deployment), "-");
    assert_eq!(of(&[mk_controlled("ReplicaSet", "other", "Deployment", "web")], deployment), "-");
}

#[test]
fn cron_jobs_stand_behind_jobs() {
    let mut pod = mk_pod();
    set(&mut pod, "/metadata/ownerReferences", json!([{"kind": "Job", "name": "j", "controller": true}]));
    let of = |others: &[Value], attach, name: &str| values(targets(&pod, others, attach), name).remove(0);
    let (job, cronjob) = (AttachMetadata { job: true, ..NOTHING }, AttachMetadata { cronjob: true, ..NOTHING });
    let object = mk_controlled("Job", "j", "CronJob", "nightly");
    assert_eq!(of(&[], job, "pod_job_name"), "j", "the job itself need not be known");
    assert_eq!(of(std::slice::from_ref(&object), job, "pod_cronjob_name"), "-");
    assert_eq!(of(std::slice::from_ref(&object), cronjob, "pod_cronjob_name"), "nightly");
    assert_eq!(of(&[object], cronjob, "pod_job_name"), "-");
    assert_eq!(of(&[mk_controlled("Job", "j", "Workflow", "w")], cronjob, "pod_cronjob_name"), "-");
}

#[test]
fn an_owner_is_told_by_what_it_has() {
    let mut pod = mk_pod();
    for (owner, kind, name) in [
        (json!({"kind": "", "name": "n", "controller": true}), "-", "n"),
        (json!({"kind": "K", "controller": true}), "K", "-"),
        (json!({"kind": "K", "name": "n", "controller": false}), "-", "-"),
        (json!(null), "-", "-"),
    ] {
        set(&mut pod, "/metadata/ownerReferences", json!([owner]));
        let of = |label| values(targets(&pod, &[], NOTHING), label).remove(0);
        assert_eq!((&*of("pod_controller_kind"), &*of("pod_controller_name")), (kind, name));
    }
}

#[test]
fn of_keys_that_become_the_same_the_last_counts() {
    let mut pod = mk_pod();
    set(&mut pod, "/metadata/labels", json!({"a_b": "3", "a.b": "2", "a-b": "1"}));
    assert_eq!(values(targets(&pod, &[], NOTHING), "pod_label_a_b"), ["3"; 4]);
}
