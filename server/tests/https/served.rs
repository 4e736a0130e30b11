//! What is served over HTTPS, and how.

use crate::pki::Authority;
use crate::program::{Mounted, Running, mk_client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_routes_are_the_same_and_secrets_are_real() {
    let ca = Authority::new("ca");
    let mounted = Mounted::new(&ca.pem.cert, &ca.server());
    let running = Running::start(&mounted).await;
    let (client, plain) = (mk_client(&ca, Some(&ca.client())), reqwest::Client::builder().no_proxy().build().unwrap());
    for path in ["/", "/jobs", "/jobs/shop/targets?collector_id=c0", "/livez", "/readyz", "/debug/jobs", "/nonsense"] {
        let secure = client.get(running.url(path)).send().await.unwrap();
        let open = plain.get(format!("http://{}{path}", running.plain)).send().await.unwrap();
        assert_eq!(secure.status(), open.status(), "{path}");
        assert_eq!(secure.headers().get("content-type"), open.headers().get("content-type"), "{path}");
    }
    let secure = client.get(running.url("/scrape_configs")).send().await.unwrap();
    assert_eq!(secure.version(), reqwest::Version::HTTP_2, "as upstream, where the client speaks it");
    assert!(secure.text().await.unwrap().contains("\"password\":\"hunter2\""));
    let open = plain.get(format!("http://{}/scrape_configs", running.plain)).send().await.unwrap();
    assert!(open.text().await.unwrap().contains("\"password\":\"\\u003csecret\\u003e\""));
    // pages are for people, on both ports
    let page = client.get(running.url("/debug/scrape_configs")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("&lt;secret&gt;") && !page.contains("hunter2"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_kept_and_parked_between_requests_in_http_1_as_well() {
    let ca = Authority::new("ca");
    let mounted = Mounted::new(&ca.pem.cert, &ca.server());
    let running = Running::start(&mounted).await;
    let identity = ca.client();
    let client = reqwest::Client::builder()
        .no_proxy()
        .http1_only()
        .resolve("localhost", ([127, 0, 0, 1], 0).into())
        .tls_certs_only([reqwest::Certificate::from_pem(ca.pem.cert.as_bytes()).unwrap()])
        .identity(reqwest::Identity::from_pem(format!("{}{}", identity.cert, identity.key).as_bytes()).unwrap())
        .build()
        .unwrap();
    for _ in 0..5 {
        let answer = client.get(running.url("/jobs/shop/targets?collector_id=c0")).send().await.unwrap();
        assert_eq!(answer.version(), reqwest::Version::HTTP_11);
        assert!(answer.text().await.unwrap().contains("10.0.0.1:9100"));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    let handshakes = running.metric("opentelemetry_allocator_tls_handshakes_total{result=\"ok\"}").await;
    assert_eq!(handshakes, Some(1.0));
    running.stop().await;
}
