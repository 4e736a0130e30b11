//! `/etc/resolv.conf`, read anew for every refresh.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where and how to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvConf {
    /// Asked in this order until one has an answer.
    pub servers: Vec<SocketAddr>,
    /// Domains that a name with fewer than `ndots` dots is tried in first.
    pub search: Vec<String>,
    pub ndots: usize,
    /// For one exchange with one server. Not from the file: Prometheus' DNS client waits two seconds.
    pub timeout: Duration,
}

impl ResolvConf {
    /// The names to try for `name`, all absolute, in order (miekg/dns: `ClientConfig.NameList`).
    #[must_use]
    pub fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        // miekg counts labels, not dots: `a.b` passes `ndots:1`
        let enough = name.split('.').count() > self.ndots;
        let domains = self.search.iter().map(|domain| domain.trim_matches('.')).filter(|domain| !domain.is_empty());
        let searched = domains.map(|domain| format!("{name}.{domain}."));
        let absolute = format!("{name}.");
        if enough {
            std::iter::once(absolute).chain(searched).collect()
        } else {
            searched.chain(std::iter::once(absolute)).collect()
        }
    }
}

/// Reads the resolver configuration. Tests give their own servers.
#[derive(Clone)]
pub struct ResolvConfLoader(Arc<dyn Fn() -> io::Result<ResolvConf> + Send + Sync>);

impl fmt::Debug for ResolvConfLoader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResolvConfLoader")
    }
}

impl ResolvConfLoader {
    /// From `/etc/resolv.conf`.
    #[must_use]
    pub fn system() -> Self {
        Self::file("/etc/resolv.conf")
    }

    /// From the file at `path`.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self(Arc::new(move || Ok(parse_resolv_conf(&std::fs::read_to_string(&path)?))))
    }

    /// Always `conf`.
    #[must_use]
    pub fn fixed(conf: ResolvConf) -> Self {
        Self(Arc::new(move || Ok(conf.clone())))
    }

    pub(crate) fn load(&self) -> io::Result<ResolvConf> {
        (self.0)()
    }
}

/// Parses a `resolv.conf`; unknown and malformed lines are passed over. The last `search` or `domain` counts.
#[must_use]
pub fn parse_resolv_conf(text: &str) -> ResolvConf {
    let mut conf = ResolvConf { servers: Vec::new(), search: Vec::new(), ndots: 1, timeout: Duration::from_secs(2) };
    for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => conf.servers.extend(words.next().and_then(server)),
            Some("domain") => conf.search = words.next().map(str::to_owned).into_iter().collect(),
            Some("search") => conf.search = words.map(str::to_owned).collect(),
            Some("options") => {
                let ndots =
                    words.filter_map(|word| word.strip_prefix("ndots:")).filter_map(|n| n.parse().ok()).next_back();
                conf.ndots = ndots.unwrap_or(conf.ndots).min(15);
            }
            _ => {}
        }
    }
    conf
}

/// A name server; the zone of a link-local IPv6 address is kept if it is a number.
fn server(text: &str) -> Option<SocketAddr> {
    if let Some((address, zone)) = text.split_once('%') {
        let zone = zone.parse().unwrap_or(0);
        return Some(std::net::SocketAddrV6::new(address.parse().ok()?, 53, 0, zone).into());
    }
    text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_kubernetes_writes() {
        let conf = parse_resolv_conf(
            "# comment\nsearch ns.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\nnameserver fe80::1%2\n\
             nameserver nonsense\noptions timeout:1 ndots:5\n",
        );
        assert_eq!(conf.servers, ["10.96.0.10:53".parse().unwrap(), "[fe80::1%2]:53".parse().unwrap()]);
        assert_eq!((conf.search.len(), conf.ndots), (2, 5));
    }

    #[test]
    fn candidates_follow_ndots() {
        let mut conf = parse_resolv_conf("search one. . two\noptions ndots:2");
        assert_eq!(conf.candidates("a.b."), ["a.b."]);
        assert_eq!(conf.candidates("a"), ["a.one.", "a.two.", "a."]);
        assert_eq!(conf.candidates("a.b.c"), ["a.b.c.", "a.b.c.one.", "a.b.c.two."]);
        conf.search.clear();
        assert_eq!(conf.candidates("a"), ["a."]);
    }
}
