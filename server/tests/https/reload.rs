//! Files that change: each on its own, in any order, good and bad.

use crate::pki::{Authority, Pem};
use crate::program::{Mounted, Running, until};

const PAIRS: &str = "opentelemetry_allocator_tls_reloads_total{files=\"certificate\"}";
const CAS: &str = "opentelemetry_allocator_tls_reloads_total{files=\"client_ca\"}";
const BAD_PAIR: &str = "opentelemetry_allocator_tls_files_bad{files=\"certificate\"}";
const BAD_CA: &str = "opentelemetry_allocator_tls_files_bad{files=\"client_ca\"}";

/// The server's certificates are of one CA before and of another after; so are the clients'.
struct World {
    server_ca: [Authority; 2],
    client_ca: [Authority; 2],
    pairs: [Pem; 2],
    clients: [Pem; 2],
    mounted: Mounted,
    running: Running,
}

async fn mk_world() -> World {
    let server_ca = ["server CA 0", "server CA 1"].map(Authority::new);
    let client_ca = ["client CA 0", "client CA 1"].map(Authority::new);
    let (pairs, clients) = (server_ca.each_ref().map(Authority::server), client_ca.each_ref().map(Authority::client));
    let mounted = Mounted::new(&client_ca[0].pem.cert, &pairs[0]);
    let running = Running::start(&mounted).await;
    World { server_ca, client_ca, pairs, clients, mounted, running }
}

impl World {
    /// Whether a client of client CA `client` gets in where a certificate of server CA `server` is shown.
    async fn admits(&self, server: usize, client: usize) -> bool {
        self.running.status(&self.server_ca[server], &self.clients[client]).await == 200
    }

    /// Waits until it is exactly this pair and these clients.
    async fn assert_state(&self, server: usize, client: usize) {
        until("the new files are in force", async || self.admits(server, client).await.then_some(())).await;
        assert!(!self.admits(server, 1 - client).await);
        assert!(!self.admits(1 - server, client).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_of_all_three_is_noticed() {
    let mut world = mk_world().await;
    world.assert_state(0, 0).await;
    let (ca, pair) = (world.client_ca[1].pem.cert.clone(), world.pairs[1].clone());
    world.mounted.swap(&ca, &pair);
    world.assert_state(1, 1).await;
    assert_eq!((world.running.metric(PAIRS).await, world.running.metric(CAS).await), (Some(1.0), Some(1.0)));
    world.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_key_and_ca_may_change_in_any_order() {
    const ORDERS: [[&str; 3]; 6] = [
        ["ca.crt", "tls.crt", "tls.key"],
        ["ca.crt", "tls.key", "tls.crt"],
        ["tls.crt", "ca.crt", "tls.key"],
        ["tls.key", "ca.crt", "tls.crt"],
        ["tls.crt", "tls.key", "ca.crt"],
        ["tls.key", "tls.crt", "ca.crt"],
    ];
    let world = mk_world().await;
    let mut now = 0;
    for order in ORDERS {
        let (mut ca, mut halves) = (now, 0);
        for file in order {
            let next = 1 - now;
            match file {
                "ca.crt" => {
                    world.mounted.replace(file, &world.client_ca[next].pem.cert);
                    ca = next;
                }
                _ => {
                    let pair = &world.pairs[next];
                    world.mounted.replace(file, if file == "tls.crt" { &pair.cert } else { &pair.key });
                    halves += 1;
                    // one half without the other is noticed, and waited with
                    if halves == 1 {
                        world.running.wait_for_metric(BAD_PAIR, 1.0).await;
                    }
                }
            }
            let server = if halves == 2 { next } else { now };
            world.assert_state(server, ca).await;
        }
        world.running.wait_for_metric(BAD_PAIR, 0.0).await;
        now = 1 - now;
    }
    world.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_changes_nothing_and_good_files_mend_it() {
    let world = mk_world().await;
    for (file, bad) in [("ca.crt", BAD_CA), ("tls.crt", BAD_PAIR), ("tls.key", BAD_PAIR)] {
        for garbage in ["", "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            world.mounted.replace(file, garbage);
            world.running.wait_for_metric(bad, 1.0).await;
            assert!(world.admits(0, 0).await, "{file}: {garbage:?}");
        }
        std::fs::remove_file(world.mounted.path(file)).unwrap();
        assert!(world.admits(0, 0).await, "{file} is gone");
        let good = match file {
            "ca.crt" => &world.client_ca[0].pem.cert,
            "tls.crt" => &world.pairs[0].cert,
            _ => &world.pairs[0].key,
        };
        world.mounted.replace(file, good);
        world.running.wait_for_metric(bad, 0.0).await;
    }
    // what was in force is still: nothing was put in force anew
    assert_eq!((world.running.metric(PAIRS).await, world.running.metric(CAS).await), (Some(0.0), Some(0.0)));
    world.mounted.replace("ca.crt", &world.client_ca[1].pem.cert);
    world.assert_state(0, 1).await;
    world.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_cas_may_be_in_force_at_once_and_one_that_does_not_parse_costs_nothing() {
    let world = mk_world().await;
    let bundle = format!(
        "# old\n{}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n# new\n{}",
        world.client_ca[0].pem.cert, world.client_ca[1].pem.cert
    );
    world.mounted.replace("ca.crt", &bundle);
    until("clients of both get in", async || (world.admits(0, 1).await && world.admits(0, 0).await).then_some(()))
        .await;
    world.running.stop().await;
}
