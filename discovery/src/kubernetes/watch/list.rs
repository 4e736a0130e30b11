//! Reads a list as it arrives, object by object.
//!
//! A list of 200,000 pods is close to a gigabyte of JSON, and API servers that answer from their cache ignore page
//! sizes. So nothing waits for the end of it: what is held is one object at a time, and the text around them.

use memchr::memchr2;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// No object is longer: etcd takes 1.5 MiB, the JSON of which is at most a few times that.
const LONGEST_OBJECT: usize = 64 << 20;

/// Stands for an object in the envelope.
const OBJECT: u8 = b'0';

/// Takes a JSON list apart.
#[derive(Debug, Default)]
pub(super) struct ListReader {
    /// The text, with [`OBJECT`] for each object: so that what stands between them is looked at too.
    envelope: Vec<u8>,
    /// The object at hand, as far as it has come.
    object: Vec<u8>,
    at: At,
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// Where the last string at depth 1 begins in the envelope: a key that may be `items`.
    key: usize,
}

/// Where in the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Envelope,
    /// Within `items`, between objects.
    Items,
    Object,
}

/// What stands around the objects.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) version: String,
    /// There is more: how to ask for it.
    pub(super) more: Option<String>,
}

/// Depths: 1 is within the list, 2 within `items`, deeper within objects.
const LIST: u32 = 1;
const ITEMS: u32 = 2;

impl ListReader {
    /// Takes the next part of the text and gives `object` each object that is complete.
    pub(super) fn push(&mut self, text: &[u8], mut object: impl FnMut(&[u8])) -> Result<(), String> {
        // where what goes to one place begins in `text`
        let mut from = 0;
        let mut index = 0;
        while let Some(next) = self.next_mark(text, index) {
            index = next + 1;
            match text[next] {
                b'"' => {
                    self.in_string = true;
                    if self.at == At::Envelope && self.depth == LIST {
                        self.key = self.envelope.len() + next - from;
                    }
                }
                open @ (b'{' | b'[') => {
                    if self.at == At::Items && open == b'{' && self.depth == ITEMS {
                        self.envelope.extend_from_slice(&text[from..next]);
                        from = next;
                        self.at = At::Object;
                    }
                    self.depth += 1;
                    if self.at == At::Envelope && open == b'[' && self.depth == ITEMS {
                        self.envelope.extend_from_slice(&text[from..=next]);
                        from = next + 1;
                        if self.is_items() {
                            self.at = At::Items;
                        }
                    }
                }
                _ => {
                    self.depth = self.depth.checked_sub(1).ok_or("the list has more closing brackets than opening")?;
                    if self.at == At::Object && self.depth == ITEMS {
                        self.object.extend_from_slice(&text[from..=next]);
                        object(&self.object);
                        self.object.clear();
                        self.envelope.push(OBJECT);
                        from = next + 1;
                        self.at = At::Items;
                    } else if self.at == At::Items && self.depth == LIST {
                        self.at = At::Envelope;
                    }
                }
            }
        }
        match self.at {
            At::Envelope | At::Items => self.envelope.extend_from_slice(&text[from..]),
            At::Object => self.object.extend_from_slice(&text[from..]),
        }
        if self.envelope.len().max(self.object.len()) > LONGEST_OBJECT {
            return Err(format!("the list has an object of more than {} MiB", LONGEST_OBJECT >> 20));
        }
        Ok(())
    }

