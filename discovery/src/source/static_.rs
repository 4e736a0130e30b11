//! `static_configs`: delivered once.

use std::sync::Arc;

use ta_model::group::GroupBuilder;
use ta_model::scrape_config::StaticGroup;
use tokio_util::sync::CancellationToken;

use super::groups::build;
use super::{Deliver, SourceError};

/// Delivers `groups` (source: the position) and waits for the end.
pub(super) async fn run(
    groups: Vec<StaticGroup>,
    deliver: Deliver,
    cancel: CancellationToken,
) -> Result<(), SourceError> {
    let mut builder = GroupBuilder::new();
    let groups = groups
        .iter()
        .enumerate()
        .map(|(position, group)| (position.to_string().into(), Arc::new(build(&mut builder, group, None))));
    let groups: Vec<_> = groups.collect();
    drop(builder);
    deliver.groups(groups).await;
    deliver.synced().await;
    deliver.status().refreshed(std::time::Duration::ZERO, &[]);
    cancel.cancelled().await;
    Ok(())
}
