//! Certificate, key and CAs as files, and what the TLS server is made of.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use xxhash_rust::xxh3::xxh3_128;

use super::certificate::Certificate;
use super::provider;
use super::verifier::{ClientTrust, ClientVerifier};

/// The files of `https`.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Why files cannot be used. Says nothing of what is in a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MaterialError {
    #[error("{key} is not set: HTTPS needs https.ca_file_path, https.tls_cert_file_path and https.tls_key_file_path")]
    NotSet { key: &'static str },
    #[error("cannot read {key} {path}: {error}")]
    Unreadable { key: &'static str, path: String, error: String },
    #[error("https.ca_file_path {path}: no certificate that parses; want PEM (BEGIN CERTIFICATE)")]
    NoAuthority { path: String },
    #[error("https.tls_cert_file_path {path}: {reason}; want PEM (BEGIN CERTIFICATE), the server's own first")]
    BadCertificate { path: String, reason: &'static str },
    #[error(
        "https.tls_key_file_path {path}: no private key that can be used; want unencrypted PEM (PKCS#1, PKCS#8 or SEC1)"
    )]
    BadKey { path: String },
    /// While both are being replaced it is normal.
    #[error("https.tls_key_file_path {path}: the key does not belong to the certificate of https.tls_cert_file_path")]
    Mismatch { path: String },
}

/// The server's certificate with its key.
pub(super) struct Pair {
    certified: Arc<CertifiedKey>,
    /// End of the certificate's validity, seconds since 1970.
    pub(super) not_after: i64,
}

/// Bytes as read, and a hash of them: to tell a change without keeping a key about.
pub(super) struct Seen<const FILES: usize> {
    contents: [Vec<u8>; FILES],
    pub(super) hash: u128,
}

impl<const FILES: usize> Seen<FILES> {
    fn new(contents: [Vec<u8>; FILES]) -> Self {
        let hashes: Vec<u8> = contents.iter().flat_map(|bytes| xxh3_128(bytes).to_le_bytes()).collect();
        Self { contents, hash: xxh3_128(&hashes) }
    }
}

impl Files {
    /// Whether a server could be made of them now.
    pub(crate) fn check(&self) -> Result<(), MaterialError> {
        self.pair(&self.see_pair()?)?;
        self.trust(&self.see_trust()?).map(drop)
    }

    /// The directories to watch.
    pub(super) fn directories(&self) -> impl Iterator<Item = PathBuf> {
        [&self.ca, &self.certificate, &self.key].into_iter().map(|path| match path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        })
    }

    pub(super) fn see_pair(&self) -> Result<Seen<2>, MaterialError> {
        Ok(Seen::new([
            read("https.tls_cert_file_path", &self.certificate)?,
            read("https.tls_key_file_path", &self.key)?,
        ]))
    }

    pub(super) fn see_trust(&self) -> Result<Seen<1>, MaterialError> {
        Ok(Seen::new([read("https.ca_file_path", &self.ca)?]))
    }

    pub(super) fn pair(&self, seen: &Seen<2>) -> Result<Pair, MaterialError> {
        let [certificate, key] = &seen.contents;
        let bad = |reason| MaterialError::BadCertificate { path: shown(&self.certificate), reason };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| bad("a section of it is no PEM"))?;
        let own = chain.first().ok_or_else(|| bad("there is no certificate in it"))?;
        let own = Certificate::parse(own).map_err(|_| bad("the certificate does not parse"))?;
        let bad_key = || MaterialError::BadKey { path: shown(&self.key) };
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| bad_key())?;
        let key = provider().key_provider.load_private_key(key).map_err(|_| bad_key())?;
        // rustls would compare them too, but reads certificates of version 3 only
        if key.public_key().is_some_and(|spki| *spki != *own.spki) {
            return Err(MaterialError::Mismatch { path: shown(&self.key) });
        }
        Ok(Pair { certified: Arc::new(CertifiedKey::new(chain, key)), not_after: own.not_after })
    }

    pub(super) fn trust(&self, seen: &Seen<1>) -> Result<Arc<ClientTrust>, MaterialError> {
        let trust = ClientTrust::from_pem(&seen.contents[0]);
        trust.map(Arc::new).ok_or_else(|| MaterialError::NoAuthority { path: shown(&self.ca) })
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, MaterialError> {
    if path == Path::new("") {
        return Err(MaterialError::NotSet { key });
    }
    fs::read(path).map_err(|error| MaterialError::Unreadable { key, path: shown(path), error: error.to_string() })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// TLS 1.2 and 1.3; HTTP/2 and HTTP/1.1 as upstream offers them; every client is verified, at every connection: nothing
/// is kept by which a session could be resumed.
pub(super) fn server_config(pair: &Pair, trust: Arc<ClientTrust>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider has suites for both versions")
        .with_client_cert_verifier(Arc::new(ClientVerifier(trust)))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair.certified.clone())));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
}
