//! The last questions: what does the object find in the cluster?

use std::collections::{BTreeMap, BTreeSet};

use super::super::cluster::{ContainerPort, Pod, Service};
use super::super::objects::{Coverage, Objects};
use super::super::selector::LabelSelector;
use super::super::types::{
    Endpoint, MonitorCommon, ObjectId, PodMonitor, Probe, ScrapeConfigSpec, ServiceMonitor, TargetPort,
};
use super::{Answer, Explanation};

/// Names in a list before it is cut short.
const SHOWN: usize = 5;

impl Explanation {
    pub(super) fn services(&mut self, id: &ObjectId, monitor: &ServiceMonitor, objects: &Objects) {
        let all: Vec<Candidate<'_>> = objects.services.values().map(Candidate::of_service).collect();
        let Some(found) = self.matching(id, "Service", &monitor.common, &all, &objects.services_known) else { return };
        let services: Vec<&Service> = objects
            .services
            .values()
            .filter(|service| found.contains(&(service.namespace.as_str(), service.name.as_str())))
            .collect();
        let pods = pods_behind(&services, objects);
        let namespaces: Vec<String> = services.iter().map(|service| service.namespace.clone()).collect();
        let has_selectors = services.iter().all(|service| service.selector.is_some());
        let known = has_selectors && !objects.pods.is_empty() && objects.pods_known.has(&namespaces);
        for (at, endpoint) in monitor.endpoints.iter().enumerate() {
            self.service_port(&format!("endpoints[{at}]"), endpoint, &services, &pods, known);
        }
        self.pods_behind(&services, &pods, known);
    }

    fn pods_behind(&mut self, services: &[&Service], pods: &[&Pod], known: bool) {
        const QUESTION: &str = "Are there pods behind them?";
        if !pods.is_empty() {
            self.add(QUESTION, Answer::Yes, listed(pods.iter().map(|pod| pod.full_name()).collect()));
        } else if !known {
            self.add(QUESTION, Answer::Unknown, "no pods are known");
        } else if services.iter().any(|service| selector_of(service).is_empty()) {
            self.add(QUESTION, Answer::Unknown, "a Service without a selector gets its addresses from elsewhere");
        } else {
            let selectors = services.iter().map(|service| {
                let selector: Vec<String> =
                    selector_of(service).iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("{}/{} selects {}", service.namespace, service.name, selector.join(","))
            });
            self.add(QUESTION, Answer::No, listed(selectors.collect()));
        }
    }

    fn service_port(
        &mut self,
        place: &str,
        endpoint: &Endpoint,
        services: &[&Service],
        pods: &[&Pod],
        pods_are_known: bool,
    ) {
        if endpoint.port.is_empty() {
            let ports = pods.iter().flat_map(|pod| &pod.ports).collect();
            let wanted = Wanted::of("", 0, endpoint.target_port.as_ref());
            self.container_port(place, wanted, ports, pods_are_known);
            return;
        }
        let names: BTreeSet<&str> =
            services.iter().flat_map(|service| &service.ports).map(|port| port.name.as_str()).collect();
        let question = format!("{place}: is there a Service port named {}?", endpoint.port);
        // the name is a pattern, but one that is not plain text is rare and only the API's objects can answer it
        let is_plain = endpoint.port.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_plain {
            self.add(question, Answer::Unknown, "the name is a pattern");
        } else if names.contains(endpoint.port.as_str()) {
            self.add(question, Answer::Yes, "found");
        } else {
            self.add(question, Answer::No, format!("the ports are {}", listed(quoted_names(names))));
        }
    }

    fn container_port(&mut self, place: &str, wanted: Option<Wanted>, ports: Vec<&ContainerPort>, known: bool) {
        let Some(wanted) = wanted else {
            self.add(format!("{place}: is there a port?"), Answer::Yes, "it takes every port");
            return;
        };
        let question = format!("{place}: is there a container port {wanted}?");
        if !known {
            self.add(question, Answer::Unknown, "no pods are known");
        } else if ports.iter().any(|port| wanted.is(port)) {
            self.add(question, Answer::Yes, "found");
        } else {
            let there: BTreeSet<String> = ports.iter().map(|port| format!("{} ({})", port.name, port.number)).collect();
            self.add(question, Answer::No, format!("the ports are {}", listed(there.into_iter().collect())));
        }
    }

