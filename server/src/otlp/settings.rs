//! `telemetry.metrics.readers` as the program uses them.

use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::variables::Variables;
use super::{grpc, http};
use crate::Environment;
use crate::config::{Exporter, Header, Periodic, RawReader};

const INTERVAL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(30);
/// One request, as upstream's exporters have it.
const REQUEST: Duration = Duration::from_secs(10);

/// One reader.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(super) interval: Duration,
    /// Of a push.
    pub(super) timeout: Duration,
    /// Of the request in it.
    pub(super) request: Duration,
    /// Messages are to be compressed by gzip.
    pub(super) compressed: bool,
    pub(super) temporality: Temporality,
    pub(super) transport: Transport,
}

/// What a counter or histogram tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Temporality {
    /// All since the start.
    Cumulative,
    /// What came since the last push.
    Delta,
}

/// Where to.
#[derive(Debug)]
pub(super) enum Transport {
    Grpc(grpc::Receiver),
    Http(http::Receiver),
}

/// The readers that push; those without `periodic` do nothing, as upstream.
///
/// # Errors
/// An endpoint or header that can never work; one sentence with its key, and without a header's value.
pub(crate) fn readers(raw: &[RawReader], env: &Environment) -> Result<Vec<Reader>, String> {
    let periodic = raw.iter().enumerate().filter_map(|(index, raw)| Some((index, raw.periodic.as_ref()?)));
    periodic
        .map(|(index, raw)| {
            reader(raw, env).map_err(|why| format!("telemetry.metrics.readers[{index}].periodic.exporter.{why}"))
        })
        .collect()
}

fn reader(raw: &Periodic, env: &Environment) -> Result<Reader, String> {
    let variables = Variables(env);
    let (exporter, transport) = match (&raw.otlp_grpc, &raw.otlp_http) {
        (Some(grpc), _) => (grpc, Transport::Grpc(grpc_receiver(grpc, env)?)),
        (None, Some(http)) => (http, Transport::Http(http_receiver(http, env)?)),
        (None, None) => return Err("must have otlp_grpc or otlp_http".to_owned()),
    };
    let millis = |given: Option<i64>, variable: &str, default: Duration| {
        let positive = |millis: i64| u64::try_from(millis).ok().filter(|millis| *millis > 0);
        let from_env = || env.get(variable).and_then(|text| positive(text.trim().parse().ok()?));
        given.and_then(positive).or_else(from_env).map_or(default, Duration::from_millis)
    };
    Ok(Reader {
        interval: millis(raw.interval, "OTEL_METRIC_EXPORT_INTERVAL", INTERVAL),
        timeout: millis(raw.timeout, "OTEL_METRIC_EXPORT_TIMEOUT", TIMEOUT),
        request: variables.timeout().unwrap_or(REQUEST),
        compressed: variables.gzip(),
        // all of ours are what `low_memory` speaks of: counters and histograms that are counted as things happen
        temporality: match exporter.temporality_preference.as_str() {
            "delta" | "low_memory" => Temporality::Delta,
            _ => Temporality::Cumulative,
        },
        transport,
    })
}

/// `host:port` over TLS (unless `tls.insecure`, or the environment says so), or a URL whose scheme says which.
fn grpc_receiver(exporter: &Exporter, env: &Environment) -> Result<grpc::Receiver, String> {
    let variables = Variables(env);
    let mut endpoint = expand(&exporter.endpoint, env);
    if endpoint.is_empty() {
        endpoint = variables.endpoint().unwrap_or_default().to_owned();
    }
    let unsaid = if variables.insecure() { "http" } else { "https" };
    let (scheme, authority) = endpoint.split_once("://").unwrap_or((unsaid, &endpoint));
    let authority = authority.split('/').next().unwrap_or_default();
    let uri: Uri = format!("http://{authority}").parse().map_err(|_| no_host("otlp_grpc", "host:port"))?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| no_host("otlp_grpc", "host:port"))?;
    let tls = (scheme.eq_ignore_ascii_case("https") && !exporter.insecure).then(|| variables.tls());
    let headers = headers("otlp_grpc", &exporter.headers, env)?;
    let port = uri.port_u16().unwrap_or(grpc::PORT);
    Ok(grpc::Receiver::new(host, port, tls.as_ref(), variables.gzip(), headers))
}

