//! Metrics pushed by OTLP to real receivers: tonic's for gRPC, axum for HTTP.

#![allow(clippy::unwrap_used)] // helpers of tests

mod program;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, metric, number_data_point};
use program::Running;
use prost::Message;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use ta_server::{Args, Environment, Limits, Program, config};
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

const PATIENCE: Duration = Duration::from_secs(60);

const SETTINGS: &str = "\
listen_addr: 127.0.0.1:0
engine: {min_interval: 5ms, threads: 1}
http: {drain: 0s}
collectors: {static: [{name: c0}, {name: c1}]}
config: {scrape_configs: [{job_name: shop, static_configs: [{targets: ['10.0.0.1:1', '10.0.0.2:1', '10.0.0.3:1']}]}]}
";

/// What arrived, each with its headers; and how the next is answered.
#[derive(Clone, Default)]
struct Inbox {
    received: Arc<Mutex<Vec<Received>>>,
    refuse: Arc<Mutex<bool>>,
}

#[derive(Clone)]
struct Received {
    headers: BTreeMap<String, String>,
    request: ExportMetricsServiceRequest,
}

impl Inbox {
    fn put(&self, headers: &HeaderMap, request: ExportMetricsServiceRequest) -> bool {
        let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let refused = *self.refuse.lock().unwrap();
        if !refused {
            self.received.lock().unwrap().push(Received { headers, request });
        }
        !refused
    }

    fn all(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    async fn wait_for(&self, count: usize) -> Vec<Received> {
        until("pushes arrive", async || self.all().len() >= count).await;
        self.all()
    }
}

#[tonic::async_trait]
impl MetricsService for Inbox {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, tonic::Status> {
        let headers = request.metadata().clone().into_headers();
        match self.put(&headers, request.into_inner()) {
            true => Ok(tonic::Response::new(ExportMetricsServiceResponse::default())),
            false => Err(tonic::Status::unavailable("come back later")),
        }
    }
}

/// A gRPC receiver.
fn start_grpc(inbox: &Inbox, tls: Option<ServerTlsConfig>) -> SocketAddr {
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = incoming.local_addr().unwrap();
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls).unwrap();
    }
    let service = MetricsServiceServer::new(inbox.clone()).accept_compressed(CompressionEncoding::Gzip);
    tokio::spawn(server.add_service(service).serve_with_incoming(incoming));
    address
}

async fn start_http(inbox: &Inbox) -> SocketAddr {
    let inbox = inbox.clone();
    let receive = async move |headers: HeaderMap, body: Bytes| match inbox
        .put(&headers, ExportMetricsServiceRequest::decode(unpacked(&headers, body)).unwrap())
    {
        true => (StatusCode::OK, ExportMetricsServiceResponse::default().encode_to_vec()),
        false => (StatusCode::SERVICE_UNAVAILABLE, Vec::new()),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().route("/v1/metrics", axum::routing::post(receive));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn unpacked(headers: &HeaderMap, body: Bytes) -> Bytes {
    if headers.get("content-encoding").is_none_or(|encoding| encoding != "gzip") {
        return body;
    }
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut unpacked).unwrap();
    unpacked.into()
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn start(dir: &Path, reader: &str, env: &[(&str, &str)]) -> Running {
    let file = dir.join("ta.yaml");
    let telemetry = format!("telemetry: {{metrics: {{readers: [{{periodic: {reader}}}]}}}}\n");
    std::fs::write(&file, format!("{SETTINGS}{telemetry}")).unwrap();
    let args = Args::parse(["target-allocator".into()]).unwrap();
    let env: Environment = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let loaded = config::load(&file, &env, &args.overrides).unwrap();
    assert_eq!(loaded.warnings, []);
    Running::of(loaded.config, &env).await.ready().await
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match &found.value.as_ref()?.value {
        Some(any_value::Value::StringValue(text)) => Some(text),
        other => panic!("{key}: {other:?}"),
    }
}

/// The metric `name` of scope `scope`.
fn find<'a>(request: &'a ExportMetricsServiceRequest, scope: &str, name: &str) -> &'a Metric {
    let scopes = &request.resource_metrics[0].scope_metrics;
    let found = scopes.iter().find(|metrics| metrics.scope.as_ref().unwrap().name == scope).unwrap();
    let names = || found.metrics.iter().map(|metric| metric.name.as_str()).collect::<Vec<_>>();
    found.metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no {name} in {:?}", names()))
}

