//! Certificates and keys: well formed, and made for each other (Go: `crypto/tls.X509KeyPair`, as far as that needs no
//! arithmetic).
//!
//! A private key usually holds its public half, which is compared with the certificate's. An Ed25519 key, or an elliptic
//! curve key stored without it, is only checked for its type: a mismatch there shows when the collector connects.

use super::base64;

/// The content of one PEM block.
struct Block {
    label: String,
    der: Vec<u8>,
}

/// Checks that the first block of `text` is an X.509 certificate; later ones are not looked at.
pub(crate) fn check_certificate(text: &str) -> Result<(), &'static str> {
    let block = blocks(text).next().ok_or("no PEM block found")?;
    Certificate::parse(&block.der).map(drop).ok_or("the first PEM block is no X.509 certificate")
}

/// Checks that `cert` and `key` are a pair.
pub(crate) fn check_pair(cert: &str, key: &str) -> Result<(), String> {
    let cert = blocks(cert).find(|block| block.label == "CERTIFICATE");
    let cert = cert.ok_or("cert: no PEM block of type CERTIFICATE found")?;
    let certificate = Certificate::parse(&cert.der).ok_or("cert: not an X.509 certificate")?;
    let key = blocks(key).find(|block| block.label == "PRIVATE KEY" || block.label.ends_with(" PRIVATE KEY"));
    let key = key.ok_or("keySecret: no PEM block of a private key found")?;
    let key = PrivateKey::parse(&key.der).ok_or("keySecret: not a private key that Go reads")?;
    let same_type = key.algorithm == certificate.algorithm;
    if same_type && key.public.is_none_or(|public| public == certificate.public) {
        return Ok(());
    }
    Err("cert and keySecret are not a pair: the private key does not match the public key".into())
}

/// The well-formed blocks of a text.
fn blocks(text: &str) -> impl Iterator<Item = Block> {
    const BEGIN: &str = "-----BEGIN ";
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find(BEGIN)?;
            let after = &rest[start + BEGIN.len()..];
            rest = after;
            let Some((label, body)) = after.split_once("-----") else { continue };
            let Some(end) = body.find(&format!("-----END {label}-----")) else { continue };
            rest = &body[end..];
            // headers are lines with a colon
            let lines = body[..end].lines().filter(|line| !line.contains(':')).map(str::trim);
            let Some(der) = base64::decode(&lines.collect::<String>()) else { continue };
            return Some(Block { label: label.to_owned(), der });
        }
    })
}

/// Tags of DER.
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// A reader of DER elements.
struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    /// The content of the next element if its tag is `tag`.
    fn take(&mut self, tag: u8) -> Option<&'d [u8]> {
        self.0.first().filter(|found| **found == tag)?;
        self.next().map(|(_, content)| content)
    }

    fn next(&mut self) -> Option<(u8, &'d [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// `None` unless everything was read.
    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ELLIPTIC_CURVE: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// What of a certificate matters here.
struct Certificate<'d> {
    algorithm: &'d [u8],
    /// The modulus of an RSA key, else the key's bits.
    public: &'d [u8],
}

impl<'d> Certificate<'d> {
    fn parse(der: &'d [u8]) -> Option<Self> {
        let mut whole = Der(der);
        let mut certificate = Der(whole.take(SEQUENCE)?);
        whole.end()?;
        let mut signed = Der(certificate.take(SEQUENCE)?);
        certificate.take(SEQUENCE)?; // signature algorithm
        certificate.take(BIT_STRING)?;
        certificate.end()?;
        signed.take(0xa0); // version, absent in v1
        signed.take(INTEGER)?; // serial number
        for _ in ["signature algorithm", "issuer", "validity", "subject"] {
            signed.take(SEQUENCE)?;
        }
        let mut key_info = Der(signed.take(SEQUENCE)?);
        let algorithm = Der(key_info.take(SEQUENCE)?).take(OBJECT_ID)?;
        let bits = key_info.take(BIT_STRING)?.strip_prefix(&[0])?;
        let public = if algorithm == RSA { Der(Der(bits).take(SEQUENCE)?).take(INTEGER)? } else { bits };
        Some(Self { algorithm, public })
    }
}

/// What of a private key matters here.
struct PrivateKey<'d> {
    algorithm: &'d [u8],
    public: Option<&'d [u8]>,
}

impl<'d> PrivateKey<'d> {
    /// PKCS #8, PKCS #1 or SEC 1, whatever the label says.
    fn parse(der: &'d [u8]) -> Option<Self> {
        let mut whole = Der(der);
        let mut key = Der(whole.take(SEQUENCE)?);
        whole.end()?;
        key.take(INTEGER)?; // version
        match *key.0.first()? {
            SEQUENCE => {
                let algorithm = Der(key.take(SEQUENCE)?).take(OBJECT_ID)?;
                let inner = key.take(OCTET_STRING)?;
                match algorithm {
                    RSA | ELLIPTIC_CURVE => Self::parse_inner(inner).filter(|key| key.algorithm == algorithm),
                    _ => Some(Self { algorithm, public: None }),
                }
            }
            _ => Self::parse_inner(der),
        }
    }

    fn parse_inner(der: &'d [u8]) -> Option<Self> {
        let mut key = Der(Der(der).take(SEQUENCE)?);
        key.take(INTEGER)?; // version
        if let Some(modulus) = key.take(INTEGER) {
            return Some(Self { algorithm: RSA, public: Some(modulus) });
        }
        key.take(OCTET_STRING)?;
        key.take(0xa0); // parameters
        let public = key.take(0xa1).and_then(|content| Der(content).take(BIT_STRING)?.strip_prefix(&[0]));
        Some(Self { algorithm: ELLIPTIC_CURVE, public })
    }
}
