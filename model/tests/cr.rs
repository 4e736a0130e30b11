//! Objects of the prometheus-operator beyond the golden cases: odd ones, missing secrets, files, names, classes.

use ta_model::cr::{
    Cause, Context, Kind, LookupError, Objects, Outcome, Reference, Rejected, Rejection, Resource, Selection, Settings,
    SettingsError, SettingsSource, ValueKind, generate, references, sections, split,
};
use ta_model::scrape_config::ScrapeConfig;
use ta_model::yaml::{Node, parse};
use ta_model::{Duration, Secret, Secrets};

fn mk_objects(text: &str) -> Objects {
    let mut objects = Objects::default();
    for node in split(text).expect("YAML") {
        objects.add(&node).expect("a readable object");
    }
    objects
}

fn mk_settings<'s>(change: impl FnOnce(&mut SettingsSource<'s>)) -> Result<Settings, SettingsError> {
    let mut source = SettingsSource {
        scrape_interval: Duration::from_secs(30),
        scrape_protocols: &[],
        scrape_classes: &[],
        deny_file_access: false,
        kubeconfig_file: "",
    };
    change(&mut source);
    Settings::new(&source)
}

fn mk_classes(text: &str) -> Vec<Node> {
    split(text).expect("YAML")
}

/// The outcome of the first object.
fn outcome_of(objects: &Objects) -> Outcome {
    let settings = mk_settings(|_| {}).expect("good settings");
    let resource = objects.resources.values().next().expect("an object that can be read");
    generate(resource, Context { settings: &settings, lookup: objects })
}

fn mk_service_monitor(spec: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {{name: m, namespace: ns}}\nspec:\n{spec}"
    )
}

fn reason_of(outcome: &Outcome) -> Option<&str> {
    outcome.rejected.as_ref().map(|why| why.reason.as_str())
}

fn job_names<'j>(jobs: impl IntoIterator<Item = &'j std::sync::Arc<ScrapeConfig>>) -> Vec<&'j str> {
    jobs.into_iter().map(|job| job.job_name.as_str()).collect()
}

#[test]
fn problems_of_an_object_come_with_their_place() {
    let table = [
        (
            "selector: {}\nendpoints: [{port: 8080}]",
            "spec.endpoints[0].port: cannot unmarshal !!int `8080` into string (quote it)",
        ),
        (
            "selector: {}\nendpoints: [{scheme: ftp}]",
            "spec.endpoints[0].scheme: \"ftp\" is not one of http, https, HTTP, HTTPS",
        ),
        ("selector: {}\nendpoints: {port: a}", "spec.endpoints: cannot unmarshal !!map into list"),
        ("selector: {}", "spec.endpoints: is required"),
        ("endpoints: []", "spec.selector: is required"),
        (
            "selector: {matchLabels: {a: 1}}\nendpoints: []",
            "spec.selector.matchLabels.a: cannot unmarshal !!int `1` into string (quote it)",
        ),
        (
            "selector: {}\nendpoints: [{honorLabels: \"true\"}]",
            "spec.endpoints[0].honorLabels: cannot unmarshal !!str `true` into bool",
        ),
        (
            "selector: {}\nendpoints: []\nsampleLimit: -1",
            "spec.sampleLimit: cannot unmarshal !!int `-1` into unsigned integer",
        ),
        (
            "selector: {}\nendpoints: []\nserviceDiscoveryRole: Pods",
            "spec.serviceDiscoveryRole: \"Pods\" is not one of Endpoints, EndpointSlice",
        ),
        (
            "selector: {}\nendpoints: [{targetPort: 1.5}]",
            "spec.endpoints[0].targetPort: cannot unmarshal !!float `1.5` into integer or string",
        ),
        (
            "selector: {}\nendpoints: [{tlsConfig: {minVersion: SSL3}}]",
            "spec.endpoints[0].tlsConfig.minVersion: \"SSL3\" is not one of TLS10, TLS11, TLS12, TLS13",
        ),
        (
            "selector: {}\nendpoints: []\nscrapeProtocols: [Smoke]",
            "spec.scrapeProtocols[0]: \"Smoke\" is not one of PrometheusProto",
        ),
        (
            "selector: {}\nendpoints: []\nnativeHistogramMinBucketFactor: much",
            "spec.nativeHistogramMinBucketFactor: cannot unmarshal !!str `much` into quantity",
        ),
    ];
    for (spec, problem) in table {
        let objects = mk_objects(&mk_service_monitor(spec));
        let invalid = objects.invalid.values().next().unwrap_or_else(|| panic!("accepted: {spec}"));
        assert!(invalid.reason().starts_with(problem), "{}\nwanted {problem}", invalid.reason());
        assert_eq!(invalid.id.to_string(), "ServiceMonitor ns/m");
    }
}

