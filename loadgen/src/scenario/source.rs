//! Where the targets and collectors of a scenario come from: a synthetic world behind files or an http_sd server, or a
//! simulated Kubernetes cluster.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::file::{Feed, Scenario};
use crate::cluster::{
    ClusterChurn, ClusterChurnKind, Population, PopulationOptions, Replaced, SimulatedCluster, allocator_config,
};
use crate::feed::{
    AllocatorConfig, ChangeSink as _, Churn, ChurnKind, ChurnOptions, CollectorSource, FileFeed, HttpFeed, LedgerSink,
    TargetSource, World, WorldChange, collectors_file, show,
};
use crate::ledger::Truth;
use crate::protocol::Fingerprint;
use crate::stats::lock;
use crate::synth::Synth;

/// How often the allocator asks the http feed, and its timeout there.
const HTTP_FEED_REFRESH: Duration = Duration::from_secs(2);

/// Changes what there is, and tells the ledger first.
pub(super) struct Source {
    kind: Kind,
    sink: LedgerSink,
}

enum Kind {
    World { world: Arc<Mutex<World>>, files: Option<FileFeed>, http: Option<HttpFeed>, collectors: PathBuf },
    Cluster { cluster: SimulatedCluster, population: Box<Population>, kubeconfig: PathBuf, collectors: BTreeSet<u32> },
}

/// Churn that is under way.
pub(super) enum Churning {
    World(Churn),
    Cluster(ClusterChurn),
}

impl Source {
    /// Makes everything there is, and tells the ledger behind `sink` of it.
    pub(super) async fn start(scenario: &Scenario, directory: &Path, sink: LedgerSink) -> anyhow::Result<Self> {
        let kind = match scenario.feed {
            Feed::Cluster => Kind::cluster(scenario, directory).await?,
            Feed::File | Feed::Http => Kind::world(scenario, directory).await?,
        };
        let mut source = Source { kind, sink };
        match &source.kind {
            Kind::World { world, .. } => source.sink.initial_world(&lock(world))?,
            Kind::Cluster { population, .. } => {
                population.targets().into_values().try_for_each(|targets| source.sink.initial(&targets))?;
            }
        }
        Ok(source)
    }

    /// The configuration of an allocator that finds all of it.
    pub(super) fn config(&self, scenario: &Scenario) -> String {
        let settings = &scenario.allocator;
        match &self.kind {
            Kind::World { world, files, http, collectors } => {
                let world = lock(world);
                let targets = match (http, files) {
                    (Some(feed), _) => TargetSource::Http { address: feed.address(), refresh: HTTP_FEED_REFRESH },
                    (None, files) => TargetSource::Files {
                        directory: files.as_ref().map(|files| files.directory().to_owned()).unwrap_or_default(),
                    },
                };
                let config = AllocatorConfig {
                    synth: world.synth(),
                    strategy: settings.strategy.clone(),
                    fallback: settings.fallback.clone(),
                    relabel: settings.relabel,
                    targets,
                    collectors: CollectorSource::File(collectors.clone()),
                };
                config.to_yaml()
            }
            Kind::Cluster { population, kubeconfig, .. } => {
                allocator_config(population, kubeconfig, &settings.strategy)
            }
        }
    }

    /// Makes these the collectors that the allocator sees.
    pub(super) fn set_collectors(&mut self, scenario: &Scenario, numbers: &BTreeSet<u32>) -> anyhow::Result<()> {
        match &mut self.kind {
            Kind::World { world, collectors, .. } => {
                let world = lock(world);
                let name = |number: &u32| (scenario.collector(*number), world.synth().node_name(*number));
                let named: Vec<(String, String)> = numbers.iter().map(name).collect();
                let beside = collectors.with_extension("tmp");
                std::fs::write(&beside, collectors_file(&named))?;
                std::fs::rename(&beside, collectors)?;
            }
            Kind::Cluster { cluster, population, collectors, .. } => {
                for number in collectors.symmetric_difference(numbers) {
                    population.set_collector(cluster, *number, numbers.contains(number));
                }
                collectors.clone_from(numbers);
            }
        }
        Ok(())
    }

    /// Churn of this kind that has not begun.
    pub(super) fn churning(&self, kind: ChurnKind, rate: f64, seed: u64) -> anyhow::Result<Churning> {
        Ok(match (&self.kind, kind) {
            (Kind::World { .. }, _) => Churning::World(Churn::new(ChurnOptions { kind, rate, seed })),
            (Kind::Cluster { .. }, ChurnKind::RollingDeployment) => {
                Churning::Cluster(ClusterChurn::new(ClusterChurnKind::RollingDeployment, rate, seed))
            }
            (Kind::Cluster { .. }, ChurnKind::PodReplacement) => {
                Churning::Cluster(ClusterChurn::new(ClusterChurnKind::PodReplacement, rate, seed))
            }
            (Kind::Cluster { .. }, ChurnKind::NodeLoss) => {
                Churning::Cluster(ClusterChurn::new(ClusterChurnKind::NodeLoss, rate, seed))
            }
            (Kind::Cluster { .. }, ChurnKind::MetaOnly) => bail!("a cluster feed has no churn of meta labels only"),
        })
    }

