//! TLS as a collector speaks it: it trusts one CA, and shows a certificate.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// PEM that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not PEM, or of something else.
    #[error("{what}: {why}")]
    Pem {
        /// What was to be read.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// No name of a server.
    #[error("{0:?} is no name a certificate could be for")]
    Name(String),
    /// Certificate and key do not go together.
    #[error("client certificate: {0}")]
    Client(#[source] rustls::Error),
}

/// The client's side.
pub struct ClientTls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A certificate chain and its key, as PEM.
#[derive(Clone, Default)]
pub struct Pair {
    /// The certificates, the own one first.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl ClientTls {
    /// Wants a certificate for `name` from a CA of `authorities` (PEM), and shows `client`.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn new(name: &str, authorities: &str, client: Option<&Pair>) -> Result<Self, TlsError> {
        let wrong = |what: &'static str| {
            move |error: rustls::pki_types::pem::Error| TlsError::Pem { what, why: error.to_string() }
        };
        let certificates = |what, pem: &str| -> Result<Vec<CertificateDer<'static>>, TlsError> {
            CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(wrong(what))
        };
        let mut roots = RootCertStore::empty();
        for authority in certificates("CA", authorities)? {
            roots.add(authority).map_err(|error| TlsError::Pem { what: "CA", why: error.to_string() })?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the default provider has the default versions")
            .with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).map_err(wrong("client key"))?;
                let chain = certificates("client certificate", &pair.certificate)?;
                builder.with_client_auth_cert(chain, key).map_err(TlsError::Client)?
            }
        };
        let name = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(name.to_owned()))?;
        Ok(ClientTls { connector: TlsConnector::from(Arc::new(config)), name })
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// The server's certificate is not trusted, or the connection broke.
    pub async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }

    /// The certificate a server shows now.
    ///
    /// # Errors
    /// As [`ClientTls::connect`], or nobody listens.
    pub async fn shown_by(&self, address: SocketAddr) -> io::Result<Vec<u8>> {
        let stream = self.connect(TcpStream::connect(address).await?).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        Ok(shown.map(|certificate| certificate.to_vec()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_named() {
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let pair = Pair { certificate: String::new(), key: "garbage".to_owned() };
        for (name, authorities, client, part) in [
            ("localhost", garbage, None, "CA"),
            ("localhost", "", Some(&pair), "client key"),
            ("", "", None, "no name"),
        ] {
            let error = ClientTls::new(name, authorities, client).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!(!format!("{pair:?}").contains("garbage"), "keys are not shown");
    }
}