#[test]
fn every_problem_of_an_object_is_listed() {
    let objects = mk_objects(&mk_service_monitor("selector: 5\nendpoints: [{port: 1}, {path: []}]"));
    let invalid = objects.invalid.values().next().unwrap();
    assert_eq!(invalid.problems.len(), 3, "{}", invalid.reason());
    assert_eq!(invalid.problems[0].line, 5);
}

#[test]
fn fields_nobody_knows_are_left_alone_and_mentioned() {
    let objects = mk_objects(&mk_service_monitor("selector: {}\nendpoints: [{port: a, intervall: 5s}]\nnewThing: {}"));
    let outcome = outcome_of(&objects);
    assert_eq!(outcome.rejected, None);
    assert_eq!(
        outcome.warnings,
        ["spec.endpoints[0].intervall: unknown key; did you mean \"interval\"?", "spec.newThing: unknown key"]
    );
}

#[test]
fn objects_without_what_every_object_has() {
    for (text, problem) in [
        ("{}", "metadata: is required; spec: is required"),
        ("{metadata: {namespace: ns, name: m}}", "spec: is required"),
        ("{metadata: {namespace: ns, name: m}, spec: null}", "spec: is required"),
        ("{metadata: {namespace: ns}, spec: {selector: {}, endpoints: []}}", "metadata.name: must not be empty"),
        (
            "{metadata: {namespace: ns, name: a/0}, spec: {selector: {}, endpoints: []}}",
            "metadata.name: must not contain a slash",
        ),
        ("[]", "cannot unmarshal !!seq into mapping"),
    ] {
        let invalid = Resource::from_node(Kind::ServiceMonitor, &parse(text).unwrap().root).unwrap_err();
        assert_eq!(invalid.reason(), problem, "{text}");
    }
}

#[test]
fn json_and_yaml_say_the_same() {
    let json = serde_json::json!({
        "metadata": {"name": "m", "namespace": "ns", "labels": {"on": "yes"}},
        "spec": {"selector": {"matchLabels": {"a": "1"}}, "sampleLimit": 5, "endpoints": [{"port": "x", "targetPort": 80, "honorLabels": true, "interval": null}]},
    });
    let from_json = Resource::from_json(Kind::ServiceMonitor, &json).unwrap();
    let from_yaml = Resource::from_node(Kind::ServiceMonitor, &parse(&json.to_string()).unwrap().root).unwrap();
    assert_eq!(from_json, from_yaml);
    assert_eq!(from_json.labels["on"], "yes");
}

#[test]
fn a_missing_secret_rejects_until_it_is_there() {
    let monitor = mk_service_monitor(
        "selector: {}\nendpoints: [{port: a, basicAuth: {username: {name: s, key: u}, password: {name: s, key: p}}}]",
    );
    let mut objects = mk_objects(&monitor);
    let reference = Reference { kind: ValueKind::Secret, namespace: "ns".into(), name: "s".into() };
    let reason =
        "endpoints[0]: basicAuth: failed to get basic auth username: unable to get secret \"s\": \"s\" not found";
    let outcome = outcome_of(&objects);
    assert_eq!(reason_of(&outcome), Some(reason));
    assert!(outcome.references.contains(&reference), "the watcher must know what to wait for");
    assert_eq!(outcome.rejected.map(|why| why.cause), Some(Cause::MissingReference));

    objects.values.insert(reference.clone(), [("u".to_owned(), Secret::new("me"))].into());
    let reason = "endpoints[0]: basicAuth: failed to get basic auth password: key \"p\" in secret \"s\" not found";
    assert_eq!(reason_of(&outcome_of(&objects)), Some(reason));

    objects.values.get_mut(&reference).unwrap().insert("p".into(), Secret::new("line\n"));
    let outcome = outcome_of(&objects);
    assert_eq!(outcome.rejected, None);
    let auth = outcome.jobs[0].http.basic_auth.as_ref().unwrap();
    assert_eq!((auth.username.as_str(), auth.password.reveal()), ("me", "line\n"), "verbatim");
}

