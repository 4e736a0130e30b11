//! A local TCP balancer that stands in for a Kubernetes Service: new connections go in turn to the ready instances,
//! established ones stay where they are; with no ready instance connections are refused.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::allocator::is_ready;

/// Time between readiness probes. A kubelet probes every 10 s; here restarts come faster, too.
const PROBE_PERIOD: Duration = Duration::from_millis(100);

/// One instance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backend {
    /// Where `/readyz` is asked for.
    pub(super) probed: SocketAddr,
    /// Where connections go.
    pub(super) served: SocketAddr,
}

/// Forwards until dropped.
#[derive(Debug)]
pub(super) struct Balancer {
    address: SocketAddr,
    stop: CancellationToken,
}

impl Balancer {
    /// Reserves a port and starts to probe the backends.
    pub(super) async fn start(backends: Vec<Backend>) -> io::Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?;
        let balancer = Balancer { address, stop: CancellationToken::new() };
        let (send, ready) = watch::channel(Vec::new());
        tokio::spawn(balancer.stop.clone().run_until_cancelled_owned(probe(backends, send)));
        tokio::spawn(balancer.stop.clone().run_until_cancelled_owned(forward(address, ready)));
        Ok(balancer)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn probe(backends: Vec<Backend>, ready: watch::Sender<Vec<SocketAddr>>) {
    loop {
        let mut now = Vec::new();
        for backend in &backends {
            if is_ready(backend.probed).await {
                now.push(backend.served);
            }
        }
        ready.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
        tokio::time::sleep(PROBE_PERIOD).await;
    }
}

async fn forward(address: SocketAddr, ready: watch::Receiver<Vec<SocketAddr>>) {
    let mut changes = ready.clone();
    loop {
        if changes.wait_for(|ready| !ready.is_empty()).await.is_err() {
            return;
        }
        let Ok(listener) = TcpListener::bind(address).await else {
            tokio::time::sleep(PROBE_PERIOD).await;
            continue;
        };
        let refused_again = async { changes.wait_for(Vec::is_empty).await.is_err() };
        tokio::select! {
            gone = refused_again => if gone { return },
            () = accept(listener, ready.clone()) => {}
        }
    }
}

async fn accept(listener: TcpListener, ready: watch::Receiver<Vec<SocketAddr>>) {
    let ready = Arc::new(ready);
    let mut turn = 0usize;
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        turn = turn.wrapping_add(1);
        tokio::spawn(carry(stream, ready.clone(), turn));
    }
}

/// Connects to the next ready instance, or another one if that fails.
async fn carry(mut client: TcpStream, ready: Arc<watch::Receiver<Vec<SocketAddr>>>, turn: usize) {
    let backends = ready.borrow().clone();
    for offset in 0..backends.len() {
        if let Ok(mut server) = TcpStream::connect(backends[(turn + offset) % backends.len()]).await {
            // the end of either side ends the connection; how it ended is seen by the client
            tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
            return;
        }
    }
}
