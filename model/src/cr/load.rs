//! Generated YAML to a job, with Prometheus' own checks. What fails here upstream fails for all objects; here only the
//! one object goes.

use super::decode::placed;
use super::settings::Settings;
use crate::duration::Duration;
use crate::scrape_config::{
    HttpClientConfig, ScrapeConfig, SdConfig, UNSUPPORTED_SD_KEYS, decode_job, read_http_client,
};
use crate::secret::Secret;
use crate::yaml::{Decoder, Dialect, Fields, Node, Strings, Value};

/// Loads one generated job.
pub(crate) fn load(section: &Node, settings: &Settings) -> Result<ScrapeConfig, String> {
    check_patterns(section)?;
    check_unsupported(section)?;
    let decoded = decode_job(section, &settings.global, Strings::AsWritten);
    if let Some(error) = decoded.errors.first() {
        return Err(placed(error));
    }
    let mut job = decoded.job.ok_or("not a scrape config")?;
    for config in &mut job.sd_configs {
        if let SdConfig::Kubernetes(config) = config {
            config.kubeconfig_file.clone_from(&settings.kubeconfig_file); // after validation, as upstream does
        }
    }
    Ok(job)
}

/// Go's YAML library takes a pattern that reads `null` or `~` for no pattern even where it is quoted, and then fails, in
/// upstream and in every collector that gets it.
fn check_patterns(section: &Node) -> Result<(), String> {
    for key in ["relabel_configs", "metric_relabel_configs"] {
        let Some(Value::List(rules)) = section.get(key).map(|node| &node.value) else { continue };
        for (at, rule) in rules.iter().enumerate() {
            let Some(Value::Scalar(regex)) = rule.get("regex").map(|node| &node.value) else { continue };
            if matches!(&*regex.text, "null" | "~") {
                let why = "no collector can read this pattern; write it as a group";
                return Err(format!("{key}[{at}].regex: {:?}: {why}", regex.text));
            }
        }
    }
    Ok(())
}

/// Checks sections of mechanisms that are not there: what Prometheus would refuse is refused for what it is.
fn check_unsupported(section: &Node) -> Result<(), String> {
    let mut decoder = Decoder::new(Dialect::Prometheus(Strings::AsWritten), "");
    for key in UNSUPPORTED_SD_KEYS {
        let Some(node) = section.get(key) else { continue };
        let check = |decoder: &mut Decoder, node: &Node| decoder.fields(node, |fields| check_section(fields, key));
        decoder.at_key(key, |decoder| decoder.list(node, check));
    }
    match decoder.finish().errors.first() {
        Some(error) => Err(placed(error)),
        None => Ok(()),
    }
}

fn check_section(fields: &mut Fields<'_, '_>, key: &str) {
    let mut http = HttpClientConfig::default();
    read_http_client(fields, &mut http);
    for name in ["refresh_interval", "fetch_timeout"] {
        let mut interval = Duration::from_secs(1);
        fields.set(name, &mut interval);
        if interval.is_zero() {
            fields.error(name, "must be greater than zero");
        }
    }
    let empty = |fields: &mut Fields<'_, '_>, name: &'static str| {
        let given = fields.node(name).is_some();
        let value: Secret = fields.get(name).unwrap_or_default();
        given && value.is_empty()
    };
    match key {
        "consul_sd_configs" => {
            let token: Secret = fields.get("token").unwrap_or_default();
            if !token.is_empty() && (http.authorization.is_some() || http.oauth2.is_some()) {
                let message = "at most one of consul SD token, authorization, or oauth2 can be configured";
                fields.error("token", message);
            }
        }
        "openstack_sd_configs" => {
            let availability: String = fields.get("availability").unwrap_or_default();
            if !["", "public", "admin", "internal"].contains(&availability.as_str()) {
                fields.error(
                    "availability",
                    format!("unknown availability {availability}, must be one of admin, internal or public"),
                );
            }
        }
        "azure_sd_configs" if empty(fields, "client_secret") => {
            fields.error("client_secret", "azure SD configuration requires a client_secret");
        }
        "scaleway_sd_configs" if empty(fields, "secret_key") => fields.error("secret_key", "must not be empty"),
        "ovhcloud_sd_configs" => {
            for name in ["application_key", "application_secret", "consumer_key"] {
                if empty(fields, name) {
                    fields.error(name, "must not be empty");
                }
            }
        }
        _ => {}
    }
}

/// The first file of the collector that a job names: settings of its own requests only, as upstream has it.
pub(crate) fn file_reference(job: &ScrapeConfig) -> Option<String> {
    let authorization = job.http.authorization.as_ref().map_or("", |authorization| &authorization.credentials_file);
    let files = [
        ("authorization.credentials_file", authorization),
        ("tls_config.ca_file", &job.http.tls.ca_file),
        ("tls_config.cert_file", &job.http.tls.cert_file),
        ("tls_config.key_file", &job.http.tls.key_file),
    ];
    files.into_iter().find(|(_, path)| !path.is_empty()).map(|(key, path)| format!("{key}: {path}"))
}
