//! Reads the events of a watch, line by line.

use memchr::memchr;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::failure::Failure;
use crate::kubernetes::object::Head;

/// As long as an object may be, and a little for what stands around it.
const LONGEST_LINE: usize = 65 << 20;

/// What has arrived and is no whole line yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) buffer: Vec<u8>,
    /// No line ends before.
    searched: usize,
}

/// One event.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// Added or changed.
    Put(Head<'a>, &'a [u8]),
    /// Deleted.
    Remove(Head<'a>),
    /// An object that is not even named.
    Nameless(String),
    /// Nothing changed up to `version`.
    Bookmark { version: String, initial_events_end: bool },
    /// Of a type that is not known.
    Other,
}

impl Lines {
    /// Calls `line` for each whole one, in order, and forgets it. Ends with the first error.
    pub(super) fn take(&mut self, mut line: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut from = 0;
        let mut result = Ok(());
        while let Some(length) = memchr(b'\n', &self.buffer[self.searched..]) {
            let end = self.searched + length;
            let text = self.buffer[from..end].trim_ascii();
            (from, self.searched) = (end + 1, end + 1);
            if !text.is_empty() {
                result = line(text);
            }
            if result.is_err() {
                break;
            }
        }
        self.buffer.drain(..from);
        self.searched = self.buffer.len();
        if self.buffer.len() > LONGEST_LINE {
            return Err(Failure::garbage(format!("a line of more than {} MiB", LONGEST_LINE >> 20)));
        }
        result
    }
}

/// Reads one line.
pub(super) fn read_event(line: &[u8]) -> Result<Event<'_>, Failure> {
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        r#type: std::borrow::Cow<'a, str>,
        #[serde(borrow)]
        object: &'a RawValue,
    }
    let garbage = |error: serde_json::Error| Failure::garbage(format!("a line that is no event: {error}"));
    let Line { r#type, object } = serde_json::from_slice(line).map_err(garbage)?;
    let object = object.get().as_bytes();
    Ok(match &*r#type {
        "ADDED" | "MODIFIED" => Head::read(object).map_or_else(Event::Nameless, |head| Event::Put(head, object)),
        "DELETED" => Head::read(object).map_or_else(Event::Nameless, Event::Remove),
        "BOOKMARK" => read_bookmark(object).map_err(garbage)?,
        "ERROR" => return Err(Failure::from_status(None, object)),
        _ => Event::Other,
    })
}

fn read_bookmark(object: &[u8]) -> Result<Event<'static>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Bookmark {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        resource_version: String,
        #[serde(default)]
        annotations: Option<Annotations>,
    }
    #[derive(Deserialize)]
    struct Annotations {
        #[serde(default, rename = "k8s.io/initial-events-end")]
        initial_events_end: String,
    }
    let Bookmark { metadata } = serde_json::from_slice(object)?;
    let initial_events_end = metadata.annotations.is_some_and(|annotations| annotations.initial_events_end == "true");
    Ok(Event::Bookmark { version: metadata.resource_version, initial_events_end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_however_they_are_cut() {
        let text = b"one\n\n  two\r\nthree";
        for size in 1..text.len() {
            let (mut lines, mut got) = (Lines::default(), Vec::new());
            for piece in text.chunks(size) {
                lines.buffer.extend_from_slice(piece);
                lines
                    .take(|line| {
                        got.push(line.to_vec());
                        Ok(())
                    })
                    .expect("short lines");
            }
            assert_eq!(got, [&b"one"[..], b"two"], "in pieces of {size}");
            assert_eq!(lines.buffer, b"three");
        }
    }
}
