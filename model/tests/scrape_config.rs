//! Scrape configs: defaults, inheritance, every refusal of Prometheus with its text.

use ta_model::scrape_config::{Decoded, GlobalConfig, ScrapeConfig, SdConfig, decode, decode_job};
use ta_model::yaml::{Node, Problem, Strings, parse};
use ta_model::{Duration, NameScheme};

fn mk_node(text: &str) -> Node {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}")).root
}

fn decode_text(text: &str) -> Decoded {
    decode(&mk_node(text), Strings::RoundTripped)
}

fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// A configuration of one job `j` with the given keys (flow style, comma-separated).
fn decode_keys(keys: &str) -> Decoded {
    decode_text(&format!("scrape_configs:\n- {{job_name: j, {keys}}}\n"))
}

fn mk_job(keys: &str) -> ScrapeConfig {
    let decoded = decode_keys(keys);
    assert_eq!(texts(&decoded.errors), [""; 0], "{keys}");
    (*decoded.config.scrape_configs[0]).clone()
}

fn mk_jobs(text: &str) -> Vec<ScrapeConfig> {
    let decoded = decode_text(text);
    assert_eq!(texts(&decoded.errors), [""; 0], "{text}");
    decoded.config.scrape_configs.iter().map(|job| (**job).clone()).collect()
}

const TEXT_PROTOCOLS: [&str; 4] =
    ["OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText1.0.0", "PrometheusText0.0.4"];

#[test]
fn a_bare_job_has_prometheus_defaults() {
    let job = mk_job("");
    assert_eq!(job, ScrapeConfig::new("j"));
    assert!(job.honor_timestamps && job.enable_compression && job.http.follow_redirects && job.http.enable_http2);
    assert!(!job.honor_labels && !job.track_timestamps_staleness);
    assert_eq!((job.scheme.as_str(), job.metrics_path.as_str()), ("http", "/metrics"));
    assert_eq!(job.scrape_interval, Duration::from_millis(60_000));
    assert_eq!(job.scrape_timeout, Duration::from_millis(10_000));
    assert_eq!(job.scrape_protocols, TEXT_PROTOCOLS);
    assert_eq!(job.scrape_native_histograms, Some(false));
    assert_eq!(job.metric_name_escaping_scheme, "allow-utf-8");
}

#[test]
fn an_empty_block_is_an_empty_list() {
    for text in ["{}", "", "null", "global:\nscrape_configs: null", "global: {}\nscrape_configs: []"] {
        let decoded = decode_text(text);
        assert_eq!(decoded.config.global, GlobalConfig::default(), "{text:?}");
        assert!(decoded.config.scrape_configs.is_empty() && decoded.errors.is_empty(), "{text:?}");
    }
}

#[test]
fn null_means_zero_and_not_default() {
    let job =
        mk_job("honor_timestamps: null, scheme: null, metrics_path: ~, follow_redirects: null, scrape_interval: null");
    assert!(!job.honor_timestamps && !job.http.follow_redirects);
    assert_eq!((job.scheme.as_str(), job.metrics_path.as_str()), ("", ""));
    assert_eq!(job.scrape_interval, Duration::from_millis(60_000), "zero inherits");
    let job = mk_job("relabel_configs: [{target_label: b, regex: null, separator: null, replacement: null}]");
    let raw = job.relabel_configs[0].raw();
    assert_eq!((raw.regex.as_deref(), raw.separator.as_str(), raw.replacement.as_str()), (Some(""), "", ""));
}

#[test]
fn strings_are_canonical_in_the_file_and_as_written_in_crs() {
    let text = "scrape_configs: [{job_name: 0123, params: {y: [1.10, on]}, relabel_configs: [{regex: 1_000, target_label: y}]}]";
    let file = &mk_jobs(text)[0];
    assert_eq!(file.job_name, "83");
    assert_eq!(file.params["true"], ["1.1", "true"]);
    let raw = file.relabel_configs[0].raw();
    assert_eq!((raw.regex.as_deref(), raw.target_label.as_str()), (Some("1000"), "true"));

    let cr = &decode(&mk_node(text), Strings::AsWritten).config.scrape_configs[0];
    assert_eq!(cr.job_name, "0123");
    assert_eq!(cr.params["y"], ["1.10", "on"]);
    let raw = cr.relabel_configs[0].raw();
    assert_eq!((raw.regex.as_deref(), raw.target_label.as_str()), (Some("1_000"), "y"));
}

