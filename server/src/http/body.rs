//! What a response carries: ready bytes, or chunks rendered while they are sent.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// Chunks of a body, made one at a time as the client takes them.
pub(crate) type Chunks = Box<dyn Iterator<Item = Bytes> + Send>;

/// The body of every answer.
pub(crate) struct Body(Kind);

enum Kind {
    /// Empty once sent.
    Ready(Bytes),
    Chunked {
        chunks: Chunks,
        /// Bytes still to come, where known in advance.
        remaining: Option<u64>,
    },
    Done,
}

impl Body {
    /// No bytes.
    #[must_use]
    pub(crate) const fn empty() -> Self {
        Self(Kind::Ready(Bytes::new()))
    }

    /// Chunks of `length` bytes in all, `None` if that only shows while they are made.
    pub(crate) fn chunked(chunks: Chunks, length: Option<u64>) -> Self {
        Self(Kind::Chunked { chunks, remaining: length })
    }

    /// The bytes as chunks, to be put through a compressor.
    pub(crate) fn into_chunks(self) -> Chunks {
        match self.0 {
            Kind::Ready(bytes) => Box::new(std::iter::once(bytes)),
            Kind::Chunked { chunks, .. } => chunks,
            Kind::Done => Box::new(std::iter::empty()),
        }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self(Kind::Ready(bytes.into()))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({:?})", self.size_hint())
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match std::mem::replace(&mut self.0, Kind::Done) {
            Kind::Ready(bytes) if !bytes.is_empty() => Some(bytes),
            Kind::Ready(_) | Kind::Done => None,
            Kind::Chunked { mut chunks, remaining } => chunks.next().inspect(|chunk| {
                let remaining = remaining.map(|bytes| bytes.saturating_sub(chunk.len() as u64));
                self.0 = Kind::Chunked { chunks, remaining };
            }),
        };
        Poll::Ready(frame.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Ready(bytes) => bytes.is_empty(),
            Kind::Chunked { remaining, .. } => *remaining == Some(0),
            Kind::Done => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Ready(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Chunked { remaining: Some(bytes), .. } => SizeHint::with_exact(*bytes),
            Kind::Chunked { remaining: None, .. } => SizeHint::default(),
            Kind::Done => SizeHint::with_exact(0),
        }
    }
}
