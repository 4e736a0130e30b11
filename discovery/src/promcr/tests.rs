//! Resources as the watches show them, without an API server and on a clock that jumps.

use serde_json::{Value as Json, json};
use ta_model::Duration as PromDuration;
use ta_model::cr::{Cause, Kind as Of, LabelSelector, ObjectId, ObjectState, SettingsSource};
use tokio_util::task::AbortOnDropHandle;

use super::kinds::{ConfigMaps, NamespaceLabels, PodMonitors, Probes, ScrapeConfigs, Secrets, ServiceMonitors};
use super::*;
use crate::kubernetes::{Condition, Feed, Kind, ObjectKey, Scope, WatchSettings};

/// Resources being followed, and the feeds of what they watch.
struct World {
    status: Arc<Status>,
    watches: Watches,
    cluster: Cluster,
    view: ResourceView,
    jobs: watch::Receiver<ResourceJobs>,
    service_monitors: Feed<ServiceMonitors>,
    pod_monitors: Feed<PodMonitors>,
    probes: Feed<Probes>,
    scrape_configs: Feed<ScrapeConfigs>,
    _task: AbortOnDropHandle<()>,
}

fn mk_settings() -> Settings {
    let source = SettingsSource {
        scrape_interval: PromDuration::from_secs(30),
        scrape_protocols: &[],
        scrape_classes: &[],
        deny_file_access: false,
        kubeconfig_file: "",
    };
    Settings::new(&source).unwrap()
}

impl World {
    fn new() -> Self {
        Self::with(Selection::all())
    }

    fn with(selection: Selection) -> Self {
        let status = Arc::new(Status::default());
        let settings = WatchSettings { linger: Duration::ZERO, ..WatchSettings::default() };
        let watches = Watches::new(status.clone(), settings);
        let cluster = Cluster::detached("test");
        let scope = match selection.allow_namespaces.first() {
            Some(namespace) => in_namespace(namespace),
            None => Scope::default(),
        };
        let resources = Resources::new(
            watches.clone(),
            cluster.clone(),
            ResourceOptions::new(selection, mk_settings()),
            status.clone(),
        );
        let (sender, jobs) = watch::channel(None);
        Self {
            service_monitors: Feed::new(&watches, &cluster, scope.clone()),
            pod_monitors: Feed::new(&watches, &cluster, scope.clone()),
            probes: Feed::new(&watches, &cluster, scope.clone()),
            scrape_configs: Feed::new(&watches, &cluster, scope),
            view: resources.view(),
            _task: AbortOnDropHandle::new(tokio::spawn(resources.run(sender, CancellationToken::new()))),
            status,
            watches,
            cluster,
            jobs,
        }
    }

    /// Where nothing but ServiceMonitors exists.
    async fn of_service_monitors(objects: &[Json]) -> Self {
        let world = Self::new();
        world.list_others();
        world.list(objects);
        world.settle().await;
        world
    }

    fn list(&self, objects: &[Json]) {
        let texts: Vec<String> = objects.iter().map(Json::to_string).collect();
        self.service_monitors.list(texts.iter().map(String::as_str));
    }

    fn list_others(&self) {
        self.pod_monitors.list([]);
        self.probes.list([]);
        self.scrape_configs.list([]);
    }

    fn put(&self, object: &Json) {
        self.service_monitors.put(&object.to_string());
    }

    fn feed<K: Kind>(&self, scope: Scope) -> Feed<K> {
        Feed::new(&self.watches, &self.cluster, scope)
    }

    fn secret(&self, name: &str) -> Feed<Secrets> {
        self.feed(named("ns", name))
    }

    /// Lets everything that was fed arrive.
    async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    fn names(&self) -> Option<Vec<String>> {
        let jobs = self.jobs.borrow().clone()?;
        Some(jobs.iter().map(|job| job.job_name.clone()).collect())
    }

    fn job(&self, name: &str) -> Arc<ScrapeConfig> {
        let jobs = self.jobs.borrow().clone().unwrap();
        jobs.iter().find(|job| job.job_name == name).unwrap().clone()
    }

    /// Whether jobs were sent since the last call.
    fn is_news(&mut self) -> bool {
        let changed = self.jobs.has_changed().unwrap();
        self.jobs.mark_unchanged();
        changed
    }

    fn state(&self, kind: Of, name: &str) -> ObjectState {
        let id = ObjectId { kind, namespace: "ns".into(), name: name.into() };
        let report = self.view.report();
        report.objects.iter().find(|(known, _)| *known == id).map(|(_, state)| state.clone()).unwrap()
    }

