//! All objects and what they make, brought up to date object by object. No clock, no watch: a pass is given what is
//! known, and does again only what follows from something else than before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ta_model::Secret;
use ta_model::cr::{
    Cause, Context, Generated, Lookup, LookupError, Namespaces, ObjectId, ObjectState, Outcome, Reference, Selection,
    Settings, Unselected, generate, references,
};
use ta_model::scrape_config::ScrapeConfig;

use super::kinds::{Keys, Monitor};

/// What is known of a Secret or ConfigMap.
#[derive(Clone, Debug, Default)]
pub(crate) enum Known {
    /// Nothing yet.
    #[default]
    NotYet,
    /// There is none, or it may not be read: in the server's words.
    None(Arc<str>),
    Keys(Arc<Keys>),
}

impl Known {
    /// Whether it says the same. Watches keep equal objects as they are, so looking inside is rare.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::NotYet, Self::NotYet) => true,
            (Self::None(one), Self::None(other)) => one == other,
            (Self::Keys(one), Self::Keys(other)) => Arc::ptr_eq(one, other) || one == other,
            _ => false,
        }
    }

    pub(crate) fn key(&self, reference: &Reference, key: &str) -> Result<Secret, LookupError> {
        match self {
            Self::NotYet => Err(LookupError::NoObject(format!("{:?} has not been read yet", reference.name))),
            Self::None(why) => Err(LookupError::NoObject(why.to_string())),
            Self::Keys(keys) => keys.get(key).cloned().ok_or(LookupError::NoKey),
        }
    }
}

/// Where a pass looks Secrets and ConfigMaps up.
pub(crate) trait KnownValues {
    fn known(&self, reference: &Reference) -> Known;
}

struct AsLookup<'v>(&'v dyn KnownValues);

impl Lookup for AsLookup<'_> {
    fn value(&self, reference: &Reference, key: &str) -> Result<Secret, LookupError> {
        self.0.known(reference).key(reference, key)
    }
}

/// What a pass found.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    pub(crate) generated: Generated,
    /// By id.
    pub(crate) states: Vec<(ObjectId, ObjectState)>,
    /// What selected objects refer to.
    pub(crate) wanted: BTreeSet<Reference>,
    /// Objects without jobs only because of [`ObjectState::Waiting`].
    pub(crate) waiting: usize,
}

/// The objects of the last pass.
#[derive(Debug)]
pub(crate) struct Catalog {
    selection: Selection,
    settings: Settings,
    entries: BTreeMap<ObjectId, Entry>,
    /// Objects generated since the start, each time.
    generations: u64,
}

#[derive(Debug)]
struct Entry {
    monitor: Arc<Monitor>,
    /// Once it has been selected: what it refers to, and what of that it was generated with.
    references: Option<Vec<(Reference, Known)>>,
    /// None while it waits for the first time.
    outcome: Option<Outcome>,
    /// `outcome` is of `monitor`.
    is_current: bool,
}

impl Catalog {
    pub(crate) fn new(selection: Selection, settings: Settings) -> Self {
        Self { selection, settings, entries: BTreeMap::new(), generations: 0 }
    }

    pub(crate) fn selection(&self) -> &Selection {
        &self.selection
    }

    /// Objects generated since the start, each time it was done.
    pub(crate) fn generations(&self) -> u64 {
        self.generations
    }

    /// Takes over `objects`, all there are.
    pub(crate) fn pass(
        &mut self,
        objects: &BTreeMap<ObjectId, Arc<Monitor>>,
        namespaces: &Namespaces,
        values: &dyn KnownValues,
    ) -> Pass {
        let mut pass = Pass::default();
        self.entries.retain(|id, _| objects.contains_key(id));
        for (id, monitor) in objects {
            let entry = self.entries.entry(id.clone()).or_insert_with(|| Entry::new(monitor.clone()));
            entry.renew(monitor);
            let state = entry.bring_up_to_date(id, &self.selection, &self.settings, namespaces, values);
            self.generations += u64::from(state.generated);
            entry.add_to(&mut pass, id, state.now);
        }
        pass
    }
}

/// What [`Entry::bring_up_to_date`] found.
struct Step {
    now: Now,
    generated: bool,
}

enum Now {
    Unreadable,
    Unselected(Unselected),
    Waiting(Vec<Reference>),
    Current,
}