#[test]
fn values_of_another_namespace_are_out_of_reach() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: other}\nstringData: {t: x}\n---\n"
        .to_owned()
        + &mk_service_monitor("selector: {}\nendpoints: [{port: a, authorization: {credentials: {name: s, key: t}}}]");
    let rejected = outcome_of(&mk_objects(&text)).rejected.unwrap().reason;
    assert!(rejected.contains("unable to get secret \"s\""), "{rejected}");
}

#[test]
fn lookups_say_why() {
    struct Forbidden;
    impl ta_model::cr::Lookup for Forbidden {
        fn value(&self, _: &Reference, _: &str) -> Result<Secret, LookupError> {
            Err(LookupError::NoObject("secrets \"s\" is forbidden".into()))
        }
    }
    let objects = mk_objects(&mk_service_monitor("selector: {}\nendpoints: [{bearerTokenSecret: {name: s, key: t}}]"));
    let settings = mk_settings(|_| {}).unwrap();
    let outcome =
        generate(objects.resources.values().next().unwrap(), Context { settings: &settings, lookup: &Forbidden });
    let reason = "endpoints[0]: bearerTokenSecret: unable to get secret \"s\": secrets \"s\" is forbidden";
    assert_eq!(reason_of(&outcome), Some(reason));
}

#[test]
fn selector_values_stay_patterns_and_broken_ones_cannot_happen() {
    // a label value may hold dots, dashes and underscores only, so nothing that breaks a pattern passes the check
    let objects = mk_objects(&mk_service_monitor("selector: {matchLabels: {version: 1.2.3}}\nendpoints: [{port: a}]"));
    let outcome = outcome_of(&objects);
    let rule = &outcome.jobs[0].relabel_configs[1];
    assert_eq!(rule.raw().regex.as_deref(), Some("(1.2.3);true"));
    for bad in ["a(b", "a|b", "x]", "-a", "*"] {
        let spec = format!("selector: {{matchLabels: {{version: {bad:?}}}}}\nendpoints: [{{port: a}}]");
        let rejected = outcome_of(&mk_objects(&mk_service_monitor(&spec))).rejected;
        assert!(
            rejected.as_ref().is_some_and(|why| why.reason.starts_with("spec.selector: values: ")),
            "{bad}: {rejected:?}"
        );
    }
}

#[test]
fn port_names_are_patterns_that_must_compile() {
    let rejected =
        outcome_of(&mk_objects(&mk_service_monitor("selector: {}\nendpoints: [{port: a}, {port: \"metrics(\"}]")))
            .rejected;
    assert!(rejected.as_ref().is_some_and(|why| why.reason.starts_with("job 1: relabel_configs[1]")), "{rejected:?}");
}

#[test]
fn patterns_that_no_collector_can_read_are_refused() {
    for pattern in ["null", "~"] {
        let port = mk_service_monitor(&format!("selector: {{}}\nendpoints: [{{port: \"{pattern}\"}}]"));
        let rule = mk_service_monitor(&format!(
            "selector: {{}}\nendpoints: [{{metricRelabelings: [{{action: drop, sourceLabels: [a], regex: \"{pattern}\"}}]}}]"
        ));
        for text in [port, rule] {
            let rejected = outcome_of(&mk_objects(&text)).rejected.unwrap().reason;
            assert!(rejected.contains("no collector can read this pattern"), "{rejected}");
        }
    }
}

#[test]
fn explicit_default_regex_of_keepequal_is_refused_for_one_object_only() {
    let rules = "[{action: keepequal, sourceLabels: [a], targetLabel: b, regex: (.*)}]";
    let rejected =
        outcome_of(&mk_objects(&mk_service_monitor(&format!("selector: {{}}\nendpoints: [{{relabelings: {rules}}}]"))))
            .rejected;
    assert!(
        rejected.as_ref().is_some_and(|why| why.reason.starts_with("endpoints[0]: relabelConfigs: [0]: ")),
        "{rejected:?}"
    );
}

