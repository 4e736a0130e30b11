//! kubectl against the simulated server, where it is installed.

use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::{mk_cluster, mk_pod};

const MANIFESTS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: demo, labels: {app: web}}
spec:
  containers:
  - {name: c, image: "web:1", ports: [{containerPort: 80}]}
  - {name: d, image: "side:1"}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: sm, namespace: demo}
spec:
  selector: {matchLabels: {app: web}}
  endpoints: [{port: http}]
"#;

/// Runs kubectl; gives what it printed.
async fn kubectl(kubeconfig: &Path, arguments: &str, stdin: &str) -> String {
    let mut command = Command::new("kubectl");
    // its cache would go into the home directory
    command.arg("--cache-dir").arg(kubeconfig.with_file_name("cache")).arg("--kubeconfig").arg(kubeconfig);
    command.args(arguments.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(stdin.as_bytes()).await.unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "kubectl {arguments}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[tokio::test]
async fn kubectl_reads_applies_and_deletes() {
    if std::process::Command::new("kubectl").args(["version", "--client"]).output().is_err() {
        eprintln!("not tested: there is no kubectl on this machine");
        return;
    }
    let (cluster, directory) = (mk_cluster().await, tempfile::tempdir().unwrap());
    let kubeconfig = cluster.kubeconfig(directory.path()).unwrap();
    cluster.apply(mk_pod("demo", "other")).unwrap();

    let applied = kubectl(&kubeconfig, "apply -f -", MANIFESTS).await;
    assert!(applied.contains("pod/web created") && applied.contains("/sm created"), "{applied}");
    let again = MANIFESTS.replace("web:1", "web:2").replace("port: http", "port: https");
    let applied = kubectl(&kubeconfig, "apply -f -", &again).await;
    assert!(applied.contains("pod/web configured") && applied.contains("/sm configured"), "{applied}");
    let pod = cluster.get("pods", "demo", "web").unwrap();
    assert_eq!(pod["spec"]["containers"][0]["image"], "web:2");
    assert_eq!(pod["spec"]["containers"][0]["ports"][0]["containerPort"], 80, "containers are merged by name");
    assert_eq!(pod["spec"]["containers"][1]["image"], "side:1");

    let listed = kubectl(&kubeconfig, "get pods -A -l app=web -o wide", "").await;
    assert!(listed.lines().count() == 2 && listed.contains("demo") && listed.contains("0/2"), "{listed}");
    let named = kubectl(&kubeconfig, "get smon,po -n demo -o name", "").await;
    assert_eq!(named, "servicemonitor.monitoring.coreos.com/sm\npod/other\npod/web\n");
    kubectl(&kubeconfig, "label pod web -n demo app=db --overwrite", "").await;
    kubectl(&kubeconfig, "delete -f - --timeout=20s", MANIFESTS).await;
    assert_eq!(kubectl(&kubeconfig, "get pods -n demo -o name", "").await, "pod/other\n");
}
