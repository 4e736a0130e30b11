//! The job table in force: the jobs of every origin, merged, numbered, published when they differ.
//!
//! There are two tables. Discovery follows the one of all jobs; the engine, and so every answer, has the *listed* one. They
//! differ while a new job is held back: a collector asks for a new job's targets as soon as it is listed, and an early
//! answer would cost it a refresh interval. So a job that comes while collectors are being answered is listed together
//! with its first targets, or after [`HOLD`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ta_discovery::ResourceJobs;
use ta_model::job_table::{FilterStrategy, JobTable, Origin};
use ta_model::scrape_config::ScrapeConfig;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;
use tokio::time::Instant;

use crate::health::Health;
use crate::metrics::Metrics;

/// How long a new job may wait for its first targets before it is listed without them; a third of the shortest time in
/// which a collector asks again.
const HOLD: Duration = Duration::from_secs(10);

/// Jobs that become known together are listed together: each table costs every collector a look at all of it.
const GATHER: Duration = Duration::from_millis(20);

/// Owns the job table. Whoever reads an origin tells it the origin's whole list.
#[derive(Debug)]
pub(crate) struct JobTables {
    file: Vec<Arc<ScrapeConfig>>,
    resources: Vec<Arc<ScrapeConfig>>,
    /// Tables made so far.
    made: u64,
    all: watch::Sender<Arc<JobTable>>,
    listed: watch::Sender<Arc<JobTable>>,
    /// Jobs that are not listed yet, and until when they wait.
    held: BTreeMap<Arc<str>, Instant>,
    /// Names that both origins have: told once.
    clashes: BTreeSet<String>,
}

impl JobTables {
    /// Without jobs; the table in force is number 0 and empty.
    #[must_use]
    pub(crate) fn new(filter: FilterStrategy) -> Self {
        let first = Arc::new(JobTable::new(0, Vec::new(), filter));
        Self {
            file: Vec::new(),
            resources: Vec::new(),
            made: 0,
            all: watch::channel(first.clone()).0,
            listed: watch::channel(first).0,
            held: BTreeMap::new(),
            clashes: BTreeSet::new(),
        }
    }

    /// The table that is served, now and whenever it changes.
    #[must_use]
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<JobTable>> {
        self.listed.subscribe()
    }

    /// The table that discovery follows: also jobs that are not listed yet.
    #[must_use]
    pub(crate) fn subscribe_all(&self) -> watch::Receiver<Arc<JobTable>> {
        self.all.subscribe()
    }

    /// Replaces the jobs of `origin`. Publishes a new table if it differs from the one in force, or is the first, and
    /// says whether it did. With `hold_until`, jobs that are new wait until then for [`JobTables::synced`].
    pub(crate) fn replace(
        &mut self,
        origin: Origin,
        jobs: Vec<Arc<ScrapeConfig>>,
        hold_until: Option<Instant>,
    ) -> bool {
        match origin {
            Origin::File => self.file = jobs,
            Origin::Resource => self.resources = jobs,
        }
        let current = self.all.borrow().clone();
        let next = current.followed_by(self.made + 1, self.merged());
        if self.made > 0 && next.same_as(&current) {
            return false;
        }
        self.made += 1;
        self.held.retain(|name, _| next.job(name).is_some());
        if let Some(until) = hold_until {
            let new = next.jobs().iter().filter(|job| current.job(job.name()).is_none());
            self.held.extend(new.map(|job| (job.name().clone(), until)));
        }
        self.all.send_replace(Arc::new(next));
        self.list();
        true
    }

