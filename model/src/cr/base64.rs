//! Base64 with padding (RFC 4648 §4), as `Secret.data` and PEM have it.

/// Decodes `text`, white space left out; `None` if it is not base64.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if !digits.len().is_multiple_of(4) {
        return None;
    }
    let padding = digits.iter().rev().take_while(|byte| **byte == b'=').count();
    let (digits, _) = digits.split_at(digits.len() - padding);
    if padding > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for byte in group {
            bits = bits << 6 | value(*byte)?;
        }
        bits <<= 6 * (4 - group.len());
        out.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(out)
}

fn value(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn decodes_what_is_base64() {
        let table = [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9v\nYmFy", "foobar"), ("+/8=", "û")];
        for (text, plain) in table {
            let wanted = if plain == "û" { vec![0xfb, 0xff] } else { plain.as_bytes().to_vec() };
            assert_eq!(decode(text), Some(wanted), "{text}");
        }
        for text in ["Z", "Zg", "Zg=", "Z===", "Zm9v!A==", "=Zg=", "Zg==Zg=="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
