//! Newtypes that let crates meet which do not know each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ta_discovery::{GroupChange, GroupSink, ProviderView, REFRESH_BUCKETS, Status};
use ta_engine::StoreWriter;

use crate::http::{DiscoveryStatus, JobStatus, ProviderStatus, Refreshes, SdCounters, StatusSource};

// the same bounds on both sides, or the histogram lies
const _: () = assert!(REFRESH_BUCKETS.len() == crate::http::REFRESH_BUCKETS.len());

/// Discovery's sink is the engine's store.
#[derive(Debug)]
pub(crate) struct StoreSink(pub(crate) StoreWriter);

impl GroupSink for StoreSink {
    fn apply(&self, changes: Vec<GroupChange>) {
        self.0.apply(changes);
    }

    fn synced(&self, job: &Arc<str>) {
        self.0.synced(job);
    }
}

/// What discovery says about itself, in the words of pages and metrics.
#[derive(Debug)]
pub(crate) struct Discovered(pub(crate) Arc<Status>);

impl StatusSource for Discovered {
    fn status(&self) -> DiscoveryStatus {
        let jobs = self.0.jobs().into_iter();
        DiscoveryStatus {
            providers: self.0.providers().into_iter().map(provider).collect(),
            jobs: jobs
                .map(|(name, job)| JobStatus { name, targets: job.targets as u64, last_update: job.last_update })
                .collect(),
            files: self.0.file_mtimes(),
            counters: counters(&self.0),
        }
    }
}

fn provider(view: ProviderView) -> ProviderStatus {
    ProviderStatus {
        name: view.name,
        mechanism: view.mechanism,
        jobs: view.jobs,
        synced: view.synced,
        broken: view.broken,
        groups: view.groups as u64,
        targets: view.targets as u64,
        last_success: view.last_success,
        last_failure: view.last_failure,
        consecutive_failures: view.consecutive_failures,
        last_error: view.last_error,
        refresh_failures: view.refresh_failures,
        refreshes: Refreshes { count: view.refreshes.count, sum: view.refreshes.sum, buckets: view.refreshes.buckets },
    }
}

fn counters(status: &Status) -> SdCounters {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let counters = &status.counters;
    SdCounters {
        received_updates: read(&counters.received_updates),
        updates: read(&counters.updates),
        http_failures: read(&counters.http_failures),
        dns_lookups: read(&counters.dns_lookups),
        dns_lookup_failures: read(&counters.dns_lookup_failures),
        file_read_errors: read(&counters.file_read_errors),
        file_watcher_errors: read(&counters.file_watcher_errors),
        file_scans: read(&counters.file_scans),
        file_scan_time: Duration::from_micros(read(&counters.file_scan_micros)),
    }
}
