//! A real engine behind a router, and a client for it.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH};
use hyper::{Method, Request, StatusCode};
use serde_json::Value;
use ta_engine::{Engine, EngineOptions, StepInput, StrategyConfig, StrategyKind, TargetStore};
use ta_model::group::{GroupBuilder, GroupChange, GroupKey};
use ta_model::job_table::{FilterStrategy, JobTable, Origin};
use ta_model::scrape_config::decode;
use ta_model::yaml::{Strings, parse};
use ta_model::{Collector, CollectorSet};
use ta_server::health::{Health, Phase};
use ta_server::http::{NoStatus, Options, Router, Secure, State, StatusSource};
use ta_server::metrics::{Identity, Metrics};
use tower::ServiceExt;

pub(crate) type Pairs<'a> = &'a [(&'a str, &'a str)];

/// An engine, what it works from, and a router over its snapshots.
pub(crate) struct World {
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) router: Router,
    pub(crate) engine: Engine,
    store: TargetStore,
    input: StepInput,
}

/// How a world differs from the usual one.
pub(crate) struct Setup {
    pub(crate) strategy: StrategyConfig,
    pub(crate) options: Options,
    pub(crate) status: Arc<dyn StatusSource>,
}

impl Default for Setup {
    fn default() -> Self {
        // the strategy of upstream's own server tests
        let strategy = StrategyConfig { strategy: StrategyKind::LeastWeighted, ..StrategyConfig::default() };
        Self { strategy, options: Options::default(), status: Arc::new(NoStatus) }
    }
}

impl World {
    /// Serving `jobs` (YAML of `scrape_configs`), all of them synced, without targets yet.
    pub(crate) fn new(jobs: &str, collectors: &[&str]) -> Self {
        Self::with(Setup::default(), jobs, collectors)
    }

    pub(crate) fn with(setup: Setup, jobs: &str, collectors: &[&str]) -> Self {
        let mut world = Self::unsynced(setup, jobs, collectors);
        world.health.advance(Phase::Serving);
        let names: Vec<_> = world.input.jobs.jobs().iter().map(|job| job.name().clone()).collect();
        names.iter().for_each(|job| world.store.writer().synced(job));
        world.step();
        world
    }

    /// As at start: nothing stepped, nothing known.
    pub(crate) fn unsynced(setup: Setup, jobs: &str, collectors: &[&str]) -> Self {
        let store = TargetStore::new();
        let options = EngineOptions { strategy: setup.strategy, threads: 1, ..EngineOptions::default() };
        let engine = Engine::new(&options, store.clone()).unwrap();
        let identity = Identity { strategy: setup.strategy.strategy, service_name: "test".to_owned() };
        let (health, metrics) = (Health::new(), Metrics::new(identity).unwrap());
        let router = Router::new(State {
            snapshots: engine.snapshots(),
            health: health.clone(),
            metrics: metrics.clone(),
            status: setup.status,
            options: Options { strategy: setup.strategy.strategy, ..setup.options },
        });
        let collectors = mk_collectors(collectors);
        Self { health, metrics, router, engine, store, input: StepInput { jobs: mk_table(jobs), collectors } }
    }