    /// Where the next bracket is, or the next quote that begins a string; both outside of strings.
    fn next_mark(&mut self, text: &[u8], mut index: usize) -> Option<usize> {
        while self.in_string {
            if index == text.len() {
                return None; // what is escaped may come with the next part
            }
            if std::mem::take(&mut self.escaped) {
                index += 1;
            }
            index += 1 + memchr2(b'"', b'\\', &text[index..])?;
            match text[index - 1] {
                b'"' => self.in_string = false,
                _ => self.escaped = true,
            }
        }
        let is_mark = |byte: &u8| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']');
        text[index..].iter().position(is_mark).map(|length| index + length)
    }

    /// The list has ended. What is no JSON, or has something else than objects, is no list: nobody is to be missed in it.
    pub(super) fn finish(self) -> Result<Envelope, String> {
        #[derive(Deserialize)]
        struct List {
            metadata: Metadata,
            #[serde(default, rename = "items")]
            _items: Option<Vec<Object>>,
        }
        /// [`OBJECT`]. Many of them take no memory.
        struct Object;
        impl<'de> Deserialize<'de> for Object {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                match u8::deserialize(from)? {
                    0 => Ok(Self),
                    _ => Err(D::Error::custom("something else than an object")),
                }
            }
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Metadata {
            #[serde(default)]
            resource_version: String,
            #[serde(default)]
            r#continue: Option<String>,
        }
        if self.depth > 0 {
            return Err("the list broke off".to_owned());
        }
        let list: List = serde_json::from_slice(&self.envelope).map_err(|error| format!("no list: {error}"))?;
        if list.metadata.resource_version.is_empty() {
            return Err("the list says no resourceVersion".to_owned());
        }
        let more = list.metadata.r#continue.filter(|token| !token.is_empty());
        Ok(Envelope { version: list.metadata.resource_version, more })
    }

    /// Whether the bracket just opened is that of `items`.
    fn is_items(&self) -> bool {
        self.envelope[self.key..].starts_with(br#""items""#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `text` in pieces of `size` bytes.
    fn read(text: &str, size: usize) -> (Vec<String>, Result<Envelope, String>) {
        let (mut reader, mut objects) = (ListReader::default(), Vec::new());
        for piece in text.as_bytes().chunks(size) {
            let pushed = reader.push(piece, |object| objects.push(String::from_utf8_lossy(object).into_owned()));
            if let Err(error) = pushed {
                return (objects, Err(error));
            }
        }
        (objects, reader.finish())
    }

    #[test]
    fn objects_come_out_whole_however_the_text_is_cut() {
        let text = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"x","a":[1,[2]]},
            "items":[ {"a":"}]\"{\\"} , {"b":[{"items":[{}]}]},{"c":{}}
            ], "other":[{"items":[1]}]}"#;
        let whole = read(text, text.len());
        assert_eq!(whole.0, [r#"{"a":"}]\"{\\"}"#, r#"{"b":[{"items":[{}]}]}"#, r#"{"c":{}}"#]);
        assert_eq!(whole.1, Ok(Envelope { version: "7".into(), more: Some("x".into()) }));
        for size in 1..text.len() {
            assert_eq!(read(text, size), whole, "in pieces of {size}");
        }
    }

    #[test]
    fn items_may_come_first_be_null_or_be_missing() {
        let first = read(r#"{"items":[{"a":1}],"metadata":{"resourceVersion":"7","continue":""}}"#, 5);
        assert_eq!(first, (vec![r#"{"a":1}"#.into()], Ok(Envelope { version: "7".into(), more: None })));
        for text in [
            r#"{"items":null,"metadata":{"resourceVersion":"7"}}"#,
            r#"{"items":[],"metadata":{"resourceVersion":"7"}}"#,
            r#"{"metadata":{"resourceVersion":"7"}}"#,
        ] {
            assert_eq!(read(text, 3), (vec![], Ok(Envelope { version: "7".into(), more: None })), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_list_is_an_error() {
        for (text, error) in [
            (r#"{"metadata":{"resourceVersion":"7"},"items":[{"a":1}"#, "the list broke off"),
            (r#"{"metadata":{"resourceVersion":"7"},"items":[{"a":"#, "the list broke off"),
            (r#"{"metadata":{},"items":[]}"#, "the list says no resourceVersion"),
            ("", "no list"),
            ("<html>", "no list"),
            ("}{", "the list has more closing brackets than opening"),
            (r#"{"metadata":{"resourceVersion":"7"},"items":[{"a":1} {"b":1}]}"#, "no list"),
            (r#"{"metadata":{"resourceVersion":"7"},"items":[{"a":1},<html>]}"#, "no list"),
            (r#"{"metadata":{"resourceVersion":"7"},"items":[[{"a":1}]]}"#, "no list"),
            (r#"{"metadata":{"resourceVersion":"7"},"items":[null, 3, "x"]}"#, "no list"),
            (r#"{"metadata":{"resourceVersion":"7"},"items":[3]}"#, "no list"),
            (r#"{"metadata":{"resourceVersion":"7"},"it\u0065ms":[{"a":1}]}"#, "no list"),
        ] {
            let got = read(text, 4).1.unwrap_err();
            assert!(got.starts_with(error), "{text}: {got}");
        }
    }
}
