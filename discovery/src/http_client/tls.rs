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
    if config.insecure_skip_verify {
        return Ok(Arc::new(NoVerifier { refusal: None }));
    }
    let verifier: Arc<dyn ServerCertVerifier> =
        if ca.is_empty() { system_verifier() } else { Arc::new(PinningVerifier::new(certificates(ca)?)?) };
    if config.server_name.is_empty() {
        return Ok(verifier);
    }
    Ok(Arc::new(NameVerifier { verifier, name: server_name(config)? }))
}

/// The system's CA bundle: about 150 certificates, so parsed once and shared by all clients.
///
/// A system without one (an empty image) can still ask plain HTTP servers, so the want shows only in a handshake.
fn system_verifier() -> Arc<dyn ServerCertVerifier> {
    static VERIFIER: OnceLock<Arc<dyn ServerCertVerifier>> = OnceLock::new();
    let verifier = VERIFIER.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        let causes: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        trusting(roots, &causes)
    });
    verifier.clone()
}

fn trusting(roots: RootCertStore, causes: &[String]) -> Arc<dyn ServerCertVerifier> {
    let refuse = |text| Arc::new(NoVerifier { refusal: Some(text) });
    if roots.is_empty() {
        return refuse(format!("no CA certificate on this system {causes:?}; set ca_file"));
    }
    match webpki(roots) {
        Ok(verifier) => verifier,
        Err(error) => refuse(error.to_string()),
    }
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

/// Trusts the CA certificates given, and those certificates themselves: a self-signed server certificate may be its
/// own `ca_file`, as Go has it (webpki alone refuses a certificate that calls itself a CA).
#[derive(Debug)]
struct PinningVerifier {
    webpki: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
}

impl PinningVerifier {
    fn new(pinned: Vec<CertificateDer<'static>>) -> Result<Self, HttpClientError> {
        let mut roots = RootCertStore::empty();
        for certificate in &pinned {
            roots.add(certificate.clone()).map_err(tls_error)?;
        }
        let webpki = webpki(roots).map_err(|error| HttpClientError::Tls(error.to_string()))?;
        Ok(Self { webpki, pinned })
    }
}

impl ServerCertVerifier for PinningVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.webpki.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        let Err(rustls::Error::InvalidCertificate(CertificateError::Other(_))) = verdict else { return verdict };
        if !self.pinned.iter().any(|pinned| pinned == end_entity) {
            return verdict;
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// `server_name`: the certificate must be for this name, whatever host the URL says. (SNI still names the URL's host.)
#[derive(Debug)]
struct NameVerifier {
    verifier: Arc<dyn ServerCertVerifier>,
    name: ServerName<'static>,
}

impl ServerCertVerifier for NameVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verifier.verify_server_cert(end_entity, intermediates, &self.name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Looks at no certificate. `insecure_skip_verify`: any will do (that the peer holds its key is still checked). With a
/// refusal, none will: there is nothing to verify it by.
#[derive(Debug)]
struct NoVerifier {
    refusal: Option<String>,
}

impl ServerCertVerifier for NoVerifier {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.refusal {
            None => Ok(ServerCertVerified::assertion()),
            Some(refusal) => Err(rustls::Error::General(refusal.clone())),
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
        let verifier = trusting(RootCertStore::empty(), &["no such file".to_owned()]);
        let name = ServerName::try_from("example.com").unwrap();
        let certificate = CertificateDer::from(vec![0]);
        let refused = verifier.verify_server_cert(&certificate, &[], &name, &[], UnixTime::now()).unwrap_err();
        assert!(
            refused.to_string().contains("no CA certificate on this system [\"no such file\"]; set ca_file"),
            "{refused}"
        );
    }
}
