//! What a synthetic cluster is made from.

use serde::{Deserialize, Serialize};

/// Which kind of discovery the label sets imitate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Kubernetes role `endpointslice`: 43 labels (14 of the group, 29 of the target), about 2.4 kB of names and values,
    /// about 2.7 kB of JSON, 9 or 10 values varying inside a group.
    #[default]
    Endpointslice,
    /// Kubernetes role `pod`: a group is a pod, its targets are container ports.
    Pod,
    /// Kubernetes role `node`: every job scrapes the same nodes.
    Node,
    /// A hand-written inventory: three group labels, only `__address__` on the target.
    Static,
    /// The shape of upstream's `BenchmarkProcessTargets`: 42 labels (17 + 25), `__address__` on the group.
    UpstreamBench,
}

/// How many labels an `endpointslice` target has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LabelAmount {
    /// 10 labels.
    Few,
    /// 43 labels.
    #[default]
    Usual,
    /// 45 labels: with the `kubectl…last-applied-configuration` annotation pair.
    WithLastApplied,
}

/// How targets are spread over jobs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobSizes {
    /// All jobs have the same size, give or take one.
    #[default]
    Even,
    /// Sizes fall with rank^-s; 1.1 looks like a real cluster. Every job keeps at least one target if there are enough.
    Zipf(f64),
}

/// Size and shape of a synthetic cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SynthOptions {
    /// Which label sets.
    pub profile: Profile,
    /// How many labels (`endpointslice` only).
    pub labels: LabelAmount,
    /// Number of targets over all jobs.
    pub targets: u64,
    /// Number of jobs.
    pub jobs: u32,
    /// Targets per group.
    pub per_group: u32,
    /// Number of nodes the targets run on.
    pub nodes: u32,
    /// Number of Kubernetes services.
    pub services: u32,
    /// Seed of every choice.
    pub seed: u64,
    /// Spread of targets over jobs.
    pub job_sizes: JobSizes,
    /// σ of log-normal target weights; none = every target weighs 1.
    pub weight_sigma: Option<f64>,
}

impl Default for SynthOptions {
    fn default() -> Self {
        SynthOptions {
            profile: Profile::Endpointslice,
            labels: LabelAmount::Usual,
            targets: 1000,
            jobs: 10,
            per_group: 10,
            nodes: 50,
            services: 100,
            seed: 1,
            job_sizes: JobSizes::Even,
            weight_sigma: None,
        }
    }
}

impl SynthOptions {
    /// Upstream's benchmark shape B1: 5 targets per group, 20 groups per job, 100 targets per job.
    pub fn upstream_bench(targets: u64) -> Self {
        SynthOptions {
            profile: Profile::UpstreamBench,
            targets,
            jobs: targets.div_ceil(100).max(1) as u32,
            per_group: 5,
            ..SynthOptions::default()
        }
    }

    pub(super) fn check(&self) -> Result<(), SynthError> {
        let counts = [
            ("jobs", u64::from(self.jobs)),
            ("targets per group", u64::from(self.per_group)),
            ("nodes", u64::from(self.nodes)),
            ("services", u64::from(self.services)),
        ];
        if let Some((what, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(SynthError::Zero { what });
        }
        if self.targets > u64::from(u32::MAX) {
            return Err(SynthError::TooMany { targets: self.targets });
        }
        match (self.job_sizes, self.weight_sigma) {
            (JobSizes::Zipf(s), _) if !(s.is_finite() && (0.0..=10.0).contains(&s)) => Err(SynthError::Exponent { s }),
            (_, Some(s)) if !(s.is_finite() && (0.0..=10.0).contains(&s)) => Err(SynthError::Exponent { s }),
            _ => Ok(()),
        }
    }
}

/// Options that describe no cluster.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SynthError {
    /// A count that must be positive.
    #[error("the number of {what} must be at least 1")]
    Zero {
        /// Which count.
        what: &'static str,
    },
    /// More targets than addresses.
    #[error("{targets} targets asked for, at most {max} can be told apart", max = u32::MAX)]
    TooMany {
        /// How many were asked for.
        targets: u64,
    },
    /// Zipf exponent or weight σ out of range.
    #[error("the zipf exponent and the weight sigma must lie between 0 and 10, not {s}")]
    Exponent {
        /// What was given.
        s: f64,
    },
}