/// A URL; `/v1/metrics` is added unless it is there.
fn http_receiver(exporter: &Exporter, env: &Environment) -> Result<http::Receiver, String> {
    let variables = Variables(env);
    let endpoint = expand(&exporter.endpoint, env);
    let trimmed = endpoint.trim_end_matches('/');
    let url = match variables.url().filter(|_| trimmed.is_empty()) {
        Some(url) => url,
        None if trimmed.ends_with(http::PATH) => trimmed.to_owned(),
        None => format!("{trimmed}{}", http::PATH),
    };
    let uri: Uri = url.parse().map_err(|_| no_host("otlp_http", "http://host:port"))?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    if !known || uri.host().is_none_or(str::is_empty) {
        return Err(no_host("otlp_http", "http://host:port"));
    }
    http::Receiver::new(url, &variables.tls(), variables.gzip(), headers("otlp_http", &exporter.headers, env)?)
}

fn no_host(exporter: &str, wanted: &str) -> String {
    format!("{exporter}.endpoint: want {wanted}")
}

/// The headers that the file gives, or else those of the environment: never both, as upstream.
fn headers(exporter: &str, raw: &[Header], env: &Environment) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let given = raw.iter().filter_map(|header| Some((&header.name, header.value.as_ref()?)));
    for (name, value) in given {
        let bad = || format!("{exporter}.headers: {name:?} is no header that can be sent, or its value is none");
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let mut value = HeaderValue::from_str(&expand(value.reveal(), env)).map_err(|_| bad())?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    Ok(if headers.is_empty() { Variables(env).headers() } else { headers })
}