#[test]
fn the_operators_numbers_are_integers() {
    assert_eq!(mk_job("sample_limit: 1e+06").sample_limit, 1_000_000);
    assert_eq!(mk_job("label_limit: 1.234567e+06").label_limit, 1_234_567);
    assert_eq!(mk_job("body_size_limit: 10MB").body_size_limit, 10 << 20);
}

#[test]
fn jobs_inherit_from_global() {
    let jobs = mk_jobs(
        "global: {scrape_interval: 30s, scrape_timeout: 20s, scrape_protocols: [PrometheusProto], sample_limit: 5,
           target_limit: 6, label_limit: 7, label_name_length_limit: 8, label_value_length_limit: 9,
           keep_dropped_targets: 10, body_size_limit: 1MB, scrape_failure_log_file: /f, scrape_native_histograms: true,
           extra_scrape_metrics: true, convert_classic_histograms_to_nhcb: true, always_scrape_classic_histograms: true}
scrape_configs:
- {job_name: a}
- {job_name: b, scrape_interval: 15s, scrape_native_histograms: false, sample_limit: 0, target_limit: 1,
   scrape_protocols: [PrometheusText0.0.4], scrape_failure_log_file: /g}",
    );
    let [a, b] = &jobs[..] else { panic!("two jobs") };
    let limits = [a.sample_limit, a.target_limit, a.label_limit, a.label_name_length_limit, a.label_value_length_limit];
    assert_eq!(limits, [5, 6, 7, 8, 9]);
    assert_eq!((a.keep_dropped_targets, a.body_size_limit), (10, 1 << 20));
    assert_eq!((a.scrape_interval, a.scrape_timeout), (Duration::from_millis(30_000), Duration::from_millis(20_000)));
    assert_eq!(a.scrape_protocols, ["PrometheusProto"]);
    assert_eq!(a.scrape_failure_log_file, "/f");
    let switches = [
        a.scrape_native_histograms,
        a.extra_scrape_metrics,
        a.convert_classic_histograms_to_nhcb,
        a.always_scrape_classic_histograms,
    ];
    assert_eq!(switches, [Some(true); 4]);

    assert_eq!((b.sample_limit, b.target_limit), (5, 1), "an explicit zero cannot override");
    assert_eq!(b.scrape_timeout, Duration::from_millis(15_000), "at most the interval");
    assert_eq!(b.scrape_native_histograms, Some(false));
    assert_eq!((b.scrape_protocols[0].as_str(), b.scrape_failure_log_file.as_str()), ("PrometheusText0.0.4", "/g"));
}

#[test]
fn native_histograms_put_the_binary_protocol_first() {
    let job = mk_job("scrape_native_histograms: true");
    assert_eq!(job.scrape_protocols[0], "PrometheusProto");
    assert_eq!(job.scrape_protocols[1..], TEXT_PROTOCOLS);
}

#[test]
fn name_schemes_inherit_together() {
    let table = [
        ("", "", NameScheme::Utf8, "allow-utf-8"),
        ("metric_name_validation_scheme: legacy", "", NameScheme::Legacy, "underscores"),
        (
            "metric_name_validation_scheme: legacy",
            "metric_name_validation_scheme: utf8",
            NameScheme::Utf8,
            "allow-utf-8",
        ),
        ("metric_name_escaping_scheme: dots", "", NameScheme::Utf8, "dots"),
        (
            "metric_name_escaping_scheme: dots",
            "metric_name_validation_scheme: legacy",
            NameScheme::Legacy,
            "underscores",
        ),
        ("", "metric_name_escaping_scheme: values", NameScheme::Utf8, "values"),
        ("", "metric_name_validation_scheme: ''", NameScheme::Utf8, "allow-utf-8"),
    ];
    for (global, own, scheme, escaping) in table {
        let job = &mk_jobs(&format!("global: {{{global}}}\nscrape_configs: [{{job_name: j, {own}}}]"))[0];
        assert_eq!((job.metric_name_validation_scheme, job.metric_name_escaping_scheme.as_str()), (scheme, escaping));
    }
}

