//! One client connection, cheap while nothing happens on it.
//!
//! Every collector keeps a connection per job open, and uses it once in 30 s: tens of thousands of them idle at any
//! time. A poll is answered from there ([`express`]). An HTTP state machine with its buffers is some 20 KB, so it is made
//! when something else arrives, and taken apart again when the answer is out; in between only the socket is kept.
//!
//! Over TLS it is the same, with the session kept beside the socket, and a handshake before. Clients that choose HTTP/2
//! keep its state as well.
//!
//! ```text
//!   ┌─poll answered─┐
//!   ▼               │
//! parked (socket) ──┴──anything else──► active (hyper) ──answer sent, nothing read ahead──► parked
//!        │ idle too long, stopping             │ closed, failed, timed out
//!        ▼                                     ▼
//!      closed                                closed
//! ```

mod express;
mod handshake;
mod http2;
mod watched;
mod wire;

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use super::{Limits, Router, Secure};
use express::Heard;
pub use handshake::Tls;
use watched::{InFlight, Marks, Watched};
use wire::{Metered, Wire};

/// A whole request head must fit, a browser's cookies included; also the most hyper gathers before it writes. Buffers
/// start at 8 KiB.
const BUFFER: usize = 64 * 1024;

/// Serves `stream`, over TLS if `tls` is given, until either side closes it, a limit is passed, or `stopping` turns true
/// and it is idle.
pub(super) async fn run(
    stream: TcpStream,
    tls: Option<Tls>,
    router: Router,
    limits: Arc<Limits>,
    mut stopping: watch::Receiver<bool>,
) {
    let _counted = router.state().metrics.connection();
    // answers are written in one go: waiting for more would only delay them. A dead socket shows at the next read.
    drop(stream.set_nodelay(true));
    let wire = match tls {
        None => Wire::Plain(Metered::new(stream)),
        Some(tls) => {
            let accepted = tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return,
                accepted = Box::pin(tls.accept(stream, limits.handshake, &router.state().metrics)) => accepted,
            };
            let Some(stream) = accepted else { return };
            Wire::Tls(stream)
        }
    };
    if wire.speaks_http2() {
        return Box::pin(http2::run(wire, router, &limits, &mut stopping)).await;
    }
    let secure = wire.is_tls();
    let mut parked = Parked { wire, ahead: Bytes::new() };
    // both are kept from request to request: setting them up costs as much as parsing one
    let mut stopped = pin!(stopped(stopping.clone()));
    let mut timer = pin!(tokio::time::sleep(limits.idle));
    loop {
        if parked.ahead.is_empty() {
            let heard = tokio::select! {
                biased;
                () = &mut stopped => Heard::End,
                heard = express::hear(&mut parked.wire, &router, secure) => heard,
                () = idle_since(Instant::now(), limits.idle, timer.as_mut()) => Heard::End,
            };
            match heard {
                Heard::Answered => continue,
                Heard::Partly(answer) => match Box::pin(answer.finish(&mut parked.wire, limits.write)).await {
                    true => continue,
                    false => return,
                },
                Heard::Other(bytes) => parked.ahead = bytes,
                Heard::End => return Box::pin(parked.wire.close()).await,
            }
        }
        // boxed, so that a parked connection does not carry the room for an active one
        let active = Box::pin(active(parked, router.clone(), &limits, &mut stopping));
        match active.await {
            Some(again) => parked = again,
            None => return,
        }
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    drop(stopping.wait_for(|stop| *stop).await);
}

/// Ends `limit` after `since`. The timer is only set anew when it runs out.
async fn idle_since(since: Instant, limit: Duration, mut timer: Pin<&mut Sleep>) {
    loop {
        timer.as_mut().await;
        if since.elapsed() >= limit {
            return;
        }
        timer.as_mut().reset(since + limit);
    }
}

/// A connection between requests.
struct Parked {
    wire: Wire,
    /// Read already, but not part of the last request: a pipelining client was quick.
    ahead: Bytes,
}

