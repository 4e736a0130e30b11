use serde_json::{Value, json};

use crate::client::{get, send};
use crate::{mk_cluster, mk_pod, names};

const PODS: &str = "/api/v1/namespaces/a/pods";

#[tokio::test]
async fn objects_are_created_replaced_and_deleted() {
    let cluster = mk_cluster().await;
    let pod = mk_pod("a", "x");
    let created = send(&cluster, "POST", PODS, &[], &pod.to_string()).await.unwrap();
    assert_eq!(created.status, 201, "{:?}", created.json);
    assert_eq!(created.json["spec"]["containers"][0]["ports"][0], json!({"containerPort": 80, "protocol": "TCP"}));
    let again = send(&cluster, "POST", PODS, &[], &pod.to_string()).await.unwrap();
    assert_eq!((again.status, &again.json["reason"]), (409, &json!("AlreadyExists")));

    let mut changed = created.json.clone();
    changed["spec"]["nodeName"] = "node-2".into();
    let path = format!("{PODS}/x");
    let replaced = send(&cluster, "PUT", &path, &[], &changed.to_string()).await.unwrap();
    assert_eq!((replaced.status, &replaced.json["metadata"]["uid"]), (200, &created.json["metadata"]["uid"]));
    let stale = send(&cluster, "PUT", &path, &[], &changed.to_string()).await.unwrap();
    assert_eq!((stale.status, &stale.json["reason"]), (409, &json!("Conflict")));
    let same = send(&cluster, "PUT", &path, &[], &replaced.json.to_string()).await.unwrap();
    assert_eq!(same.json, replaced.json, "an equal write is none");

    let wrong = json!({"preconditions": {"uid": "another"}}).to_string();
    assert_eq!(send(&cluster, "DELETE", &path, &[], &wrong).await.unwrap().status, 409);
    assert_eq!(send(&cluster, "DELETE", &path, &[], "").await.unwrap().json["status"], "Success");
    assert_eq!(send(&cluster, "DELETE", &path, &[], "").await.unwrap().status, 404);
    assert_eq!(send(&cluster, "PUT", &path, &[], &pod.to_string()).await.unwrap().status, 404);
}

#[tokio::test]
async fn patches_are_merged_in() {
    let cluster = mk_cluster().await;
    cluster.apply(mk_pod("a", "x")).unwrap();
    let path = format!("{PODS}/x");
    let patch = async |kind: &str, path: &str, body: Value| {
        let headers = [("Content-Type", kind)];
        send(&cluster, "PATCH", path, &headers, &body.to_string()).await.unwrap()
    };
    let merged =
        patch("application/merge-patch+json", &path, json!({"metadata": {"labels": {"app": null, "b": "c"}}})).await;
    assert_eq!(merged.json["metadata"]["labels"], json!({"b": "c"}));
    let strategic = json!({"spec": {"$setElementOrder/containers": [{"name": "c"}],
        "containers": [{"name": "c", "image": "new"}]}});
    let strategic = patch("application/strategic-merge-patch+json", &path, strategic).await;
    assert_eq!(strategic.json["spec"]["containers"][0]["image"], "new");
    assert_eq!(strategic.json["spec"]["containers"][0]["ports"][0]["containerPort"], 80);
    let applied = patch("application/apply-patch+yaml", &format!("{PODS}/y"), mk_pod("a", "y")).await;
    assert_eq!(applied.json["metadata"]["name"], "y", "server-side apply creates");
    let yaml = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: y\n  labels: {z: '1'}\n";
    let headers = [("Content-Type", "application/apply-patch+yaml")];
    let yaml = send(&cluster, "PATCH", &format!("{PODS}/y"), &headers, yaml).await.unwrap();
    assert_eq!(yaml.json["metadata"]["labels"], json!({"app": "y", "z": "1"}));
    assert_eq!(patch("application/merge-patch+json", &format!("{PODS}/none"), json!({})).await.status, 404);
    assert_eq!(patch("application/json-patch+json", &path, json!([])).await.status, 415);
}

