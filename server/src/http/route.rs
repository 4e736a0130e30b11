//! Which answer a path asks for. Matched on the raw path: a job name may hold `/`, which then comes as `%2F`.

/// Every route there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Index,
    ScrapeConfigs,
    Jobs,
    /// The job's name is still escaped.
    Targets {
        job: &'a str,
    },
    Metrics,
    Livez,
    Readyz,
    DebugJobs,
    DebugJob,
    DebugTargets,
    DebugTarget,
    DebugCollector,
    DebugScrapeConfigs,
    DebugDiscovery,
    Pprof {
        profile: &'a str,
    },
}

/// What a raw path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Match<'a> {
    Found(Route<'a>),
    /// A known route but for the slash at its end: the right path.
    Moved(String),
    Unknown,
}

impl<'a> Route<'a> {
    /// Matches `path` as it came, still escaped.
    pub(crate) fn of(path: &'a str) -> Match<'a> {
        if let Some(route) = Self::exact(path) {
            return Match::Found(route);
        }
        match path.strip_suffix('/') {
            Some(shorter) if Self::exact(shorter).is_some() => Match::Moved(shorter.to_owned()),
            // the only route that ends in a slash
            None if path == "/debug/pprof" => Match::Moved(format!("{path}/")),
            _ => Match::Unknown,
        }
    }

    fn exact(path: &'a str) -> Option<Self> {
        Some(match path {
            "/" => Route::Index,
            "/scrape_configs" => Route::ScrapeConfigs,
            "/jobs" => Route::Jobs,
            "/metrics" => Route::Metrics,
            "/livez" => Route::Livez,
            "/readyz" => Route::Readyz,
            "/debug/jobs" => Route::DebugJobs,
            "/debug/job" => Route::DebugJob,
            "/debug/targets" => Route::DebugTargets,
            "/debug/target" => Route::DebugTarget,
            "/debug/collector" => Route::DebugCollector,
            "/debug/scrape_configs" => Route::DebugScrapeConfigs,
            "/debug/discovery" => Route::DebugDiscovery,
            _ => {
                if let Some(profile) = path.strip_prefix("/debug/pprof/") {
                    return Some(Route::Pprof { profile });
                }
                let job = path.strip_prefix("/jobs/")?.strip_suffix("/targets")?;
                return (!job.contains('/')).then_some(Route::Targets { job });
            }
        })
    }

    /// The route as the `path` label of metrics, as upstream names it.
    pub(crate) fn template(self) -> &'static str {
        match self {
            Route::Index => "/",
            Route::ScrapeConfigs => "/scrape_configs",
            Route::Jobs => "/jobs",
            Route::Targets { .. } => "/jobs/:job_id/targets",
            Route::Metrics => "/metrics",
            Route::Livez => "/livez",
            Route::Readyz => "/readyz",
            Route::DebugJobs => "/debug/jobs",
            Route::DebugJob => "/debug/job",
            Route::DebugTargets => "/debug/targets",
            Route::DebugTarget => "/debug/target",
            Route::DebugCollector => "/debug/collector",
            Route::DebugScrapeConfigs => "/debug/scrape_configs",
            Route::DebugDiscovery => "/debug/discovery",
            Route::Pprof { .. } => "/debug/pprof/*profile",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_one_raw_segment() {
        let job = |path| match Route::of(path) {
            Match::Found(Route::Targets { job }) => Some(job),
            _ => None,
        };
        assert_eq!(job("/jobs/a%2Fb/targets"), Some("a%2Fb"));
        assert_eq!(job("/jobs//targets"), Some(""));
        assert_eq!(job("/jobs/a/b/targets"), None);
        assert_eq!(job("/jobs/a"), None);
        assert_eq!(job("/jobs/targets"), None);
    }

    #[test]
    fn a_slash_too_many_or_too_few_is_pointed_out() {
        assert_eq!(Route::of("/jobs/"), Match::Moved("/jobs".to_owned()));
        assert_eq!(Route::of("/jobs/a%2Fb/targets/"), Match::Moved("/jobs/a%2Fb/targets".to_owned()));
        assert_eq!(Route::of("/debug/pprof"), Match::Moved("/debug/pprof/".to_owned()));
        for unknown in ["//scrape_configs", "/scrape_configs//", "/jobs/a/b/targets", "/nothing", "", "/nothing/"] {
            assert_eq!(Route::of(unknown), Match::Unknown, "{unknown}");
        }
    }
}
