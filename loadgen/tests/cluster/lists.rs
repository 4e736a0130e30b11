use serde_json::json;
use ta_loadgen::cluster::SimulatedCluster;

use crate::client::{get, send};
use crate::{mk_cluster, mk_pod, names};

async fn mk_pods(count: usize) -> SimulatedCluster {
    let cluster = mk_cluster().await;
    for number in 0..count {
        cluster.apply(mk_pod(["a", "b"][number % 2], &format!("pod-{number}"))).unwrap();
    }
    cluster
}

#[tokio::test]
async fn objects_are_listed_as_they_were_applied() {
    let cluster = mk_cluster().await;
    let applied = cluster.apply(mk_pod("a", "x")).unwrap();
    let list = get(&cluster, "/api/v1/pods").await;
    assert_eq!((list.status, list.headers["content-type"].to_str().unwrap()), (200, "application/json"));
    assert_eq!((&list.json["kind"], &list.json["apiVersion"]), (&json!("PodList"), &json!("v1")));
    assert_eq!(list.json["metadata"], json!({"resourceVersion": cluster.revision().to_string()}));
    let mut element = applied.clone();
    element.as_object_mut().unwrap().retain(|name, _| name != "kind" && name != "apiVersion");
    assert_eq!(list.json["items"], json!([element]), "elements of built-in kinds say no kind");
    assert_eq!(get(&cluster, "/api/v1/namespaces/a/pods/x").await.json, applied);
    let missing = get(&cluster, "/api/v1/namespaces/b/pods/x").await;
    assert_eq!((missing.status, &missing.json["reason"]), (404, &json!("NotFound")));
    assert_eq!(missing.json["message"], "pods \"x\" not found");
}

