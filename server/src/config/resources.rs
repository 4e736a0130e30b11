//! `prometheus_cr` in the words of those who select and translate prometheus-operator resources.

use ta_model::cr::{self, KindSelectors, LabelSelector, Selection, Settings, SettingsError, SettingsSource};

use super::resolve::PrometheusCr;

impl PrometheusCr {
    /// Which objects are looked at.
    ///
    /// # Errors
    /// A selector that cannot be: the program would select nothing with it.
    pub fn selection(&self, collector_namespace: &str) -> Result<Selection, String> {
        let kinds = [
            (cr::Kind::ServiceMonitor, &self.service_monitor_selector, &self.service_monitor_namespace_selector),
            (cr::Kind::PodMonitor, &self.pod_monitor_selector, &self.pod_monitor_namespace_selector),
            (cr::Kind::Probe, &self.probe_selector, &self.probe_namespace_selector),
            (cr::Kind::ScrapeConfig, &self.scrape_config_selector, &self.scrape_config_namespace_selector),
        ];
        let selectors = |own: &Option<LabelSelector>, namespace: &LabelSelector| KindSelectors {
            own: own.clone(),
            namespace: Some(namespace.clone()),
        };
        let mut allowed = self.allowed_namespaces();
        if allowed.contains("") {
            allowed.clear(); // all of them, which an empty set means there
        }
        let selection = Selection {
            allow_namespaces: allowed.into_iter().map(str::to_owned).collect(),
            deny_namespaces: self.denied_namespaces().into_iter().map(str::to_owned).collect(),
            collector_namespace: collector_namespace.to_owned(),
            kinds: kinds.into_iter().map(|(kind, own, namespace)| (kind, selectors(own, namespace))).collect(),
        };
        selection.check().map_err(|why| format!("prometheus_cr: {why}"))?;
        Ok(selection)
    }

    /// The interval of objects that name none.
    pub(crate) fn scrape_interval(&self) -> ta_model::Duration {
        ta_model::Duration::from_millis(u64::try_from(self.scrape_interval.as_millis()).unwrap_or(u64::MAX))
    }

    /// What objects inherit. `kubeconfig_file` is the one in use, empty in a cluster.
    ///
    /// # Errors
    /// Protocols or scrape classes that no object could be translated with.
    pub fn settings(&self, kubeconfig_file: &str) -> Result<Settings, SettingsError> {
        Settings::new(&SettingsSource {
            scrape_interval: self.scrape_interval(),
            scrape_protocols: &self.scrape_protocols,
            scrape_classes: &self.scrape_classes,
            deny_file_access: self.deny_fs_access_through_sms,
            kubeconfig_file,
        })
    }
}
