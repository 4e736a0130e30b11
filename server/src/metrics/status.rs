//! What discovery says about itself, under Prometheus' names.

use std::collections::BTreeMap;

use super::Name;
use super::families::{Families, seconds_since_epoch};
use crate::http::{DiscoveryStatus, ProviderStatus, REFRESH_BUCKETS, Refreshes, WatchStatus};

/// The manager's name is a constant label of its metrics, and upstream gives it none.
const MANAGER: (&str, &str) = ("name", "");

pub(super) fn collect(families: &mut Families, status: &DiscoveryStatus) {
    let broken = status.providers.iter().filter(|provider| provider.broken).count();
    families.gauge_with(Name::SdFailedConfigs, &[MANAGER], broken as f64);
    for job in &status.jobs {
        let labels = [MANAGER, ("config", &*job.name)];
        families.gauge_with(Name::SdDiscoveredTargets, &labels, job.targets as f64);
        if let Some(time) = job.last_update {
            families.gauge_with(Name::SdLastUpdate, &labels, seconds_since_epoch(time));
        }
    }
    counters(families, status);
    refreshes(families, &status.providers);
    watches(families, &status.watches);
    for (resource, totals) in &status.watch_totals {
        let labels = [("resource", resource.as_str())];
        families.counter_with(Name::WatchEvents, &labels, totals.events);
        families.counter_with(Name::WatchLists, &labels, totals.lists);
        families.counter_with(Name::WatchErrors, &labels, totals.errors);
        families.counter_with(Name::WatchUndecodable, &labels, totals.undecodable);
        families.counter_with(Name::KubernetesRequests, &labels, totals.requests);
    }
    for (path, time) in &status.files {
        families.gauge_with(Name::SdFileMtime, &[("filename", path)], seconds_since_epoch(*time));
    }
}

fn counters(families: &mut Families, status: &DiscoveryStatus) {
    let counters = &status.counters;
    families.counter_with(Name::SdReceivedUpdates, &[MANAGER], counters.received_updates);
    families.counter_with(Name::SdUpdates, &[MANAGER], counters.updates);
    // deliveries are never turned away here: whatever arrives is in the next step
    families.counter_with(Name::SdUpdatesDelayed, &[MANAGER], 0);
    families.counter(Name::SdHttpFailures, counters.http_failures);
    families.counter(Name::SdDnsLookups, counters.dns_lookups);
    families.counter(Name::SdDnsLookupFailures, counters.dns_lookup_failures);
    families.counter(Name::SdFileReadErrors, counters.file_read_errors);
    families.counter(Name::SdFileWatcherErrors, counters.file_watcher_errors);
    families.summary(Name::SdFileScanDuration, &[], counters.file_scans, counters.file_scan_time);
}

/// A provider may feed several jobs; Prometheus runs one per job, so it counts for each of them.
fn refreshes(families: &mut Families, providers: &[ProviderStatus]) {
    let mut by_config: BTreeMap<(&str, &str), (u64, Refreshes)> = BTreeMap::new();
    let mut by_mechanism: BTreeMap<&str, Refreshes> = BTreeMap::new();
    for provider in providers.iter().filter(|provider| provider.mechanism != "static") {
        add(by_mechanism.entry(&provider.mechanism).or_default(), &provider.refreshes);
        for job in &provider.jobs {
            let (failures, sum) = by_config.entry((&provider.mechanism, job)).or_default();
            *failures += provider.refresh_failures;
            add(sum, &provider.refreshes);
        }
    }
    for ((mechanism, config), (failures, took)) in by_config {
        let labels = [("mechanism", mechanism), ("config", config)];
        families.counter_with(Name::SdRefreshFailures, &labels, failures);
        families.summary(Name::SdRefreshDuration, &labels, took.count, took.sum);
    }
    for (mechanism, took) in by_mechanism {
        let labels = [("mechanism", mechanism)];
        families.histogram(Name::SdRefreshHistogram, &labels, &REFRESH_BUCKETS, &took.buckets, took.sum);
    }
}

/// By resource: a watch per namespace would be too many series.
fn watches(families: &mut Families, watches: &[WatchStatus]) {
    let mut by_resource: BTreeMap<&str, Vec<&WatchStatus>> = BTreeMap::new();
    for watch in watches {
        by_resource.entry(&watch.resource).or_default().push(watch);
    }
    for (resource, watches) in by_resource {
        let labels = [("resource", resource)];
        let sum = |of: fn(&WatchStatus) -> u64| watches.iter().map(|watch| of(watch)).sum::<u64>();
        families.gauge_with(Name::WatchObjects, &labels, sum(|watch| watch.objects) as f64);
        families.gauge_with(Name::WatchBytes, &labels, sum(|watch| watch.bytes) as f64);
        for state in ["watching", "listing", "absent", "forbidden", "failing"] {
            let count = watches.iter().filter(|watch| watch.state.name() == state).count();
            families.gauge_with(Name::Watches, &[("resource", resource), ("state", state)], count as f64);
        }
    }
}

fn add(sum: &mut Refreshes, more: &Refreshes) {
    sum.count += more.count;
    sum.sum += more.sum;
    for (total, count) in sum.buckets.iter_mut().zip(more.buckets) {
        *total += count;
    }
}
