//! What `/scrape_configs` answers, byte for byte.

use ta_model::Secrets;
use ta_model::scrape_config::{Decoded, ScrapeConfig, decode, render_all, render_job};
use ta_model::yaml::{Strings, parse};

fn mk_config(text: &str) -> Decoded {
    let root = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}")).root;
    let decoded = decode(&root, Strings::RoundTripped);
    assert_eq!(decoded.errors, [], "{text}");
    decoded
}

fn render(text: &str, secrets: Secrets) -> String {
    let decoded = mk_config(text);
    render_all(decoded.config.scrape_configs.iter().map(|job| &**job), secrets)
}

/// The part of a job that `keys` adds to a job of nothing but a name; secrets masked.
fn render_keys(keys: &str) -> String {
    let decoded = mk_config(&format!("scrape_configs: [{{job_name: j, {keys}}}]"));
    let bare = render_job(&ScrapeConfig::new("j"), Secrets::Masked);
    let bare: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&bare).expect("an object");
    let full = render_job(&decoded.config.scrape_configs[0], Secrets::Masked);
    let full: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&full).expect("an object");
    let added: serde_json::Map<_, _> = full.into_iter().filter(|(key, value)| bare.get(key) != Some(value)).collect();
    serde_json::Value::Object(added).to_string()
}

const MINIMAL: &str = r#"{"a":{"always_scrape_classic_histograms":false,"convert_classic_histograms_to_nhcb":false,"enable_compression":true,"enable_http2":true,"extra_scrape_metrics":false,"follow_redirects":true,"honor_timestamps":true,"job_name":"a","metric_name_escaping_scheme":"allow-utf-8","metric_name_validation_scheme":"utf8","metrics_path":"/metrics","scheme":"http","scrape_interval":"1m","scrape_native_histograms":false,"scrape_protocols":["OpenMetricsText1.0.0","OpenMetricsText0.0.1","PrometheusText1.0.0","PrometheusText0.0.4"],"scrape_timeout":"10s","static_configs":[{"targets":["x:1"]}],"track_timestamps_staleness":false}}"#;

#[test]
fn a_minimal_job_shows_every_default() {
    let text = "scrape_configs: [{job_name: a, static_configs: [{targets: ['x:1']}]}]";
    assert_eq!(render(text, Secrets::Masked), MINIMAL);
    assert_eq!(render(text, Secrets::Revealed), MINIMAL);
    assert_eq!(render("{}", Secrets::Masked), "{}");
}

