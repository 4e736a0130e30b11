//! The configuration: file, environment, flags, and what is said about mistakes.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::time::Duration;

use ta_model::Collector;
use ta_model::job_table::FilterStrategy;
use ta_model::scrape_config::SdConfig;
use ta_server::config::{CollectorSource, Config, ConfigError, Loaded, Selector, load};
use ta_server::{Args, Environment};

/// A job, so that the configuration is valid.
const JOB: &str = "config: {scrape_configs: [{job_name: j, static_configs: [{targets: ['a:1']}]}]}\n";
/// A fleet, so that no namespace is needed.
const FLEET: &str = "collectors: {static: []}\n";

fn mk_env(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn try_load(text: &str, env: &[(&str, &str)], flags: &[&str]) -> Result<Loaded, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ta.yaml");
    std::fs::write(&file, text).unwrap();
    let line = std::iter::once("target-allocator").chain(flags.iter().copied()).map(OsString::from);
    load(&file, &mk_env(env), &Args::parse(line).unwrap().overrides)
}

fn mk_config(text: &str) -> Config {
    mk_config_with(text, &[], &[])
}

fn mk_config_with(text: &str, env: &[(&str, &str)], flags: &[&str]) -> Config {
    let loaded = try_load(text, env, flags).unwrap_or_else(|error| panic!("{text}\n{}", error.lines().join("\n")));
    loaded.config
}

/// The lines of what is wrong, without the folder of the file.
fn errors(text: &str, env: &[(&str, &str)], flags: &[&str]) -> Vec<String> {
    without_folder(try_load(text, env, flags).expect_err(text).lines())
}

fn warnings(text: &str) -> Vec<String> {
    without_folder(try_load(text, &[], &[]).unwrap().warnings.iter().map(ToString::to_string).collect())
}

fn without_folder(lines: Vec<String>) -> Vec<String> {
    let cut = |line: String| line.find("ta.yaml:").map_or(line.clone(), |at| line[at..].to_owned());
    lines.into_iter().map(cut).collect()
}

fn mk_selector(labels: &[(&str, &str)]) -> Selector {
    let match_labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Selector { match_labels, match_expressions: Vec::new() }
}

// ---------------------------------------------------------------------------------------------------------- the file

#[test]
fn every_key_of_a_full_file_arrives() {
    let config = mk_config(
        r#"
listen_addr: :9000
kube_config_file_path: /kube
collector_namespace: default
collector_selector: {matchlabels: {app: collector}}
collector_not_ready_grace_period: 30s
allocation_strategy: least-weighted
https: {enabled: true, listen_addr: ":9443", ca_file_path: /ca, tls_cert_file_path: /cert, tls_key_file_path: /key}
prometheus_cr: {enabled: true, scrape_interval: 60s}
config:
  scrape_configs:
  - job_name: prometheus
    file_sd_configs: [{files: [./file_sd_test.json]}]
    static_configs:
    - targets: ["prom.domain:9001", "prom.domain:9002", "prom.domain:9003"]
      labels: {my: label}
"#,
    );
    assert_eq!((&*config.listen_addr, &*config.kube_config_file_path), (":9000", "/kube"));
    assert_eq!(config.collector_namespace, "default");
    assert_eq!(config.collector_selector, Some(mk_selector(&[("app", "collector")])));
    assert_eq!(config.collector_not_ready_grace_period, Duration::from_secs(30));
    assert_eq!(config.strategy.strategy.to_string(), "least-weighted");
    assert!(config.https.enabled && config.prometheus_cr.enabled);
    assert_eq!((&*config.https.listen_addr, &*config.https.ca_file_path), (":9443", "/ca"));
    assert_eq!((&*config.https.tls_cert_file_path, &*config.https.tls_key_file_path), ("/cert", "/key"));
    assert_eq!(config.prometheus_cr.scrape_interval, Duration::from_secs(60));
    let job = &config.jobs[0];
    assert_eq!((job.scrape_interval.to_string(), job.scrape_timeout.to_string()), ("1m".into(), "10s".into()));
    assert_eq!((&*job.metric_name_escaping_scheme, job.enable_compression), ("allow-utf-8", true));
    let (SdConfig::File(file), SdConfig::Static(groups)) = (&job.sd_configs[0], &job.sd_configs[1]) else {
        panic!("{:?}", job.sd_configs)
    };
    assert_eq!((&*file.files[0], file.refresh_interval.to_string()), ("./file_sd_test.json", "5m".into()));
    assert_eq!((groups[0].targets.len(), &*groups[0].labels["my"]), (3, "label"));
}

