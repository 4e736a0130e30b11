//! Scrape protocols (Prometheus: `config/config.go`).

use crate::yaml::Fields;

const OPEN_METRICS_1: &str = "OpenMetricsText1.0.0";
const OPEN_METRICS_0: &str = "OpenMetricsText0.0.1";
const TEXT_1: &str = "PrometheusText1.0.0";
const TEXT_0: &str = "PrometheusText0.0.4";
const PROTO: &str = "PrometheusProto";

/// In the order of Go's error message.
const KNOWN: [&str; 5] = [OPEN_METRICS_0, OPEN_METRICS_1, PROTO, TEXT_0, TEXT_1];

/// What a job negotiates if nobody says otherwise; native histograms travel only in the binary format.
pub(crate) fn defaults(native_histograms: bool) -> Vec<String> {
    let proto = native_histograms.then_some(PROTO);
    proto.into_iter().chain([OPEN_METRICS_1, OPEN_METRICS_0, TEXT_1, TEXT_0]).map(str::to_owned).collect()
}

/// Checks `scrape_protocols`; `whose` ends the message.
pub(crate) fn check(fields: &mut Fields<'_, '_>, protocols: &[String], whose: &str) {
    if let Err(message) = check_list(protocols) {
        fields.error("scrape_protocols", format!("{message}{whose}"));
    }
}

fn check_list(protocols: &[String]) -> Result<(), String> {
    if protocols.is_empty() {
        return Err("scrape_protocols cannot be empty".into());
    }
    for (at, protocol) in protocols.iter().enumerate() {
        if protocols[..at].iter().any(|earlier| earlier.eq_ignore_ascii_case(protocol)) {
            return Err(format!("duplicated protocol in scrape_protocols, got [{}]", protocols.join(" ")));
        }
        check_name(protocol).map_err(|message| format!("scrape_protocols: {message}"))?;
    }
    Ok(())
}

/// Checks one protocol name, which is case-sensitive.
pub(crate) fn check_name(protocol: &str) -> Result<(), String> {
    if KNOWN.contains(&protocol) {
        return Ok(());
    }
    Err(format!("unknown scrape protocol {protocol}, supported: [{}]", KNOWN.join(" ")))
}
