//! `render`: what prometheus-operator resources become, from manifests and without a cluster.

mod manifests;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use ta_model::Secrets;
use ta_model::cr::{self, Answer, Cause, Generated, ObjectId, Objects, Selection, Settings};
use ta_model::job_table::{FilterStrategy, JobTable, Origin};
use ta_model::scrape_config::ScrapeConfig;
use ta_model::yaml::{self, Entry, Node, Scalar, Value};

use crate::args::{Output, RenderArgs};
use crate::config::{self, PrometheusCr};
use crate::{Args, Environment};

use manifests::Manifests;

/// How objects are selected and translated, and the jobs that are there anyway.
struct Frame {
    selection: Selection,
    settings: Settings,
    scrape_interval: ta_model::Duration,
    file_jobs: Vec<Arc<ScrapeConfig>>,
}

/// Prints to `out` the scrape configs that the manifests make, secrets masked, or the explanation of each object; to `err`
/// a line for each object that is left out, and why. Fails (by its exit code) if an object or a file is not valid; the
/// others are printed all the same.
pub fn render(
    args: &Args,
    what: &RenderArgs,
    env: &Environment,
    input: &mut dyn Read,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitCode> {
    let frame = match Frame::load(args, what, env, err)? {
        Ok(frame) => frame,
        Err(lines) => {
            lines.iter().try_for_each(|line| writeln!(err, "error: {line}"))?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let Manifests { objects, errors } = Manifests::read(&what.manifests, input);
    errors.iter().try_for_each(|error| writeln!(err, "error: {error}"))?;
    if objects.resources.is_empty() && objects.invalid.is_empty() {
        writeln!(err, "warning: the manifests hold no ServiceMonitor, PodMonitor, Probe or ScrapeConfig")?;
    }
    let generated = objects.generate(&frame.selection, &frame.settings);
    tell_left_out(&generated, err)?;
    if what.explain {
        frame.explain(&objects, out)?;
    } else {
        match what.output {
            Output::Json => frame.write_json(&generated, out, err)?,
            Output::Yaml => write_prometheus_file(&frame, frame.sections(&objects, &generated), out)?,
            Output::Expected => write!(out, "{}", yaml::emit(&list(frame.sections(&objects, &generated))))?,
        }
    }
    let is_good = errors.is_empty() && generated.rejected.is_empty();
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line for each object or job that is not in the output, and for each warning.
fn tell_left_out(generated: &Generated, err: &mut dyn Write) -> io::Result<()> {
    for object in &generated.not_selected {
        writeln!(err, "not selected: {}: {}", object.id, object.why)?;
    }
    for rejected in &generated.rejected {
        writeln!(err, "rejected: {rejected}")?;
    }
    for denied in &generated.denied {
        writeln!(err, "denied: {}: deny_fs_access_through_sms forbids {}", denied.job, denied.reason)?;
    }
    generated.warnings.iter().try_for_each(|(id, warning)| writeln!(err, "warning: {id}: {warning}"))
}

impl Frame {
    /// From the configuration file, if one is named; warnings go to `err`. The inner error is what is wrong with it.
    fn load(
        args: &Args,
        what: &RenderArgs,
        env: &Environment,
        err: &mut dyn Write,
    ) -> io::Result<Result<Self, Vec<String>>> {
        if !what.is_configured {
            let cr = PrometheusCr::default();
            return Ok(Self::new(&cr, Ok(Selection::all()), Vec::new()).map_err(|error| vec![error]));
        }
        let loaded = match config::load(&args.config_file, env, &args.overrides) {
            Ok(loaded) => loaded,
            Err(error) => return Ok(Err(error.lines())),
        };
        for warning in &loaded.warnings {
            writeln!(err, "warning: {warning}")?;
        }
        let config = loaded.config;
        let cr = &config.prometheus_cr;
        if !cr.enabled {
            writeln!(err, "warning: prometheus_cr.enabled is not true: the program would not look at resources")?;
        }
        let selection = cr.selection(&config.collector_namespace);
        Ok(Self::new(cr, selection, config.jobs).map_err(|error| vec![error]))
    }

    fn new(
        cr: &PrometheusCr,
        selection: Result<Selection, String>,
        file_jobs: Vec<Arc<ScrapeConfig>>,
    ) -> Result<Self, String> {
        // no kubeconfig: what is printed is what a cluster would see
        let settings = cr.settings("").map_err(|error| error.to_string())?;
        let scrape_interval = cr.scrape_interval();
        Ok(Self { selection: selection?, settings, scrape_interval, file_jobs })
    }

    /// The body of `/scrape_configs`. Of one name in the file and in resources the file's job stays, as it does there.
    fn write_json(&self, generated: &Generated, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<()> {
        let in_file: BTreeSet<&str> = self.file_jobs.iter().map(|job| job.job_name.as_str()).collect();
        for job in generated.jobs.iter().filter(|job| in_file.contains(job.job_name.as_str())) {
            writeln!(err, "warning: two jobs named {:?}; the one of the configuration file is used", job.job_name)?;
        }
        let file = self.file_jobs.iter().map(|job| (job.clone(), Origin::File));
        let resources = generated.jobs.iter().map(|job| (job.clone(), Origin::Resource));
        let table = JobTable::new(0, file.chain(resources).collect(), FilterStrategy::None);
        writeln!(out, "{}", table.masked())
    }

    /// The sections of every selected object, masked, as upstream's generator would write them: also for mechanisms that
    /// this program does not have, so that they can be compared and given to a Prometheus.
    fn sections(&self, objects: &Objects, generated: &Generated) -> Vec<Node> {
        let rejected = generated.rejected.iter().filter(|rejected| rejected.why.cause != Cause::Unsupported);
        let left_out = generated.not_selected.iter().map(|object| &object.id).chain(rejected.map(|object| &object.id));
        let left_out: BTreeSet<&ObjectId> = left_out.collect();
        let denied: BTreeSet<&str> = generated.denied.iter().map(|denied| denied.job.as_str()).collect();
        let context = cr::Context { settings: &self.settings, lookup: objects };
        let resources = objects.resources.values().filter(|resource| !left_out.contains(&resource.id));
        let sections = resources.flat_map(|resource| {
            cr::sections(resource, context, Secrets::Masked).unwrap_or_default() // an error is among the rejected
        });
        sections.filter(|section| !denied.contains(job_name(section))).collect()
    }

    /// For each object its questions and answers, the first no marked.
    fn explain(&self, objects: &Objects, out: &mut dyn Write) -> io::Result<()> {
        let ids: BTreeSet<&ObjectId> = objects.resources.keys().chain(objects.invalid.keys()).collect();
        for (at, id) in ids.into_iter().enumerate() {
            let walk = cr::explain(id, objects, &self.selection, &self.settings, objects);
            if at > 0 {
                writeln!(out)?;
            }
            writeln!(out, "{id}")?;
            let first_no = walk.steps.iter().position(|step| step.answer == Answer::No);
            for (at, step) in walk.steps.iter().enumerate() {
                let mark = if first_no == Some(at) { "=>" } else { "" };
                writeln!(out, "{mark:2} {:7}  {}", step.answer.as_str(), told(step))?;
            }
        }
        Ok(())
    }
}

fn told(step: &cr::Step) -> String {
    if step.detail.is_empty() { step.question.clone() } else { format!("{} {}", step.question, step.detail) }
}

/// A file that a Prometheus loads. Jobs without an interval have the allocator's there too.
fn write_prometheus_file(frame: &Frame, sections: Vec<Node>, out: &mut dyn Write) -> io::Result<()> {
    let interval = node(Value::Scalar(scalar(&frame.scrape_interval.to_string())));
    let global = map([("scrape_interval", interval)]);
    write!(out, "{}", yaml::emit(&map([("global", global), ("scrape_configs", list(sections))])))
}

fn job_name(section: &Node) -> &str {
    match section.get("job_name").map(|node| &node.value) {
        Some(Value::Scalar(name)) => &name.text,
        _ => "",
    }
}

fn list(nodes: Vec<Node>) -> Node {
    node(Value::List(nodes))
}

fn map<const N: usize>(members: [(&str, Node); N]) -> Node {
    let entries = members.into_iter().map(|(key, value)| Entry { key: scalar(key), line: 0, value });
    node(Value::Map(entries.collect()))
}

fn scalar(text: &str) -> Scalar {
    Scalar { text: text.into(), quoted: false }
}

fn node(value: Value) -> Node {
    Node { line: 0, column: 0, value }
}