    pub(super) fn pods(&mut self, id: &ObjectId, monitor: &PodMonitor, objects: &Objects) {
        let all: Vec<Candidate<'_>> = objects.pods.values().map(Candidate::of_pod).collect();
        let Some(found) = self.matching(id, "Pod", &monitor.common, &all, &objects.pods_known) else { return };
        let pods: Vec<&Pod> =
            objects.pods.values().filter(|pod| found.contains(&(pod.namespace.as_str(), pod.name.as_str()))).collect();
        for (at, endpoint) in monitor.endpoints.iter().enumerate() {
            let place = format!("podMetricsEndpoints[{at}]");
            let ended = |pod: &&Pod| endpoint.filter_running.unwrap_or(true) && has_ended(pod);
            let (ended, running): (Vec<&Pod>, Vec<&Pod>) = pods.iter().copied().partition(ended);
            if running.is_empty() {
                let names = ended.iter().map(|pod| pod.full_name()).collect();
                self.add(
                    format!("{place}: is a pod running?"),
                    Answer::No,
                    format!("all have ended: {}", listed(names)),
                );
                continue;
            }
            let wanted = Wanted::of(&endpoint.port, endpoint.port_number, endpoint.target_port.as_ref());
            let ports = running.iter().flat_map(|pod| &pod.ports).collect();
            self.container_port(&place, wanted, ports, true);
        }
    }

    /// Asks which objects match the monitor's selector in its namespaces. `None` ends the walk.
    fn matching<'o>(
        &mut self,
        id: &ObjectId,
        kind: &str,
        common: &MonitorCommon,
        all: &[Candidate<'o>],
        known: &Coverage,
    ) -> Option<BTreeSet<(&'o str, &'o str)>> {
        let namespaces = common.namespace_selector.namespaces(&id.namespace);
        let looked_at = |candidate: &&Candidate<'_>| {
            namespaces.is_empty() || namespaces.iter().any(|name| name == candidate.namespace)
        };
        let place = match &namespaces[..] {
            [] => "any namespace".to_owned(),
            [one] => format!("namespace {one}"),
            several => format!("namespaces {}", several.join(", ")),
        };
        let wanted = if common.selector.is_empty() { "anything".to_owned() } else { common.selector.to_string() };
        let question = format!("Which {kind}s in {place} match {wanted}?");
        let found: Vec<&Candidate<'o>> =
            all.iter().filter(looked_at).filter(|candidate| common.selector.matches(candidate.labels)).collect();
        if !found.is_empty() {
            self.add(question, Answer::Yes, listed(found.iter().map(|candidate| candidate.full_name()).collect()));
            return Some(found.iter().map(|candidate| (candidate.namespace, candidate.name)).collect());
        }
        if !known.has(&namespaces) {
            self.add(question, Answer::Unknown, format!("not all {kind}s there are watched"));
            return None;
        }
        if all.is_empty() && *known == Coverage::Unsaid {
            self.add(question, Answer::Unknown, format!("no {kind}s are known"));
            return None;
        }
        let elsewhere = all.iter().filter(|candidate| !looked_at(candidate));
        let elsewhere = elsewhere.filter(|candidate| common.selector.matches(candidate.labels));
        let elsewhere: Vec<String> = elsewhere.map(Candidate::full_name).collect();
        let detail = if elsewhere.is_empty() {
            near_misses(kind, &common.selector, all.iter().filter(looked_at))
        } else {
            format!("none there, but in other namespaces: {}; see namespaceSelector", listed(elsewhere))
        };
        self.add(question, Answer::No, detail);
        None
    }

    pub(super) fn probe(&mut self, probe: &Probe) {
        const QUESTION: &str = "Does it name targets?";
        match (&probe.static_targets, &probe.ingress) {
            (Some(targets), _) if targets.targets.is_empty() => {
                self.add(QUESTION, Answer::No, "targets.staticConfig.static is empty");
            }
            (Some(targets), _) => self.add(QUESTION, Answer::Yes, listed(targets.targets.clone())),
            (None, _) => self.add(QUESTION, Answer::Unknown, "its targets come from Ingresses"),
        }
    }

    pub(super) fn scrape_config(&mut self, spec: &ScrapeConfigSpec) {
        const QUESTION: &str = "Does it name a way to find targets?";
        let blocks: Vec<&str> = spec.sd_blocks.iter().map(|block| block.field()).collect();
        match &blocks[..] {
            [] => self.add(QUESTION, Answer::No, "it has no staticConfigs and no discovery block"),
            blocks => self.add(QUESTION, Answer::Yes, blocks.join(", ")),
        }
    }
}

