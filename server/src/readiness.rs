//! When the start is over: everything known once, or waited for long enough.
//!
//! ```text
//! starting ──table in force──► syncing ──all known, or caps passed──► serving ──signal──► draining
//! ```
//!
//! A collector that polls too early would take an incomplete answer for the truth and drop what it scrapes. Serving is
//! never taken back: jobs that are still not synced then answer 503 one by one (see `http`), and later ones too. So do all
//! shares for as long as the collectors are not known.

use std::sync::Arc;
use std::time::Duration;

use ta_discovery::Fleet;
use ta_engine::SnapshotCell;
use ta_model::job_table::JobTable;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Readiness;
use crate::health::{Health, Phase};

/// Jobs that a log line names before it only counts them.
const NAMED: usize = 10;

/// What the wait is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    /// The snapshot is of the job table and the collector set in force.
    is_published: bool,
    /// The collector source delivered once.
    has_collectors: bool,
    /// The jobs of resources are in the table, if there is anything to wait for.
    has_resources: bool,
    /// It will not soon.
    is_denied: bool,
    /// Jobs whose discovery did not deliver yet.
    unsynced_jobs: usize,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Serve,
    /// Look again when something changed, or at this time after the start, if there is one.
    Wait(Option<Duration>),
}

impl Progress {
    fn verdict(self, elapsed: Duration, caps: Readiness) -> Verdict {
        if !self.is_published {
            return Verdict::Wait(None); // nothing true can be said without a snapshot, whatever the caps
        }
        let jobs_done = self.unsynced_jobs == 0 || elapsed >= caps.job_cap;
        let fleet_done = self.has_collectors || self.is_denied;
        if (jobs_done && fleet_done && self.has_resources) || elapsed >= caps.cap {
            return Verdict::Serve;
        }
        Verdict::Wait(Some(if jobs_done { caps.cap } else { caps.job_cap.min(caps.cap) }))
    }
}

/// Waits for the start to be over, then lets `health` serve.
#[derive(Debug)]
pub(crate) struct Startup {
    pub(crate) caps: Readiness,
    pub(crate) health: Health,
    pub(crate) snapshots: SnapshotCell,
    pub(crate) jobs: watch::Receiver<Arc<JobTable>>,
    pub(crate) fleet: watch::Receiver<Fleet>,
    /// Whether the jobs of resources are in the table; true from the start where none are watched.
    pub(crate) resources: watch::Receiver<bool>,
    /// Changes after every step of the engine, and a step follows whatever changes in table and fleet.
    pub(crate) steps: watch::Receiver<u64>,
}

impl Startup {
    pub(crate) async fn run(mut self) {
        let begun = Instant::now();
        self.health.advance(Phase::Syncing);
        loop {
            self.steps.mark_unchanged();
            let progress = self.progress();
            let cap = match progress.verdict(begun.elapsed(), self.caps) {
                Verdict::Serve => {
                    self.health.set_lacks_collectors(!progress.has_collectors);
                    self.health.advance(Phase::Serving);
                    self.report(progress, begun.elapsed());
                    break;
                }
                Verdict::Wait(cap) => cap,
            };
            tokio::select! {
                () = sleep_until(cap.map(|cap| begun + cap)) => {}
                changed = self.steps.changed() => if changed.is_err() { return },
                // its sender may be gone where nothing is watched: it has nothing to say then
                Ok(()) = self.resources.changed() => {}
            }
        }
        self.wait_for_collectors().await;
    }

    /// Until a snapshot knows the collectors.
    async fn wait_for_collectors(mut self) {
        while self.health.lacks_collectors() {
            let Progress { is_published, has_collectors, .. } = self.progress();
            if is_published && has_collectors {
                self.health.set_lacks_collectors(false);
                tracing::info!("the collectors are known: their shares are served");
                return;
            }
            if self.steps.changed().await.is_err() {
                return;
            }
        }
    }

