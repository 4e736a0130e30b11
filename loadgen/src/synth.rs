//! Synthetic targets with life-like label sets: deterministic, seeded, plain data.
//!
//! A [`Synth`] describes a whole cluster; nothing is stored but the sizes of its jobs. [`Synth::plan`] gives the compact
//! description of one target group ([`GroupPlan`]: which targets, on which nodes, in which incarnation) and
//! [`Synth::render`] turns it into labels. Churn edits plans; equal plans always give equal labels.

mod options;
mod profiles;
mod rules;
mod sizes;

pub use options::{JobSizes, LabelAmount, Profile, SynthError, SynthOptions};
pub use rules::{RelabelRule, relabel_rules, relabel_rules_yaml};

use crate::rng::Rng;

/// Name–value pairs, sorted by name, names unique.
pub type LabelPairs = Vec<(String, String)>;

/// One target group as discovery would deliver it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthGroup {
    /// Key of the group inside its job, e.g. `endpointslice/shop-3/web-17-k2x4q`.
    pub source: String,
    /// Labels shared by all targets of the group.
    pub labels: LabelPairs,
    /// Each target's own labels.
    pub targets: Vec<LabelPairs>,
}

impl SynthGroup {
    /// Group and own labels of target `index`, the own ones winning, sorted: what an allocator serves.
    pub fn merged(&self, index: usize) -> LabelPairs {
        let own = &self.targets[index];
        let mut all: LabelPairs = own.clone();
        let from_group = self.labels.iter().filter(|(name, _)| own.binary_search_by(|(n, _)| n.cmp(name)).is_err());
        all.extend(from_group.cloned());
        all.sort_unstable();
        all
    }
}

/// Compact description of one target group. Equal plans render to equal groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlan {
    /// Job ordinal.
    pub job: u32,
    /// Group ordinal inside the job.
    pub group: u32,
    /// Goes up when only meta labels change (pod template hash, last-change time): identity stays.
    pub revision: u32,
    /// The targets now in the group.
    pub slots: Vec<Slot>,
}

/// One target of a [`GroupPlan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Place inside the group; stays when the target is replaced.
    pub index: u32,
    /// Incarnation: a replaced pod is the same slot with a higher serial, and has another address, name and uid.
    pub serial: u32,
    /// Ordinal of the node it runs on.
    pub node: u32,
}

/// A synthetic cluster.
#[derive(Debug, Clone)]
pub struct Synth {
    options: SynthOptions,
    /// `first[j]` is the ordinal of job j's first target; one entry more than jobs.
    first: Vec<u64>,
}

impl Synth {
    /// Checks the options and lays out the jobs.
    ///
    /// # Errors
    /// Zero jobs, nodes, services or targets per group; more targets than addresses (2³²).
    pub fn new(options: SynthOptions) -> Result<Self, SynthError> {
        options.check()?;
        let mut first = vec![0];
        let mut total = 0;
        for size in sizes::job_sizes(options.targets, options.jobs, options.job_sizes) {
            total += size;
            first.push(total);
        }
        Ok(Synth { options, first })
    }

    /// The options it was made from.
    pub fn options(&self) -> &SynthOptions {
        &self.options
    }

    /// Number of jobs.
    pub fn jobs(&self) -> u32 {
        self.options.jobs
    }

    /// Number of targets of one job.
    pub fn job_targets(&self, job: u32) -> u64 {
        self.first[job as usize + 1] - self.first[job as usize]
    }

    /// Number of groups of one job.
    pub fn job_groups(&self, job: u32) -> u32 {
        self.job_targets(job).div_ceil(u64::from(self.options.per_group)) as u32
    }

    /// Number of targets a group has before any churn.
    pub fn group_targets(&self, job: u32, group: u32) -> u32 {
        let per_group = u64::from(self.options.per_group);
        (self.job_targets(job) - u64::from(group) * per_group).min(per_group) as u32
    }

    /// Name of a job, e.g. `serviceMonitor/monitoring/svc-0017/0`.
    pub fn job_name(&self, job: u32) -> String {
        match self.options.profile {
            Profile::Endpointslice => format!("serviceMonitor/shop-{}/svc-{job:05}/0", job % 50),
            Profile::Pod => format!("podMonitor/shop-{}/pods-{job:05}/0", job % 50),
            Profile::Node => format!("kubelet-{job:05}"),
            Profile::Static => format!("static-{job:05}"),
            Profile::UpstreamBench => format!("job-{job}"),
        }
    }

    /// The group as it is before any churn.
    pub fn plan(&self, job: u32, group: u32) -> GroupPlan {
        let slots = (0..self.group_targets(job, group))
            .map(|index| Slot { index, serial: 0, node: self.first_node(job, group, index) })
            .collect();
        GroupPlan { job, group, revision: 0, slots }
    }

    /// All groups of one job, before any churn.
    pub fn groups(&self, job: u32) -> impl Iterator<Item = SynthGroup> + '_ {
        (0..self.job_groups(job)).map(move |group| self.render(&self.plan(job, group)))
    }

    /// The labels of a group.
    pub fn render(&self, plan: &GroupPlan) -> SynthGroup {
        profiles::render(self, plan)
    }

    /// `host:port` of one target; different for every (job, group, slot, serial) of the cluster, except for the `node`
    /// profile, whose jobs all scrape the same nodes, and for `upstream-bench`.
    pub fn address(&self, plan: &GroupPlan, slot: Slot) -> String {
        profiles::address(self, plan, slot)
    }

    /// Kubernetes name of a node.
    pub fn node_name(&self, node: u32) -> String {
        profiles::node_name(node % self.options.nodes)
    }

    /// Weight (number of series) of one target: 1 without `weight_sigma`, else log-normal with a median of 1,000.
    pub fn weight(&self, job: u32, ordinal: u64) -> u64 {
        match self.options.weight_sigma {
            None => 1,
            Some(sigma) => {
                let draw = Rng::at(self.options.seed, [u64::from(job), ordinal, 0x77]).normal();
                (1000.0 * (sigma * draw).exp()).clamp(1.0, 1e9) as u64
            }
        }
    }

    fn first_node(&self, job: u32, group: u32, index: u32) -> u32 {
        let ordinal = self.ordinal(job, group, index);
        match self.options.profile {
            // one target per node and job, in order
            Profile::Node => ((ordinal - self.first[job as usize]) % u64::from(self.options.nodes)) as u32,
            _ => Rng::at(self.options.seed, [ordinal, 0, 1]).below(u64::from(self.options.nodes)) as u32,
        }
    }

    /// Cluster-wide ordinal of a slot.
    pub(crate) fn ordinal(&self, job: u32, group: u32, index: u32) -> u64 {
        self.first[job as usize] + u64::from(group) * u64::from(self.options.per_group) + u64::from(index)
    }
}

#[cfg(test)]
mod tests;