    /// Changes what `seconds` of churn change.
    pub(super) fn churn(&mut self, churning: &mut Churning, seconds: f64) -> anyhow::Result<()> {
        match (&mut self.kind, churning) {
            (Kind::World { world, files, .. }, Churning::World(churn)) => {
                let mut world = lock(world);
                let change = churn.advance(&mut world, seconds);
                if !change.is_empty() {
                    show(&change, &world, files.as_ref(), &mut self.sink)?;
                }
            }
            (Kind::Cluster { cluster, population, .. }, Churning::Cluster(churn)) => {
                let sink = &mut self.sink;
                let tell = &mut |Replaced { removed, added }| {
                    let facts = vec![(Truth::Added, added), (Truth::Removed, removed)];
                    // a ledger can always be told
                    sink.change(&WorldChange { facts, ..WorldChange::default() }).ok();
                };
                churn.advance_telling(population, cluster, seconds, tell);
            }
            _ => bail!("churn of another feed"),
        }
        Ok(())
    }

    /// The http_sd server, if that is the feed.
    pub(super) fn http(&self) -> Option<&HttpFeed> {
        match &self.kind {
            Kind::World { http, .. } => http.as_ref(),
            Kind::Cluster { .. } => None,
        }
    }

    /// The cluster, if that is the feed.
    pub(super) fn cluster(&self) -> Option<SimulatedCluster> {
        match &self.kind {
            Kind::World { .. } => None,
            Kind::Cluster { cluster, .. } => Some(cluster.clone()),
        }
    }

    /// Names of all jobs.
    pub(super) fn jobs(&self) -> Vec<String> {
        match &self.kind {
            Kind::World { world, .. } => {
                let world = lock(world);
                (0..world.synth().jobs()).map(|job| world.synth().job_name(job)).collect()
            }
            Kind::Cluster { population, .. } => population.jobs().into_iter().map(|(job, ..)| job).collect(),
        }
    }

    /// Identities of the targets there are now, of the job with this place among [`Source::jobs`].
    pub(super) fn identities(&self, job: usize) -> HashSet<u64> {
        let identities = |targets: Vec<Fingerprint>| targets.iter().map(|target| target.identity).collect();
        match &self.kind {
            Kind::World { world, .. } => identities(lock(world).fingerprints(job as u32)),
            Kind::Cluster { population, .. } => {
                let name = population.jobs().into_iter().nth(job).map(|(name, ..)| name).unwrap_or_default();
                identities(population.targets().remove(&name).unwrap_or_default())
            }
        }
    }
}

impl Kind {
    async fn world(scenario: &Scenario, directory: &Path) -> anyhow::Result<Self> {
        let world = Arc::new(Mutex::new(World::new(Synth::new(scenario.targets.clone())?)));
        let collectors = directory.join("collectors.yaml");
        if scenario.feed == Feed::Http {
            let http = Some(HttpFeed::start(0, world.clone()).await?);
            return Ok(Kind::World { world, files: None, http, collectors });
        }
        let files = FileFeed::new(&directory.join("targets"))?;
        {
            let world = lock(&world);
            (0..world.synth().jobs()).try_for_each(|job| files.write(&world, job))?;
        }
        Ok(Kind::World { world, files: Some(files), http: None, collectors })
    }

    async fn cluster(scenario: &Scenario, directory: &Path) -> anyhow::Result<Self> {
        let sizes = &scenario.targets;
        let options = PopulationOptions {
            nodes: sizes.nodes,
            // each job is a namespace with a component
            namespaces: sizes.jobs,
            jobs: sizes.jobs,
            services: sizes.services.max(sizes.jobs),
            pods: u32::try_from(sizes.targets).context("targets")?,
            collectors: scenario.collectors.count,
            secrets: 0,
            config_maps: 0,
            ingresses: 0,
            batch_jobs: 0,
            seed: sizes.seed,
            ..PopulationOptions::small()
        };
        let collectors = (0..options.collectors).collect();
        let population = Box::new(Population::new(options)?);
        let cluster = SimulatedCluster::builder().start().await.context("start the simulated cluster")?;
        population.settle_in(&cluster);
        let kubeconfig = cluster.kubeconfig(directory)?;
        Ok(Kind::Cluster { cluster, population, kubeconfig, collectors })
    }
}
