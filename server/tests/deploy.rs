//! The manifests in `deploy/`: that they say what they mean, without a cluster.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use k8s_openapi::api::{apps::v1 as apps, core::v1 as core, policy::v1 as policy, rbac::v1 as rbac};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use ta_model::yaml::{self, Node, Resolved};
use ta_server::{Args, Environment};

/// Each overlay: its RBAC rules, and where its configuration file is.
const OVERLAYS: [(&str, &str, &str); 3] = [
    ("statefulset", "rbac/cluster", "base"),
    ("daemonset", "rbac/cluster", "overlays/daemonset"),
    ("namespaced", "rbac/namespaced", "overlays/namespaced"),
];

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(path)
}

fn json_of(node: &Node) -> Value {
    match &node.value {
        yaml::Value::Scalar(scalar) => match scalar.resolve() {
            Resolved::Null => Value::Null,
            Resolved::Bool(value) => value.into(),
            Resolved::Int(value) => value.into(),
            Resolved::Uint(value) => value.into(),
            Resolved::Float(value) => value.into(),
            Resolved::Str => (*scalar.text).into(),
        },
        yaml::Value::List(elements) => elements.iter().map(json_of).collect(),
        yaml::Value::Map(entries) => entries
            .iter()
            .map(|entry| (entry.key.text.to_string(), json_of(&entry.value)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

fn objects_of(text: &str) -> Vec<Value> {
    yaml::parse_all(text).unwrap().iter().map(|document| json_of(&document.root)).collect()
}

/// Every object in the folder of manifests called `path`.
fn objects_in(path: &str) -> Vec<Value> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(deploy(path)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| {
        !["kustomization.yaml", "targetallocator.yaml", "collector.yaml"].iter().any(|name| file.ends_with(name))
    });
    files.sort();
    files.iter().flat_map(|file| objects_of(&std::fs::read_to_string(file).unwrap())).collect()
}

fn one<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    let first = found.next().unwrap_or_else(|| panic!("no {kind} {name}"));
    assert!(found.next().is_none(), "{kind} {name} twice");
    first
}

/// Whether Kubernetes' own type takes all of it: what it does not know would vanish, silently, in a cluster too.
fn assert_is<T: DeserializeOwned + Serialize>(object: &Value) {
    let typed: T = serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{error}: {object:#}"));
    assert_eq!(&serde_json::to_value(&typed).unwrap(), object);
}

fn assert_is_what_it_says(object: &Value) {
    match object["kind"].as_str().unwrap() {
        "Deployment" => assert_is::<apps::Deployment>(object),
        "StatefulSet" => assert_is::<apps::StatefulSet>(object),
        "DaemonSet" => assert_is::<apps::DaemonSet>(object),
        "Service" => assert_is::<core::Service>(object),
        "ServiceAccount" => assert_is::<core::ServiceAccount>(object),
        "ConfigMap" => assert_is::<core::ConfigMap>(object),
        "Namespace" => assert_is::<core::Namespace>(object),
        "PodDisruptionBudget" => assert_is::<policy::PodDisruptionBudget>(object),
        "ClusterRole" => assert_is::<rbac::ClusterRole>(object),
        "ClusterRoleBinding" => assert_is::<rbac::ClusterRoleBinding>(object),
        "Role" => assert_is::<rbac::Role>(object),
        "RoleBinding" => assert_is::<rbac::RoleBinding>(object),
        other => panic!("{other} is not expected"),
    }
}

#[test]
fn every_field_is_one_that_kubernetes_knows() {
    let folders = [
        "base",
        "namespace",
        "rbac/cluster",
        "rbac/namespaced",
        "collectors/common",
        "collectors/statefulset",
        "collectors/daemonset",
    ];
    for object in folders.iter().flat_map(|folder| objects_in(folder)) {
        assert_is_what_it_says(&object);
    }
}

/// The lines that `check` prints for the configuration in `folder`.
fn checked(folder: &str) -> Vec<String> {
    let file = deploy(folder).join("targetallocator.yaml");
    let args =
        Args::parse(["target-allocator".into(), "check".into(), format!("--config-file={}", file.display()).into()]);
    let env: Environment = [("OTELCOL_NAMESPACE".to_owned(), "opentelemetry".to_owned())].into();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    ta_server::check(&args.unwrap(), &env, &mut out, &mut err).unwrap();
    assert_eq!(String::from_utf8(err).unwrap(), "", "{folder}");
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

/// What the configuration in `folder` watches, each as `pods in shop with app=web`.
fn watched(folder: &str) -> Vec<String> {
    let lines = checked(folder);
    let begin = lines.iter().position(|line| line.starts_with("watches: ")).unwrap();
    lines[begin + 1..].iter().map_while(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
}

/// What may be listed and watched by the rules in `folder`, as `pods` and `endpointslices.discovery.k8s.io`.
fn granted(folder: &str) -> BTreeSet<String> {
    let objects = objects_in(folder);
    let role =
        objects.iter().find(|object| ["Role", "ClusterRole"].contains(&object["kind"].as_str().unwrap())).unwrap();
    let mut granted = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        let strings = |key: &str| -> Vec<&str> {
            rule[key].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
        };
        assert!(strings("verbs").iter().all(|verb| ["get", "list", "watch"].contains(verb)), "only to read: {rule}");
        for (group, resource) in
            strings("apiGroups").iter().flat_map(|group| strings("resources").into_iter().map(move |one| (*group, one)))
        {
            if ["list", "watch"].iter().all(|verb| strings("verbs").contains(verb)) {
                granted.insert(if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") });
            }
        }
    }
    granted
}

#[test]
fn what_a_configuration_watches_is_granted() {
    for (overlay, rules, folder) in OVERLAYS {
        let (watched, granted) = (watched(folder), granted(rules));
        assert!(watched.len() >= 2, "{overlay}: {watched:?}"); // collectors and targets
        for watched in watched {
            let (resource, place) = watched.split_once(' ').unwrap();
            assert!(granted.contains(resource), "{overlay}: {watched}, but the rules are for {granted:?}");
            assert!(
                rules == "rbac/cluster" || place.starts_with("in "),
                "{overlay}: {watched}, but there is a Role only"
            );
        }
    }
}

#[test]
fn the_cluster_may_read_whatever_the_program_can_ask_for() {
    let granted = granted("rbac/cluster");
    for resource in [
        "pods",
        "nodes",
        "services",
        "endpoints",
        "namespaces",
        "secrets",
        "configmaps",
        "endpointslices.discovery.k8s.io",
        "ingresses.networking.k8s.io",
        "replicasets.apps",
        "jobs.batch",
        "servicemonitors.monitoring.coreos.com",
        "podmonitors.monitoring.coreos.com",
        "probes.monitoring.coreos.com",
        "scrapeconfigs.monitoring.coreos.com",
    ] {
        assert!(granted.contains(resource), "{resource}");
    }
    // in one namespace the same, but for what has no namespace
    let rest: Vec<String> = granted.difference(&self::granted("rbac/namespaced")).cloned().collect();
    assert_eq!(rest, ["namespaces", "nodes"]);
}

/// Whether `labels` match the `matchLabels` or plain map `selector`.
fn selects(selector: &Value, labels: &Value) -> bool {
    let selector = selector.get("matchLabels").unwrap_or(selector).as_object().unwrap();
    !selector.is_empty() && selector.iter().all(|(name, value)| labels.get(name) == Some(value))
}

#[test]
fn selectors_find_the_pods_they_are_for_and_no_others() {
    let base = objects_in("base");
    let deployment = one(&base, "Deployment", "target-allocator");
    let allocator = &deployment["spec"]["template"]["metadata"]["labels"];
    assert!(selects(&deployment["spec"]["selector"], allocator));
    assert!(selects(&one(&base, "Service", "target-allocator")["spec"]["selector"], allocator));
    assert!(selects(&one(&base, "PodDisruptionBudget", "target-allocator")["spec"]["selector"], allocator));
    // by this label the program knows its own kind
    assert_eq!(allocator["app.kubernetes.io/component"], "opentelemetry-targetallocator");
    for (folder, kind) in [("statefulset", "StatefulSet"), ("daemonset", "DaemonSet")] {
        let objects = objects_in(&format!("collectors/{folder}"));
        let set = one(&objects, kind, "opentelemetry-collector");
        let collector = &set["spec"]["template"]["metadata"]["labels"];
        assert!(selects(&set["spec"]["selector"], collector));
        for (_, _, configuration) in OVERLAYS {
            let text = std::fs::read_to_string(deploy(configuration).join("targetallocator.yaml")).unwrap();
            let selector = &objects_of(&text)[0]["collector_selector"];
            assert!(selects(selector, collector) && !selects(selector, allocator), "{configuration}: {selector}");
        }
    }
}

#[test]
fn the_pods_are_confined_as_the_image_allows() {
    let base = objects_in("base");
    let pod = &one(&base, "Deployment", "target-allocator")["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"], json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}));
    let container = &pod["containers"][0];
    let confined =
        json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}});
    assert_eq!(container["securityContext"], confined);
    for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "http"}));
    }
    assert_eq!(container["ports"], json!([{"name": "http", "containerPort": 8080}]));
    // ours is the file that the flag names
    assert_eq!(container["args"], json!(["--config-file=/conf/targetallocator.yaml"]));
    assert_eq!(container["volumeMounts"][0]["mountPath"], "/conf");
}

