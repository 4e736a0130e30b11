//! A ready allocator config file for a synthetic cluster.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::synth::{Synth, relabel_rules, relabel_rules_yaml};

/// Where the allocator finds the targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetSource {
    /// file_sd files of a [`FileFeed`](super::FileFeed).
    Files {
        /// Its directory.
        directory: PathBuf,
    },
    /// http_sd URLs of an [`HttpFeed`](super::HttpFeed).
    Http {
        /// Its address.
        address: SocketAddr,
        /// How often the allocator should ask, at least 1 s.
        refresh: Duration,
    },
}

/// Where the allocator finds the collectors (keys of our own; upstream watches pods instead).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CollectorSource {
    /// `collectors.static`: name and node of each.
    Static(Vec<(String, String)>),
    /// `collectors.file`, watched.
    File(PathBuf),
}

/// What goes into the config file.
#[derive(Debug, Clone)]
pub struct AllocatorConfig<'a> {
    /// The cluster.
    pub synth: &'a Synth,
    /// `allocation_strategy`.
    pub strategy: String,
    /// `allocation_fallback_strategy`, for `per-node`.
    pub fallback: Option<String>,
    /// Whether jobs carry relabel rules and `filter_strategy` is on.
    pub relabel: bool,
    /// Where targets come from.
    pub targets: TargetSource,
    /// Where collectors come from.
    pub collectors: CollectorSource,
}

impl AllocatorConfig<'_> {
    /// The file's text.
    pub fn to_yaml(&self) -> String {
        let mut out = format!("allocation_strategy: {}\n", self.strategy);
        if let Some(fallback) = &self.fallback {
            line(&mut out, format_args!("allocation_fallback_strategy: {fallback}"));
        }
        line(&mut out, format_args!("filter_strategy: {}", if self.relabel { "relabel-config" } else { "''" }));
        // upstream needs a namespace to watch pods in, whatever it is called
        line(&mut out, format_args!("collector_namespace: loadgen"));
        line(&mut out, format_args!("collectors:"));
        match &self.collectors {
            CollectorSource::File(path) => line(&mut out, format_args!("  file: {}", quote(&path.to_string_lossy()))),
            CollectorSource::Static(collectors) => {
                line(&mut out, format_args!("  static:"));
                out.push_str(&collector_list(collectors, "  "));
            }
        }
        line(&mut out, format_args!("config:\n  scrape_configs:"));
        let rules = relabel_rules_yaml(&relabel_rules(self.synth.options().profile), 4);
        for job in 0..self.synth.jobs() {
            self.job(&mut out, job, &rules);
        }
        out
    }

    fn job(&self, out: &mut String, job: u32, rules: &str) {
        line(out, format_args!("  - job_name: {}", quote(&self.synth.job_name(job))));
        line(out, format_args!("    scrape_interval: 30s\n    honor_timestamps: true"));
        match &self.targets {
            TargetSource::Files { directory } => {
                let file = directory.join(format!("job-{job:05}.json"));
                line(out, format_args!("    file_sd_configs:\n    - files: [{}]", quote(&file.to_string_lossy())));
            }
            TargetSource::Http { address, refresh } => {
                let seconds = refresh.as_secs().max(1);
                line(out, format_args!("    http_sd_configs:\n    - url: http://{address}/jobs/{job}"));
                line(out, format_args!("      refresh_interval: {seconds}s"));
            }
        }
        if self.relabel {
            line(out, format_args!("    relabel_configs:"));
            out.push_str(rules);
        }
    }
}

/// The text of a collectors file: a YAML list of `{name, node_name}`.
pub fn collectors_file(collectors: &[(String, String)]) -> String {
    if collectors.is_empty() { "[]\n".to_owned() } else { collector_list(collectors, "") }
}

fn collector_list(collectors: &[(String, String)], indent: &str) -> String {
    let one = |(name, node): &(String, String)| {
        format!("{indent}- name: {}\n{indent}  node_name: {}\n", quote(name), quote(node))
    };
    collectors.iter().map(one).collect()
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::{Profile, SynthOptions};
    use crate::yaml;

    fn mk_config(synth: &Synth, targets: TargetSource, collectors: CollectorSource) -> serde_json::Value {
        let config = AllocatorConfig {
            synth,
            strategy: "per-node".to_owned(),
            fallback: Some("consistent-hashing".to_owned()),
            relabel: true,
            targets,
            collectors,
        };
        yaml::parse(&config.to_yaml()).unwrap()
    }

    #[test]
    fn the_file_is_well_formed_yaml_with_every_job() {
        for profile in [Profile::Endpointslice, Profile::Pod, Profile::Node, Profile::Static, Profile::UpstreamBench] {
            let synth = Synth::new(SynthOptions { profile, jobs: 3, ..SynthOptions::default() }).unwrap();
            let files = TargetSource::Files { directory: "/tmp/it's".into() };
            let config = mk_config(&synth, files, CollectorSource::File("/tmp/collectors.yaml".into()));
            assert_eq!(config["allocation_fallback_strategy"], "consistent-hashing");
            assert_eq!(config["collectors"]["file"], "/tmp/collectors.yaml");
            let jobs = config["config"]["scrape_configs"].as_array().unwrap();
            assert_eq!(jobs.len(), 3);
            assert_eq!(jobs[1]["job_name"], synth.job_name(1));
            assert_eq!(jobs[1]["file_sd_configs"][0]["files"][0], "/tmp/it's/job-00001.json");
            let rules = jobs[1]["relabel_configs"].as_array().unwrap();
            assert_eq!(rules.len(), relabel_rules(profile).len());
            assert!(rules.iter().all(|rule| rule["action"].is_string()));
        }
    }

    #[test]
    fn http_feeds_and_static_collectors_are_written() {
        let synth = Synth::new(SynthOptions::default()).unwrap();
        let http = TargetSource::Http { address: ([127, 0, 0, 1], 9000).into(), refresh: Duration::from_secs(5) };
        let collectors = vec![("c-0".to_owned(), "n'0".to_owned()), ("c-1".to_owned(), "n1".to_owned())];
        let config = mk_config(&synth, http, CollectorSource::Static(collectors.clone()));
        assert_eq!(config["config"]["scrape_configs"][7]["http_sd_configs"][0]["url"], "http://127.0.0.1:9000/jobs/7");
        assert_eq!(config["config"]["scrape_configs"][7]["http_sd_configs"][0]["refresh_interval"], "5s");
        assert_eq!(config["collectors"]["static"][0], serde_json::json!({"name": "c-0", "node_name": "n'0"}));
        assert_eq!(yaml::parse(&collectors_file(&collectors)).unwrap()[1]["name"], "c-1");
        assert_eq!(yaml::parse(&collectors_file(&[])).unwrap(), serde_json::json!([]));
    }
}
