//! The command line, as upstream's users and its operator write it.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::ffi::OsString;

use ta_server::{Action, Args, Output, RenderArgs};

fn parse(line: &[&str]) -> Result<Args, clap::Error> {
    Args::parse(std::iter::once("target-allocator").chain(line.iter().copied()).map(OsString::from))
}

fn mk_args(line: &[&str]) -> Args {
    parse(line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

/// The overrides as `path=text`.
fn overrides(line: &[&str]) -> Vec<String> {
    mk_args(line).overrides.iter().map(|(key, text)| format!("{}={text}", key.path)).collect()
}

#[test]
fn every_flag_of_upstream_is_known() {
    let line = [
        "--config-file=/etc/ta.yaml",
        "--listen-addr=:9090",
        "--enable-prometheus-cr-watcher=true",
        "--kubeconfig-path=/kube",
        "--enable-https-server",
        "--listen-addr-https=:9443",
        "--https-ca-file=/ca",
        "--https-tls-cert-file=/cert",
        "--https-tls-key-file=/key",
        "--allow-insecure-auth-secrets=false",
        "--zap-devel=true",
        "--zap-encoder=CONSOLE",
        "--zap-log-level=debug",
        "--zap-stacktrace-level=panic",
        "--zap-time-encoding=rfc3339nano",
    ];
    assert_eq!(mk_args(&line).config_file.to_str(), Some("/etc/ta.yaml"));
    assert_eq!(
        overrides(&line),
        [
            "listen_addr=:9090",
            "prometheus_cr.enabled=true",
            "kube_config_file_path=/kube",
            "https.enabled=true",
            "https.listen_addr=:9443",
            "https.ca_file_path=/ca",
            "https.tls_cert_file_path=/cert",
            "https.tls_key_file_path=/key",
            "allow_insecure_auth_secrets=false",
        ]
    );
}

#[test]
fn nothing_given_overrides_nothing() {
    let args = mk_args(&[]);
    assert_eq!(args.action, Action::Run);
    assert_eq!(args.config_file.to_str(), Some("/conf/targetallocator.yaml"));
    assert!(args.overrides.is_empty());
}

#[test]
fn values_come_by_blank_or_equals_sign() {
    assert_eq!(overrides(&["--listen-addr", ":1", "--https-ca-file="]), ["listen_addr=:1", "https.ca_file_path="]);
    assert_eq!(overrides(&["--listen-addr", "--looks-like-a-flag"]), ["listen_addr=--looks-like-a-flag"]);
}

#[test]
fn booleans_take_a_value_only_by_equals_sign() {
    // the word after the flag is a stray positional, and the bare flag already means true
    assert_eq!(overrides(&["--enable-https-server", "false"]), ["https.enabled=true"]);
    for (text, wanted) in [("T", "true"), ("1", "true"), ("FALSE", "false"), ("0", "false")] {
        assert_eq!(overrides(&[&format!("--enable-https-server={text}")]), [format!("https.enabled={wanted}")]);
    }
    for text in ["yes", "on", ""] {
        assert_eq!(parse(&[&format!("--enable-https-server={text}")]).unwrap_err().exit_code(), 2, "{text}");
    }
}

#[test]
fn the_last_of_a_flag_given_twice_counts() {
    assert_eq!(overrides(&["--listen-addr=:1", "--listen-addr=:2"]), ["listen_addr=:2"]);
    assert_eq!(overrides(&["--enable-https-server", "--enable-https-server=false"]), ["https.enabled=false"]);
}

#[test]
fn stray_words_are_ignored_wherever_they_stand() {
    assert_eq!(overrides(&["a", "--listen-addr=:1", "b", "-", "--", "--not-a-flag"]), ["listen_addr=:1"]);
    assert_eq!(mk_args(&["--zap-devel", "check"]).action, Action::Run);
}

#[test]
fn check_is_an_action_in_front_only() {
    let args = mk_args(&["check", "--config-file", "x.yaml"]);
    assert_eq!((args.action, args.config_file.to_str()), (Action::Check, Some("x.yaml")));
}

#[test]
fn render_takes_several_paths_and_its_own_flags() {
    let args = mk_args(&["render", "-f", "a.yaml", "b", "--filename=-", "--explain", "-o", "yaml"]);
    let wanted = RenderArgs {
        manifests: ["a.yaml", "b", "-"].map(Into::into).to_vec(),
        output: Output::Yaml,
        explain: true,
        is_configured: false,
    };
    assert_eq!(args.action, Action::Render(wanted));
    let Action::Render(what) = mk_args(&["render", "-f", "a", "--config-file", "c"]).action else { panic!() };
    assert!(what.is_configured && what.output == Output::Json && !what.explain);
    assert!(parse(&["--explain"]).is_err() && parse(&["check", "-f", "a"]).is_err(), "flags of render only");
}

#[test]
fn mistakes_exit_with_2_and_help_with_0() {
    let mistakes: [&[&str]; 8] = [
        &["--no-such-flag"],
        &["--no-such-flag=1"],
        &["-config-file=x"],
        &["--listen-addr"],
        &["--zap-encoder=xml"],
        &["--zap-log-level=0"],
        &["--zap-log-level=loud"],
        &["--zap-time-encoding=sundial"],
    ];
    for line in mistakes {
        let error = parse(line).unwrap_err();
        assert_eq!((error.exit_code(), error.use_stderr()), (2, true), "{line:?}");
        assert!(error.to_string().contains("--help"), "{line:?}: {error}");
    }
    for line in [&["--help"][..], &["-h"], &["check", "--help"], &["--version"]] {
        let shown = parse(line).unwrap_err();
        assert_eq!((shown.exit_code(), shown.use_stderr()), (0, false), "{line:?}");
    }
}

#[test]
fn help_shows_every_key_with_variable_and_default() {
    let help = parse(&["--help"]).unwrap_err().to_string();
    for key in ta_server::config::KEYS {
        for text in [key.flag, key.env, key.default] {
            assert!(help.contains(text), "{} lacks {text}", key.path);
        }
    }
}
