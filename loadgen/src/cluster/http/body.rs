//! Bodies: finished ones, and those that are written while they are sent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Frame;
use serde_json::Value;
use tokio::sync::mpsc;

use super::Place;
use crate::cluster::faults::{Verbs, piece};
use crate::cluster::server::Shared;
use crate::cluster::status::Failure;

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Chunks written ahead of the client.
const AHEAD: usize = 4;

/// A finished body.
pub(super) fn full(status: u16, content_type: &str, bytes: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync();
    build(status, content_type, body)
}

/// A JSON answer.
pub(super) fn json(status: u16, value: &Value) -> Response<Body> {
    full(status, "application/json", value.to_string())
}

/// The answer that tells a refusal.
pub(super) fn failure(failure: &Failure) -> Response<Body> {
    let mut response = json(failure.code, &failure.body());
    if let Some(seconds) = failure.retry_after {
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
    response
}

/// A body whose other end is written to while it is sent.
pub(super) fn piped(place: Place, verb: Verbs, shared: Arc<Shared>) -> (Response<Body>, Pipe) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let body = PipeBody(receiver).boxed_unsync();
    (build(200, "application/json", body), Pipe { sender, place, verb, shared })
}

fn build(status: u16, content_type: &str, body: Body) -> Response<Body> {
    let response = Response::builder().status(status).header(http::header::CONTENT_TYPE, content_type);
    // faults may ask for codes that do not exist
    let broken = || full(500, "text/plain", "not a status code\n");
    response.body(body).unwrap_or_else(|_| broken())
}

/// The writing end of a body, which knows the faults of its request.
#[derive(Debug)]
pub(super) struct Pipe {
    sender: mpsc::Sender<io::Result<Bytes>>,
    place: Place,
    verb: Verbs,
    shared: Arc<Shared>,
}

/// The client went away.
#[derive(Debug)]
pub(super) struct Gone;

impl Pipe {
    /// Sends bytes, at the pace of the faults set now.
    ///
    /// # Errors
    /// The client is gone.
    pub(super) async fn send(&self, bytes: Bytes) -> Result<(), Gone> {
        let asked = self.place.asked(self.verb);
        tokio::select! {
            () = self.shared.faults.unhung(asked) => {}
            () = self.sender.closed() => return Err(Gone),
        }
        let mut rest = bytes;
        while let Some(bytes_per_second) = self.shared.faults.pace(asked).filter(|_| !rest.is_empty()) {
            let (length, pause) = piece(bytes_per_second);
            self.push(rest.split_to(length.min(rest.len()))).await?;
            tokio::time::sleep(pause).await;
        }
        if rest.is_empty() { Ok(()) } else { self.push(rest).await }
    }

    async fn push(&self, bytes: Bytes) -> Result<(), Gone> {
        let length = bytes.len() as u64;
        self.sender.send(Ok(bytes)).await.map_err(|_| Gone)?;
        self.shared.counts.count(self.place.kind.get().plural, |counts| counts.bytes += length);
        Ok(())
    }

    /// Breaks the connection.
    pub(super) async fn break_off(&self) {
        // if the client is gone there is nothing to break
        self.sender.send(Err(io::Error::other("broken off as a fault says"))).await.ok();
    }

    /// Waits until the client is gone.
    pub(super) async fn closed(&self) {
        self.sender.closed().await;
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}

#[derive(Debug)]
struct PipeBody(mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for PipeBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(ready!(self.0.poll_recv(context)).map(|sent| sent.map(Frame::data)))
    }
}
