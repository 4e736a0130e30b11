//! Every case of `testdata/prometheus-crs` and `testdata/prometheus-crs-rejected` (their READMEs say how they were made).
#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

use std::fs;
use std::path::{Path, PathBuf};

use ta_model::cr::{
    Cause, Context, Kind, Objects, Rejection, Resource, Selection, Settings, SettingsSource, generate, sections, split,
};
use ta_model::scrape_config::SdConfig;
use ta_model::yaml::{self, Node, Resolved, Value};
use ta_model::{Duration, Secrets};

const PROTOCOLS: [&str; 4] =
    ["OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText1.0.0", "PrometheusText0.0.4"];

/// Objects and settings of an `input.yaml`.
fn mk_case(text: &str) -> (Objects, Settings) {
    let mut objects = Objects::default();
    let mut classes = Vec::new();
    for node in split(text).expect("YAML") {
        match node.get("scrape_classes").map(|classes| &classes.value) {
            Some(Value::List(nodes)) => classes = nodes.clone(),
            _ => assert!(objects.add(&node).expect("an object that can be read"), "an object of no known kind"),
        }
    }
    let protocols = PROTOCOLS.map(String::from);
    let settings = Settings::new(&SettingsSource {
        scrape_interval: Duration::from_secs(30),
        scrape_protocols: &protocols,
        scrape_classes: &classes,
        deny_file_access: false,
        kubeconfig_file: "",
    });
    (objects, settings.expect("good settings"))
}

/// Keys sorted, so that their order does not count; scalars by what they mean.
fn to_json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::List(nodes) => nodes.iter().map(to_json).collect(),
        Value::Map(entries) => {
            entries.iter().map(|entry| (entry.key.text.to_string(), to_json(&entry.value))).collect()
        }
        Value::Scalar(scalar) => match scalar.resolve() {
            Resolved::Null => serde_json::Value::Null,
            Resolved::Bool(value) => value.into(),
            Resolved::Int(value) => value.into(),
            Resolved::Uint(value) => value.into(),
            Resolved::Float(value) => value.into(),
            Resolved::Str => (*scalar.text).into(),
        },
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn cases(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
    let entries = fs::read_dir(&root).expect("a folder").map(|entry| entry.expect("a folder entry").path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    cases
}

/// The lines in which two renderings differ, with the job they belong to.
fn diff(wanted: &serde_json::Value, found: &serde_json::Value) -> String {
    let lines = |value: &serde_json::Value| -> Vec<String> {
        serde_json::to_string_pretty(value).expect("plain JSON").lines().map(str::to_owned).collect()
    };
    let (wanted, found) = (lines(wanted), lines(found));
    let same_start = wanted.iter().zip(&found).take_while(|(wanted, found)| wanted == found).count();
    let rest = |lines: &[String]| lines.len() - same_start;
    let ends = wanted.iter().rev().zip(found.iter().rev());
    let same_end = ends.take_while(|(wanted, found)| wanted == found).count().min(rest(&wanted)).min(rest(&found));
    let shown = |sign: char, lines: &[String]| -> String {
        lines[same_start..lines.len() - same_end].iter().take(40).map(|line| format!("{sign} {line}\n")).collect()
    };
    let before: String =
        wanted[same_start.saturating_sub(6)..same_start].iter().map(|line| format!("  {line}\n")).collect();
    format!("{before}{}{}", shown('-', &wanted), shown('+', &found))
}

fn check_case(case: &Path, objects: &Objects, settings: &Settings) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    let mut rejected = Vec::new();
    let context = Context { settings, lookup: objects };
    for resource in objects.resources.values() {
        match sections(resource, context, Secrets::Revealed) {
            Ok(nodes) => found.extend(nodes),
            Err(why) => rejected.push((resource.id.name.clone(), why)),
        }
    }
    let wanted = yaml::parse(&read(&case.join("expected.yaml"))).expect("YAML").root;
    let (wanted, found) = (to_json(&wanted), found.iter().map(to_json).collect());
    if wanted == found { Ok(rejected) } else { Err(diff(&wanted, &found)) }
}

