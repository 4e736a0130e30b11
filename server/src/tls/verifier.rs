//! Who may connect: rustls asks here at every handshake.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme};

use super::certificate::Certificate;
use super::chain::{self, Rejection};
use super::provider;

/// The CAs that clients may come from: a PEM file's certificates.
#[derive(Debug)]
pub struct ClientTrust {
    roots: Vec<Certificate>,
    algorithms: WebPkiSupportedAlgorithms,
    /// Sections of the file that could not be used.
    pub(super) skipped: usize,
}

impl ClientTrust {
    /// Takes every certificate of `pem` that parses, as Go does. `None` if there is none.
    #[must_use]
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        let (mut roots, mut skipped) = (Vec::new(), 0);
        for section in CertificateDer::pem_slice_iter(pem) {
            match section.ok().and_then(|der| Certificate::parse(&der).ok()) {
                Some(root) => roots.push(root),
                None => skipped += 1,
            }
        }
        let algorithms = provider().signature_verification_algorithms;
        (!roots.is_empty()).then_some(Self { roots, algorithms, skipped })
    }

    /// How many CAs there are.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.roots.len()
    }

    /// Whether a chain leads from `client` over `intermediates` (in any order) to one of the CAs at `now`, in seconds
    /// since 1970. All DER.
    ///
    /// # Errors
    /// Why there is none.
    pub fn verify(&self, client: &[u8], intermediates: &[&[u8]], now: u64) -> Result<(), Rejection> {
        let client = Certificate::parse(client)?;
        let intermediates: Vec<_> =
            intermediates.iter().map(|der| Certificate::parse(der)).collect::<Result<_, _>>()?;
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        chain::verify(&client, &intermediates, &self.roots, &self.algorithms, now)
    }
}

/// rustls' own verifier takes certificates of version 3 only; this one takes what upstream, being Go, takes.
#[derive(Debug)]
pub(super) struct ClientVerifier(pub(super) Arc<ClientTrust>);

impl ClientCertVerifier for ClientVerifier {
    /// No hints, as upstream: a client that is told which CAs are wanted may think it has nothing to offer.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        client: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let intermediates: Vec<&[u8]> = intermediates.iter().map(AsRef::as_ref).collect();
        self.0.verify(client, &intermediates, now.as_secs()).map_err(to_rustls)?;
        Ok(ClientCertVerified::assertion())
    }

    /// In TLS 1.2 a scheme does not fix the curve.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let client = Certificate::parse(certificate).map_err(|error| to_rustls(error.into()))?;
        let (key_algorithm, key) = client.public_key().map_err(|error| to_rustls(error.into()))?;
        let schemes = self.0.algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
        let mut algorithms = schemes.flat_map(|(_, algorithms)| algorithms.iter());
        let algorithm = algorithms.find(|one| *one.public_key_alg_id() == *key_algorithm);
        let algorithm = algorithm.ok_or_else(|| to_rustls(Rejection::UnsupportedAlgorithm))?;
        match algorithm.verify_signature(key, message, signed.signature()) {
            Ok(()) => Ok(HandshakeSignatureValid::assertion()),
            Err(_) => Err(CertificateError::BadSignature.into()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let client = Certificate::parse(certificate).map_err(|error| to_rustls(error.into()))?;
        let spki = SubjectPublicKeyInfoDer::from(&client.spki[..]);
        verify_tls13_signature_with_raw_key(message, &spki, signed, &self.0.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.algorithms.supported_schemes()
    }
}

/// The alert that the client gets says as much as rustls can say; our log says all of it, see [`rejection_of`].
fn to_rustls(rejection: Rejection) -> Error {
    let error = match rejection {
        Rejection::Malformed(_) => CertificateError::BadEncoding,
        Rejection::NotValidYet => CertificateError::NotValidYet,
        Rejection::Expired => CertificateError::Expired,
        Rejection::UnknownIssuer => CertificateError::UnknownIssuer,
        Rejection::BadSignature => CertificateError::BadSignature,
        Rejection::UnhandledCriticalExtension => CertificateError::UnhandledCriticalExtension,
        Rejection::NotForClients => CertificateError::InvalidPurpose,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    };
    Error::InvalidCertificate(error)
}

/// What is to be said of a failed handshake; `None` if it did not fail for the client's certificate.
pub(crate) fn rejection_of(error: &Error) -> Option<String> {
    let Error::InvalidCertificate(error) = error else { return None };
    let rejection = match error {
        CertificateError::BadEncoding => "the client sent a certificate that does not parse".to_owned(),
        CertificateError::NotValidYet => Rejection::NotValidYet.to_string(),
        CertificateError::Expired => Rejection::Expired.to_string(),
        CertificateError::UnknownIssuer => Rejection::UnknownIssuer.to_string(),
        CertificateError::UnhandledCriticalExtension => Rejection::UnhandledCriticalExtension.to_string(),
        CertificateError::InvalidPurpose => Rejection::NotForClients.to_string(),
        CertificateError::Other(OtherError(other)) => other.to_string(),
        other => other.to_string(),
    };
    Some(rejection)
}