    fn progress(&self) -> Progress {
        let snapshot = self.snapshots.load();
        let fleet = self.fleet.borrow().clone();
        let is_current =
            Arc::ptr_eq(snapshot.table(), &self.jobs.borrow()) && *snapshot.collectors() == fleet.collectors();
        Progress {
            is_published: is_current && snapshot.number() > 0,
            has_collectors: fleet.is_known(),
            has_resources: *self.resources.borrow(),
            is_denied: fleet == Fleet::Denied,
            unsynced_jobs: snapshot.jobs().filter(|job| !job.synced()).count(),
        }
    }

    fn report(&self, progress: Progress, took: Duration) {
        let snapshot = self.snapshots.load();
        tracing::info!(
            jobs = snapshot.job_count(),
            targets = snapshot.targets(),
            collectors = snapshot.collectors().len(),
            took = ?took,
            "ready"
        );
        if !progress.has_collectors {
            tracing::warn!("no collectors known yet: their shares answer 503 until their source delivers");
        }
        if !progress.has_resources {
            tracing::warn!(
                "prometheus-operator resources could not be listed yet: their jobs are missing until they are"
            );
        }
        let unsynced: Vec<_> = snapshot.jobs().filter(|job| !job.synced()).map(|job| job.name().clone()).collect();
        if !unsynced.is_empty() {
            tracing::warn!(
                jobs = unsynced.len(),
                first = ?&unsynced[..unsynced.len().min(NAMED)],
                "service discovery did not deliver yet: the targets of these jobs answer 503 until it does"
            );
        }
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
mod tests {
    use super::*;

    const CAPS: Readiness = Readiness { cap: Duration::from_secs(60), job_cap: Duration::from_secs(30) };

    fn mk_progress(is_published: bool, has_collectors: bool, unsynced_jobs: usize) -> Progress {
        Progress { is_published, has_collectors, is_denied: false, has_resources: true, unsynced_jobs }
    }

    fn verdict(progress: Progress, elapsed: u64) -> Verdict {
        progress.verdict(Duration::from_secs(elapsed), CAPS)
    }

    fn wait(secs: u64) -> Verdict {
        Verdict::Wait(Some(Duration::from_secs(secs)))
    }

    #[test]
    fn serves_at_once_when_all_is_known() {
        assert_eq!(verdict(mk_progress(true, true, 0), 0), Verdict::Serve);
    }

    #[test]
    fn waits_for_jobs_up_to_the_job_cap() {
        assert_eq!(verdict(mk_progress(true, true, 1), 0), wait(30));
        assert_eq!(verdict(mk_progress(true, true, 1), 29), wait(30));
        assert_eq!(verdict(mk_progress(true, true, 1), 30), Verdict::Serve);
    }

    #[test]
    fn waits_for_collectors_up_to_the_cap() {
        assert_eq!(verdict(mk_progress(true, false, 0), 0), wait(60));
        assert_eq!(verdict(mk_progress(true, false, 1), 40), wait(60));
        assert_eq!(verdict(mk_progress(true, false, 1), 60), Verdict::Serve);
    }

    #[test]
    fn waits_for_resources_up_to_the_cap() {
        let progress = Progress { has_resources: false, ..mk_progress(true, true, 0) };
        assert_eq!(verdict(progress, 0), wait(60));
        assert_eq!(verdict(progress, 60), Verdict::Serve);
    }

    #[test]
    fn does_not_wait_for_collectors_that_must_not_be_read() {
        let denied = |unsynced| Progress { is_denied: true, ..mk_progress(true, false, unsynced) };
        assert_eq!(verdict(denied(0), 0), Verdict::Serve);
        assert_eq!(verdict(denied(1), 0), wait(30));
    }

    #[test]
    fn never_serves_without_a_snapshot() {
        assert_eq!(verdict(mk_progress(false, true, 0), 3_600), Verdict::Wait(None));
    }
}
