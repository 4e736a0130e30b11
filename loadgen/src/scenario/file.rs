//! What stands in a scenario file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::step::StepKind;
use crate::cluster::Population;
use crate::duration::Time;
use crate::feed::ChurnKind;
use crate::report::{Expectation, number_at};
use crate::synth::SynthOptions;
use crate::yaml;

/// A scenario that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Unreadable.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not a scenario.
    #[error("{path}: {why}")]
    Invalid {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
}

/// A scripted run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Version of the format: 1.
    pub version: u32,
    /// Short name.
    pub name: String,
    /// What it shows.
    #[serde(default)]
    pub about: String,
    /// The synthetic cluster.
    #[serde(default)]
    pub targets: SynthOptions,
    /// How the allocator gets the targets.
    #[serde(default)]
    pub feed: Feed,
    /// The allocator.
    #[serde(default)]
    pub allocator: Allocator,
    /// The emulated collectors.
    #[serde(default)]
    pub collectors: Collectors,
    /// Longest run.
    #[serde(default)]
    pub limits: Limits,
    /// Ask the allocator for its own view of one job after the other, this often, from the first mark on.
    #[serde(default)]
    pub audit_every: Option<Time>,
    /// What happens, in order.
    pub steps: Vec<StepKind>,
    /// What must hold at the end: path in the report → bound.
    #[serde(default)]
    pub expect: BTreeMap<String, Bound>,
}

/// Kind of feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Feed {
    /// file_sd files.
    #[default]
    File,
    /// An http_sd server, asked every two seconds.
    Http,
    /// A simulated Kubernetes API server (`loadgen cluster` serves one alone). The collectors are pods there, too, and have the names of a StatefulSet's.
    #[value(skip)]
    Cluster,
}

/// Settings of the allocator under test.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Allocator {
    /// `allocation_strategy`.
    pub strategy: String,
    /// `allocation_fallback_strategy`.
    pub fallback: Option<String>,
    /// Whether jobs have relabel rules.
    pub relabel: bool,
    /// Whether collectors reach the instances through a TCP balancer that follows `/readyz`, as a Service does.
    pub balancer: bool,
    /// Whether collectors come over HTTPS with client certificates.
    pub https: bool,
    /// Whether its output goes to a disk that is full (`/dev/full`).
    pub full_disk: bool,
    /// Longest time from start to ready.
    pub ready_timeout: Time,
}

impl Default for Allocator {
    fn default() -> Self {
        Allocator {
            strategy: "consistent-hashing".to_owned(),
            fallback: None,
            relabel: true,
            balancer: false,
            https: false,
            full_disk: false,
            ready_timeout: Time(Duration::from_secs(60)),
        }
    }
}

/// Settings of the fleet.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Collectors {
    /// How many at the start.
    pub count: u32,
    /// Their names are this and a number from 0.
    pub prefix: String,
    /// How much faster than real ones they poll.
    pub time_scale: f64,
    /// Job list poll interval before scaling.
    pub interval: Time,
    /// Targets poll interval before scaling.
    pub refresh: Time,
    /// Connections per collector; none = one per job.
    pub lanes: Option<usize>,
}

impl Default for Collectors {
    fn default() -> Self {
        let half_a_minute = Time(Duration::from_secs(30));
        Collectors {
            count: 10,
            prefix: "collector-".to_owned(),
            time_scale: 10.0,
            interval: half_a_minute,
            refresh: half_a_minute,
            lanes: None,
        }
    }
}

/// What ends a run that does not end by itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest time.
    pub duration: Time,
    /// Most requests.
    pub max_requests: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { duration: Time(Duration::from_secs(900)), max_requests: 20_000_000 }
    }
}

/// What a number must be: at most this, or within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Bound {
    /// At most.
    AtMost(f64),
    /// Both ends optional, both included.
    Within {
        /// Smallest.
        #[serde(default)]
        min: Option<f64>,
        /// Largest.
        #[serde(default)]
        max: Option<f64>,
    },
}

