//! The questions of OpenTelemetry's troubleshooting page for the target allocator, on its example and its failure cases.

use ta_model::Duration;
use ta_model::cr::{
    Answer, Explanation, Kind, KindSelectors, LabelSelector, ObjectId, Objects, Selection, Settings, SettingsSource,
    explain, split,
};
use ta_model::yaml::{Decode, Decoder, Dialect, parse};

const SERVICE_MONITOR: &str = "
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: sm-example
  namespace: opentelemetry
  labels: {app.kubernetes.io/name: py-prometheus-app, release: prometheus}
spec:
  selector: {matchLabels: {app: my-app}}
  namespaceSelector: {matchNames: [opentelemetry]}
  endpoints:
  - {port: prom, path: /metrics}
";

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata:
  name: py-prometheus-app
  namespace: opentelemetry
  labels: {app: my-app}
spec:
  selector: {app: my-app}
  ports: [{name: prom, port: 8080}]
";

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: py-0, namespace: opentelemetry, labels: {app: my-app}}
spec:
  initContainers: [{name: wait}]
  containers: [{name: app, ports: [{name: prom, containerPort: 8080}]}]
status: {phase: Running}
";

const POD_MONITOR: &str = "
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: pm-example, namespace: opentelemetry}
spec:
  selector: {matchLabels: {app: my-app}}
  podMetricsEndpoints: [{port: prom}]
";

fn mk_objects(texts: &[&str]) -> Objects {
    let mut objects = Objects::default();
    for node in split(&texts.join("\n---\n")).expect("YAML") {
        objects.add(&node).expect("a readable object");
    }
    objects
}

fn mk_selector(text: &str) -> LabelSelector {
    let mut decoder = Decoder::new(Dialect::Kubernetes, "");
    LabelSelector::decode(&mut decoder, &parse(text).expect("YAML").root).expect("a selector")
}

fn ask(kind: Kind, name: &str, objects: &Objects, selection: &Selection) -> Explanation {
    let settings = Settings::new(&SettingsSource {
        scrape_interval: Duration::from_secs(30),
        scrape_protocols: &[],
        scrape_classes: &[],
        deny_file_access: true,
        kubeconfig_file: "",
    });
    let id = ObjectId { kind, namespace: "opentelemetry".into(), name: name.into() };
    explain(&id, objects, selection, &settings.expect("good settings"), objects)
}

fn ask_service_monitor(objects: &Objects) -> Explanation {
    ask(Kind::ServiceMonitor, "sm-example", objects, &Selection::all())
}

fn first_no(explanation: &Explanation) -> String {
    explanation.first_no().map_or_else(String::new, ToString::to_string)
}

#[test]
fn the_example_of_the_page_is_answered_with_yes() {
    let explanation = ask_service_monitor(&mk_objects(&[SERVICE_MONITOR, SERVICE, POD]));
    let steps: Vec<String> = explanation.steps.iter().map(ToString::to_string).collect();
    assert_eq!(
        steps,
        [
            "Is it deployed? yes: ServiceMonitor opentelemetry/sm-example",
            "Is its namespace looked at? yes: namespace opentelemetry",
            "Is there a selector for its kind? yes: the selector is empty and selects everything",
            "Does its namespace match the namespace selector? yes: namespace opentelemetry",
            "Do its labels match the selector? yes: the selector is empty and selects everything",
            "Can jobs be made of it? yes: serviceMonitor/opentelemetry/sm-example/0",
            "Which Services in namespace opentelemetry match app=my-app? yes: opentelemetry/py-prometheus-app",
            "endpoints[0]: is there a Service port named prom? yes: found",
            "Are there pods behind them? yes: opentelemetry/py-0",
        ]
    );
    let explanation = ask(Kind::PodMonitor, "pm-example", &mk_objects(&[POD_MONITOR, POD]), &Selection::all());
    assert_eq!(explanation.first_no(), None);
    let last = explanation.steps.last().unwrap().to_string();
    assert_eq!(last, "podMetricsEndpoints[0]: is there a container port named prom? yes: found");
}

#[test]
fn not_deployed() {
    let explanation = ask(Kind::Probe, "p", &mk_objects(&[SERVICE]), &Selection::all());
    assert_eq!(first_no(&explanation), "Is it deployed? no: there is no such object");
}

