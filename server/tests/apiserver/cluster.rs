//! A real etcd and kube-apiserver on loopback. No kubelet, no controllers: objects and their status are written as the
//! tests want them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::acceptance::{Running, arg, eventually, free_port};

/// The bearer token that may do everything.
const ADMIN: &str = "admin-token";
/// Where the allocator under test lives.
pub(crate) const NAMESPACE: &str = "observability";

/// The service account the allocator runs as, as RBAC calls it.
pub(crate) const SERVICE_ACCOUNT: &str = "target-allocator";

/// A control plane without nodes.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    etcd_port: u16,
    _etcd: Running,
    server: Option<Running>,
}

impl Cluster {
    /// Starts both programs and makes the allocator's namespace.
    pub(crate) fn start(folder: &Path) -> Self {
        let programs = programs();
        let (port, etcd_port, peer) = (free_port(), free_port(), free_port());
        let client = format!("http://127.0.0.1:{etcd_port}");
        let peer = format!("http://127.0.0.1:{peer}");
        let mut etcd = Command::new(programs.join("etcd"));
        etcd.arg(arg("--data-dir", folder.join("etcd")));
        etcd.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        etcd.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        etcd.args(["--initial-cluster", &format!("default={peer}"), "--unsafe-no-fsync"]);
        let etcd = Running::start(folder, "etcd", &mut etcd);
        std::fs::write(folder.join("tokens.csv"), format!("{ADMIN},admin,1,system:masters\n")).unwrap();
        let key = folder.join("sa.key");
        assert!(run(Command::new("openssl").args(["genrsa", "-out"]).arg(&key).arg("2048")));
        let mut cluster = Self { folder: folder.to_owned(), programs, port, etcd_port, _etcd: etcd, server: None };
        cluster.up();
        cluster.create("/api/v1/namespaces", &json!({"metadata": {"name": NAMESPACE}}));
        cluster
    }