    /// Sets group `source` of `job` to targets of these labels, beside labels of the group.
    pub(crate) fn group(&mut self, job: &str, source: &str, labels: Pairs<'_>, targets: &[Pairs<'_>]) {
        let mut builder = GroupBuilder::new();
        builder.begin();
        labels.iter().for_each(|(name, value)| builder.group_label(name, value));
        for target in targets {
            builder.begin_target();
            target.iter().for_each(|(name, value)| builder.target_label(name, value));
        }
        let key = GroupKey { job: job.into(), provider: 1, source: source.into() };
        self.store.writer().apply([GroupChange::Replace(key, Arc::new(builder.finish()))]);
        self.step();
    }

    /// Sets the targets of `job` to these addresses, each with label `test_label`.
    pub(crate) fn targets(&mut self, job: &str, targets: Pairs<'_>) {
        let targets: Vec<_> =
            targets.iter().map(|(address, value)| [("__address__", *address), ("test_label", *value)]).collect();
        let targets: Vec<Pairs<'_>> = targets.iter().map(|target| &target[..]).collect();
        self.group(job, "0", &[], &targets);
    }

    /// `count` targets `host-<n>:80` of some 1 kB each.
    pub(crate) fn many_targets(&mut self, job: &str, count: usize) {
        let filler = "x".repeat(1000);
        let addresses: Vec<String> = (0..count).map(|n| format!("host-{n}:80")).collect();
        let targets: Vec<_> = addresses.iter().map(|address| [("__address__", address.as_str())]).collect();
        let targets: Vec<Pairs<'_>> = targets.iter().map(|target| &target[..]).collect();
        self.group(job, "0", &[("__meta_filler", &filler)], &targets);
    }

    pub(crate) fn set_jobs(&mut self, jobs: &str) {
        self.input.jobs = mk_table(jobs);
        self.step();
    }

    pub(crate) fn set_collectors(&mut self, collectors: &[&str]) {
        self.input.collectors = mk_collectors(collectors);
        self.step();
    }

    pub(crate) fn step(&mut self) {
        self.engine.step(&self.input);
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: Pairs<'_>) -> Answer {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(()).unwrap()).await
    }

    pub(crate) async fn get_secure(&self, path: &str) -> Answer {
        self.send(Request::get(path).extension(Secure).body(()).unwrap()).await
    }

    pub(crate) async fn method(&self, method: Method, path: &str) -> Answer {
        self.send(Request::builder().method(method).uri(path).body(()).unwrap()).await
    }

    async fn send(&self, request: Request<()>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let expected = hyper::body::Body::size_hint(&body).exact();
        let body = body.collect().await.unwrap().to_bytes();
        if let Some(expected) = expected {
            assert_eq!(body.len() as u64, expected, "the length said before the bytes were made");
        }
        assert!(!head.headers.contains_key(CONTENT_LENGTH), "hyper sets it from the body");
        Answer { status: head.status, headers: head.headers, body }
    }

    /// The same answer plain, unchanged and compressed. Returns the plain one.
    pub(crate) async fn get_all_ways(&self, path: &str) -> Answer {
        let plain = self.get(path).await;
        assert_eq!(plain.status, StatusCode::OK);
        let tag = plain.header(ETAG.as_str()).to_owned();
        let unchanged = self.get_with(path, &[(IF_NONE_MATCH.as_str(), &tag)]).await;
        assert_eq!((unchanged.status, unchanged.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
        assert_eq!(unchanged.header("etag"), tag);
        assert!(unchanged.header("vary").contains("Accept-Encoding"));
        let packed = self.get_with(path, &[(ACCEPT_ENCODING.as_str(), "gzip")]).await;
        if packed.headers.contains_key("content-encoding") {
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == plain.body, "{path}");
            assert_ne!(packed.header("etag"), tag, "other bytes, other tag");
        } else {
            assert_eq!(packed.body, "[]\n", "only this is not worth compressing");
        }
        assert_eq!(packed.header("content-type"), plain.header("content-type"));
        plain
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// A header's value, empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn content_type(&self) -> &str {
        self.header(CONTENT_TYPE.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!((self.status, self.content_type()), (StatusCode::OK, "application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The page, without line breaks the source does not have anyway.
    pub(crate) fn page(&self) -> &str {
        assert_eq!(self.content_type(), "text/html; charset=utf-8");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        let text = self.text();
        assert!(!text.contains("href=\"http") && !text.contains("src=\""), "pages load nothing from elsewhere");
        text
    }

    /// The cells of the page's tables, row by row, tags taken off.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        let strip = |cell: &str| {
            let text = cell.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
            text.collect::<String>().trim().to_owned()
        };
        let rows = self.page().split("<tr>").skip(1).filter(|row| row.contains("<td"));
        rows.map(|row| {
            row.split("<td").skip(1).map(|cell| strip(&format!("<td{}", cell.split("</td>").next().unwrap()))).collect()
        })
        .collect()
    }
}

pub(crate) fn mk_collectors(names: &[&str]) -> CollectorSet {
    CollectorSet::new(names.iter().map(|name| Collector::new(*name, "")).collect()).unwrap()
}

pub(crate) fn mk_table(jobs: &str) -> Arc<JobTable> {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let text = if jobs.is_empty() { "scrape_configs: []".to_owned() } else { format!("scrape_configs:\n{jobs}") };
    let decoded = decode(&parse(&text).unwrap().root, Strings::AsWritten);
    assert!(decoded.errors.is_empty(), "{:?}", decoded.errors);
    let configs = decoded.config.scrape_configs.into_iter().map(|config| (config, Origin::File)).collect();
    Arc::new(JobTable::new(NUMBER.fetch_add(1, Ordering::Relaxed), configs, FilterStrategy::RelabelConfig))
}

/// Jobs that say nothing but their names.
pub(crate) fn mk_jobs(names: &[&str]) -> String {
    names.iter().map(|name| format!("- job_name: {name:?}\n")).collect()
}
