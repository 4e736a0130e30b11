//! Prometheus itself as a client of `http_sd` with a certificate: Go's TLS, which upstream's collectors have too.

use std::process::Command;

use serde_json::json;

use crate::acceptance::{self, arg, eventually, free_port, get_json, program};
use crate::pki::{Authority, testdata};
use crate::program::Running;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_gets_its_targets_with_a_certificate_of_version_1() {
    let dir = tempfile::tempdir().unwrap();
    let server_ca = Authority::new("server CA");
    let pair = server_ca.server();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (cert, key) = (file("tls.crt", &pair.cert), file("tls.key", &pair.key));
    let server_ca = file("server-ca.crt", &server_ca.pem.cert);
    let running = Running::with_files(dir.path(), [&testdata("ca.crt"), &cert, &key]).await;

    let sd = |client: bool| {
        let mut tls = json!({"ca_file": server_ca});
        if client {
            tls["cert_file"] = json!(testdata("client-v1-ec.crt"));
            tls["key_file"] = json!(testdata("client-v1-ec.key"));
        }
        let url = running.url("/jobs/shop/targets?collector_id=c0");
        json!([{"url": url, "tls_config": tls, "refresh_interval": "1s"}])
    };
    let config = json!({"scrape_configs": [
        {"job_name": "shop", "http_sd_configs": sd(true)},
        {"job_name": "stranger", "http_sd_configs": sd(false)},
    ]});
    let config = file("prometheus.yml", &config.to_string());
    let folder = dir.path().to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let port = free_port();
        let mut command = Command::new(program("prometheus"));
        command
            .arg(arg("--config.file", &config))
            .arg(arg("--storage.tsdb.path", folder.join("data")))
            .arg(arg("--web.listen-address", format!("127.0.0.1:{port}")))
            .arg("--log.level=warn")
            .env("NO_PROXY", "*");
        let prometheus = acceptance::Running::start(&folder, "prometheus", &mut command);
        eventually("it has the target", || {
            let answer = get_json(port, "/api/v1/targets?state=active")?;
            let active = answer["data"]["activeTargets"].as_array().ok_or("no list")?.clone();
            let found: Vec<_> = active
                .iter()
                .map(|target| (target["scrapePool"].as_str(), target["discoveredLabels"]["__address__"].as_str()))
                .collect();
            match found[..] {
                [(Some("shop"), Some("10.0.0.1:9100"))] => Ok(()),
                _ => Err(format!("{found:?}\n{}", prometheus.log())),
            }
        });
    });
    asked.await.unwrap();
    let refused = "opentelemetry_allocator_tls_handshakes_total{result=\"no_certificate\"}";
    assert!(running.metric(refused).await.is_some_and(|count| count > 0.0));
    running.stop().await;
}