fn fail_if_any(failures: &[String]) {
    assert!(failures.is_empty(), "{} cases failed\n\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn objects_become_what_upstream_makes_of_them() {
    let mut failures = Vec::new();
    let cases = cases("prometheus-crs");
    assert!(cases.len() >= 55, "only {} cases found", cases.len());
    for case in &cases {
        let name = case.file_name().unwrap().to_string_lossy();
        let (objects, settings) = mk_case(&read(&case.join("input.yaml")));
        for invalid in objects.invalid.values() {
            failures.push(format!("=== {name}: {invalid}"));
        }
        for (id, warnings) in objects.resources.iter().map(|(id, resource)| (id, &resource.warnings)) {
            if !warnings.is_empty() {
                failures.push(format!("=== {name}: {id}: {warnings:?}"));
            }
        }
        match check_case(case, &objects, &settings) {
            Ok(rejected) => failures.extend(rejected.iter().map(|(id, why)| format!("=== {name}: {id}: {why}"))),
            Err(diff) => failures.push(format!("=== {name}\n{diff}")),
        }
    }
    fail_if_any(&failures);
}

#[test]
fn one_bad_object_goes_alone() {
    /// What the reason must say, so that a test cannot pass by another mistake.
    const REASONS: [(&str, &str); 23] = [
        ("ca-is-not-a-certificate", "endpoints[0]: tlsConfig: ca: no PEM block found"),
        ("client-cert-without-key", "tlsConfig: a client certificate needs a key"),
        ("dns-record-without-port", "dnsSDConfigs: [0]: port required for record type \"A\""),
        ("freeze-bearer-file-and-authorization", "authorization is not compatible with bearer_token"),
        ("freeze-class-authorization-and-basic-auth", "at most one of basic_auth, oauth2 & authorization"),
        ("freeze-consul-token-and-authorization", "at most one of consul SD token, authorization, or oauth2"),
        ("freeze-duplicate-selector-role", "duplicated selector role: pod"),
        ("freeze-empty-client-id", "oauth2 client_id must be configured"),
        ("freeze-empty-duration", "http_sd_configs[0].refresh_interval: empty duration string"),
        ("freeze-kubernetes-sd-http-options-without-api-server", "please provide the 'api_server' URL explicitly"),
        ("freeze-legacy-names-with-utf8-label", "\"marina.berth\" is invalid"),
        ("freeze-probe-with-two-auths", "at most one of basic_auth, oauth2 & authorization"),
        ("freeze-sd-with-two-auths", "at most one of basic_auth, oauth2 & authorization"),
        ("hashmod-without-modulus", "relabelConfigs: [0]: relabel configuration for hashmod requires non-zero modulus"),
        ("missing-key-in-config-map", "tlsConfig: failed to get ca: key \"root.crt\" in configmap \"roots\" not found"),
        (
            "missing-secret-takes-all-endpoints",
            "endpoints[1]: basicAuth: failed to get basic auth username: unable to get secret \"no-such-secret\"",
        ),
        ("no-proxy-without-proxy-url", "endpoints[0]: if noProxy is set, proxyUrl must be set too"),
        ("prober-url-with-scheme", "\"http://bb.marina.svc:9115\" url specified in proberSpec is invalid"),
        ("relabel-regex-does-not-compile", "endpoints[0]: metricRelabelConfigs: [1]: "),
        ("selector-in-without-values", "failed to parse label selector: \"app\": values: "),
        ("timeout-over-default-interval", "endpoint[0]: scrapeTimeout \"45s\" greater than scrapeInterval \"30s\""),
        (
            "two-auths-on-one-endpoint",
            "endpoints[0]: authorization and basicAuth cannot be configured at the same time",
        ),
        ("unknown-scrape-class", "scrapeClassName: scrapeClass \"regata\" not found in Prometheus scrapeClasses"),
    ];
    let mut failures = Vec::new();
    let cases = cases("prometheus-crs-rejected");
    assert_eq!(cases.len(), REASONS.len());
    for (case, (name, reason)) in cases.iter().zip(REASONS) {
        assert_eq!(case.file_name().unwrap().to_string_lossy(), name);
        let (objects, settings) = mk_case(&read(&case.join("input.yaml")));
        match check_case(case, &objects, &settings) {
            Ok(rejected) => {
                let names: Vec<bool> = rejected.iter().map(|(name, _)| name.starts_with("bad-")).collect();
                let why = rejected.first().map_or("", |(_, why)| why);
                if names != [true] || !why.contains(reason) {
                    failures.push(format!("=== {name}: {rejected:?}"));
                }
            }
            Err(diff) => failures.push(format!("=== {name}\n{diff}")),
        }
        // the jobs themselves say the same as the text
        let generated = objects.generate(&Selection::all(), &settings);
        let bad = generated.rejected.iter().filter(|rejected| rejected.id.name.starts_with("bad-")).count();
        assert_eq!(bad, 1, "{name}: {:?}", generated.rejected);
    }
    fail_if_any(&failures);
}

#[test]
fn what_is_printed_reads_back_the_same() {
    for case in cases("prometheus-crs") {
        let (objects, settings) = mk_case(&read(&case.join("input.yaml")));
        let context = Context { settings: &settings, lookup: &objects };
        for resource in objects.resources.values() {
            let list = sections(resource, context, Secrets::Revealed).unwrap();
            let list = Node { line: 0, column: 0, value: Value::List(list) };
            let text = yaml::emit(&list);
            let back = yaml::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}")).root;
            assert_eq!(to_json(&back), to_json(&list), "{}\n{text}", case.display());
        }
    }
}

