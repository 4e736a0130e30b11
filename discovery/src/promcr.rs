//! prometheus-operator resources in a cluster become jobs: this watches them and what they refer to, [`ta_model::cr`]
//! translates.
//!
//! ```text
//!  the four kinds ────────────────┐
//!  namespaces, if labels decide ──┼─ bell ─► pause ─► Catalog::pass ─► jobs, if they differ ─► config task
//!  Secrets, ConfigMaps in use ────┘                        └─► what is referred to is followed, and nothing else
//! ```
//!
//! What holds whatever the API server does: no jobs are delivered before everything that can be listed was listed once; a
//! kind or namespace that may not be read costs only itself; an object that refers to what has not been read yet keeps
//! the jobs it had; an edited object is translated alone.

mod catalog;
mod kinds;
mod monitors;
mod named;
mod report;
mod surroundings;
mod values;

use std::sync::Arc;
use std::time::Duration;

use ta_model::cr::{Selection, Settings};
use ta_model::scrape_config::ScrapeConfig;
use tokio::sync::{Notify, watch};
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::kubernetes::{Cluster, Watches};
use crate::status::Status;
use catalog::{Catalog, Pass, same_jobs};
use monitors::MonitorWatches;
use named::NamedSettings;
use values::Values;

pub use monitors::ResourceWatch;
pub use report::{ResourceReport, ResourceView};

/// Jobs from resources; `None` until they are known for the first time.
pub type ResourceJobs = Option<Arc<[Arc<ScrapeConfig>]>>;

/// What is selected, how it is translated, and the times that tests shorten.
#[derive(Clone, Debug)]
pub struct ResourceOptions {
    pub selection: Selection,
    pub settings: Settings,
    /// From the first change after a quiet time to the pass that takes it up: a rollout touches many objects at once.
    pub pause: Duration,
    /// At start, how long to wait for a kind whose list does not come while others did, or for a Secret.
    pub patience: Duration,
    /// Pause between two looks at a Secret, ConfigMap or Namespace that may be read and not watched.
    pub poll: Duration,
}

impl ResourceOptions {
    /// The times of the program.
    #[must_use]
    pub fn new(selection: Selection, settings: Settings) -> Self {
        Self {
            selection,
            settings,
            pause: Duration::from_millis(100),
            patience: Duration::from_secs(15), // what upstream gives each informer
            poll: Duration::from_secs(30),
        }
    }
}

/// Resources and what is watched for them, on their way to a thread that may take its time and back.
struct Work {
    resources: Resources,
    watches: MonitorWatches,
    values: Values,
}

impl Work {
    fn pass(mut self, is_patient: bool) -> (Self, bool) {
        let is_news = self.resources.pass(&mut self.watches, &mut self.values, is_patient);
        (self, is_news)
    }
}

/// Follows the resources of one cluster.
#[derive(Debug)]
pub struct Resources {
    catalog: Catalog,
    named: NamedSettings,
    pause: Duration,
    patience: Duration,
    status: Arc<Status>,
    view: ResourceView,
    published: ResourceJobs,
    /// Passes made, and what they took.
    passes: u64,
    took: Duration,
}

impl Resources {
    /// Watches nothing yet. The times shown are those of `status`.
    #[must_use]
    pub fn new(watches: Watches, cluster: Cluster, options: ResourceOptions, status: Arc<Status>) -> Self {
        let ResourceOptions { selection, settings, pause, patience, poll } = options;
        let view = ResourceView::new(selection.clone(), settings.clone(), watches.clone(), cluster.clone());
        Self {
            catalog: Catalog::new(selection, settings),
            named: NamedSettings { watches, cluster, bell: Arc::new(Notify::new()), poll },
            pause,
            patience,
            status,
            view,
            published: None,
            passes: 0,
            took: Duration::ZERO,
        }
    }

    /// What is known of the resources, for pages and metrics; stays in touch.
    #[must_use]
    pub fn view(&self) -> ResourceView {
        self.view.clone()
    }

    /// Watches until `cancel`. Sends jobs when they are known for the first time and whenever they differ.
    pub async fn run(self, jobs: watch::Sender<ResourceJobs>, cancel: CancellationToken) {
        let (bell, pause) = (self.named.bell.clone(), self.pause);
        let end_of_patience = Instant::now() + self.patience;
        let mut work = Work {
            watches: MonitorWatches::new(self.catalog.selection(), &self.named),
            values: Values::new(self.named.clone()),
            resources: self,
        };
        loop {
            let is_patient = Instant::now() < end_of_patience;
            // thousands of objects at first: too long for a thread that serves
            let passed = tokio::task::spawn_blocking(move || work.pass(is_patient)).await;
            let is_news = match passed.map_err(JoinError::try_into_panic) {
                Ok((after, is_news)) => {
                    work = after;
                    is_news
                }
                Err(Ok(panic)) => std::panic::resume_unwind(panic),
                Err(Err(_)) => return, // the runtime is shutting down
            };
            if is_news {
                jobs.send_replace(work.resources.published.clone());
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = bell.notified() => {}
                () = tokio::time::sleep_until(end_of_patience), if is_patient => {}
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Looks at everything; true if there are new jobs to send.
    fn pass(&mut self, watches: &mut MonitorWatches, values: &mut Values, is_patient: bool) -> bool {
        let begun = std::time::Instant::now();
        let (objects, namespaces) = (watches.objects(), watches.namespaces());
        values.tend();
        let mut pass = self.catalog.pass(&objects, &namespaces, values);
        values.follow(&pass.wanted);
        let views = watches.views();
        let is_news = self.is_complete(&views, &pass, is_patient) && self.take_jobs(&mut pass);
        self.passes += 1;
        self.took += begun.elapsed();
        if is_news {
            tracing::info!(
                jobs = self.published.as_deref().map_or(0, <[_]>::len),
                objects = objects.len(),
                rejected = pass.generated.rejected.len(),
                took = ?begun.elapsed(),
                "jobs of prometheus-operator resources changed"
            );
        }
        self.view.set(report::State {
            report: Arc::new(self.report(pass, views)),
            objects: Arc::new(objects),
            namespaces: Arc::new(namespaces),
            values: Arc::new(values.snapshot()),
        });
        is_news
    }

    /// Whether jobs may be delivered. At start that waits for every list that can be had: with too few jobs collectors
    /// would drop what they scrape. If the API server has answered nothing at all, it waits on.
    fn is_complete(&self, watches: &[ResourceWatch], pass: &Pass, is_patient: bool) -> bool {
        let mut needed = watches.iter().filter(|watch| watch.needed).peekable();
        if self.published.is_some() || needed.peek().is_none() {
            return true;
        }
        let settled = needed.clone().filter(|watch| watch.is_settled()).count();
        let all = settled == needed.count() && pass.waiting == 0;
        all || (!is_patient && settled > 0)
    }

    fn take_jobs(&mut self, pass: &mut Pass) -> bool {
        let jobs = std::mem::take(&mut pass.generated.jobs);
        if self.published.as_ref().is_some_and(|published| same_jobs(published, &jobs)) {
            return false;
        }
        self.published = Some(jobs.into());
        true
    }

    fn report(&self, pass: Pass, watches: Vec<ResourceWatch>) -> ResourceReport {
        ResourceReport {
            objects: pass.states,
            watches,
            is_published: self.published.is_some(),
            jobs: self.published.as_deref().map_or(0, <[_]>::len),
            generations: self.catalog.generations(),
            passes: self.passes,
            took: self.took,
            last_pass: Some(self.status.now()),
        }
    }
}

#[cfg(test)]
mod tests;
