//! Decoding objects the way Kubernetes' own client does: `null` is as good as missing, names match exactly, what is
//! not known is passed over, and a value of the wrong type makes the object undecodable.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::record::{Record, Writer};

/// A string; `null` is an empty one.
#[derive(Clone, Debug, Default)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

/// An array; `null` is an empty one, and a `null` in it is an empty entry.
#[derive(Clone, Debug)]
pub(super) struct Array<T>(pub(super) Vec<T>);

/// An object with strings in it, sorted by key; `null` is an empty one.
#[derive(Clone, Debug, Default)]
pub(super) struct Strings<'a>(pub(super) Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// What of a kind of object is decoded, and how that is kept.
pub(super) trait Layout {
    type Raw<'a>: Deserialize<'a> + Default;

    fn write(raw: &Self::Raw<'_>, to: &mut Writer);
}

/// Decodes an object and keeps what its layout says. Bytes that are no UTF-8 become U+FFFD, as Go has it.
///
/// # Errors
/// If a field that counts has the wrong type, or a value of more than a megabyte.
pub(super) fn keep<L: Layout>(json: &[u8]) -> Result<Record, String> {
    let json = String::from_utf8_lossy(json);
    let mut from = serde_json::Deserializer::from_str(&json);
    let raw: L::Raw<'_> = nullable(&mut from).map_err(|error| error.to_string())?;
    from.end().map_err(|error| error.to_string())?;
    let mut writer = Writer::default();
    L::write(&raw, &mut writer);
    writer.finish()
}

/// For what must be an object: `null` is an empty one. (Serde alone would also take an array of its fields.)
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    from.deserialize_any(ObjectVisitor(PhantomData))
}

/// A port in decimal. Go prints them as if they had no sign; a negative one becomes huge.
pub(super) fn unsigned(port: i32) -> String {
    (i64::from(port) as u64).to_string()
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T> Default for Array<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl Strings<'_> {
    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(name, _)| name == key);
        found.map(|(_, value)| &**value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Self)
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Array<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ArrayVisitor(PhantomData)).map(Self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Strings<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut pairs = deserializer.deserialize_any(StringsVisitor)?;
        pairs.sort_by(|one, other| one.0.cmp(&other.0)); // stable: the last of a name stays the last
        Ok(Self(pairs))
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields))
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }
}

struct ArrayVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for ArrayVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(entry) = entries.next_element::<Option<T>>()? {
            all.push(entry.unwrap_or_default());
        }
        Ok(all)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
}

struct StringsVisitor;

impl<'de> Visitor<'de> for StringsVisitor {
    type Value = Vec<(Cow<'de, str>, Cow<'de, str>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some((Text(key), Text(value))) = entries.next_entry()? {
            all.push((key, value));
        }
        Ok(all)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
}