#[test]
fn static_labels_are_shown() {
    let text = "scrape_configs: [{job_name: prometheus, static_configs: [{targets: ['prom.domain:9001'], labels: {my: label}}]}]";
    let wanted = MINIMAL
        .replace(r#"{"a":"#, r#"{"prometheus":"#)
        .replace(r#""job_name":"a""#, r#""job_name":"prometheus""#)
        .replace(r#"[{"targets":["x:1"]}]"#, r#"[{"labels":{"my":"label"},"targets":["prom.domain:9001"]}]"#);
    assert_eq!(render(text, Secrets::Masked), wanted);
}

#[test]
fn a_full_job_masks_secrets_and_reveals_all_but_url_passwords() {
    let text = include_str!("../testdata/scrape_config/full-job.yaml");
    let masked = include_str!("../testdata/scrape_config/full-job.masked.json").trim_end();
    assert_eq!(render(text, Secrets::Masked), masked);

    let revealed = masked
        .replace(r#""password":"\u003csecret\u003e""#, r#""password":"p""#)
        .replace(r#""secrets":["\u003csecret\u003e"]"#, r#""secrets":["s1"]"#)
        .replace(r#""credentials":"\u003csecret\u003e""#, r#""credentials":"zz""#);
    assert!(revealed.contains("http://user:xxxxx@proxy:3128"));
    assert_eq!(render(text, Secrets::Revealed), revealed);
}

#[test]
fn rules_show_defaults_but_no_regex_nobody_gave() {
    let table = [
        (
            "{source_labels: [a], target_label: b}",
            r#"{"action":"replace","replacement":"$1","separator":";","source_labels":["a"],"target_label":"b"}"#,
        ),
        (
            "{action: Replace, target_label: b, regex: (.*)}",
            r#"{"action":"replace","regex":"(.*)","replacement":"$1","separator":";","target_label":"b"}"#,
        ),
        (
            "{target_label: b, separator: '', replacement: '', regex: ''}",
            r#"{"action":"replace","regex":"","replacement":"","separator":"","target_label":"b"}"#,
        ),
        ("{action: labeldrop, regex: x}", r#"{"action":"labeldrop","regex":"x","replacement":"$1","separator":";"}"#),
        (
            "{action: KeepEqual, source_labels: [a], target_label: b}",
            r#"{"action":"keepequal","replacement":"$1","separator":";","source_labels":["a"],"target_label":"b"}"#,
        ),
        (
            "{action: hashmod, source_labels: [], target_label: b, modulus: 8}",
            r#"{"action":"hashmod","modulus":8,"replacement":"$1","separator":";","target_label":"b"}"#,
        ),
        (
            "{regex: '^a\\b<&>', action: keep}",
            r#"{"action":"keep","regex":"^a\\b\u003c\u0026\u003e","replacement":"$1","separator":";"}"#,
        ),
    ];
    for (rule, wanted) in table {
        for key in ["relabel_configs", "metric_relabel_configs"] {
            let text = render(&format!("scrape_configs: [{{job_name: a, {key}: [{rule}]}}]"), Secrets::Masked);
            assert!(text.contains(&format!(r#""{key}":[{wanted}]"#)), "{rule}: {text}");
        }
    }
}

#[test]
fn zero_values_are_left_out_and_explicit_falses_kept() {
    let table = [
        (
            "honor_labels: false, params: {}, sample_limit: 0, relabel_configs: [], tls_config: {}, basic_auth: null",
            "{}",
        ),
        ("basic_auth: {}", r#"{"basic_auth":{}}"#),
        ("authorization: {}", r#"{"authorization":{"type":"Bearer"}}"#),
        ("bearer_token: t", r#"{"authorization":{"credentials":"<secret>","type":"Bearer"}}"#),
        ("tls_config: {server_name: s}", r#"{"tls_config":{"insecure_skip_verify":false,"server_name":"s"}}"#),
        ("static_configs: [{}]", r#"{"static_configs":[{"targets":[]}]}"#),
        ("scrape_interval: 90m, scrape_timeout: 3600s", r#"{"scrape_interval":"1h30m","scrape_timeout":"1h"}"#),
        ("body_size_limit: 1025KB", r#"{"body_size_limit":"1MiB1KiB"}"#),
        ("native_histogram_min_bucket_factor: 1e-7", r#"{"native_histogram_min_bucket_factor":1e-7}"#),
        ("params: {a: ['true', '1'], b: []}", r#"{"params":{"a":["true","1"],"b":[]}}"#),
        (
            "kubernetes_sd_configs: [{role: node, namespaces: {}, selectors: [], attach_metadata: {}}]",
            r#"{"kubernetes_sd_configs":[{"enable_http2":true,"follow_redirects":true,"kubeconfig_file":"","role":"node"}]}"#,
        ),
        (
            "kubernetes_sd_configs: [{role: pod, namespaces: {own_namespace: true}}, {role: pod, api_server: 'https://u:p@h:6443'}]",
            r#"{"kubernetes_sd_configs":[{"enable_http2":true,"follow_redirects":true,"kubeconfig_file":"","namespaces":{"names":[],"own_namespace":true},"role":"pod"},{"api_server":"https://u:xxxxx@h:6443","enable_http2":true,"follow_redirects":true,"kubeconfig_file":"","role":"pod"}]}"#,
        ),
        (
            "dns_sd_configs: [{names: [host]}], file_sd_configs: [{files: [a.yml]}]",
            r#"{"dns_sd_configs":[{"names":["host"],"port":0,"refresh_interval":"30s","type":"SRV"}],"file_sd_configs":[{"files":["a.yml"],"refresh_interval":"5m"}]}"#,
        ),
        (
            "oauth2: {client_id: i, client_secret: s, token_url: t, claims: {num: 1, l: [a, 1.5, null]}, scopes: [x]}",
            r#"{"oauth2":{"claims":{"l":["a",1.5,null],"num":1},"client_id":"i","client_secret":"<secret>","scopes":["x"],"token_url":"t"}}"#,
        ),
        (
            "proxy_url: 'http://p', proxy_connect_header: {A: [x, '']}",
            r#"{"proxy_connect_header":{"A":["<secret>",""]},"proxy_url":"http://p"}"#,
        ),
    ];
    for (keys, wanted) in table {
        assert_eq!(render_keys(keys), wanted, "{keys}");
    }
}

#[test]
fn numbers_lose_precision_as_upstreams_do() {
    let rule = "{action: hashmod, target_label: b, modulus: 18446744073709551615}";
    let text = render(&format!("scrape_configs: [{{job_name: a, relabel_configs: [{rule}]}}]"), Secrets::Masked);
    assert!(text.contains(r#""modulus":18446744073709552000,"#), "{text}");
    let text = render("scrape_configs: [{job_name: a, native_histogram_min_bucket_factor: 1e-7}]", Secrets::Masked);
    assert!(text.contains(r#""native_histogram_min_bucket_factor":1e-07,"#), "{text}");
}

#[test]
fn jobs_and_labels_sort_by_encoded_key() {
    let names = ["a", "a b", "a!", "B", "<"];
    let jobs: Vec<_> = names.into_iter().map(ScrapeConfig::new).collect();
    let text = render_all(&jobs, Secrets::Masked);
    let at = |name: &str| text.find(&format!("\"{name}\":{{\"always")).unwrap_or_else(|| panic!("{name} in {text}"));
    let order = [at("B"), at("\\u003c"), at("a b"), at("a!"), at("a")];
    assert!(order.is_sorted(), "{order:?}");
}

/// Everything that can be written down, so that no key is forgotten on the way out or in.
const EVERYTHING: &str = "
job_name: 'every <key>'
honor_labels: true
honor_timestamps: false
track_timestamps_staleness: true
params: {a: ['1', 'yes'], 'true': ['']}
scrape_interval: 31s
scrape_timeout: 7s
scrape_protocols: [PrometheusText0.0.4, PrometheusProto]
fallback_scrape_protocol: PrometheusText1.0.0
scrape_native_histograms: true
always_scrape_classic_histograms: true
convert_classic_histograms_to_nhcb: true
extra_scrape_metrics: true
scrape_failure_log_file: /log
metrics_path: /m
scheme: https
enable_compression: false
body_size_limit: 1.5MiB
sample_limit: 1
target_limit: 2
label_limit: 3
label_name_length_limit: 4
label_value_length_limit: 5
native_histogram_bucket_limit: 6
native_histogram_min_bucket_factor: 1.1
keep_dropped_targets: 7
metric_name_validation_scheme: legacy
metric_name_escaping_scheme: dots
oauth2:
  client_id: i
  client_certificate_key_id: ki
  client_certificate_key: ck
  grant_type: urn:ietf:params:oauth:grant-type:jwt-bearer
  signature_algorithm: RS384
  iss: iss
  audience: aud
  claims: {a: {b: [1, x, true, null, 1.5]}}
  scopes: [s]
  token_url: http://t
  endpoint_params: {p: 'no'}
  tls_config: {ca_file: /ca}
  proxy_url: http://u:p@h
tls_config: {ca: c, cert: d, key: e, server_name: n, insecure_skip_verify: true, min_version: TLS12, max_version: TLS13}
follow_redirects: false
enable_http2: false
proxy_url: http://proxy:3128/x
no_proxy: a,b
proxy_connect_header: {H: [x, y]}
http_headers: {X: {values: [v], secrets: [s], files: [f]}}
relabel_configs:
- {source_labels: [a, b], separator: ',', regex: 'a|b\\n', target_label: t, replacement: '${1}x'}
- {action: hashmod, source_labels: [a], target_label: h, modulus: 9}
- {action: dropequal, source_labels: [a], target_label: h}
metric_relabel_configs: [{action: keep, source_labels: [__name__], regex: '0123'}]
dns_sd_configs: [{names: [n, m], type: MX, port: 25, refresh_interval: 9s}]
file_sd_configs: [{files: [f.yml], refresh_interval: 8s}]
http_sd_configs: [{url: 'http://h/p', refresh_interval: 7s, basic_auth: {username_file: u, password_ref: p}}]
kubernetes_sd_configs:
- role: endpointslice
  api_server: https://k
  namespaces: {own_namespace: false, names: [n]}
  selectors: [{role: pod, label: a=b, field: c=d}]
  attach_metadata: {node: true, namespace: true, deployment: true, job: true, cronjob: true}
  authorization: {type: T, credentials_file: c}
static_configs: [{targets: ['1', 'b:2'], labels: {y: 'n', e: ''}}, {targets: []}]
";

#[test]
fn a_rendering_decodes_to_the_same_jobs() {
    let everything = format!("scrape_configs:\n-{}", EVERYTHING.replace('\n', "\n  ").trim_end());
    let full = include_str!("../testdata/scrape_config/full-job.yaml")
        .replace("metrics_path: \"\"", "metrics_path: /m") // an explicit "" is not rendered
        .replace("user:pw@", ""); // nor is a password
    let everything = everything.replace("u:p@", "");
    let minimal = include_str!("../testdata/scrape_config/operator-minimal.yaml");
    let operator = include_str!("../testdata/scrape_config/operator-full.yaml");
    for text in [everything.as_str(), &full, minimal, operator] {
        let root = parse(text).expect("valid YAML").root;
        let decoded = decode(root.get("config").unwrap_or(&root), Strings::RoundTripped);
        assert_eq!((decoded.errors, decoded.warnings), (vec![], vec![]));
        for job in decoded.config.scrape_configs {
            let json = format!("scrape_configs: [{}]", render_job(&job, Secrets::Revealed));
            for strings in [Strings::RoundTripped, Strings::AsWritten] {
                let back = decode(&parse(&json).expect("JSON is YAML").root, strings);
                assert_eq!((back.errors, back.warnings), (vec![], vec![]));
                assert_eq!(back.config.scrape_configs, std::slice::from_ref(&job), "{json}");
            }
        }
    }
}

/// The value of every key changed, one at a time: fingerprints must differ from the original and from each other.
#[test]
fn fingerprints_see_every_change() {
    let mk = |text: &str| {
        let decoded = mk_config(&format!("scrape_configs:\n-{}", text.replace('\n', "\n  ").trim_end()));
        (*decoded.config.scrape_configs[0]).clone()
    };
    let original = mk(EVERYTHING);
    assert_eq!(original.fingerprint(), mk(EVERYTHING).fingerprint());
    let changes = [
        ("'every <key>'", "other"),
        ("honor_labels: true", "honor_labels: false"),
        ("honor_timestamps: false", "honor_timestamps: true"),
        ("track_timestamps_staleness: true", "track_timestamps_staleness: false"),
        ("['1', 'yes']", "['1']"),
        ("31s", "32s"),
        ("scrape_timeout: 7s", "scrape_timeout: 6s"),
        ("[PrometheusText0.0.4, PrometheusProto]", "[PrometheusProto, PrometheusText0.0.4]"),
        ("PrometheusText1.0.0", "PrometheusText0.0.4"),
        ("scrape_native_histograms: true", "scrape_native_histograms: false"),
        ("always_scrape_classic_histograms: true", "always_scrape_classic_histograms: false"),
        ("convert_classic_histograms_to_nhcb: true", "convert_classic_histograms_to_nhcb: false"),
        ("extra_scrape_metrics: true", "extra_scrape_metrics: false"),
        ("/log", "/lag"),
        ("metrics_path: /m", "metrics_path: ''"),
        ("scheme: https", "scheme: http"),
        ("enable_compression: false", "enable_compression: true"),
        ("1.5MiB", "2MiB"),
        ("sample_limit: 1", "sample_limit: 9007199254740993"),
        ("sample_limit: 1", "sample_limit: 9007199254740992"),
        ("target_limit: 2", "target_limit: 0"),
        ("label_limit: 3", "label_limit: 4"),
        ("label_name_length_limit: 4", "label_name_length_limit: 5"),
        ("label_value_length_limit: 5", "label_value_length_limit: 6"),
        ("native_histogram_bucket_limit: 6", "native_histogram_bucket_limit: 7"),
        ("bucket_factor: 1.1", "bucket_factor: 1.2"),
        ("keep_dropped_targets: 7", "keep_dropped_targets: 8"),
        ("validation_scheme: legacy", "validation_scheme: utf8"),
        ("escaping_scheme: dots", "escaping_scheme: values"),
        ("client_id: i", "client_id: j"),
        ("key_id: ki", "key_id: kj"),
        ("client_certificate_key: ck", "client_certificate_key: cl"),
        ("RS384", "RS256"),
        ("iss: iss", "iss: ist"),
        ("audience: aud", "audience: aut"),
        ("[1, x, true", "['1', x, true"),
        ("scopes: [s]", "scopes: [s, s]"),
        ("http://t", "http://tt"),
        ("p: 'no'", "p: 'n'"),
        ("{ca_file: /ca}", "{ca: /ca}"),
        ("u:p@h", "u:q@h"),
        ("ca: c,", "ca: d,"),
        ("cert: d,", "cert: e,"),
        ("key: e,", "key: f,"),
        ("server_name: n", "server_name: m"),
        ("insecure_skip_verify: true", "insecure_skip_verify: false"),
        ("TLS12", "TLS11"),
        ("TLS13", "TLS12"),
        ("follow_redirects: false", "follow_redirects: true"),
        ("enable_http2: false", "enable_http2: true"),
        ("3128/x", "3128/y"),
        ("a,b", "a"),
        ("H: [x, y]", "H: [y, x]"),
        ("values: [v]", "values: [w]"),
        ("secrets: [s]", "secrets: [t]"),
        ("files: [f]}", "files: [g]}"),
        ("separator: ','", "separator: '.'"),
        ("'a|b\\n'", "'a|b'"),
        ("modulus: 9", "modulus: 10"),
        ("action: dropequal", "action: keepequal"),
        ("'0123'", "'83'"),
        ("names: [n, m]", "names: [m, n]"),
        ("type: MX", "type: NS"),
        ("port: 25", "port: 26"),
        ("9s", "10s"),
        ("f.yml", "g.yml"),
        ("8s", "9s"),
        ("http://h/p", "http://h/q"),
        ("username_file: u", "username: u"),
        ("role: endpointslice", "role: endpoints"),
        ("https://k", "https://u:p@k"),
        ("https://k", "https://u:q@k"),
        ("names: [n]", "names: []"),
        ("label: a=b", "label: a=c"),
        ("cronjob: true", "cronjob: false"),
        ("type: T", "type: U"),
        ("['1', 'b:2']", "['b:2', '1']"),
        ("e: ''", "f: ''"),
        (", {targets: []}]", "]"),
    ];
    let mut seen = std::collections::HashMap::from([(original.fingerprint(), "the original")]);
    for (from, to) in changes {
        assert!(EVERYTHING.contains(from), "{from}");
        let changed = mk(&EVERYTHING.replacen(from, to, 1));
        assert_ne!(changed, original, "{from} -> {to}");
        if let Some(other) = seen.insert(changed.fingerprint(), to) {
            panic!("{from} -> {to} collides with {other}");
        }
    }
}

/// Ways to say one thing that exclude each other, so they cannot all stand in one job.
#[test]
fn alternatives_differ_and_survive_a_round_trip() {
    let oauth2 = "client_id: i, token_url: t";
    let mut keys: Vec<String> =
        ["username", "username_file", "username_ref", "password", "password_file", "password_ref"]
            .map(|key| format!("basic_auth: {{{key}: v}}"))
            .into();
    keys.extend(
        ["type", "credentials", "credentials_file", "credentials_ref"]
            .map(|key| format!("authorization: {{{key}: v}}")),
    );
    keys.extend(
        ["client_secret", "client_secret_file", "client_secret_ref"]
            .map(|key| format!("oauth2: {{{oauth2}, {key}: v}}")),
    );
    keys.extend(
        [
            "client_certificate_key",
            "client_certificate_key_file",
            "client_certificate_key_ref",
            "no_proxy: w, proxy_url",
        ]
        .map(|key| format!("oauth2: {{{oauth2}, {key}: v}}")),
    );
    keys.extend(["ca", "ca_file", "ca_ref"].map(|key| format!("tls_config: {{{key}: v}}")));
    for cert in ["cert", "cert_file", "cert_ref"] {
        keys.extend(["key", "key_file", "key_ref"].map(|key| format!("tls_config: {{{cert}: v, {key}: v}}")));
    }
    keys.extend(
        ["proxy_from_environment: true", "basic_auth: {}", "oauth2: {client_id: i, token_url: t}"].map(str::to_owned),
    );
    keys.extend(
        ["kubeconfig_file: v", "namespaces: {own_namespace: true}"]
            .map(|key| format!("kubernetes_sd_configs: [{{role: pod, {key}}}]")),
    );

    let mut seen = std::collections::HashMap::new();
    for keys in keys {
        let job = mk_config(&format!("scrape_configs: [{{job_name: j, {keys}}}]")).config.scrape_configs[0].clone();
        assert_ne!(job.fingerprint(), ScrapeConfig::new("j").fingerprint(), "{keys}");
        let json = format!("scrape_configs: [{}]", render_job(&job, Secrets::Revealed));
        assert_eq!(mk_config(&json).config.scrape_configs, std::slice::from_ref(&job), "{json}");
        if let Some(other) = seen.insert(job.fingerprint(), keys.clone()) {
            panic!("{keys} collides with {other}");
        }
    }
}

#[test]
fn fingerprints_are_the_same_in_every_process_and_every_job() {
    let mk = |keys: &str| mk_config(&format!("scrape_configs: [{keys}]")).config.scrape_configs[0].clone();
    let a = mk("{job_name: a, params: {x: [y], z: [w]}, file_sd_configs: [{files: [a.yml]}]}");
    let b = mk("{file_sd_configs: [{refresh_interval: 300s, files: [a.yml]}], job_name: b, params: {z: [w], x: [y]}}");
    assert_eq!(a.sd_configs[0].fingerprint(), b.sd_configs[0].fingerprint());
    assert_ne!(a.fingerprint(), b.fingerprint());
    let c = mk("{job_name: c, consul_sd_configs: [{}]}");
    let d = mk("{job_name: c, nomad_sd_configs: [{}]}");
    assert_ne!(c.fingerprint(), d.fingerprint(), "not rendered, and yet different");
    // fixed values: a change here makes every running allocator see a change of configuration after an update
    assert_eq!(a.sd_configs[0].fingerprint(), 6_748_552_359_154_528_509);
}
