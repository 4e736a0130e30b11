//! The Services and Pods around monitors, as far as the discovery of their jobs watches them anyway.

use std::collections::BTreeSet;

use ta_model::cr::{Coverage, Objects};

use crate::kubernetes::{Cluster, Watches};

/// Adds what is known of Services and Pods. Nothing is watched for this: the jobs of a selected monitor watch just the
/// objects that matter to it.
pub(super) fn add(objects: &mut Objects, _watches: &Watches, _cluster: &Cluster) {
    objects.services_known = Coverage::In(BTreeSet::new());
    objects.pods_known = Coverage::In(BTreeSet::new());
}