    fn cause(&self, name: &str) -> Cause {
        match self.state(Of::ServiceMonitor, name) {
            ObjectState::Rejected(why) => why.cause,
            other => panic!("{other:?}"),
        }
    }

    fn generations(&self) -> u64 {
        self.view.report().generations
    }
}

fn in_namespace(namespace: &str) -> Scope {
    Scope { namespace: Some(namespace.into()), ..Scope::default() }
}

fn named(namespace: &str, name: &str) -> Scope {
    Scope { field_selector: format!("metadata.name={name}"), ..in_namespace(namespace) }
}

fn mk_object(name: &str, spec: Json) -> Json {
    json!({"metadata": {"namespace": "ns", "name": name}, "spec": spec})
}

fn mk_monitor(name: &str, endpoint: Json) -> Json {
    mk_object(name, json!({"selector": {}, "endpoints": [endpoint]}))
}

fn mk_auth(name: &str) -> Json {
    mk_monitor(
        name,
        json!({"port": "web", "basicAuth": {"username": {"name": "s", "key": "u"}, "password": {"name": "s", "key": "p"}}}),
    )
}

/// `dTE=` is `u1`.
fn mk_secret(user: &str) -> String {
    json!({"metadata": {"namespace": "ns", "name": "s"}, "data": {"u": user, "p": "cHc="}}).to_string()
}

fn web() -> Json {
    json!({"port": "web"})
}

