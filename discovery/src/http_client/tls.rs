//! `tls_config` as a rustls client configuration.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use ta_model::scrape_config::TlsConfig;

use super::HttpClientError;
use super::credentials::{read_file, refuse_ref};

/// What the TLS keys and files say now. Holds a private key: no `Debug` of its content.
#[derive(PartialEq, Eq)]
pub(super) struct TlsMaterial {
    ca: Vec<u8>,
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl std::fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsMaterial").finish_non_exhaustive()
    }
}

impl TlsMaterial {
    pub(super) async fn load(config: &TlsConfig) -> Result<Self, HttpClientError> {
        Ok(Self {
            ca: inline_or_file("CA certificate", &config.ca, &config.ca_file).await?,
            cert: inline_or_file("client certificate", &config.cert, &config.cert_file).await?,
            key: inline_or_file("client key", config.key.reveal(), &config.key_file).await?,
        })
    }
}

async fn inline_or_file(what: &'static str, inline: &str, file: &str) -> Result<Vec<u8>, HttpClientError> {
    if !inline.is_empty() || file.is_empty() {
        return Ok(inline.as_bytes().to_vec());
    }
    read_file(what, file).await
}

/// Refuses what can never work.
pub(super) fn check(config: &TlsConfig) -> Result<(), HttpClientError> {
    refuse_ref("tls_config.ca_ref", &config.ca_ref)?;
    refuse_ref("tls_config.cert_ref", &config.cert_ref)?;
    refuse_ref("tls_config.key_ref", &config.key_ref)?;
    if !config.server_name.is_empty() {
        server_name(config)?;
    }
    versions(config).map(|_| ())
}

/// The rustls configuration for `config` with the bytes of `material`.
pub(super) fn client_config(
    config: &TlsConfig,
    material: &TlsMaterial,
    http2: bool,
) -> Result<ClientConfig, HttpClientError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions(config)?)
        .map_err(tls_error)?
        .dangerous()
        .with_custom_certificate_verifier(verifier(config, &material.ca)?);
    let mut tls = if material.cert.is_empty() {
        builder.with_no_client_auth()
    } else {
        builder.with_client_auth_cert(certificates(&material.cert)?, private_key(&material.key)?).map_err(tls_error)?
    };
    tls.alpn_protocols = if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    Ok(tls)
}

/// The one crypto provider of the program.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())).clone()
}

/// TLS 1.0 and 1.1 are known but not spoken: a minimum below 1.2 means 1.2, a maximum below it is refused.
fn versions(config: &TlsConfig) -> Result<Vec<&'static SupportedProtocolVersion>, HttpClientError> {
    let number = |text: &str, default| match text {
        "" => Ok(default),
        "TLS10" => Ok(0),
        "TLS11" => Ok(1),
        "TLS12" => Ok(2),
        "TLS13" => Ok(3),
        other => Err(HttpClientError::Tls(format!("unknown TLS version: {other}"))),
    };
    let (min, max) = (number(&config.min_version, 2)?, number(&config.max_version, 3)?);
    let spoken = [(2, &rustls::version::TLS12), (3, &rustls::version::TLS13)];
    let versions: Vec<_> =
        spoken.into_iter().filter(|(v, _)| (min..=max).contains(v)).map(|(_, version)| version).collect();
    if versions.is_empty() {
        let text = "min_version and max_version leave no version that is spoken here (TLS12 and TLS13)";
        return Err(HttpClientError::Tls(text.to_owned()));
    }
    Ok(versions)
}

fn verifier(config: &TlsConfig, ca: &[u8]) -> Result<Arc<dyn ServerCertVerifier>, HttpClientError> {
    let trust = match ca {
        _ if config.insecure_skip_verify => return Ok(Arc::new(Verifier { trust: Trust::Anyone, name: None })),
        [] => system_trust(),
        ca => Trust::pinned(certificates(ca)?)?,
    };
    let name = if config.server_name.is_empty() { None } else { Some(server_name(config)?) };
    Ok(Arc::new(Verifier { trust, name }))
}