#[test]
fn global_settings_reach_the_job() {
    let text = "config:\n  global: {scrape_protocols: [PrometheusProto]}\n  scrape_configs: [{job_name: j}]\n";
    let config = mk_config(&format!("{FLEET}{text}"));
    assert_eq!(config.jobs[0].scrape_protocols, ["PrometheusProto"]);
}

#[test]
fn defaults_are_those_of_upstream() {
    let config = mk_config_with(JOB, &[("OTELCOL_NAMESPACE", "ns"), ("HOME", "/home/me")], &[]);
    assert_eq!((&*config.listen_addr, &*config.https.listen_addr), (":8080", ":8443"));
    assert_eq!(config.kube_config_file_path, "/home/me/.kube/config");
    assert_eq!((config.collector_selector.clone(), config.collectors.clone()), (None, CollectorSource::Kubernetes));
    assert_eq!(config.collector_not_ready_grace_period, Duration::from_secs(30));
    assert_eq!(config.strategy.strategy.to_string(), "consistent-hashing");
    assert_eq!((config.strategy.fallback, config.filter), (None, FilterStrategy::RelabelConfig));
    assert!(!config.https.enabled && !config.prometheus_cr.enabled && !config.allow_insecure_auth_secrets);
    let cr = &config.prometheus_cr;
    assert_eq!((cr.scrape_interval, cr.evaluation_interval), (Duration::from_secs(30), Duration::ZERO));
    assert_eq!(cr.scrape_protocols.len(), 4);
    assert_eq!((&cr.pod_monitor_selector, &cr.probe_selector), (&None, &None));
    assert_eq!(cr.pod_monitor_namespace_selector, Selector::default());
    assert_eq!((config.readiness.cap, config.readiness.job_cap), (Duration::from_secs(60), Duration::from_secs(30)));
}

#[test]
fn an_unknown_key_is_a_warning_with_a_suggestion() {
    let text = format!("{JOB}{FLEET}allocation_stratgy: per-node\nsurprise: 1\n");
    let found = warnings(&text);
    assert_eq!(found[0], "ta.yaml:3: allocation_stratgy: unknown key; did you mean \"allocation_strategy\"?");
    assert_eq!(found[1], "ta.yaml:4: surprise: unknown key");
    assert_eq!(mk_config(&text).strategy.strategy.to_string(), "consistent-hashing");
}

#[test]
fn keys_match_whatever_their_letter_case_and_exact_ones_first() {
    let config = mk_config(&format!("{JOB}{FLEET}Listen_Addr: :1\nHTTPS: {{LISTEN_addr: ':2'}}\n"));
    assert_eq!((&*config.listen_addr, &*config.https.listen_addr), (":1", ":2"));
    let config = mk_config(&format!("{JOB}{FLEET}Listen_Addr: :1\nlisten_addr: :2\n"));
    assert_eq!(config.listen_addr, ":2");
}

#[test]
fn null_leaves_the_default() {
    let config = mk_config(&format!(
        "{JOB}{FLEET}listen_addr: null\nhttps: ~\nprometheus_cr: {{scrape_interval: null, probe_namespace_selector: null}}\n\
         collector_selector: null\ncollector_not_ready_grace_period:\nengine: {{min_interval: null}}\n"
    ));
    assert_eq!((&*config.listen_addr, config.collector_selector), (":8080", None));
    assert_eq!(config.collector_not_ready_grace_period, Duration::from_secs(30));
    assert_eq!(config.prometheus_cr.scrape_interval, Duration::from_secs(30));
    assert_eq!(config.engine.min_interval, Duration::from_millis(100));
}

