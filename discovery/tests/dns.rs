//! `dns_sd_configs` against name servers of our own.
#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

mod common;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Discovery, labels, mk_millis, until};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use ta_discovery::{ResolvConf, ResolvConfLoader};
use ta_model::scrape_config::{DnsRecordType, DnsSdConfig, SdConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// What a name server says about a name.
#[derive(Clone)]
enum Say {
    Records(Vec<RData>),
    Code(ResponseCode),
    /// Truncated over UDP; whole over TCP.
    Long(Vec<RData>),
    /// Truncated over both.
    Endless,
    /// Something else's answer first, then this.
    Forged(Vec<RData>),
    Garbage,
    Nothing,
}

/// A name server; what it does not know does not exist.
#[derive(Clone)]
struct NameServer {
    address: SocketAddr,
    says: Arc<Mutex<HashMap<String, Say>>>,
    asked: Arc<Mutex<Vec<(String, RecordType)>>>,
}

impl NameServer {
    async fn start<const N: usize>(says: [(&str, Say); N]) -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = udp.local_addr().unwrap();
        let tcp = TcpListener::bind(address).await.unwrap();
        let says = says.into_iter().map(|(name, say)| (name.to_owned(), say)).collect();
        let server = Self { address, says: Arc::new(Mutex::new(says)), asked: Arc::default() };
        tokio::spawn(server.clone().serve_udp(udp));
        tokio::spawn(server.clone().serve_tcp(tcp));
        server
    }

    fn say(&self, name: &str, say: Say) {
        self.says.lock().unwrap().insert(name.to_owned(), say);
    }

    async fn serve_udp(self, socket: UdpSocket) {
        let mut buffer = [0; 4096];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            for answer in self.answers(&buffer[..length], false) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    }

    async fn serve_tcp(self, listener: TcpListener) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let length = stream.read_u16().await.unwrap();
            let mut query = vec![0; usize::from(length)];
            stream.read_exact(&mut query).await.unwrap();
            for answer in self.answers(&query, true) {
                stream.write_u16(answer.len() as u16).await.unwrap();
                stream.write_all(&answer).await.unwrap();
            }
        }
    }

    fn answers(&self, query: &[u8], over_tcp: bool) -> Vec<Vec<u8>> {
        let query = Message::from_vec(query).unwrap();
        assert!(query.metadata.recursion_desired);
        assert_eq!(query.edns.as_ref().map(|edns| edns.max_payload()), (!over_tcp).then_some(4096));
        let (name, kind) = (query.queries[0].name.to_ascii(), query.queries[0].query_type);
        self.asked.lock().unwrap().push((name.clone(), kind));
        let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
        answer.add_query(query.queries[0].clone());
        let add = |answer: &mut Message, records: Vec<RData>| {
            let records = records.into_iter().map(|data| Record::from_rdata(query.queries[0].name.clone(), 1, data));
            answer.add_answers(records);
        };
        let say = self.says.lock().unwrap().get(&name).cloned().unwrap_or(Say::Code(ResponseCode::NXDomain));
        match say {
            Say::Records(records) => add(&mut answer, records),
            Say::Code(code) => answer.metadata.response_code = code,
            Say::Long(records) if over_tcp => add(&mut answer, records),
            Say::Long(_) | Say::Endless => answer.metadata.truncation = true,
            Say::Forged(records) => {
                let mut forged = answer.clone();
                forged.metadata.id ^= 1;
                add(&mut forged, vec![a("6.6.6.6")]);
                add(&mut answer, records);
                return vec![forged.to_vec().unwrap(), answer.to_vec().unwrap()];
            }
            Say::Garbage => return vec![vec![1, 2, 3]],
            Say::Nothing => return Vec::new(),
        }
        vec![answer.to_vec().unwrap()]
    }
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn a(ip: &str) -> RData {
    RData::A(A(ip.parse().unwrap()))
}

fn mk_dns(names: &[&str], record_type: DnsRecordType, port: u16) -> SdConfig {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    SdConfig::Dns(DnsSdConfig { names, refresh_interval: mk_millis(100), record_type, port })
}

