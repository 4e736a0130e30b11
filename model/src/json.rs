//! JSON text as Go writes it.
//!
//! Clients compare nothing byte by byte, but people and upstream's own tests grep these answers, so the escaping is
//! upstream's: HTML-safe (`<`, `>`, `&`), U+2028 and U+2029 escaped, everything else as UTF-8
//! (Go: `encoding/json`, `goccy/go-json`).

/// Who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// Readers of YAML (`/scrape_configs`). They refuse the whole text for one character that YAML has no place for
    /// (U+007F to U+009F, U+FEFF, U+FFFE, U+FFFF), or take it for the end of a line (U+0085): these are escaped, which
    /// upstream fails to do. Backspace and form feed are `\u0008` and `\u000c`, as there.
    Long,
    /// Readers of JSON (targets). Backspace and form feed are `\b` and `\f`.
    Short,
}

/// Appends `text` as a JSON string, quotes included.
pub fn push_string(out: &mut String, text: &str, escapes: Escapes) {
    out.push('"');
    push_escaped(out, text, escapes);
    out.push('"');
}

/// Bytes that begin something that may need an escape. 0xe2 begins U+2028 and U+2029, 0xc2 what comes after U+007F, 0xef
/// U+FEFF and the like; all of them begin many others too.
static SUSPECT: [bool; 256] = {
    let mut suspect = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        suspect[byte] =
            byte < 0x20 || matches!(byte as u8, b'"' | b'\\' | b'<' | b'>' | b'&' | 0x7f | 0xc2 | 0xe2 | 0xef);
        byte += 1;
    }
    suspect
};

/// Appends `text` escaped for the inside of a JSON string.
pub fn push_escaped(out: &mut String, text: &str, escapes: Escapes) {
    // nearly no label needs it, and looking without deciding costs two instructions a byte
    if !text.bytes().fold(false, |any, byte| any | SUSPECT[usize::from(byte)]) {
        out.push_str(text);
        return;
    }
    let bytes = text.as_bytes();
    let mut copied = 0;
    let mut at = 0;
    while at < bytes.len() {
        let Some((width, escaped)) = escape_at(bytes, at, escapes) else {
            at += 1;
            continue;
        };
        out.push_str(&text[copied..at]);
        match escaped {
            Escaped::Short(short) => out.push_str(short),
            Escaped::Control(byte) => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.push_str("\\u00");
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
        at += width;
        copied = at;
    }
    out.push_str(&text[copied..]);
}

enum Escaped {
    Short(&'static str),
    Control(u8),
}

fn escape_at(bytes: &[u8], at: usize, escapes: Escapes) -> Option<(usize, Escaped)> {
    let short = |text| Some((1, Escaped::Short(text)));
    match bytes[at] {
        b'"' => short("\\\""),
        b'\\' => short("\\\\"),
        b'\n' => short("\\n"),
        b'\r' => short("\\r"),
        b'\t' => short("\\t"),
        0x08 if escapes == Escapes::Short => short("\\b"),
        0x0c if escapes == Escapes::Short => short("\\f"),
        byte @ (0..=0x1f | b'<' | b'>' | b'&') => Some((1, Escaped::Control(byte))),
        // U+2028 and U+2029 are e2 80 a8 and e2 80 a9
        0xe2 if bytes.get(at + 1) == Some(&0x80) => match bytes.get(at + 2) {
            Some(0xa8) => Some((3, Escaped::Short("\\u2028"))),
            Some(0xa9) => Some((3, Escaped::Short("\\u2029"))),
            _ => None,
        },
        _ if escapes == Escapes::Long => for_yaml(&bytes[at..]),
        _ => None,
    }
}

/// What is no character of YAML, or the end of a line there (Go: `gopkg.in/yaml.v2`, `readerc.go`).
fn for_yaml(bytes: &[u8]) -> Option<(usize, Escaped)> {
    match *bytes {
        [0x7f, ..] => Some((1, Escaped::Control(0x7f))),
        [0xc2, code @ 0x80..=0x9f, ..] => Some((2, Escaped::Control(code))),
        [0xef, 0xbb, 0xbf, ..] => Some((3, Escaped::Short("\\ufeff"))),
        [0xef, 0xbf, 0xbe, ..] => Some((3, Escaped::Short("\\ufffe"))),
        [0xef, 0xbf, 0xbf, ..] => Some((3, Escaped::Short("\\uffff"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str, escapes: Escapes) -> String {
        let mut out = String::new();
        push_string(&mut out, text, escapes);
        out
    }

    #[test]
    fn escapes_like_go() {
        let nasty = "a\"\\\n\r\t\u{8}\u{c}\u{1}<>&\u{2028}\u{2029}\u{7f}é😀\u{2030}";
        let short = "\"a\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u003c\\u003e\\u0026\\u2028\\u2029\u{7f}é😀\u{2030}\"";
        assert_eq!(escaped(nasty, Escapes::Short), short);
        assert_eq!(escaped("\u{8}\u{c}", Escapes::Long), "\"\\u0008\\u000c\"");
    }

    #[test]
    fn what_yaml_has_no_place_for_is_escaped_for_its_readers() {
        let all: String = ('\u{1}'..'\u{2200}').chain('\u{f900}'..='\u{1f600}').collect();
        let text = escaped(&all, Escapes::Long);
        let back = crate::yaml::parse(&text).expect("every character is one of YAML");
        assert_eq!(back.root.value, crate::yaml::Value::Scalar(crate::yaml::Scalar { text: all.into(), quoted: true }));
        assert_eq!(escaped("\u{7f}\u{85}\u{9f}\u{a0}", Escapes::Long), "\"\\u007f\\u0085\\u009f\u{a0}\"");
        assert_eq!(escaped("\u{feff}\u{fffd}\u{ffff}", Escapes::Long), "\"\\ufeff\u{fffd}\\uffff\"");
        assert_eq!(escaped("\u{7f}\u{85}\u{feff}", Escapes::Short), "\"\u{7f}\u{85}\u{feff}\"", "JSON takes them");
    }

    #[test]
    fn round_trips_through_a_json_parser() {
        let text: String = (0..=0x2100).filter_map(char::from_u32).collect();
        let back: String = serde_json::from_str(&escaped(&text, Escapes::Short)).unwrap();
        assert_eq!(back, text);
    }
}
