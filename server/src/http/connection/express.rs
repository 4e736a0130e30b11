//! Answers what is polled right from where a connection is parked.
//!
//! Tens of thousands of connections each bring one small GET in 30 s, and get some bytes that lie ready. Setting up
//! hyper's state machine for that, with its buffers, boxes and timers, and taking it down again costs more than the
//! answer does. So what arrives is looked at here first: a whole GET of HTTP/1.1 for a route that is answered at once, alone
//! in what was read, and without a header that changes how the connection goes on. All else, faults included, is hyper's,
//! with the bytes that were read. What is sent is what hyper would have sent.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf, Bytes};
use hyper::body::Body as _;
use hyper::http::response::Parts;
use hyper::{Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::super::negotiate::Headers;
use super::super::{Ask, Body, Router};

/// Prometheus asks in some 250 bytes; a bearer token may add a kilobyte or two. Longer heads are hyper's.
const READ: usize = 4096;

/// A request with more headers is hyper's.
const HEADERS: usize = 32;

/// Headers that say how the request or the connection goes on.
const HYPERS: [&str; 8] =
    ["connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// What came of bytes that arrived on a parked connection.
pub(super) enum Heard {
    /// A poll, answered: the connection is idle again.
    Answered,
    /// A poll; the socket did not take the whole answer at once.
    Partly(Box<Answer>),
    /// Something else, in part or in whole.
    Other(Bytes),
    /// Nothing more is to be heard: the client hung up.
    End,
}

/// Waits for the client to say something, and answers it if it is a poll. `secure`: over TLS, by a verified client.
pub(super) fn hear<W>(wire: &mut W, router: &Router, secure: bool) -> impl Future<Output = Heard>
where
    W: AsyncRead + AsyncWrite + Unpin,
{
    poll_fn(move |cx| {
        let mut space = [const { MaybeUninit::uninit() }; READ];
        let mut read = ReadBuf::uninit(&mut space);
        let result = ready!(Pin::new(&mut *wire).poll_read(cx, &mut read));
        if result.is_err() || read.filled().is_empty() {
            return Poll::Ready(Heard::End);
        }
        let Some(mut answer) = answer(read.filled(), router, secure) else {
            return Poll::Ready(Heard::Other(Bytes::copy_from_slice(read.filled())));
        };
        Poll::Ready(match answer.poll_send(wire, cx) {
            Poll::Ready(Ok(())) => Heard::Answered,
            Poll::Ready(Err(_)) => Heard::End,
            Poll::Pending => Heard::Partly(Box::new(answer)),
        })
    })
}

fn answer(bytes: &[u8], router: &Router, secure: bool) -> Option<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let (target, headers) = plain_get(bytes, &mut headers)?;
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    router.at_once(&Ask { path, query, headers: Headers::Raw(headers), secure }).map(Answer::new)
}

/// The target of the GET that `bytes` are, and its headers.
fn plain_get<'h, 'b>(
    bytes: &'b [u8],
    headers: &'h mut [httparse::Header<'b>],
) -> Option<(&'b str, &'h [httparse::Header<'b>])> {
    let mut request = httparse::Request::new(headers);
    let Ok(httparse::Status::Complete(end)) = request.parse(bytes) else { return None };
    let target = request.path?;
    let is_hypers = |header: &httparse::Header<'_>| HYPERS.iter().any(|name| name.eq_ignore_ascii_case(header.name));
    let is_plain = end == bytes.len()
        && request.method == Some("GET")
        && request.version == Some(1)
        && target.bytes().all(is_plain)
        && !request.headers.iter().any(is_hypers);
    is_plain.then_some((target, request.headers))
}

/// What means the same to everybody in a target. A fragment or a brace is for hyper to judge.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%/?=&+:,@!$'()*;".contains(&byte)
}

/// An answer on its way out.
pub(super) struct Answer {
    /// What is not sent of the head,
    head: Bytes,
    /// of the piece of the body that is being sent,
    piece: Bytes,
    /// and the rest of it.
    body: Body,
    /// Bytes to come from `body` as the head says, `None` if it says nothing: then they go out in chunks.
    announced: Option<u64>,
    ended: bool,
    sent: u64,
}

impl Answer {
    fn new(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let announced = body.size_hint().exact();
        Self { head: head(&parts, announced), piece: Bytes::new(), body, announced, ended: false, sent: 0 }
    }

    /// Sends all that the socket takes. Ready when nothing is left.
    fn poll_send<W>(&mut self, wire: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        loop {
            while self.piece.is_empty() && !self.ended {
                // gives its buffer back, for the next piece to be rendered into
                self.piece = Bytes::new();
                let frame = ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose().map_err(io::Error::other)?;
                self.take(frame.and_then(|frame| frame.into_data().ok()))?;
            }
            if self.head.is_empty() && self.piece.is_empty() {
                return Pin::new(wire).poll_flush(cx);
            }
            let parts = [IoSlice::new(&self.head), IoSlice::new(&self.piece)];
            let written = ready!(Pin::new(&mut *wire).poll_write_vectored(cx, &parts))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_head = written.min(self.head.len());
            self.head.advance(of_head);
            self.piece.advance(written - of_head);
            self.sent += written as u64;
        }
    }

