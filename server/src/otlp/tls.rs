//! TLS towards receivers: whom to believe, and who we are.

use std::fs;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, InconsistentKeys, RootCertStore};

use crate::tls::provider;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsFileError {
    #[error("{path} cannot be read: {error}")]
    Unreadable { path: String, error: std::io::Error },
    #[error("{path} holds no certificate that can be used; want PEM (BEGIN CERTIFICATE)")]
    NoCertificate { path: String },
    #[error("{path} holds no private key that can be used; want PEM (BEGIN PRIVATE KEY)")]
    NoKey { path: String },
    #[error("the key in {path} is not that of the certificate")]
    Mismatch { path: String },
}

/// What a connection to a receiver begins with.
#[derive(Clone, Debug)]
pub(super) struct ClientTls(ClientConfig);

impl ClientTls {
    /// Without `roots` the system's CAs are believed (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others).
    pub(super) fn new(roots: Option<RootCertStore>, own: Option<CertifiedKey>) -> Self {
        let system = || {
            let mut roots = RootCertStore::empty();
            // without any the handshake fails, and says so
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        };
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for the default versions")
            .with_root_certificates(roots.unwrap_or_else(system));
        Self(match own {
            Some(own) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own))),
            None => config.with_no_client_auth(),
        })
    }

    /// The configuration of connections that speak the first of `protocols` that the receiver knows.
    pub(super) fn speaking(&self, protocols: &[&[u8]]) -> ClientConfig {
        let mut config = self.0.clone();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        config
    }

    /// CAs from a file of PEM.
    pub(super) fn read_roots(path: &str) -> Result<RootCertStore, TlsFileError> {
        let mut roots = RootCertStore::empty();
        match roots.add_parsable_certificates(certificates(path)?) {
            (0, _) => Err(TlsFileError::NoCertificate { path: path.to_owned() }),
            _ => Ok(roots),
        }
    }

    /// A certificate with its chain, and its key.
    pub(super) fn read_own(certificate: &str, key: &str) -> Result<CertifiedKey, TlsFileError> {
        let no_key = || TlsFileError::NoKey { path: key.to_owned() };
        let der = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| no_key())?;
        let signer = provider().key_provider.load_private_key(der).map_err(|_| no_key())?;
        let own = CertifiedKey::new(certificates(certificate)?, signer);
        match own.keys_match() {
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                Err(TlsFileError::Mismatch { path: key.to_owned() })
            }
            _ => Ok(own), // of some kinds it cannot be told; then the receiver will
        }
    }
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let chain = CertificateDer::pem_slice_iter(&read(path)?).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if chain.is_empty() { Err(TlsFileError::NoCertificate { path: path.to_owned() }) } else { Ok(chain) }
}

fn read(path: &str) -> Result<Vec<u8>, TlsFileError> {
    fs::read(path).map_err(|error| TlsFileError::Unreadable { path: path.to_owned(), error })
}
