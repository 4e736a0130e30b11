//! `check`: what a configuration says, and what is wrong with it.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use ta_discovery::Terminating;
use ta_model::CollectorSet;
use ta_model::scrape_config::ScrapeConfig;

use crate::config::{self, CollectorSource, Config, ConfigError};
use crate::https;
use crate::{Args, Environment};

/// Loads the configuration as the program would and prints what is in it to `out`, problems to `err`.
pub fn check(args: &Args, env: &Environment, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<ExitCode> {
    let loaded = match config::load(&args.config_file, env, &args.overrides) {
        Ok(loaded) => loaded,
        Err(error) => return report_errors(&error, err),
    };
    for warning in &loaded.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    let broken = loaded.config.broken_clients();
    for warning in &broken {
        writeln!(err, "warning: {warning}")?;
    }
    let mut errors = loaded.config.missing_functions();
    errors.extend(https::check(&loaded.config.https).err().map(|error| error.to_string()));
    let fleet = fleet(&loaded.config.collectors).unwrap_or_else(|error| {
        errors.push(error);
        CollectorSet::default()
    });
    for sentence in &errors {
        writeln!(err, "error: {sentence}")?;
    }
    if !errors.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    describe(&loaded.config, &fleet, out)?;
    let warnings = match loaded.warnings.len() + broken.len() {
        1 => "1 warning".to_owned(),
        count => format!("{count} warnings"),
    };
    writeln!(out, "{}: valid, {warnings}", args.config_file.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Everything that is wrong, so that nobody has to come back for the rest.
fn report_errors(error: &ConfigError, err: &mut dyn Write) -> io::Result<ExitCode> {
    let mut lines = error.lines();
    if let ConfigError::Invalid { problems, config } = error {
        lines.extend(config.missing_functions());
        if !problems.iter().any(|problem| problem.key.starts_with("https")) {
            lines.extend(https::check(&config.https).err().map(|error| error.to_string()));
        }
        lines.extend(fleet(&config.collectors).err());
    }
    for line in lines {
        writeln!(err, "error: {line}")?;
    }
    Ok(ExitCode::FAILURE)
}

/// The collectors that are known now. (The program itself would wait for a file that is not there yet.)
fn fleet(source: &CollectorSource) -> Result<CollectorSet, String> {
    match source {
        CollectorSource::Static(set) => Ok(set.clone()),
        CollectorSource::File(path) => match ta_discovery::read_collectors(path) {
            Ok(parsed) => Ok(parsed.collectors),
            Err(error) => Err(format!("collectors.file {}: {error}", path.display())),
        },
        CollectorSource::Kubernetes => Ok(CollectorSet::default()),
    }
}

fn describe(config: &Config, fleet: &CollectorSet, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "strategy: {}", config.strategy.strategy)?;
    if let Some(fallback) = config.strategy.fallback {
        writeln!(out, "fallback: {fallback}")?;
    }
    if config.collectors == CollectorSource::Kubernetes {
        describe_pods(config, out)?;
    } else {
        writeln!(out, "collectors: {}", fleet.len())?;
    }
    for collector in fleet.iter() {
        let node = if collector.node.is_empty() { "node unknown" } else { &collector.node };
        writeln!(out, "  {} ({node})", collector.name)?;
    }
    describe_resources(config, out)?;
    writeln!(out, "jobs: {}", config.jobs.len())?;
    config.jobs.iter().try_for_each(|job| writeln!(out, "  {}", describe_job(job)))?;
    let watched = config.watched();
    if !watched.is_empty() {
        writeln!(out, "watches: {}", watched.len())?;
    }
    watched.iter().try_for_each(|watched| writeln!(out, "  {watched}"))
}

fn describe_pods(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "collectors: pods of namespace {}", config.collector_namespace)?;
    match config.collector_not_ready_grace_period {
        Duration::ZERO => writeln!(out, "  whether they are ready does not count")?,
        grace => writeln!(out, "  targets of one that is not ready go to others after {grace:?}")?,
    }
    match config.collectors_terminating {
        Terminating::Drop => writeln!(out, "  targets of one that is being deleted go to others at once"),
        Terminating::Keep => writeln!(out, "  targets of one that is being deleted go to others when it is gone"),
    }
}

/// Which prometheus-operator resources are looked at.
fn describe_resources(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    let Ok(selection) = config.prometheus_cr.selection(&config.collector_namespace) else { return Ok(()) };
    if !config.prometheus_cr.enabled {
        return writeln!(out, "resources: not watched");
    }
    let names = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let namespaces = match (selection.allow_namespaces.is_empty(), selection.deny_namespaces.is_empty()) {
        (false, _) => format!("in {}", names(&selection.allow_namespaces)),
        (true, false) => format!("in all namespaces but {}", names(&selection.deny_namespaces)),
        (true, true) => "in all namespaces".to_owned(),
    };
    writeln!(out, "resources: watched {namespaces}")?;
    selection.kinds.iter().try_for_each(|(kind, selectors)| {
        let own = match &selectors.own {
            None => "none, as there is no selector",
            Some(selector) if selector.is_empty() => "all",
            Some(selector) => &selector.to_string(),
        };
        match selectors.namespace.as_ref().filter(|selector| !selector.is_empty()) {
            None => writeln!(out, "  {}: {own}", kind.as_str()),
            Some(namespace) => writeln!(out, "  {}: {own}; of namespaces {namespace}", kind.as_str()),
        }
    })
}

fn describe_job(job: &ScrapeConfig) -> String {
    let mut mechanisms: Vec<&str> = job.sd_configs.iter().map(|sd| sd.mechanism()).collect();
    mechanisms.dedup();
    let mechanisms = if mechanisms.is_empty() { "no targets".to_owned() } else { mechanisms.join(", ") };
    format!("{} ({mechanisms}) every {}", job.job_name, job.scrape_interval)
}