#[test]
fn selectors_read_in_both_spellings() {
    for (labels, expressions) in [("matchlabels", "matchexpressions"), ("matchLabels", "matchExpressions")] {
        let selector = format!("{{{labels}: {{a: b}}, {expressions}: [{{key: k, operator: NotIn, values: [v, w]}}]}}");
        let config = mk_config(&format!(
            "{JOB}{FLEET}collector_selector: {selector}\nprometheus_cr:\n  pod_monitor_selector: {selector}\n  \
             service_monitor_selector: {selector}\n  probe_namespace_selector: {selector}\n"
        ));
        let cr = config.prometheus_cr;
        let selectors = [
            config.collector_selector.as_ref(),
            cr.pod_monitor_selector.as_ref(),
            cr.service_monitor_selector.as_ref(),
            Some(&cr.probe_namespace_selector),
        ];
        for selector in selectors.map(Option::unwrap) {
            assert_eq!(selector.match_labels, mk_selector(&[("a", "b")]).match_labels);
            let [expression] = &selector.match_expressions[..] else { panic!("{selector:?}") };
            assert_eq!((&*expression.key, &*expression.operator), ("k", "NotIn"));
            assert_eq!(expression.values, ["v", "w"]);
        }
        assert_eq!(cr.pod_monitor_namespace_selector, Selector::default());
    }
}

#[test]
fn the_two_kinds_of_selectors_differ_as_upstream() {
    // camel case wins; another spelling is not seen, which selects everything; values become strings
    let text = format!("{JOB}{FLEET}collector_selector: {{matchlabels: {{a: x}}, matchLabels: {{a: 1, b: yes}}}}\n");
    assert_eq!(mk_config(&text).collector_selector, Some(mk_selector(&[("a", "1"), ("b", "true")])));
    let text = format!("{JOB}{FLEET}collector_selector: {{MatchLabels: {{a: x}}}}\n");
    assert_eq!(mk_config(&text).collector_selector, Some(Selector::default()));
    assert!(warnings(&text)[0].contains("the keys are matchLabels and matchExpressions"));
    // namespace selectors: any letter case, strings only
    let of =
        |labels: &str| format!("{JOB}{FLEET}prometheus_cr: {{probe_namespace_selector: {{MATCHLABELS: {labels}}}}}\n");
    let config = mk_config(&of("{a: x}"));
    assert_eq!(config.prometheus_cr.probe_namespace_selector, mk_selector(&[("a", "x")]));
    assert!(errors(&of("{a: 1}"), &[], &[])[0].contains("probe_namespace_selector"));
}

#[test]
fn scrape_classes_are_kept_as_written() {
    let config = mk_config(&format!(
        "{JOB}{FLEET}prometheus_cr:\n  scrape_classes:\n  - name: c\n    default: false\n    tlsConfig: {{caFile: /ca, \
         insecureSkipVerify: true}}\n"
    ));
    let tls = config.prometheus_cr.scrape_classes[0].get("tlsConfig").unwrap();
    assert!(tls.get("caFile").is_some() && tls.get("insecureSkipVerify").is_some());
}

#[test]
fn durations_are_those_of_go_and_bare_numbers_are_nanoseconds() {
    let of = |text: &str| format!("{JOB}{FLEET}collector_not_ready_grace_period: {text}\n");
    for (text, wanted) in [
        ("1m0s", Duration::from_secs(60)),
        ("1h2m3s", Duration::from_secs(3_723)),
        ("1.5s", Duration::from_millis(1_500)),
        ("0", Duration::ZERO),
        ("0s", Duration::ZERO),
        ("30", Duration::from_nanos(30)),
        ("1e+06", Duration::from_millis(1)),
        ("-5s", Duration::from_nanos(1)),
    ] {
        assert_eq!(mk_config(&of(text)).collector_not_ready_grace_period, wanted, "{text}");
    }
    assert!(warnings(&of("30"))[0].contains("30 nanoseconds; for seconds write 30s"));
    for text in ["1d", "10", "''", "true", "[1s]"] {
        let text = if text == "10" { "'10'" } else { text };
        assert!(errors(&of(text), &[], &[])[0].starts_with("ta.yaml:3: collector_not_ready_grace_period: "), "{text}");
    }
}