fn start(servers: &[&NameServer], search: &[&str], config: SdConfig) -> Discovery {
    let conf = ResolvConf {
        servers: servers.iter().map(|server| server.address).collect(),
        search: search.iter().map(|domain| (*domain).to_owned()).collect(),
        ndots: 1,
        timeout: Duration::from_secs(1),
    };
    Discovery::start_with(vec![("a", vec![config])], |sources| sources.resolv_conf = ResolvConfLoader::fixed(conf))
}

#[tokio::test]
async fn each_record_type_makes_its_targets_with_all_labels() {
    let server = NameServer::start([
        (
            "_http._tcp.x.test.",
            Say::Records(vec![
                RData::SRV(SRV::new(1, 2, 8080, name("One.x.test."))),
                RData::CNAME(CNAME(name("elsewhere.test."))),
                RData::TXT(TXT::new(vec!["not a target".to_owned()])),
            ]),
        ),
        ("v4.test.", Say::Records(vec![a("10.0.0.1")])),
        ("v6.test.", Say::Records(vec![RData::AAAA(AAAA("fd00::1".parse().unwrap()))])),
        ("mail.test.", Say::Records(vec![RData::MX(MX::new(10, name("mx.test.")))])),
        ("zone.test.", Say::Records(vec![RData::NS(NS(name("ns.test.")))])),
    ])
    .await;
    let full = |address, dns_name, srv, srv_port, mx, ns| {
        labels([
            ("__address__", address),
            ("__meta_dns_mx_record_target", mx),
            ("__meta_dns_name", dns_name),
            ("__meta_dns_ns_record_target", ns),
            ("__meta_dns_srv_record_port", srv_port),
            ("__meta_dns_srv_record_target", srv),
        ])
    };
    for (config, expected) in [
        (
            mk_dns(&["_http._tcp.x.test"], DnsRecordType::Srv, 0),
            full("One.x.test:8080", "_http._tcp.x.test", "One.x.test.", "8080", "", ""),
        ),
        (mk_dns(&["v4.test"], DnsRecordType::A, 9100), full("10.0.0.1:9100", "v4.test", "", "", "", "")),
        (mk_dns(&["v6.test"], DnsRecordType::Aaaa, 9100), full("[fd00::1]:9100", "v6.test", "", "", "", "")),
        (mk_dns(&["mail.test"], DnsRecordType::Mx, 25), full("mx.test:25", "mail.test", "", "", "mx.test.", "")),
        (mk_dns(&["zone.test"], DnsRecordType::Ns, 53), full("ns.test:53", "zone.test", "", "", "", "ns.test.")),
    ] {
        let discovery = start(&[&server], &[], config);
        discovery.sink.until("a synced", |told| told.is_synced("a")).await;
        discovery.sink.read(|told| assert_eq!(told.targets("a"), [expected]));
        assert_eq!(
            discovery.sink.read(|told| told.sources("a")),
            [discovery.sink.read(|t| t.targets("a")[0]["__meta_dns_name"].clone())]
        );
    }
}

#[tokio::test]
async fn a_name_that_is_gone_is_emptied_and_one_that_cannot_be_asked_about_stays() {
    let server = NameServer::start([
        ("one.test.", Say::Records(vec![a("10.0.0.1")])),
        ("two.test.", Say::Records(vec![a("10.0.0.2")])),
    ])
    .await;
    let discovery = start(&[&server], &[], mk_dns(&["one.test", "two.test"], DnsRecordType::A, 1));
    discovery.sink.until_addresses("a", &["10.0.0.1:1", "10.0.0.2:1"]).await;
    for (say, error) in [
        (Say::Code(ResponseCode::ServFail), "Server Failure"),
        (Say::Nothing, "timed out"),
        (Say::Code(ResponseCode::Refused), "Refused"),
        (Say::Garbage, "timed out"), // passed over while the right answer may still come
        (Say::Endless, "truncated over TCP"),
    ] {
        server.say("one.test.", say);
        discovery.until_error(error).await;
        discovery.sink.read(|told| assert_eq!(told.addresses("a").len(), 2));
    }
    assert!(discovery.status.counters.dns_lookup_failures.load(Ordering::Relaxed) >= 5);

    server.say("one.test.", Say::Code(ResponseCode::NXDomain));
    discovery.sink.until_addresses("a", &["10.0.0.2:1"]).await;
    server.say("two.test.", Say::Records(vec![]));
    discovery.sink.until_addresses("a", &[]).await;
    server.say("two.test.", Say::Long((1..=200).map(|n| a(&format!("10.0.1.{n}"))).collect()));
    discovery.sink.until("a long answer", |told| told.addresses("a").len() == 200).await;
    server.say("two.test.", Say::Forged(vec![a("10.0.0.9")]));
    discovery.sink.until_addresses("a", &["10.0.0.9:1"]).await;
    until("recovered", || discovery.provider().consecutive_failures == 0).await;
}

