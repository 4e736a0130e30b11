//! All objects seen, and what they make together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
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

/// What all objects make together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Generated {
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
        let mut taken = HashMap::new();
        for invalid in self.invalid.values() {
            let why = Rejection { cause: Cause::Unreadable, reason: invalid.reason() };
            generated.rejected.push(Rejected { id: invalid.id.clone(), why });
        }
        for (id, resource) in &self.resources {
            if let Err(why) = selection.check_object(id, &resource.labels, &self.namespaces) {
                generated.not_selected.push(NotSelected { id: id.clone(), why });
                continue;
            }
            let outcome = generate(resource, Context { settings, lookup: self });
            generated.take(id, outcome, &mut taken);
        }
        generated
    }
}

impl Generated {
    /// Adds one object's outcome. Job names come from kind, namespace and name, so two objects cannot share one unless
    /// somebody finds a hole in that; then the first keeps it.
    fn take(&mut self, id: &ObjectId, outcome: Outcome, taken: &mut HashMap<String, ObjectId>) {
        for reference in outcome.references {
            self.references.entry(reference).or_default().insert(id.clone());
        }
        self.warnings.extend(outcome.warnings.into_iter().map(|warning| (id.clone(), warning)));
        self.denied.extend(outcome.denied);
        let clash = outcome.jobs.iter().find_map(|job| taken.get(&job.job_name).map(|first| (&job.job_name, first)));
        let clash = clash.map(|(job, first)| {
            let reason = format!("{first} already has a job named {}", quote(job));
            Rejection { cause: Cause::DuplicateJob, reason }
        });
        match outcome.rejected.or(clash) {
            Some(why) => self.rejected.push(Rejected { id: id.clone(), why }),
            None => {
                taken.extend(outcome.jobs.iter().map(|job| (job.job_name.clone(), id.clone())));
                self.jobs.extend(outcome.jobs);
            }
        }
    }
}
