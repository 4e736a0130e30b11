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

#[cfg(test)]
mod tests {
    use ta_model::scrape_config;
    use ta_model::yaml::{Strings, parse};

    use super::*;

    fn mk_jobs(names: &[&str]) -> Vec<Arc<ScrapeConfig>> {
        let jobs: Vec<String> = names.iter().map(|name| format!("{{job_name: {name}}}")).collect();
        let text = format!("scrape_configs: [{}]", jobs.join(", "));
        scrape_config::decode(&parse(&text).unwrap().root, Strings::RoundTripped).config.scrape_configs
    }

    fn names(table: &JobTable) -> Vec<(&str, Origin)> {
        table.jobs().iter().map(|job| (&**job.name(), job.origin())).collect()
    }

    #[test]
    fn only_a_different_table_is_published_and_numbered() {
        let mut tables = JobTables::new(FilterStrategy::RelabelConfig);
        let mut seen = tables.subscribe();
        assert!(tables.replace(Origin::File, Vec::new()), "the first is news even if it is empty");
        assert!(tables.replace(Origin::File, mk_jobs(&["b", "a"])));
        assert_eq!(seen.borrow_and_update().number(), 2);
        assert!(!tables.replace(Origin::File, mk_jobs(&["a", "b"])), "order says nothing");
        assert!(!seen.has_changed().unwrap());
        assert!(tables.replace(Origin::File, mk_jobs(&["a"])));
        assert_eq!(names(&seen.borrow()), [("a", Origin::File)]);
    }

    #[test]
    fn of_two_jobs_of_one_name_the_file_has_the_word() {
        let mut tables = JobTables::new(FilterStrategy::RelabelConfig);
        let seen = tables.subscribe();
        tables.replace(Origin::Resource, mk_jobs(&["a", "r"]));
        tables.replace(Origin::File, mk_jobs(&["a", "f"]));
        assert_eq!(names(&seen.borrow()), [("a", Origin::File), ("f", Origin::File), ("r", Origin::Resource)]);
        tables.replace(Origin::File, Vec::new());
        assert_eq!(names(&seen.borrow()), [("a", Origin::Resource), ("r", Origin::Resource)]);
    }
}
