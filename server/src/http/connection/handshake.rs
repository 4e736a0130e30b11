//! TLS handshakes: verified clients come out, everything else is counted and told, not too often.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use futures::FutureExt;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::PollSemaphore;

use super::wire::Metered;
use crate::metrics::{Handshake, Metrics};
use crate::throttle::Throttle;
use crate::tls::rejection_of;

/// How often refused clients are told of in the log.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Accepts TLS connections. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: watch::Receiver<Arc<ServerConfig>>,
    /// Who may compute now. A handshake is a millisecond of signatures, and a whole fleet comes back at once after a
    /// restart: its steps queue here, one thread's worth at a time, and not before polls and probes.
    turns: Arc<Semaphore>,
    told: Throttle,
}

impl Tls {
    /// Each connection is accepted with what `config` holds then; at most `threads` handshakes compute at a time.
    #[must_use]
    pub fn new(config: watch::Receiver<Arc<ServerConfig>>, threads: usize) -> Self {
        let turns = Arc::new(Semaphore::new(threads.max(1)));
        Self(Arc::new(Inner { config, turns, told: Throttle::new(TELL_EVERY) }))
    }

    /// The connection, once the client is verified; `None` where that fails or takes longer than `limit`.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        limit: Duration,
        metrics: &Metrics,
    ) -> Option<Box<TlsStream<Metered>>> {
        let peer = stream.peer_addr();
        let handshake = self.handshake(stream);
        let (how, why) = match tokio::time::timeout(limit, handshake).await {
            Ok(Ok(stream)) => {
                metrics.handshake(Handshake::Ok);
                return Some(Box::new(stream));
            }
            Ok(Err(error)) => explain(&error),
            Err(_) => (Handshake::Timeout, format!("the handshake took longer than {limit:?}")),
        };
        metrics.handshake(how);
        let is_refusal = matches!(how, Handshake::NoCertificate | Handshake::BadCertificate);
        if !is_refusal {
            tracing::debug!(?peer, "TLS handshake failed: {why}"); // port scanners, probes, clients that gave up
        } else if let Some(held_back) = self.0.told.pass(Instant::now()) {
            let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
            tracing::warn!(peer, held_back, "a client was refused over TLS: {why}");
        }
        None
    }

    async fn handshake(&self, stream: TcpStream) -> io::Result<TlsStream<Metered>> {
        let config = self.0.config.borrow().clone();
        let mut accept = Box::pin(TlsAcceptor::from(config).accept(Metered::new(stream)));
        let mut turns = PollSemaphore::new(self.0.turns.clone());
        // the turn is kept only while computing, not while waiting for the client
        std::future::poll_fn(move |cx| {
            let Some(_turn) = ready!(turns.poll_acquire(cx)) else { return Poll::Ready(Err(closed())) };
            Pin::new(&mut accept).poll_unpin(cx)
        })
        .await
    }
}

fn closed() -> io::Error {
    io::Error::other("the server is stopping")
}

fn explain(error: &io::Error) -> (Handshake, String) {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::NoCertificatesPresented) => {
            (Handshake::NoCertificate, "it sent no client certificate".to_owned())
        }
        Some(error) => match rejection_of(error) {
            Some(why) => (Handshake::BadCertificate, why),
            None => (Handshake::Failed, error.to_string()),
        },
        None => (Handshake::Failed, error.to_string()),
    }
}
