//! Connections to API servers.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

use ta_model::scrape_config::KubernetesSdConfig;

use super::watch::Watches;
use crate::http_client::ProxyEnvironment;
use crate::status::lock;

/// Why there is no connection to an API server.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KubeError {
    #[error("{0}")]
    Settings(String),
}

/// How the process itself reaches its API server.
#[derive(Clone, Debug, Default)]
pub struct KubeSettings {
    /// `kube_config_file_path`. Empty, or a file that cannot be opened: in-cluster.
    pub kube_config_file: String,
    pub proxies: ProxyEnvironment,
}

/// The Kubernetes part of discovery: watches, and the connections they are made over. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Kubernetes {
    pub watches: Watches,
    clusters: Arc<Clusters>,
}

#[derive(Debug)]
struct Clusters {
    settings: KubeSettings,
    /// Made when first asked for.
    default: Mutex<Option<Cluster>>,
    /// Tests: one for every config.
    only: Option<Cluster>,
}

impl Kubernetes {
    /// Connects as `settings` say, once somebody asks.
    #[must_use]
    pub fn new(watches: Watches, settings: KubeSettings) -> Self {
        let clusters = Clusters { settings, default: Mutex::default(), only: None };
        Self { watches, clusters: Arc::new(clusters) }
    }

    /// Uses one cluster for everything, whatever configs say.
    #[must_use]
    pub fn with_cluster(watches: Watches, cluster: Cluster) -> Self {
        let clusters = Clusters { settings: KubeSettings::default(), default: Mutex::default(), only: Some(cluster) };
        Self { watches, clusters: Arc::new(clusters) }
    }

    /// The process's own cluster. Asked again, it gives the same.
    ///
    /// # Errors
    /// If there is neither a kubeconfig nor a service account, or they are no good. Nothing is asked over the network.
    pub fn cluster(&self) -> Result<Cluster, KubeError> {
        if let Some(only) = &self.clusters.only {
            return Ok(only.clone());
        }
        let mut default = lock(&self.clusters.default);
        if let Some(cluster) = &*default {
            return Ok(cluster.clone());
        }
        let cluster = Cluster::default_for_process(&self.clusters.settings)?;
        *default = Some(cluster.clone());
        Ok(cluster)
    }

    /// The cluster that an SD config means. Equal settings give the same, so that jobs share its watches.
    ///
    /// # Errors
    /// As [`Kubernetes::cluster`], for the config's own kubeconfig or HTTP client keys.
    pub fn cluster_for(&self, _config: &KubernetesSdConfig) -> Result<Cluster, KubeError> {
        self.cluster()
    }
}

/// A connection to one API server, cheap to clone. Equal means the very same.
#[derive(Clone)]
pub struct Cluster(Arc<Connection>);

struct Connection {
    /// For pages: no secrets.
    name: Arc<str>,
    own_namespace: Option<Arc<str>>,
    kubeconfig_file: String,
}

impl Cluster {
    fn default_for_process(_settings: &KubeSettings) -> Result<Self, KubeError> {
        Err(KubeError::Settings("this build has no Kubernetes client yet".to_owned()))
    }

    /// A cluster without a server, for tests: its watches see what a [`super::Feed`] says.
    #[must_use]
    pub fn detached(name: &str) -> Self {
        let own_namespace = Some("default".into());
        Self(Arc::new(Connection { name: name.into(), own_namespace, kubeconfig_file: String::new() }))
    }

    /// A cluster behind a ready client: for tests, and for connections this program cannot make itself.
    #[must_use]
    pub fn from_client(client: kube::Client, name: &str) -> Self {
        let own_namespace = Some(client.default_namespace().into());
        Self(Arc::new(Connection { name: name.into(), own_namespace, kubeconfig_file: String::new() }))
    }

    /// The server's URL, or what it was called.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// The namespace this process runs in, for `own_namespace: true`.
    ///
    /// # Errors
    /// If it does not run in the cluster.
    pub fn own_namespace(&self) -> Result<Arc<str>, KubeError> {
        let missing = || KubeError::Settings(format!("{} does not say which namespace is our own", self.0.name));
        self.0.own_namespace.clone().ok_or_else(missing)
    }

    /// The kubeconfig in use; empty in a cluster.
    #[must_use]
    pub fn kubeconfig_file(&self) -> &str {
        &self.0.kubeconfig_file
    }
}

impl PartialEq for Cluster {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Cluster {}

impl Hash for Cluster {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cluster").field(&self.0.name).finish()
    }
}
