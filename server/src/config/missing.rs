//! What a configuration asks for that cannot be done: by this build, or at all. Said at start rather than silently not
//! done.

use ta_model::job_table::{JobTable, Origin};
use ta_model::scrape_config::SdConfig;

use super::resolve::Config;

impl Config {
    /// One sentence for everything that is missing.
    #[must_use]
    pub fn missing_functions(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.prometheus_cr.enabled {
            missing.extend(self.prometheus_cr.selection(&self.collector_namespace).err());
            missing.extend(self.prometheus_cr.settings("").err().map(|error| error.to_string()));
        }
        missing.extend(self.missing_mechanisms());
        missing
    }

    /// HTTP clients of service discovery that can never work, whatever the files and the network; the other jobs can.
    #[must_use]
    pub fn broken_clients(&self) -> Vec<String> {
        let sources = self.jobs.iter().flat_map(|job| job.sd_configs.iter().map(move |sd| (job, sd)));
        let clients = sources.filter_map(|(job, sd)| match sd {
            SdConfig::Http(http) => Some((job, &http.http)),
            _ => None,
        });
        let broken = clients.filter_map(|(job, client)| {
            let error = ta_discovery::check_http_client(client).err()?;
            Some(format!("job {:?}: http_sd_configs cannot work: {error}", job.job_name))
        });
        broken.collect()
    }

    fn missing_mechanisms(&self) -> impl Iterator<Item = String> {
        let jobs = self.jobs.iter().map(|job| (job.clone(), Origin::File)).collect();
        let missing = ta_discovery::unsupported(&JobTable::new(0, jobs, self.filter));
        missing.into_iter().map(|missing| {
            let (job, mechanism) = (missing.job, missing.mechanism);
            format!("job {job:?}: this build does not have service discovery by {mechanism}_sd_configs yet")
        })
    }
}
