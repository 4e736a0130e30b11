//! Watches a socket from below and requests from above, to tell when a connection is truly idle.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wire::Wire;

use super::super::Body;

/// What is known of a connection. All of it is used by the one task that drives it, so `Relaxed` is enough.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Requests so far.
    requests: AtomicU64,
    /// Requests whose answer is not handed over completely.
    in_flight: AtomicUsize,
    /// Answers of which some is handed over, and some not.
    sending: AtomicUsize,
    /// Bytes were read since the last request began: the next one may be half there.
    read_ahead: AtomicBool,
    /// The buffers above the socket hold nothing.
    flushed: AtomicBool,
    /// The socket took nothing at the last try.
    blocked: AtomicBool,
    /// Bytes given to the socket so far.
    written: AtomicU64,
}

impl Marks {
    /// No request is there, in part or in whole, and no byte of an answer is left to send. Only asked when the HTTP
    /// state machine waits: then it has flushed whatever it had, or marked that it could not.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.load(Relaxed) == 0 && self.flushed.load(Relaxed) && !self.read_ahead.load(Relaxed)
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    pub(super) fn in_flight(&self) -> bool {
        self.in_flight.load(Relaxed) > 0
    }

    pub(super) fn is_sending(&self) -> bool {
        self.sending.load(Relaxed) > 0
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Relaxed)
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// A request begins; it lasts until the guard goes.
    pub(super) fn begin(self: &Arc<Self>) -> Guard {
        self.requests.fetch_add(1, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
        self.read_ahead.store(false, Relaxed);
        self.flushed.store(false, Relaxed);
        Guard(self.clone())
    }
}

/// Stands for a request in flight.
pub(super) struct Guard(Arc<Marks>);

impl Guard {
    /// The guard travels with the body: the answer is handed over when hyper lets go of it.
    pub(super) fn carry(self, body: Body) -> InFlight {
        self.0.sending.fetch_add(1, Relaxed);
        InFlight { body, guard: self }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// The body of an answer in flight.
pub(super) struct InFlight {
    body: Body,
    guard: Guard,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.guard.0.sending.fetch_sub(1, Relaxed);
    }
}

impl HttpBody for InFlight {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The connection, and bytes read from it earlier.
pub(super) struct Watched {
    wire: Wire,
    ahead: Bytes,
    marks: Arc<Marks>,
}

impl Watched {
    pub(super) fn new(wire: Wire, ahead: Bytes, marks: Arc<Marks>) -> Self {
        Self { wire, ahead, marks }
    }

    pub(super) fn into_wire(self) -> Wire {
        self.wire
    }

    fn note_write(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.marks.flushed.store(false, Relaxed);
        self.marks.blocked.store(result.is_pending(), Relaxed);
        self.marks.written.store(self.wire.written(), Relaxed);
        result
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let bytes = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead[..bytes]);
            self.ahead.advance(bytes);
            self.marks.read_ahead.store(true, Relaxed);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let result = Pin::new(&mut self.wire).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.marks.read_ahead.store(true, Relaxed);
        }
        result
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.wire).poll_write(cx, bytes);
        self.note_write(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.wire).poll_write_vectored(cx, parts);
        self.note_write(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.wire).poll_flush(cx);
        if matches!(result, Poll::Ready(Ok(()))) {
            self.marks.flushed.store(true, Relaxed);
        }
        // a socket is never in the way here, but TLS has a buffer of its own above it
        self.marks.blocked.store(result.is_pending(), Relaxed);
        self.marks.written.store(self.wire.written(), Relaxed);
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
