//! The bytes that are served.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use ta_model::group::Block;
use ta_model::json::{Escapes, push_string};

use crate::job::{Body, JobSnapshot};

/// A piece of a body that is rendered while it is sent: large enough to make the rest of the path cheap, small enough
/// that it is still in the cache when the kernel copies it, and that thousands of slow readers hold little.
const PIECE: usize = 64 * 1024;

/// Buffers a thread keeps for its next pieces. A body that is sent needs one or two at a time; fresh memory for each
/// piece would cost as much as filling it.
const SPARES: usize = 4;

thread_local! {
    static SPARE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The text of a piece; its buffer is kept when it is sent.
struct Piece(String);

impl Piece {
    fn new() -> Self {
        let spare = SPARE.with_borrow_mut(Vec::pop);
        Self(spare.unwrap_or_else(|| String::with_capacity(PIECE)))
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut text = std::mem::take(&mut self.0);
        text.clear();
        // of a thread that ends nothing is kept, and of a target that was larger than a piece neither
        SPARE
            .try_with(|spare| {
                let mut spare = spare.borrow_mut();
                if spare.len() < SPARES && text.capacity() == PIECE {
                    spare.push(text);
                }
            })
            .ok();
    }
}

/// The targets of a share: the block each stands in, and where.
pub(crate) fn members(job: &JobSnapshot, share: usize) -> impl Iterator<Item = (&Block, usize)> {
    let mut group = 0;
    job.members(share).iter().map(move |ordinal| {
        group = group_after(job, group, *ordinal);
        job.layout.locate(group, *ordinal as usize)
    })
}

/// The group of `ordinal`, which is in group `from` or after it.
fn group_after(job: &JobSnapshot, from: usize, ordinal: u32) -> usize {
    let groups = &job.layout.groups;
    // a share of a small fleet has targets in nearly every group: look at the next few before searching
    let near = groups[from..].iter().take(4).take_while(|group| group.base <= ordinal).count();
    if near < 4 {
        return from + near.max(1) - 1;
    }
    from + groups[from..].partition_point(|group| group.base <= ordinal) - 1
}

/// The length of a share's body: the targets, commas between them, brackets and the final line feed.
pub(crate) fn content_length(job: &JobSnapshot, share: usize) -> u64 {
    let targets: usize = members(job, share).map(|(block, index)| block.rendered_len(index) + 1).sum();
    targets as u64 + 2
}

/// The length of a share's body, from its first target alone: targets of a job are much alike.
pub(crate) fn about_length(job: &JobSnapshot, share: usize) -> usize {
    let first = members(job, share).next().map_or(0, |(block, index)| block.rendered_len(index));
    (first + 1) * job.members(share).len()
}

/// Renders the whole body of a share.
pub(crate) fn whole(job: &JobSnapshot, share: usize) -> Body {
    let mut text = String::with_capacity(content_length(job, share) as usize);
    text.push('[');
    for (number, (block, index)) in members(job, share).enumerate() {
        if number > 0 {
            text.push(',');
        }
        block.render(index, &mut text);
    }
    text.push_str("]\n");
    Body { bytes: Bytes::from(text), etag: job.etag(share) }
}

/// A body in pieces of at most 64 KiB, each rendered when it is asked for (a single target may be longer).
///
/// Holds the job of its snapshot, so that a slow reader gets one state of it, whatever is published meanwhile.
#[derive(Debug)]
pub struct ShareBody {
    job: Arc<JobSnapshot>,
    share: usize,
    next: usize,
    group: usize,
    rest: u64,
}

impl ShareBody {
    pub(crate) fn new(job: Arc<JobSnapshot>, share: usize) -> Self {
        let rest = content_length(&job, share);
        Self { job, share, next: 0, group: 0, rest }
    }

    /// Bytes still to come.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.rest
    }
}

impl Iterator for ShareBody {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let members = self.job.members(self.share);
        if self.next > members.len() {
            return None;
        }
        let mut piece = Piece::new();
        let text = &mut piece.0;
        loop {
            let Some(ordinal) = members.get(self.next) else {
                text.push_str("]\n");
                self.next += 1;
                break;
            };
            self.group = group_after(&self.job, self.group, *ordinal);
            let (block, index) = self.job.layout.locate(self.group, *ordinal as usize);
            if !text.is_empty() && text.len() + block.rendered_len(index) + 3 > PIECE {
                break;
            }
            text.push(if self.next == 0 { '[' } else { ',' });
            block.render(index, text);
            self.next += 1;
        }
        self.rest = self.rest.saturating_sub(text.len() as u64);
        Some(Bytes::from_owner(piece))
    }
}

/// The body of `/jobs` for the jobs with these names, sorted as Go sorts encoded keys: with their quotes.
pub(crate) fn listing<'a>(jobs: impl Iterator<Item = &'a str>) -> Bytes {
    let mut entries: Vec<(String, &str)> = jobs
        .map(|job| {
            let mut key = String::new();
            push_string(&mut key, job, Escapes::Long);
            (key, job)
        })
        .collect();
    entries.sort_unstable();
    let mut text = String::from("{");
    for (number, (key, job)) in entries.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        text.push_str(key);
        text.push_str(":{\"_link\":\"/jobs/");
        push_query_escaped(&mut text, job);
        text.push_str("/targets\"}");
    }
    text.push_str("}\n");
    Bytes::from(text)
}

/// Appends `text` as Go's `url.QueryEscape` writes it: a space is `+`, and all but `A-Za-z0-9-_.~` is `%XX`.
pub fn push_query_escaped(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.extend(['%', char::from(HEX[usize::from(byte >> 4)]), char::from(HEX[usize::from(byte & 15)])]);
            }
        }
    }
}
