//! A client that hides nothing.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use ta_loadgen::cluster::SimulatedCluster;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Nothing here takes longer, unless something is wrong.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) json: Value,
}

/// Sends a request; the answer is there when its head is.
pub(crate) async fn open(
    address: std::net::SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Response<Incoming>, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("Host", "cluster");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    timeout(LIMIT, sender.send_request(request)).await.map_err(|late| late.to_string())?.map_err(|e| format!("{e:?}"))
}

pub(crate) async fn send(
    cluster: &SimulatedCluster,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Answer, String> {
    let response = open(cluster.address(), method, path, headers, body).await?;
    let (head, body) = response.into_parts();
    let body = timeout(LIMIT, body.collect()).await.map_err(|late| late.to_string())?;
    let bytes = body.map_err(|error| format!("{error:?}"))?.to_bytes();
    let json = serde_json::from_slice(&bytes).unwrap_or(Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, json })
}

pub(crate) async fn get(cluster: &SimulatedCluster, path: &str) -> Answer {
    send(cluster, "GET", path, &[], "").await.unwrap()
}

/// An open watch.
pub(crate) struct Watch {
    body: Incoming,
    read: Vec<u8>,
}

/// What comes next in a watch.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    Event(Value),
    Garbage(String),
    /// The response ended as it should.
    End,
    /// The connection broke.
    Broken,
}

impl Watch {
    pub(crate) async fn open(cluster: &SimulatedCluster, path: &str) -> Watch {
        let response = open(cluster.address(), "GET", path, &[], "").await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        Watch { body: response.into_body(), read: Vec::new() }
    }

    pub(crate) async fn next(&mut self) -> Next {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return match serde_json::from_slice(&line) {
                    Ok(value) => Next::Event(value),
                    Err(_) => Next::Garbage(String::from_utf8_lossy(&line).into_owned()),
                };
            }
            match timeout(LIMIT, self.body.frame()).await.expect("the watch says nothing") {
                None => return Next::End,
                Some(Err(_)) => return Next::Broken,
                Some(Ok(frame)) => self.read.extend(frame.into_data().unwrap_or_default()),
            }
        }
    }

    /// The next event as `TYPE name@revision`.
    pub(crate) async fn brief(&mut self) -> String {
        match self.next().await {
            Next::Event(event) => {
                let metadata = &event["object"]["metadata"];
                let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
                format!("{} {}@{}", text(&event["type"]), text(&metadata["name"]), text(&metadata["resourceVersion"]))
            }
            other => format!("{other:?}"),
        }
    }

    /// Whether nothing comes for a while.
    pub(crate) async fn silent(&mut self) -> bool {
        timeout(Duration::from_millis(100), self.next()).await.is_err()
    }
}
