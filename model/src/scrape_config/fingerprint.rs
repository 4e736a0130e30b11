//! Fingerprints: equal configurations, and only those, have equal ones, in every process.

use xxhash_rust::xxh3::xxh3_64;

use super::json_tree::{Counts, Json};
use super::render::Shown;
use super::types::{ScrapeConfig, SdConfig};

impl SdConfig {
    /// A hash of everything that makes this config differ from others, secrets included.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut text = String::from(self.mechanism());
        Json::List(Shown::Whole.sd_config(self)).write(&mut text, Counts::Exact);
        xxh3_64(text.as_bytes())
    }
}

impl ScrapeConfig {
    /// A hash of everything that makes this job differ from others, secrets included.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut text = String::new();
        Json::Object(Shown::Whole.job(self)).write(&mut text, Counts::Exact);
        xxh3_64(text.as_bytes())
    }
}
