//! An object as one string: everything kept of it in a single allocation, read back in the order it was written.
//!
//! ```text
//! ▪web-0▪10.0.0.1▪…      a value is its length, as one char, and its text
//! ▪(▪app▪web▪tier▪front)  a list is a value, too: the values of its rows
//! ```
//!
//! Two hundred thousand pods of sixty strings each would cost a pointer, a length and an allocation per string: about
//! 30 bytes on top of every one. Here it is one or two, lists can be passed over without reading them, and equality
//! is a comparison of bytes.

use std::fmt;
use std::marker::PhantomData;

/// The longest value: a length must be a `char`. Etcd takes no object beyond 1.5 MiB, annotations together no more
/// than 256 KiB.
const LONGEST: usize = char::MAX as usize - SURROGATES;

/// Numbers from 0xD800 on are moved past the code points that are no `char`.
const SURROGATES: usize = 0x800;

/// What was written by a [`Writer`].
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Record(Box<str>);

/// Writes values, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    text: String,
    too_long: bool,
}

/// Reads values in the order they were written. Read beyond the end, everything is empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a str,
}

/// A row of a list.
pub(crate) trait Row<'a> {
    /// Reads what the row was written as, all of it.
    fn read(from: &mut Reader<'a>) -> Self;
}

/// The rows of a list.
pub(crate) struct Rows<'a, T> {
    reader: Reader<'a>,
    row: PhantomData<fn() -> T>,
}

impl Record {
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader { rest: &self.0 }
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({} bytes)", self.0.len())
    }
}

impl Writer {
    pub(crate) fn text(&mut self, text: &str) {
        self.number(text.len());
        self.text.push_str(text);
    }

    /// Text that may be missing, which is not the same as empty.
    pub(crate) fn optional(&mut self, text: Option<&str>) {
        self.number(text.map_or(0, |text| text.len() + 1));
        self.text.push_str(text.unwrap_or_default());
    }

    pub(crate) fn flag(&mut self, flag: Option<bool>) {
        self.number(flag.map_or(0, |flag| 1 + usize::from(flag)));
    }

    pub(crate) fn list<T>(&mut self, rows: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        let mut list = Self::default();
        rows.into_iter().for_each(|row| write(&mut list, row));
        self.too_long |= list.too_long;
        self.text(&list.text);
    }

    /// # Errors
    /// If a value is too long.
    pub(crate) fn finish(self) -> Result<Record, String> {
        if self.too_long {
            return Err(format!("a value is longer than {LONGEST} bytes"));
        }
        Ok(Record(self.text.into()))
    }

    fn number(&mut self, number: usize) {
        let code = if number < 0xD800 { number } else { number + SURROGATES };
        let char = u32::try_from(code).ok().and_then(char::from_u32);
        self.too_long |= char.is_none();
        self.text.push(char.unwrap_or_default());
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn text(&mut self) -> &'a str {
        let len = self.number();
        self.take(len)
    }

    pub(crate) fn optional(&mut self) -> Option<&'a str> {
        let len = self.number().checked_sub(1)?;
        Some(self.take(len))
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        Some(self.number().checked_sub(1)? == 1)
    }

    pub(crate) fn list<T: Row<'a>>(&mut self) -> Rows<'a, T> {
        Rows { reader: Reader { rest: self.text() }, row: PhantomData }
    }

    fn number(&mut self) -> usize {
        let mut chars = self.rest.chars();
        let code = chars.next().map_or(0, |char| char as usize);
        self.rest = chars.as_str();
        if code < 0xD800 { code } else { code - SURROGATES }
    }

    fn take(&mut self, len: usize) -> &'a str {
        let (text, rest) = self.rest.split_at_checked(len).unwrap_or_default();
        self.rest = rest;
        text
    }
}

impl<T> Rows<'_, T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.reader.rest.is_empty()
    }
}

impl<'a, T: Row<'a>> Iterator for Rows<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        (!self.is_empty()).then(|| T::read(&mut self.reader))
    }
}

impl<T> Clone for Rows<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Rows<'_, T> {}

impl<T> fmt::Debug for Rows<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rows({} bytes)", self.reader.rest.len())
    }
}

impl<'a> Row<'a> for &'a str {
    fn read(from: &mut Reader<'a>) -> Self {
        from.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_was_written() {
        let lens = [0, 1, 127, 128, 0x7FF, 0xD7FF, 0xD800, 0xDFFF, 0xE000, 300_000];
        let texts: Vec<String> = lens.iter().map(|len| "é".repeat(len / 2) + &"x".repeat(len % 2)).collect();
        let mut writer = Writer::default();
        for text in &texts {
            writer.text(text);
            writer.optional(Some(text));
        }
        writer.optional(None);
        [None, Some(false), Some(true)].into_iter().for_each(|flag| writer.flag(flag));
        writer.list(&texts, |writer, text| writer.text(text));
        writer.list([""; 0], Writer::text);
        writer.text("end");
        let record = writer.finish().unwrap();
        let mut reader = record.reader();
        for text in &texts {
            assert_eq!(reader.text(), text);
            assert_eq!(reader.optional(), Some(text.as_str()));
        }
        assert_eq!(reader.optional(), None);
        assert_eq!([reader.flag(), reader.flag(), reader.flag()], [None, Some(false), Some(true)]);
        assert!(reader.list::<&str>().eq(texts.iter().map(String::as_str)));
        assert!(reader.list::<&str>().is_empty());
        assert_eq!(reader.text(), "end");
        assert_eq!((reader.text(), reader.optional(), reader.list::<&str>().count()), ("", None, 0));
    }

    #[test]
    fn a_value_may_not_be_too_long() {
        let write = |len| {
            let mut writer = Writer::default();
            writer.list(["x".repeat(len)], |writer, text| writer.text(&text));
            writer.finish()
        };
        assert_eq!(write(1_000_000).unwrap().reader().list::<&str>().next().unwrap().len(), 1_000_000);
        assert!(write(1_200_000).unwrap_err().contains("longer than"));
    }
}
