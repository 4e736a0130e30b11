//! The job table in force: the jobs of every origin, merged, numbered, published when they differ.

use std::collections::BTreeMap;
use std::sync::Arc;

use ta_model::job_table::{FilterStrategy, JobTable, Origin};
use ta_model::scrape_config::ScrapeConfig;
use tokio::sync::watch;

/// Owns the job table. Whoever reads an origin tells it the origin's whole list.
#[derive(Debug)]
pub(crate) struct JobTables {
    filter: FilterStrategy,
    file: Vec<Arc<ScrapeConfig>>,
    resources: Vec<Arc<ScrapeConfig>>,
    sender: watch::Sender<Arc<JobTable>>,
}

impl JobTables {
    /// Without jobs; the table in force is number 0 and empty.
    #[must_use]
    pub(crate) fn new(filter: FilterStrategy) -> Self {
        let (sender, _) = watch::channel(Arc::new(JobTable::new(0, Vec::new(), filter)));
        Self { filter, file: Vec::new(), resources: Vec::new(), sender }
    }

    /// The table in force, now and whenever it changes.
    #[must_use]
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<JobTable>> {
        self.sender.subscribe()
    }

    /// Replaces the jobs of `origin`. Publishes a new table if it differs from the one in force, or is the first, and
    /// says whether it did.
    pub(crate) fn replace(&mut self, origin: Origin, jobs: Vec<Arc<ScrapeConfig>>) -> bool {
        match origin {
            Origin::File => self.file = jobs,
            Origin::Resource => self.resources = jobs,
        }
        let current = self.sender.borrow().clone();
        let next = JobTable::new(current.number() + 1, self.merged(), self.filter);
        let is_new = current.number() == 0 || !next.same_as(&current);
        if is_new {
            self.sender.send_replace(Arc::new(next));
        }
        is_new
    }

    /// Of one name in both origins the file's job stays: it is the one the operator of this process wrote. (Upstream's
    /// choice is random.)
    fn merged(&self) -> Vec<(Arc<ScrapeConfig>, Origin)> {
        let mut by_name = BTreeMap::new();
        let resources = self.resources.iter().map(|job| (job, Origin::Resource));
        for (job, origin) in resources.chain(self.file.iter().map(|job| (job, Origin::File))) {
            if by_name.insert(job.job_name.as_str(), (job.clone(), origin)).is_some() {
                tracing::warn!(job = job.job_name, "two jobs of one name; the one of the configuration file is used");
            }
        }
        by_name.into_values().collect()
    }
}
