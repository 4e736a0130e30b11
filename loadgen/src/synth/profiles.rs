//! Label sets per profile. Label names and their split into group and target labels follow
//! `prometheus: discovery/kubernetes/{endpointslice,pod,node}.go`.

use super::{GroupPlan, LabelAmount, LabelPairs, Profile, Slot, Synth, SynthGroup};
use crate::rng::Rng;

const META: &str = "__meta_kubernetes_";
const ZONES: [&str; 3] = ["eu-central-1a", "eu-central-1b", "eu-central-1c"];

pub(super) fn render(synth: &Synth, plan: &GroupPlan) -> SynthGroup {
    let mut group = match synth.options.profile {
        Profile::Endpointslice if synth.options.labels == LabelAmount::Few => endpointslice_few(synth, plan),
        Profile::Endpointslice => endpointslice(synth, plan),
        Profile::Pod => pod(synth, plan),
        Profile::Node => node(synth, plan),
        Profile::Static => inventory(synth, plan),
        Profile::UpstreamBench => upstream_bench(synth, plan),
    };
    group.labels.sort_unstable();
    for target in &mut group.targets {
        target.sort_unstable();
    }
    group
}

pub(super) fn address(synth: &Synth, plan: &GroupPlan, slot: Slot) -> String {
    match synth.options.profile {
        Profile::Node => format!("{}:10250", node_ip(slot.node)),
        Profile::Pod => format!("{}:{}", pod_ip(synth, plan, plan_slot(plan)).0, 8080 + slot.index),
        Profile::UpstreamBench => format!("10.1.{}.{}:443", plan.job % 250, plan.group % 250),
        Profile::Endpointslice | Profile::Static => {
            let (ip, port) = pod_ip(synth, plan, slot);
            format!("{ip}:{port}")
        }
    }
}

/// Distinct (ip, port) for every (slot, serial): 24 address bits from a counter, the rest of it in the port.
fn pod_ip(synth: &Synth, plan: &GroupPlan, slot: Slot) -> (String, u64) {
    let ordinal = synth.ordinal(plan.job, plan.group, slot.index);
    let counter = ordinal + u64::from(slot.serial) * synth.options.targets.max(1);
    // an odd multiplier permutes the 24 bits, so that neighbours do not have neighbouring addresses
    let bits = counter.wrapping_mul(0x9e_3779).wrapping_add(synth.options.seed) & 0xff_ffff;
    (format!("10.{}.{}.{}", bits >> 16, (bits >> 8) & 0xff, bits & 0xff), 8080 + (counter >> 24))
}

/// A pod group lives and dies as one: its first slot stands for the pod.
fn plan_slot(plan: &GroupPlan) -> Slot {
    plan.slots.first().map_or(Slot { index: 0, serial: 0, node: 0 }, |slot| Slot { index: 0, ..*slot })
}

fn node_ip(node: u32) -> String {
    format!("172.{}.{}.{}", 16 + (node >> 16 & 0xf), node >> 8 & 0xff, node & 0xff)
}

pub(super) fn node_name(node: u32) -> String {
    format!("ip-172-{}-{}-{}.eu-central-1.compute.internal", 16 + (node >> 16 & 0xf), node >> 8 & 0xff, node & 0xff)
}

/// The five letters Kubernetes puts behind generated names.
fn suffix(rng: &mut Rng) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..5).map(|_| char::from(LETTERS[rng.below(LETTERS.len() as u64) as usize])).collect()
}

fn uid(rng: &mut Rng) -> String {
    let (a, b) = (rng.next_u64(), rng.next_u64());
    let (p, q, r) = (a >> 32, a >> 16 & 0xffff, a & 0xfff);
    format!("{p:08x}-{q:04x}-4{r:03x}-a{:03x}-{:012x}", b >> 52, b & 0xffff_ffff_ffff)
}

fn meta(labels: &mut LabelPairs, name: &str, value: impl Into<String>) {
    labels.push((format!("{META}{name}"), value.into()));
}

/// A Kubernetes label or annotation: the value and the "present" marker.
fn meta_pair(labels: &mut LabelPairs, object: &str, name: &str, value: impl Into<String>) {
    let (kind, key) = object.rsplit_once(' ').unwrap_or((object, "label"));
    meta(labels, &format!("{kind}_{key}_{name}"), value);
    meta(labels, &format!("{kind}_{key}present_{name}"), "true");
}

