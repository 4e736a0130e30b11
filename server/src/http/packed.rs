//! Compressed bodies of shares, kept for clients that ask for gzip again and again.
//!
//! Collectors do not: Prometheus' HTTP SD client switches compression off. Others may poll too, and compressing costs
//! twenty times what sending does. Bodies are found by their tag, so an unchanged share is found whatever snapshot it is in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};

use super::body::Chunks;
use super::negotiate::{self, Etag};

/// Bytes kept in all: the shares of a hundred thousand targets, or so.
const BUDGET: usize = 16 << 20;

/// What was asked for lately.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed(Arc<Mutex<Generations>>);

/// What is asked for moves to the young; when those have half of the budget, the old are dropped and they take their place.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Etag, Bytes>,
    old: HashMap<Etag, Bytes>,
    young_bytes: usize,
}

impl Packed {
    /// The body with this tag, compressed.
    pub(crate) fn get(&self, etag: Etag) -> Option<Bytes> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = kept.young.get(&etag) {
            return Some(bytes.clone());
        }
        let bytes = kept.old.remove(&etag)?;
        kept.keep(etag, bytes.clone());
        Some(bytes)
    }

    /// Compresses the body with this tag while it is sent, and keeps it if it is sent to the end.
    pub(crate) fn compress(&self, etag: Etag, body: Chunks) -> Chunks {
        let chunks = negotiate::gzip_chunks(body);
        Box::new(Keeping { chunks, so_far: BytesMut::new(), etag, packed: self.clone() })
    }
}

impl Generations {
    fn keep(&mut self, etag: Etag, bytes: Bytes) {
        let size = bytes.len();
        if self.young_bytes + size > BUDGET / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.young.insert(etag, bytes).is_none() {
            self.young_bytes += size;
        }
    }
}

struct Keeping {
    chunks: Chunks,
    so_far: BytesMut,
    etag: Etag,
    packed: Packed,
}

impl Iterator for Keeping {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        match self.chunks.next() {
            Some(chunk) => {
                // one large body must not drive out all others
                if self.so_far.len() + chunk.len() <= BUDGET / 4 {
                    self.so_far.extend_from_slice(&chunk);
                } else {
                    self.etag = Etag(0);
                }
                Some(chunk)
            }
            None => {
                let whole = std::mem::take(&mut self.so_far);
                if self.etag != Etag(0) && !whole.is_empty() {
                    // a vector of its own: the buffer may have grown to twice of what is needed
                    let whole = Bytes::copy_from_slice(&whole);
                    self.packed.0.lock().unwrap_or_else(PoisonError::into_inner).keep(self.etag, whole);
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_chunks(size: usize) -> Chunks {
        // noise, which does not get smaller
        let noise = (0..size as u64 / 8).flat_map(|n| xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()).to_le_bytes());
        Box::new(std::iter::once(Bytes::from(noise.collect::<Vec<_>>())))
    }

    #[test]
    fn what_was_sent_to_the_end_is_found_again() {
        let packed = Packed::default();
        let mut half = packed.compress(Etag(1), mk_chunks(100_000));
        assert!(half.next().is_some());
        drop(half);
        assert!(packed.get(Etag(1)).is_none());
        let sent: Vec<u8> = packed.compress(Etag(1), mk_chunks(100_000)).flatten().collect();
        assert_eq!(packed.get(Etag(1)).unwrap(), sent);
        assert!(packed.get(Etag(2)).is_none());
    }

    #[test]
    fn the_budget_holds_and_what_is_used_stays() {
        let packed = Packed::default();
        let ask = |tag| packed.get(Etag(tag)).is_some() || packed.compress(Etag(tag), mk_chunks(3 << 20)).count() == 0;
        for tag in 2..20 {
            ask(1);
            ask(tag);
        }
        assert!(packed.get(Etag(1)).is_some() && packed.get(Etag(19)).is_some());
        assert!(packed.get(Etag(2)).is_none());
        let kept = packed.0.lock().unwrap();
        let bytes: usize = kept.young.values().chain(kept.old.values()).map(Bytes::len).sum();
        assert!(bytes <= BUDGET, "{bytes}");
    }

    #[test]
    fn a_huge_body_is_not_kept() {
        let packed = Packed::default();
        assert!(packed.compress(Etag(1), mk_chunks(BUDGET / 2)).count() > 1);
        assert!(packed.get(Etag(1)).is_none());
    }
}
