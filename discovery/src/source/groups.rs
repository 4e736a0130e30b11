//! Lists of groups, as files, HTTP answers and `static_configs` have them, on their way to target groups.

use std::sync::Arc;

use ta_model::group::{GroupBuilder, TargetGroup};
use ta_model::scrape_config::StaticGroup;

use super::NamedGroup;

/// Builds one group; `meta` is a label that the source adds and that beats the group's own.
pub(crate) fn build(builder: &mut GroupBuilder, group: &StaticGroup, meta: Option<(&str, &str)>) -> TargetGroup {
    builder.begin();
    for (name, value) in &group.labels {
        builder.group_label(name, value);
    }
    if let Some((name, value)) = meta {
        builder.group_label(name, value);
    }
    for address in &group.targets {
        builder.begin_target();
        builder.target_label("__address__", address);
    }
    builder.finish()
}

/// A numbered list that is delivered whole each time, with an empty group for each number it lost since.
#[derive(Debug, Default)]
pub(crate) struct NumberedGroups {
    delivered: usize,
}

impl NumberedGroups {
    /// The groups to deliver for `groups`; group *i* has source `<prefix>:<i>`.
    pub(crate) fn update(
        &mut self,
        prefix: &str,
        groups: impl ExactSizeIterator<Item = TargetGroup>,
    ) -> Vec<NamedGroup> {
        let now = groups.len();
        let lost = (now..self.delivered).map(|_| TargetGroup::default());
        self.delivered = now;
        let source = |position: usize| Arc::<str>::from(format!("{prefix}:{position}"));
        groups.chain(lost).enumerate().map(|(i, group)| (source(i), Arc::new(group))).collect()
    }
}
