//! What is refused, in Prometheus' words, and what is not.

use crate::{decode_keys, decode_text, texts};

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