#[test]
fn bearer_tokens_become_authorization() {
    let auth = mk_job("bearer_token: t").http.authorization.unwrap();
    assert_eq!((auth.scheme.as_str(), auth.credentials.reveal()), ("Bearer", "t"));
    let auth = mk_job("bearer_token_file: /t").http.authorization.unwrap();
    assert_eq!((auth.scheme.as_str(), auth.credentials_file.as_str()), ("Bearer", "/t"));
    assert_eq!(mk_job("authorization: {type: ' x '}").http.authorization.unwrap().scheme, "x");
}

#[test]
fn providers_come_by_key_with_static_last() {
    let job = mk_job(
        "static_configs: [{targets: [a], labels: {x: y}}, {}], kubernetes_sd_configs: [{role: pod}],
         file_sd_configs: [{files: [b.json]}, {files: [a.yml]}], consul_sd_configs: [{}, {}], dns_sd_configs: [{names: [n]}],
         http_sd_configs: [{url: 'http://h'}]",
    );
    let mechanisms: Vec<_> = job.sd_configs.iter().map(SdConfig::mechanism).collect();
    assert_eq!(mechanisms, ["consul", "dns", "file", "file", "http", "kubernetes", "static"]);
    assert!(matches!(&job.sd_configs[2], SdConfig::File(file) if file.files == ["b.json"]));
    assert!(
        matches!(&job.sd_configs[6], SdConfig::Static(groups) if groups.len() == 2 && groups[1].targets.is_empty())
    );
    assert!(mk_job("static_configs: null, file_sd_configs: [], consul_sd_configs: []").sd_configs.is_empty());
}

#[test]
fn mechanisms_have_their_defaults() {
    let job = mk_job(
        "file_sd_configs: [{files: [x.yml]}], http_sd_configs: [{url: 'http://h'}], dns_sd_configs: [{names: [n]}, {names: [n], type: aaaa, port: 53}]",
    );
    let [SdConfig::Dns(srv), SdConfig::Dns(aaaa), SdConfig::File(file), SdConfig::Http(http)] = &job.sd_configs[..]
    else {
        panic!("{:?}", job.sd_configs);
    };
    assert_eq!(file.refresh_interval.to_string(), "5m");
    assert_eq!(http.refresh_interval.to_string(), "1m");
    assert_eq!((srv.refresh_interval.to_string().as_str(), srv.record_type.as_str(), srv.port), ("30s", "SRV", 0));
    assert_eq!((aaaa.record_type.as_str(), aaaa.port), ("AAAA", 53));
}