#[tokio::test]
async fn the_status_is_written_apart() {
    let cluster = mk_cluster().await;
    cluster.apply(mk_pod("a", "x")).unwrap();
    let path = format!("{PODS}/x");
    let body =
        json!({"metadata": {"name": "x", "labels": {"ignored": "1"}}, "status": {"phase": "Failed"}}).to_string();
    let written = send(&cluster, "PUT", &format!("{path}/status"), &[], &body).await.unwrap();
    assert_eq!((written.status, &written.json["status"]), (200, &json!({"phase": "Failed"})));
    assert_eq!(written.json["metadata"]["labels"], json!({"app": "x"}));
    let mut without = mk_pod("a", "x");
    without.as_object_mut().unwrap().remove("status");
    let kept = send(&cluster, "PUT", &path, &[], &without.to_string()).await.unwrap();
    assert_eq!(kept.json["status"], json!({"phase": "Failed"}), "a manifest without status keeps it");
}

#[tokio::test]
async fn dry_runs_change_nothing() {
    let cluster = mk_cluster().await;
    let revision = cluster.revision();
    let answer =
        send(&cluster, "POST", &format!("{PODS}?dryRun=All"), &[], &mk_pod("a", "x").to_string()).await.unwrap();
    assert_eq!((answer.status, &answer.json["metadata"]["name"]), (201, &json!("x")));
    assert_eq!(cluster.revision(), revision);
}

#[tokio::test]
async fn a_namespace_takes_what_is_in_it_along() {
    let cluster = mk_cluster().await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}).to_string();
    let made = send(&cluster, "POST", "/api/v1/namespaces", &[], &namespace).await.unwrap();
    assert_eq!(made.json["metadata"]["labels"], json!({"kubernetes.io/metadata.name": "a"}));
    assert_eq!(made.json["status"]["phase"], "Active");
    for name in ["a", "b", "a-b"] {
        cluster.apply(mk_pod(name, "x")).unwrap();
    }
    send(&cluster, "DELETE", "/api/v1/namespaces/a", &[], "").await.unwrap();
    let left = get(&cluster, "/api/v1/pods").await.json;
    assert_eq!(left["items"].as_array().unwrap().len(), 2);
    send(&cluster, "DELETE", "/api/v1/namespaces/b/pods?labelSelector=app%3Dx", &[], "").await.unwrap();
    assert_eq!(names(&get(&cluster, "/api/v1/namespaces/b/pods").await.json).len(), 0);
}

#[tokio::test]
async fn bad_writes_are_refused_in_words() {
    let cluster = mk_cluster().await;
    for (path, body, code) in [
        (PODS, "{", 400),
        (PODS, "[]", 400),
        (PODS, "{\"metadata\": {}}", 400),
        (PODS, "{\"metadata\": []}", 400),
        (PODS, "{\"metadata\": {\"name\": \"x\", \"namespace\": \"b\"}}", 400),
        ("/api/v1/pods", "{\"metadata\": {\"name\": \"x\"}}", 400),
    ] {
        let answer = send(&cluster, "POST", path, &[], body).await.unwrap();
        assert_eq!((answer.status, &answer.json["kind"]), (code, &json!("Status")), "{body}");
    }
    let named = send(&cluster, "POST", PODS, &[], "{\"metadata\": {\"generateName\": \"x-\"}}").await.unwrap();
    assert!(named.json["metadata"]["name"].as_str().unwrap().len() == 7, "{:?}", named.json);
    assert!(cluster.apply(json!({"kind": "Gadget", "apiVersion": "v1", "metadata": {"name": "x"}})).is_err());
    assert!(cluster.apply(json!({"kind": "Pod", "apiVersion": "v1"})).is_err());
}

#[tokio::test]
async fn odd_objects_are_served_as_they_are() {
    let cluster = mk_cluster().await;
    let odd = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "labels": 5, "annotations": null},
        "spec": null, "status": {"conditions": null}, "surprise": [1]});
    let applied = cluster.apply(odd).unwrap();
    assert_eq!(
        (&applied["metadata"]["labels"], &applied["spec"], &applied["surprise"]),
        (&json!(5), &Value::Null, &json!([1]))
    );
    assert_eq!(cluster.get("pods", "default", "x"), Some(applied));
    assert_eq!(names(&get(&cluster, "/api/v1/pods?labelSelector=!a").await.json), ["x"]);
}
