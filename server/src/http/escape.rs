//! Query escaping as Go does it: `+` is a space, `%XX` a byte (Go: `net/url/url.go`).

use std::borrow::Cow;

/// A `%` that no two hexadecimal digits follow; holds the offending escape, at most three bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed escape {0:?}")]
pub(crate) struct EscapeError(pub(crate) String);

/// Decodes `text` once. Bytes that are no UTF-8 become U+FFFD: no job or collector has such a name.
pub(crate) fn query_unescape(text: &str) -> Result<Cow<'_, str>, EscapeError> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => match (hex(bytes.get(at)), hex(bytes.get(at + 1))) {
                (Some(high), Some(low)) => {
                    decoded.push(high << 4 | low);
                    at += 2;
                }
                _ => {
                    let end = (at + 2).min(bytes.len());
                    return Err(EscapeError(String::from_utf8_lossy(&bytes[at - 1..end]).into_owned()));
                }
            },
            other => decoded.push(other),
        }
    }
    Ok(Cow::Owned(match String::from_utf8(decoded) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }))
}

fn hex(byte: Option<&u8>) -> Option<u8> {
    byte.and_then(|&byte| char::from(byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok())
}

/// Encodes `text` as Go's `url.QueryEscape` does.
pub(crate) fn query_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    ta_engine::push_query_escaped(&mut escaped, text);
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unescapes_once() {
        for (raw, decoded) in [
            ("plain", "plain"),
            ("serviceMonitor%2Fns%2Fapp%2F0", "serviceMonitor/ns/app/0"),
            ("a+b", "a b"),
            ("a%2Bb", "a+b"),
            ("a%25b", "a%b"),
            ("a%2541", "a%41"),
            ("%e2%82%aC", "€"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(query_unescape(raw).unwrap(), decoded, "{raw}");
        }
    }

    #[test]
    fn names_the_offending_escape() {
        for (raw, offending) in [("a%zzz", "%zz"), ("a%", "%"), ("a%4", "%4"), ("%b", "%b"), ("%2F%g1", "%g1")] {
            assert_eq!(query_unescape(raw), Err(EscapeError(offending.to_owned())), "{raw}");
        }
    }

    proptest::proptest! {
        #[test]
        fn escape_and_unescape_are_inverse(text in ".*") {
            let escaped = query_escape(&text);
            proptest::prop_assert!(escaped.is_ascii());
            proptest::prop_assert_eq!(query_unescape(&escaped).unwrap(), text);
        }

        #[test]
        fn unescape_never_panics(text in "[%+a-f0-9é]*") {
            drop(query_unescape(&text));
        }
    }
}