/// The value of a sum or gauge whose attribute `key` is `value`.
fn number(metric: &Metric, key: &str, value: &str) -> f64 {
    let points = match metric.data.as_ref().unwrap() {
        metric::Data::Gauge(gauge) => &gauge.data_points,
        metric::Data::Sum(sum) => &sum.data_points,
        other => panic!("{other:?}"),
    };
    let point = points.iter().find(|point| key.is_empty() || text(&point.attributes, key) == Some(value)).unwrap();
    match point.value {
        Some(number_data_point::Value::AsDouble(value)) => value,
        ref other => panic!("{other:?}"),
    }
}

/// Count, sum of bucket counts, and temporality of the HTTP durations of `/livez`; zeros before anybody asked.
fn livez(request: &ExportMetricsServiceRequest) -> (u64, u64, i32) {
    const NAME: &str = "opentelemetry_allocator_http_duration_seconds";
    let mut metrics = request.resource_metrics[0].scope_metrics.iter().flat_map(|scope| &scope.metrics);
    let Some(metric) = metrics.find(|metric| metric.name == NAME) else { return (0, 0, 0) };
    let Some(metric::Data::Histogram(histogram)) = &metric.data else { panic!("{metric:?}") };
    let point = histogram.data_points.iter().find(|point| text(&point.attributes, "path") == Some("/livez"));
    let Some(point) = point else { return (0, 0, histogram.aggregation_temporality) };
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    assert!(point.start_time_unix_nano < point.time_unix_nano);
    (point.count, point.bucket_counts.iter().sum(), histogram.aggregation_temporality)
}

