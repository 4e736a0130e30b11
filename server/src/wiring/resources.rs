//! prometheus-operator resources, if the configuration asks for them.

use std::sync::Arc;

use anyhow::Context;
use ta_discovery::{Kubernetes, ResourceOptions, ResourceView, Resources, Status};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::Build;
use crate::config_task::{FollowResources, JobTables};

/// What other parts have to do with resources.
pub(super) struct ResourceParts {
    pub(super) view: Option<ResourceView>,
    /// To be told which jobs are synced.
    pub(super) synced: Option<mpsc::UnboundedSender<Arc<str>>>,
    /// Whether their jobs are in the table.
    pub(super) merged: watch::Receiver<bool>,
    /// The job tables, if no task has them: to be kept.
    pub(super) tables: Option<JobTables>,
}

impl Build {
    /// Starts what follows resources and brings their jobs into `tables`.
    pub(super) fn resources(
        &mut self,
        kubernetes: &Kubernetes,
        status: &Arc<Status>,
        tables: JobTables,
    ) -> anyhow::Result<ResourceParts> {
        let cr = &self.config.prometheus_cr;
        let (merged, is_merged) = watch::channel(!cr.enabled);
        if !cr.enabled {
            return Ok(ResourceParts { view: None, synced: None, merged: is_merged, tables: Some(tables) });
        }
        let cluster = kubernetes.cluster().context("prometheus_cr.enabled needs the cluster")?;
        let selection = cr.selection(&self.config.collector_namespace).map_err(anyhow::Error::msg)?;
        let options = ResourceOptions::new(selection, cr.settings(cluster.kubeconfig_file())?);
        let resources = Resources::new(kubernetes.watches.clone(), cluster, options, status.clone());
        let view = Some(resources.view());
        let (sender, jobs) = watch::channel(None);
        let (synced, heard) = mpsc::unbounded_channel();
        let (health, metrics) = (self.health.clone(), self.metrics.clone());
        self.tasks.essential("resources", async move {
            resources.run(sender, CancellationToken::new()).await;
            Err("they are no longer followed")
        });
        let follow = FollowResources { tables, jobs, synced: heard, merged, health, metrics };
        self.tasks.essential("job table", follow.run());
        Ok(ResourceParts { view, synced: Some(synced), merged: is_merged, tables: None })
    }
}
