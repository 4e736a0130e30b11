//! HTTP/2, which TLS clients may choose. Its state is kept for as long as the connection is: there is no parking.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::watched::{Marks, Watched};
use super::wire::Wire;
use super::{BUFFER, Limits, Requests, Router};

/// Requests of one client at a time: Go's default.
const STREAMS: u32 = 250;

/// Serves requests until either side closes the connection, a limit is passed, or `stopping` turns true.
pub(super) async fn run(wire: Wire, router: Router, limits: &Limits, stopping: &mut watch::Receiver<bool>) {
    let marks = Arc::new(Marks::default());
    let io = TokioIo::new(Watched::new(wire, Bytes::new(), marks.clone()));
    let service = Requests { router, marks: marks.clone(), secure: true };
    let mut connection = pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(BUFFER as u32)
            .serve_connection(io, service)
    );
    let mut watchdog = Watchdog::new(limits);
    let mut clock = interval(watchdog.step());
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked_to_stop = false;
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            now = clock.tick() => match watchdog.look(&marks, now) {
                Verdict::Well => {}
                Verdict::Stuck => return,
                Verdict::Idle if asked_to_stop => return,
                Verdict::Idle => {
                    asked_to_stop = true;
                    connection.as_mut().graceful_shutdown();
                }
            },
            _ = stopping.wait_for(|stop| *stop), if !asked_to_stop => {
                asked_to_stop = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

enum Verdict {
    Well,
    /// No request for too long.
    Idle,
    /// The client takes nothing of an answer any more.
    Stuck,
}

/// Compares what is seen now and then.
struct Watchdog {
    idle: Duration,
    write: Duration,
    /// How many requests had come when that changed last, and when that was.
    requests: (u64, Instant),
    /// How much had been written when that changed last or there was nothing to write, and when that was.
    written: (u64, Instant),
}

impl Watchdog {
    fn new(limits: &Limits) -> Self {
        let now = Instant::now();
        Self { idle: limits.idle, write: limits.write, requests: (0, now), written: (0, now) }
    }

    fn step(&self) -> Duration {
        (self.idle.min(self.write) / 4).max(Duration::from_millis(1))
    }

    fn look(&mut self, marks: &Marks, now: Instant) -> Verdict {
        let (requests, written) = (marks.requests(), marks.written());
        if requests != self.requests.0 || marks.in_flight() {
            self.requests = (requests, now);
        }
        if written != self.written.0 || !marks.is_sending() {
            self.written = (written, now);
        }
        if now - self.written.1 >= self.write {
            Verdict::Stuck
        } else if now - self.requests.1 >= self.idle {
            Verdict::Idle
        } else {
            Verdict::Well
        }
    }
}
