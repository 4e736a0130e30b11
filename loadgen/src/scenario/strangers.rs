//! Clients that are no collectors, and do an allocator no good.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::step::StrangerCounts;
use crate::client::{Dialling, dial};

/// Connections under way at once: more would overflow the queue of a listener, and be tried again a second later.
const AT_ONCE: usize = 128;
/// Between two bytes of one that dribbles.
const DRIBBLE: Duration = Duration::from_millis(200);
/// Before one that was cut comes back.
const RETURN: Duration = Duration::from_millis(200);
/// Longest time until all idle ones are connected.
const ARRIVAL: Duration = Duration::from_secs(120);
/// The beginning of a ClientHello of 512 bytes; zeros may follow for long.
const HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
const HEAD: &[u8] = b"GET /jobs HTTP/1.1\r\nHost: localhost\r\nx-dribble: ";

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Whom they are after.
#[derive(Debug, Clone)]
pub(super) struct Victim {
    /// Where collectors connect to.
    pub(super) address: SocketAddr,
    /// How.
    pub(super) dialling: Arc<Dialling>,
    /// A path with a long answer.
    pub(super) path: String,
}

/// They stay until dropped.
#[derive(Debug)]
pub(super) struct Strangers {
    _tasks: JoinSet<()>,
}

impl Strangers {
    /// Lets them come; returns when the idle ones are connected.
    ///
    /// # Errors
    /// They cannot connect.
    pub(super) async fn come(counts: StrangerCounts, victim: Victim) -> anyhow::Result<Self> {
        let mut tasks = JoinSet::new();
        let (victim, doors) = (Arc::new(victim), Arc::new(Semaphore::new(AT_ONCE)));
        let (connected, mut seen) = watch::channel(0);
        for _ in 0..counts.idle {
            tasks.spawn(idle(victim.clone(), doors.clone(), connected.clone()));
        }
        for _ in 0..counts.dribbling {
            tasks.spawn(again_and_again(victim.clone(), doors.clone(), dribble));
        }
        for _ in 0..counts.deaf {
            tasks.spawn(again_and_again(victim.clone(), doors.clone(), ask_and_never_read));
        }
        let all = seen.wait_for(|count| *count >= counts.idle);
        if timeout(ARRIVAL, all).await.is_err() {
            let count = *connected.borrow();
            anyhow::bail!("only {count} of {} idle clients are connected after {ARRIVAL:?}", counts.idle);
        }
        Ok(Strangers { _tasks: tasks })
    }
}

async fn idle(victim: Arc<Victim>, doors: Arc<Semaphore>, connected: watch::Sender<usize>) {
    let mut first = true;
    loop {
        if let Ok(mut stream) = connect(&victim, &doors).await {
            if std::mem::take(&mut first) {
                connected.send_modify(|count| *count += 1);
            }
            // until the other side has enough
            stream.read_u8().await.ok();
        }
        sleep(RETURN).await;
    }
}

async fn again_and_again<F>(victim: Arc<Victim>, doors: Arc<Semaphore>, harm: fn(Arc<Victim>, TcpStream) -> F)
where
    F: Future<Output = io::Result<()>> + Send,
{
    loop {
        if let Ok(stream) = connect(&victim, &doors).await {
            // how it ends is of no interest
            harm(victim.clone(), stream).await.ok();
        }
        sleep(RETURN).await;
    }
}

/// Asks so slowly that the question never ends; with HTTPS not even the handshake does.
async fn dribble(victim: Arc<Victim>, mut stream: TcpStream) -> io::Result<()> {
    let (beginning, more) = if victim.dialling.tls().is_some() { (HELLO, 0) } else { (HEAD, b'x') };
    for byte in beginning.iter().copied().chain(std::iter::repeat(more)) {
        stream.write_u8(byte).await?;
        sleep(DRIBBLE).await;
    }
    Ok(())
}

async fn ask_and_never_read(victim: Arc<Victim>, stream: TcpStream) -> io::Result<()> {
    let mut stream: Box<dyn Duplex> = match victim.dialling.tls() {
        Some(tls) => Box::new(tls.connect(stream).await?),
        None => Box::new(stream),
    };
    let request = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", victim.path);
    // a full buffer ends the writing before long; the connection stays
    loop {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
    }
}

async fn connect(victim: &Victim, doors: &Semaphore) -> io::Result<TcpStream> {
    let _door = doors.acquire().await.map_err(io::Error::other)?;
    dial(victim.address, None).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts so many connections and gives them.
    async fn accept(listener: &tokio::net::TcpListener, count: usize) -> Vec<TcpStream> {
        let mut streams = Vec::new();
        while streams.len() < count {
            streams.push(listener.accept().await.unwrap().0);
        }
        streams
    }

    #[tokio::test]
    async fn each_kind_does_what_it_is_called() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let victim = Victim {
            address: listener.local_addr().unwrap(),
            dialling: Arc::default(),
            path: "/jobs/a/targets".to_owned(),
        };
        let come = |counts| Strangers::come(counts, victim.clone());

        let (idle, accepted) =
            tokio::join!(come(StrangerCounts { idle: 3, ..StrangerCounts::default() }), accept(&listener, 3));
        assert!(accepted.iter().all(|stream| stream.try_read(&mut [0]).is_err()), "they say nothing");
        drop(accepted);
        accept(&listener, 3).await; // they come back
        drop(idle);

        let dribbling = come(StrangerCounts { dribbling: 1, ..StrangerCounts::default() }).await.unwrap();
        let mut stream = accept(&listener, 1).await.remove(0);
        let mut head = [0; 6];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"GET /j");
        drop(dribbling);

        let deaf = come(StrangerCounts { deaf: 1, ..StrangerCounts::default() }).await.unwrap();
        let mut stream = accept(&listener, 1).await.remove(0);
        let mut questions = [0; 200];
        stream.read_exact(&mut questions).await.unwrap();
        assert!(questions.starts_with(b"GET /jobs/a/targets HTTP/1.1\r\n"));
        drop(deaf);
    }
}
