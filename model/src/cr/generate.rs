//! From one object to its jobs: a pure function, so that an edited object regenerates alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::load::{file_reference, load};
use super::lookup::{Lookup, Reference, Resolver};
use super::section::Generator;
use super::settings::Settings;
use super::tree::Tree;
use super::types::{ObjectId, Resource, Spec};
use crate::scrape_config::{ScrapeConfig, SdConfig};
use crate::secret::Secrets;
use crate::yaml::Node;

/// What the generation of an object may look at besides the object.
#[derive(Clone, Copy)]
pub struct Context<'c> {
    pub settings: &'c Settings,
    pub lookup: &'c dyn Lookup,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("settings", self.settings).finish_non_exhaustive()
    }
}

/// What became of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// In the order of its endpoints; none if it was rejected.
    pub jobs: Vec<Arc<ScrapeConfig>>,
    /// Why it was rejected, with all its endpoints.
    pub rejected: Option<String>,
    /// Jobs left out because they name files.
    pub denied: Vec<DeniedJob>,
    /// What it refers to, there or not: a change of any of these changes the outcome.
    pub references: BTreeSet<Reference>,
    pub warnings: Vec<String>,
}

/// A job that may not be, because it names a file of the collector (`deny_fs_access_through_sms`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeniedJob {
    pub job: String,
    /// `tls_config.ca_file: /etc/ca.crt`
    pub reason: String,
}

/// An object that makes no jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    pub id: ObjectId,
    pub reason: String,
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.id, self.reason)
    }
}

/// Generates the jobs of one selected object.
#[must_use]
pub fn generate(resource: &Resource, context: Context<'_>) -> Outcome {
    let mut resolver = Resolver::new(context.lookup, &resource.id.namespace, Secrets::Revealed);
    let mut outcome = Outcome { warnings: resource.warnings.clone(), ..Outcome::default() };
    let jobs = build(resource, context, &mut resolver).and_then(|sections| load_all(&sections, context.settings));
    let jobs = jobs.and_then(|jobs| jobs.iter().try_for_each(check_mechanisms).map(|()| jobs));
    outcome.references = resolver.references;
    outcome.warnings.extend(resolver.warnings);
    match jobs {
        Ok(jobs) => jobs.into_iter().for_each(|job| outcome.take(job, context.settings)),
        Err(why) => outcome.rejected = Some(why),
    }
    outcome
}

/// The scrape configs of one object as upstream's generator would write them, before Prometheus fills in defaults and
/// also for mechanisms that this program does not have: for people to read, and to compare with upstream.
///
/// # Errors
/// Why the object is rejected.
pub fn sections(resource: &Resource, context: Context<'_>, secrets: Secrets) -> Result<Vec<Node>, String> {
    let mut resolver = Resolver::new(context.lookup, &resource.id.namespace, Secrets::Revealed);
    let sections = build(resource, context, &mut resolver)?;
    load_all(&sections, context.settings)?;
    match secrets {
        Secrets::Revealed => Ok(sections),
        masked => build(resource, context, &mut Resolver::new(context.lookup, &resource.id.namespace, masked)),
    }
}

fn build<'c>(resource: &'c Resource, context: Context<'c>, resolver: &mut Resolver<'c>) -> Result<Vec<Node>, String> {
    let general = match &resource.spec {
        Spec::ServiceMonitor(monitor) => &monitor.common.general,
        Spec::PodMonitor(monitor) => &monitor.common.general,
        Spec::Probe(probe) => &probe.general,
        Spec::ScrapeConfig(spec) => &spec.general,
    };
    let class = context.settings.classes.find(&general.scrape_class).map_err(|why| match resource.spec {
        Spec::ScrapeConfig(_) => why,
        _ => format!("scrapeClassName: {why}"),
    })?;
    let mut generator = Generator { id: &resource.id, settings: context.settings, class, resolver };
    let trees = match &resource.spec {
        Spec::ServiceMonitor(monitor) => generator.service_monitor(monitor)?,
        Spec::PodMonitor(monitor) => generator.pod_monitor(monitor)?,
        Spec::Probe(probe) => vec![generator.probe(probe)?],
        Spec::ScrapeConfig(spec) => vec![generator.scrape_config(spec)?],
    };
    Ok(trees.into_iter().map(Tree::into).collect())
}

fn load_all(sections: &[Node], settings: &Settings) -> Result<Vec<ScrapeConfig>, String> {
    let several = sections.len() > 1;
    let load_one = |(at, section)| match load(section, settings) {
        Err(why) if several => Err(format!("job {at}: {why}")),
        loaded => loaded,
    };
    sections.iter().enumerate().map(load_one).collect()
}

fn check_mechanisms(job: &ScrapeConfig) -> Result<(), String> {
    let missing = job.sd_configs.iter().find_map(|config| match config {
        SdConfig::Unsupported(name) => Some(name),
        _ => None,
    });
    match missing {
        Some(name) => Err(format!("service discovery by {name} is not supported by this program")),
        None => Ok(()),
    }
}

impl Outcome {
    fn take(&mut self, job: ScrapeConfig, settings: &Settings) {
        match file_reference(&job).filter(|_| settings.deny_file_access) {
            Some(reason) => self.denied.push(DeniedJob { job: job.job_name, reason }),
            None => self.jobs.push(Arc::new(job)),
        }
    }
}
