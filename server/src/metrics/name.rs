//! The one place where metrics are named. `Name` and help of upstream's are part of the contract with dashboards.

macro_rules! names {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $help:literal;)*) => {
        /// Every metric there is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Name {
            $($(#[$doc])* $variant,)*
        }

        impl Name {
            /// All of them, in the order of their declaration.
            pub const ALL: &[Name] = &[$(Name::$variant),*];

            /// As exposed.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Name::$variant => $name,)* }
            }

            /// What it says, in a sentence.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $(Name::$variant => $help,)* }
            }
        }
    };
}

names! {
    // upstream's own
    Targets = "opentelemetry_allocator_targets", "Number of targets discovered.";
    TargetsRemaining = "opentelemetry_allocator_targets_remaining", "Number of targets kept after filtering.";
    TargetsUnassigned = "opentelemetry_allocator_targets_unassigned", "Number of targets that could not be assigned due to missing node label.";
    TargetsPerCollector = "opentelemetry_allocator_targets_per_collector", "The number of targets for each collector.";
    CollectorsAllocatable = "opentelemetry_allocator_collectors_allocatable", "Number of collectors the allocator is able to allocate to.";
    CollectorsDiscovered = "opentelemetry_allocator_collectors_discovered", "Number of collectors discovered.";
    TimeToAllocate = "opentelemetry_allocator_time_to_allocate", "The time it takes to allocate";
    HttpDuration = "opentelemetry_allocator_http_duration_seconds", "Duration of received HTTP requests.";
    ProcessTargets = "opentelemetry_allocator_process_targets_duration_seconds", "Duration of processing targets.";
    ProcessTargetGroups = "opentelemetry_allocator_process_target_groups_duration_seconds", "Duration of processing target groups.";
    Events = "opentelemetry_allocator_events_total", "Number of events in the channel.";
    TargetInfo = "target_info", "Target metadata";
    // ours
    Jobs = "opentelemetry_allocator_jobs", "Number of jobs in force.";
    JobsUnsynced = "opentelemetry_allocator_jobs_unsynced", "Number of jobs whose targets have not been discovered yet; their targets are answered with 503.";
    TargetsDropped = "opentelemetry_allocator_targets_dropped", "Number of discovered targets dropped by relabelling.";
    TargetsMerged = "opentelemetry_allocator_targets_merged", "Number of targets that are equal to another of their job after relabelling, and are served once.";
    UnassignedByReason = "opentelemetry_allocator_targets_unassigned_by_reason", "Number of targets without a collector, by reason.";
    Imbalance = "opentelemetry_allocator_imbalance_ratio", "Targets of the fullest collector over the mean of all collectors.";
    Moves = "opentelemetry_allocator_target_moves_total", "Number of targets that changed their collector.";
    SnapshotNumber = "opentelemetry_allocator_snapshot_number", "Number of the snapshot being served.";
    SnapshotTimestamp = "opentelemetry_allocator_snapshot_timestamp_seconds", "When the snapshot being served was published.";
    MaskedConfigPolls = "opentelemetry_allocator_masked_config_polls_total", "Number of times scrape configs were served with masked secrets, which collectors then send as passwords.";
    HttpConnections = "opentelemetry_allocator_http_connections", "Number of open client connections.";
    HttpPanics = "opentelemetry_allocator_http_panics_total", "Number of requests that ended in a panic of ours.";
    TlsHandshakes = "opentelemetry_allocator_tls_handshakes_total", "Number of TLS handshakes with clients, by result.";
    TlsReloads = "opentelemetry_allocator_tls_reloads_total", "Number of times changed TLS files were put in force, by files.";
    TlsFilesBad = "opentelemetry_allocator_tls_files_bad", "1 while the TLS files cannot be used and the last good ones stay in force, by files.";
    TlsNotAfter = "opentelemetry_allocator_tls_certificate_not_after_timestamp_seconds", "When the server's certificate in force expires.";
    Resources = "opentelemetry_allocator_resources", "Number of prometheus-operator resources there are.";
    ResourcesSelected = "opentelemetry_allocator_resources_selected", "Number of resources that the selectors pick, rejected ones included.";
    ResourcesWaiting = "opentelemetry_allocator_resources_waiting", "Number of resources that refer to a Secret or ConfigMap not read yet; they keep the jobs they had.";
    ResourcesRejected = "opentelemetry_allocator_resources_rejected", "Number of resources that make no jobs because something is wrong with them, by reason.";
    ResourceTranslations = "opentelemetry_allocator_resource_translations_total", "Number of times a resource was translated into jobs.";
    ResourcePassDuration = "opentelemetry_allocator_resource_generation_duration_seconds", "Duration of bringing the jobs of all resources up to date.";
    ResourcePassTimestamp = "opentelemetry_allocator_resource_generation_timestamp_seconds", "When the jobs of resources were last brought up to date.";
    OtlpPushes = "opentelemetry_allocator_otlp_pushes_total", "Number of times metrics were pushed by OTLP, by result.";
    WatchObjects = "opentelemetry_allocator_kubernetes_watch_objects", "Number of Kubernetes objects held, by resource.";
    WatchBytes = "opentelemetry_allocator_kubernetes_watch_bytes", "Memory of the Kubernetes objects held, by resource.";
    Watches = "opentelemetry_allocator_kubernetes_watches", "Number of watches of Kubernetes objects, by resource and state.";
    WatchEvents = "opentelemetry_allocator_kubernetes_watch_events_total", "Number of Kubernetes objects seen added, changed or deleted, by resource.";
    WatchLists = "opentelemetry_allocator_kubernetes_watch_lists_total", "Number of lists of Kubernetes objects that were applied: the first of each watch, and re-lists.";
    WatchErrors = "opentelemetry_allocator_kubernetes_watch_errors_total", "Number of failed lists and watches of Kubernetes objects.";
    WatchUndecodable = "opentelemetry_allocator_kubernetes_watch_undecodable_objects_total", "Number of times a Kubernetes object came that could not be read.";
    KubernetesRequests = "opentelemetry_allocator_kubernetes_requests_total", "Number of lists and watches sent to API servers, by resource.";
    // Prometheus' service discovery (`discovery/metrics.go`)
    SdFailedConfigs = "prometheus_sd_failed_configs", "Current number of service discovery configurations that failed to load.";
    SdDiscoveredTargets = "prometheus_sd_discovered_targets", "Current number of discovered targets.";
    SdLastUpdate = "prometheus_sd_last_update_timestamp_seconds", "Timestamp of the last update sent to the SD consumers.";
    SdReceivedUpdates = "prometheus_sd_received_updates_total", "Total number of update events received from the SD providers.";
    SdUpdatesDelayed = "prometheus_sd_updates_delayed_total", "Total number of update events that couldn't be sent immediately.";
    SdUpdates = "prometheus_sd_updates_total", "Total number of update events sent to the SD consumers.";
    SdRefreshFailures = "prometheus_sd_refresh_failures_total", "Number of refresh failures for the given SD mechanism.";
    SdRefreshDuration = "prometheus_sd_refresh_duration_seconds", "The duration of a refresh in seconds for the given SD mechanism.";
    SdRefreshHistogram = "prometheus_sd_refresh_duration_histogram_seconds", "The duration of a refresh for the given SD mechanism.";
    SdHttpFailures = "prometheus_sd_http_failures_total", "Number of HTTP service discovery refresh failures.";
    SdDnsLookups = "prometheus_sd_dns_lookups_total", "The number of DNS-SD lookups.";
    SdDnsLookupFailures = "prometheus_sd_dns_lookup_failures_total", "The number of DNS-SD lookup failures.";
    SdFileReadErrors = "prometheus_sd_file_read_errors_total", "The number of File-SD read errors.";
    SdFileWatcherErrors = "prometheus_sd_file_watcher_errors_total", "The number of File-SD errors caused by filesystem watch failures.";
    SdFileScanDuration = "prometheus_sd_file_scan_duration_seconds", "The duration of the File-SD scan in seconds.";
    SdFileMtime = "prometheus_sd_file_mtime_seconds", "Timestamp (mtime) of files read by FileSD. Timestamp is set at read time.";
}

impl Name {
    /// Whether upstream exports it through OpenTelemetry (or would), and so with the scope on it.
    pub(crate) fn is_scoped(self) -> bool {
        self.as_str().starts_with("opentelemetry_")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_counters_say_so() {
        let names: HashSet<_> = Name::ALL.iter().map(|name| name.as_str()).collect();
        assert_eq!(names.len(), Name::ALL.len());
        assert!(Name::ALL.iter().all(|name| !name.help().is_empty()));
    }
}