#[test]
fn jobs_that_name_files_are_denied_one_by_one() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ns}\nstringData: {t: x}\n---\n".to_owned()
        + &mk_service_monitor(
            "selector: {}\nendpoints:\n- {port: a}\n- {port: b, bearerTokenFile: /t}\n- {port: c, tlsConfig: {caFile: /ca}}\n\
             - {port: d, tlsConfig: {certFile: /c, keyFile: /k}}\n- {port: e, authorization: {credentials: {name: s, key: t}}}",
        );
    let objects = mk_objects(&text);
    let settings = mk_settings(|source| source.deny_file_access = true).unwrap();
    let generated = objects.generate(&Selection::all(), &settings);
    assert_eq!(job_names(&generated.jobs), ["serviceMonitor/ns/m/0", "serviceMonitor/ns/m/4"], "indices stay");
    let reasons: Vec<(&str, &str)> =
        generated.denied.iter().map(|denied| (denied.job.as_str(), denied.reason.as_str())).collect();
    assert_eq!(
        reasons,
        [
            ("serviceMonitor/ns/m/1", "authorization.credentials_file: /t"),
            ("serviceMonitor/ns/m/2", "tls_config.ca_file: /ca"),
            ("serviceMonitor/ns/m/3", "tls_config.cert_file: /c"),
        ]
    );
    assert_eq!(generated.rejected, []);
}

#[test]
fn files_of_a_scrape_class_are_denied_too() {
    let classes = mk_classes("{name: c, default: true, authorization: {credentialsFile: /token}}");
    let settings = mk_settings(|source| {
        source.scrape_classes = &classes;
        source.deny_file_access = true;
    });
    let objects = mk_objects(&mk_service_monitor("selector: {}\nendpoints: [{port: a}]"));
    let generated = objects.generate(&Selection::all(), &settings.unwrap());
    assert_eq!(generated.jobs, []);
    assert_eq!(generated.denied[0].reason, "authorization.credentials_file: /token");
}

#[test]
fn broken_settings_are_told_at_once() {
    let table = [
        ("{name: a, default: true}\n---\n{name: b, default: true}", "at most one scrape class"),
        ("{name: a, relabelings: [{action: hashmod, targetLabel: x}]}", "scrape class \"a\": relabelings: [0]: "),
        ("{name: a, tlsConfig: {certFile: /c}}", "scrape class \"a\": tlsConfig: a client certificate needs a key"),
        ("{name: a, authorization: {type: Basic}}", "scrape class \"a\": authorization: type cannot be \"basic\""),
        ("{name: a, default: 7}", "scrape_classes[0].default: cannot unmarshal"),
    ];
    for (text, wanted) in table {
        let classes = mk_classes(text);
        let error = mk_settings(|source| source.scrape_classes = &classes).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}\nwanted {wanted}");
    }
    let protocols = ["Smoke".to_owned()];
    let error = mk_settings(|source| source.scrape_protocols = &protocols).unwrap_err().to_string();
    assert!(error.contains("unknown scrape protocol Smoke"), "{error}");
}

#[test]
fn what_a_class_refers_to_is_used_if_it_is_there() {
    let classes = mk_classes("{name: c, default: true, authorization: {credentials: {name: s, key: t}}}");
    let settings = mk_settings(|source| source.scrape_classes = &classes).unwrap();
    let monitor = mk_service_monitor("selector: {}\nendpoints: [{port: a}]");
    let without = mk_objects(&monitor).generate(&Selection::all(), &settings);
    assert_eq!(without.jobs[0].http.authorization.as_ref().unwrap().credentials.reveal(), "");
    assert!(without.warnings[0].1.contains("scrape class refers to: unable to get secret"), "{:?}", without.warnings);
    let secret = "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ns}\ndata: {t: aGk=}";
    let with = mk_objects(&(monitor + secret)).generate(&Selection::all(), &settings);
    assert_eq!(with.jobs[0].http.authorization.as_ref().unwrap().credentials.reveal(), "hi");
}

#[test]
fn one_edited_object_leaves_the_jobs_of_others_alone() {
    let settings = mk_settings(|_| {}).unwrap();
    let one = mk_service_monitor("selector: {}\nendpoints: [{port: a}]");
    let other = one.replace("name: m,", "name: k,");
    let before = mk_objects(&format!("{one}\n---\n{other}")).generate(&Selection::all(), &settings);
    let after = mk_objects(&format!("{}\n---\n{other}", one.replace("port: a", "port: b")))
        .generate(&Selection::all(), &settings);
    assert_eq!(job_names(&before.jobs), ["serviceMonitor/ns/k/0", "serviceMonitor/ns/m/0"]);
    assert_eq!(before.jobs[0].fingerprint(), after.jobs[0].fingerprint());
    assert_ne!(before.jobs[1].fingerprint(), after.jobs[1].fingerprint());
}

