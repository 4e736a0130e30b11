//! Whole files: what survives a mistake, what is warned of, what the operator writes.

use ta_model::Duration;
use ta_model::scrape_config::{Decoded, GlobalConfig, SdConfig, decode, decode_job};
use ta_model::yaml::Strings;

use crate::{decode_keys, decode_text, mk_job, mk_node, texts};

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
    let minimal = operator_config(include_str!("../../testdata/scrape_config/operator-minimal.yaml"));
    let [job] = &minimal.config.scrape_configs[..] else { panic!("one job") };
    assert_eq!((job.job_name.as_str(), job.scrape_interval.to_string().as_str()), ("otel-collector", "10s"));
    assert!(matches!(&job.sd_configs[..], [SdConfig::Static(groups)] if groups[0].targets == ["0.0.0.0:8888"]));

    let full = operator_config(include_str!("../../testdata/scrape_config/operator-full.yaml"));
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