#[tokio::test]
async fn lists_are_scoped_and_selected() {
    let cluster = mk_pods(4).await;
    for (path, expected) in [
        ("/api/v1/pods", vec!["pod-0", "pod-2", "pod-1", "pod-3"]),
        ("/api/v1/namespaces/b/pods", vec!["pod-1", "pod-3"]),
        ("/api/v1/pods?labelSelector=app+in+(pod-1,pod-2)", vec!["pod-2", "pod-1"]),
        ("/api/v1/pods?labelSelector=app%21%3Dpod-1,!missing", vec!["pod-0", "pod-2", "pod-3"]),
        ("/api/v1/pods?fieldSelector=metadata.namespace!%3Da", vec!["pod-1", "pod-3"]),
        ("/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1,status.phase%3DRunning&limit=1", vec!["pod-0"]),
        ("/api/v1/pods?fieldSelector=spec.nodeName%3Dother", vec![]),
        ("/api/v1/namespaces", vec![]),
    ] {
        let list = get(&cluster, path).await;
        assert_eq!(names(&list.json), expected, "{path}");
    }
    for bad in ["labelSelector=a+b", "fieldSelector=spec.color%3Dred", "limit=x"] {
        assert_eq!(get(&cluster, &format!("/api/v1/pods?{bad}")).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn pages_are_of_one_moment() {
    let cluster = mk_pods(5).await;
    let first = get(&cluster, "/api/v1/pods?limit=2").await.json;
    assert_eq!(names(&first), ["pod-0", "pod-2"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    cluster.delete("pods", "a", "pod-4");
    cluster.apply(mk_pod("a", "pod-9")).unwrap();
    let next = |page: &serde_json::Value| {
        format!("/api/v1/pods?limit=2&continue={}", page["metadata"]["continue"].as_str().unwrap())
    };
    let second = get(&cluster, &next(&first)).await.json;
    assert_eq!(names(&second), ["pod-4", "pod-1"], "the deleted one is still on its page");
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let last = get(&cluster, &next(&second)).await.json;
    assert_eq!((names(&last), last["metadata"].get("continue")), (vec!["pod-3"], None));
    cluster.compact();
    let expired = get(&cluster, &next(&first)).await;
    assert_eq!((expired.status, &expired.json["reason"]), (410, &json!("Expired")));
    let rest = get(&cluster, &next(&expired.json)).await.json;
    assert_eq!(names(&rest), ["pod-9", "pod-1"], "the token of the refusal goes on without consistency");
    assert_eq!(get(&cluster, "/api/v1/pods?continue=nonsense").await.status, 400);
}

#[tokio::test]
async fn resource_versions_mean_what_they_mean() {
    let cluster = mk_pods(3).await;
    let then = cluster.revision();
    cluster.delete("pods", "a", "pod-0");
    let list = async |query: String| get(&cluster, &format!("/api/v1/pods?{query}")).await;
    assert_eq!(names(&list("resourceVersion=0&limit=1".into()).await.json).len(), 2, "a limit is ignored at 0");
    assert_eq!(names(&list(format!("resourceVersion={then}")).await.json).len(), 2, "not older than");
    let exact = list(format!("resourceVersion={then}&resourceVersionMatch=Exact")).await.json;
    assert_eq!((names(&exact).len(), &exact["metadata"]["resourceVersion"]), (3, &json!(then.to_string())));
    assert_eq!(list(format!("resourceVersion={then}&limit=500")).await.json["items"].as_array().unwrap().len(), 3);
    let future = list(format!("resourceVersion={}", then + 50)).await;
    assert_eq!((future.status, future.headers["retry-after"].to_str().unwrap()), (504, "1"));
    cluster.compact();
    assert_eq!(list(format!("resourceVersion={then}&resourceVersionMatch=Exact")).await.status, 410);
    let paged = SimulatedCluster::builder().pages_at_zero(true).start().await.unwrap();
    (0..3).for_each(|number| drop(paged.apply(mk_pod("a", &number.to_string()))));
    assert_eq!(names(&get(&paged, "/api/v1/pods?resourceVersion=0&limit=1").await.json).len(), 1);
}

#[tokio::test]
async fn metadata_and_tables_are_served_on_request() {
    let cluster = mk_pods(1).await;
    let accept = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
                  application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let metadata = send(&cluster, "GET", "/api/v1/pods", &[("Accept", accept)], "").await.unwrap().json;
    assert_eq!(metadata["kind"], "PartialObjectMetadataList");
    assert_eq!(metadata["items"][0]["metadata"]["labels"], json!({"app": "pod-0"}));
    assert_eq!(metadata["items"][0].get("spec"), None);
    let accept = [("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")];
    let table = send(&cluster, "GET", "/api/v1/pods", &accept, "").await.unwrap().json;
    assert_eq!((&table["kind"], &table["columnDefinitions"][0]["name"]), (&json!("Table"), &json!("Name")));
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(cells[..3], [json!("pod-0"), json!("0/1"), json!("Running")]);
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let protobuf = [("Accept", "application/vnd.kubernetes.protobuf")];
    assert_eq!(send(&cluster, "GET", "/api/v1/pods", &protobuf, "").await.unwrap().status, 406);
}

#[tokio::test]
async fn discovery_follows_the_kinds_installed() {
    let cluster = SimulatedCluster::builder().without("scrapeconfigs").start().await.unwrap();
    let versions = async |group: &str| {
        let list = get(&cluster, "/apis").await.json;
        let found = list["groups"].as_array().unwrap().iter().find(|entry| entry["name"] == group).cloned();
        found.map(|found| found["versions"].as_array().unwrap().len())
    };
    assert_eq!(versions("monitoring.coreos.com").await, Some(1));
    assert_eq!(get(&cluster, "/apis/monitoring.coreos.com/v1alpha1/scrapeconfigs").await.status, 404);
    assert_eq!(get(&cluster, "/apis/monitoring.coreos.com/v1alpha1").await.status, 404);
    cluster.set_installed("scrapeconfigs", true);
    assert_eq!(versions("monitoring.coreos.com").await, Some(2));
    assert_eq!(get(&cluster, "/apis/monitoring.coreos.com/v1alpha1/scrapeconfigs").await.status, 200);
    let crds = get(&cluster, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions").await.json;
    assert_eq!(names(&crds).len(), 4);
    cluster.delete("customresourcedefinitions", "", "probes.monitoring.coreos.com");
    assert_eq!(get(&cluster, "/apis/monitoring.coreos.com/v1/probes").await.status, 404);
    for path in ["/version", "/livez", "/readyz", "/healthz", "/api", "/api/v1", "/apis/apps", "/openapi/v3"] {
        assert_eq!(get(&cluster, path).await.status, 200, "{path}");
    }
    for path in ["/", "/apis/nothing", "/api/v2/pods", "/api/v1/things", "/api/v1/namespaces/a/nodes"] {
        assert_eq!(get(&cluster, path).await.status, 404, "{path}");
    }
}