/// What the targets of one group have in common.
struct Service {
    namespace: String,
    app: String,
    slice: String,
    template_hash: String,
    changed_at: String,
}

fn service(synth: &Synth, plan: &GroupPlan) -> Service {
    let seed = synth.options.seed;
    let first = synth.ordinal(plan.job, plan.group, 0) / u64::from(synth.options.per_group);
    let number = first % u64::from(synth.options.services);
    let app = format!("app-{number:05}");
    let slice_suffix = suffix(&mut Rng::at(seed, [u64::from(plan.job), u64::from(plan.group), 2]));
    let revision = u64::from(plan.revision);
    let hash = Rng::at(seed, [number, revision, 3]).next_u64() >> 28;
    Service {
        namespace: format!("shop-{}", number % 50),
        slice: format!("{app}-{}-{slice_suffix}", plan.group),
        template_hash: format!("{hash:09x}"),
        changed_at: format!(
            "2026-08-{:02}T10:{:02}:{:02}Z",
            1 + revision / 3600 % 28,
            revision / 60 % 60,
            revision % 60
        ),
        app,
    }
}

fn endpointslice(synth: &Synth, plan: &GroupPlan) -> SynthGroup {
    let service = service(synth, plan);
    let mut labels = Vec::with_capacity(16);
    meta(&mut labels, "namespace", &service.namespace);
    meta(&mut labels, "endpointslice_address_type", "IPv4");
    meta(&mut labels, "endpointslice_name", &service.slice);
    meta_pair(&mut labels, "endpointslice label", "kubernetes_io_service_name", &service.app);
    meta_pair(&mut labels, "endpointslice label", "endpointslice_kubernetes_io_managed_by", "endpointslice-controller");
    let trigger = "endpoints_kubernetes_io_last_change_trigger_time";
    meta_pair(&mut labels, "endpointslice annotation", trigger, &service.changed_at);
    meta(&mut labels, "service_name", &service.app);
    meta_pair(&mut labels, "service label", "app_kubernetes_io_name", &service.app);
    meta_pair(&mut labels, "service label", "team", "platform");
    if synth.options.labels == LabelAmount::WithLastApplied {
        let name = "kubectl_kubernetes_io_last_applied_configuration";
        meta_pair(&mut labels, "service annotation", name, last_applied(&service));
    }
    let targets = plan.slots.iter().map(|slot| endpoint(synth, plan, &service, *slot)).collect();
    SynthGroup { source: format!("endpointslice/{}/{}", service.namespace, service.slice), labels, targets }
}

fn endpoint(synth: &Synth, plan: &GroupPlan, service: &Service, slot: Slot) -> LabelPairs {
    let mut rng = Rng::at(synth.options.seed, [synth.ordinal(plan.job, plan.group, slot.index), slot.serial.into(), 4]);
    let name = format!("{}-{}-{}", service.app, service.template_hash, suffix(&mut rng));
    let node = node_name(slot.node);
    let mut labels = Vec::with_capacity(29);
    labels.push(("__address__".to_owned(), address(synth, plan, slot)));
    let plain: [(&str, &str); 11] = [
        ("port_name", "http-metrics"),
        ("port_protocol", "TCP"),
        ("port", "8080"),
        ("endpoint_conditions_ready", "true"),
        ("endpoint_conditions_serving", "true"),
        ("endpoint_conditions_terminating", "false"),
        ("endpoint_node_name", &node),
        ("endpoint_zone", ZONES[slot.node as usize % ZONES.len()]),
        ("address_target_kind", "Pod"),
        ("address_target_name", &name),
        ("port_app_protocol", "http"),
    ];
    for (key, value) in plain {
        meta(&mut labels, &format!("endpointslice_{key}"), value);
    }
    pod_labels(&mut labels, synth, plan, service, slot, &name);
    container_labels(&mut labels, "http-metrics", 8080);
    meta_pair(&mut labels, "pod label", "pod_template_hash", &service.template_hash);
    meta(&mut labels, "pod_uid", uid(&mut rng));
    labels
}

/// The labels every pod has whatever the role: 8 of them.
fn pod_labels(labels: &mut LabelPairs, synth: &Synth, plan: &GroupPlan, service: &Service, slot: Slot, name: &str) {
    meta(labels, "pod_name", name);
    meta(labels, "pod_ip", pod_ip(synth, plan, slot).0);
    meta(labels, "pod_ready", "true");
    meta(labels, "pod_phase", "Running");
    meta(labels, "pod_node_name", node_name(slot.node));
    meta(labels, "pod_host_ip", node_ip(slot.node));
    meta(labels, "pod_controller_kind", "ReplicaSet");
    meta(labels, "pod_controller_name", format!("{}-{}", service.app, service.template_hash));
}