#[test]
fn the_files_that_the_operator_writes_are_read() {
    let minimal = include_str!("testdata/config/operator-minimal.yaml");
    let env = [("OTELCOL_NAMESPACE", "obs")];
    let loaded = try_load(minimal, &env, &[]).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.jobs[0].job_name, "otel-collector");
    assert_eq!((loaded.warnings, loaded.config.missing_functions()), (vec![], vec![]));
    let pods = loaded.config.collector_selector.unwrap().to_string();
    assert!(pods.contains("app.kubernetes.io/instance=obs.simple,"), "{pods}");

    let full = include_str!("testdata/config/operator-full.yaml");
    let loaded = try_load(full, &env, &[]).unwrap();
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    assert_eq!(config.jobs.iter().find(|job| job.job_name == "nodes").unwrap().sample_limit, 1_000_000);
    assert_eq!(config.prometheus_cr.secret_namespaces("obs"), BTreeSet::from(["obs", "shop"]));
    assert_eq!(config.prometheus_cr.scrape_config_selector, None);
    assert_eq!(config.prometheus_cr.probe_selector, Some(mk_selector(&[("scrape", "yes")])));
    assert_eq!(config.missing_functions(), [""; 0]);
}

/// What the operator's YAML emitter makes of strings that look like something else, of long lines and of large numbers.
#[test]
fn odd_values_come_through_the_operators_yaml() {
    let loaded =
        try_load(include_str!("testdata/config/operator-odd.yaml"), &[("OTELCOL_NAMESPACE", "obs")], &[]).unwrap();
    let [strings, numbers] = &loaded.config.jobs[..] else { panic!("{:?}", loaded.config.jobs) };
    let SdConfig::Static(groups) = &strings.sd_configs[0] else { panic!("{strings:?}") };
    let wanted: BTreeMap<String, String> =
        serde_json::from_str(include_str!("testdata/config/operator-odd.json")).unwrap();
    assert!(wanted.len() > 100);
    for (name, value) in &wanted {
        assert_eq!(&*groups[0].labels[&**name], value, "{name}");
    }
    let limits = [
        numbers.sample_limit,
        numbers.target_limit,
        numbers.label_limit,
        numbers.label_value_length_limit,
        numbers.keep_dropped_targets,
    ];
    assert_eq!(limits, [1_000_000, 1_234_567, 999_999, 2_147_483_648, 10_000_000]);
    assert_eq!(numbers.relabel_configs[0].modulus(), 4_000_000_000);
}

// ------------------------------------------------------------------------------------- environment, flags, precedence

#[test]
fn the_namespace_comes_from_the_environment_even_if_empty() {
    let file = format!("{JOB}collector_namespace: file\n");
    let namespace = |env: &[(&str, &str)]| mk_config_with(&format!("{file}{FLEET}"), env, &[]).collector_namespace;
    assert_eq!(namespace(&[]), "file");
    assert_eq!(namespace(&[("OTELCOL_NAMESPACE", "env")]), "env");
    assert_eq!(namespace(&[("OTELCOL_NAMESPACE", "")]), "");
    let lines = errors(&file, &[("OTELCOL_NAMESPACE", "")], &[]);
    assert!(lines[0].contains("collector namespace must be set"), "{lines:?}");
}

#[test]
fn insecure_secrets_are_switched_on_by_exactly_true() {
    let allowed = |file: &str, value: &str| {
        mk_config_with(&format!("{JOB}{FLEET}{file}"), &[("ALLOW_INSECURE_AUTH_SECRETS", value)], &[])
            .allow_insecure_auth_secrets
    };
    for value in ["false", "", "TRUE", "1", "yes"] {
        assert!(!allowed("", value), "{value}");
        assert!(allowed("allow_insecure_auth_secrets: true\n", value), "{value} cannot switch it off");
    }
    assert!(allowed("", "true"));
}

