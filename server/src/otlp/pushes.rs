//! The pushes of the whole process, from start to the last one.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{LAST, Pusher, Reader, Resource, Source};
use crate::tasks::Tasks;

/// Running pushes.
#[derive(Debug)]
pub(crate) struct Pushes {
    stop: CancellationToken,
    /// Closed when the last of them has ended.
    alive: mpsc::Receiver<Infallible>,
}

impl Pushes {
    pub(crate) fn start(readers: Vec<Reader>, source: &Source, resource: &Resource, tasks: &mut Tasks) -> Self {
        let stop = CancellationToken::new();
        let (sender, alive) = mpsc::channel(1);
        for reader in readers {
            let pusher = Pusher::new(reader, source.clone(), resource.clone());
            let (stop, alive) = (stop.clone(), sender.clone());
            tasks.transient("metrics push", async move {
                pusher.run(stop).await;
                drop(alive);
            });
        }
        Self { stop, alive }
    }

    /// Asks for the last push.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for the last push, but not for a receiver that does not answer.
    pub(crate) async fn ended(&mut self) {
        if tokio::time::timeout(LAST + Duration::from_secs(1), self.alive.recv()).await.is_err() {
            tracing::warn!("the last metrics could not be pushed in time");
        }
    }
}