/// Keys of a job, path below the job, message; ` (job "j")` follows unless the message names the job.
const REFUSALS: &[(&str, &str, &str)] = &[
    ("honor_labels: x", "honor_labels", "cannot unmarshal !!str `x` into bool"),
    ("honor_timestamps: 0", "honor_timestamps", "cannot unmarshal !!int `0` into bool"),
    ("params: {x: a}", "params.x", "cannot unmarshal !!str `a` into list"),
    ("sample_limit: -1", "sample_limit", "cannot unmarshal !!int `-1` into unsigned integer"),
    ("sample_limit: '1'", "sample_limit", "cannot unmarshal !!str `1` into unsigned integer"),
    ("native_histogram_min_bucket_factor: .inf", "native_histogram_min_bucket_factor", "must be a finite number"),
    ("body_size_limit: 1", "body_size_limit", "units: unknown unit  in 1"),
    ("scrape_interval: 30", "scrape_interval", "not a valid duration string: \"30\""),
    ("scrape_interval: ''", "scrape_interval", "empty duration string"),
    ("scrape_interval: 293y", "scrape_interval", "duration out of range"),
    (
        "scrape_interval: 5s, scrape_timeout: 6s",
        "scrape_timeout",
        "scrape timeout greater than scrape interval for scrape config with job name \"j\"",
    ),
    (
        "scrape_protocols: []",
        "scrape_protocols",
        "scrape_protocols cannot be empty for scrape config with job name \"j\"",
    ),
    (
        "scrape_protocols: [PrometheusProto, prometheusproto]",
        "scrape_protocols",
        "duplicated protocol in scrape_protocols, got [PrometheusProto prometheusproto] for scrape config with job name \"j\"",
    ),
    (
        "scrape_protocols: [x]",
        "scrape_protocols",
        "scrape_protocols: unknown scrape protocol x, supported: [OpenMetricsText0.0.1 OpenMetricsText1.0.0 PrometheusProto \
         PrometheusText0.0.4 PrometheusText1.0.0] for scrape config with job name \"j\"",
    ),
    (
        "fallback_scrape_protocol: x",
        "fallback_scrape_protocol",
        "invalid fallback_scrape_protocol for scrape config with job name \"j\": unknown scrape protocol x, supported: \
         [OpenMetricsText0.0.1 OpenMetricsText1.0.0 PrometheusProto PrometheusText0.0.4 PrometheusText1.0.0]",
    ),
    ("metric_name_validation_scheme: x", "metric_name_validation_scheme", "unrecognized ValidationScheme: \"x\""),
    (
        "metric_name_escaping_scheme: x",
        "metric_name_escaping_scheme",
        "unknown scrape config name escaping method specified, must be one of 'allow-utf-8', 'underscores', 'dots', or \
         'values', got \"x\"",
    ),
    (
        "metric_name_validation_scheme: legacy, metric_name_escaping_scheme: allow-utf-8",
        "metric_name_escaping_scheme",
        "utf8 metric names requested but validation scheme is not set to UTF8",
    ),
    (
        "bearer_token: a, bearer_token_file: b",
        "bearer_token_file",
        "at most one of bearer_token & bearer_token_file must be configured",
    ),
    (
        "bearer_token: a, basic_auth: {}",
        "basic_auth",
        "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
    ),
    (
        "basic_auth: {username: u, username_ref: r}",
        "basic_auth.username",
        "at most one of basic_auth username, username_file & username_ref must be configured",
    ),
    (
        "basic_auth: {password: u, password_file: r}",
        "basic_auth.password",
        "at most one of basic_auth password, password_file & password_ref must be configured",
    ),
    (
        "authorization: {}, bearer_token: x",
        "authorization",
        "authorization is not compatible with bearer_token & bearer_token_file",
    ),
    (
        "authorization: {credentials: c, credentials_file: f}",
        "authorization.credentials",
        "at most one of authorization credentials & credentials_file must be configured",
    ),
    (
        "authorization: {type: Basic}",
        "authorization.type",
        "authorization type cannot be set to \"basic\", use \"basic_auth\" instead",
    ),
    (
        "authorization: {}, basic_auth: {}",
        "authorization",
        "at most one of basic_auth, oauth2 & authorization must be configured",
    ),
    (
        "oauth2: {client_id: a, token_url: b}, basic_auth: {}",
        "oauth2",
        "at most one of basic_auth, oauth2 & authorization must be configured",
    ),
    ("oauth2: {token_url: b}", "oauth2.client_id", "oauth2 client_id must be configured"),
    ("oauth2: {client_id: b}", "oauth2.token_url", "oauth2 token_url must be configured"),
    (
        "oauth2: {client_id: a, token_url: b, client_secret: c, client_secret_ref: d}",
        "oauth2.client_secret",
        "at most one of oauth2 client_secret, client_secret_file & client_secret_ref must be configured using \
         grant-type=client_credentials",
    ),
    (
        "oauth2: {client_id: a, token_url: b, grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', signature_algorithm: X}",
        "oauth2.signature_algorithm",
        "valid signature algorithms are RS256, RS384 and RS512",
    ),
    ("tls_config: {ca: a, ca_file: b}", "tls_config.ca", "at most one of ca, ca_file & ca_ref must be configured"),
    (
        "tls_config: {cert: a, cert_ref: b, key: k}",
        "tls_config.cert",
        "at most one of cert, cert_file & cert_ref must be configured",
    ),
    (
        "tls_config: {cert: a, key: b, key_file: k}",
        "tls_config.key",
        "at most one of key and key_file must be configured",
    ),
    (
        "tls_config: {cert_file: a}",
        "tls_config.key_file",
        "exactly one of key or key_file must be configured when a client certificate is configured",
    ),
    (
        "tls_config: {key_file: a}",
        "tls_config.cert_file",
        "exactly one of cert or cert_file must be configured when a client key is configured",
    ),
    ("tls_config: {min_version: TLS9}", "tls_config.min_version", "unknown TLS version: TLS9"),
    (
        "proxy_connect_header: {A: [b]}",
        "proxy_connect_header",
        "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
    ),
    (
        "proxy_url: 'http://x', proxy_from_environment: true",
        "proxy_url",
        "if proxy_from_environment is configured, proxy_url must not be configured",
    ),
    (
        "no_proxy: x, proxy_from_environment: true",
        "no_proxy",
        "if proxy_from_environment is configured, no_proxy must not be configured",
    ),
    ("no_proxy: x", "no_proxy", "if no_proxy is configured, proxy_url must also be configured"),
    ("proxy_url: '10.0.0.1:3128'", "proxy_url", "not a valid URL: first path segment in URL cannot contain colon"),
    (
        "http_headers: {proxy-AUTHORIZATION: {values: [x]}}",
        "http_headers",
        "setting header \"Proxy-Authorization\" is not allowed",
    ),
    ("static_configs: [null]", "static_configs[0]", "empty or null section in static_configs"),
    ("static_configs: [{targets: 'x:1'}]", "static_configs[0].targets", "cannot unmarshal !!str `x:1` into list"),
    ("static_configs: [{labels: {'': x}}]", "static_configs[0].labels", "\"\" is not a valid label name"),
    ("static_configs: [{targets: ['http://x']}]", "static_configs", "\"http://x\" is not a valid hostname"),
    (
        "static_configs: [{targets: ['http://x']}], relabel_configs: []",
        "static_configs",
        "\"http://x\" is not a valid hostname",
    ),
    ("consul_sd_configs: [{server: x}, ~]", "consul_sd_configs[1]", "empty or null section in consul_sd_configs"),
    (
        "file_sd_configs: [{}]",
        "file_sd_configs[0].files",
        "file service discovery config must contain at least one path name",
    ),
    (
        "file_sd_configs: [{files: [a.txt]}]",
        "file_sd_configs[0].files",
        "path name \"a.txt\" is not valid for file discovery",
    ),
    (
        "file_sd_configs: [{files: ['*/a.json']}]",
        "file_sd_configs[0].files",
        "path name \"*/a.json\" is not valid for file discovery",
    ),
    (
        "file_sd_configs: [{files: [a.yml], refresh_interval: 0s}]",
        "file_sd_configs[0].refresh_interval",
        "refresh_interval must be greater than zero",
    ),
    ("http_sd_configs: [{}]", "http_sd_configs[0].url", "URL is missing"),
    ("http_sd_configs: [{url: 'ftp://x'}]", "http_sd_configs[0].url", "URL scheme must be 'http' or 'https'"),
    ("http_sd_configs: [{url: 'http:///x'}]", "http_sd_configs[0].url", "host is missing in URL"),
    (
        "http_sd_configs: [{url: 'http://x', authorization: {type: basic}}]",
        "http_sd_configs[0].authorization.type",
        "authorization type cannot be set to \"basic\", use \"basic_auth\" instead",
    ),
    ("dns_sd_configs: [{}]", "dns_sd_configs[0].names", "DNS-SD config must contain at least one SRV record name"),
    (
        "dns_sd_configs: [{names: [a], type: MX}]",
        "dns_sd_configs[0].port",
        "a port is required in DNS-SD configs for all record types except SRV",
    ),
    ("dns_sd_configs: [{names: [a], type: X}]", "dns_sd_configs[0].type", "invalid DNS-SD records type X"),
    ("dns_sd_configs: [{names: [a], port: 65536}]", "dns_sd_configs[0].port", "port 65536 is not between 0 and 65535"),
    (
        "kubernetes_sd_configs: [{}]",
        "kubernetes_sd_configs[0].role",
        "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)",
    ),
    ("kubernetes_sd_configs: [{role: Pod}]", "kubernetes_sd_configs[0].role", "unknown Kubernetes SD role \"Pod\""),
    (
        "kubernetes_sd_configs: [{role: pod, api_server: 'http://x', kubeconfig_file: y}]",
        "kubernetes_sd_configs[0].kubeconfig_file",
        "cannot use 'kubeconfig_file' and 'api_server' simultaneously",
    ),
    (
        "kubernetes_sd_configs: [{role: pod, enable_http2: false, kubeconfig_file: y}]",
        "kubernetes_sd_configs[0].kubeconfig_file",
        "cannot use a custom HTTP client configuration together with 'kubeconfig_file'",
    ),
    (
        "kubernetes_sd_configs: [{role: pod, bearer_token: x}]",
        "kubernetes_sd_configs[0].api_server",
        "to use custom HTTP client configuration please provide the 'api_server' URL explicitly",
    ),
    (
        "kubernetes_sd_configs: [{role: pod, api_server: 'http://x', namespaces: {own_namespace: true}}]",
        "kubernetes_sd_configs[0].namespaces",
        "cannot use 'api_server' and 'namespaces.own_namespace' simultaneously",
    ),
    (
        "kubernetes_sd_configs: [{role: pod, kubeconfig_file: x, namespaces: {own_namespace: true}}]",
        "kubernetes_sd_configs[0].namespaces",
        "cannot use 'kubeconfig_file' and 'namespaces.own_namespace' simultaneously",
    ),
    (
        "kubernetes_sd_configs: [{role: pod, selectors: [{role: pod}, {role: pod}]}]",
        "kubernetes_sd_configs[0].selectors",
        "duplicated selector role: pod",
    ),
    (
        "kubernetes_sd_configs: [{role: node, selectors: [{role: pod}]}]",
        "kubernetes_sd_configs[0].selectors",
        "node role supports only node selectors",
    ),
    (
        "kubernetes_sd_configs: [{role: endpoints, selectors: [{}]}]",
        "kubernetes_sd_configs[0].selectors",
        "endpoints role supports only pod, service, endpoints selectors",
    ),
    (
        "kubernetes_sd_configs: [{role: pod, selectors: [{role: pod, field: a}]}]",
        "kubernetes_sd_configs[0].selectors",
        "invalid selector: 'a'; can't understand 'a'",
    ),
    ("relabel_configs: [null]", "relabel_configs[0]", "empty or null target relabeling rule in scrape config"),
    (
        "metric_relabel_configs: [null]",
        "metric_relabel_configs[0]",
        "empty or null metric relabeling rule in scrape config",
    ),
    (
        "relabel_configs: [{source_labels: foo, target_label: b}]",
        "relabel_configs[0].source_labels",
        "cannot unmarshal !!str `foo` into list",
    ),
    (
        "relabel_configs: [{action: null, target_label: b}]",
        "relabel_configs[0].action",
        "relabel action cannot be empty",
    ),
    ("relabel_configs: [{action: x}]", "relabel_configs[0].action", "unknown relabel action \"x\""),
    (
        "relabel_configs: [{}]",
        "relabel_configs[0]",
        "relabel configuration for replace action requires 'target_label' value",
    ),
    (
        "relabel_configs: [{action: dropequal, source_labels: [a], target_label: b, regex: (.*)}]",
        "relabel_configs[0]",
        "dropequal action requires only 'source_labels' and `target_label`, and no other fields",
    ),
    (
        "relabel_configs: [{action: labelkeep, source_labels: [], regex: a}]",
        "relabel_configs[0]",
        "labelkeep action requires only 'regex', and no other fields",
    ),
    (
        "metric_name_validation_scheme: legacy, metric_relabel_configs: [{target_label: a-b}]",
        "metric_relabel_configs[0]",
        "\"a-b\" is invalid 'target_label' for replace action",
    ),
];