#[tokio::test(start_paused = true)]
async fn no_jobs_before_everything_was_listed() {
    let mut world = World::new();
    world.list(&[mk_monitor("a", web())]);
    world.pod_monitors.list([]);
    world.settle().await;
    assert_eq!(world.names(), None);
    assert!(!world.view.report().is_published);
    world.probes.condition(Condition::Forbidden("not you".into()));
    world.settle().await;
    assert_eq!(world.names(), None);
    world.scrape_configs.condition(Condition::Absent);
    world.settle().await;
    assert_eq!(world.names(), Some(vec!["serviceMonitor/ns/a/0".into()]));
    assert!(world.is_news());
    let conditions: Vec<Condition> = world.view.report().watches.iter().map(|watch| watch.condition.clone()).collect();
    let watching = Condition::Watching;
    assert_eq!(conditions, [watching.clone(), watching, Condition::Forbidden("not you".into()), Condition::Absent]);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_does_not_answer_is_not_waited_for_for_ever() {
    let world = World::new();
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(world.names(), None, "an API server that says nothing does not say that there is nothing");
    world.list(&[mk_monitor("a", web())]);
    world.settle().await;
    assert_eq!(world.names(), Some(vec!["serviceMonitor/ns/a/0".into()]));

    let world = World::new();
    world.list(&[mk_monitor("a", web())]);
    world.pod_monitors.condition(Condition::Failing("500".into()));
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert_eq!(world.names(), None);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.names().unwrap().len(), 1);
    let pod_monitor = mk_object("p", json!({"selector": {}, "podMetricsEndpoints": [{"port": "x"}]})).to_string();
    world.pod_monitors.list([pod_monitor.as_str()]);
    world.settle().await;
    assert_eq!(world.names().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn kinds_that_nothing_selects_are_shown_and_not_waited_for() {
    let mut selection = Selection::all();
    selection.kinds.retain(|kind, _| *kind == Of::PodMonitor);
    let world = World::with(selection);
    world.pod_monitors.list([]);
    world.settle().await;
    assert_eq!(world.names(), Some(Vec::new()));
    world.list(&[mk_monitor("a", web())]);
    world.settle().await;
    assert_eq!(world.state(Of::ServiceMonitor, "a"), ObjectState::Unselected(ta_model::cr::Unselected::NoSelector));
}

#[tokio::test(start_paused = true)]
async fn kinds_come_and_go() {
    let world = World::of_service_monitors(&[mk_monitor("a", web())]).await;
    world.list(&[]);
    world.service_monitors.condition(Condition::Absent);
    world.settle().await;
    assert_eq!(world.names(), Some(Vec::new()));
    world.list(&[mk_monitor("b", web())]);
    world.settle().await;
    assert_eq!(world.names(), Some(vec!["serviceMonitor/ns/b/0".into()]));
    world.service_monitors.condition(Condition::Failing("gone away".into()));
    world.settle().await;
    assert_eq!(world.names().unwrap().len(), 1, "trouble takes nothing away");
}

#[tokio::test(start_paused = true)]
async fn an_edited_object_is_translated_alone_and_equal_ones_not_at_all() {
    let objects: Vec<Json> = (0..50).map(|n| mk_monitor(&format!("m{n}"), web())).collect();
    let mut world = World::of_service_monitors(&objects).await;
    assert!(world.is_news());
    assert_eq!(world.generations(), 50);

    world.put(&mk_monitor("m7", json!({"port": "web", "interval": "5s"})));
    world.settle().await;
    assert_eq!((world.generations(), world.is_news()), (51, true));
    assert_eq!(world.job("serviceMonitor/ns/m7/0").scrape_interval.to_string(), "5s");

    let mut touched = mk_monitor("m8", web());
    touched["metadata"]["resourceVersion"] = "99".into();
    touched["metadata"]["managedFields"] = json!([{"manager": "kubectl"}]);
    touched["status"] = json!({"bindings": []});
    world.put(&touched);
    world.settle().await;
    assert_eq!((world.generations(), world.is_news()), (51, false));

    touched["metadata"]["labels"] = json!({"team": "a"});
    world.put(&touched);
    world.settle().await;
    assert_eq!((world.generations(), world.is_news()), (52, false), "translated, with the same result");

    let mut all = objects.clone();
    all.truncate(3);
    world.list(&all); // after a watch that broke
    world.settle().await;
    assert_eq!(world.names().unwrap().len(), 3);
    assert_eq!(world.generations(), 52);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_missing_and_then_appears() {
    let mut world = World::of_service_monitors(&[mk_auth("auth"), mk_monitor("plain", web())]).await;
    let secret = world.secret("s");
    world.settle().await;
    assert_eq!(world.names(), None, "it is not known yet whether there is one");
    assert!(matches!(world.state(Of::ServiceMonitor, "auth"), ObjectState::Waiting(missing) if missing.len() == 1));

    secret.list([]);
    world.settle().await;
    assert_eq!(world.names(), Some(vec!["serviceMonitor/ns/plain/0".into()]));
    assert_eq!(world.cause("auth"), Cause::MissingReference);
    world.is_news();

    secret.put(&mk_secret("dTE="));
    world.settle().await;
    assert!(world.is_news());
    let auth = world.job("serviceMonitor/ns/auth/0").http.basic_auth.clone().unwrap();
    assert_eq!((auth.username.as_str(), auth.password.reveal()), ("u1", "pw"));

    let before = world.generations();
    secret.put(&mk_secret("dTI="));
    world.settle().await;
    assert_eq!(world.job("serviceMonitor/ns/auth/0").http.basic_auth.clone().unwrap().username, "u2");
    assert_eq!(world.generations(), before + 1, "only what uses it");

    secret.delete(&ObjectKey::new("ns", "s"));
    world.settle().await;
    assert_eq!(world.cause("auth"), Cause::MissingReference);
}

#[tokio::test(start_paused = true)]
async fn what_is_referred_to_is_watched_and_nothing_else() {
    let world = World::of_service_monitors(&[mk_auth("auth")]).await;
    let status = |kind: &str| {
        let watches = world.status.watches();
        watches.iter().filter(|view| view.resource.plural == kind).map(|view| view.scope.clone()).collect::<Vec<_>>()
    };
    assert_eq!(status("secrets"), [named("ns", "s")]);
    assert_eq!((status("configmaps").len(), status("namespaces").len()), (0, 0));
    let ca = json!({"port": "web", "tlsConfig": {"ca": {"configMap": {"name": "ca", "key": "ca.crt"}}}});
    world.put(&mk_monitor("auth", ca));
    world.settle().await;
    assert_eq!((status("secrets").len(), status("configmaps")), (0, vec![named("ns", "ca")]));
    let config_map: Feed<ConfigMaps> = world.feed(named("ns", "ca"));
    config_map.list([r#"{"metadata": {"namespace": "ns", "name": "ca"}, "data": {"ca.crt": ""}}"#]);
    world.settle().await;
    assert_eq!(world.names().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_needs_another_secret_keeps_the_jobs_until_it_is_known() {
    let mut world = World::of_service_monitors(&[mk_monitor("m", web())]).await;
    world.is_news();
    let before = world.job("serviceMonitor/ns/m/0");
    world.put(&mk_auth("m"));
    world.settle().await;
    assert!(!world.is_news());
    assert!(Arc::ptr_eq(&world.job("serviceMonitor/ns/m/0"), &before));
    assert!(matches!(world.state(Of::ServiceMonitor, "m"), ObjectState::Waiting(_)));
    world.secret("s").list([mk_secret("dTE=").as_str()]);
    world.settle().await;
    assert!(world.job("serviceMonitor/ns/m/0").http.basic_auth.is_some());
}

#[tokio::test(start_paused = true)]
async fn objects_that_cannot_be_read_are_rejected_alone() {
    let objects = [
        mk_monitor("good", web()),
        mk_monitor("type", json!({"port": 80})),
        mk_monitor("enum", json!({"port": "web", "scheme": "gopher"})),
        mk_object("missing", json!({"selector": {}})),
        mk_object("nothing", Json::Null),
        mk_monitor("timeout", json!({"port": "web", "scrapeTimeout": "45s"})),
        // a schema of another version: fields nobody knows are left alone
        mk_monitor("newer", json!({"port": "web", "sparkle": true})),
    ];
    let world = World::of_service_monitors(&objects).await;
    assert_eq!(world.names(), Some(vec!["serviceMonitor/ns/good/0".into(), "serviceMonitor/ns/newer/0".into()]));
    for (name, cause) in [
        ("type", Cause::Unreadable),
        ("enum", Cause::Unreadable),
        ("missing", Cause::Unreadable),
        ("nothing", Cause::Unreadable),
        ("timeout", Cause::Invalid),
    ] {
        assert_eq!(world.cause(name), cause, "{name}");
    }
    world.service_monitors.put(r#"{"metadata": {"namespace": "ns", "name": "good"}, "spec": "#);
    world.put(&mk_monitor("type", web()));
    world.settle().await;
    assert_eq!(world.names().unwrap().len(), 3, "half an object says nothing");
}

fn mk_label_selector(key: &str, value: &str) -> LabelSelector {
    LabelSelector { match_labels: [(key.to_owned(), value.to_owned())].into(), ..LabelSelector::default() }
}

fn mk_namespace(team: &str) -> String {
    json!({"metadata": {"name": "ns", "labels": {"team": team}}}).to_string()
}

#[tokio::test(start_paused = true)]
async fn labels_of_namespaces_decide_where_a_selector_asks_for_them() {
    let mut selection = Selection::all();
    let selectors = selection.kinds.get_mut(&Of::ServiceMonitor).unwrap();
    selectors.namespace = Some(mk_label_selector("team", "a"));
    let world = World::with(selection);
    let namespaces: Feed<NamespaceLabels> = world.feed(Scope::default());
    world.list_others();
    world.list(&[mk_monitor("m", web())]);
    world.settle().await;
    assert_eq!(world.names(), None);
    namespaces.list([mk_namespace("a").as_str()]);
    world.settle().await;
    assert_eq!(world.names().unwrap().len(), 1);
    namespaces.put(&mk_namespace("b"));
    world.settle().await;
    assert_eq!(world.names(), Some(Vec::new()));
    namespaces.put(&mk_namespace("a"));
    world.settle().await;
    assert_eq!(world.names().unwrap().len(), 1);
    namespaces.delete(&ObjectKey::cluster_wide("ns"));
    world.settle().await;
    assert_eq!(world.names(), Some(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn of_allowed_namespaces_one_that_must_not_be_read_costs_only_itself() {
    let allow_namespaces = ["ns".to_owned(), "other".to_owned()].into();
    let world = World::with(Selection { allow_namespaces, ..Selection::all() });
    world.list_others();
    world.list(&[mk_monitor("m", web())]);
    let other: Feed<ServiceMonitors> = world.feed(in_namespace("other"));
    let pod_monitors: Feed<PodMonitors> = world.feed(in_namespace("other"));
    let probes: Feed<Probes> = world.feed(in_namespace("other"));
    let scrape_configs: Feed<ScrapeConfigs> = world.feed(in_namespace("other"));
    pod_monitors.list([]);
    probes.list([]);
    scrape_configs.list([]);
    other.condition(Condition::Forbidden("no".into()));
    world.settle().await;
    assert_eq!(world.names().unwrap().len(), 1);
    let mut monitor = mk_monitor("m", web());
    monitor["metadata"]["namespace"] = "other".into();
    other.list([monitor.to_string().as_str()]);
    world.settle().await;
    assert_eq!(world.names().unwrap().len(), 2, "a role that is granted later");
}

#[tokio::test(start_paused = true)]
async fn denied_namespaces_are_not_asked_for() {
    let deny_namespaces = ["b".to_owned(), "a".to_owned()].into();
    let world = World::with(Selection { deny_namespaces, ..Selection::all() });
    let denied = Scope { field_selector: "metadata.namespace!=a,metadata.namespace!=b".into(), ..Scope::default() };
    let _monitors: Feed<ServiceMonitors> = world.feed(denied.clone());
    world.settle().await;
    let watches = world.status.watches();
    let followed = watches.iter().filter(|view| view.resource.plural == "servicemonitors" && view.subscribers == 2);
    let scopes: Vec<&Scope> = followed.map(|view| &view.scope).collect();
    assert_eq!(scopes, [&denied]);
}
