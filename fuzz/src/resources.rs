//! Objects of the prometheus-operator, with the Secrets, ConfigMaps, Namespaces, Services and Pods beside them.

use ta_model::Secrets;
use ta_model::cr::{Answer, Cause, Context, ObjectId, Objects, Selection, Settings, SettingsSource, explain, generate};
use ta_model::cr::{references, sections, split};
use ta_model::scrape_config::render_job;
use ta_model::yaml::{Entry, Node, Resolved, Strings, Value, emit, parse};

use crate::jobs::check_jobs;

fn settings(deny_file_access: bool) -> Settings {
    Settings::new(&SettingsSource {
        scrape_interval: ta_model::Duration::from_millis(30_000),
        scrape_protocols: &[],
        scrape_classes: &[],
        deny_file_access,
        kubeconfig_file: "",
    })
    .expect("nothing is wrong with these")
}

/// `data` are manifests.
pub fn check(data: &[u8]) {
    let Ok(nodes) = split(&String::from_utf8_lossy(data)) else { return };
    let mut objects = Objects::default();
    for node in &nodes {
        if let Err(error) = objects.add(node) {
            assert!(!error.to_string().is_empty());
        }
    }
    let selection = Selection::all();
    let settings = settings(data.len() % 2 == 1);
    let generated = objects.generate(&selection, &settings);
    assert_eq!(generated, objects.generate(&selection, &settings), "the same twice");
    check_jobs(&generated.jobs);
    let rejected = |id: &ObjectId| generated.rejected.iter().find(|rejected| rejected.id == *id);
    for id in objects.resources.keys().chain(objects.invalid.keys()) {
        let walk = explain(id, &objects, &selection, &settings, &objects);
        let says_no = walk.steps.iter().any(|step| step.answer == Answer::No);
        let why = rejected(id).filter(|rejected| rejected.why.cause != Cause::DuplicateJob);
        assert!(says_no || why.is_none(), "{id} is rejected, and the walk knows nothing of it: {walk:?}");
    }
    for (id, resource) in &objects.resources {
        let context = Context { settings: &settings, lookup: &objects };
        let alone = generate(resource, context);
        let known = references(resource, &settings);
        assert!(alone.rejected.is_some() || alone.references.is_subset(&known), "{id} refers to more than it said");
        assert_eq!(alone.rejected.is_some(), rejected(id).is_some_and(|all| all.why.cause != Cause::DuplicateJob));
        assert!(alone.rejected.is_none() || alone.jobs.is_empty(), "{id} is rejected with all it has");
        if let Ok(written) = sections(resource, context, Secrets::Revealed) {
            check_written(&written);
            let jobs = alone.jobs.len() + alone.denied.len();
            assert!(alone.rejected.is_some() || jobs == written.len(), "{id}: a job for each section");
        }
        for job in &alone.jobs {
            assert!(render_job(job, Secrets::Masked).contains("\"job_name\""));
        }
    }
}

/// What people read as YAML is what it was made of.
fn check_written(nodes: &[Node]) {
    for node in nodes {
        let text = emit(node);
        let again = parse(&text).unwrap_or_else(|error| panic!("{error} in\n{text}"));
        assert!(again.duplicate_keys.is_empty(), "in\n{text}");
        assert!(means_same(node, &again.root), "{node:?}\nwritten as\n{text}\nread as {:?}", again.root);
    }
}

/// Places and quotes apart.
fn means_same(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::Scalar(one), Value::Scalar(other)) => {
            let (meaning, text) = (one.resolve(), one.string(Strings::RoundTripped));
            meaning == other.resolve() && (meaning == Resolved::Null || text == other.string(Strings::RoundTripped))
        }
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| means_same(one, other))
        }
        (Value::Map(one), Value::Map(other)) => {
            let same =
                |(one, other): (&Entry, &Entry)| one.key.text == other.key.text && means_same(&one.value, &other.value);
            one.len() == other.len() && one.iter().zip(other).all(same)
        }
        _ => false,
    }
}
