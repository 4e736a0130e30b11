//! One provider as a task: started again when it ends, fails or panics.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ta_model::scrape_config::SdConfig;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::{BackOff, next_run};
use crate::source::{Deliver, Delivery, SourceError, Sources};
use crate::status::{ProviderStatus, Status, count};

pub(super) struct ProviderTask {
    pub(super) key: u64,
    pub(super) name: Arc<str>,
    pub(super) config: SdConfig,
    pub(super) sources: Arc<dyn Sources>,
    pub(super) sender: mpsc::Sender<Delivery>,
    pub(super) status: Arc<ProviderStatus>,
    pub(super) counters: Arc<Status>,
    pub(super) runs: Arc<AtomicU64>,
    pub(super) back_off: BackOff,
    pub(super) cancel: CancellationToken,
}

impl ProviderTask {
    /// Runs the source again and again until cancelled. What an earlier run found stays until the next has synced.
    pub(super) async fn keep_running(self) {
        let mut pause = self.back_off.first;
        while !self.cancel.is_cancelled() {
            let began = Instant::now();
            let error = self.run_once().await;
            if self.cancel.is_cancelled() {
                return;
            }
            count(&self.counters.counters.provider_restarts);
            self.status.broke(error);
            if began.elapsed() > self.back_off.max {
                pause = self.back_off.first;
            }
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = sleep(pause) => {}
            }
            pause = (pause * 2).min(self.back_off.max);
        }
    }

    async fn run_once(&self) -> String {
        let deliver = Deliver::new(self.key, next_run(&self.runs), self.sender.clone(), self.status.clone());
        deliver.relist().await;
        let (sources, config, cancel) = (self.sources.clone(), self.config.clone(), self.cancel.clone());
        // A task of its own: a panic ends it, and nothing else.
        let run = async move { sources.start(&config, deliver, cancel).await };
        let run = run.instrument(tracing::info_span!("provider", name = %self.name));
        what_ended_it(AbortOnDropHandle::new(tokio::spawn(run)).await)
    }
}

fn what_ended_it(end: Result<Result<(), SourceError>, JoinError>) -> String {
    match end {
        Ok(Ok(())) => "ended by itself".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => format!("panicked: {}", panic_text(&*panic)),
            Err(error) => error.to_string(),
        },
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)")
}
