//! ServiceMonitor and PodMonitor: one job per endpoint (prometheus-operator: `pkg/prometheus/promcfg.go`).

use super::class::merge_tls;
use super::http::Tls;
use super::relabel::{Rules, check_rules};
use super::section::{Generator, check_endpoint_http, put_namespaces, put_role_selectors};
use super::tree::Tree;
use super::types::{Endpoint, MonitorCommon, PodMonitor, ServiceMonitor, TargetPort};

impl Generator<'_, '_> {
    pub(crate) fn service_monitor(&mut self, monitor: &ServiceMonitor) -> Result<Vec<Tree>, String> {
        monitor.common.selector.check().map_err(|why| format!("spec.selector: {why}"))?;
        let mut jobs = Vec::with_capacity(monitor.endpoints.len());
        for (at, endpoint) in monitor.endpoints.iter().enumerate() {
            let job = self.service_endpoint(monitor, endpoint, at);
            jobs.push(job.map_err(|why| format!("endpoints[{at}]: {why}"))?);
        }
        Ok(jobs)
    }

    fn service_endpoint(&mut self, monitor: &ServiceMonitor, endpoint: &Endpoint, at: usize) -> Result<Tree, String> {
        let common = &monitor.common;
        let role = match monitor.discovery_role.as_deref() {
            Some("Endpoints") => "endpoints",
            _ => "endpointslice",
        };
        self.check_endpoint(endpoint)?;
        let mut tree = self.endpoint_start(common, at, role, &[role, "service"]);
        self.emit_connection(&mut tree, endpoint, endpoint.http.tls.as_ref())?;
        tree.put_text("bearer_token_file", &endpoint.bearer_token_file);
        let bearer = endpoint.bearer_token_secret.as_ref().filter(|secret| !secret.name.is_empty());
        self.emit_bearer(&mut tree, bearer)?;
        let mut rules = Rules::new();
        if !common.role_selector {
            rules.select("__meta_kubernetes_service", &common.selector);
        }
        select_service_port(&mut rules, endpoint, role);
        copy_service_labels(&mut rules, role);
        if endpoint.filter_running.unwrap_or(true) {
            rules.drop_ended_pods();
        }
        rules.copy_labels("__meta_kubernetes_service_label_", &monitor.target_labels);
        rules.copy_labels("__meta_kubernetes_pod_label_", &common.pod_target_labels);
        rules.add(&["__meta_kubernetes_service_name"], |rule| {
            rule.put("target_label", "job");
            rule.put("replacement", "${1}");
        });
        if !common.job_label.is_empty() {
            rules.copy_label("__meta_kubernetes_service_label_", &common.job_label, "job");
        }
        self.endpoint_end(tree, rules, common, endpoint)
    }

    pub(crate) fn pod_monitor(&mut self, monitor: &PodMonitor) -> Result<Vec<Tree>, String> {
        monitor.common.selector.check().map_err(|why| format!("failed to parse label selector: {why}"))?;
        let mut jobs = Vec::with_capacity(monitor.endpoints.len());
        for (at, endpoint) in monitor.endpoints.iter().enumerate() {
            let job = self.pod_endpoint(&monitor.common, endpoint, at);
            jobs.push(job.map_err(|why| format!("endpoint[{at}]: {why}"))?);
        }
        Ok(jobs)
    }

    fn pod_endpoint(&mut self, common: &MonitorCommon, endpoint: &Endpoint, at: usize) -> Result<Tree, String> {
        self.check_endpoint(endpoint)?;
        let mut tree = self.endpoint_start(common, at, "pod", &["pod"]);
        self.emit_connection(&mut tree, endpoint, endpoint.http.tls.as_ref().filter(|tls| !tls.is_zero()))?;
        let bearer = endpoint.bearer_token_secret.as_ref();
        let bearer = bearer.filter(|secret| !secret.name.is_empty() && !secret.key.is_empty());
        self.emit_bearer(&mut tree, bearer)?;
        let mut rules = Rules::new();
        if endpoint.filter_running.unwrap_or(true) {
            rules.drop_ended_pods();
        }
        if !common.role_selector {
            rules.select("__meta_kubernetes_pod", &common.selector);
        }
        if !endpoint.port.is_empty() {
            rules.keep(&[CONTAINER_PORT_NAME], endpoint.port.as_str());
        } else if endpoint.port_number != 0 {
            rules.keep(&[CONTAINER_PORT_NUMBER], endpoint.port_number);
        } else {
            select_target_port(&mut rules, endpoint.target_port.as_ref());
        }
        rules.copy(&["__meta_kubernetes_namespace"], "namespace");
        rules.copy(&["__meta_kubernetes_pod_container_name"], "container");
        rules.copy(&["__meta_kubernetes_pod_name"], "pod");
        rules.copy_labels("__meta_kubernetes_pod_label_", &common.pod_target_labels);
        rules.set("job", &format!("{}/{}", self.id.namespace, self.id.name));
        if !common.job_label.is_empty() {
            rules.copy_label("__meta_kubernetes_pod_label_", &common.job_label, "job");
        }
        self.endpoint_end(tree, rules, common, endpoint)
    }