#[test]
fn refuses_what_prometheus_refuses_in_its_words() {
    for (keys, path, message) in REFUSALS {
        let decoded = decode_keys(keys);
        let job = if message.contains("with job name") { "" } else { " (job \"j\")" };
        let wanted = format!("line 2: config.scrape_configs[0].{path}: {message}{job}");
        assert_eq!(texts(&decoded.errors), [wanted], "{keys}");
        assert!(decoded.config.scrape_configs.is_empty(), "{keys}");
    }
}

#[test]
fn accepts_what_prometheus_accepts() {
    for keys in [
        "scheme: ftp, metrics_path: foo",
        "relabel_configs: [{target_label: x}], static_configs: [{targets: ['http://x']}]",
        "tls_config: {}, basic_auth: {}, http_headers: {}",
        "no_proxy: x, proxy_url: 'http://y'",
        "file_sd_configs: [{files: ['a*b*.JSON', 'x/*.yml', a.yaml]}]",
        "kubernetes_sd_configs: [{role: pod, selectors: [{role: node, label: 'a in (b,c)'}], namespaces: null}]",
        "relabel_configs: [{action: KeepEqual, source_labels: [a], target_label: b}, {action: LABELDROP, regex: x}]",
        "relabel_configs: [{action: hashmod, modulus: 18446744073709551615, target_label: b, regex: x}]",
    ] {
        let decoded = decode_keys(keys);
        assert_eq!(texts(&decoded.errors), [""; 0], "{keys}");
        assert_eq!(texts(&decoded.warnings), [""; 0], "{keys}");
    }
}

