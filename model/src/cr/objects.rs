//! All objects seen, and what they make together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cluster::{Pod, Service};
use super::decode::Invalid;
use super::generate::{Cause, Context, DeniedJob, Outcome, Rejected, Rejection, generate};
use super::lookup::{Lookup, LookupError, Reference};
use super::select::{Namespaces, Selection, Unselected};
use super::settings::Settings;
use super::types::{ObjectId, Resource};
use crate::quote::quote;
use crate::scrape_config::ScrapeConfig;
use crate::secret::Secret;

/// Everything that was seen, by what it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objects {
    pub resources: BTreeMap<ObjectId, Resource>,
    /// Objects of the four kinds that could not be read. An object is here or in `resources`.
    pub invalid: BTreeMap<ObjectId, Invalid>,
    pub namespaces: Namespaces,
    /// The keys of Secrets and ConfigMaps.
    pub values: BTreeMap<Reference, BTreeMap<String, Secret>>,
    /// By namespace and name, as pods.
    pub services: BTreeMap<(String, String), Service>,
    pub pods: BTreeMap<(String, String), Pod>,
    /// Where `services` are all there are.
    pub services_known: Coverage,
    pub pods_known: Coverage,
}

/// Where all objects of a kind are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Coverage {
    /// Nobody said: where there are any, they are taken to be all; where there are none, nothing is known.
    #[default]
    Unsaid,
    Everywhere,
    In(BTreeSet<String>),
}

impl Coverage {
    /// Whether it has all of `namespaces`; none stands for every namespace.
    #[must_use]
    pub fn has(&self, namespaces: &[String]) -> bool {
        match self {
            Self::Unsaid | Self::Everywhere => true,
            Self::In(known) => !namespaces.is_empty() && namespaces.iter().all(|name| known.contains(name)),
        }
    }
}

impl Lookup for Objects {
    fn value(&self, reference: &Reference, key: &str) -> Result<Secret, LookupError> {
        let Some(values) = self.values.get(reference) else {
            return Err(LookupError::NoObject(format!("{} not found", quote(&reference.name))));
        };
        values.get(key).cloned().ok_or(LookupError::NoKey)
    }
}

/// An object that no selector picks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotSelected {
    pub id: ObjectId,
    pub why: Unselected,
}

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectState {
    Unselected(Unselected),
    Rejected(Rejection),
    /// Selected, but these have not been read yet; until they are, its jobs are those before, if any.
    Waiting(Vec<Reference>),
    Used {
        jobs: usize,
        /// Left out because they name files.
        denied: Vec<DeniedJob>,
        warnings: Vec<String>,
    },
}

/// What all objects make together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Generated {
    /// Who has each job's name.
    owners: BTreeMap<String, ObjectId>,
    /// By object, kinds in upstream's order; names are unique.
    pub jobs: Vec<Arc<ScrapeConfig>>,
    /// Objects that are selected and make no jobs, and those that could not be read.
    pub rejected: Vec<Rejected>,
    pub not_selected: Vec<NotSelected>,
    pub denied: Vec<DeniedJob>,
    pub warnings: Vec<(ObjectId, String)>,
    /// Who refers to each Secret and ConfigMap, there or not.
    pub references: BTreeMap<Reference, BTreeSet<ObjectId>>,
}

impl Objects {
    /// Generates the jobs of every selected object.
    #[must_use]
    pub fn generate(&self, selection: &Selection, settings: &Settings) -> Generated {
        let mut generated = Generated::default();
        for invalid in self.invalid.values() {
            generated.add_invalid(&invalid.id, invalid);
        }
        for (id, resource) in &self.resources {
            if let Err(why) = selection.check_object(id, &resource.labels, &self.namespaces) {
                generated.not_selected.push(NotSelected { id: id.clone(), why });
                continue;
            }
            generated.add(id, &generate(resource, Context { settings, lookup: self }));
        }
        generated
    }
}

impl Generated {
    /// Adds what became of one selected object. Objects come in the order of their ids. Job names come from kind,
    /// namespace and name, so two objects cannot share one unless somebody finds a hole in that; then the first keeps it.
    pub fn add(&mut self, id: &ObjectId, outcome: &Outcome) {
        for reference in &outcome.references {
            self.references.entry(reference.clone()).or_default().insert(id.clone());
        }
        self.warnings.extend(outcome.warnings.iter().map(|warning| (id.clone(), warning.clone())));
        self.denied.extend(outcome.denied.iter().cloned());
        let clash = outcome.jobs.iter().find_map(|job| self.owners.get_key_value(&job.job_name));
        let clash = clash.map(|(job, first)| {
            let reason = format!("{first} already has a job named {}", quote(job));
            Rejection { cause: Cause::DuplicateJob, reason }
        });
        match outcome.rejected.clone().or(clash) {
            Some(why) => self.rejected.push(Rejected { id: id.clone(), why }),
            None => {
                self.owners.extend(outcome.jobs.iter().map(|job| (job.job_name.clone(), id.clone())));
                self.jobs.extend(outcome.jobs.iter().cloned());
            }
        }
    }

    /// Adds an object that could not be read.
    pub fn add_invalid(&mut self, id: &ObjectId, invalid: &Invalid) {
        let why = Rejection { cause: Cause::Unreadable, reason: invalid.reason() };
        self.rejected.push(Rejected { id: id.clone(), why });
    }
}