#[tokio::test]
async fn the_search_list_is_walked_until_a_name_exists() {
    let server = NameServer::start([
        ("web.two.test.", Say::Records(vec![a("10.0.0.2")])),
        ("web.", Say::Records(vec![a("10.0.0.3")])),
    ])
    .await;
    let config = || mk_dns(&["web"], DnsRecordType::A, 1);
    let discovery = start(&[&server], &["one.test", "two.test"], config());
    discovery.sink.until_addresses("a", &["10.0.0.2:1"]).await;
    let asked: Vec<String> = server.asked.lock().unwrap().iter().take(2).map(|(name, _)| name.clone()).collect();
    assert_eq!(asked, ["web.one.test.", "web.two.test."]);

    // it exists, without an address: that is the answer
    server.say("web.one.test.", Say::Records(vec![]));
    discovery.sink.until_addresses("a", &[]).await;
    // one candidate cannot be asked about, another answers
    server.say("web.one.test.", Say::Code(ResponseCode::ServFail));
    discovery.sink.until_addresses("a", &["10.0.0.2:1"]).await;
    // one cannot be asked about, no other exists: nobody knows
    server.say("web.two.test.", Say::Code(ResponseCode::NXDomain));
    server.say("web.", Say::Code(ResponseCode::NXDomain));
    discovery.until_error("web: no viable answer").await;
    discovery.sink.read(|told| assert_eq!(told.addresses("a").len(), 1));
}

#[tokio::test]
async fn the_next_server_is_asked_if_one_does_not_answer() {
    let silent = NameServer::start([("x.test.", Say::Nothing)]).await;
    let broken = NameServer::start([("x.test.", Say::Code(ResponseCode::ServFail))]).await;
    let good = NameServer::start([("x.test.", Say::Records(vec![a("10.0.0.1")]))]).await;
    let discovery = start(&[&silent, &broken, &good], &[], mk_dns(&["x.test"], DnsRecordType::A, 1));
    discovery.sink.until_addresses("a", &["10.0.0.1:1"]).await;
    assert_eq!(discovery.provider().refresh_failures, 0);
}

#[tokio::test]
async fn without_an_answer_at_the_start_the_job_is_unsynced() {
    let server = NameServer::start([("x.test.", Say::Code(ResponseCode::ServFail))]).await;
    let discovery = start(&[&server], &[], mk_dns(&["x.test"], DnsRecordType::A, 1));
    until("several tries", || discovery.status.providers().iter().any(|view| view.consecutive_failures > 5)).await;
    discovery.sink.read(|told| assert!(told.synced.is_empty()));
    server.say("x.test.", Say::Code(ResponseCode::NXDomain));
    discovery.sink.until("a synced", |told| told.is_synced("a")).await;

    let nobody = start(&[], &[], mk_dns(&["x.test"], DnsRecordType::A, 1));
    nobody.until_error("resolv.conf names no server").await;
    let unreadable = Discovery::start_with(vec![("a", vec![mk_dns(&["x.test"], DnsRecordType::A, 1)])], |sources| {
        sources.resolv_conf = ResolvConfLoader::file("/nonexistent/resolv.conf");
    });
    unreadable.until_error("cannot read the resolver configuration").await;
}
