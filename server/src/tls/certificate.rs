//! One certificate, with what verifying a chain asks of it. The structure is read by x509-parser; the bodies of
//! extensions here, strictly, as a constraint that is overlooked is a door left open.

use x509_parser::certificate::X509CertificateParser;
use x509_parser::extensions::X509Extension;
use x509_parser::nom::Parser;

use super::der::{BIT_STRING, BOOLEAN, Der, INTEGER, Malformed, OID, SEQUENCE, octets};
use super::names::{Constraints, Name, read_names};

/// A parsed certificate of any version. Times are seconds since 1970.
#[derive(Debug)]
pub(super) struct Certificate {
    /// All of it.
    pub(super) der: Vec<u8>,
    /// 1 to 3.
    pub(super) version: u32,
    /// Distinguished names as they are encoded, which is how they are compared.
    pub(super) subject: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    /// `SubjectPublicKeyInfo`, whole.
    pub(super) spki: Vec<u8>,
    pub(super) signed: Signed,
    pub(super) basic: Option<BasicConstraints>,
    /// Bits as RFC 5280 numbers them; `None` = all.
    pub(super) key_usage: Option<u16>,
    /// `None` = for anything.
    pub(super) purposes: Option<Purposes>,
    /// The extension as encoded, and read.
    pub(super) alternative_names: Option<(Vec<u8>, Vec<Name>)>,
    pub(super) constraints: Option<Constraints>,
    /// There is a critical extension nobody here understands.
    pub(super) unhandled_critical: bool,
}

/// What was signed, how, and the signature.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) message: Vec<u8>,
    /// The content of the `AlgorithmIdentifier`.
    pub(super) algorithm: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// `BasicConstraints`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BasicConstraints {
    pub(super) ca: bool,
    /// How many intermediates may come between this certificate and the last one.
    pub(super) path_length: Option<u64>,
}

/// `ExtKeyUsage`, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Purposes {
    pub(super) any: bool,
    pub(super) client_auth: bool,
}

/// `keyCertSign`.
pub(super) const CERT_SIGN: u16 = 1 << 5;

impl Certificate {
    /// Reads DER.
    pub(super) fn parse(der: &[u8]) -> Result<Self, Malformed> {
        let malformed = || Malformed("certificate");
        let (rest, parsed) =
            X509CertificateParser::new().with_deep_parse_extensions(false).parse(der).map_err(|_| malformed())?;
        let version = parsed.version().0 + 1;
        let same_algorithm = parsed.tbs_certificate.signature == parsed.signature_algorithm;
        let negative = parsed.raw_serial().first().is_none_or(|byte| byte & 0x80 != 0);
        if !rest.is_empty() || version > 3 || !same_algorithm || negative {
            return Err(malformed());
        }
        if version < 3 && !parsed.extensions().is_empty() {
            return Err(Malformed("certificate: extensions, but not of version 3"));
        }
        let mut certificate = Self {
            der: der.to_vec(),
            version,
            subject: parsed.subject().as_raw().to_vec(),
            issuer: parsed.issuer().as_raw().to_vec(),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            spki: parsed.public_key().raw.to_vec(),
            signed: Signed::read(der)?,
            basic: None,
            key_usage: None,
            purposes: None,
            alternative_names: None,
            constraints: None,
            unhandled_critical: false,
        };
        certificate.public_key()?;
        let extensions = parsed.extensions();
        for (index, extension) in extensions.iter().enumerate() {
            if extensions[..index].iter().any(|earlier| earlier.oid == extension.oid) {
                return Err(Malformed("certificate: an extension comes twice"));
            }
            let handled = certificate.extension(extension)?;
            certificate.unhandled_critical |= extension.critical && !handled;
        }
        Ok(certificate)
    }