fn container_labels(labels: &mut LabelPairs, port_name: &str, port: u32) {
    meta(labels, "pod_container_name", "app");
    meta(labels, "pod_container_image", "registry.example.com/shop/app:v1.17.3");
    meta(labels, "pod_container_port_name", port_name);
    meta(labels, "pod_container_port_number", port.to_string());
    meta(labels, "pod_container_port_protocol", "TCP");
    meta(labels, "pod_container_init", "false");
}

fn endpointslice_few(synth: &Synth, plan: &GroupPlan) -> SynthGroup {
    let service = service(synth, plan);
    let mut labels = Vec::with_capacity(4);
    meta(&mut labels, "namespace", &service.namespace);
    meta(&mut labels, "service_name", &service.app);
    meta(&mut labels, "endpointslice_name", &service.slice);
    meta(&mut labels, "service_label_team", "platform");
    let one = |slot: &Slot| {
        let mut labels = Vec::with_capacity(6);
        labels.push(("__address__".to_owned(), address(synth, plan, *slot)));
        meta(&mut labels, "endpointslice_port_name", "http-metrics");
        meta(&mut labels, "pod_name", format!("{}-{}-{}-{}", service.app, plan.group, slot.index, slot.serial));
        meta(&mut labels, "pod_node_name", node_name(slot.node));
        meta(&mut labels, "pod_ready", "true");
        meta(&mut labels, "pod_phase", "Running");
        labels
    };
    let targets = plan.slots.iter().map(one).collect();
    SynthGroup { source: format!("endpointslice/{}/{}", service.namespace, service.slice), labels, targets }
}

fn pod(synth: &Synth, plan: &GroupPlan) -> SynthGroup {
    let service = service(synth, plan);
    let slot = plan_slot(plan);
    let mut rng = Rng::at(synth.options.seed, [synth.ordinal(plan.job, plan.group, 0), slot.serial.into(), 5]);
    // the group ordinal keeps pod names, and so group sources, unique
    let name = format!("{}-{}-{}-{}", service.app, service.template_hash, plan.group, suffix(&mut rng));
    let mut labels = Vec::with_capacity(16);
    meta(&mut labels, "namespace", &service.namespace);
    pod_labels(&mut labels, synth, plan, &service, slot, &name);
    meta(&mut labels, "pod_uid", uid(&mut rng));
    meta_pair(&mut labels, "pod label", "app_kubernetes_io_name", &service.app);
    meta_pair(&mut labels, "pod label", "pod_template_hash", &service.template_hash);
    meta_pair(&mut labels, "pod annotation", "prometheus_io_scrape", "true");
    let one = |port: &Slot| {
        let mut labels = vec![("__address__".to_owned(), address(synth, plan, *port))];
        container_labels(&mut labels, &format!("http-{}", port.index), 8080 + port.index);
        labels
    };
    let targets = plan.slots.iter().map(one).collect();
    SynthGroup { source: format!("pod/{}/{name}", service.namespace), labels, targets }
}

fn node(synth: &Synth, plan: &GroupPlan) -> SynthGroup {
    let number = plan.slots.first().map_or(0, |slot| slot.node);
    let mut labels = Vec::with_capacity(20);
    meta(&mut labels, "node_provider_id", format!("aws:///eu-central-1/i-{number:017x}"));
    for (name, value) in [
        ("kubernetes_io_arch", "arm64"),
        ("kubernetes_io_os", "linux"),
        ("node_kubernetes_io_instance_type", "m7g.2xlarge"),
        ("topology_kubernetes_io_zone", ZONES[number as usize % ZONES.len()]),
    ] {
        meta_pair(&mut labels, "node label", name, value);
    }
    meta_pair(&mut labels, "node annotation", "loadgen_revision", plan.revision.to_string());
    let one = |slot: &Slot| {
        let name = node_name(slot.node);
        let mut labels =
            vec![("__address__".to_owned(), address(synth, plan, *slot)), ("instance".to_owned(), name.clone())];
        meta(&mut labels, "node_name", &name);
        meta(&mut labels, "node_label_kubernetes_io_hostname", &name);
        meta(&mut labels, "node_address_InternalIP", node_ip(slot.node));
        meta(&mut labels, "node_address_Hostname", name);
        labels
    };
    let targets = plan.slots.iter().map(one).collect();
    SynthGroup { source: format!("node/{}-{}", plan.job, plan.group), labels, targets }
}