#[test]
fn no_selector_configured() {
    let mut selection = Selection::all();
    selection
        .kinds
        .insert(Kind::ServiceMonitor, KindSelectors { own: None, namespace: Some(LabelSelector::default()) });
    let explanation = ask(Kind::ServiceMonitor, "sm-example", &mk_objects(&[SERVICE_MONITOR, SERVICE]), &selection);
    let wanted = "Is there a selector for its kind? no: there is no selector for its kind, which selects nothing; {} would \
                  select everything";
    assert_eq!(first_no(&explanation), wanted);
}

#[test]
fn labels_of_the_monitor_do_not_match() {
    let mut selection = Selection::all();
    let own = Some(mk_selector("{matchLabels: {app: my-app}}"));
    selection.kinds.insert(Kind::ServiceMonitor, KindSelectors { own, namespace: Some(LabelSelector::default()) });
    let explanation = ask(Kind::ServiceMonitor, "sm-example", &mk_objects(&[SERVICE_MONITOR, SERVICE]), &selection);
    let wanted = "Do its labels match the selector? no: the selector wants app=my-app, has no label app";
    assert_eq!(first_no(&explanation), wanted);
}

#[test]
fn the_namespace_is_denied_or_does_not_match() {
    let objects = mk_objects(&[SERVICE_MONITOR, "apiVersion: v1\nkind: Namespace\nmetadata: {name: opentelemetry}"]);
    let denied = Selection { deny_namespaces: ["opentelemetry".into()].into(), ..Selection::all() };
    let explanation = ask(Kind::ServiceMonitor, "sm-example", &objects, &denied);
    assert_eq!(first_no(&explanation), "Is its namespace looked at? no: its namespace is in deny_namespaces");
    let mut selection = Selection::all();
    let namespace = Some(mk_selector("{matchLabels: {team: a}}"));
    selection.kinds.insert(Kind::ServiceMonitor, KindSelectors { own: Some(LabelSelector::default()), namespace });
    let explanation = ask(Kind::ServiceMonitor, "sm-example", &objects, &selection);
    let wanted = "Does its namespace match the namespace selector? no: the namespace selector wants team=a, has no label team \
                  (on the namespace)";
    assert_eq!(first_no(&explanation), wanted);
}

#[test]
fn labels_of_the_service_do_not_match() {
    let other = SERVICE.replace("labels: {app: my-app}", "labels: {app: your-app}");
    let explanation = ask_service_monitor(&mk_objects(&[SERVICE_MONITOR, &other]));
    let wanted = "Which Services in namespace opentelemetry match app=my-app? no: opentelemetry/py-prometheus-app: wants \
                  app=my-app, has app=your-app";
    assert_eq!(first_no(&explanation), wanted);
}

#[test]
fn the_service_is_in_another_namespace() {
    let elsewhere = SERVICE.replace("namespace: opentelemetry", "namespace: shop");
    let explanation = ask_service_monitor(&mk_objects(&[SERVICE_MONITOR, &elsewhere]));
    let wanted = "Which Services in namespace opentelemetry match app=my-app? no: none there, but in other namespaces: \
                  shop/py-prometheus-app; see namespaceSelector";
    assert_eq!(first_no(&explanation), wanted);
}

#[test]
fn the_port_has_another_name() {
    let explanation =
        ask_service_monitor(&mk_objects(&[SERVICE_MONITOR, &SERVICE.replace("name: prom,", "name: bleh,")]));
    assert_eq!(first_no(&explanation), "endpoints[0]: is there a Service port named prom? no: the ports are bleh");
    let pod = POD.replace("name: prom,", "name: bleh,");
    let explanation = ask(Kind::PodMonitor, "pm-example", &mk_objects(&[POD_MONITOR, &pod]), &Selection::all());
    let wanted = "podMetricsEndpoints[0]: is there a container port named prom? no: the ports are bleh (8080)";
    assert_eq!(first_no(&explanation), wanted);
}

