//! The Services and Pods around monitors, as far as the discovery of their jobs watches them anyway.

use std::collections::{BTreeMap, BTreeSet};

use ta_model::cr::{ContainerPort, Coverage, LabelSelector, Objects, Pod, Service, ServicePort, Spec};
use ta_model::sanitize_label_name;

use crate::kubernetes::{Cluster, Kind, Meta, ObjectKey, Pods, Services, Subscription, Watches};

/// Adds what is known of Services and Pods and matters to the monitors in `objects`. Nothing is watched for this: the
/// jobs of a selected monitor watch just the objects that matter to it.
pub(super) fn add(objects: &mut Objects, watches: &Watches, cluster: &Cluster) {
    let looks = Looks::of(objects);
    (objects.services_known, objects.pods_known) = (nowhere(), nowhere());
    for subscription in watches.current::<Services>(cluster).iter().filter(|_| looks.at_services) {
        cover(&mut objects.services_known, subscription);
        subscription.for_each(|key, service| {
            let view = service.view();
            let Some(labels) = looks.labels(key, &view.meta) else { return };
            let ports = view.ports.map(|port| ServicePort {
                name: port.name.to_owned(),
                port: port.number.parse().unwrap_or_default(),
                target_port: None,
            });
            let (namespace, name) = names(key);
            let service = Service { namespace, name, labels, selector: None, ports: ports.collect() };
            objects.services.insert(names(key), service);
        });
    }
    for subscription in watches.current::<Pods>(cluster).iter().filter(|_| looks.at_pods) {
        cover(&mut objects.pods_known, subscription);
        subscription.for_each(|key, pod| {
            let view = pod.view();
            let Some(labels) = looks.labels(key, &view.meta) else { return };
            let ports = view.containers().flat_map(|(container, _)| container.ports).map(|port| ContainerPort {
                name: port.name.to_owned(),
                number: port.number.parse().unwrap_or_default(),
            });
            let (namespace, name) = names(key);
            let pod = Pod { namespace, name, labels, phase: view.phase.to_owned(), ports: ports.collect() };
            objects.pods.insert(names(key), pod);
        });
    }
}

fn names(key: &ObjectKey) -> (String, String) {
    ((*key.namespace).to_owned(), (*key.name).to_owned())
}

fn nowhere() -> Coverage {
    Coverage::In(BTreeSet::new())
}

/// Notes that everything in the namespaces of a watch is known.
fn cover<K: Kind>(known: &mut Coverage, subscription: &Subscription<K>) {
    let scope = subscription.scope();
    if !subscription.synced() || !scope.label_selector.is_empty() || !scope.field_selector.is_empty() {
        return;
    }
    match (&mut *known, &scope.namespace) {
        (_, None) => *known = Coverage::Everywhere,
        (Coverage::In(names), Some(namespace)) => drop(names.insert((**namespace).to_owned())),
        (Coverage::Everywhere | Coverage::Unsaid, Some(_)) => {}
    }
}

/// What the monitors look at. Objects that are in none of their namespaces and match none of their selectors cannot
/// matter, and there may be very many.
#[derive(Default)]
struct Looks {
    namespaces: BTreeSet<String>,
    everywhere: bool,
    selectors: Vec<LabelSelector>,
    /// The labels that selectors name, by what is kept of their names.
    keys: BTreeMap<String, String>,
    at_services: bool,
    at_pods: bool,
}

impl Looks {
    fn of(objects: &Objects) -> Self {
        let mut looks = Self::default();
        for resource in objects.resources.values() {
            let common = match &resource.spec {
                Spec::ServiceMonitor(monitor) => {
                    looks.at_services = true;
                    &monitor.common
                }
                Spec::PodMonitor(monitor) => {
                    looks.at_pods = true;
                    &monitor.common
                }
                Spec::Probe(_) | Spec::ScrapeConfig(_) => continue,
            };
            looks.take(&common.namespace_selector.namespaces(&resource.id.namespace), &common.selector);
        }
        looks
    }

    fn take(&mut self, namespaces: &[String], selector: &LabelSelector) {
        self.everywhere |= namespaces.is_empty();
        self.namespaces.extend(namespaces.iter().cloned());
        let expressions = selector.match_expressions.iter().map(|expression| &expression.key);
        let keys = selector.match_labels.keys().chain(expressions);
        self.keys.extend(keys.map(|key| (sanitize_label_name(key), key.clone())));
        self.selectors.push(selector.clone());
    }

    /// The labels of an object that matters, by their own names where selectors name them.
    fn labels(&self, key: &ObjectKey, meta: &Meta<'_>) -> Option<BTreeMap<String, String>> {
        let original = |name: &str| self.keys.get(name).cloned().unwrap_or_else(|| name.to_owned());
        let labels: BTreeMap<String, String> =
            meta.labels.map(|label| (original(label.key), label.value.to_owned())).collect();
        let is_near = self.everywhere || self.namespaces.contains(&*key.namespace);
        (is_near || self.selectors.iter().any(|selector| selector.matches(&labels))).then_some(labels)
    }
}
