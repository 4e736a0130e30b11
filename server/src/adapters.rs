//! Newtypes that let crates meet which do not know each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ta_discovery::{
    Condition, GroupChange, GroupSink, ProviderView, REFRESH_BUCKETS, ResourceView, ResourceWatch, Status, WatchView,
};
use ta_engine::StoreWriter;
use ta_model::cr::{Explanation, ObjectId};
use tokio::sync::mpsc;

use crate::http::{
    DiscoveryStatus, JobStatus, ProviderStatus, Refreshes, ResourceStatus, ResourceWatchStatus, SdCounters,
    StatusSource, WatchState, WatchStatus, WatchTotals,
};

// the same bounds on both sides, or the histogram lies
const _: () = assert!(REFRESH_BUCKETS.len() == crate::http::REFRESH_BUCKETS.len());

/// Discovery's sink is the engine's store.
#[derive(Debug)]
pub(crate) struct StoreSink {
    pub(crate) writer: StoreWriter,
    /// Who else wants to know which jobs are synced.
    pub(crate) synced: Option<mpsc::UnboundedSender<Arc<str>>>,
}

impl GroupSink for StoreSink {
    fn apply(&self, changes: Vec<GroupChange>) {
        self.writer.apply(changes);
    }

    fn synced(&self, job: &Arc<str>) {
        self.writer.synced(job);
        if let Some(synced) = &self.synced {
            synced.send(job.clone()).ok(); // nobody listens any more: the process is ending
        }
    }
}

/// What discovery says about itself, in the words of pages and metrics.
#[derive(Debug)]
pub(crate) struct Discovered {
    pub(crate) status: Arc<Status>,
    pub(crate) resources: Option<ResourceView>,
}

impl StatusSource for Discovered {
    fn status(&self) -> DiscoveryStatus {
        let jobs = self.status.jobs().into_iter();
        DiscoveryStatus {
            providers: self.status.providers().into_iter().map(provider).collect(),
            jobs: jobs
                .map(|(name, job)| JobStatus { name, targets: job.targets as u64, last_update: job.last_update })
                .collect(),
            files: self.status.file_mtimes(),
            watches: self.status.watches().into_iter().map(watch).collect(),
            watch_totals: self.status.watch_totals().into_iter().map(totals).collect(),
            counters: counters(&self.status),
        }
    }

    fn resources(&self) -> Option<ResourceStatus> {
        let report = self.resources.as_ref()?.report();
        Some(ResourceStatus {
            objects: report.objects.clone(),
            watches: report.watches.iter().map(resource_watch).collect(),
            is_published: report.is_published,
            generations: report.generations,
            passes: report.passes,
            took: report.took,
            last_pass: report.last_pass,
        })
    }

    fn explain(&self, ids: &[ObjectId]) -> Vec<Explanation> {
        self.resources.as_ref().map(|resources| resources.explain(ids)).unwrap_or_default()
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

fn resource_watch(watch: &ResourceWatch) -> ResourceWatchStatus {
    let problem = match &watch.condition {
        Condition::Listing | Condition::Watching | Condition::Absent => String::new(),
        Condition::Forbidden(why) | Condition::Failing(why) => why.clone(),
    };
    ResourceWatchStatus {
        kind: watch.kind,
        namespace: watch.namespace.clone(),
        synced: watch.synced,
        absent: watch.condition == Condition::Absent,
        problem,
        needed: watch.needed,
    }
}

fn watch(view: WatchView) -> WatchStatus {
    WatchStatus {
        cluster: view.cluster,
        resource: view.resource.to_string(),
        namespace: view.scope.namespace,
        label_selector: view.scope.label_selector,
        field_selector: view.scope.field_selector,
        subscribers: view.subscribers as u64,
        synced: view.synced,
        state: match view.condition {
            Condition::Listing => WatchState::Listing,
            Condition::Watching => WatchState::Watching,
            Condition::Absent => WatchState::Absent,
            Condition::Forbidden(why) => WatchState::Forbidden(why),
            Condition::Failing(why) => WatchState::Failing(why),
        },
        objects: view.objects as u64,
        bytes: view.bytes as u64,
        undecodable: view.undecodable,
        last_undecodable: view.last_undecodable,
        last_event: view.last_event,
        events: view.events,
        lists: view.lists,
        errors: view.errors,
        last_error: view.last_error,
        last_error_at: view.last_error_at,
        requests: view.requests,
    }
}

fn totals((resource, totals): (String, ta_discovery::WatchTotals)) -> (String, WatchTotals) {
    let ta_discovery::WatchTotals { events, lists, errors, undecodable, requests } = totals;
    (resource, WatchTotals { events, lists, errors, undecodable, requests })
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
