//! A client that costs little and checks that answers are whole.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Asks one thing, over and over.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    request: String,
    runtime: Runtime,
}

/// What was asked, and got.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) requests: u64,
    /// Of the body of one answer, as on the wire.
    pub(crate) bytes: usize,
}

impl Client {
    /// A GET of `path`; `headers` are whole lines.
    pub(crate) fn new(address: SocketAddr, path: &str, headers: &str) -> anyhow::Result<Self> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n{headers}\r\n");
        Ok(Self { address, request, runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()? })
    }

    /// Opens connections and asks once on each, one after the other.
    pub(crate) fn open_and_ask(&self, connections: usize) -> anyhow::Result<Vec<TcpStream>> {
        self.runtime.block_on(async {
            let mut open = Vec::with_capacity(connections);
            for _ in 0..connections {
                let mut stream = TcpStream::connect(self.address).await?;
                ask(&mut stream, &self.request, &mut Vec::new()).await?;
                open.push(stream);
            }
            Ok(open)
        })
    }

    /// Asks on so many connections at once, on each again as soon as it has its answer, at least once.
    pub(crate) fn ask_for(&self, length: Duration, connections: usize) -> anyhow::Result<Asked> {
        self.runtime.block_on(async {
            let until = Instant::now() + length;
            let mut tasks = JoinSet::new();
            for _ in 0..connections {
                let (address, request) = (self.address, self.request.clone());
                tasks.spawn(async move {
                    let mut stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?;
                    let (mut requests, mut buffer) = (0, Vec::new());
                    loop {
                        let bytes = ask(&mut stream, &request, &mut buffer).await?;
                        requests += 1;
                        if Instant::now() >= until {
                            return anyhow::Ok(Asked { requests, bytes });
                        }
                    }
                });
            }
            let mut all = Asked::default();
            while let Some(done) = tasks.join_next().await {
                let Asked { requests, bytes } = done??;
                all = Asked { requests: all.requests + requests, bytes };
            }
            Ok(all)
        })
    }
}

/// Sends `request` and takes the answer; returns the length of its body.
async fn ask(stream: &mut TcpStream, request: &str, buffer: &mut Vec<u8>) -> anyhow::Result<usize> {
    stream.write_all(request.as_bytes()).await?;
    buffer.clear();
    let head = loop {
        read(stream, buffer).await?;
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        }
    };
    let body = buffer.split_off(head.len() + 4);
    *buffer = body;
    if head.starts_with("http/1.1 304") {
        return Ok(0);
    }
    if !head.starts_with("http/1.1 200") {
        bail!("{head}");
    }
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if let Some(length) = header("content-length:") {
        let length: usize = length.parse()?;
        let mut taken = buffer.len();
        while taken < length {
            buffer.clear();
            taken += read(stream, buffer).await?;
        }
        ensure!(taken == length, "{taken} bytes where {length} were announced");
        return Ok(length);
    }
    ensure!(header("transfer-encoding:") == Some("chunked"), "neither a length nor chunks: {head}");
    let mut taken = buffer.len();
    while !buffer.ends_with(b"0\r\n\r\n") {
        // the end may arrive in two reads
        let keep = buffer.len().saturating_sub(8);
        buffer.drain(..keep);
        taken += read(stream, buffer).await?;
    }
    Ok(taken)
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<usize> {
    /// Large, so that the client makes few calls and leaves the cores to the server.
    const READ: usize = 256 * 1024;
    buffer.reserve(READ);
    let count = stream.read_buf(buffer).await.context("reading an answer")?;
    ensure!(count > 0, "the server hung up");
    Ok(count)
}