#[test]
fn whole_file_refusals() {
    let table = [
        ("[]", "line 1: config: cannot unmarshal !!seq into mapping"),
        ("scrape_configs: x", "line 1: config.scrape_configs: cannot unmarshal !!str `x` into list"),
        ("scrape_configs: [null]", "line 1: config.scrape_configs[0]: empty or null scrape config section"),
        ("scrape_configs: [{}]", "line 1: config.scrape_configs[0].job_name: job_name is empty"),
        ("scrape_configs: [{job_name: null}]", "line 1: config.scrape_configs[0].job_name: job_name is empty"),
        (
            "scrape_configs:\n- job_name: a\n- job_name: a\n",
            "line 3: config.scrape_configs[1].job_name: found multiple scrape configs with job name \"a\"",
        ),
        (
            "global: {scrape_timeout: 2m}",
            "line 1: config.global.scrape_timeout: global scrape timeout greater than scrape interval",
        ),
        (
            "global: {scrape_protocols: []}",
            "line 1: config.global.scrape_protocols: scrape_protocols cannot be empty for global config",
        ),
        (
            "global: {metric_name_escaping_scheme: x}\nscrape_configs: [{job_name: a}]",
            "line 1: config.global.metric_name_escaping_scheme: unknown global name escaping method specified, must be one of \
             'allow-utf-8', 'underscores', 'dots', or 'values', got \"x\"",
        ),
        (
            "global: {metric_name_validation_scheme: legacy, external_labels: {a-b: c}}",
            "line 1: config.global.external_labels: \"a-b\" is not a valid label name",
        ),
        (
            "scrape_config_files: ['*/x.yml']",
            "line 1: config.scrape_config_files: invalid scrape config file path \"*/x.yml\"",
        ),
    ];
    for (text, wanted) in table {
        assert_eq!(texts(&decode_text(text).errors), [wanted], "{text}");
    }
}

