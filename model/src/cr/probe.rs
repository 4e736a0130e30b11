//! Probe: one job that asks a prober about targets.

use std::collections::BTreeMap;

use super::class::merge_tls;
use super::relabel::{Rules, check_rules};
use super::section::{Generator, check_http, put_namespaces};
use super::tree::Tree;
use super::types::{Probe, ProbeIngress, ProbeStatic};
use crate::labels::NameScheme;
use crate::quote::quote;

impl Generator<'_, '_> {
    pub(crate) fn probe(&mut self, probe: &Probe) -> Result<Tree, String> {
        self.check_probe(probe)?;
        let mut tree = Tree::default();
        tree.put("job_name", self.id.job_name());
        tree.put("honor_timestamps", true);
        tree.put_text("scrape_interval", &probe.interval);
        tree.put_text("scrape_timeout", &probe.scrape_timeout);
        tree.extend(&probe.copied);
        put_params(&mut tree, probe);
        self.emit_general(&mut tree, &probe.general);
        let bearer = probe.bearer_token_secret.as_ref();
        self.emit_bearer(&mut tree, bearer)?;
        self.emit_auth(&mut tree, &probe.http)?;
        let tls = probe.http.tls.as_ref().filter(|tls| !tls.is_zero());
        if let Some(tls) = merge_tls(tls, self.class) {
            tls.emit(&mut tree, self.resolver)?;
        }
        probe.http.proxy.emit(&mut tree, self.resolver)?;
        let mut rules = Rules::new();
        if !probe.job_name.is_empty() {
            rules.set("job", &probe.job_name);
        }
        let own = match (&probe.static_targets, &probe.ingress) {
            (Some(targets), _) => {
                self.static_targets(&mut tree, &mut rules, targets);
                &targets.relabelings
            }
            (None, Some(ingress)) => {
                self.ingress(&mut tree, &mut rules, ingress);
                &ingress.relabelings
            }
            (None, None) => return Err(NO_TARGETS.into()),
        };
        rules.copy(&["__param_target"], "instance");
        rules.set("__address__", &probe.prober_url);
        self.add_class_rules(&mut rules);
        rules.user(own);
        rules.shard("__param_target");
        tree.put("relabel_configs", rules);
        self.emit_metric_rules(&mut tree, &probe.metric_relabelings);
        Ok(tree)
    }

    fn check_probe(&self, probe: &Probe) -> Result<(), String> {
        if probe.static_targets.is_none() && probe.ingress.is_none() {
            return Err(NO_TARGETS.into());
        }
        check_http(&probe.http, false)?;
        self.check_timing(&probe.interval, &probe.scrape_timeout)?;
        check_rules("metricRelabelings", &probe.metric_relabelings)?;
        if let Some(targets) = &probe.static_targets {
            if let Some(name) = targets.labels.keys().find(|name| !NameScheme::Utf8.is_valid_label_name(name)) {
                return Err(format!("targets.staticConfig.labels: invalid label {}", quote(name)));
            }
            check_rules("targets.staticConfig.relabelConfigs", &targets.relabelings)?;
        }
        if let Some(ingress) = &probe.ingress {
            check_rules("targets.ingress.relabelConfigs", &ingress.relabelings)?;
        }
        check_prober(&probe.prober_url)
    }

    fn static_targets(&self, tree: &mut Tree, rules: &mut Rules, targets: &ProbeStatic) {
        let mut labels = targets.labels.clone();
        labels.entry("namespace".into()).or_insert_with(|| self.id.namespace.clone());
        let mut group = Tree::default();
        group.put("targets", targets.targets.clone());
        group.put("labels", &labels);
        tree.put("static_configs", vec![group]);
        rules.copy(&["__address__"], "__param_target");
    }

    fn ingress(&self, tree: &mut Tree, rules: &mut Rules, ingress: &ProbeIngress) {
        let mut section = Tree::default();
        section.put("role", "ingress");
        put_namespaces(&mut section, &ingress.namespace_selector, &self.id.namespace);
        tree.put("kubernetes_sd_configs", vec![section]);
        rules.select("__meta_kubernetes_ingress", &ingress.selector);
        let parts = ["__meta_kubernetes_ingress_scheme", "__address__", "__meta_kubernetes_ingress_path"];
        rules.add(&parts, |rule| {
            rule.put("separator", ";");
            rule.put("regex", "(.+);(.+);(.+)");
            rule.put("target_label", "__param_target");
            rule.put("replacement", "${1}://${2}${3}");
            rule.put("action", "replace");
        });
        rules.copy(&["__meta_kubernetes_namespace"], "namespace");
        rules.copy(&["__meta_kubernetes_ingress_name"], "ingress");
        rules.add(&["__address__"], |rule| {
            rule.put("separator", ";");
            rule.put("regex", "(.*)");
            rule.put("target_label", "__tmp_ingress_address");
            rule.put("replacement", "$1");
            rule.put("action", "replace");
        });
    }
}

const NO_TARGETS: &str = "at least one of .spec.targets.staticConfig and .spec.targets.ingress is required";

/// `module` beats a parameter of that name; of two parameters of one name the last counts.
fn put_params(tree: &mut Tree, probe: &Probe) {
    let mut params: BTreeMap<String, Vec<String>> = BTreeMap::new();
    params.extend(probe.params.iter().map(|param| (param.name.clone(), param.values.clone())));
    if !probe.module.is_empty() {
        params.insert("module".into(), vec![probe.module.clone()]);
    }
    if !params.is_empty() {
        tree.put("params", &params);
    }
}

/// `host` or `host:port`, as upstream reads it: no scheme, no path.
fn check_prober(url: &str) -> Result<(), String> {
    let valid = match split_host_port(url) {
        Some((host, port)) => is_host(host) && port.parse::<u16>().is_ok_and(|port| port > 0),
        None => is_host(url),
    };
    if valid {
        return Ok(());
    }
    let why = "url specified in proberSpec is invalid, it should be of the format `hostname` or `hostname:port`";
    Err(format!("{} {why}", quote(url)))
}

/// Go's `net.SplitHostPort`: a colon outside of brackets, and only one.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    match host.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']').filter(|host| !host.contains(['[', ']'])).map(|host| (host, port)),
        None => (!host.contains([':', '[', ']'])).then_some((host, port)),
    }
}

fn is_host(text: &str) -> bool {
    let is_ip = text.parse::<std::net::IpAddr>().is_ok();
    is_ip || is_dns_name(text)
}

/// Labels of at most 63 letters, digits, `_` and inner `-`, 255 characters without the dots; one `.` or `_` may end it.
fn is_dns_name(text: &str) -> bool {
    let name = text.strip_suffix(['.', '_']).filter(|name| !name.is_empty()).unwrap_or(text);
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        (1..=63).contains(&label.len()) && !label.starts_with('-') && label.bytes().all(inner)
    };
    text.bytes().filter(|byte| *byte != b'.').count() <= 255 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probers_are_hosts_with_or_without_port() {
        for good in ["bb", "bb:9115", "9bb", "::1", "[::1]:9115", "10.0.0.1:80", "a.b_c.d.", "a_", "bb.svc.:1"] {
            assert_eq!(check_prober(good), Ok(()), "{good}");
        }
        for bad in
            ["", "http://x", "x/path", "[::1]", "x:", "x:0", "x:65536", "-a", "a..b", ".", ":80", "a b", "x:http"]
        {
            assert!(check_prober(bad).is_err(), "{bad}");
        }
    }
}
