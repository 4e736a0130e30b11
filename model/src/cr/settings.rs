//! The allocator's settings that objects inherit.

use super::class::ScrapeClasses;
use super::tree::Tree;
use crate::duration::Duration;
use crate::scrape_config::GlobalConfig;
use crate::yaml::{Decode, Decoder, Dialect, Node, Strings};

/// What `prometheus_cr` of the configuration says about generation.
#[derive(Clone, Debug)]
pub struct SettingsSource<'s> {
    /// `scrape_interval`.
    pub scrape_interval: Duration,
    /// `scrape_protocols`; empty leaves Prometheus' own.
    pub scrape_protocols: &'s [String],
    /// `scrape_classes`, as written.
    pub scrape_classes: &'s [Node],
    /// `deny_fs_access_through_sms`: no job may name a file of the collector.
    pub deny_file_access: bool,
    /// Put into every kubernetes discovery section; empty in a cluster.
    pub kubeconfig_file: &'s str,
}

/// Checked settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub(crate) global: GlobalConfig,
    pub(crate) classes: ScrapeClasses,
    pub(crate) deny_file_access: bool,
    pub(crate) kubeconfig_file: String,
    scrape_interval: String,
}

/// Settings that no object could be generated with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("prometheus_cr: {0}")]
    Global(String),
    #[error("prometheus_cr: {0}")]
    Classes(String),
}

impl Settings {
    /// Checks the settings.
    ///
    /// # Errors
    /// Unknown or repeated protocols, broken scrape classes, two default classes.
    pub fn new(source: &SettingsSource<'_>) -> Result<Self, SettingsError> {
        let scrape_interval = source.scrape_interval.to_string();
        let mut global = Tree::default();
        global.put("scrape_interval", &scrape_interval);
        global.put_list("scrape_protocols", source.scrape_protocols.to_vec());
        let mut decoder = Decoder::new(Dialect::Prometheus(Strings::AsWritten), "");
        let global = GlobalConfig::decode(&mut decoder, &global.into()).unwrap_or_default();
        if let Some(error) = decoder.finish().errors.first() {
            return Err(SettingsError::Global(super::decode::placed(error)));
        }
        Ok(Self {
            global,
            classes: ScrapeClasses::decode(source.scrape_classes).map_err(SettingsError::Classes)?,
            deny_file_access: source.deny_file_access,
            kubeconfig_file: source.kubeconfig_file.to_owned(),
            scrape_interval,
        })
    }

    /// The configured interval, even if zero.
    pub(crate) fn scrape_interval_text(&self) -> &str {
        &self.scrape_interval
    }
}