#[test]
fn every_error_of_a_file_is_listed_and_healthy_jobs_survive() {
    let decoded = decode_text(
        "global:
  scrape_interval: soon
scrape_configs:
- job_name: bad
  scrape_timeout: 1.5s
  relabel_configs:
  - {regex: '(', target_label: x}
  - {action: nope}
- job_name: good
- {job_name: other, static_configs: [{targets: 5}]}
",
    );
    let errors = texts(&decoded.errors);
    let starts = [
        "line 2: config.global.scrape_interval: ",
        "line 5: config.scrape_configs[0].scrape_timeout: ",
        "line 7: config.scrape_configs[0].relabel_configs[0]: error parsing regexp: missing closing )",
        "line 8: config.scrape_configs[0].relabel_configs[1].action: ",
        "line 10: config.scrape_configs[2].static_configs[0].targets: ",
    ];
    assert_eq!(errors.len(), starts.len(), "{errors:#?}");
    for (error, start) in errors.iter().zip(starts) {
        assert!(error.starts_with(start), "{error}");
    }
    let jobs: Vec<_> = decoded.config.scrape_configs.iter().map(|job| job.job_name.as_str()).collect();
    assert_eq!(jobs, ["good"]);
    assert_eq!(decoded.errors[3].job.as_deref(), Some("bad"));
}

