//! Metrics pushed by OTLP: what `/metrics` shows, to every receiver of `telemetry.metrics.readers`.
//!
//! ```text
//! Metrics::gather ─► families ─convert─► ExportMetricsServiceRequest ─┬─► http: POST …/v1/metrics
//!                        └─ delta: what the receiver has already ─────┴─► grpc: one unary call
//! ```
//!
//! The families exist; so they are converted, rather than kept a second time in an SDK's instruments. A push is one
//! request a minute over a connection of its own: nothing to keep alive, to pool or to reconnect. What a receiver did
//! not take is part of the next push, so nothing is tried twice.

mod convert;
mod delta;
mod grpc;
mod http;
mod pushes;
mod resource;
mod settings;
mod tls;
mod variables;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use ta_engine::SnapshotCell;
use tokio::time::{MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;

pub(crate) use pushes::Pushes;
pub(crate) use resource::{Resource, host_name};
pub(crate) use settings::{Reader, readers};

use crate::http::{StatusSource, gzip};
use crate::metrics::Metrics;
use crate::throttle::Throttle;
use convert::Converter;
use settings::Transport;

/// How often a receiver that fails is told of in the log.
const TELL_EVERY: Duration = Duration::from_secs(300);
/// The last request, at the end.
const LAST: Duration = Duration::from_secs(5);

/// Why a push failed. Says nothing of headers.
#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("the receiver refused: {0}")]
    Refused(String),
}

/// Where the metrics come from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) metrics: Metrics,
    pub(crate) snapshots: SnapshotCell,
    pub(crate) status: Arc<dyn StatusSource>,
}

/// Pushes for one reader.
pub(crate) struct Pusher {
    reader: Reader,
    source: Source,
    /// Comes and goes with the blocking task that uses it.
    converter: Option<Converter>,
    told: Throttle,
    failures: u64,
}

impl Pusher {
    pub(crate) fn new(reader: Reader, source: Source, resource: Resource) -> Self {
        let converter = Converter::new(resource, reader.temporality, SystemTime::now());
        Self { reader, source, converter: Some(converter), told: Throttle::new(TELL_EVERY), failures: 0 }
    }

    /// Pushes at the reader's interval until `stop`, and then once more.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let interval = self.reader.interval;
        let mut clock = interval_at(tokio::time::Instant::now() + interval, interval);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = clock.tick() => self.push(self.reader.timeout).await,
            }
        }
        self.push(self.reader.timeout.min(LAST)).await;
    }

    async fn push(&mut self, limit: Duration) {
        let Some(mut converter) = self.converter.take() else { return };
        let (source, compressed) = (self.source.clone(), self.reader.compressed);
        // reading every job of a big fleet takes milliseconds: not where connections are served
        let converted = tokio::task::spawn_blocking(move || {
            let families = source.metrics.gather(&source.snapshots.load(), &*source.status);
            let request = converter.convert(&families, SystemTime::now());
            let message = request.encode_to_vec();
            (converter, if compressed { gzip(&message) } else { Bytes::from(message) })
        });
        let Ok((converter, message)) = converted.await else {
            tracing::error!("metrics could not be converted; this reader pushes no more");
            return;
        };
        let converter = self.converter.insert(converter);
        let limit = limit.min(self.reader.request);
        let sent = match timeout(limit, self.reader.transport.send(message)).await {
            Ok(sent) => sent,
            Err(_) => Err(PushError::Timeout(limit)),
        };
        self.source.metrics.pushed(sent.is_ok());
        match sent {
            Ok(answer) => {
                converter.commit();
                self.tell_success(&answer);
            }
            Err(error) => self.tell_failure(&error),
        }
    }

    fn tell_success(&mut self, answer: &[u8]) {
        let endpoint = self.reader.transport.endpoint();
        if std::mem::take(&mut self.failures) > 0 {
            tracing::info!(endpoint, "metrics are pushed again");
        }
        let partial = ExportMetricsServiceResponse::decode(answer).ok().and_then(|answer| answer.partial_success);
        if let Some(partial) = partial.filter(|partial| partial.rejected_data_points > 0)
            && self.told.pass(Instant::now()).is_some()
        {
            let rejected = partial.rejected_data_points;
            tracing::warn!(endpoint, rejected, "the receiver of metrics took only some: {}", partial.error_message);
        }
    }

    fn tell_failure(&mut self, error: &PushError) {
        self.failures += 1;
        if self.told.pass(Instant::now()).is_some() {
            let (endpoint, failures) = (self.reader.transport.endpoint(), self.failures);
            tracing::warn!(endpoint, failures, "metrics could not be pushed, the next push makes up for it: {error}");
        }
    }
}

impl Transport {
    /// Sends one encoded request; gives the encoded answer.
    async fn send(&self, message: Bytes) -> Result<Bytes, PushError> {
        match self {
            Self::Grpc(receiver) => receiver.send(message).await,
            Self::Http(receiver) => receiver.send(message).await,
        }
    }

    /// As shown in logs.
    fn endpoint(&self) -> &str {
        match self {
            Self::Grpc(receiver) => receiver.shown(),
            Self::Http(receiver) => receiver.shown(),
        }
    }
}