/// What `command` prints, if there is such a program on this machine.
fn output_of(command: &mut Command) -> Option<String> {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("{command:?}: not on this machine, left out");
            return None;
        }
        Err(error) => panic!("{command:?}: {error}"),
    };
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Whether all that objects refer to is there.
fn assert_is_complete(objects: &[Value], namespace: &str) {
    let names = |kind: &str| -> BTreeSet<&str> {
        let of_kind = objects.iter().filter(|object| object["kind"] == kind);
        of_kind.map(|object| object["metadata"]["name"].as_str().unwrap()).collect()
    };
    let by_kind: BTreeMap<&str, BTreeSet<&str>> =
        ["ConfigMap", "ServiceAccount", "ClusterRole", "Role"].map(|kind| (kind, names(kind))).into();
    for object in objects {
        let has = |kind: &str, name: &Value| {
            assert!(
                by_kind[kind].contains(name.as_str().unwrap()),
                "{} needs {kind} {name}",
                object["metadata"]["name"]
            );
        };
        let pod = &object["spec"]["template"]["spec"];
        if pod.is_object() {
            has("ServiceAccount", &pod["serviceAccountName"]);
            for volume in pod["volumes"].as_array().unwrap() {
                has("ConfigMap", &volume["configMap"]["name"]);
            }
        }
        if object["roleRef"].is_object() {
            has(object["roleRef"]["kind"].as_str().unwrap(), &object["roleRef"]["name"]);
            for subject in object["subjects"].as_array().unwrap() {
                assert_eq!(subject["namespace"], namespace);
                has("ServiceAccount", &subject["name"]);
            }
        }
    }
}

