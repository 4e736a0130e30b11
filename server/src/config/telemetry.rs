//! Validation of `telemetry.metrics.readers`, in upstream's words.

use super::raw::{Exporter, Periodic, RawReader};

/// What is wrong, each with the key it is about.
pub(super) fn check_readers(readers: &[RawReader]) -> Vec<(String, String)> {
    let periodic = readers.iter().enumerate().filter_map(|(index, reader)| Some((index, reader.periodic.as_ref()?)));
    periodic
        .filter_map(|(index, periodic)| {
            check(periodic).map(|message| (format!("telemetry.metrics.readers[{index}].periodic"), message))
        })
        .collect()
}

fn check(periodic: &Periodic) -> Option<String> {
    match (&periodic.otlp_grpc, &periodic.otlp_http) {
        (None, None) => Some("exporter must have otlp_grpc or otlp_http".into()),
        (Some(_), Some(_)) => Some("otlp_grpc and otlp_http are mutually exclusive".into()),
        (Some(exporter), None) => check_exporter("otlp_grpc", exporter),
        (None, Some(exporter)) => check_exporter("otlp_http", exporter),
    }
}

fn check_exporter(name: &str, exporter: &Exporter) -> Option<String> {
    if exporter.endpoint.is_empty() {
        return Some(format!("exporter.{name}.endpoint must be set"));
    }
    match exporter.temporality_preference.as_str() {
        "" | "cumulative" | "delta" | "low_memory" => None,
        other => Some(format!(
            "exporter.{name}.temporality_preference {other:?} is none of cumulative, delta and low_memory"
        )),
    }
}