/// Serves requests until the connection is idle (given back) or over (`None`).
async fn active(
    parked: Parked,
    router: Router,
    limits: &Limits,
    stopping: &mut watch::Receiver<bool>,
) -> Option<Parked> {
    let marks = Arc::new(Marks::default());
    let secure = parked.wire.is_tls();
    let io = TokioIo::new(Watched::new(parked.wire, parked.ahead, marks.clone()));
    let service = Requests { router, marks: marks.clone(), secure };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_buf_size(BUFFER)
        .serve_connection(io, service);
    let mut write_timeout = WriteTimeout::new(limits.write);
    let mut asked_to_stop = false;
    let end = loop {
        let step = std::future::poll_fn(|cx| match connection.poll_without_shutdown(cx) {
            Poll::Ready(_) => Poll::Ready(End::Closed),
            Poll::Pending if marks.is_idle() => Poll::Ready(End::Idle),
            Poll::Pending => write_timeout.poll(cx, &marks).map(|()| End::Stuck),
        });
        tokio::select! {
            end = step => break end,
            _ = stopping.wait_for(|stop| *stop), if !asked_to_stop => {
                asked_to_stop = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let parts = connection.into_parts();
    let mut wire = parts.io.into_inner().into_wire();
    match end {
        // an empty buffer still has its 8 KB behind it
        End::Idle if parts.read_buf.is_empty() => Some(Parked { wire, ahead: Bytes::new() }),
        End::Idle => Some(Parked { wire, ahead: parts.read_buf }),
        End::Closed => {
            // says goodbye before the socket goes: what was sent must still arrive. TLS has more to say, which a client
            // that reads nothing must not hold up.
            drop(tokio::time::timeout(limits.write, wire.shutdown()).await);
            None
        }
        End::Stuck => None,
    }
}

enum End {
    Idle,
    /// By the client, by a broken request (answered 400), or by us.
    Closed,
    /// The client takes nothing any more.
    Stuck,
}

/// Runs only while the socket refuses to take what we have for it.
struct WriteTimeout {
    limit: Duration,
    /// The timer, and how much had been written when it was set.
    running: Option<(Pin<Box<Sleep>>, u64)>,
}

impl WriteTimeout {
    fn new(limit: Duration) -> Self {
        Self { limit, running: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>, marks: &Marks) -> Poll<()> {
        if !marks.is_blocked() {
            self.running = None;
            return Poll::Pending;
        }
        let written = marks.written();
        match &mut self.running {
            Some((timer, then)) if *then == written => timer.as_mut().poll(cx),
            running => {
                let (timer, _) = running.insert((Box::pin(tokio::time::sleep(self.limit)), written));
                timer.as_mut().poll(cx)
            }
        }
    }
}

/// Hands requests to the router and notes when one begins and when its answer is gone.
struct Requests {
    router: Router,
    marks: Arc<Marks>,
    /// They come over TLS.
    secure: bool,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<InFlight>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let guard = self.marks.begin();
        let router = self.router.clone();
        let mut head = request.into_parts().0;
        if self.secure {
            head.extensions.insert(Secure);
        }
        Box::pin(async move {
            let response = router.respond(head).await;
            Ok(response.map(|body| guard.carry(body)))
        })
    }
}

#[cfg(test)]
mod tests {
    use ta_engine::{Engine, EngineOptions, StrategyKind, TargetStore};

    use super::*;
    use crate::health::Health;
    use crate::http::{NoStatus, Options, State};
    use crate::metrics::{Identity, Metrics};

    #[tokio::test]
    async fn a_parked_connection_is_small() {
        let engine = Engine::new(&EngineOptions::default(), TargetStore::new()).unwrap();
        let identity = Identity { strategy: StrategyKind::default(), service_name: String::new() };
        let router = Router::new(State {
            snapshots: engine.snapshots(),
            health: Health::new(),
            metrics: Metrics::new(identity).unwrap(),
            status: Arc::new(NoStatus),
            options: Options::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_stop, stopping) = watch::channel(false);
        let parked = run(stream, None, router, Arc::new(Limits::default()), stopping);
        // ten thousands of them are nothing unusual
        assert!(size_of_val(&parked) <= 1024, "{} bytes", size_of_val(&parked));
    }
}