#[test]
fn kustomize_builds_every_overlay_whole() {
    for (overlay, ..) in OVERLAYS {
        let mut command = Command::new("kubectl");
        let Some(text) = output_of(command.arg("kustomize").arg(deploy("overlays").join(overlay))) else { return };
        let objects = objects_of(&text);
        objects.iter().for_each(assert_is_what_it_says);
        assert_is_complete(&objects, "opentelemetry");
        let config = objects.iter().find(|object| object["data"]["targetallocator.yaml"].is_string()).unwrap();
        let file = OVERLAYS.iter().find(|(name, ..)| *name == overlay).unwrap().2;
        let wanted = std::fs::read_to_string(deploy(file).join("targetallocator.yaml")).unwrap();
        assert_eq!(config["data"]["targetallocator.yaml"], wanted);
    }
}

#[test]
fn the_chart_renders_whole_whatever_is_set() {
    let chart = deploy("helm/target-allocator");
    for settings in [
        &[][..],
        &["--set=rbac.clusterWide=false,collectorNamespace=collectors"],
        &[
            "--set=serviceAccount.create=false,serviceAccount.name=default,podDisruptionBudget.enabled=false,podLabels.a=b",
        ],
    ] {
        let mut command = Command::new("helm");
        let command = command.args(["template", "ta", "--namespace=obs"]).arg(&chart).args(settings);
        let Some(text) = output_of(command) else { return };
        let mut objects = objects_of(&text);
        objects.retain(|object| !object.is_null());
        objects.iter().for_each(assert_is_what_it_says);
        if settings.iter().all(|setting| !setting.contains("create=false")) {
            assert_is_complete(&objects, "obs");
        }
    }
}