#[test]
fn flags_beat_the_file_and_only_if_they_are_given() {
    let file = format!(
        "{JOB}{FLEET}listen_addr: :1\nkube_config_file_path: /k\nallow_insecure_auth_secrets: true\nprometheus_cr: {{enabled: \
         true}}\nhttps: {{enabled: true, listen_addr: ':2', ca_file_path: /a, tls_cert_file_path: /b, tls_key_file_path: /c}}\n"
    );
    let config = mk_config(&file);
    assert!(config.https.enabled && config.prometheus_cr.enabled && config.allow_insecure_auth_secrets);
    assert_eq!((&*config.listen_addr, &*config.kube_config_file_path), (":1", "/k"));

    let flags = [
        "--listen-addr=:8080", // the default, given: it counts
        "--kubeconfig-path=/k2",
        "--allow-insecure-auth-secrets=false",
        "--enable-prometheus-cr-watcher=false",
        "--enable-https-server=false",
        "--listen-addr-https=:3",
        "--https-ca-file=/d",
        "--https-tls-cert-file=/e",
        "--https-tls-key-file=/f",
    ];
    let config = mk_config_with(&file, &[], &flags);
    assert!(!config.https.enabled && !config.prometheus_cr.enabled && !config.allow_insecure_auth_secrets);
    assert_eq!((&*config.listen_addr, &*config.kube_config_file_path), (":8080", "/k2"));
    assert_eq!((&*config.https.listen_addr, &*config.https.ca_file_path), (":3", "/d"));
    assert_eq!((&*config.https.tls_cert_file_path, &*config.https.tls_key_file_path), ("/e", "/f"));
}

#[test]
fn our_keys_have_file_environment_and_flag_in_that_order() {
    let file = format!("{JOB}{FLEET}readiness: {{cap: 1s}}\n");
    let env = [("TARGET_ALLOCATOR_READINESS_CAP", "2s")];
    let cap =
        |text: &str, env: &[(&str, &str)], flags: &[&str]| mk_config_with(text, env, flags).readiness.cap.as_secs();
    let plain = format!("{JOB}{FLEET}");
    assert_eq!(cap(&plain, &[], &[]), 60);
    assert_eq!(cap(&file, &[], &[]), 1);
    assert_eq!(cap(&file, &env, &[]), 2);
    assert_eq!(cap(&file, &env, &["--readiness-cap=3s"]), 3);
    assert_eq!(cap(&plain, &[], &["--readiness-cap=3s"]), 3);
    assert_eq!(cap(&file, &[("TARGET_ALLOCATOR_READINESS_CAP", "")], &[]), 1, "an empty variable is none");
}

#[test]
fn every_key_of_ours_is_read_from_the_file() {
    let config = mk_config(&format!(
        "{JOB}collectors: {{static: [{{name: 1}}, {{name: 0, node_name: n}}]}}\nconsistent_hashing: {{point_key: legacy}}\n\
         per_node: {{fallback_for_unknown_node: false}}\nreadiness: {{cap: 5s, job_cap: 4s}}\n\
         engine: {{min_interval: 5ms, threads: 3, body_budget: 8MiB}}\nhttp: {{idle_timeout: 1m, drain: 0s, threads: 2}}\n"
    ));
    let CollectorSource::Static(set) = &config.collectors else { panic!("{:?}", config.collectors) };
    assert_eq!(&set[..], [Collector::new("0", "n"), Collector::new("1", "")]);
    assert_eq!(format!("{:?}", config.strategy.point_key), "Legacy");
    assert!(!config.strategy.fallback_for_unknown_node);
    assert_eq!((config.readiness.cap.as_secs(), config.readiness.job_cap.as_secs()), (5, 4));
    assert_eq!((config.engine.min_interval.as_millis(), config.engine.threads), (5, Some(3)));
    assert_eq!(config.engine.body_budget, Some(8 << 20));
    assert_eq!(
        (config.http.idle_timeout.as_secs(), config.http.drain.as_secs(), config.http.threads),
        (60, 0, Some(2))
    );
}

#[test]
fn a_misspelt_variable_is_a_warning_and_those_of_kubernetes_are_not() {
    let env = [
        ("TARGET_ALLOCATOR_COLLECTORS_STATICS", "a"),
        ("TARGET_ALLOCATOR_SERVICE_HOST", "10.0.0.1"),
        ("TARGET_ALLOCATOR_PORT_80_TCP_ADDR", "10.0.0.1"),
    ];
    let warnings = try_load(&format!("{JOB}{FLEET}"), &env, &[]).unwrap().warnings;
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    let wanted =
        "unknown variable TARGET_ALLOCATOR_COLLECTORS_STATICS; did you mean TARGET_ALLOCATOR_COLLECTORS_STATIC?";
    assert_eq!(warning.to_string(), wanted);
}

