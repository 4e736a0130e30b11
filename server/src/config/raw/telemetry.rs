//! `telemetry.metrics.readers`: the names are those of OpenTelemetry's declarative configuration.

use ta_model::yaml::{Decode, Decoder, Fields, Node};

/// One reader. Without `periodic` it is skipped, as upstream does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawReader {
    pub periodic: Option<Periodic>,
}

/// A reader that pushes at an interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Periodic {
    /// Milliseconds; not given or not above 0: 60 000.
    pub interval: Option<i64>,
    /// Milliseconds; not given or not above 0: 30 000.
    pub timeout: Option<i64>,
    pub otlp_grpc: Option<Exporter>,
    pub otlp_http: Option<Exporter>,
}

/// Where to push.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exporter {
    pub endpoint: String,
    pub headers: Vec<Header>,
    /// Empty, `cumulative`, `delta` or `low_memory`.
    pub temporality_preference: String,
    /// `tls.insecure`; gRPC only.
    pub insecure: bool,
}

/// A header of every push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    /// Headers without value are skipped.
    pub value: Option<ta_model::Secret>,
}

impl Decode for RawReader {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let mut reader = Self::default();
        decoder.fields(node, |fields| fields.set("periodic", &mut reader.periodic))?;
        Some(reader)
    }
}

impl Decode for Periodic {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let mut periodic = Self::default();
        decoder.fields(node, |fields| {
            fields.set("interval", &mut periodic.interval);
            fields.set("timeout", &mut periodic.timeout);
            super::section(fields, "exporter", |fields: &mut Fields<'_, '_>| {
                fields.set("otlp_grpc", &mut periodic.otlp_grpc);
                fields.set("otlp_http", &mut periodic.otlp_http);
            });
        })?;
        Some(periodic)
    }
}

impl Decode for Exporter {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let mut exporter = Self::default();
        decoder.fields(node, |fields| {
            fields.set("endpoint", &mut exporter.endpoint);
            fields.set("headers", &mut exporter.headers);
            fields.set("temporality_preference", &mut exporter.temporality_preference);
            super::section(fields, "tls", |fields| fields.set("insecure", &mut exporter.insecure));
        })?;
        Some(exporter)
    }
}

impl Decode for Header {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let mut header = Self::default();
        decoder.fields(node, |fields| {
            fields.set("name", &mut header.name);
            fields.set("value", &mut header.value);
        })?;
        Some(header)
    }
}