/// A Service or Pod that may match.
struct Candidate<'o> {
    namespace: &'o str,
    name: &'o str,
    labels: &'o BTreeMap<String, String>,
}

impl<'o> Candidate<'o> {
    fn of_service(service: &'o Service) -> Self {
        Self { namespace: &service.namespace, name: &service.name, labels: &service.labels }
    }

    fn of_pod(pod: &'o Pod) -> Self {
        Self { namespace: &pod.namespace, name: &pod.name, labels: &pod.labels }
    }

    fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl Pod {
    fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

fn has_ended(pod: &Pod) -> bool {
    matches!(pod.phase.as_str(), "Failed" | "Succeeded")
}

/// A container port by name or number.
enum Wanted {
    Name(String),
    Number(u64),
}

impl Wanted {
    /// A name beats a number beats the deprecated target port; `None` takes every port.
    fn of(name: &str, number: u64, target: Option<&TargetPort>) -> Option<Self> {
        match target {
            _ if !name.is_empty() => Some(Self::Name(name.to_owned())),
            _ if number != 0 => Some(Self::Number(number)),
            Some(TargetPort::Name(name)) if !name.is_empty() => Some(Self::Name(name.clone())),
            Some(TargetPort::Number(number)) if *number != 0 => u64::try_from(*number).ok().map(Self::Number),
            _ => None,
        }
    }

    fn is(&self, port: &ContainerPort) -> bool {
        match self {
            Self::Name(name) => port.name == *name,
            Self::Number(number) => port.number == *number,
        }
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => write!(f, "named {name}"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// Nothing, where it is not known.
fn selector_of(service: &Service) -> &BTreeMap<String, String> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    service.selector.as_ref().unwrap_or(&NONE)
}

/// The pods that the selectors of services pick.
fn pods_behind<'o>(services: &[&Service], objects: &'o Objects) -> Vec<&'o Pod> {
    let picks = |service: &&Service, pod: &Pod| {
        let selector = selector_of(service);
        let selected = selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value));
        service.namespace == pod.namespace && !selector.is_empty() && selected
    };
    objects.pods.values().filter(|pod| services.iter().any(|service| picks(service, pod))).collect()
}

/// What the objects in the right place have instead of what is wanted.
fn near_misses<'c>(
    kind: &str,
    selector: &LabelSelector,
    candidates: impl Iterator<Item = &'c Candidate<'c>>,
) -> String {
    let miss = |candidate: &Candidate<'_>| {
        let mismatch = selector.mismatch(candidate.labels)?;
        Some((mismatch.found.is_none(), format!("{}: {mismatch}", candidate.full_name())))
    };
    let mut misses: Vec<(bool, String)> = candidates.filter_map(miss).collect();
    misses.sort(); // another value is nearer than no such label
    match misses.is_empty() {
        true => format!("there are no {kind}s"),
        false => listed(misses.into_iter().map(|(_, text)| text).collect()),
    }
}

fn quoted_names(names: BTreeSet<&str>) -> Vec<String> {
    names
        .into_iter()
        .map(|name| if name.is_empty() { "one without a name".to_owned() } else { name.to_owned() })
        .collect()
}

/// The first few of `texts`, and how many more there are.
fn listed(texts: Vec<String>) -> String {
    if texts.is_empty() {
        return "none".into();
    }
    let more = texts.len().saturating_sub(SHOWN);
    let shown = texts[..texts.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