#[test]
fn collectors_come_from_flags_and_variables_too() {
    let config = mk_config_with(JOB, &[("TARGET_ALLOCATOR_COLLECTORS_STATIC", "x=n1,y")], &[]);
    let CollectorSource::Static(set) = &config.collectors else { panic!("{:?}", config.collectors) };
    assert_eq!(&set[..], [Collector::new("x", "n1"), Collector::new("y", "")]);
    let config = mk_config_with(JOB, &[], &["--collectors-file", "fleet.yaml"]);
    assert_eq!(config.collectors, CollectorSource::File("fleet.yaml".into()));
}

// --------------------------------------------------------------------------------------------------------- validation

#[test]
fn jobs_or_resources_are_needed() {
    let message = "at least one scrape config must be defined, or Prometheus CR watching must be enabled";
    for text in ["", "config: {}\n", "config: {scrape_configs: null}\n", "prometheus_cr: {enabled: false}\n"] {
        let lines = errors(&format!("{FLEET}{text}"), &[], &[]);
        assert!(lines.len() == 1 && lines[0].ends_with(message), "{text}: {lines:?}");
    }
    mk_config(&format!("{FLEET}prometheus_cr: {{enabled: true}}\n"));
    mk_config(&format!("{FLEET}{JOB}prometheus_cr: {{enabled: true}}\n"));
}

#[test]
fn a_namespace_is_needed_to_look_for_pods() {
    let lines = errors("prometheus_cr: {enabled: true}\n", &[], &[]);
    assert!(lines.len() == 1 && lines[0].contains("collector namespace must be set"), "{lines:?}");
    mk_config_with("prometheus_cr: {enabled: true}\n", &[("OTELCOL_NAMESPACE", "ns")], &[]);
}