#[test]
fn the_later_of_two_objects_of_one_name_counts() {
    let one = mk_service_monitor("selector: {}\nendpoints: [{port: a}]");
    let two = mk_service_monitor("selector: {}\nendpoints: [{port: a}, {port: b}]");
    let settings = mk_settings(|_| {}).unwrap();
    let generated = mk_objects(&format!("{one}\n---\n{two}")).generate(&Selection::all(), &settings);
    assert_eq!(job_names(&generated.jobs), ["serviceMonitor/ns/m/0", "serviceMonitor/ns/m/1"]);
    let broken = mk_service_monitor("selector: {}\nendpoints: 5");
    let objects = mk_objects(&format!("{one}\n---\n{broken}"));
    assert_eq!((objects.resources.len(), objects.invalid.len()), (0, 1), "an object is good or bad, never both");
    let generated = objects.generate(&Selection::all(), &settings);
    let Rejected { id, why: Rejection { cause, reason } } = &generated.rejected[0];
    assert_eq!(*cause, Cause::Unreadable);
    assert_eq!(id.to_string(), "ServiceMonitor ns/m");
    assert!(reason.contains("into list"), "{reason}");
}

#[test]
fn lists_are_their_entries() {
    let typed = "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitorList\nitems:\n- metadata: {name: m, namespace: ns}\n  spec: {selector: {}, endpoints: []}\n";
    let mixed = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: ns}}\n- {apiVersion: apps/v1, kind: Deployment, metadata: {name: d}}\n";
    let objects = mk_objects(&format!("{typed}---\n# nothing\n---\n{mixed}"));
    assert_eq!(objects.resources.len(), 1);
    assert_eq!(objects.namespaces["ns"]["kubernetes.io/metadata.name"], "ns");
    assert!(split("a: [").is_err());
}

#[test]
fn objects_of_other_groups_are_none_of_ours() {
    let text =
        mk_service_monitor("selector: {}\nendpoints: []").replace("monitoring.coreos.com", "azmonitoring.coreos.com");
    let objects = mk_objects(&text);
    assert_eq!((objects.resources.len(), objects.invalid.len()), (0, 0));
}

#[test]
fn broken_secrets_are_errors_of_the_manifest() {
    let mut objects = Objects::default();
    let secret = parse("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {k: '!!'}").unwrap().root;
    let error = objects.add(&secret).unwrap_err().to_string();
    assert_eq!(error, "line 4: Secret s: data: k: not base64");
}

#[test]
fn certificates_and_keys_must_be_pairs() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/prometheus-crs/service-monitor-tls-inline/input.yaml");
    let mut objects = mk_objects(&std::fs::read_to_string(folder).unwrap());
    let (id, values) = objects
        .values
        .iter()
        .find(|(_, values)| values.values().any(|value| value.reveal().contains("PRIVATE")))
        .unwrap();
    let (id, mut values) = (id.clone(), values.clone());
    let of = |what: &str| {
        values.iter().find(|(_, value)| value.reveal().contains(what)).map(|(key, _)| key.clone()).unwrap()
    };
    let key = of("PRIVATE KEY");
    let settings = mk_settings(|_| {}).unwrap();
    let rejections = |objects: &Objects| objects.generate(&Selection::all(), &settings).rejected;
    assert_eq!(rejections(&objects), []);
    // one bit of the public half that the key carries
    let good = values[&key].reveal().to_owned();
    let at = good.find("hRANCAAS").or_else(|| good.find("RANCAAS")).unwrap_or(good.len() / 2);
    let mut other = good.clone();
    other.replace_range(at + 12..at + 13, if good.as_bytes()[at + 12] == b'A' { "B" } else { "A" });
    for bad in [other.as_str(), "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        values.insert(key.clone(), Secret::new(bad));
        objects.values.insert(id.clone(), values.clone());
        let rejected = rejections(&objects);
        assert!(!rejected.is_empty() && rejected[0].why.reason.contains("keySecret"), "{rejected:?}");
        assert!(!rejected[0].why.reason.contains("AAAA"), "no part of a key in a message");
    }
}

