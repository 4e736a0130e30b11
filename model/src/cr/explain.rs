//! Why an object does or does not make targets: the questions of OpenTelemetry's troubleshooting page for the target
//! allocator, asked in order until one is answered with no.

mod targets;

use std::fmt;

use super::generate::{Context, generate};
use super::lookup::Lookup;
use super::objects::Objects;
use super::select::{Selection, Unselected};
use super::settings::Settings;
use super::types::{ObjectId, Resource, Spec};

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub question: String,
    pub answer: Answer,
    /// What the answer rests on: names, labels, ports.
    pub detail: String,
}

/// The answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
    /// Nothing is known of the objects in question.
    Unknown,
}

impl Answer {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.question, self.answer.as_str(), self.detail)
    }
}

/// The walk through the questions for one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub id: ObjectId,
    /// After a no that concerns the whole object nothing more is asked; one that concerns an endpoint ends only what is
    /// asked of that endpoint.
    pub steps: Vec<Step>,
}

impl Explanation {
    /// The first question answered with no.
    #[must_use]
    pub fn first_no(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.answer == Answer::No)
    }

    fn new(id: &ObjectId) -> Self {
        Self { id: id.clone(), steps: Vec::new() }
    }

    fn add(&mut self, question: impl Into<String>, answer: Answer, detail: impl Into<String>) {
        self.steps.push(Step { question: question.into(), answer, detail: detail.into() });
    }
}

/// Walks through the questions for the object `id`, which may be one that could not be read or is not there at all.
/// `lookup` has the values that objects refer to; everything else is in `objects`.
#[must_use]
pub fn explain(
    id: &ObjectId,
    objects: &Objects,
    selection: &Selection,
    settings: &Settings,
    lookup: &dyn Lookup,
) -> Explanation {
    let mut walk = Explanation::new(id);
    if let Some(invalid) = objects.invalid.get(id) {
        walk.add(DEPLOYED, Answer::Yes, format!("{id}"));
        walk.add("Can it be read?", Answer::No, invalid.reason());
        return walk;
    }
    let Some(resource) = objects.resources.get(id) else {
        walk.add(DEPLOYED, Answer::No, "there is no such object");
        return walk;
    };
    walk.add(DEPLOYED, Answer::Yes, format!("{id}"));
    if walk.selection(resource, objects, selection) && walk.generation(resource, Context { settings, lookup }) {
        walk.targets(resource, objects);
    }
    walk
}

const DEPLOYED: &str = "Is it deployed?";
const NAMESPACE_ALLOWED: &str = "Is its namespace looked at?";
const NAMESPACE_SELECTED: &str = "Does its namespace match the namespace selector?";
const SELECTOR_GIVEN: &str = "Is there a selector for its kind?";
const LABELS_MATCH: &str = "Do its labels match the selector?";

impl Explanation {
    /// Whether it is selected; false ends the walk.
    fn selection(&mut self, resource: &Resource, objects: &Objects, selection: &Selection) -> bool {
        let id = &resource.id;
        let why = selection.check_object(id, &resource.labels, &objects.namespaces).err();
        let failed = why.as_ref().map(|why| match why {
            Unselected::NamespaceDenied | Unselected::NamespaceNotAllowed => 0,
            Unselected::NoSelector => 1,
            Unselected::NotCollectorNamespace | Unselected::NamespaceUnknown | Unselected::NamespaceLabels(_) => 2,
            Unselected::Labels(_) | Unselected::BadSelector(_) => 3,
        });
        let own = selection.kinds.get(&id.kind).and_then(|selectors| selectors.own.as_ref());
        let shown = own.map_or_else(String::new, |selector| match selector.is_empty() {
            true => "the selector is empty and selects everything".to_owned(),
            false => format!("the selector wants {selector}"),
        });
        let questions = [
            (NAMESPACE_ALLOWED, format!("namespace {}", id.namespace)),
            (SELECTOR_GIVEN, shown.clone()),
            (NAMESPACE_SELECTED, format!("namespace {}", id.namespace)),
            (LABELS_MATCH, shown),
        ];
        for (at, (question, detail)) in questions.into_iter().enumerate() {
            if failed == Some(at) {
                self.add(question, Answer::No, why.map(|why| why.to_string()).unwrap_or_default());
                return false;
            }
            self.add(question, Answer::Yes, detail);
        }
        true
    }

    /// Whether it makes jobs; false ends the walk.
    fn generation(&mut self, resource: &Resource, context: Context<'_>) -> bool {
        const QUESTION: &str = "Can jobs be made of it?";
        let outcome = generate(resource, context);
        if let Some(why) = outcome.rejected {
            self.add(QUESTION, Answer::No, why.reason);
            return false;
        }
        if let Some(denied) = outcome.denied.first().filter(|_| outcome.jobs.is_empty()) {
            let why = "deny_fs_access_through_sms leaves out jobs that name files";
            self.add(QUESTION, Answer::No, format!("{why}: {}", denied.reason));
            return false;
        }
        if outcome.jobs.is_empty() {
            self.add(QUESTION, Answer::No, "it has no endpoints");
            return false;
        }
        let names: Vec<&str> = outcome.jobs.iter().map(|job| job.job_name.as_str()).collect();
        self.add(QUESTION, Answer::Yes, names.join(", "));
        true
    }

    fn targets(&mut self, resource: &Resource, objects: &Objects) {
        match &resource.spec {
            Spec::ServiceMonitor(monitor) => self.services(&resource.id, monitor, objects),
            Spec::PodMonitor(monitor) => self.pods(&resource.id, monitor, objects),
            Spec::Probe(probe) => self.probe(probe),
            Spec::ScrapeConfig(spec) => self.scrape_config(spec),
        }
    }
}
