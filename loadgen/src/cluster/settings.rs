//! What a simulated cluster is started with.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::server::SimulatedCluster;

/// How a watch from before the window is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Expiry {
    /// Status 200 and an ERROR event, as servers with a watch cache do.
    #[default]
    InStream,
    /// Status 410.
    Http,
}

/// How much of the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Changes of each kind.
    pub changes: usize,
}

impl Default for Window {
    fn default() -> Self {
        Window { changes: 10_000 }
    }
}

/// Settings of a cluster, with the habits of a real server where nothing else is said.
#[derive(Debug, Clone)]
pub struct ClusterBuilder {
    pub(crate) port: u16,
    pub(crate) admin_port: u16,
    pub(crate) token: Option<String>,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    pub(crate) watch_list: bool,
    pub(crate) pages_at_zero: bool,
    pub(crate) expiry: Expiry,
    pub(crate) window: Window,
    pub(crate) bookmarks_every: Duration,
    pub(crate) watch_timeout: Duration,
    pub(crate) missing: BTreeSet<String>,
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        ClusterBuilder {
            port: 0,
            admin_port: 0,
            token: None,
            tls: None,
            watch_list: true,
            pages_at_zero: false,
            expiry: Expiry::default(),
            window: Window::default(),
            // a real server sends one about every minute
            bookmarks_every: Duration::from_secs(60),
            // --min-request-timeout of kube-apiserver; it adds up to as much again at random
            watch_timeout: Duration::from_secs(1800),
            missing: BTreeSet::new(),
        }
    }
}

impl ClusterBuilder {
    /// Port of the API on 127.0.0.1; 0 (the default) for any.
    pub fn port(self, port: u16) -> Self {
        ClusterBuilder { port, ..self }
    }

    /// Port of the admin pages on 127.0.0.1; 0 (the default) for any.
    pub fn admin_port(self, admin_port: u16) -> Self {
        ClusterBuilder { admin_port, ..self }
    }

    /// Accept this bearer token only. Default: no authentication.
    pub fn token(self, token: &str) -> Self {
        ClusterBuilder { token: Some(token.to_owned()), ..self }
    }

    /// Serve HTTPS, as a real server does. Default: plain HTTP. The admin pages are plain in any case.
    pub fn tls(self, config: Arc<rustls::ServerConfig>) -> Self {
        ClusterBuilder { tls: Some(config), ..self }
    }

    /// Whether `sendInitialEvents` is supported (default) or answered with 422, as by servers before it.
    pub fn watch_list(self, watch_list: bool) -> Self {
        ClusterBuilder { watch_list, ..self }
    }

    /// Whether `limit` holds with `resourceVersion=0`. A real server ignores it then, as the default does here.
    pub fn pages_at_zero(self, pages_at_zero: bool) -> Self {
        ClusterBuilder { pages_at_zero, ..self }
    }

    /// How a watch from before the window is refused.
    pub fn expiry(self, expiry: Expiry) -> Self {
        ClusterBuilder { expiry, ..self }
    }

    /// How many changes of each kind are kept for watches and pages.
    pub fn window(self, changes: usize) -> Self {
        ClusterBuilder { window: Window { changes }, ..self }
    }

    /// Time between bookmarks.
    pub fn bookmarks_every(self, bookmarks_every: Duration) -> Self {
        ClusterBuilder { bookmarks_every, ..self }
    }

    /// How long a watch without `timeoutSeconds` lasts.
    pub fn watch_timeout(self, watch_timeout: Duration) -> Self {
        ClusterBuilder { watch_timeout, ..self }
    }

    /// Start without this kind; see [`SimulatedCluster::set_installed`].
    pub fn without(mut self, plural: &str) -> Self {
        self.missing.insert(plural.to_owned());
        self
    }

    /// Starts to listen.
    ///
    /// # Errors
    /// A port cannot be bound.
    pub async fn start(self) -> io::Result<SimulatedCluster> {
        SimulatedCluster::start(self).await
    }
}
