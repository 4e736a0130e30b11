//! What discovery says about itself, under Prometheus' names.

use super::Name;
use super::families::{Families, seconds_since_epoch};
use crate::http::{DiscoveryStatus, ProviderStatus, REFRESH_BUCKETS, Refreshes};

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
    let mut by_config: std::collections::BTreeMap<(&str, &str), (u64, Refreshes)> = std::collections::BTreeMap::new();
    let mut by_mechanism: std::collections::BTreeMap<&str, Refreshes> = std::collections::BTreeMap::new();
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

fn add(sum: &mut Refreshes, more: &Refreshes) {
    sum.count += more.count;
    sum.sum += more.sum;
    for (total, count) in sum.buckets.iter_mut().zip(more.buckets) {
        *total += count;
    }
}
