use super::*;

fn mk(spec: Value) -> Value {
    json!({"kind": "Ingress", "metadata": {"namespace": "ns1", "name": "in", "annotations": {"x": "y"}}, "spec": spec})
}

fn shared() -> Value {
    json!({"namespace": "ns1", "ingress_name": "in", "ingress_annotation_x": "y", "ingress_annotationpresent_x": "true"})
}

fn target(host: &str, scheme: &str, path: &str) -> Value {
    json!({"__address__": host, "ingress_host": host, "ingress_scheme": scheme, "ingress_path": path})
}

#[test]
fn a_target_for_each_path_of_each_rule() {
    let ingress =
        mk(json!({"ingressClassName": "nginx", "tls": [{"hosts": ["a.example"]}, null, {"hosts": null}], "rules": [
        {"host": "a.example", "http": {"paths": [{"path": "/x"}, {"path": ""}, {}]}},
        {"host": "b.example"},
        {"host": "none.example", "http": {"paths": []}},
        {"host": "null.example", "http": {}},
        {"http": {"paths": [{"path": "/y"}]}}]}));
    let wanted = [
        target("a.example", "https", "/x"),
        target("a.example", "https", "/"),
        target("a.example", "https", "/"),
        target("b.example", "http", "/"),
        target("", "http", "/y"),
    ];
    let shared = all([shared(), json!({"ingress_class_name": "nginx"})]);
    assert_targets(targets(&ingress, &[mk_namespace()], NOTHING), shared.clone(), &wanted);
    assert_targets(targets(&ingress, &[mk_namespace()], EVERYTHING), all([shared, namespace_meta()]), &wanted);
}

#[test]
fn certificates_are_for_hosts_or_for_one_part_of_them() {
    for (pattern, host, wanted) in [
        ("a.b", "a.b", "https"),
        ("*.b", "a.b", "https"),
        ("*.b", "a.a.b", "http"),
        ("*.b", "b", "http"),
        ("*", "a", "https"),
        ("*", "a.b", "http"),
        ("*", "", "https"),
        ("", "", "https"),
        ("a.*", "a.b", "http"),
        ("x*.b", "xa.b", "http"),
        ("*.", "a.", "https"),
        ("*.", "a", "http"),
    ] {
        let ingress = mk(json!({"tls": [{"hosts": ["other", pattern]}], "rules": [{"host": host}]}));
        assert_eq!(values(targets(&ingress, &[], NOTHING), "ingress_scheme"), [wanted], "{pattern:?} for {host:?}");
    }
}

#[test]
fn a_backend_without_rules_is_no_target() {
    for spec in [json!({"defaultBackend": {}}), json!(null), json!({"rules": null})] {
        assert_eq!(targets(&mk(spec), &[], NOTHING), Some(vec![]));
    }
    let with_class = mk(json!({"ingressClassName": "", "rules": [{}]}));
    assert_targets(
        targets(&with_class, &[], NOTHING),
        all([shared(), json!({"ingress_class_name": ""})]),
        &[target("", "http", "/")],
    );
}