#[test]
fn problems_come_in_the_order_of_upstream() {
    let text = "prometheus_cr: {allow_namespaces: [a], deny_namespaces: [b]}\nallocation_strategy: wrong\n\
                telemetry: {metrics: {readers: [{periodic: {}}]}}\n";
    let lines = errors(text, &[], &[]);
    let parts = [
        "at least one scrape config",
        "collector namespace must be set",
        "ta.yaml:1: prometheus_cr.deny_namespaces: only one of allowNamespaces or denyNamespaces can be set",
        "telemetry.metrics.readers[0].periodic",
        "ta.yaml:2: allocation_strategy: ",
    ];
    assert_eq!(lines.len(), parts.len(), "{lines:#?}");
    for (line, part) in lines.iter().zip(parts) {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn namespaces_resolve_as_upstream() {
    let cases: [(&str, &[&str], &[&str]); 4] = [
        ("{}", &[""], &[]),
        ("{allow_namespaces: [ns1]}", &["ns1"], &[]),
        ("{deny_namespaces: [ns2]}", &[""], &["ns2"]),
        ("{allow_namespaces: [], deny_namespaces: []}", &[""], &[]),
    ];
    for (cr, allowed, denied) in cases {
        let config = mk_config(&format!("{JOB}{FLEET}prometheus_cr: {cr}\n"));
        assert_eq!(config.prometheus_cr.allowed_namespaces(), allowed.iter().copied().collect(), "{cr}");
        assert_eq!(config.prometheus_cr.denied_namespaces(), denied.iter().copied().collect(), "{cr}");
    }
    let cases: [(&str, &str, &[&str]); 5] = [
        ("{}", "ns", &["ns"]),
        ("{}", "", &[]),
        ("{secret_namespaces: [ns1]}", "ns", &["ns1"]),
        ("{secret_namespaces: [ns1, ns2, ns3]}", "ns", &["ns1", "ns2", "ns3"]),
        ("{secret_namespaces: []}", "ns", &["ns"]),
    ];
    for (cr, namespace, wanted) in cases {
        let config = mk_config(&format!("{JOB}{FLEET}prometheus_cr: {cr}\n"));
        assert_eq!(config.prometheus_cr.secret_namespaces(namespace), wanted.iter().copied().collect(), "{cr}");
    }
}

#[test]
fn telemetry_readers_are_checked() {
    let of = |periodic: &str| format!("{JOB}{FLEET}telemetry: {{metrics: {{readers: [{{periodic: {periodic}}}]}}}}\n");
    let good = [
        "{interval: 1000, timeout: 500, exporter: {otlp_grpc: {endpoint: 'h:1', temporality_preference: delta, headers: \
         [{name: a, value: b}], tls: {insecure: true}}}}",
        "{exporter: {otlp_grpc: {endpoint: 'h:1', temporality_preference: low_memory}}}",
        "{exporter: {otlp_grpc: {endpoint: 'h:1', temporality_preference: cumulative}}}",
        "{exporter: {otlp_grpc: {endpoint: 'h:1'}}}",
        "{exporter: {otlp_http: {endpoint: 'http://h'}}}",
    ];
    for periodic in good {
        assert_eq!(warnings(&of(periodic)), Vec::<String>::new(), "{periodic}");
    }
    let bad = [
        "{exporter: {otlp_grpc: {}}}",
        "{exporter: {otlp_http: {temporality_preference: delta}}}",
        "{exporter: {otlp_grpc: {endpoint: 'h:1', temporality_preference: gauge}}}",
        "{exporter: {otlp_http: {endpoint: 'http://h', temporality_preference: lowmemory}}}",
        "{exporter: {otlp_grpc: {endpoint: 'h:1'}, otlp_http: {endpoint: 'http://h'}}}",
        "{exporter: {}}",
    ];
    for periodic in bad {
        let lines = errors(&of(periodic), &[], &[]);
        assert!(lines[0].contains("telemetry.metrics.readers[0].periodic"), "{periodic}: {lines:?}");
    }
    assert_eq!(warnings(&format!("{JOB}{FLEET}telemetry: {{metrics: {{readers: [{{}}]}}}}\n")), [""; 0]);
}

#[test]
fn strategies_are_checked_at_load() {
    let fails = |text: &str| errors(&format!("{JOB}{FLEET}{text}"), &[], &[]).join("\n");
    assert!(fails("allocation_strategy: round-robin\n").contains("ta.yaml:3: allocation_strategy: "));
    assert!(fails("allocation_strategy: ''\n").contains("ta.yaml:3: allocation_strategy: "));
    assert!(fails("allocation_fallback_strategy: x\n").contains("ta.yaml:3: allocation_fallback_strategy: "));
    let itself = "allocation_strategy: per-node\nallocation_fallback_strategy: per-node\n";
    assert!(fails(itself).contains("ta.yaml:4: allocation_fallback_strategy: per-node cannot be its own fallback"));
    assert!(fails("consistent_hashing: {point_key: v2}\n").contains("want v1 or legacy"));
    let config = mk_config(&format!("{JOB}{FLEET}allocation_fallback_strategy: ''\n"));
    assert_eq!(config.strategy.fallback, None);
}

#[test]
fn a_filter_strategy_other_than_the_one_turns_filtering_off() {
    let filter = |text: &str| mk_config(&format!("{JOB}{FLEET}filter_strategy: {text}\n")).filter;
    assert_eq!(filter("relabel-config"), FilterStrategy::RelabelConfig);
    assert_eq!(filter("''"), FilterStrategy::None);
    assert_eq!(filter("relabel_config"), FilterStrategy::None);
    assert!(warnings(&format!("{JOB}{FLEET}filter_strategy: relabel_config\n"))[0].contains("no filtering"));
}

#[test]
fn fleets_are_checked_at_load() {
    let fails = |text: &str, flags: &[&str]| errors(&format!("{JOB}{text}"), &[], flags).join("\n");
    let twice = "collectors: {static: [{name: a, node_name: n1}, {name: a, node_name: n2}]}\n";
    assert!(fails(twice, &[]).contains("ta.yaml:2: collectors.static: collector name \"a\" is used twice"));
    assert!(fails("collectors: {static: [{node_name: n}]}\n", &[]).contains("collector 0 has no name"));
    let both = fails("collectors: {static: [], file: f}\n", &[]);
    assert!(both.contains("only one of collectors.static and collectors.file"));
    assert!(fails("", &["--collectors-static=a,a"]).contains("--collectors-static: collectors.static: collector name"));
}

// ---------------------------------------------------------------------------------------------------------- bad input

#[test]
fn every_error_is_told_with_line_and_key() {
    let text = "listen_addr: 8080\nhttps:\n  enabled: maybe\nprometheus_cr: [1]\nengine:\n  min_interval: soon\n";
    let lines = errors(text, &[], &[]);
    let starts = [
        "ta.yaml:1: listen_addr: ",
        "ta.yaml:3: https.enabled: ",
        "ta.yaml:4: prometheus_cr: ",
        "ta.yaml:6: engine.min_interval: ",
        // whether there are jobs is not known: resources may have been meant
        "collector_namespace: ",
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:#?}");
    for start in starts {
        assert!(lines.iter().any(|line| line.starts_with(start)), "{start}: {lines:#?}");
    }
}

#[test]
fn mistakes_in_flags_and_variables_name_them() {
    let lines = errors(
        &format!("{JOB}{FLEET}"),
        &[("TARGET_ALLOCATOR_ENGINE_BODY_BUDGET", "lots")],
        &["--engine-min-interval=30", "--http-drain=1h"],
    );
    assert!(lines.iter().any(|line| line.starts_with("TARGET_ALLOCATOR_ENGINE_BODY_BUDGET: want bytes")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("--engine-min-interval: ")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("--http-drain: http.drain: ")), "{lines:?}");
    let lines = errors(&format!("{JOB}{FLEET}"), &[], &["--http-drain=1h"]);
    assert!(lines[0].starts_with("--http-drain: http.drain: ") && lines[0].contains("at most 15s"), "{lines:?}");
}

#[test]
fn what_does_not_decode_and_what_is_not_valid_is_told_in_one_round() {
    let text = format!(
        "{JOB}{FLEET}allocation_strategy: wrong\nengine: {{min_interval: soon}}\nprometheus_cr:\n  \
         allow_namespaces: [a]\n  deny_namespaces: [b]\n"
    );
    let lines = errors(&text, &[], &["--http-drain=1h"]).join("\n");
    for part in ["allocation_strategy: ", "engine.min_interval: ", "only one of allowNamespaces", "at most 15s"] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
}

#[test]
fn what_only_follows_from_another_mistake_is_not_told() {
    // no job is left, the fleet is not known, the fallback may be fine
    for text in [
        format!("{FLEET}config: {{scrape_configs: [{{job_name: a, scrape_interval: soon}}]}}\n"),
        format!("{JOB}collectors: {{static: 7}}\n"),
        format!("{JOB}{FLEET}allocation_strategy: [per-node]\nallocation_fallback_strategy: per-node\n"),
        format!("{JOB}{FLEET}prometheus_cr: {{enabled: 7}}\n"),
        "[1]\n".to_owned(),
    ] {
        let lines = errors(&text, &[], &[]);
        assert_eq!(lines.len(), 1, "{text}: {lines:?}");
    }
}

#[test]
fn broken_yaml_and_unreadable_files_are_one_clear_line() {
    let lines = errors("a: [1\nb: }\n", &[], &[]);
    assert!(lines.len() == 1 && lines[0].contains("not YAML"), "{lines:?}");
    assert!(lines[0].starts_with("ta.yaml:"), "{lines:?}");
    let error = load("/no/such/file.yaml".as_ref(), &Environment::new(), &[]).unwrap_err();
    assert!(error.to_string().contains("/no/such/file.yaml") && error.to_string().contains("--config-file"));
}

#[test]
fn problems_of_jobs_are_told_together() {
    let text = format!(
        "{FLEET}config:\n  scrape_configs:\n  - job_name: a\n    scrape_interval: 5 minutes\n  - job_name: b\n    \
         relabel_configs: [{{regex: '(', action: keep}}]\n  - job_name: c\n  - job_name: c\n  - job_name: d\n    \
         basic_auth: {{username: u}}\n    bearer_token: t\n"
    );
    let lines = errors(&text, &[], &[]).join("\n");
    for part in ["ta.yaml:5: config.scrape_configs[0]", "config.scrape_configs[1]", "\"c\"", "config.scrape_configs[4]"]
    {
        assert!(lines.contains(part), "{part}: {lines}");
    }
}
