//! Connections: TLS and proxies, rebuilt when the files they come from change.

use std::time::Duration;

use reqwest::Client;
use ta_model::scrape_config::{ProxyConfig, TlsConfig};
use tokio::sync::Mutex;

use super::proxy::{ProxyEnvironment, ProxyRules};
use super::tls::{self, TlsMaterial};
use super::{HttpClientError, chain};

/// Time for TCP and TLS together (Prometheus gives TLS alone this long); the whole request is bounded by its caller.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// As Prometheus: connections of a provider that asks every minute stay open.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// A quiet HTTP/2 connection is pinged this often, so that a dead one is noticed.
const HTTP2_PING: Duration = Duration::from_secs(60);

/// Checks TLS and proxy keys as far as that needs no file.
pub(super) fn check(tls: &TlsConfig, proxy: &ProxyConfig) -> Result<(), HttpClientError> {
    tls::check(tls)?;
    ProxyRules::new(proxy, &ProxyEnvironment::default()).map(|_| ())
}

/// Makes clients, one for as long as its TLS files stay as they are.
#[derive(Debug)]
pub(super) struct Transport {
    tls: TlsConfig,
    proxy: Option<ProxyRules>,
    http2: bool,
    built: Mutex<Option<(TlsMaterial, Client)>>,
}

impl Transport {
    pub(super) fn new(
        tls: &TlsConfig,
        proxy: &ProxyConfig,
        http2: bool,
        environment: &ProxyEnvironment,
    ) -> Result<Self, HttpClientError> {
        let proxy = ProxyRules::new(proxy, environment)?;
        Ok(Self { tls: tls.clone(), proxy, http2, built: Mutex::new(None) })
    }

    /// The client for the TLS files as they are now.
    pub(super) async fn client(&self) -> Result<Client, HttpClientError> {
        let material = TlsMaterial::load(&self.tls).await?;
        let mut built = self.built.lock().await;
        if let Some((from, client)) = &*built
            && *from == material
        {
            return Ok(client.clone());
        }
        let client = self.build(&material)?;
        *built = Some((material, client.clone()));
        Ok(client)
    }

    fn build(&self, material: &TlsMaterial) -> Result<Client, HttpClientError> {
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls::client_config(&self.tls, material, self.http2)?)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            // The system's resolver, which follows /etc/hosts and resolv.conf as they change. hickory would read them
            // once per client, and ask public name servers if it could not.
            .no_hickory_dns()
            .no_proxy();
        builder = if self.http2 {
            builder.http2_keep_alive_interval(HTTP2_PING).http2_keep_alive_while_idle(true)
        } else {
            builder.http1_only()
        };
        for proxy in self.proxy.iter().flat_map(ProxyRules::reqwest_proxies) {
            builder = builder.proxy(proxy);
        }
        builder.build().map_err(|error| HttpClientError::Build(chain(&error)))
    }
}
