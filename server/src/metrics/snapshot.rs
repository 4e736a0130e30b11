//! What the snapshot being served knows.

use ta_engine::{Snapshot, Unassigned};

use super::Name;
use super::families::Families;

pub(super) fn collect(families: &mut Families, snapshot: &Snapshot, strategy: &str) {
    let (mut remaining, mut dropped, mut merged, mut unsynced) = (0, 0, 0, 0);
    for job in snapshot.jobs() {
        families.gauge_with(Name::Targets, &[("job_name", job.name())], job.discovered() as f64);
        remaining += job.kept() as u64 + job.merged() as u64;
        dropped += job.dropped();
        merged += job.merged() as u64;
        unsynced += u64::from(!job.synced());
    }
    families.gauge(Name::TargetsRemaining, remaining as f64);
    families.gauge(Name::TargetsDropped, dropped as f64);
    families.gauge(Name::TargetsMerged, merged as f64);
    families.gauge(Name::Jobs, snapshot.job_count() as f64);
    families.gauge(Name::JobsUnsynced, unsynced as f64);
    families.gauge(Name::SnapshotNumber, snapshot.number() as f64);
    assignment(families, snapshot, strategy);
}

fn assignment(families: &mut Families, snapshot: &Snapshot, strategy: &str) {
    families.gauge(Name::TargetsUnassigned, snapshot.unassigned() as f64);
    for reason in Unassigned::ALL {
        let targets = snapshot.unassigned_because(reason);
        families.gauge_with(Name::UnassignedByReason, &[("reason", reason.name())], targets as f64);
    }
    families.gauge_with(Name::CollectorsAllocatable, &[("strategy", strategy)], snapshot.collectors().len() as f64);
    for (collector, load) in snapshot.collectors().iter().zip(snapshot.loads()) {
        let labels = [("collector_name", &*collector.name), ("strategy", strategy)];
        families.gauge_with(Name::TargetsPerCollector, &labels, f64::from(load.targets));
    }
    if let Some(ratio) = imbalance(snapshot) {
        families.gauge(Name::Imbalance, ratio);
    }
}

/// Targets of the fullest collector over the mean; nothing where nothing is assigned.
pub(crate) fn imbalance(snapshot: &Snapshot) -> Option<f64> {
    let loads = snapshot.loads();
    let total: u64 = loads.iter().map(|load| u64::from(load.targets)).sum();
    let fullest = loads.iter().map(|load| load.targets).max()?;
    (total > 0).then(|| f64::from(fullest) * loads.len() as f64 / total as f64)
}
