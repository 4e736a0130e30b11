//! What a response carries: ready bytes, or chunks rendered while they are sent.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// Chunks of a body, made one at a time as the client takes them.
pub(crate) type Chunks = Box<dyn Iterator<Item = Bytes> + Send>;

/// The body of every answer.
pub struct Body(Kind);

enum Kind {
    /// Empty once sent.
    Ready(Bytes),
    Chunked {
        chunks: Chunks,
        /// Bytes still to come, where known in advance.
        remaining: Option<u64>,
    },
    /// What has been through axum.
    Boxed(axum::body::Body),
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
            // handlers compress before axum gets their answers
            Kind::Boxed(_) | Kind::Done => Box::new(std::iter::empty()),
        }
    }

    pub(crate) const fn from_axum(body: axum::body::Body) -> Self {
        Self(Kind::Boxed(body))
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
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Kind::Boxed(body) = &mut self.0 {
            return Pin::new(body).poll_frame(cx);
        }
        let frame = match std::mem::replace(&mut self.0, Kind::Done) {
            Kind::Ready(bytes) if !bytes.is_empty() => Some(bytes),
            Kind::Ready(_) | Kind::Boxed(_) | Kind::Done => None,
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
            Kind::Boxed(body) => body.is_end_stream(),
            Kind::Done => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Ready(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Chunked { remaining: Some(bytes), .. } => SizeHint::with_exact(*bytes),
            Kind::Chunked { remaining: None, .. } => SizeHint::default(),
            Kind::Boxed(body) => body.size_hint(),
            Kind::Done => SizeHint::with_exact(0),
        }
    }
}
