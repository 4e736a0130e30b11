//! The routes that collectors and probes poll, matched by hand before axum sees a request.
//!
//! A fleet asks them tens of thousands of times in the same instant, and nearly always for bytes that lie ready. What
//! axum does for a route (boxes, layers, extensions) costs 9,000 instructions: as much as all the rest of such an answer.
//! The spellings that redirect here, and whatever has to wait for something, stay with axum ([`super::route`]).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use prometheus::Histogram;

use super::negotiate::Headers;
use super::{Body, Inner, Secure, respond, scrape_configs, targets};
use crate::metrics::Metrics;

/// A GET, as far as these routes look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// Still escaped, as it came.
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: Headers<'a>,
    /// Over TLS with a verified client.
    pub(crate) secure: bool,
}

impl<'a> Ask<'a> {
    pub(crate) fn of(request: &'a Parts) -> Self {
        Self {
            path: request.uri.path(),
            query: request.uri.query(),
            headers: (&request.headers).into(),
            secure: request.extensions.get::<Secure>().is_some(),
        }
    }
}

/// A route that is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hot<'a> {
    ScrapeConfigs,
    /// The job as it stands in the path.
    Targets(&'a str),
    Livez,
    Readyz,
}

impl<'a> Hot<'a> {
    /// The route of `path`. The job is one segment, still escaped: a job name may hold `/`, which then comes as `%2F`.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        match path {
            "/scrape_configs" => Some(Self::ScrapeConfigs),
            "/livez" => Some(Self::Livez),
            "/readyz" => Some(Self::Readyz),
            _ => {
                let job = path.strip_prefix("/jobs/")?.strip_suffix("/targets")?;
                (!job.contains('/')).then_some(Self::Targets(job))
            }
        }
    }

    /// As the `path` label of metrics, as upstream names it.
    fn template(self) -> &'static str {
        match self {
            Self::ScrapeConfigs => "/scrape_configs",
            Self::Targets(_) => "/jobs/:job_id/targets",
            Self::Livez => "/livez",
            Self::Readyz => "/readyz",
        }
    }

    fn answer(self, inner: &Inner, ask: &Ask<'_>) -> Option<Response<Body>> {
        match self {
            Self::ScrapeConfigs => scrape_configs::at_once(inner, ask),
            Self::Targets(job) => Some(targets::answer(inner, job, ask)),
            Self::Livez => Some(respond::empty(StatusCode::OK)),
            Self::Readyz if inner.health.is_ready() => Some(respond::empty(StatusCode::OK)),
            Self::Readyz => Some(respond::empty(StatusCode::SERVICE_UNAVAILABLE)),
        }
    }
}

/// Answers what is polled; `None` if it is not, or not to be had at once. A handler that panics answers 500.
pub(super) fn answer(inner: &Inner, ask: &Ask<'_>) -> Option<Response<Body>> {
    let route = Hot::of(ask.path)?;
    let begun = Instant::now();
    let answer = catch_unwind(AssertUnwindSafe(|| route.answer(inner, ask)));
    let response = answer.unwrap_or_else(|_| Some(respond::panicked(inner)))?;
    inner.timers.observe(&inner.metrics, route, begun.elapsed());
    Some(response)
}

/// The timer of each route, looked up when it is asked for the first time.
#[derive(Debug, Default)]
pub(super) struct Timers {
    scrape_configs: OnceLock<Histogram>,
    targets: OnceLock<Histogram>,
    livez: OnceLock<Histogram>,
    readyz: OnceLock<Histogram>,
}

impl Timers {
    fn observe(&self, metrics: &Metrics, route: Hot<'_>, took: Duration) {
        let timer = match route {
            Hot::ScrapeConfigs => &self.scrape_configs,
            Hot::Targets(_) => &self.targets,
            Hot::Livez => &self.livez,
            Hot::Readyz => &self.readyz,
        };
        timer.get_or_init(|| metrics.http_timer(route.template())).observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_one_segment() {
        for (path, expected) in [
            ("/scrape_configs", Some(Hot::ScrapeConfigs)),
            ("/livez", Some(Hot::Livez)),
            ("/readyz", Some(Hot::Readyz)),
            ("/jobs/a%2Fb/targets", Some(Hot::Targets("a%2Fb"))),
            ("/jobs//targets", Some(Hot::Targets(""))),
            ("/jobs/targets/targets", Some(Hot::Targets("targets"))),
            ("/jobs/targets", None),
            ("/jobs/a/b/targets", None),
            ("/jobs/a/targets/", None),
            ("/jobs///targets", None),
            ("/jobs/a", None),
            ("/livez/", None),
            ("/", None),
        ] {
            assert_eq!(Hot::of(path), expected, "{path}");
        }
    }
}