#[test]
fn masked_sections_hold_no_secret() {
    let mut seen = 0;
    for case in cases("prometheus-crs") {
        let (objects, settings) = mk_case(&read(&case.join("input.yaml")));
        let context = Context { settings: &settings, lookup: &objects };
        for resource in objects.resources.values() {
            let text = |secrets| {
                let list = sections(resource, context, secrets).unwrap();
                list.iter().map(|node| to_json(node).to_string()).collect::<String>()
            };
            let (open, masked) = (text(Secrets::Revealed), text(Secrets::Masked));
            for secret in [
                "s3cr3t",
                "t1cket",
                "m3ter",
                "azure-s3cret",
                "11111111-aaaa",
                "PRIVATE KEY",
                "straw",
                "secretkeyexample",
            ] {
                seen += usize::from(open.contains(secret));
                assert!(!masked.contains(secret), "{}: {secret}", case.display());
            }
        }
    }
    assert!(seen >= 7, "the secrets looked for are in the data: {seen}");
}

#[test]
fn mechanisms_that_are_not_there_reject_the_object_by_name() {
    let case = cases("prometheus-crs").into_iter().find(|case| case.ends_with("scrape-config-consul-sd")).unwrap();
    let (objects, settings) = mk_case(&read(&case.join("input.yaml")));
    let resource = objects.resources.values().next().unwrap();
    let outcome = generate(resource, Context { settings: &settings, lookup: &objects });
    let reason = "service discovery by consul is not supported by this program";
    assert_eq!(outcome.rejected, Some(Rejection { cause: Cause::Unsupported, reason: reason.into() }));
    assert!(outcome.jobs.is_empty());
}

#[test]
fn jobs_have_the_defaults_of_the_allocator() {
    let case = cases("prometheus-crs").into_iter().find(|case| case.ends_with("pod-monitor-named-port")).unwrap();
    let (objects, _) = mk_case(&read(&case.join("input.yaml")));
    let settings = Settings::new(&SettingsSource {
        scrape_interval: Duration::from_secs(7),
        scrape_protocols: &["PrometheusProto".to_owned()],
        scrape_classes: &[],
        deny_file_access: false,
        kubeconfig_file: "/home/ta/.kube/config",
    });
    let generated = objects.generate(&Selection::all(), &settings.unwrap());
    let job = &generated.jobs[0];
    assert_eq!(job.scrape_interval, Duration::from_secs(7));
    assert_eq!(job.scrape_timeout, Duration::from_secs(7));
    assert_eq!(job.scrape_protocols, ["PrometheusProto"]);
    let SdConfig::Kubernetes(config) = &job.sd_configs[0] else { panic!("{:?}", job.sd_configs) };
    assert_eq!(config.kubeconfig_file, "/home/ta/.kube/config");
}

/// Every place of a JSON value, as a path of keys and indices.
fn places(value: &serde_json::Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        serde_json::Value::Array(values) => {
            values.iter().enumerate().for_each(|(index, value)| places(value, &format!("{at}/{index}"), found));
        }
        serde_json::Value::Object(members) => {
            let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
            members.iter().for_each(|(key, value)| places(value, &format!("{at}/{}", escaped(key)), found));
        }
        _ => {}
    }
}

#[test]
fn whatever_stands_in_any_place_is_jobs_or_a_reason() {
    let odd = ["null", "5", "-1", "1e300", "\"\"", "\"x\"", "\"$(\"", "[]", "{}", "[null]", "{\"\":null}", "true"];
    let odd: Vec<serde_json::Value> = odd.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let (mut jobs, mut reasons) = (0_usize, 0_usize);
    for case in cases("prometheus-crs") {
        let text = read(&case.join("input.yaml"));
        let (objects, settings) = mk_case(&text);
        for node in split(&text).unwrap() {
            let object = to_json(&node);
            let Some(kind) = object["kind"].as_str().and_then(Kind::parse) else { continue };
            let mut found = Vec::new();
            places(&object["spec"], "/spec", &mut found);
            for place in &found {
                for value in &odd {
                    let mut object = object.clone();
                    *object.pointer_mut(place).expect("a place that was found") = value.clone();
                    let Ok(resource) = Resource::from_json(kind, &object) else {
                        reasons += 1;
                        continue;
                    };
                    let outcome = generate(&resource, Context { settings: &settings, lookup: &objects });
                    assert!(outcome.rejected.is_none() || outcome.jobs.is_empty(), "{place} = {value}");
                    jobs += usize::from(!outcome.jobs.is_empty());
                    reasons += usize::from(outcome.rejected.is_some());
                }
            }
        }
    }
    assert!(jobs > 1000 && reasons > 1000, "{jobs} {reasons}");
}
