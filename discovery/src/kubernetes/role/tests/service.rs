use super::*;

fn mk(spec: Value, status: Value) -> Value {
    json!({"kind": "Service", "metadata": {"namespace": "ns1", "name": "web"}, "spec": spec, "status": status})
}

#[test]
fn a_target_for_each_port() {
    let mut service = mk_service();
    set(
        &mut service,
        "/spec/ports",
        json!([{"name": "http", "port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]),
    );
    let own = json!({"service_type": "ClusterIP", "service_cluster_ip": "10.9.0.1"});
    let http = json!({"__address__": "web.ns1.svc:80", "service_port_name": "http", "service_port_number": "80",
        "service_port_protocol": "TCP"});
    let dns = json!({"__address__": "web.ns1.svc:53", "service_port_name": "", "service_port_number": "53",
        "service_port_protocol": "UDP"});
    let shared = all([json!({"namespace": "ns1"}), service_meta(), own]);
    assert_targets(targets(&service, &[mk_namespace()], NOTHING), shared.clone(), &[http.clone(), dns.clone()]);
    let shared = all([shared, namespace_meta()]);
    assert_targets(targets(&service, &[mk_namespace()], EVERYTHING), shared, &[http, dns]);
}

#[test]
fn without_ports_there_is_no_target() {
    for ports in [json!(null), json!([])] {
        assert_eq!(targets(&mk(json!({"ports": ports}), json!(null)), &[], NOTHING), Some(vec![]));
    }
}

#[test]
fn external_names_have_no_cluster_ip() {
    let service =
        mk(json!({"type": "ExternalName", "externalName": "a.b", "clusterIP": "1", "ports": [{"port": 1}]}), json!({}));
    assert_eq!(values(targets(&service, &[], NOTHING), "service_external_name"), ["a.b"]);
    assert_eq!(values(targets(&service, &[], NOTHING), "service_cluster_ip"), ["-"]);
    let headless = mk(json!({"type": "ClusterIP", "clusterIP": "None", "ports": [{"port": 1}]}), json!({}));
    assert_eq!(values(targets(&headless, &[], NOTHING), "service_external_name"), ["-"]);
    assert_eq!(values(targets(&headless, &[], NOTHING), "service_cluster_ip"), ["None"]);
}

#[test]
fn load_balancers_tell_their_addresses() {
    let ip = |kind: &str, spec: &str, ingress: Value| {
        let spec = json!({"type": kind, "loadBalancerIP": spec, "ports": [{"port": 1}]});
        let service = mk(spec, json!({"loadBalancer": {"ingress": ingress}}));
        values(targets(&service, &[], NOTHING), "service_loadbalancer_ip").remove(0)
    };
    assert_eq!(
        ip("LoadBalancer", "9.9.9.9", json!([{"ip": "1.1.1.1"}, {"hostname": "h"}, {"ip": "2.2.2.2"}])),
        "1.1.1.1,2.2.2.2"
    );
    assert_eq!(ip("LoadBalancer", "9.9.9.9", json!([{"hostname": "h"}])), "9.9.9.9");
    assert_eq!(ip("LoadBalancer", "", json!(null)), "");
    assert_eq!(ip("NodePort", "9.9.9.9", json!(null)), "-");
}
