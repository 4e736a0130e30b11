//! What must hold for a section before it is written (prometheus-operator: `pkg/prometheus/resource_selector.go`).

use super::super::http::{check_authorization, check_oauth2, check_proxy, check_tls};
use super::super::tree::Tree;
use super::{BlockSpec, SdSection, blocks};
use crate::quote::quote;
use crate::scrape_config::url;

pub(super) fn check_section(spec: &BlockSpec, section: &SdSection) -> Result<(), String> {
    let plain = &section.plain;
    if spec.to == blocks::AZURE && !matches!(plain.text("authentication_method"), "" | "OAuth") {
        return Ok(()); // upstream checks nothing more for identities that need no secret
    }
    check_http(section)?;
    let has = |to: &str| section.secrets.iter().any(|(key, _)| *key == to);
    if let Some(missing) = spec.secrets.iter().find(|secret| secret.required && !has(secret.to)) {
        return Err(format!("{} is required", missing.from));
    }
    match spec.to {
        "http_sd_configs" => parse_url("url", plain).map(drop),
        blocks::KUBERNETES => check_kubernetes(plain),
        "dns_sd_configs" => check_dns(plain),
        blocks::AZURE => check_azure(plain),
        "kuma_sd_configs" | "nomad_sd_configs" => check_server("server", plain, &[]),
        "docker_sd_configs" | "dockerswarm_sd_configs" => parse_url("host", plain).map(drop),
        "puppetdb_sd_configs" => check_server("url", plain, &["http", "https"]),
        _ => Ok(()),
    }
}

fn check_http(section: &SdSection) -> Result<(), String> {
    let http = &section.http;
    if let Some(authorization) = http.authorization.as_ref().filter(|given| given.credentials.is_some()) {
        check_authorization(authorization)?;
    }
    if let Some(oauth2) = &http.oauth2 {
        check_oauth2(oauth2)?;
    }
    if let Some(tls) = &http.tls {
        check_tls(tls)?;
    }
    check_proxy(&http.proxy)
}

fn parse_url(key: &str, plain: &Tree) -> Result<(String, bool), String> {
    let parsed = url::parse(plain.text(key)).map_err(|why| format!("{key}: {why}"))?;
    Ok((parsed.scheme.clone(), parsed.host.is_empty()))
}

fn check_server(key: &str, plain: &Tree, schemes: &[&str]) -> Result<(), String> {
    let (scheme, no_host) = parse_url(key, plain)?;
    if scheme.is_empty() || no_host {
        return Err(format!("{key}: {} must have a scheme and a host", quote(plain.text(key))));
    }
    if !schemes.is_empty() && !schemes.contains(&scheme.as_str()) {
        return Err(format!("{key}: URL scheme must be {}", schemes.join(" or ")));
    }
    Ok(())
}

fn check_dns(plain: &Tree) -> Result<(), String> {
    let record_type = plain.text("type");
    if !matches!(record_type, "" | "SRV") && plain.get("port").is_none() {
        return Err(format!("port required for record type {}", quote(record_type)));
    }
    Ok(())
}

fn check_azure(plain: &Tree) -> Result<(), String> {
    let fields = [("tenantID", "tenant_id"), ("clientID", "client_id")];
    match fields.into_iter().find(|(_, key)| plain.text(key).is_empty()) {
        Some((missing, _)) => Err(format!("configuration requires a {missing}")),
        None => Ok(()),
    }
}

/// The rest is checked when the job is loaded; this one Prometheus allows and upstream does not.
fn check_kubernetes(plain: &Tree) -> Result<(), String> {
    let Some(crate::yaml::Value::List(selectors)) = plain.get("selectors").map(|node| &node.value) else {
        return Ok(());
    };
    let is_node = |selector: &crate::yaml::Node| {
        let role = selector.get("role").map(|role| &role.value);
        matches!(role, Some(crate::yaml::Value::Scalar(role)) if &*role.text == "node")
    };
    if plain.text("role") == "pod" && selectors.iter().any(is_node) {
        return Err("selectors: pod role supports only pod selectors".into());
    }
    Ok(())
}
