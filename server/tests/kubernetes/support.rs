//! A cluster with collectors in it, and the program beside it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use ta_loadgen::cluster::{ClusterBuilder, SimulatedCluster};
use ta_server::Environment;

use crate::program::Running;

/// Where the collectors are.
pub(crate) const NAMESPACE: &str = "obs";

/// A job with six targets that need no cluster.
pub(crate) const STATIC_JOB: &str = "\
config:
  scrape_configs:
  - job_name: fixed
    static_configs: [{targets: ['a:1', 'b:1', 'c:1', 'd:1', 'e:1', 'f:1']}]
";

/// A cluster, and a folder for what the program reads.
pub(crate) struct World {
    pub(crate) cluster: SimulatedCluster,
    pub(crate) dir: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(SimulatedCluster::builder()).await
    }

    pub(crate) async fn with(builder: ClusterBuilder) -> Self {
        Self { cluster: builder.start().await.unwrap(), dir: tempfile::tempdir().unwrap() }
    }

    /// Starts the program with collectors labelled `app=collector`, and `text` for the rest of its configuration.
    pub(crate) async fn start(&self, text: &str) -> Running {
        self.start_with_cap("50s", text).await
    }

    /// The same, waiting for no longer than `cap` with being ready.
    pub(crate) async fn start_with_cap(&self, cap: &str, text: &str) -> Running {
        let selector = "collector_selector: {matchLabels: {app: collector}}";
        self.start_in(&format!("readiness: {{cap: {cap}, job_cap: {cap}}}\n{selector}\n{text}"), &[]).await
    }

    /// The same without a selector, and with these variables.
    pub(crate) async fn start_in(&self, text: &str, env: &[(&str, &str)]) -> Running {
        let kubeconfig = self.cluster.kubeconfig(self.dir.path()).unwrap();
        let text =
            format!("kube_config_file_path: '{}'\ncollector_namespace: {NAMESPACE}\n{text}", kubeconfig.display());
        let env: Environment = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Running::start_in(self.dir.path(), &text, &env).await
    }

    /// Adds or changes a collector: ready on its node.
    pub(crate) fn collector(&self, name: &str, node: &str) {
        self.cluster.apply(mk_collector(name, node)).unwrap();
    }

    pub(crate) fn delete_pod(&self, name: &str) {
        assert!(self.cluster.delete("pods", NAMESPACE, name), "{name}");
    }
}

/// A collector's pod, ready.
pub(crate) fn mk_collector(name: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": NAMESPACE, "name": name, "labels": {"app": "collector"}},
        "spec": {"nodeName": node, "containers": [{"name": "otc", "image": "x"}]},
        "status": {"phase": "Running", "startTime": "2026-01-01T00:00:00Z", "podIP": "10.1.0.1", "conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    })
}

/// Now, as Kubernetes writes it: in whole seconds.
pub(crate) fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // 2026-01-01, and no test runs for more than a thousand years
    let (mut year, mut day) = (1970, days);
    let length = |year: u64| {
        if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) { 366 } else { 365 }
    };
    while day >= length(year) {
        day -= length(year);
        year += 1;
    }
    let months = [31, length(year) - 337, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= months[month] {
        day -= months[month];
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", month + 1, day + 1)
}

/// Every collector's share of `job`; each target in exactly one of them.
pub(crate) async fn shares(running: &Running, job: &str, collectors: &[&str]) -> Vec<usize> {
    let mut all = std::collections::BTreeSet::new();
    let mut sizes = Vec::new();
    for collector in collectors {
        let share = running.share(job, collector).await;
        sizes.push(share.len());
        for target in share {
            assert!(all.insert(target.clone()), "{target} is in two shares");
        }
    }
    sizes
}

/// Waits until the collectors of `job` are exactly these.
pub(crate) async fn wait_for_collectors(running: &Running, job: &str, collectors: &[&str]) {
    let path = format!("/jobs/{job}/targets");
    running
        .wait_for(&path, |status, body| {
            status == 200
                && serde_json::from_str::<Value>(body)
                    .unwrap()
                    .as_object()
                    .unwrap()
                    .keys()
                    .eq(collectors.iter().copied())
        })
        .await;
}
