//! What was asked of the server.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use serde::Serialize;

use crate::stats::lock;

/// Requests remembered word for word.
const LOG_KEPT: usize = 10_000;

/// Requests about one kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct RequestCounts {
    /// Lists, and pages of lists.
    pub lists: u64,
    /// Watches opened.
    pub watches: u64,
    /// Watches open now.
    pub watches_open: u64,
    /// Most watches open at once.
    pub watches_peak: u64,
    /// Single objects read.
    pub gets: u64,
    /// Objects written or deleted.
    pub writes: u64,
    /// Answers other than 2xx, whatever was asked.
    pub refused: u64,
    /// Watch events sent, bookmarks not counted.
    pub events: u64,
    /// Bytes of lists and watches sent.
    pub bytes: u64,
}

/// Counts by plural name of the kind; discovery, health and reviews count under their path.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    by_kind: Mutex<BTreeMap<String, RequestCounts>>,
    log: Mutex<VecDeque<String>>,
}

impl Counts {
    pub(crate) fn count(&self, kind: &str, count: impl FnOnce(&mut RequestCounts)) {
        let mut by_kind = lock(&self.by_kind);
        match by_kind.get_mut(kind) {
            Some(counts) => count(counts),
            None => count(by_kind.entry(kind.to_owned()).or_default()),
        }
    }

    /// Remembers a request line.
    pub(crate) fn log(&self, line: String) {
        let mut log = lock(&self.log);
        if log.len() == LOG_KEPT {
            log.pop_front();
        }
        log.push_back(line);
    }

    pub(crate) fn all(&self) -> BTreeMap<String, RequestCounts> {
        lock(&self.by_kind).clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        lock(&self.log).iter().cloned().collect()
    }

    /// Forgets everything but the watches that are open.
    pub(crate) fn reset(&self) {
        lock(&self.log).clear();
        for counts in lock(&self.by_kind).values_mut() {
            let open = counts.watches_open;
            *counts = RequestCounts { watches_open: open, watches_peak: open, ..RequestCounts::default() };
        }
    }
}