#[test]
fn debug_shows_no_secret() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ns}\nstringData: {t: hunter2}\n---\n"
        .to_owned()
        + &mk_service_monitor(
            "selector: {}\nendpoints: [{port: a, proxyUrl: 'http://u:hunter2@proxy:1', authorization: {credentials: {name: s, key: t}}}]",
        );
    let objects = mk_objects(&text);
    let settings = mk_settings(|_| {}).unwrap();
    let generated = objects.generate(&Selection::all(), &settings);
    assert_eq!(generated.jobs.len(), 1);
    assert!(!format!("{objects:?} {generated:?}").contains("hunter2"));
    let context = Context { settings: &settings, lookup: &objects };
    let masked = sections(objects.resources.values().next().unwrap(), context, Secrets::Masked).unwrap();
    assert!(!format!("{masked:?}").contains("hunter2"));
}

#[test]
fn everything_an_object_refers_to_is_known_beforehand() {
    let classes = mk_classes("{name: c, default: true, authorization: {credentials: {name: of-class, key: t}}}");
    let settings = mk_settings(|source| source.scrape_classes = &classes).unwrap();
    let tls = "{ca: {configMap: {name: roots, key: a}}, cert: {secret: {name: pair, key: c}}, keySecret: {name: pair, key: k}}";
    let proxy = "proxyUrl: 'http://p', proxyConnectHeader: {X: [{name: header, key: x}]}";
    let monitor = mk_service_monitor(&format!(
        "selector: {{}}\nendpoints: [{{port: a, tlsConfig: {tls}}}, {{port: b, {proxy}}}]"
    ));
    let objects = mk_objects(&monitor);
    let found = references(objects.resources.values().next().unwrap(), &settings);
    let names: Vec<String> = found.iter().map(Reference::to_string).collect();
    assert_eq!(names, ["secret ns/header", "secret ns/of-class", "secret ns/pair", "configmap ns/roots"]);
}

/// Objects that upstream accepts and that then stop every change upstream: each goes alone here.
#[test]
fn what_would_freeze_upstream_is_refused() {
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ns}\nstringData: {t: x, empty: ''}\n---\n";
    let probe = "prober: {url: bb, path: /probe}, targets: {staticConfig: {static: [a]}}";
    let table = [
        ("ScrapeConfig", "scrapeInterval: ''", "scrape_interval: empty duration string"),
        ("ScrapeConfig", "scrapeTimeout: ''", "scrape_timeout: empty duration string"),
        (
            "ScrapeConfig",
            "fileSDConfigs: [{files: [a.yml], refreshInterval: 0s}]",
            "refresh_interval must be greater than zero",
        ),
        (
            "ScrapeConfig",
            "linodeSDConfigs: [{refreshInterval: ''}]",
            "linode_sd_configs[0].refresh_interval: empty duration string",
        ),
        (
            "ScrapeConfig",
            "eurekaSDConfigs: [{server: 'http://e', refreshInterval: 0s}]",
            "refresh_interval: must be greater than zero",
        ),
        (
            "ScrapeConfig",
            "openstackSDConfigs: [{role: Instance, region: r, availability: Public}]",
            "unknown availability Public",
        ),
        ("ScrapeConfig", "dnsSDConfigs: [{names: [a], type: A, port: 0}]", "a port is required"),
        ("ScrapeConfig", "dnsSDConfigs: [{names: [a], port: 70000}]", "port 70000 is not between"),
        ("ScrapeConfig", "httpSDConfigs: [{url: 'http:///x'}]", "host is missing in URL"),
        ("ScrapeConfig", "authorization: {type: ' Basic '}", "authorization type cannot be set to \"basic\""),
        ("ScrapeConfig", "nameValidationScheme: Legacy, nameEscapingScheme: AllowUTF8", "utf8 metric names requested"),
        (
            "ScrapeConfig",
            "ovhcloudSDConfigs: [{applicationKey: k, applicationSecret: {name: s, key: empty}, consumerKey: {name: s, key: t}, service: VPS}]",
            "ovhcloud_sd_configs[0].application_secret: must not be empty",
        ),
        (
            "ScrapeConfig",
            "azureSDConfigs: [{subscriptionID: a, tenantID: b, clientID: c, clientSecret: {name: s, key: empty}}]",
            "azure SD configuration requires a client_secret",
        ),
        ("Probe", &format!("{probe}, authorization: {{type: basic}}"), "authorization type cannot be set to \"basic\""),
        (
            "Probe",
            &format!(
                "{probe}, bearerTokenSecret: {{name: s, key: t}}, authorization: {{credentials: {{name: s, key: t}}}}"
            ),
            "authorization is not compatible with bearer_token",
        ),
    ];
    for (kind, spec, wanted) in table {
        let object = format!(
            "apiVersion: monitoring.coreos.com/v1\nkind: {kind}\nmetadata: {{name: m, namespace: ns}}\nspec: {{{spec}}}"
        );
        let rejected = outcome_of(&mk_objects(&format!("{secret}{object}"))).rejected;
        let rejected = rejected.unwrap_or_else(|| panic!("accepted: {spec}"));
        assert!(rejected.reason.contains(wanted), "{spec}: {rejected}");
        assert_eq!(rejected.cause, Cause::Invalid, "{spec}");
    }
}

