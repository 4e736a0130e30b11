//! From one object to its jobs: a pure function, so that an edited object regenerates alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::load::{file_reference, load};
use super::lookup::{Lookup, LookupError, Reference, Resolver};
use super::section::Generator;
use super::settings::Settings;
use super::tree::Tree;
use super::types::{ObjectId, Resource, Spec};
use crate::scrape_config::{ScrapeConfig, SdConfig};
use crate::secret::{Secret, Secrets};
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
    pub rejected: Option<Rejection>,
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

/// Why an object makes no jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub cause: Cause,
    /// With the place in the object where there is one.
    pub reason: String,
}

/// Kinds of reasons, to count by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It could not be read as its kind.
    Unreadable,
    /// It says something that upstream, or Prometheus after it, refuses.
    Invalid,
    /// A Secret or ConfigMap, or a key of one, is not there.
    MissingReference,
    /// It uses a discovery mechanism that this program does not have.
    Unsupported,
    /// Its job name is taken.
    DuplicateJob,
}

impl Cause {
    pub const ALL: [Self; 5] =
        [Self::Unreadable, Self::Invalid, Self::MissingReference, Self::Unsupported, Self::DuplicateJob];

    /// Lower case, with underscores: a label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Invalid => "invalid",
            Self::MissingReference => "missing_reference",
            Self::Unsupported => "unsupported",
            Self::DuplicateJob => "duplicate_job",
        }
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)
    }
}

/// An object that makes no jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    pub id: ObjectId,
    pub why: Rejection,
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.id, self.why)
    }
}

/// Generates the jobs of one selected object.
#[must_use]
pub fn generate(resource: &Resource, context: Context<'_>) -> Outcome {
    let mut resolver = Resolver::new(context.lookup, &resource.id.namespace, Secrets::Revealed);
    let mut outcome = Outcome { warnings: resource.warnings.clone(), ..Outcome::default() };
    let built = build(resource, context, &mut resolver);
    let cause = if resolver.is_missing { Cause::MissingReference } else { Cause::Invalid };
    let jobs = built.and_then(|sections| load_all(&sections, context.settings));
    let jobs = jobs.map_err(|reason| Rejection { cause, reason });
    let jobs = jobs.and_then(|jobs| jobs.iter().try_for_each(check_mechanisms).map(|()| jobs));
    outcome.references = resolver.references;
    outcome.warnings.extend(resolver.warnings);
    match jobs {
        Ok(jobs) => jobs.into_iter().for_each(|job| outcome.take(job, context.settings)),
        Err(why) => outcome.rejected = Some(why),
    }
    outcome
}

/// Everything that an object refers to, also through its scrape class: what has to be read before it can be generated.
/// Of an object that is wrong in itself it may be less, as no value can mend it.
#[must_use]
pub fn references(resource: &Resource, settings: &Settings) -> BTreeSet<Reference> {
    /// There is everything, and all of it is empty.
    struct Anything;
    impl Lookup for Anything {
        fn value(&self, _: &Reference, _: &str) -> Result<Secret, LookupError> {
            Ok(Secret::default())
        }
    }
    let mut resolver = Resolver::new(&Anything, &resource.id.namespace, Secrets::Revealed);
    build(resource, Context { settings, lookup: &Anything }, &mut resolver).ok(); // an error says nothing about references
    resolver.references
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

fn check_mechanisms(job: &ScrapeConfig) -> Result<(), Rejection> {
    let missing = job.sd_configs.iter().find_map(|config| match config {
        SdConfig::Unsupported(name) => Some(name),
        _ => None,
    });
    match missing {
        Some(name) => {
            let reason = format!("service discovery by {name} is not supported by this program");
            Err(Rejection { cause: Cause::Unsupported, reason })
        }
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