#[test]
fn one_endpoint_without_a_port_does_not_hide_the_others() {
    let monitor =
        SERVICE_MONITOR.replace("- {port: prom,", "- {port: py-client-port}\n  - {targetPort: 8080}\n  - {port: prom,");
    let explanation = ask_service_monitor(&mk_objects(&[&monitor, SERVICE, POD]));
    let answers: Vec<(String, Answer)> =
        explanation.steps.iter().skip(7).map(|step| (step.question.clone(), step.answer)).collect();
    assert_eq!(
        answers,
        [
            ("endpoints[0]: is there a Service port named py-client-port?".to_owned(), Answer::No),
            ("endpoints[1]: is there a container port 8080?".to_owned(), Answer::Yes),
            ("endpoints[2]: is there a Service port named prom?".to_owned(), Answer::Yes),
            ("Are there pods behind them?".to_owned(), Answer::Yes),
        ]
    );
}

#[test]
fn pods_that_are_not_there_or_have_ended() {
    let other = POD.replace("labels: {app: my-app}", "labels: {app: x}");
    let explanation = ask_service_monitor(&mk_objects(&[SERVICE_MONITOR, SERVICE, &other]));
    let wanted = "Are there pods behind them? no: opentelemetry/py-prometheus-app selects app=my-app";
    assert_eq!(first_no(&explanation), wanted);
    let ended = POD.replace("Running", "Succeeded");
    let explanation = ask(Kind::PodMonitor, "pm-example", &mk_objects(&[POD_MONITOR, &ended]), &Selection::all());
    let wanted = "podMetricsEndpoints[0]: is a pod running? no: all have ended: opentelemetry/py-0";
    assert_eq!(first_no(&explanation), wanted);
}

#[test]
fn what_is_not_known_is_no_reason() {
    let explanation = ask_service_monitor(&mk_objects(&[SERVICE_MONITOR]));
    assert_eq!(explanation.first_no(), None);
    assert_eq!(explanation.steps.last().unwrap().answer, Answer::Unknown);
    let headless = SERVICE.replace("selector: {app: my-app}", "clusterIP: None");
    let explanation = ask_service_monitor(&mk_objects(&[SERVICE_MONITOR, &headless, &POD.replace("my-app", "x")]));
    assert_eq!(explanation.first_no(), None, "addresses may come from elsewhere");
}

#[test]
fn objects_that_make_no_jobs_say_why() {
    let broken = SERVICE_MONITOR.replace("port: prom", "port: 7");
    let invalid = ask_service_monitor(&mk_objects(&[&broken]));
    let wanted = "Can it be read? no: spec.endpoints[0].port: cannot unmarshal !!int `7` into string (quote it)";
    assert_eq!(first_no(&invalid), wanted);
    let table = [
        (
            "{port: prom, path: /metrics}",
            "{scrapeTimeout: 1m}",
            "endpoints[0]: scrapeTimeout \"1m\" greater than scrapeInterval \"30s\"",
        ),
        (
            "{port: prom, path: /metrics}",
            "{bearerTokenFile: /t}",
            "deny_fs_access_through_sms leaves out jobs that name files: authorization.credentials_file: /t",
        ),
        ("endpoints:\n  - {port: prom, path: /metrics}", "endpoints: []", "it has no endpoints"),
    ];
    for (from, to, why) in table {
        let explanation = ask_service_monitor(&mk_objects(&[&SERVICE_MONITOR.replace(from, to)]));
        assert_eq!(first_no(&explanation), format!("Can jobs be made of it? no: {why}"));
    }
}

#[test]
fn probes_and_scrape_configs_name_their_targets_themselves() {
    let probe = "apiVersion: monitoring.coreos.com/v1\nkind: Probe\nmetadata: {name: p, namespace: opentelemetry}\n\
                 spec: {prober: {url: bb, path: /probe}, targets: {staticConfig: {static: []}}}";
    let explanation = ask(Kind::Probe, "p", &mk_objects(&[probe]), &Selection::all());
    assert_eq!(first_no(&explanation), "Does it name targets? no: targets.staticConfig.static is empty");
    let config = "apiVersion: monitoring.coreos.com/v1alpha1\nkind: ScrapeConfig\nmetadata: {name: s, namespace: opentelemetry}\nspec: {}";
    let explanation = ask(Kind::ScrapeConfig, "s", &mk_objects(&[config]), &Selection::all());
    let wanted = "Does it name a way to find targets? no: it has no staticConfigs and no discovery block";
    assert_eq!(first_no(&explanation), wanted);
}
