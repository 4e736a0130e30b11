//! The HTTPS listener, beside the plain one: its port, its files, and what follows them.

use anyhow::Context;
use ta_discovery::DirectoryWatcher;
use tokio::net::TcpListener;

use crate::address;
use crate::config;
use crate::http::Tls;
use crate::metrics::Metrics;
use crate::tasks::Tasks;
use crate::tls::{Files, Material, MaterialError};

/// Bound and ready to be served.
pub(crate) struct Https {
    listener: TcpListener,
    material: Material,
}

impl Https {
    /// Reads the files and binds the port; `None` where HTTPS is not enabled.
    ///
    /// # Errors
    /// A file cannot be used, or the port cannot be bound.
    pub(crate) async fn open(config: &config::Https, metrics: &Metrics) -> anyhow::Result<Option<Self>> {
        if !config.enabled {
            return Ok(None);
        }
        let material = Material::load(files(config), metrics.clone()).context("cannot serve HTTPS")?;
        let listener = address::listen(&config.listen_addr, "--listen-addr-https").await?;
        Ok(Some(Self { listener, material }))
    }

    /// Starts to follow the files. Gives what to accept from and with.
    pub(crate) fn start(self, watcher: DirectoryWatcher, tasks: &mut Tasks) -> (TcpListener, Tls) {
        // half the threads for handshakes: however many clients come back at once, polls and probes are answered
        let threads = tokio::runtime::Handle::current().metrics().num_workers() / 2;
        let tls = Tls::new(self.material.subscribe(), threads);
        tasks.essential("TLS files", self.material.follow(watcher));
        (self.listener, tls)
    }
}

fn files(config: &config::Https) -> Files {
    Files {
        ca: config.ca_file_path.clone().into(),
        certificate: config.tls_cert_file_path.clone().into(),
        key: config.tls_key_file_path.clone().into(),
    }
}

/// What is wrong with the files of `https` as they lie there now; nothing where HTTPS is not enabled.
pub(crate) fn check(config: &config::Https) -> Result<(), MaterialError> {
    if config.enabled { files(config).check() } else { Ok(()) }
}
