//! Clients that do harm, while others are served.

use std::time::Duration;

use ta_server::http::Limits;
use tokio::io::AsyncWriteExt;

use crate::sockets::{BIG, Client, EMPTY, Server, mk_big_world, within};

/// Polls as a collector does, on a connection that is kept and on new ones, until `done`.
async fn polls_until(server: &Server, done: impl Fn() -> bool) -> usize {
    let mut kept = server.connect().await;
    let mut polls = 0;
    loop {
        for client in [&mut kept, &mut server.connect().await] {
            client.send(EMPTY).await;
            assert_eq!(client.receive().await.1, b"[]\n");
            polls += 1;
        }
        if done() {
            return polls;
        }
    }
}

#[tokio::test]
async fn ten_thousand_idle_connections_are_in_nobodys_way() {
    // both ends are ours
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let count = usize::try_from(files.saturating_sub(500) / 2).unwrap().min(10_000);
    let server = Server::start_with(mk_big_world(), Limits::default());
    let mut idle: Vec<Client> = Vec::with_capacity(count);
    for number in 0..count {
        let mut client = server.connect().await;
        // every other one has polled before
        if number % 2 == 0 {
            client.send(EMPTY).await;
            client.receive().await;
        }
        idle.push(client);
    }
    server.wait_for_connections(i64::try_from(count).unwrap()).await;
    let mut client = server.connect().await;
    client.send(BIG).await;
    assert!(client.receive().await.1.len() > 30_000_000);
    // and they are still there
    for client in idle.iter_mut().step_by(100) {
        client.send(EMPTY).await;
        assert_eq!(client.receive().await.1, b"[]\n");
    }
    drop((idle, client));
    server.wait_for_connections(0).await;
}

#[tokio::test]
async fn clients_that_dribble_or_never_read_are_cut_while_others_are_served() {
    let wait = Duration::from_millis(500);
    let server = Server::start_with(mk_big_world(), Limits { header_read: wait, write: wait, ..Limits::default() });
    let mut deaf = Vec::new();
    for _ in 0..20 {
        let mut client = server.connect().await;
        client.send(BIG).await;
        deaf.push(client);
    }
    let mut dribbling = tokio::task::JoinSet::new();
    for number in 0..100 {
        let mut client = server.connect().await;
        dribbling.spawn(async move {
            // a head that never ends, some of them after an answer
            if number % 2 == 0 {
                client.send(EMPTY).await;
                client.receive().await;
            }
            while client.0.write_all(b"GET /jobs").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    // all of them are cut in the end, and until then every poll is answered
    let connections = || server.world.metrics.connections();
    within(polls_until(&server, || connections() <= 2)).await;
    within(async { while dribbling.join_next().await.is_some() {} }).await;
    drop(deaf);
}

#[tokio::test]
async fn a_client_that_stops_reading_in_the_middle_holds_up_no_other() {
    let server = Server::start_with(mk_big_world(), Limits::default());
    let mut slow = server.connect().await;
    slow.send(BIG).await;
    slow.0.readable().await.unwrap();
    assert!(polls_until(&server, || true).await == 2);
    // the answer is whole in the end
    assert!(slow.receive().await.1.ends_with(b"]\n"));
}