    /// Makes `next` the piece to send; `None` is the end of the body.
    fn take(&mut self, next: Option<Bytes>) -> io::Result<()> {
        self.ended = next.is_none();
        let next = next.unwrap_or_default();
        match &mut self.announced {
            Some(left) => {
                let rest = left.checked_sub(next.len() as u64).filter(|rest| !self.ended || *rest == 0);
                // the client could not tell where the answer ends
                *left = rest.ok_or_else(|| io::Error::other("a body of another length than announced"))?;
                self.piece = next;
            }
            None if next.is_empty() && !self.ended => {} // an empty chunk would be the last
            None => {
                let mut chunk = Vec::with_capacity(next.len() + 16);
                write!(chunk, "{:x}\r\n", next.len())?;
                chunk.extend_from_slice(&next);
                chunk.extend_from_slice(b"\r\n");
                self.piece = chunk.into();
            }
        }
        Ok(())
    }

    /// Sends the rest. False if the client hung up, or took nothing for as long as `limit`.
    pub(super) async fn finish<W: AsyncWrite + Unpin>(mut self: Box<Self>, wire: &mut W, limit: Duration) -> bool {
        let mut timer = pin!(tokio::time::sleep(limit));
        let mut seen = self.sent;
        poll_fn(|cx| match self.poll_send(wire, cx) {
            Poll::Ready(result) => Poll::Ready(result.is_ok()),
            Poll::Pending => {
                if self.sent != seen {
                    seen = self.sent;
                    timer.as_mut().reset(Instant::now() + limit);
                }
                timer.as_mut().poll(cx).map(|()| false)
            }
        })
        .await
    }
}

/// Status line and headers, in the order and the spelling of hyper.
fn head(parts: &Parts, length: Option<u64>) -> Bytes {
    let mut head = Vec::with_capacity(512);
    let status = parts.status;
    head.extend_from_slice(b"HTTP/1.1 ");
    head.extend_from_slice(status.as_str().as_bytes());
    head.push(b' ');
    head.extend_from_slice(status.canonical_reason().unwrap_or("<none>").as_bytes());
    head.extend_from_slice(b"\r\n");
    let mut line = |name: &[u8], value: &[u8]| {
        head.extend_from_slice(name);
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    };
    for (name, value) in &parts.headers {
        line(name.as_ref(), value.as_bytes());
    }
    match length {
        // it has no body, but the length would be that of the one it stands for
        _ if status == StatusCode::NOT_MODIFIED => {}
        Some(length) => line(b"content-length", length.to_string().as_bytes()),
        None => line(b"transfer-encoding", b"chunked"),
    }
    line(b"date", &date());
    head.extend_from_slice(b"\r\n");
    head.into()
}

/// Now, written once a second.
fn date() -> [u8; DATE] {
    thread_local! {
        static LAST: Cell<(u64, [u8; DATE])> = const { Cell::new((0, [b' '; DATE])) };
    }
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (written_at, mut text) = LAST.get();
    if written_at != second {
        let date = httpdate::fmt_http_date(now);
        text[..date.len().min(DATE)].copy_from_slice(&date.as_bytes()[..date.len().min(DATE)]);
        LAST.set((second, text));
    }
    text
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
const DATE: usize = 29;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_get_is_heard_here() {
        for (request, expected) in [
            ("GET /livez HTTP/1.1\r\nHost: t\r\n\r\n", Some("/livez")),
            ("GET /jobs/a%2Fb/targets?collector_id=c HTTP/1.1\r\n\r\n", Some("/jobs/a%2Fb/targets?collector_id=c")),
            ("GET /livez HTTP/1.1\r\nHost: t\r\n\r", None),
            ("GET /livez HTTP/1.1\r\nHost: t\r\n\r\nG", None),
            ("HEAD /livez HTTP/1.1\r\n\r\n", None),
            ("GET /livez HTTP/1.0\r\n\r\n", None),
            ("GET /livez HTTP/1.1\r\nContent-Length: 0\r\n\r\n", None),
            ("GET /livez HTTP/1.1\r\nconnection: close\r\n\r\n", None),
            ("GET /livez HTTP/1.1\r\nExpect: 100-continue\r\n\r\n", None),
            ("GET /livez HTTP/1.1\r\nTRANSFER-ENCODING: chunked\r\n\r\n", None),
            ("GET /livez#x HTTP/1.1\r\n\r\n", None),
            ("GET /livez\u{e9} HTTP/1.1\r\n\r\n", None),
            ("nonsense\r\n\r\n", None),
        ] {
            assert_eq!(target_of(request), expected, "{request:?}");
        }
        let many = "x: y\r\n".repeat(HEADERS + 1);
        assert_eq!(target_of(&format!("GET /livez HTTP/1.1\r\n{many}\r\n")), None);
    }

    fn target_of(request: &str) -> Option<&str> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        plain_get(request.as_bytes(), &mut headers).map(|(target, _)| target)
    }
}