/// Puts variables in place of `${env:NAME}`; one that is not set is empty. Nothing else is replaced.
fn expand(text: &str, env: &Environment) -> String {
    let (mut expanded, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("${env:") {
        let (before, from) = rest.split_at(at);
        let body = &from["${env:".len()..];
        let name = body.split_once('}').map(|(name, _)| name).filter(|name| is_variable(name));
        expanded.push_str(before);
        rest = match name {
            Some(name) => {
                expanded.push_str(env.get(name).map_or("", String::as_str));
                &body[name.len() + 1..]
            }
            None => {
                expanded.push_str("${env:");
                body
            }
        };
    }
    expanded + rest
}

fn is_variable(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && name.bytes().all(word)
}

#[cfg(test)]
mod tests {
    use ta_model::Secret;

    use super::*;

    fn mk_env() -> Environment {
        Environment::from([("A".to_owned(), "x".to_owned()), ("B_1".to_owned(), "y".to_owned())])
    }

    #[test]
    fn variables_are_put_in_and_nothing_else() {
        for (text, wanted) in [
            ("${env:A}-${env:B_1}", "x-y"),
            ("a${env:NONE}b", "ab"),
            ("${A} $A ${env:} ${env:1A} ${env:A", "${A} $A ${env:} ${env:1A} ${env:A"),
            ("${env:${env:A}", "${env:x"),
        ] {
            assert_eq!(expand(text, &mk_env()), wanted, "{text}");
        }
    }

    fn mk_reader(grpc: bool, endpoint: &str, insecure: bool) -> Result<Reader, String> {
        let exporter = Exporter { endpoint: endpoint.to_owned(), insecure, ..Exporter::default() };
        let (otlp_grpc, otlp_http) = if grpc { (Some(exporter), None) } else { (None, Some(exporter)) };
        reader(&Periodic { otlp_grpc, otlp_http, ..Periodic::default() }, &mk_env())
    }

    #[test]
    fn endpoints_are_read_as_upstream_reads_them() {
        for (endpoint, insecure, wanted) in [
            ("collector:4317", false, "https://collector:4317"),
            ("collector:4317", true, "http://collector:4317"),
            ("${env:A}", false, "https://x:4317"),
            ("http://collector:1/path", false, "http://collector:1"),
            ("https://collector", false, "https://collector:4317"),
            ("[::1]:4317", true, "http://[::1]:4317"),
        ] {
            let reader = mk_reader(true, endpoint, insecure).unwrap();
            assert_eq!(reader.transport.endpoint(), wanted, "{endpoint}");
        }
        for (endpoint, wanted) in [
            ("http://collector:4318", "http://collector:4318/v1/metrics"),
            ("http://collector:4318//", "http://collector:4318/v1/metrics"),
            ("https://x/otlp/v1/metrics/", "https://x/otlp/v1/metrics"),
        ] {
            assert_eq!(mk_reader(false, endpoint, false).unwrap().transport.endpoint(), wanted, "{endpoint}");
        }
        for endpoint in ["", "collector:4318", "ftp://x", "http://"] {
            assert!(mk_reader(false, endpoint, false).is_err(), "{endpoint}");
        }
        assert!(mk_reader(true, "a b", false).is_err() && mk_reader(true, ":4317", false).is_err());
    }

    #[test]
    fn the_environment_fills_in_where_the_file_says_nothing() {
        let mut env = mk_env();
        env.insert("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), "http://receiver:1".to_owned());
        let endpoint = |grpc, endpoint: &str| {
            let exporter = Exporter { endpoint: endpoint.to_owned(), ..Exporter::default() };
            let (otlp_grpc, otlp_http) = if grpc { (Some(exporter), None) } else { (None, Some(exporter)) };
            let reader = reader(&Periodic { otlp_grpc, otlp_http, ..Periodic::default() }, &env).unwrap();
            reader.transport.endpoint().to_owned()
        };
        assert_eq!(endpoint(true, "${env:NONE}"), "http://receiver:1");
        assert_eq!(endpoint(false, "${env:NONE}"), "http://receiver:1/v1/metrics");
        // upstream: the scheme of the variable counts for a file's endpoint that has none
        assert_eq!(endpoint(true, "collector:4317"), "http://collector:4317");
        assert_eq!(endpoint(true, "https://collector:4317"), "https://collector:4317");
        assert_eq!(endpoint(false, "https://collector"), "https://collector/v1/metrics");
    }

    #[test]
    fn times_come_from_the_file_then_from_the_environment() {
        let mut env = mk_env();
        env.insert("OTEL_METRIC_EXPORT_INTERVAL".to_owned(), "2000".to_owned());
        env.insert("OTEL_METRIC_EXPORT_TIMEOUT".to_owned(), "-1".to_owned());
        let exporter = Exporter { endpoint: "x:1".to_owned(), ..Exporter::default() };
        let raw = |interval| Periodic { interval, otlp_grpc: Some(exporter.clone()), ..Periodic::default() };
        let times = |interval| reader(&raw(interval), &env).map(|reader| (reader.interval, reader.timeout)).unwrap();
        assert_eq!(times(None), (Duration::from_secs(2), TIMEOUT));
        assert_eq!(times(Some(0)), (Duration::from_secs(2), TIMEOUT));
        assert_eq!(times(Some(5)), (Duration::from_millis(5), TIMEOUT));
    }

    #[test]
    fn a_bad_header_is_told_without_its_value() {
        let header = Header { name: "bad name".to_owned(), value: Some(Secret::new("hunter2")) };
        let error = headers("otlp_grpc", &[header], &mk_env()).unwrap_err();
        assert!(error.contains("bad name") && !error.contains("hunter2"), "{error}");
        let none = Header { name: "x".to_owned(), value: None };
        assert!(headers("otlp_grpc", &[none], &mk_env()).unwrap().is_empty());
    }
}