    fn check_endpoint(&self, endpoint: &Endpoint) -> Result<(), String> {
        check_endpoint_http(&endpoint.http, endpoint.bearer_token_secret.is_some())?;
        self.check_timing(&endpoint.interval, &endpoint.scrape_timeout)?;
        check_rules("relabelConfigs", &endpoint.relabelings)?;
        check_rules("metricRelabelConfigs", &endpoint.metric_relabelings)
    }

    fn endpoint_start(&self, common: &MonitorCommon, at: usize, role: &str, selector_roles: &[&str]) -> Tree {
        let mut tree = Tree::default();
        tree.put("job_name", format!("{}/{at}", self.id.job_name()));
        let mut section = Tree::default();
        section.put("role", role);
        put_namespaces(&mut section, &common.namespace_selector, &self.id.namespace);
        let of_class = self.class.and_then(|class| class.attach_metadata);
        if let Some(node) = common.attach_metadata.or(of_class) {
            let mut attach = Tree::default();
            attach.put("node", node);
            section.put("attach_metadata", attach);
        }
        if common.role_selector {
            put_role_selectors(&mut section, selector_roles, &common.selector);
        }
        tree.put("kubernetes_sd_configs", vec![section]);
        tree
    }

    fn emit_connection(&mut self, tree: &mut Tree, endpoint: &Endpoint, tls: Option<&Tls>) -> Result<(), String> {
        tree.put_text("scrape_interval", &endpoint.interval);
        tree.put_text("scrape_timeout", &endpoint.scrape_timeout);
        tree.extend(&endpoint.copied);
        self.emit_auth(tree, &endpoint.http)?;
        if let Some(tls) = merge_tls(tls, self.class) {
            tls.emit(tree, self.resolver)?;
        }
        endpoint.http.proxy.emit(tree, self.resolver)
    }

    fn endpoint_end(
        &self,
        mut tree: Tree,
        mut rules: Rules,
        common: &MonitorCommon,
        endpoint: &Endpoint,
    ) -> Result<Tree, String> {
        let target_port = endpoint.target_port.as_ref().map(TargetPort::to_string).unwrap_or_default();
        let name = if endpoint.port.is_empty() { &target_port } else { &endpoint.port };
        if !name.is_empty() {
            rules.set("endpoint", name);
        }
        self.add_class_rules(&mut rules);
        rules.user(&endpoint.relabelings);
        rules.shard("__address__");
        tree.put("relabel_configs", rules);
        self.emit_general(&mut tree, &common.general);
        self.emit_metric_rules(&mut tree, &endpoint.metric_relabelings);
        Ok(tree)
    }
}

const CONTAINER_PORT_NAME: &str = "__meta_kubernetes_pod_container_port_name";
const CONTAINER_PORT_NUMBER: &str = "__meta_kubernetes_pod_container_port_number";

fn select_service_port(rules: &mut Rules, endpoint: &Endpoint, role: &str) {
    if endpoint.port.is_empty() {
        select_target_port(rules, endpoint.target_port.as_ref());
    } else if role == "endpoints" {
        rules.keep(&["__meta_kubernetes_endpoint_port_name"], endpoint.port.as_str());
    } else {
        rules.keep(&["__meta_kubernetes_endpointslice_port_name"], endpoint.port.as_str());
    }
}

/// A zero or an empty name selects nothing in particular.
fn select_target_port(rules: &mut Rules, port: Option<&TargetPort>) {
    match port {
        Some(TargetPort::Name(name)) if !name.is_empty() => rules.keep(&[CONTAINER_PORT_NAME], name.as_str()),
        Some(TargetPort::Number(number)) if *number != 0 => rules.keep(&[CONTAINER_PORT_NUMBER], *number),
        _ => {}
    }
}

/// Labels that say what an address belongs to.
fn copy_service_labels(rules: &mut Rules, role: &str) {
    let prefix = match role {
        "endpoints" => "__meta_kubernetes_endpoint_address_target",
        _ => "__meta_kubernetes_endpointslice_address_target",
    };
    let (kind, name) = (format!("{prefix}_kind"), format!("{prefix}_name"));
    for (wanted, target) in [("Node;(.*)", "node"), ("Pod;(.*)", "pod")] {
        rules.add(&[&kind, &name], |rule| {
            rule.put("separator", ";");
            rule.put("regex", wanted);
            rule.put("replacement", "${1}");
            rule.put("target_label", target);
        });
    }
    rules.copy(&["__meta_kubernetes_namespace"], "namespace");
    rules.copy(&["__meta_kubernetes_service_name"], "service");
    rules.copy(&["__meta_kubernetes_pod_name"], "pod");
    rules.copy(&["__meta_kubernetes_pod_container_name"], "container");
}