#[test]
fn the_first_check_refuses_what_upstream_skips() {
    let table = [
        (
            "Probe",
            "prober: {url: bb, path: /probe}",
            "at least one of .spec.targets.staticConfig and .spec.targets.ingress",
        ),
        (
            "Probe",
            "prober: {url: bb}, targets: {staticConfig: {static: [a], labels: {'': b}}}",
            "targets.staticConfig.labels: invalid label \"\"",
        ),
        (
            "Probe",
            "prober: {url: bb}, targets: {staticConfig: {}, ingress: {relabelingConfigs: [{action: keep, regex: '('}]}}",
            "targets.ingress.relabelConfigs: [0]: ",
        ),
        ("ScrapeConfig", "scrapeClass: nope", "scrapeClass \"nope\" not found"),
        ("ScrapeConfig", "scrapeTimeout: 31s", "scrapeTimeout \"31s\" greater than scrapeInterval \"30s\""),
        ("ScrapeConfig", "scrapeTimeout: soon", "invalid scrapeTimeout: \"soon\": "),
        (
            "ScrapeConfig",
            "kubernetesSDConfigs: [{role: Pod, selectors: [{role: Node}]}]",
            "kubernetesSDConfigs: [0]: selectors: pod role supports only pod",
        ),
        (
            "ScrapeConfig",
            "kubernetesSDConfigs: [{role: Service, selectors: [{role: Pod}]}]",
            "service role supports only service",
        ),
        (
            "ScrapeConfig",
            "kubernetesSDConfigs: [{role: Pod, selectors: [{role: Pod, label: 'a b'}]}]",
            "kubernetes_sd_configs[0].selectors: ",
        ),
        (
            "ScrapeConfig",
            "kubernetesSDConfigs: [{role: Pod, apiServer: 'http://a', namespaces: {ownNamespace: true}}]",
            "cannot use 'api_server' and 'namespaces.own_namespace'",
        ),
        (
            "ScrapeConfig",
            "azureSDConfigs: [{subscriptionID: a, tenantID: b}]",
            "azureSDConfigs: [0]: clientSecret is required",
        ),
        (
            "ScrapeConfig",
            "kumaSDConfigs: [{server: kuma}]",
            "kumaSDConfigs: [0]: server: \"kuma\" must have a scheme and a host",
        ),
        (
            "ScrapeConfig",
            "puppetDBSDConfigs: [{url: 'ftp://p', query: q}]",
            "puppetDBSDConfigs: [0]: url: URL scheme must be http or https",
        ),
        ("ScrapeConfig", "dockerSwarmSDConfigs: [{host: ':x', role: Tasks}]", "dockerswarmSDConfigs: [0]: host: "),
        (
            "ScrapeConfig",
            "httpSDConfigs: [{url: 'http://a', proxyConnectHeader: {X: []}}]",
            "httpSDConfigs: [0]: if proxyConnectHeader is set",
        ),
    ];
    for (kind, spec, wanted) in table {
        let object = format!(
            "apiVersion: monitoring.coreos.com/v1\nkind: {kind}\nmetadata: {{name: m, namespace: ns}}\nspec: {{{spec}}}"
        );
        let rejected = outcome_of(&mk_objects(&object)).rejected.unwrap_or_else(|| panic!("accepted: {spec}"));
        assert!(rejected.reason.contains(wanted), "{spec}: {rejected}");
    }
}

#[test]
fn the_sharding_rules_go_out_as_they_are() {
    let outcome = outcome_of(&mk_objects(&mk_service_monitor("selector: {}\nendpoints: [{port: a}]")));
    let served = ta_model::scrape_config::render_job(&outcome.jobs[0], Secrets::Masked);
    assert!(served.contains(r#""regex":"$(SHARD);|.+;.+""#), "collectors put their number there: {served}");
}
