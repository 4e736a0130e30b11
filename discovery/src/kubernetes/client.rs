//! Connections to API servers, and which one is meant.

mod access;
mod transport;

use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use ta_model::scrape_config::{HttpClientConfig, KubernetesSdConfig};
use tokio::sync::Semaphore;

use super::watch::Watches;
use crate::http_client::ProxyEnvironment;
use crate::status::lock;
use access::Access;
use transport::Transport;

pub use access::{KubeSettings, ServiceAccount};
pub(super) use transport::{Accept, Answer};

/// Lists asked of one API server at the same time. Thousands of watches start together when a program starts or a
/// server comes back; each list is work for the server and holds a stream of objects here.
const LISTS_AT_ONCE: usize = 8;

/// Why there is no connection to an API server. No message shows a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KubeError {
    #[error(
        "KUBERNETES_SERVICE_HOST is not set, so this is no pod of a cluster{}; run in a cluster, or name a kubeconfig \
         with --kubeconfig-path", after(.kubeconfig)
    )]
    NotInCluster { kubeconfig: Option<String> },
    #[error("KUBERNETES_SERVICE_HOST={host:?} and KUBERNETES_SERVICE_PORT={port:?} make no address: {cause}")]
    Address { host: String, port: String, cause: String },
    #[error(
        "cannot read {path} of the service account: {cause}; give the pod one (automountServiceAccountToken: true)"
    )]
    ServiceAccount { path: PathBuf, cause: String },
    #[error("kubeconfig {path}: {cause}")]
    Kubeconfig { path: PathBuf, cause: String },
    #[error("api_server {url}: {cause}")]
    ApiServer { url: String, cause: String },
    #[error("own_namespace: {cluster} is not the cluster this program runs in; name namespaces instead")]
    OwnNamespace { cluster: Arc<str> },
}

fn after(kubeconfig: &Option<String>) -> String {
    kubeconfig.as_ref().map(|why| format!(", and there is no kubeconfig ({why})")).unwrap_or_default()
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
    /// Those in use.
    known: Mutex<Vec<(Identity, Weak<Connection>)>>,
    /// Tests: one for every config.
    only: Option<Cluster>,
}

/// What makes two connections the same.
#[derive(Clone, Debug, PartialEq)]
enum Identity {
    Access(Access),
    Server(String, Box<HttpClientConfig>),
}

impl Kubernetes {
    /// Connects as `settings` say, once somebody asks.
    #[must_use]
    pub fn new(watches: Watches, settings: KubeSettings) -> Self {
        let clusters = Clusters { settings, known: Mutex::default(), only: None };
        Self { watches, clusters: Arc::new(clusters) }
    }

    /// Uses one cluster for everything, whatever configs say.
    #[must_use]
    pub fn with_cluster(watches: Watches, cluster: Cluster) -> Self {
        let clusters = Clusters { settings: KubeSettings::default(), known: Mutex::default(), only: Some(cluster) };
        Self { watches, clusters: Arc::new(clusters) }
    }

    /// The process's own cluster: the kubeconfig of the settings, or the service account where that file cannot be
    /// opened (upstream: `internal/config/config.go`). Asked again, it gives the same.
    ///
    /// # Errors
    /// If there is neither, or they are no good. Files are read; nothing is asked over the network.
    pub fn cluster(&self) -> Result<Cluster, KubeError> {
        match &self.clusters.only {
            Some(only) => Ok(only.clone()),
            None => self.get(Identity::Access(self.clusters.settings.access()?)),
        }
    }

    /// The cluster that an SD config means: its kubeconfig, its `api_server`, the service account, or else the
    /// process's own. Equal settings give the same, so that jobs share its watches.
    ///
    /// # Errors
    /// As [`Kubernetes::cluster`], and for the config's own kubeconfig or HTTP client keys.
    pub fn cluster_for(&self, config: &KubernetesSdConfig) -> Result<Cluster, KubeError> {
        if self.clusters.only.is_some() {
            return self.cluster();
        }
        if !config.kubeconfig_file.is_empty() {
            return self.get(Identity::Access(Access::Kubeconfig(config.kubeconfig_file.clone().into())));
        }
        if !config.api_server.is_empty() {
            return self.get(Identity::Server(config.api_server.clone(), Box::new(config.http.clone())));
        }
        match self.clusters.settings.service_account.is_there() {
            true => self.get(Identity::Access(Access::InCluster(self.clusters.settings.service_account.clone()))),
            false => self.cluster(),
        }
    }

