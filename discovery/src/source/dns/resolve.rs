//! Asking name servers the way Prometheus does (`discovery/dns/dns.go`): its rules on what counts as an answer decide
//! whether targets stay, and no resolver library has the same ones.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_proto::ProtoError;
use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::ResolvConf;

/// The size of UDP answers we say we take (EDNS0).
const UDP_SIZE: u16 = 4096;

/// Why a name could not be looked up. Its targets stay.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    #[error("not a domain name: {0}")]
    Name(ProtoError),
    #[error("resolv.conf names no server")]
    NoServers,
    #[error("no viable answer from any server ({0})")]
    NoAnswer(String),
}

/// Why one server gave no answer.
#[derive(Debug, thiserror::Error)]
enum ExchangeError {
    #[error("timed out")]
    Timeout,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("malformed message: {0}")]
    Malformed(String),
    #[error("truncated over TCP")]
    Truncated,
    #[error("answered {0}")]
    Code(ResponseCode),
}

/// The answer records for `name`. The first candidate name that exists wins, even without a record of this type; if no
/// candidate exists there are no records; if none was found and some could not be asked about, that is an error.
pub(super) async fn look_up(conf: &ResolvConf, name: &str, kind: RecordType) -> Result<Vec<Record>, LookupError> {
    if conf.servers.is_empty() {
        return Err(LookupError::NoServers);
    }
    let mut failure = None;
    for candidate in conf.candidates(name) {
        let answer = match Name::from_utf8(&candidate) {
            Ok(candidate) => ask_servers(conf, &candidate, kind).await,
            Err(error) => Err(LookupError::Name(error)), // too long with this suffix, say: others may do
        };
        match answer {
            Ok(Some(records)) => return Ok(records),
            Ok(None) => {}
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(Vec::new()), Err)
}

/// `None`: the name does not exist.
async fn ask_servers(conf: &ResolvConf, name: &Name, kind: RecordType) -> Result<Option<Vec<Record>>, LookupError> {
    let mut causes = Vec::new();
    for server in &conf.servers {
        let exchange = exchange(*server, name, kind, conf.timeout).await;
        match exchange.map(|answer| (answer.metadata.response_code, answer)) {
            Ok((ResponseCode::NoError, answer)) => return Ok(Some(answer.answers)),
            Ok((ResponseCode::NXDomain, _)) => return Ok(None),
            Ok((code, _)) => causes.push(format!("{server}: {}", ExchangeError::Code(code))),
            Err(error) => causes.push(format!("{server}: {error}")),
        }
    }
    Err(LookupError::NoAnswer(causes.join(", ")))
}

/// Asks over UDP, and again over TCP if the answer did not fit.
async fn exchange(
    server: SocketAddr,
    name: &Name,
    kind: RecordType,
    limit: std::time::Duration,
) -> Result<Message, ExchangeError> {
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(name.clone(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_SIZE);
    query.set_edns(edns);
    let answer = timeout(limit, over_udp(server, &query)).await.map_err(|_| ExchangeError::Timeout)??;
    if !answer.metadata.truncation {
        return Ok(answer);
    }
    query.edns = None;
    let answer = timeout(limit, over_tcp(server, &query)).await.map_err(|_| ExchangeError::Timeout)??;
    if answer.metadata.truncation { Err(ExchangeError::Truncated) } else { Ok(answer) }
}

async fn over_udp(server: SocketAddr, query: &Message) -> Result<Message, ExchangeError> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(&encode(query)?).await?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // a stray or forged datagram is passed over; the right one may still come
        if let Ok(answer) = decode(&buffer[..length], query) {
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, query: &Message) -> Result<Message, ExchangeError> {
    let mut stream = TcpStream::connect(server).await?;
    let bytes = encode(query)?;
    let length = u16::try_from(bytes.len()).map_err(|_| ExchangeError::Malformed("query too long".to_owned()))?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&bytes).await?;
    let length = stream.read_u16().await?;
    let mut buffer = vec![0; usize::from(length)];
    stream.read_exact(&mut buffer).await?;
    decode(&buffer, query)
}

fn encode(query: &Message) -> Result<Vec<u8>, ExchangeError> {
    query.to_vec().map_err(|error| ExchangeError::Malformed(error.to_string()))
}

fn decode(bytes: &[u8], query: &Message) -> Result<Message, ExchangeError> {
    let answer = Message::from_vec(bytes).map_err(|error| ExchangeError::Malformed(error.to_string()))?;
    let ours = answer.metadata.id == query.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && (answer.queries.is_empty() || answer.queries == query.queries);
    if ours { Ok(answer) } else { Err(ExchangeError::Malformed("answer to another question".to_owned())) }
}