/// The system's CA bundle: about 150 certificates, so parsed once and shared by all clients.
fn system_trust() -> Trust {
    static TRUST: OnceLock<Trust> = OnceLock::new();
    let trust = TRUST.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        let causes: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        Trust::roots(roots, &causes)
    });
    trust.clone()
}

fn webpki(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, rustls::client::VerifierBuilderError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build()
}

fn server_name(config: &TlsConfig) -> Result<ServerName<'static>, HttpClientError> {
    ServerName::try_from(config.server_name.clone())
        .map_err(|_| HttpClientError::Tls(format!("server_name {:?} is neither host name nor IP", config.server_name)))
}

/// The certificates of a PEM text; other sections are passed over, as Go does.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, HttpClientError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(HttpClientError::Tls("no PEM certificate where one was expected".to_owned())),
        Err(error) => Err(HttpClientError::Tls(format!("bad PEM certificate: {error}"))),
    }
}

pub(super) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, HttpClientError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| HttpClientError::Tls(format!("bad PEM private key: {error}")))
}

fn tls_error(error: rustls::Error) -> HttpClientError {
    HttpClientError::Tls(error.to_string())
}

/// Whose certificates are good.
#[derive(Clone, Debug)]
enum Trust {
    /// Those the roots vouch for.
    Roots(Arc<WebPkiServerVerifier>),
    /// Those the CA certificates given vouch for, and those certificates themselves: a self-signed server certificate
    /// may be its own `ca_file`, as Go has it (webpki alone refuses a certificate that calls itself a CA).
    Pinned { webpki: Arc<WebPkiServerVerifier>, pinned: Arc<[CertificateDer<'static>]> },
    /// `insecure_skip_verify`: any certificate will do; that the peer holds its key is still checked.
    Anyone,
    /// There is nothing to verify by. A system without a CA bundle (an empty image) can still ask plain HTTP servers,
    /// so the want shows only in a handshake.
    Nobody(String),
}

impl Trust {
    fn roots(roots: RootCertStore, causes: &[String]) -> Self {
        if roots.is_empty() {
            return Self::Nobody(format!("no CA certificate on this system {causes:?}; set ca_file"));
        }
        webpki(roots).map_or_else(|error| Self::Nobody(error.to_string()), Self::Roots)
    }

    fn pinned(pinned: Vec<CertificateDer<'static>>) -> Result<Self, HttpClientError> {
        let mut roots = RootCertStore::empty();
        for certificate in &pinned {
            roots.add(certificate.clone()).map_err(tls_error)?;
        }
        let webpki = webpki(roots).map_err(|error| HttpClientError::Tls(error.to_string()))?;
        Ok(Self::Pinned { webpki, pinned: pinned.into() })
    }
}

/// Verifies a server by its certificate.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    /// `server_name`: the certificate must be for this name, whatever host the URL says. (SNI still names that host.)
    name: Option<ServerName<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let name = self.name.as_ref().unwrap_or(name);
        match &self.trust {
            Trust::Anyone => Ok(ServerCertVerified::assertion()),
            Trust::Nobody(why) => Err(rustls::Error::General(why.clone())),
            Trust::Roots(webpki) => webpki.verify_server_cert(end_entity, intermediates, name, ocsp, now),
            Trust::Pinned { webpki, pinned } => {
                let verdict = webpki.verify_server_cert(end_entity, intermediates, name, ocsp, now);
                let Err(rustls::Error::InvalidCertificate(CertificateError::Other(_))) = verdict else {
                    return verdict;
                };
                if !pinned.iter().any(|pinned| pinned == end_entity) {
                    return verdict;
                }
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_any_ca_a_client_can_be_built_and_only_a_handshake_fails() {
        let trust = Trust::roots(RootCertStore::empty(), &["no such file".to_owned()]);
        let verifier = Verifier { trust, name: None };
        let name = ServerName::try_from("example.com").unwrap();
        let certificate = CertificateDer::from(vec![0]);
        let refused = verifier.verify_server_cert(&certificate, &[], &name, &[], UnixTime::now()).unwrap_err();
        assert!(
            refused.to_string().contains("no CA certificate on this system [\"no such file\"]; set ca_file"),
            "{refused}"
        );
    }
}
