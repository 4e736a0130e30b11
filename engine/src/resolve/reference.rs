//! One target at a time, by the definition.

use std::borrow::Cow;

use ta_model::LabelBuilder;
use ta_model::group::Block;
use ta_model::job_table::RelabelPlan;
use ta_model::relabel::{Verdict, process};

use super::identity::{IdentityText, META, TargetId};

/// The identity of target `index`, or nothing if a rule drops it.
pub(super) fn resolve(job: &str, plan: &RelabelPlan, block: &Block, index: usize) -> Option<TargetId> {
    let base: Vec<(&str, Cow<'_, str>)> = block.labels(index).collect();
    let mut labels = LabelBuilder::from_sorted(base.iter().map(|(name, value)| (*name, &**value)));
    for (name, value) in plan.seeds() {
        if labels.get(name).is_empty() {
            labels.set(name, value);
        }
    }
    if let Verdict::Drop { .. } = process(plan.rules(), &mut labels) {
        return None;
    }
    Some(identify(job, &labels))
}

/// The identity of a target with these labels after relabelling.
pub(crate) fn identify(job: &str, labels: &LabelBuilder<'_>) -> TargetId {
    let mut text = IdentityText::default();
    for (name, value) in labels.labels().iter().filter(|(name, _)| !name.starts_with(META)) {
        text.label(name, value);
    }
    text.raw(job.as_bytes());
    text.hash()
}