    /// The targets of these jobs are known: those held are listed.
    pub(crate) fn synced<'j>(&mut self, jobs: impl IntoIterator<Item = &'j Arc<str>>) {
        let held = self.held.len();
        for job in jobs {
            self.held.remove(job);
        }
        if self.held.len() < held {
            self.list();
        }
    }

    /// Lists jobs that have waited until `now`.
    pub(crate) fn release(&mut self, now: Instant) {
        let held = self.held.len();
        self.held.retain(|_, until| *until > now);
        if self.held.len() < held {
            self.list();
        }
    }

    /// When the next job has waited long enough.
    pub(crate) fn next_release(&self) -> Option<Instant> {
        self.held.values().min().copied()
    }

    fn list(&mut self) {
        let all = self.all.borrow().clone();
        let listed = match self.held.is_empty() && all.number() == self.made {
            true => all,
            false => {
                self.made += 1;
                Arc::new(all.restricted(self.made, |job| !self.held.contains_key(job.name())))
            }
        };
        self.listed.send_if_modified(|current| {
            let is_new = current.number() == 0 || !listed.same_as(current);
            if is_new {
                *current = listed;
            }
            is_new
        });
    }

    /// Of one name in both origins the file's job stays: it is the one the operator of this process wrote. (Upstream's
    /// choice is random.)
    fn merged(&mut self) -> Vec<(Arc<ScrapeConfig>, Origin)> {
        let in_file: BTreeSet<&str> = self.file.iter().map(|job| job.job_name.as_str()).collect();
        let (taken, free): (Vec<_>, Vec<_>) =
            self.resources.iter().partition(|job| in_file.contains(job.job_name.as_str()));
        let clashes: BTreeSet<String> = taken.iter().map(|job| job.job_name.clone()).collect();
        for job in clashes.difference(&self.clashes) {
            tracing::warn!(
                job,
                "two jobs of one name: the one of config.scrape_configs is used; the one of the resource it is named after \
                 is not"
            );
        }
        let file = self.file.iter().map(|job| (job.clone(), Origin::File));
        let merged = file.chain(free.into_iter().map(|job| (job.clone(), Origin::Resource))).collect();
        self.clashes = clashes;
        merged
    }
}

/// Brings the jobs of resources into the tables until one of its channels is closed.
#[derive(Debug)]
pub(crate) struct FollowResources {
    pub(crate) tables: JobTables,
    pub(crate) jobs: watch::Receiver<ResourceJobs>,
    /// Jobs whose targets are known.
    pub(crate) synced: mpsc::UnboundedReceiver<Arc<str>>,
    /// Set once the first jobs of resources are in the table.
    pub(crate) merged: watch::Sender<bool>,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
}

impl FollowResources {
    pub(crate) async fn run(self) -> Result<(), &'static str> {
        const STOPPING: &str = "the runtime is shutting down";
        let Self { mut tables, mut jobs, mut synced, merged, health, metrics } = self;
        loop {
            tokio::select! {
                changed = jobs.changed() => {
                    changed.map_err(|_| "resources are no longer followed")?;
                    let Some(new) = jobs.borrow_and_update().clone() else { continue };
                    // at start nobody is answered before everything is known anyway
                    let hold_until = health.answers_data().then(|| Instant::now() + HOLD);
                    let replace = move |tables: &mut JobTables| {
                        tables.replace(Origin::Resource, new.to_vec(), hold_until);
                    };
                    tables = apart(tables, replace).await.ok_or(STOPPING)?;
                    metrics.custom_resource_event();
                    merged.send_replace(true);
                }
                first = synced.recv() => {
                    let mut names = vec![first.ok_or("discovery no longer tells which jobs it knows")?];
                    if tables.next_release().is_some() {
                        tokio::time::sleep(GATHER).await;
                    }
                    while let Ok(name) = synced.try_recv() {
                        names.push(name);
                    }
                    if tables.next_release().is_some() {
                        tables = apart(tables, move |tables| tables.synced(&names)).await.ok_or(STOPPING)?;
                    }
                }
                () = sleep_until(tables.next_release()) => {
                    tables = apart(tables, |tables| tables.release(Instant::now())).await.ok_or(STOPPING)?;
                }
            }
        }
    }
}

/// Works on the tables where it delays nobody: thousands of jobs take a while to render. `None`: it is too late for that.
async fn apart(mut tables: JobTables, work: impl FnOnce(&mut JobTables) + Send + 'static) -> Option<JobTables> {
    let done = tokio::task::spawn_blocking(move || {
        work(&mut tables);
        tables
    });
    match done.await.map_err(JoinError::try_into_panic) {
        Ok(tables) => Some(tables),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_)) => None,
    }
}

/// Sleeps until `deadline`; without one, for ever.
async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