    /// Takes in one extension; false if it says something that nobody here acts on. Go: `processExtensions`.
    fn extension(&mut self, extension: &X509Extension<'_>) -> Result<bool, Malformed> {
        let value = extension.value;
        match extension.oid.as_bytes() {
            // these three must not be critical
            AUTHORITY_KEY_ID | SUBJECT_KEY_ID | AUTHORITY_INFO_ACCESS if extension.critical => {
                return Err(Malformed("certificate: an extension that must not be critical is"));
            }
            AUTHORITY_KEY_ID | SUBJECT_KEY_ID | AUTHORITY_INFO_ACCESS | CRL_POINTS | POLICIES => {}
            KEY_USAGE => self.key_usage = Some(read_key_usage(value)?),
            BASIC_CONSTRAINTS => self.basic = Some(BasicConstraints::read(value)?),
            EXTENDED_KEY_USAGE => self.purposes = Purposes::read(value)?,
            ALTERNATIVE_NAMES => {
                let names = read_names(value)?;
                let understood = !names.is_empty();
                self.alternative_names = Some((value.to_vec(), names));
                return Ok(understood);
            }
            NAME_CONSTRAINTS => {
                let constraints = Constraints::read(value)?;
                let understood = !constraints.unhandled;
                self.constraints = Some(constraints);
                return Ok(understood);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Algorithm (the content of its `AlgorithmIdentifier`) and bytes of the public key.
    pub(super) fn public_key(&self) -> Result<(&[u8], &[u8]), Malformed> {
        let mut spki = Der::new(&self.spki, "public key").inside(SEQUENCE)?;
        let algorithm = spki.take(SEQUENCE)?;
        let key = octets(spki.take(BIT_STRING)?, "public key")?;
        Ok((algorithm, key))
    }
}

const AUTHORITY_INFO_ACCESS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 14];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
const CRL_POINTS: &[u8] = &[0x55, 0x1d, 31];
/// Named by a certificate, asked for by nobody: the mappings and constraints on them are not understood here, so a
/// critical one is refused.
const POLICIES: &[u8] = &[0x55, 0x1d, 32];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 35];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];

const ANY_PURPOSE: &[u8] = &[0x55, 0x1d, 37, 0];
const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

impl Signed {
    fn read(der: &[u8]) -> Result<Self, Malformed> {
        let mut parts = Der::new(der, "certificate").inside(SEQUENCE)?;
        let signed = Self {
            message: parts.take_whole(SEQUENCE)?.to_vec(),
            algorithm: parts.take(SEQUENCE)?.to_vec(),
            signature: octets(parts.take(BIT_STRING)?, "signature")?.to_vec(),
        };
        parts.end()?;
        Ok(signed)
    }
}

impl BasicConstraints {
    fn read(value: &[u8]) -> Result<Self, Malformed> {
        let mut outer = Der::new(value, "basic constraints");
        let mut parts = outer.inside(SEQUENCE)?;
        outer.end()?;
        let ca = match parts.optional(BOOLEAN)? {
            None | Some([0]) => false,
            Some([0xff]) => true,
            Some(_) => return Err(parts.malformed()),
        };
        let path_length = match parts.optional(INTEGER)? {
            None => None,
            // not negative, and no more than any chain can be long; written without needless zeros
            Some([byte @ 0..=0x7f]) => Some(u64::from(*byte)),
            Some(digits @ [first, second, ..])
                if digits.len() <= 8 && (*first > 0 || *second > 0x7f) && *first <= 0x7f =>
            {
                Some(digits.iter().fold(0, |number, digit| number << 8 | u64::from(*digit)))
            }
            Some(_) => return Err(parts.malformed()),
        };
        parts.end()?;
        Ok(Self { ca, path_length })
    }
}

impl Purposes {
    /// An empty list is none, as in Go.
    fn read(value: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut list = Der::new(value, "extended key usage").inside(SEQUENCE)?;
        if list.is_empty() {
            return Ok(None);
        }
        let mut purposes = Self::default();
        while !list.is_empty() {
            let purpose = list.take(OID)?;
            purposes.any |= purpose == ANY_PURPOSE;
            purposes.client_auth |= purpose == CLIENT_AUTH;
        }
        Ok(Some(purposes))
    }
}

/// Bit 0 is the highest of the first byte.
fn read_key_usage(value: &[u8]) -> Result<u16, Malformed> {
    let mut outer = Der::new(value, "key usage");
    let content = outer.take(BIT_STRING)?;
    outer.end()?;
    match content {
        // unused bits are zero
        [unused @ 0..=7, bits @ ..]
            if bits.len() <= 2 && bits.last().map_or(*unused == 0, |last| last & ((1 << unused) - 1) == 0) =>
        {
            let byte = |index: usize| bits.get(index).map_or(0, |byte: &u8| u16::from(byte.reverse_bits()));
            Ok(byte(0) | byte(1) << 8)
        }
        _ => Err(outer.malformed()),
    }
}