impl Scenario {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// See [`ScenarioError`].
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let named = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|source| ScenarioError::Read { path: named.clone(), source })?;
        Scenario::parse(&text).map_err(|why| ScenarioError::Invalid { path: named, why })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let value = yaml::parse(text).map_err(|error| error.to_string())?;
        let scenario: Scenario = serde_json::from_value(value).map_err(|error| error.to_string())?;
        scenario.problem().map_or(Ok(()), |why| Err(why.to_owned()))?;
        Ok(scenario)
    }

    /// What does not go together.
    fn problem(&self) -> Option<&'static str> {
        let has = |is_so: fn(&StepKind) -> bool| self.steps.iter().any(is_so);
        let Collectors { time_scale, lanes, .. } = self.collectors;
        let wrong = [
            (self.version != 1, "version must be 1"),
            (!(time_scale > 0.0 && time_scale <= 10_000.0), "collectors.time_scale must be above 0 and at most 10000"),
            (lanes == Some(0), "collectors.lanes must be at least 1"),
            (self.feed != Feed::Http && has(|step| matches!(step, StepKind::Feed(_))), "a feed step needs feed: http"),
            (
                self.feed != Feed::Cluster && has(|step| matches!(step, StepKind::Api(_))),
                "an api step needs feed: cluster",
            ),
            (
                self.feed == Feed::Cluster
                    && has(|step| matches!(step, StepKind::Churn { kind: ChurnKind::MetaOnly, .. })),
                "meta-only churn needs feed: file or http",
            ),
            (
                !self.allocator.https && has(|step| matches!(step, StepKind::Certificates(_))),
                "a certificates step needs allocator.https",
            ),
        ];
        wrong.into_iter().find(|(is_so, _)| *is_so).map(|(_, why)| why)
    }

    /// Makes it pass so many times faster: collectors poll faster, and what steps wait for is shorter.
    pub fn hurry(&mut self, factor: f64) {
        self.collectors.time_scale = (self.collectors.time_scale * factor).min(10_000.0);
        self.steps.iter_mut().for_each(|step| step.hurry(factor));
    }

    /// Name of a collector.
    pub(super) fn collector(&self, number: u32) -> String {
        match self.feed {
            Feed::Cluster => Population::collector_name(number),
            Feed::File | Feed::Http => format!("{}{number}", self.collectors.prefix),
        }
    }

    /// Number of allocator instances the steps speak of.
    pub fn instances(&self) -> usize {
        self.steps.iter().filter_map(|step| step.instance()).max().map_or(0, |most| most + 1)
    }

    /// Judges a report.
    pub fn judge(&self, report: &serde_json::Value) -> Vec<Expectation> {
        let judge = |(value, bound): (&String, &Bound)| {
            let (min, max) = match *bound {
                Bound::AtMost(max) => (None, Some(max)),
                Bound::Within { min, max } => (min, max),
            };
            // an error that never occurred is not in the report
            let absent = value.contains(".errors.").then_some(0.0);
            let found = number_at(report, value).or(absent);
            let holds = |found: f64| min.is_none_or(|min| found >= min) && max.is_none_or(|max| found <= max);
            Expectation { value: value.clone(), min, max, found, met: found.is_some_and(holds) }
        };
        self.expect.iter().map(judge).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "version: 1\nname: x\nsteps:\n- start: 0\n- settle: 10s\n- mark\n- kill: 1\n";

    #[test]
    fn the_shipped_scenarios_are_well_formed() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let scenario = Scenario::read(&path).unwrap();
                assert_eq!(Some(scenario.name.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
                assert!(!scenario.about.is_empty() && !scenario.expect.is_empty(), "{path:?}");
                assert!(scenario.steps.contains(&StepKind::Mark), "{path:?} measures nothing");
                names.push(scenario.name);
            }
        }
        assert!(names.len() >= 7, "{names:?}");
    }

    #[test]
    fn in_a_hurry_everything_is_shorter() {
        let mut scenario = Scenario::parse(&format!("{SMALL}- wait: 8s\n- rolling-restart: {{pause: 2s}}\n")).unwrap();
        scenario.hurry(4.0);
        assert_eq!(scenario.collectors.time_scale, 40.0);
        assert_eq!(scenario.steps[4], StepKind::Wait(Time(Duration::from_secs(2))));
        let pause = Time(Duration::from_millis(500));
        assert_eq!(scenario.steps[5], StepKind::RollingRestart { pause, membership_kept: false });
        assert_eq!(scenario.steps[1], StepKind::Settle(Time(Duration::from_secs(10))), "patience is no pause");
    }

    #[test]
    fn steps_and_defaults_are_read() {
        let scenario = Scenario::parse(SMALL).unwrap();
        assert_eq!(scenario.instances(), 2);
        assert_eq!(scenario.steps[1], StepKind::Settle(Time(Duration::from_secs(10))));
        assert_eq!(scenario.collectors.count, 10);
        let churn = "- churn: {kind: node-loss, rate: 1%, for: 5s}\n";
        let StepKind::Churn { rate, background, .. } =
            Scenario::parse(&format!("{SMALL}{churn}")).unwrap().steps[4].clone()
        else {
            panic!("not churn")
        };
        assert_eq!((rate.per_second(2000), background), (20.0, false));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            (SMALL.replace("version: 1", "version: 2"), "version"),
            (SMALL.replace("kill: 1", "explode: 1"), "explode"),
            (SMALL.replace("10s", "10x"), "not a duration"),
            (SMALL.replace("name: x", "name: x\ncolour: red"), "colour"),
            (format!("{SMALL}- feed: hang\n"), "feed: http"),
            (format!("{SMALL}- api: down\n"), "feed: cluster"),
            (format!("{SMALL}- certificates: garbage\n"), "allocator.https"),
            (format!("{SMALL}- clock: 5s\n"), "not a jump"),
            (SMALL.replace("name: x", "name: x\ncollectors: {time_scale: 0}"), "time_scale"),
            ("steps: [".to_owned(), "yaml"),
        ] {
            let why = Scenario::parse(&text).unwrap_err();
            assert!(why.contains(part), "{part} not in {why}");
        }
    }

    #[test]
    fn expectations_are_judged() {
        let expect = "expect:\n  lost_target_seconds: 0\n  fleet.load_max: {min: 5}\n  requests.targets.errors.timeout: 0\n  nothing.such: 1\n";
        let scenario = Scenario::parse(&format!("{SMALL}{expect}")).unwrap();
        let report = serde_json::json!({
            "accounting": {"lost_target_seconds": 0.5}, "fleet": {"load_max": 7}, "requests": {"targets": {"errors": {}}}
        });
        let met: Vec<(String, bool)> = scenario.judge(&report).into_iter().map(|e| (e.value, e.met)).collect();
        let expected = [
            ("fleet.load_max", true),
            ("lost_target_seconds", false),
            ("nothing.such", false),
            ("requests.targets.errors.timeout", true),
        ];
        assert_eq!(met, expected.map(|(value, met)| (value.to_owned(), met)));
    }
}
