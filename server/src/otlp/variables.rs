//! `OTEL_EXPORTER_OTLP_*`: what holds where the file says nothing.
//!
//! As upstream's exporters read them (OpenTelemetry: specification/protocol/exporter.md; opentelemetry-go:
//! exporters/otlp/otlpmetric/otlpmetricgrpc/internal/oconf/envconfig.go): `OTEL_EXPORTER_OTLP_METRICS_X` goes before
//! `OTEL_EXPORTER_OTLP_X`. A value that cannot be used is told in the log and passed over: such variables are set for all
//! pods of a namespace, and a start must not fail because of them.

use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::http;
use super::resource::percent_decoded;
use super::tls::ClientTls;
use crate::Environment;

const METRICS: &str = "OTEL_EXPORTER_OTLP_METRICS_";
const ALL: &str = "OTEL_EXPORTER_OTLP_";

/// The variables of all exporters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variables<'e>(pub(super) &'e Environment);

impl<'e> Variables<'e> {
    /// Empty is as good as not set.
    fn value(self, prefix: &str, name: &str) -> Option<&'e str> {
        self.0.get(&format!("{prefix}{name}")).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    fn get(self, name: &str) -> Option<&'e str> {
        self.value(METRICS, name).or_else(|| self.value(ALL, name))
    }

    /// `…_ENDPOINT`, as it is.
    pub(super) fn endpoint(self) -> Option<&'e str> {
        self.get("ENDPOINT")
    }

    /// The address to post to: the one of metrics as it is, the one of all signals with the path of metrics.
    pub(super) fn url(self) -> Option<String> {
        let of_all = || Some(format!("{}{}", self.value(ALL, "ENDPOINT")?.trim_end_matches('/'), http::PATH));
        self.value(METRICS, "ENDPOINT").map(str::to_owned).or_else(of_all)
    }

    /// Whether a gRPC endpoint that names no scheme is spoken to without TLS: `…_INSECURE`, else the scheme of `…_ENDPOINT`,
    /// even where that is not the endpoint.
    pub(super) fn insecure(self) -> bool {
        let plain = |url: &str| ["http:", "unix:"].iter().any(|scheme| starts_with(url, scheme));
        match self.get("INSECURE") {
            Some(text) => text.eq_ignore_ascii_case("true"),
            None => self.endpoint().is_some_and(plain),
        }
    }

    /// `…_HEADERS`: `name=value,name=value`, values percent-encoded.
    pub(super) fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let pairs = self.get("HEADERS").unwrap_or_default().split(',').filter(|pair| !pair.trim().is_empty());
        for pair in pairs {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let header = HeaderName::from_bytes(name.trim().as_bytes()).ok();
            match header.zip(HeaderValue::from_str(percent_decoded(value).trim()).ok()) {
                Some((header, mut value)) if pair.contains('=') => {
                    value.set_sensitive(true);
                    headers.insert(header, value);
                }
                // without `=` the whole may be a secret
                _ => tracing::warn!("{ALL}HEADERS: a pair is no header that can be sent, and is left out"),
            }
        }
        headers
    }

    /// `…_TIMEOUT` of one request, in milliseconds.
    pub(super) fn timeout(self) -> Option<Duration> {
        let text = self.get("TIMEOUT")?;
        let millis = text.parse().ok().filter(|millis| *millis > 0);
        if millis.is_none() {
            tracing::warn!(value = text, "{ALL}TIMEOUT is no number of milliseconds above 0, and is passed over");
        }
        millis.map(Duration::from_millis)
    }

    /// `…_COMPRESSION`: whether it is gzip.
    pub(super) fn gzip(self) -> bool {
        self.get("COMPRESSION") == Some("gzip")
    }

    /// `…_CERTIFICATE`: CAs instead of the system's; `…_CLIENT_CERTIFICATE` with `…_CLIENT_KEY`: who we are. Files of PEM, read
    /// once, as upstream does.
    pub(super) fn tls(self) -> ClientTls {
        let pair = |prefix| self.value(prefix, "CLIENT_CERTIFICATE").zip(self.value(prefix, "CLIENT_KEY"));
        let usable = |error: &super::tls::TlsFileError| tracing::warn!("{ALL}…: {error}; it is passed over");
        let roots = self.get("CERTIFICATE").and_then(|path| ClientTls::read_roots(path).inspect_err(usable).ok());
        let own = pair(METRICS)
            .or_else(|| pair(ALL))
            .and_then(|(certificate, key)| ClientTls::read_own(certificate, key).inspect_err(usable).ok());
        ClientTls::new(roots, own)
    }
}

