//! The accept loop: sockets in, drained connections out.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Router;
use super::connection::{self, Tls};

/// Connections the kernel completes ahead of us. A collector opens one per job in the same millisecond, and a SYN that
/// finds the queue full is retried after a whole second.
pub const BACKLOG: u32 = 8192;

/// How long the loop rests when the process is out of descriptors: accepting again at once would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a client may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From a TLS connection's being accepted to its client's being verified; Go's clients give up then too.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its headers.
    pub header_read: Duration,
    /// Between requests. Well above the poll interval of 30 s, so that collectors keep their connections.
    pub idle: Duration,
    /// Without a single byte taken while there is something to send.
    pub write: Duration,
    /// From the wish to stop until what is still in flight is cut off.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            header_read: Duration::from_secs(30),
            idle: Duration::from_secs(300),
            write: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

/// Binds `address`. Needs a tokio runtime.
///
/// # Errors
/// The address is taken, not ours, or not allowed.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // a restart must not wait for the old process' connections to time out
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `shutdown` completes, then stops accepting, closes idle connections, lets requests in flight finish
/// within [`Limits::drain`], and returns how many connections had to be cut.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: impl Future<Output = ()>) -> usize {
    accept(listener, None, router, limits, shutdown).await
}

/// The same over TLS.
pub async fn serve_tls(
    listener: TcpListener,
    tls: Tls,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> usize {
    accept(listener, Some(tls), router, limits, shutdown).await
}

async fn accept(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> usize {
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let limits = Arc::new(limits);
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (tls, router, limits) = (tls.clone(), router.clone(), limits.clone());
                    connections.spawn(connection::run(stream, tls, router, limits, stopping.clone()));
                }
                Err(error) => pause(&error).await,
            },
            Some(ended) = connections.join_next(), if !connections.is_empty() => count_panic(&router, &ended),
        }
    }
    drop(listener);
    stop.send_replace(true);
    drain(connections, &router, limits.drain).await
}

/// A client that hung up while queued says nothing about the next one; anything else is worth a breath.
async fn pause(error: &io::Error) {
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        tracing::warn!(%error, "cannot accept a connection");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

async fn drain(mut connections: JoinSet<()>, router: &Router, deadline: Duration) -> usize {
    let finished = tokio::time::timeout(deadline, async {
        while let Some(ended) = connections.join_next().await {
            count_panic(router, &ended);
        }
    });
    if finished.await.is_ok() {
        return 0;
    }
    let cut = connections.len();
    tracing::warn!(connections = cut, "closing connections that did not finish in time");
    connections.shutdown().await;
    cut
}

/// Rendering a body while it is sent happens outside the router: a panic there ends the connection.
fn count_panic(router: &Router, ended: &Result<(), tokio::task::JoinError>) {
    if ended.as_ref().is_err_and(tokio::task::JoinError::is_panic) {
        router.state().metrics.panicked();
    }
}
