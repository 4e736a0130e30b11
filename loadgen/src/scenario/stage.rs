//! What a scenario is played on: feed, allocators, balancer, fleet.

use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, bail};
use serde_json::json;

use super::allocator::Instance;
use super::balancer::{Backend, Balancer};
use super::certificates::Certificates;
use super::clock::Clock;
use super::file::Scenario;
use super::run::RunOptions;
use super::source::Source;
use super::step::StepKind;
use crate::client::Dialling;
use crate::feed::LedgerSink;
use crate::fleet::FleetOptions;
use crate::loopback::Endpoint;
use crate::session::Session;
use crate::yaml;

/// A disk on which nothing can be written.
const FULL_DISK: &str = "/dev/full";

/// Everything there is before the first step. The allocators do not run, and the fleet has no collectors.
pub(super) struct Stage {
    pub(super) session: Session,
    pub(super) instances: Vec<Instance>,
    /// Where collectors connect to.
    pub(super) endpoint: Endpoint,
    pub(super) dialling: Arc<Dialling>,
    pub(super) source: Arc<Mutex<Source>>,
    pub(super) certificates: Option<Certificates>,
    pub(super) clock: Option<Clock>,
    _balancer: Option<Balancer>,
}

impl Stage {
    pub(super) async fn set(scenario: &Scenario, options: &RunOptions) -> anyhow::Result<Self> {
        let directory = options.directory.as_path();
        std::fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
        let directory = &directory.canonicalize()?;
        let certificates =
            if scenario.allocator.https { Some(Certificates::new(&directory.join("tls"))?) } else { None };
        let dialling = match &certificates {
            Some(certificates) => Dialling::over_tls(certificates.client()?),
            None => Dialling::default(),
        };
        let sets_clock = scenario.steps.iter().any(|step| matches!(step, StepKind::Clock(_)));
        let clock = if sets_clock { Some(Clock::new(directory, options.libfaketime.as_deref())?) } else { None };
        let instances = instances(scenario, options, directory, clock.as_ref())?;
        let served = |instance: &Instance| match &certificates {
            Some(_) => instance.https_address(),
            None => instance.address(),
        };
        let backend = |instance: &Instance| Backend { probed: instance.address(), served: served(instance) };
        let balancer = match scenario.allocator.balancer {
            true => Some(Balancer::start(instances.iter().map(backend).collect()).await?),
            false => None,
        };
        let Some(first) = instances.first() else { bail!("no step starts an allocator") };
        let endpoint = Endpoint::from(balancer.as_ref().map_or(served(first), Balancer::address));
        let dialling = Arc::new(dialling);
        let session = Session::new(fleet_options(scenario, endpoint.clone(), dialling.clone()), true);
        let sink = LedgerSink::new(session.ledger.clone(), session.clock);
        let source = Source::start(scenario, directory, sink).await?;
        for (number, instance) in instances.iter().enumerate() {
            let text = config(scenario, &source, instance, certificates.as_ref())?;
            std::fs::write(config_path(directory, number), text)?;
        }
        let source = Arc::new(Mutex::new(source));
        Ok(Stage { session, instances, endpoint, dialling, source, certificates, clock, _balancer: balancer })
    }
}

fn instances(
    scenario: &Scenario,
    options: &RunOptions,
    directory: &Path,
    clock: Option<&Clock>,
) -> anyhow::Result<Vec<Instance>> {
    let make = |number| {
        let config = config_path(directory, number);
        let mut instance = Instance::new(number, &options.command, &config, directory)?;
        if scenario.allocator.full_disk {
            instance.set_output(FULL_DISK);
        }
        instance.set_environment(clock.map(Clock::environment).unwrap_or_default());
        Ok(instance)
    };
    (0..scenario.instances()).map(make).collect()
}

fn config_path(directory: &Path, number: usize) -> std::path::PathBuf {
    directory.join(format!("allocator-{number}.yaml"))
}

/// The configuration of one instance: instances differ in where they listen with HTTPS.
fn config(
    scenario: &Scenario,
    source: &Source,
    instance: &Instance,
    certificates: Option<&Certificates>,
) -> anyhow::Result<String> {
    let text = source.config(scenario);
    let Some(certificates) = certificates else { return Ok(text) };
    let mut config = yaml::parse(&text).context("our own configuration")?;
    let [ca, certificate, key] = certificates.paths();
    config["https"] = json!({
        "enabled": true, "listen_addr": instance.https_address().to_string(),
        "ca_file_path": ca, "tls_cert_file_path": certificate, "tls_key_file_path": key,
    });
    Ok(format!("{config:#}\n"))
}

fn fleet_options(scenario: &Scenario, endpoint: Endpoint, dialling: Arc<Dialling>) -> FleetOptions {
    let settings = &scenario.collectors;
    FleetOptions {
        dialling,
        interval: settings.interval.0,
        refresh: settings.refresh.0,
        time_scale: settings.time_scale,
        lanes: settings.lanes,
        max_requests: scenario.limits.max_requests,
        seed: scenario.targets.seed,
        ..FleetOptions::new(endpoint)
    }
}
