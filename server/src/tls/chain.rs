//! Whether a chain of certificates leads from a client to a CA that is trusted: the rules of Go's
//! `Certificate.Verify` with `ExtKeyUsageClientAuth` (`crypto/x509/verify.go`), which is what upstream asks.
//!
//! ```text
//! client certificate ◄─signed by─ intermediates, as sent, in any order ◄─signed by─ one of ca_file_path
//! ```

use rustls::crypto::WebPkiSupportedAlgorithms;

use super::certificate::{CERT_SIGN, Certificate};
use super::der::Malformed;

/// How many signatures one client may have checked, as in Go: certificates of one name could otherwise be combined
/// endlessly.
const MAX_SIGNATURE_CHECKS: u32 = 100;

/// Why a client certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// DER that does not parse, or says what no certificate may say.
    #[error("the client sent a certificate that does not parse: {0}")]
    Malformed(String),
    #[error("the client certificate, or one above it, is not valid yet")]
    NotValidYet,
    #[error("the client certificate, or one above it, has expired")]
    Expired,
    #[error("no CA of https.ca_file_path has signed the client certificate")]
    UnknownIssuer,
    #[error("a signature in the chain of the client certificate is wrong")]
    BadSignature,
    #[error("a certificate in the chain is signed in a way that is not accepted (SHA-1, MD5, a short or unusual key)")]
    UnsupportedAlgorithm,
    #[error("a certificate in the chain of the client certificate may not sign others")]
    NotAuthority,
    #[error("there are more intermediates than a CA in the chain allows")]
    TooManyIntermediates,
    #[error("a certificate in the chain has a critical extension that is not understood")]
    UnhandledCriticalExtension,
    #[error("the client certificate may not be used by clients: its extended key usage, or its CA's, says otherwise")]
    NotForClients,
    #[error("{0}")]
    NameConstraints(String),
    #[error("the client sent too many certificates that could have signed each other")]
    TooManyChecks,
}

impl From<Malformed> for Rejection {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.0.to_owned())
    }
}

/// What place a certificate has in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Client,
    Intermediate,
    Root,
}

/// Looks for a chain from `client` to one of `roots` at `now` (seconds since 1970).
pub(super) fn verify(
    client: &Certificate,
    intermediates: &[Certificate],
    roots: &[Certificate],
    algorithms: &WebPkiSupportedAlgorithms,
    now: i64,
) -> Result<(), Rejection> {
    let mut search = Search { intermediates, roots, algorithms, now, checks: 0, hint: None };
    search.fits(client, Place::Client, &[])?;
    if roots.iter().any(|root| root.der == client.der) {
        return acceptable(&[client]);
    }
    match search.extend(&mut vec![client]) {
        true => Ok(()),
        false => Err(search.hint.unwrap_or(Rejection::UnknownIssuer)),
    }
}

struct Search<'a> {
    intermediates: &'a [Certificate],
    roots: &'a [Certificate],
    algorithms: &'a WebPkiSupportedAlgorithms,
    now: i64,
    checks: u32,
    /// What was wrong with the first candidate that had the right name.
    hint: Option<Rejection>,
}

impl<'a> Search<'a> {
    /// Whether `chain` can be brought to a root so that all of it is acceptable.
    fn extend(&mut self, chain: &mut Vec<&'a Certificate>) -> bool {
        let Some(child) = chain.last().copied() else { return false };
        let (roots, intermediates) = (self.roots, self.intermediates);
        let candidates = roots.iter().map(|root| (Place::Root, root));
        let candidates = candidates.chain(intermediates.iter().map(|one| (Place::Intermediate, one)));
        for (place, candidate) in candidates.filter(|(_, candidate)| candidate.subject == child.issuer) {
            self.checks += 1;
            if self.checks > MAX_SIGNATURE_CHECKS {
                self.hint = Some(Rejection::TooManyChecks);
                return false;
            }
            if is_in(candidate, chain) {
                continue;
            }
            let verdict = self.signed_by(child, candidate).and_then(|()| self.fits(candidate, place, chain));
            if let Err(rejection) = verdict {
                self.hint.get_or_insert(rejection);
                continue;
            }
            chain.push(candidate);
            let complete = match place {
                Place::Root => acceptable(chain).map_err(|rejection| self.hint.get_or_insert(rejection)).is_ok(),
                _ => self.extend(chain),
            };
            if complete {
                return true;
            }
            chain.pop();
        }
        false
    }

    /// Go: `CheckSignatureFrom`. A root of version 1 may sign: it cannot say that it is a CA.
    fn signed_by(&self, child: &Certificate, parent: &Certificate) -> Result<(), Rejection> {
        let is_ca = parent.basic.map_or(parent.version < 3, |basic| basic.ca);
        let may_sign = parent.key_usage.is_none_or(|usage| usage == 0 || usage & CERT_SIGN != 0);
        if !is_ca || !may_sign {
            return Err(Rejection::NotAuthority);
        }
        let (key_algorithm, key) = parent.public_key()?;
        let mut found = self.algorithms.all.iter().filter(|one| {
            *one.public_key_alg_id() == *key_algorithm && *one.signature_alg_id() == *child.signed.algorithm
        });
        let algorithm = found.next().ok_or(Rejection::UnsupportedAlgorithm)?;
        algorithm
            .verify_signature(key, &child.signed.message, &child.signed.signature)
            .map_err(|_| Rejection::BadSignature)
    }

    /// Go: `isValid`.
    fn fits(&self, certificate: &Certificate, place: Place, chain: &[&Certificate]) -> Result<(), Rejection> {
        if certificate.unhandled_critical {
            return Err(Rejection::UnhandledCriticalExtension);
        }
        if self.now < certificate.not_before {
            return Err(Rejection::NotValidYet);
        }
        if self.now > certificate.not_after {
            return Err(Rejection::Expired);
        }
        // for a root its being in the file is enough, where it is too old to say so itself
        if place == Place::Intermediate && !certificate.basic.is_some_and(|basic| basic.ca) {
            return Err(Rejection::NotAuthority);
        }
        let between = chain.len().saturating_sub(1) as u64;
        if certificate.basic.and_then(|basic| basic.path_length).is_some_and(|allowed| between > allowed) {
            return Err(Rejection::TooManyIntermediates);
        }
        Ok(())
    }
}

/// Go: `alreadyInChain`. CAs that have signed each other would make circles.
fn is_in(candidate: &Certificate, chain: &[&Certificate]) -> bool {
    let names = |one: &Certificate| one.alternative_names.as_ref().map(|(encoded, _)| encoded.clone());
    chain
        .iter()
        .any(|one| one.subject == candidate.subject && one.spki == candidate.spki && names(one) == names(candidate))
}

/// What is asked of a chain as a whole, from client to root.
fn acceptable(chain: &[&Certificate]) -> Result<(), Rejection> {
    // usages are nested: each certificate that names any must allow this one
    let for_clients = |one: &&Certificate| one.purposes.is_none_or(|purposes| purposes.any || purposes.client_auth);
    if !chain.iter().all(for_clients) {
        return Err(Rejection::NotForClients);
    }
    for (index, above) in chain.iter().enumerate() {
        let Some(constraints) = &above.constraints else { continue };
        for below in &chain[..index] {
            let Some((_, names)) = &below.alternative_names else { continue };
            constraints.check(names).map_err(Rejection::NameConstraints)?;
        }
    }
    Ok(())
}
