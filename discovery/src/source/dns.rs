//! `dns_sd_configs` (Prometheus: `discovery/dns/dns.go`).

mod resolv_conf;
mod resolve;

use std::sync::Arc;

use futures::future::join_all;
use hickory_proto::rr::{RData, Record, RecordType};
use ta_model::group::{GroupBuilder, TargetGroup};
use ta_model::scrape_config::{DnsRecordType, DnsSdConfig};
use tokio_util::sync::CancellationToken;

use super::poll::{Refresh, Refreshed, Rhythm, poll};
use super::{Deliver, SourceError, StandardSources};
use crate::status::count;

pub use resolv_conf::{ResolvConf, ResolvConfLoader, parse_resolv_conf};

/// Looks all names up at start and every interval; a name that cannot be looked up keeps its group.
pub(super) async fn run(
    config: DnsSdConfig,
    context: StandardSources,
    deliver: Deliver,
    cancel: CancellationToken,
) -> Result<(), SourceError> {
    let rhythm = Rhythm { interval: config.refresh_interval.to_std(), first_retry: context.settings.first_retry };
    let names = config.names.iter().map(|name| name.as_str().into()).collect();
    let resolver = Resolver { names, config, builder: GroupBuilder::new(), context };
    poll(resolver, rhythm, &deliver, &cancel).await
}

struct Resolver {
    names: Vec<Arc<str>>,
    config: DnsSdConfig,
    builder: GroupBuilder,
    context: StandardSources,
}

impl Refresh for Resolver {
    async fn refresh(&mut self) -> Refreshed {
        let conf = match self.context.resolv_conf.load() {
            Ok(conf) => conf,
            Err(error) => return Refreshed::failed(format!("cannot read the resolver configuration: {error}")),
        };
        let counters = &self.context.status.counters;
        let kind = record_type(self.config.record_type);
        let answers = join_all(self.names.iter().map(|name| resolve::look_up(&conf, name, kind))).await;
        let mut refreshed = Refreshed::default();
        for (name, answer) in self.names.iter().zip(answers) {
            count(&counters.dns_lookups);
            match answer {
                Ok(records) => {
                    let group = build(&mut self.builder, name, self.config.port, &records);
                    refreshed.groups.push((name.clone(), Arc::new(group)));
                    refreshed.answered += 1;
                }
                Err(error) => {
                    count(&counters.dns_lookup_failures);
                    refreshed.errors.push(format!("{name}: {error}"));
                }
            }
        }
        refreshed
    }
}

fn record_type(config: DnsRecordType) -> RecordType {
    match config {
        DnsRecordType::Srv => RecordType::SRV,
        DnsRecordType::A => RecordType::A,
        DnsRecordType::Aaaa => RecordType::AAAA,
        DnsRecordType::Mx => RecordType::MX,
        DnsRecordType::Ns => RecordType::NS,
    }
}

/// What the labels of one target say; what does not apply is empty but there.
#[derive(Default)]
struct Found {
    address: String,
    srv_target: String,
    srv_port: String,
    mx_target: String,
    ns_target: String,
}

fn build(builder: &mut GroupBuilder, name: &str, port: u16, records: &[Record]) -> TargetGroup {
    builder.begin();
    for record in records {
        let Some(found) = found(&record.data, port) else {
            if !matches!(record.data, RData::CNAME(_)) {
                tracing::debug!(name, kind = %record.record_type(), "DNS record of a kind that makes no target");
            }
            continue;
        };
        builder.begin_target();
        builder.target_label("__address__", &found.address);
        builder.target_label("__meta_dns_name", name);
        builder.target_label("__meta_dns_srv_record_target", &found.srv_target);
        builder.target_label("__meta_dns_srv_record_port", &found.srv_port);
        builder.target_label("__meta_dns_mx_record_target", &found.mx_target);
        builder.target_label("__meta_dns_ns_record_target", &found.ns_target);
    }
    builder.finish()
}

fn found(data: &RData, port: u16) -> Option<Found> {
    let host_port = |host: &str, port: u16| format!("{}:{port}", host.trim_end_matches('.'));
    Some(match data {
        RData::SRV(srv) => {
            let target = srv.target.to_ascii();
            Found {
                address: host_port(&target, srv.port),
                srv_port: srv.port.to_string(),
                srv_target: target,
                ..Found::default()
            }
        }
        RData::MX(mx) => {
            let target = mx.exchange.to_ascii();
            Found { address: host_port(&target, port), mx_target: target, ..Found::default() }
        }
        RData::NS(ns) => {
            let target = ns.0.to_ascii();
            Found { address: host_port(&target, port), ns_target: target, ..Found::default() }
        }
        RData::A(ip) => Found { address: format!("{}:{port}", ip.0), ..Found::default() },
        RData::AAAA(ip) => Found { address: format!("[{}]:{port}", ip.0), ..Found::default() },
        _ => return None,
    })
}
