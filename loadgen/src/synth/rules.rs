//! The relabel rules such targets usually go through.

use std::fmt::Write as _;

use super::Profile;

/// One relabel rule in plain strings; empty fields keep Prometheus' defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelabelRule {
    /// Source labels, joined by `;`.
    pub source_labels: Vec<&'static str>,
    /// Anchored regular expression; empty = `(.*)`.
    pub regex: &'static str,
    /// Modulus of `hashmod`; 0 for other actions.
    pub modulus: u64,
    /// Label written to.
    pub target_label: &'static str,
    /// Replacement; none = `$1`.
    pub replacement: Option<&'static str>,
    /// Action; empty = `replace`.
    pub action: &'static str,
}

fn replace(sources: &[&'static str], regex: &'static str, to: &'static str) -> RelabelRule {
    RelabelRule { source_labels: sources.to_vec(), regex, modulus: 0, target_label: to, replacement: None, action: "" }
}

fn filter(action: &'static str, sources: &[&'static str], regex: &'static str) -> RelabelRule {
    RelabelRule { action, ..replace(sources, regex, "") }
}

/// The rules a typical ServiceMonitor (`endpointslice`: 13 rules), PodMonitor or hand-written job carries. They keep
/// every synthetic target. The order and kind of the rules follow `prometheus-operator: pkg/prometheus/promcfg.go`.
pub fn relabel_rules(profile: Profile) -> Vec<RelabelRule> {
    match profile {
        Profile::Endpointslice => service_monitor(),
        Profile::Pod => vec![
            replace(&["job"], "", "__tmp_prometheus_job_name"),
            filter("drop", &["__meta_kubernetes_pod_phase"], "(Failed|Succeeded)"),
            filter("keep", &["__meta_kubernetes_pod_annotation_prometheus_io_scrape"], "true"),
            replace(&["__meta_kubernetes_namespace"], "", "namespace"),
            replace(&["__meta_kubernetes_pod_container_name"], "", "container"),
            replace(&["__meta_kubernetes_pod_name"], "", "pod"),
            replace(&["__meta_kubernetes_pod_container_port_name"], "", "endpoint"),
        ],
        Profile::Node => vec![
            filter("labelmap", &[], "__meta_kubernetes_node_label_(.+)"),
            RelabelRule { replacement: Some("https"), ..replace(&[], "", "__scheme__") },
            replace(&["__meta_kubernetes_node_name"], "", "node"),
        ],
        Profile::Static => vec![replace(&["__address__"], "([^:]+):\\d+", "host")],
        // upstream's second benchmark: keep everything
        Profile::UpstreamBench => vec![filter("keep", &["__address__"], ".*")],
    }
}

fn service_monitor() -> Vec<RelabelRule> {
    const KIND_AND_NAME: [&str; 2] =
        ["__meta_kubernetes_endpointslice_address_target_kind", "__meta_kubernetes_endpointslice_address_target_name"];
    let hashmod = RelabelRule { modulus: 1, action: "hashmod", ..replace(&["__address__"], "", "__tmp_hash") };
    vec![
        replace(&["job"], "", "__tmp_prometheus_job_name"),
        filter(
            "keep",
            &["__meta_kubernetes_service_label_team", "__meta_kubernetes_service_labelpresent_team"],
            "(platform);true",
        ),
        filter("keep", &["__meta_kubernetes_endpointslice_port_name"], "http-metrics"),
        replace(&KIND_AND_NAME, "Node;(.*)", "node"),
        replace(&KIND_AND_NAME, "Pod;(.*)", "pod"),
        replace(&["__meta_kubernetes_namespace"], "", "namespace"),
        replace(&["__meta_kubernetes_service_name"], "", "service"),
        replace(&["__meta_kubernetes_pod_container_name"], "", "container"),
        filter("drop", &["__meta_kubernetes_pod_phase"], "(Failed|Succeeded)"),
        replace(&["__meta_kubernetes_service_name"], "", "job"),
        RelabelRule { replacement: Some("http-metrics"), ..replace(&[], "", "endpoint") },
        hashmod,
        filter("keep", &["__tmp_hash"], "0"),
    ]
}

/// The rules as a YAML list of a scrape config's `relabel_configs`, each line indented by `indent` spaces.
pub fn relabel_rules_yaml(rules: &[RelabelRule], indent: usize) -> String {
    let pad = " ".repeat(indent);
    let mut out = String::new();
    for rule in rules {
        let action = if rule.action.is_empty() { "replace" } else { rule.action };
        line(&mut out, format_args!("{pad}- action: {action}"));
        if !rule.source_labels.is_empty() {
            line(&mut out, format_args!("{pad}  source_labels: [{}]", rule.source_labels.join(", ")));
        }
        let quoted = [("regex", rule.regex), ("target_label", rule.target_label)];
        for (key, value) in quoted.into_iter().filter(|(_, value)| !value.is_empty()) {
            line(&mut out, format_args!("{pad}  {key}: '{value}'"));
        }
        if rule.modulus > 0 {
            line(&mut out, format_args!("{pad}  modulus: {}", rule.modulus));
        }
        if let Some(replacement) = rule.replacement {
            line(&mut out, format_args!("{pad}  replacement: '{replacement}'"));
        }
    }
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a String cannot fail");
}