fn starts_with(text: &str, lower: &str) -> bool {
    text.get(..lower.len()).is_some_and(|start| start.eq_ignore_ascii_case(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_env(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| (format!("{ALL}{name}"), (*value).to_owned())).collect()
    }

    #[test]
    fn metrics_go_before_all_signals_and_empty_is_not_set() {
        let env = mk_env(&[("TIMEOUT", "5000"), ("METRICS_TIMEOUT", "  "), ("COMPRESSION", "gzip")]);
        assert_eq!(Variables(&env).timeout(), Some(Duration::from_secs(5)));
        assert!(Variables(&env).gzip());
        let env = mk_env(&[("TIMEOUT", "5000"), ("METRICS_TIMEOUT", "1"), ("METRICS_COMPRESSION", "none")]);
        assert_eq!(Variables(&env).timeout(), Some(Duration::from_millis(1)));
        assert!(!Variables(&env).gzip());
        for bad in ["0", "-1", "10s"] {
            assert_eq!(Variables(&mk_env(&[("TIMEOUT", bad)])).timeout(), None, "{bad}");
        }
    }

    #[test]
    fn the_endpoint_of_metrics_is_whole_and_that_of_all_signals_a_base() {
        for (variables, url) in [
            (&[("ENDPOINT", "http://x:4318/")][..], Some("http://x:4318/v1/metrics")),
            (&[("ENDPOINT", "http://x/otlp")], Some("http://x/otlp/v1/metrics")),
            (&[("ENDPOINT", "http://x"), ("METRICS_ENDPOINT", "http://y/push")], Some("http://y/push")),
            (&[], None),
        ] {
            assert_eq!(Variables(&mk_env(variables)).url().as_deref(), url, "{variables:?}");
        }
    }

    #[test]
    fn without_tls_if_said_so_or_if_the_endpoint_is() {
        for (variables, insecure) in [
            (&[("INSECURE", "TRUE")][..], true),
            (&[("INSECURE", "true"), ("METRICS_INSECURE", "false")], false),
            (&[("ENDPOINT", "HTTP://x")], true),
            (&[("ENDPOINT", "http://x"), ("INSECURE", "no")], false),
            (&[("ENDPOINT", "http://x"), ("METRICS_ENDPOINT", "https://x")], false),
            (&[("ENDPOINT", "x:4317")], false),
            (&[], false),
        ] {
            assert_eq!(Variables(&mk_env(variables)).insecure(), insecure, "{variables:?}");
        }
    }

    #[test]
    fn headers_that_cannot_be_sent_are_left_out() {
        let env = mk_env(&[("HEADERS", "Authorization = Bearer%20x , b=1%2C2,broken,a b=c,d=%0A,,b=3")]);
        let headers = Variables(&env).headers();
        let text: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(text, [("authorization", "Bearer x"), ("b", "3"), ("d", "")]);
    }

    #[test]
    fn files_that_are_missing_do_not_stop_the_start() {
        let env =
            mk_env(&[("CERTIFICATE", "/nowhere"), ("CLIENT_CERTIFICATE", "/nowhere"), ("CLIENT_KEY", "/nowhere")]);
        Variables(&env).tls();
    }
}