    /// Starts the API server, after [`Cluster::down`] on the same port with the same data.
    pub(crate) fn up(&mut self) {
        let folder = &self.folder;
        let mut command = Command::new(self.programs.join("kube-apiserver"));
        command
            .arg(format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port))
            .arg(format!("--secure-port={}", self.port))
            .args(["--bind-address=127.0.0.1", "--service-cluster-ip-range=10.96.0.0/16"])
            .arg(arg("--cert-dir", folder.join("certificates")))
            .arg(arg("--token-auth-file", folder.join("tokens.csv")))
            .arg(arg("--service-account-key-file", folder.join("sa.key")))
            .arg(arg("--service-account-signing-key-file", folder.join("sa.key")))
            .args(["--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=RBAC"])
            // service accounts are made by a controller that does not run here
            .args(["--disable-admission-plugins=ServiceAccount", "--profiling=false"])
            // lists and watches come from etcd, so that a compaction there is seen by clients
            .arg("--watch-cache=false");
        self.server = Some(Running::start(folder, "kube-apiserver", &mut command));
        eventually("the API server is ready", || match self.call("GET", "/readyz", None) {
            (200, _) => Ok(()),
            (status, body) => Err(format!("{status} {body}")),
        });
    }

    /// Kills the API server; what it stored stays.
    pub(crate) fn down(&mut self) {
        self.server = None;
    }

    /// Does `work` while the API server listens at another port, so that the allocator does not reach it.
    pub(crate) fn elsewhere(&mut self, work: impl FnOnce(&Self)) {
        let port = std::mem::replace(&mut self.port, free_port());
        self.down();
        self.up();
        work(self);
        self.down();
        self.port = port;
        self.up();
    }

    /// Forgets the history of everything: who resumes from before is told 410.
    pub(crate) fn compact(&self) {
        let url = format!("http://127.0.0.1:{}/v3/kv", self.etcd_port);
        let post = |path: &str, body: Value| {
            let (status, answer) = curl("POST", &format!("{url}/{path}"), &[], Some(&body.to_string()));
            assert_eq!(status, 200, "{answer}");
            answer
        };
        let now = post("range", json!({"key": "AA=="}))["header"]["revision"].clone();
        post("compaction", json!({"revision": now, "physical": true}));
    }

    /// Status and body of a request as administrator.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let headers = [format!("Authorization: Bearer {ADMIN}"), format!("Content-Type: {kind}")];
        let body = body.map(Value::to_string);
        curl(method, &format!("https://127.0.0.1:{}{path}", self.port), &headers, body.as_deref())
    }

    /// Creates the object in the collection at `path`; its status too, if it has one.
    pub(crate) fn create(&self, path: &str, object: &Value) {
        let (status, answer) = self.call("POST", path, Some(object));
        assert_eq!(status, 201, "{path}: {answer}");
        if object.get("status").is_some() {
            let name = object["metadata"]["name"].as_str().unwrap();
            self.patch(&format!("{path}/{name}/status"), &json!({"status": object["status"]}));
        }
    }

    /// Merges `patch` into the object, or the subresource, at `path`.
    pub(crate) fn patch(&self, path: &str, patch: &Value) {
        let (status, answer) = self.call("PATCH", path, Some(patch));
        assert_eq!(status, 200, "{path}: {answer}");
    }

    /// Deletes the object at `path` at once, not waiting for a kubelet.
    pub(crate) fn delete(&self, path: &str) {
        let (status, answer) = self.call("DELETE", path, Some(&json!({"gracePeriodSeconds": 0})));
        assert!(status == 200 || status == 202, "{path}: {status} {answer}");
    }

    /// Installs the definitions of the prometheus-operator's resource `plural`.
    pub(crate) fn install(&self, plural: &str) {
        let text =
            std::fs::read_to_string(self.programs.join(format!("crds/monitoring.coreos.com_{plural}.yaml"))).unwrap();
        let headers = [format!("Authorization: Bearer {ADMIN}"), "Content-Type: application/yaml".to_owned()];
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let (status, answer) = curl("POST", &format!("https://127.0.0.1:{}{path}", self.port), &headers, Some(&text));
        assert_eq!(status, 201, "{answer}");
        let name = format!("{path}/{plural}.monitoring.coreos.com");
        eventually("the resource is served", || {
            let (_, object) = self.call("GET", &name, None);
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let established = conditions.iter().any(|one| one["type"] == "Established" && one["status"] == "True");
            established.then_some(()).ok_or_else(|| object["status"].to_string())
        });
    }

    /// Lets the allocator's service account get, list and watch: `rules` as a ClusterRole has them.
    pub(crate) fn grant(&self, name: &str, rules: &Value) {
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        self.create(&format!("{rbac}/clusterroles"), &json!({"metadata": {"name": name}, "rules": rules}));
        let binding = json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": NAMESPACE}],
        });
        self.create(&format!("{rbac}/clusterrolebindings"), &binding);
    }

    /// A kubeconfig by which the allocator logs in as its service account. The token is bound to a new secret named
    /// `secret`: it is worthless as soon as that is deleted.
    pub(crate) fn kubeconfig(&self, secret: &str) -> PathBuf {
        let accounts = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts");
        if self.call("GET", &format!("{accounts}/{SERVICE_ACCOUNT}"), None).0 == 404 {
            self.create(&accounts, &json!({"metadata": {"name": SERVICE_ACCOUNT}}));
        }
        self.write_token(secret);
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{}", self.port),
                "certificate-authority": self.folder.join("certificates/apiserver.crt"),
            }}],
            "users": [{"name": "allocator", "user": {"tokenFile": self.folder.join("token")}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "allocator"}}],
        });
        let file = self.folder.join("kubeconfig");
        std::fs::write(&file, config.to_string()).unwrap(); // JSON is YAML
        file
    }

    /// Puts another token, bound to the new secret `secret`, where the kubeconfig says it is.
    pub(crate) fn write_token(&self, secret: &str) {
        let secrets = format!("/api/v1/namespaces/{NAMESPACE}/secrets");
        self.create(&secrets, &json!({"metadata": {"name": secret}}));
        let request = json!({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": secret}}});
        let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{SERVICE_ACCOUNT}/token");
        let (status, answer) = self.call("POST", &path, Some(&request));
        assert_eq!(status, 201, "{answer}");
        std::fs::write(self.folder.join("token"), answer["status"]["token"].as_str().unwrap()).unwrap();
    }
}

fn programs() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/apiserver");
    let output = Command::new(script).stderr(Stdio::inherit()).output().expect("scripts/apiserver starts");
    assert!(output.status.success(), "scripts/apiserver failed");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

fn run(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

/// Status (0 if there is no answer) and body; `null` if that is not JSON.
fn curl(method: &str, url: &str, headers: &[String], body: Option<&str>) -> (u16, Value) {
    let mut command = Command::new("curl");
    command.args(["-sSk", "--max-time", "20", "-w", "\n%{http_code}", "-X", method, url]);
    for header in headers {
        command.args(["-H", header]);
    }
    if body.is_some() {
        command.args(["--data-binary", "@-"]);
    }
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("curl starts");
    child.stdin.take().unwrap().write_all(body.unwrap_or_default().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let (body, status) = text.rsplit_once('\n').unwrap_or_default();
    (status.trim().parse().unwrap_or(0), serde_json::from_str(body).unwrap_or(Value::Null))
}
