//! Targets as an http_sd server, one URL per job, which can also misbehave.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::world::{World, job_json};
use crate::stats::lock;

/// How the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeedMode {
    /// Properly.
    #[default]
    Serve,
    /// Not at all: requests wait until the mode changes.
    Hang,
    /// Status 500.
    Fail,
    /// Status 200 and something that is not JSON.
    Garbage,
    /// Status 200 and `[]` for every job, as a source that lost its data does.
    Empty,
}

/// Serves `/jobs/<ordinal>` on a loopback port until dropped.
#[derive(Debug)]
pub struct HttpFeed {
    address: SocketAddr,
    mode: watch::Sender<FeedMode>,
    stop: CancellationToken,
}

impl HttpFeed {
    /// Binds the port (0 = any) and starts serving what `world` holds at each request.
    ///
    /// # Errors
    /// The port cannot be bound.
    pub async fn start(port: u16, world: Arc<Mutex<World>>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let (mode, modes) = watch::channel(FeedMode::Serve);
        let feed = HttpFeed { address: listener.local_addr()?, mode, stop: CancellationToken::new() };
        let served = Arc::new(Served { world, bodies: Mutex::default() });
        tokio::spawn(feed.stop.clone().run_until_cancelled_owned(accept(listener, served, modes)));
        Ok(feed)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how it answers, also for requests that hang.
    pub fn set_mode(&self, mode: FeedMode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for HttpFeed {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The world and the bodies made of it: an allocator asks far more often than jobs change.
#[derive(Debug)]
struct Served {
    world: Arc<Mutex<World>>,
    /// Per job: version and body.
    bodies: Mutex<HashMap<u32, (u64, Bytes)>>,
}

impl Served {
    fn body(&self, job: u32) -> Option<Bytes> {
        let world = lock(&self.world);
        if job >= world.synth().jobs() {
            return None;
        }
        let (version, mut bodies) = (world.version(job), lock(&self.bodies));
        match bodies.get(&job) {
            Some((made, body)) if *made == version => Some(body.clone()),
            _ => {
                let body = Bytes::from(job_json(&world, job));
                bodies.insert(job, (version, body.clone()));
                Some(body)
            }
        }
    }
}

async fn accept(listener: TcpListener, served: Arc<Served>, modes: watch::Receiver<FeedMode>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // out of descriptors or reset in the queue: the next one may work
                let Ok((stream, _)) = accepted else { continue };
                let (served, modes) = (served.clone(), modes.clone());
                let service = service_fn(move |request| answer(request, served.clone(), modes.clone()));
                connections.spawn(async move {
                    let ended = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    ended.await.ok();
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(
    request: http::Request<hyper::body::Incoming>,
    served: Arc<Served>,
    mut modes: watch::Receiver<FeedMode>,
) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let mode = match modes.wait_for(|mode| *mode != FeedMode::Hang).await {
        Ok(mode) => *mode,
        Err(_closed) => FeedMode::Fail,
    };
    let job = request.uri().path().strip_prefix("/jobs/").and_then(|job| job.parse::<u32>().ok());
    let (status, content_type, body) = match (mode, job) {
        (FeedMode::Fail, _) => (500, "text/plain", Bytes::from_static(b"broken\n")),
        (FeedMode::Garbage, _) => (200, "application/json", Bytes::from_static(b"[{\"targets\":")),
        (FeedMode::Empty, _) => (200, "application/json", Bytes::from_static(b"[]")),
        (_, job) => match job.and_then(|job| served.body(job)) {
            Some(body) => (200, "application/json", body),
            None => (404, "text/plain", Bytes::from_static(b"no such job\n")),
        },
    };
    let response = http::Response::builder().status(status).header("Content-Type", content_type);
    Ok(response.body(Full::new(body)).expect("constant status and header are valid"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Asking, Client};
    use crate::synth::{Synth, SynthOptions};

    #[tokio::test]
    async fn every_mode_answers_as_it_says() {
        let world = Arc::new(Mutex::new(World::new(Synth::new(SynthOptions::default()).unwrap())));
        let feed = HttpFeed::start(0, world.clone()).await.unwrap();
        let endpoint = crate::loopback::resolve(&format!("http://{}", feed.address()), false).unwrap();
        let mut client = Client::new(Arc::new(endpoint), None, Arc::default());
        let mut get = async |path: &str| client.get(path, Asking::Targets).await.unwrap();
        let served = get("/jobs/3").await;
        assert_eq!((served.status, served.body), (200, job_json(&lock(&world), 3).into()));
        assert_eq!(get("/jobs/10").await.status, 404);
        lock(&world).touch_labels(3, 0, &mut crate::feed::WorldChange::default());
        assert_eq!(get("/jobs/3").await.body, job_json(&lock(&world), 3), "a change is served at once");
        for (mode, status, body) in [
            (FeedMode::Fail, 500, "broken\n"),
            (FeedMode::Garbage, 200, "[{\"targets\":"),
            (FeedMode::Empty, 200, "[]"),
        ] {
            feed.set_mode(mode);
            let answer = get("/jobs/3").await;
            assert_eq!((answer.status, answer.body.as_ref()), (status, body.as_bytes()), "{mode:?}");
        }
        feed.set_mode(FeedMode::Hang);
        let hanging = tokio::spawn({
            let endpoint = crate::loopback::resolve(&format!("http://{}", feed.address()), false).unwrap();
            async move { Client::new(Arc::new(endpoint), None, Arc::default()).get("/jobs/3", Asking::Targets).await }
        });
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!hanging.is_finished());
        feed.set_mode(FeedMode::Serve);
        assert_eq!(hanging.await.unwrap().unwrap().status, 200);
    }
}