#[test]
fn unknown_keys_are_ignored_with_a_warning() {
    let decoded = decode_text(
        "scrape_config_files: ['x/*.yml']
remote_write: [{url: anything}]
scrape_configs:
- job_name: a
  scrape_intervall: 5s
  foo_sd_configs: [{}]
  kubernetes_sd_configs: [{role: pod, namespace: {names: [x]}}]
",
    );
    assert_eq!(texts(&decoded.errors), [""; 0]);
    let wanted = [
        "line 1: config.scrape_config_files: \"x/*.yml\" is not read: the allocator loads no further files",
        "line 7: config.scrape_configs[0].kubernetes_sd_configs[0].namespace: unknown key; did you mean \
         \"namespaces\"? (job \"a\")",
        "line 5: config.scrape_configs[0].scrape_intervall: unknown key; did you mean \"scrape_interval\"? (job \"a\")",
    ];
    assert_eq!(texts(&decoded.warnings)[..3], wanted);
    assert_eq!(decoded.warnings.len(), 4, "and foo_sd_configs");
    assert!(decoded.config.scrape_configs[0].sd_configs.len() == 1);
}

#[test]
fn a_single_job_decodes_under_a_given_global() {
    let global = GlobalConfig { scrape_interval: Duration::from_millis(7_000), ..GlobalConfig::default() };
    let decoded =
        decode_job(&mk_node("{job_name: serviceMonitor/a/b/0, target_limit: 3}"), &global, Strings::AsWritten);
    let job = decoded.job.unwrap();
    assert_eq!((job.scrape_interval.to_string().as_str(), job.scrape_timeout.to_string().as_str()), ("7s", "7s"));
    let decoded = decode_job(&mk_node("{job_name: x, scrape_interval: y}"), &global, Strings::AsWritten);
    assert!(decoded.job.is_none());
    assert_eq!(texts(&decoded.errors), ["line 1: scrape_interval: not a valid duration string: \"y\" (job \"x\")"]);
}

fn operator_config(text: &str) -> Decoded {
    let root = mk_node(text);
    let decoded = decode(root.get("config").expect("config block"), Strings::RoundTripped);
    assert_eq!((texts(&decoded.errors), texts(&decoded.warnings)), (vec![], vec![]));
    decoded
}

#[test]
fn reads_what_the_operator_writes() {
    let minimal = operator_config(include_str!("../testdata/scrape_config/operator-minimal.yaml"));
    let [job] = &minimal.config.scrape_configs[..] else { panic!("one job") };
    assert_eq!((job.job_name.as_str(), job.scrape_interval.to_string().as_str()), ("otel-collector", "10s"));
    assert!(matches!(&job.sd_configs[..], [SdConfig::Static(groups)] if groups[0].targets == ["0.0.0.0:8888"]));

    let full = operator_config(include_str!("../testdata/scrape_config/operator-full.yaml"));
    let [nodes, pods] = &full.config.scrape_configs[..] else { panic!("two jobs") };
    assert_eq!(nodes.sample_limit, 1_000_000);
    assert_eq!(nodes.scrape_protocols, ["OpenMetricsText1.0.0", "PrometheusText0.0.4"]);
    assert_eq!(pods.scrape_interval.to_string(), "30s");
    assert_eq!(pods.relabel_configs[0].raw().regex.as_deref(), Some("true"));
    assert_eq!(pods.relabel_configs[1].raw().replacement, "$1:$2");
    assert!(matches!(&pods.sd_configs[..], [SdConfig::Kubernetes(sd)] if sd.namespaces == ["shop", "pay"]));
}

#[test]
fn secrets_do_not_leak_through_debug_or_errors() {
    let job = mk_job(
        "basic_auth: {password: hunter2}, proxy_url: 'http://u:hunter2@h', http_headers: {A: {secrets: [hunter2]}}",
    );
    assert!(!format!("{job:?}").contains("hunter2"));
    for keys in
        ["proxy_url: 'http://u:hunter2@h:port'", "basic_auth: {password: [hunter2]}", "bearer_token: {hunter2: 1}"]
    {
        let errors = texts(&decode_keys(keys).errors);
        assert!(!errors.is_empty() && !errors.concat().contains("hunter2"), "{errors:?}");
    }
}