impl Entry {
    fn new(monitor: Arc<Monitor>) -> Self {
        Self { monitor, references: None, outcome: None, is_current: false }
    }

    /// Takes over the object as it is now; what it made stays until it is made anew.
    fn renew(&mut self, monitor: &Arc<Monitor>) {
        if !Arc::ptr_eq(&self.monitor, monitor) {
            self.monitor = monitor.clone();
            self.references = None;
            self.is_current = false;
        }
    }

    fn bring_up_to_date(
        &mut self,
        id: &ObjectId,
        selection: &Selection,
        settings: &Settings,
        namespaces: &Namespaces,
        values: &dyn KnownValues,
    ) -> Step {
        let step = |now| Step { now, generated: false };
        let monitor = self.monitor.clone();
        let resource = match &monitor.0 {
            Ok(resource) => resource,
            Err(invalid) => {
                if !std::mem::replace(&mut self.is_current, true) {
                    tell_rejected(id, Cause::Unreadable, &invalid.reason());
                }
                self.outcome = None;
                return step(Now::Unreadable);
            }
        };
        if let Err(why) = selection.check_object(id, &resource.labels, namespaces) {
            (self.references, self.outcome, self.is_current) = (None, None, false);
            return step(Now::Unselected(why));
        }
        let held = self.references.get_or_insert_with(|| {
            references(resource, settings).into_iter().map(|reference| (reference, Known::NotYet)).collect()
        });
        let known: Vec<Known> = held.iter().map(|(reference, _)| values.known(reference)).collect();
        let missing = held.iter().zip(&known).filter(|(_, known)| matches!(known, Known::NotYet));
        let missing: Vec<Reference> = missing.map(|((reference, _), _)| reference.clone()).collect();
        if !missing.is_empty() {
            return step(Now::Waiting(missing));
        }
        if self.is_current && held.iter().zip(&known).all(|((_, before), now)| before.is(now)) {
            return step(Now::Current);
        }
        held.iter_mut().zip(known).for_each(|((_, before), now)| *before = now);
        let outcome = generate(resource, Context { settings, lookup: &AsLookup(values) });
        if let Some(why) = &outcome.rejected
            && self.outcome.as_ref().and_then(|before| before.rejected.as_ref()) != Some(why)
        {
            tell_rejected(id, why.cause, &why.reason);
        }
        (self.outcome, self.is_current) = (Some(outcome), true);
        Step { now: Now::Current, generated: true }
    }

    fn add_to(&self, pass: &mut Pass, id: &ObjectId, now: Now) {
        pass.wanted.extend(self.references.iter().flatten().map(|(reference, _)| reference.clone()));
        let before = pass.generated.rejected.len();
        match (&now, &self.monitor.0, &self.outcome) {
            (Now::Unreadable, Err(invalid), _) => pass.generated.add_invalid(id, invalid),
            (Now::Waiting(_) | Now::Current, _, Some(outcome)) => pass.generated.add(id, outcome),
            _ => {}
        }
        let rejected = pass.generated.rejected.get(before).map(|rejected| rejected.why.clone());
        let state = match (now, rejected) {
            (Now::Unselected(why), _) => ObjectState::Unselected(why),
            (Now::Waiting(references), _) => {
                pass.waiting += usize::from(self.outcome.is_none());
                ObjectState::Waiting(references)
            }
            (_, Some(why)) => ObjectState::Rejected(why),
            (_, None) => self.used(),
        };
        pass.states.push((id.clone(), state));
    }

    fn used(&self) -> ObjectState {
        let outcome = self.outcome.clone().unwrap_or_default();
        ObjectState::Used { jobs: outcome.jobs.len(), denied: outcome.denied, warnings: outcome.warnings }
    }
}

fn tell_rejected(id: &ObjectId, cause: Cause, reason: &str) {
    tracing::warn!(object = %id, cause = cause.as_str(), reason, "object rejected: it makes no jobs, others are not affected");
}

/// Whether two lists are of the same jobs.
pub(crate) fn same_jobs(one: &[Arc<ScrapeConfig>], other: &[Arc<ScrapeConfig>]) -> bool {
    let same = |(one, other): (&Arc<ScrapeConfig>, &Arc<ScrapeConfig>)| Arc::ptr_eq(one, other) || one == other;
    one.len() == other.len() && one.iter().zip(other).all(same)
}
