//! Base64, and signed JWT assertions (RFC 7519, RFC 7515) with the keys of rustls.

use rustls::SignatureScheme;
use rustls_pki_types::PrivateKeyDer;

use super::tls::provider;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Standard base64 with padding (RFC 4648 section 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let sextet = (word >> (18 - 6 * position)) & 63;
            text.push(if position <= chunk.len() { char::from(ALPHABET[sextet as usize]) } else { '=' });
        }
    }
    text
}

/// Base64 for URLs, without padding (RFC 4648 section 5).
fn base64_url(bytes: &[u8]) -> String {
    base64(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// A compact JWT of `claims`, signed with an RSA `key`. `algorithm` is `RS256` (also for `""`), `RS384` or `RS512`.
pub(super) fn sign_jwt(
    key: PrivateKeyDer<'static>,
    algorithm: &str,
    key_id: &str,
    claims: &serde_json::Value,
) -> Result<String, String> {
    let (name, scheme) = match algorithm {
        "" | "RS256" => ("RS256", SignatureScheme::RSA_PKCS1_SHA256),
        "RS384" => ("RS384", SignatureScheme::RSA_PKCS1_SHA384),
        "RS512" => ("RS512", SignatureScheme::RSA_PKCS1_SHA512),
        other => return Err(format!("unknown signature_algorithm {other:?}; RS256, RS384 and RS512 are known")),
    };
    let mut header = serde_json::json!({"alg": name, "typ": "JWT"});
    if !key_id.is_empty() {
        header["kid"] = key_id.into();
    }
    let key = provider().key_provider.load_private_key(key).map_err(|error| error.to_string())?;
    let signer = key.choose_scheme(&[scheme]).ok_or("the client_certificate_key is no RSA key")?;
    let signed = format!("{}.{}", base64_url(header.to_string().as_bytes()), base64_url(claims.to_string().as_bytes()));
    let signature = signer.sign(signed.as_bytes()).map_err(|error| error.to_string())?;
    Ok(format!("{signed}.{}", base64_url(&signature)))
}

/// A random UUID (version 4), for `jti`.
pub(super) fn random_uuid() -> Result<String, String> {
    let mut bytes = [0; 16];
    provider().secure_random.fill(&mut bytes).map_err(|_| "no randomness to be had")?;
    let number = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
    let hex = format!("{number:032x}");
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_knows_every_padding() {
        // RFC 4648 section 10
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64_url(&[0xfb, 0xff, 0xfe, 0x01]), "-__-AQ");
    }

    #[test]
    fn uuids_are_of_version_4_and_differ() {
        let (one, two) = (random_uuid().unwrap(), random_uuid().unwrap());
        assert_ne!(one, two);
        assert_eq!((one.len(), one.as_bytes()[14], one.as_bytes()[8]), (36, b'4', b'-'));
        assert!(b"89ab".contains(&one.as_bytes()[19]));
    }
}