    fn get(&self, identity: Identity) -> Result<Cluster, KubeError> {
        let mut known = lock(&self.clusters.known);
        known.retain(|(_, connection)| connection.strong_count() > 0);
        let equal = known.iter().find(|(other, _)| *other == identity);
        if let Some(connection) = equal.and_then(|(_, connection)| connection.upgrade()) {
            return Ok(Cluster(connection));
        }
        let connection = match &identity {
            Identity::Access(access) => Connection::through(access.clone())?,
            Identity::Server(url, http) => Connection::to_server(url, http, &self.clusters.settings.proxies)?,
        };
        let connection = Arc::new(connection);
        known.push((identity, Arc::downgrade(&connection)));
        Ok(Cluster(connection))
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
    transport: Transport,
    lists: Arc<Semaphore>,
    /// The server said that it does not stream lists.
    no_streams: AtomicBool,
}

impl Connection {
    fn new(name: &str, transport: Transport) -> Self {
        Self {
            name: name.into(),
            own_namespace: None,
            kubeconfig_file: String::new(),
            transport,
            lists: Arc::new(Semaphore::new(LISTS_AT_ONCE)),
            no_streams: AtomicBool::new(false),
        }
    }

    fn through(access: Access) -> Result<Self, KubeError> {
        let config = access.config()?;
        let kubeconfig_file = access.kubeconfig_file();
        let own_namespace = access.own_namespace(&config).map(Into::into);
        let name = config.cluster_url.to_string();
        let transport = Transport::through(access);
        Ok(Self { own_namespace, kubeconfig_file, ..Self::new(name.trim_end_matches('/'), transport) })
    }

    fn to_server(url: &str, http: &HttpClientConfig, proxies: &ProxyEnvironment) -> Result<Self, KubeError> {
        let (name, transport) = Transport::to_server(url, http, proxies)?;
        Ok(Self::new(name.trim_end_matches('/'), transport))
    }
}

impl Cluster {
    /// A cluster without a server, for tests: its watches see what a [`super::Feed`] says.
    #[must_use]
    pub fn detached(name: &str) -> Self {
        let own_namespace = Some("default".into());
        Self(Arc::new(Connection { own_namespace, ..Connection::new(name, Transport::None) }))
    }

    /// A cluster behind a ready client, for tests.
    #[must_use]
    pub fn from_client(client: kube::Client, name: &str) -> Self {
        let own_namespace = Some(client.default_namespace().into());
        Self(Arc::new(Connection { own_namespace, ..Connection::new(name, Transport::Ready(client)) }))
    }

    /// The server's URL, or what it was called.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// The namespace this process runs in, for `own_namespace: true`; with a kubeconfig, that of its context.
    ///
    /// # Errors
    /// If neither says one.
    pub fn own_namespace(&self) -> Result<Arc<str>, KubeError> {
        let missing = || KubeError::OwnNamespace { cluster: self.0.name.clone() };
        self.0.own_namespace.clone().ok_or_else(missing)
    }

    /// The kubeconfig in use; empty in a cluster.
    #[must_use]
    pub fn kubeconfig_file(&self) -> &str {
        &self.0.kubeconfig_file
    }

    /// Whether there is a server to ask.
    pub(super) fn is_detached(&self) -> bool {
        matches!(self.0.transport, Transport::None)
    }

    /// Asks for `path` (with its query). The answer's body streams.
    pub(super) async fn get(&self, path: &str, accept: Accept) -> Result<Answer, String> {
        self.0.transport.get(path, accept).await
    }

    /// The server did not know us (401) when it gave an answer of `generation`: reads credentials anew, once for all
    /// who got that answer.
    pub(super) async fn renew(&self, generation: u64) {
        self.0.transport.renew(generation).await;
    }

    /// Permits to list.
    pub(super) fn lists(&self) -> &Arc<Semaphore> {
        &self.0.lists
    }

    pub(super) fn streams_lists(&self) -> bool {
        !self.0.no_streams.load(Ordering::Relaxed)
    }

    /// Notes that this server does not stream lists.
    pub(super) fn refuse_streams(&self) {
        if !self.0.no_streams.swap(true, Ordering::Relaxed) {
            tracing::debug!(cluster = %self.0.name, "the API server does not stream lists; they are asked for in pages");
        }
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
