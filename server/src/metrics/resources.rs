//! What is known of prometheus-operator resources, counted.

use std::collections::BTreeMap;

use ta_model::cr::{Cause, Kind, ObjectState};

use super::Name;
use super::families::{Families, seconds_since_epoch};
use crate::http::ResourceStatus;

/// Counts of one kind.
#[derive(Default)]
struct Counts {
    seen: u64,
    selected: u64,
    waiting: u64,
    rejected: BTreeMap<Cause, u64>,
}

pub(super) fn collect(families: &mut Families, status: &ResourceStatus) {
    // every kind and cause has its series from the start: an alert on one that appears later would never fire
    let mut counts: BTreeMap<Kind, Counts> = Kind::ALL.into_iter().map(|kind| (kind, Counts::default())).collect();
    for (id, state) in &status.objects {
        let counts = counts.entry(id.kind).or_default();
        counts.seen += 1;
        match state {
            ObjectState::Unselected(_) => continue,
            ObjectState::Rejected(why) => *counts.rejected.entry(why.cause).or_default() += 1,
            ObjectState::Waiting(_) => counts.waiting += 1,
            ObjectState::Used { .. } => {}
        }
        counts.selected += 1;
    }
    for (kind, counts) in &counts {
        let kind = ("kind", kind.as_str());
        families.gauge_with(Name::Resources, &[kind], counts.seen as f64);
        families.gauge_with(Name::ResourcesSelected, &[kind], counts.selected as f64);
        families.gauge_with(Name::ResourcesWaiting, &[kind], counts.waiting as f64);
        for cause in Cause::ALL {
            let labels = [kind, ("reason", cause.as_str())];
            let rejected = counts.rejected.get(&cause).copied().unwrap_or_default();
            families.gauge_with(Name::ResourcesRejected, &labels, rejected as f64);
        }
    }
    families.counter(Name::ResourceTranslations, status.generations);
    families.summary(Name::ResourcePassDuration, &[], status.passes, status.took);
    if let Some(time) = status.last_pass {
        families.gauge(Name::ResourcePassTimestamp, seconds_since_epoch(time));
    }
}