fn inventory(synth: &Synth, plan: &GroupPlan) -> SynthGroup {
    let labels = vec![
        ("env".to_owned(), "prod".to_owned()),
        ("rack".to_owned(), format!("r{:04}", plan.group)),
        ("__meta_inventory_revision".to_owned(), plan.revision.to_string()),
    ];
    let targets = plan.slots.iter().map(|slot| vec![("__address__".to_owned(), address(synth, plan, *slot))]).collect();
    SynthGroup { source: format!("static/{}", plan.group), labels, targets }
}

/// Upstream's `benchmark_test.go`: 17 group labels with `__address__` among them, 24 target labels and `target_id`.
fn upstream_bench(synth: &Synth, plan: &GroupPlan) -> SynthGroup {
    let service = service(synth, plan);
    let slot = plan_slot(plan);
    let mut labels =
        vec![("__address__".to_owned(), address(synth, plan, slot)), ("somelabel".to_owned(), "somevalue".to_owned())];
    meta(&mut labels, "namespace", &service.namespace);
    meta(&mut labels, "endpoints_name", &service.slice);
    let name = "kubectl_kubernetes_io_last_applied_configuration";
    meta_pair(&mut labels, "service annotation", name, last_applied(&service));
    meta(&mut labels, "service_name", &service.app);
    meta_pair(&mut labels, "service label", "app_kubernetes_io_name", &service.app);
    meta_pair(&mut labels, "service label", "app_kubernetes_io_version", "v1.17.3");
    meta_pair(&mut labels, "service label", "team", "platform");
    meta_pair(&mut labels, "endpoints label", "kubernetes_io_service_name", &service.app);
    meta(&mut labels, "service_type", "ClusterIP");
    meta(&mut labels, "service_cluster_ip", "10.96.0.17");
    let targets = plan.slots.iter().map(|slot| upstream_bench_target(synth, plan, &service, *slot)).collect();
    SynthGroup { source: format!("endpoints/{}/{}", service.namespace, service.slice), labels, targets }
}

fn upstream_bench_target(synth: &Synth, plan: &GroupPlan, service: &Service, slot: Slot) -> LabelPairs {
    let ordinal = synth.ordinal(plan.job, plan.group, slot.index);
    let mut rng = Rng::at(synth.options.seed, [ordinal, slot.serial.into(), 6]);
    let name = format!("{}-{}-{}", service.app, service.template_hash, suffix(&mut rng));
    let mut labels = vec![("target_id".to_owned(), format!("{ordinal}-{}", slot.serial))];
    meta(&mut labels, "endpoint_port_name", "http-metrics");
    meta(&mut labels, "endpoint_port_protocol", "TCP");
    meta(&mut labels, "endpoint_ready", "true");
    meta(&mut labels, "endpoint_address_target_kind", "Pod");
    meta(&mut labels, "endpoint_address_target_name", &name);
    pod_labels(&mut labels, synth, plan, service, slot, &name);
    meta(&mut labels, "pod_uid", uid(&mut rng));
    container_labels(&mut labels, "http-metrics", 8080);
    meta_pair(&mut labels, "pod label", "app_kubernetes_io_name", &service.app);
    meta_pair(&mut labels, "pod label", "pod_template_hash", &service.template_hash);
    labels
}

/// About 370 bytes of JSON with quotes and a newline, so that escaping is exercised as by real annotations.
fn last_applied(service: &Service) -> String {
    let (app, namespace) = (&service.app, &service.namespace);
    format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{{\"annotations\":{{}},\"labels\":{{\
         \"app.kubernetes.io/name\":\"{app}\",\"team\":\"platform\"}},\"name\":\"{app}\",\"namespace\":\"{namespace}\"}},\
         \"spec\":{{\"ports\":[{{\"name\":\"http-metrics\",\"port\":8080,\"protocol\":\"TCP\",\"targetPort\":\"http-metrics\"\
         }}],\"selector\":{{\"app.kubernetes.io/name\":\"{app}\"}},\"type\":\"ClusterIP\"}}}}\n"
    )
}