fn exporter(kind: &str, address: SocketAddr, more: &str) -> String {
    let endpoint = if kind == "otlp_http" { format!("http://{address}") } else { address.to_string() };
    let tls = if kind == "otlp_http" { "" } else { "tls: {insecure: true}, " };
    format!("{{interval: 30, exporter: {{{kind}: {{endpoint: '{endpoint}', {tls}{more}}}}}}}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_over_either_transport() {
    for kind in ["otlp_grpc", "otlp_http"] {
        let inbox = Inbox::default();
        let address = if kind == "otlp_http" { start_http(&inbox).await } else { start_grpc(&inbox, None) };
        let headers = "headers: [{name: authorization, value: 'Bearer ${env:TOKEN}'}, {name: X-None}]";
        let dir = tempfile::tempdir().unwrap();
        let env = [("TOKEN", "t0k3n"), ("OTEL_SERVICE_NAME", "mine"), ("OTEL_RESOURCE_ATTRIBUTES", "a=b%20c")];
        let running = start(dir.path(), &exporter(kind, address, headers), &env).await;
        let before = inbox.all().len();
        let received = inbox.wait_for(before + 2).await.pop().unwrap();

        assert_eq!(received.headers["authorization"], "Bearer t0k3n");
        assert!(!received.headers.contains_key("x-none"));
        let resource = received.request.resource_metrics[0].resource.as_ref().unwrap();
        assert_eq!(text(&resource.attributes, "service.name"), Some("mine"));
        assert_eq!(text(&resource.attributes, "a"), Some("b c"));
        assert!(text(&resource.attributes, "service.instance.id").is_some_and(|host| !host.is_empty()));

        let own = |name| find(&received.request, "targetallocator", name);
        assert_eq!(number(own("opentelemetry_allocator_targets"), "job_name", "shop"), 3.0);
        assert_eq!(number(own("opentelemetry_allocator_collectors_discovered"), "", ""), 2.0);
        // an instrument's name has no `_total`; what comes from Prometheus keeps it
        assert_eq!(number(own("opentelemetry_allocator_events"), "source", "EventSourcePrometheusCR"), 0.0);
        let updates = find(&received.request, "prometheus", "prometheus_sd_updates_total");
        assert!(number(updates, "", "") >= 1.0);
        let process = find(&received.request, "prometheus", "process_resident_memory_bytes");
        assert!(number(process, "", "") > 1e6);
        let all = received.request.resource_metrics[0].scope_metrics.iter().flat_map(|scope| &scope.metrics);
        for metric in all {
            assert!(metric.name != "target_info" && metric.data.is_some(), "{}", metric.name);
        }
        // the same resource shows at /metrics
        let (_, page) = running.get("/metrics").await;
        let info = page.lines().find(|line| line.starts_with("target_info{")).unwrap();
        assert!(info.contains("service_name=\"mine\"") && info.contains("service_instance_id="), "{info}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cumulative_is_all_and_delta_is_what_came_since() {
    for (preference, is_delta) in [("cumulative", false), ("delta", true), ("low_memory", true)] {
        let inbox = Inbox::default();
        let address = start_grpc(&inbox, None);
        let dir = tempfile::tempdir().unwrap();
        let reader = exporter("otlp_grpc", address, &format!("temporality_preference: {preference}"));
        let running = start(dir.path(), &reader, &[]).await;
        let count = |received: &[Received]| {
            let counts = received.iter().map(|one| livez(&one.request).0);
            if is_delta { counts.sum() } else { counts.max().unwrap_or(0) }
        };
        let mut asked = 0;
        for _ in 0..3 {
            for _ in 0..5 {
                assert_eq!(running.get("/livez").await.0, 200);
                asked += 1;
            }
            until("all requests were told of", async || count(&inbox.all()) == asked).await;
        }
        // a refused push is made up for by the next
        *inbox.refuse.lock().unwrap() = true;
        running.get("/livez").await;
        let failed = "opentelemetry_allocator_otlp_pushes_total{otel_scope_name=\"targetallocator\",\
                      otel_scope_schema_url=\"\",otel_scope_version=\"\",result=\"failed\"} ";
        until("pushes fail", async || {
            let (_, page) = running.get("/metrics").await;
            page.lines().any(|line| line.strip_prefix(failed).is_some_and(|count| count != "0"))
        })
        .await;
        *inbox.refuse.lock().unwrap() = false;
        until("what was refused arrives", async || count(&inbox.all()) == asked + 1).await;
        let wanted = if is_delta { AggregationTemporality::Delta } else { AggregationTemporality::Cumulative };
        for received in inbox.all() {
            let (count, in_buckets, temporality) = livez(&received.request);
            assert_eq!(count, in_buckets);
            assert!(temporality == 0 || temporality == i32::from(wanted), "{temporality}");
        }
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_push_is_made_at_the_end() {
    let inbox = Inbox::default();
    let address = start_http(&inbox).await;
    let dir = tempfile::tempdir().unwrap();
    let reader = exporter("otlp_http", address, "").replace("interval: 30", "interval: 3600000");
    let running = start(dir.path(), &reader, &[]).await;
    running.get("/livez").await;
    assert_eq!(inbox.all().len(), 0);
    running.stop().await;
    let received = inbox.all();
    assert_eq!(received.len(), 1);
    assert_eq!(livez(&received[0].request).0, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_never_answers_holds_up_nothing() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    for kind in ["otlp_grpc", "otlp_http"] {
        let dir = tempfile::tempdir().unwrap();
        let reader = exporter(kind, address, "").replace("interval: 30", "interval: 30, timeout: 100");
        let running = start(dir.path(), &reader, &[]).await;
        for _ in 0..10 {
            assert_eq!(running.get("/livez").await.0, 200);
        }
        let failed = |page: &str| {
            let mut lines = page.lines().filter(|line| line.contains("otlp_pushes_total") && line.contains("failed"));
            lines.any(|line| !line.ends_with(" 0"))
        };
        until("pushes time out", async || failed(&running.get("/metrics").await.1)).await;
        let begun = Instant::now();
        running.stop().await;
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_says_what_the_file_does_not() {
    for kind in ["otlp_grpc", "otlp_http"] {
        let inbox = Inbox::default();
        let address = if kind == "otlp_http" { start_http(&inbox).await } else { start_grpc(&inbox, None) };
        let endpoint = format!("http://{address}");
        let env = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-of-all=1"),
            ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "authorization=Bearer%20t0k3n,x-tenant=shop"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
        ];
        let reader =
            |more: &str| format!("{{interval: 30, exporter: {{{kind}: {{endpoint: '${{env:NOT_SET}}'{more}}}}}}}");
        let dir = tempfile::tempdir().unwrap();
        let running = start(dir.path(), &reader(""), &env).await;
        running.get("/livez").await;
        until("the request is told of", async || inbox.all().iter().any(|one| livez(&one.request).0 > 0)).await;
        running.stop().await;
        let received = inbox.all().pop().unwrap();
        let packed = if kind == "otlp_http" { "content-encoding" } else { "grpc-encoding" };
        assert_eq!(received.headers[packed], "gzip");
        assert_eq!((&*received.headers["authorization"], &*received.headers["x-tenant"]), ("Bearer t0k3n", "shop"));
        assert!(!received.headers.contains_key("x-of-all"));
        // upstream's file says cumulative where it says nothing
        assert_eq!(livez(&received.request).2, i32::from(AggregationTemporality::Cumulative));

        // headers of the file replace those of the environment
        let running = start(dir.path(), &reader(", headers: [{name: x-tenant, value: mart}]"), &env).await;
        let before = inbox.all().len();
        let received = inbox.wait_for(before + 1).await.pop().unwrap();
        assert_eq!(received.headers["x-tenant"], "mart");
        assert!(!received.headers.contains_key("authorization"));
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_may_take_as_long_as_the_environment_says() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let reader = exporter("otlp_http", silent.local_addr().unwrap(), "");
    let running = start(dir.path(), &reader, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "50")]).await;
    let begun = Instant::now();
    until("a push times out", async || {
        let (_, page) = running.get("/metrics").await;
        page.lines().any(|line| line.contains("result=\"failed\"") && !line.ends_with(" 0"))
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(10), "the default passed: {:?}", begun.elapsed());
    running.stop().await;
}

/// The certificate of a CA, and one of it for localhost with its key.
fn mk_certificates() -> (String, String, String) {
    let (mut ca, ca_key) = (CertificateParams::default(), KeyPair::generate().unwrap());
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    (ca_pem, certificate.pem(), key.serialize_pem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_names_the_cas_and_who_we_are() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, certificate, key) = mk_certificates();
    let (our_ca, our_certificate, our_key) = mk_certificates();
    let path = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let inbox = Inbox::default();
    let identity = Identity::from_pem(certificate, key);
    let tls = ServerTlsConfig::new().identity(identity).client_ca_root(Certificate::from_pem(our_ca));
    let address = start_grpc(&inbox, Some(tls));
    let reader = format!("{{interval: 30, exporter: {{otlp_grpc: {{endpoint: 'localhost:{}'}}}}}}", address.port());
    let (roots, own, own_key) = (path("ca", &ca), path("own", &our_certificate), path("key", &our_key));
    let env = [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", roots.as_str()),
        ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", own.as_str()),
        ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", own_key.as_str()),
    ];
    let running = start(dir.path(), &reader, &env).await;
    inbox.wait_for(1).await;
    running.stop().await;
}

/// In a process of its own, because the CAs to trust come from its environment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_the_receiver_is_verified_by_the_systems_cas() {
    let (ca_pem, certificate, key) = mk_certificates();
    let inbox = Inbox::default();
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
    let address = start_grpc(&inbox, Some(tls));
    let dir = tempfile::tempdir().unwrap();
    let (file, bundle) = (dir.path().join("ta.yaml"), dir.path().join("ca.pem"));
    std::fs::write(&bundle, ca_pem).unwrap();
    let reader = format!("{{interval: 30, exporter: {{otlp_grpc: {{endpoint: 'localhost:{}'}}}}}}", address.port());
    std::fs::write(&file, format!("{SETTINGS}telemetry: {{metrics: {{readers: [{{periodic: {reader}}}]}}}}\n"))
        .unwrap();
    let start = |bundle: Option<&Path>| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_target-allocator"));
        command.env_clear().arg(format!("--config-file={}", file.display())).kill_on_drop(true);
        if let Some(path) = bundle {
            command.env("SSL_CERT_FILE", path);
        }
        command.stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    // a system that does not know the CA
    let mut stranger = start(None);
    let mut log = tokio::io::BufReader::new(stranger.stderr.take().unwrap());
    let told = tokio::time::timeout(PATIENCE, async {
        use tokio::io::AsyncBufReadExt;
        let mut line = String::new();
        while !line.contains("metrics could not be pushed") {
            line.clear();
            assert_ne!(log.read_line(&mut line).await.unwrap(), 0);
        }
        line
    });
    let told = told.await.unwrap();
    assert!(told.contains("UnknownIssuer") && told.contains("\"level\":\"warn\""), "{told}");
    assert_eq!(inbox.all().len(), 0);
    stranger.kill().await.unwrap();

    let mut friend = start(Some(&bundle));
    inbox.wait_for(2).await;
    friend.kill().await.unwrap();
}

#[tokio::test]
async fn endpoints_that_can_never_work_stop_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ta.yaml");
    for (exporter, why) in [
        ("otlp_http: {endpoint: 'collector:4318'}", "otlp_http.endpoint: want http://host:port"),
        ("otlp_grpc: {endpoint: ':4317'}", "otlp_grpc.endpoint: want host:port"),
        ("otlp_http: {endpoint: 'http://x', headers: [{name: 'a b', value: hunter2}]}", "otlp_http.headers: \"a b\""),
    ] {
        let telemetry = format!("telemetry: {{metrics: {{readers: [{{periodic: {{exporter: {{{exporter}}}}}}}]}}}}\n");
        std::fs::write(&file, format!("{SETTINGS}{telemetry}")).unwrap();
        let env = Environment::new();
        let args = Args::parse(["target-allocator".into()]).unwrap();
        let loaded = config::load(&file, &env, &args.overrides).unwrap();
        let error = Program::start(loaded.config, &env, Limits { cpus: 1, memory: None }).await.unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("telemetry.metrics.readers[0].periodic.exporter.") && error.contains(why), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
