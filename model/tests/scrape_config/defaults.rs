//! What a job is where nothing is said, and what it takes from `global`.

use ta_model::scrape_config::{GlobalConfig, ScrapeConfig, SdConfig, decode};
use ta_model::yaml::Strings;
use ta_model::{Duration, NameScheme};

use crate::{decode_text, mk_job, mk_jobs, mk_node};

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
