//! Sizes of a synthetic cluster.

/// How many of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PopulationOptions {
    /// Nodes, in three zones.
    pub nodes: u32,
    /// Namespaces, besides that of the collectors.
    pub namespaces: u32,
    /// Services, each with a ReplicaSet.
    pub services: u32,
    /// Pods behind the services.
    pub pods: u32,
    /// Jobs of the allocator: a multiple of the namespaces, or fewer than they.
    pub jobs: u32,
    /// Collector pods.
    pub collectors: u32,
    /// The last so many of them are not ready.
    pub unready_collectors: u32,
    /// Collectors as of a DaemonSet (one on each of the first nodes) instead of a StatefulSet.
    pub daemon_set: bool,
    /// Where the collectors live.
    pub collector_namespace: String,
    /// Legacy Endpoints beside the EndpointSlices.
    pub endpoints: bool,
    /// ServiceMonitors, dealt to the namespaces in turn; the first of them use the secrets.
    pub monitors: u32,
    /// Secrets.
    pub secrets: u32,
    /// ConfigMaps.
    pub config_maps: u32,
    /// Ingresses.
    pub ingresses: u32,
    /// Jobs of group `batch`.
    pub batch_jobs: u32,
    /// Seed of every choice.
    pub seed: u64,
}

/// Sizes that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PopulationError {
    /// Something has to live somewhere.
    #[error("{what} need {place}; ask for at least one")]
    Homeless {
        /// What has no place.
        what: &'static str,
        /// What there is none of.
        place: &'static str,
    },
    /// Jobs are components of namespaces.
    #[error(
        "{jobs} jobs cannot be dealt evenly to {namespaces} namespaces; take a multiple, or fewer jobs than namespaces"
    )]
    Uneven {
        /// Jobs asked for.
        jobs: u32,
        /// Namespaces asked for.
        namespaces: u32,
    },
    /// Addresses are 10.0.0.0/8.
    #[error("{0} pods are too many: there are addresses for 8 million")]
    TooManyPods(u32),
}

impl PopulationOptions {
    /// A few of everything, for a look with kubectl.
    pub fn small() -> PopulationOptions {
        PopulationOptions {
            nodes: 10,
            namespaces: 5,
            services: 20,
            pods: 200,
            jobs: 10,
            collectors: 3,
            unready_collectors: 0,
            daemon_set: false,
            collector_namespace: "observability".to_owned(),
            endpoints: false,
            monitors: 0,
            secrets: 5,
            config_maps: 5,
            ingresses: 5,
            batch_jobs: 5,
            seed: 1,
        }
    }

    /// 200,000 pods behind 20,000 services on 5,000 nodes, 500 jobs, 100 collectors.
    pub fn scale() -> PopulationOptions {
        PopulationOptions {
            nodes: 5_000,
            namespaces: 50,
            services: 20_000,
            pods: 200_000,
            jobs: 500,
            collectors: 100,
            ..PopulationOptions::small()
        }
    }

    /// 2,000 ServiceMonitors in 200 namespaces, 500 secrets, and a few pods for each.
    pub fn monitors() -> PopulationOptions {
        PopulationOptions {
            nodes: 100,
            namespaces: 200,
            services: 2_000,
            pods: 6_000,
            jobs: 0,
            collectors: 10,
            monitors: 2_000,
            secrets: 500,
            ..PopulationOptions::small()
        }
    }

    /// Components of each namespace.
    pub(super) fn components(&self) -> u32 {
        let monitors = self.monitors.div_ceil(self.namespaces.max(1));
        (self.jobs / self.namespaces.max(1)).max(monitors).max(1)
    }

    pub(super) fn check(&self) -> Result<(), PopulationError> {
        let homes = [
            ("pods", self.pods, "services", self.services),
            ("pods", self.pods, "nodes", self.nodes),
            ("services", self.services, "namespaces", self.namespaces),
            ("collectors", self.collectors, "nodes", self.nodes),
            ("monitors", self.monitors, "namespaces", self.namespaces),
            ("secrets", self.secrets, "namespaces", self.namespaces),
            ("config maps", self.config_maps, "namespaces", self.namespaces),
            ("ingresses", self.ingresses, "services", self.services),
            ("batch jobs", self.batch_jobs, "namespaces", self.namespaces),
        ];
        if let Some((what, _, place, _)) = homes.into_iter().find(|(_, count, _, homes)| *count > 0 && *homes == 0) {
            return Err(PopulationError::Homeless { what, place });
        }
        if self.jobs > self.namespaces && !self.jobs.is_multiple_of(self.namespaces.max(1)) {
            return Err(PopulationError::Uneven { jobs: self.jobs, namespaces: self.namespaces });
        }
        if self.pods > 8_000_000 {
            return Err(PopulationError::TooManyPods(self.pods));
        }
        Ok(())
    }
}
