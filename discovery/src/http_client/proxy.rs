//! Which requests go through which proxy (Go: `golang.org/x/net/http/httpproxy`).

use std::net::IpAddr;
use std::sync::Arc;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use ta_model::scrape_config::ProxyConfig;
use url::{Host, Url};

use super::HttpClientError;

/// The proxy variables of the environment, read once at start.
#[derive(Clone, Default)]
pub struct ProxyEnvironment {
    http: String,
    https: String,
    no_proxy: String,
}

impl ProxyEnvironment {
    /// From `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, each in capitals or not, looked up by `get`.
    pub fn from_lookup(get: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            get(name).filter(|value| !value.is_empty()).or_else(|| get(&name.to_lowercase())).unwrap_or_default()
        };
        Self { http: either("HTTP_PROXY"), https: either("HTTPS_PROXY"), no_proxy: either("NO_PROXY") }
    }

    /// From the environment of this process.
    #[must_use]
    pub fn from_process() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
    }
}

impl std::fmt::Debug for ProxyEnvironment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // the URLs may hold passwords
        f.debug_struct("ProxyEnvironment").field("no_proxy", &self.no_proxy).finish_non_exhaustive()
    }
}

/// The proxy keys of one config, ready to be asked.
pub(super) struct ProxyRules {
    http: Option<Url>,
    https: Option<Url>,
    /// `None`: everything goes through the proxy, loopback too.
    no_proxy: Option<NoProxy>,
    connect_headers: HeaderMap,
}

impl std::fmt::Debug for ProxyRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProxyRules").field("no_proxy", &self.no_proxy).finish_non_exhaustive()
    }
}

impl ProxyRules {
    /// `None` if no request goes through a proxy.
    pub(super) fn new(config: &ProxyConfig, environment: &ProxyEnvironment) -> Result<Option<Self>, HttpClientError> {
        let connect_headers = connect_headers(config)?;
        if config.proxy_from_environment {
            let (http, https) = (proxy_url(&environment.http)?, proxy_url(&environment.https)?);
            let no_proxy = Some(NoProxy::parse(&environment.no_proxy));
            let any = http.is_some() || https.is_some();
            return Ok(any.then_some(Self { http, https, no_proxy, connect_headers }));
        }
        let Some(url) = proxy_url(config.proxy_url.reveal())? else { return Ok(None) };
        let no_proxy = (!config.no_proxy.is_empty()).then(|| NoProxy::parse(&config.no_proxy));
        Ok(Some(Self { http: Some(url.clone()), https: Some(url), no_proxy, connect_headers }))
    }

    /// As reqwest wants it: one for tunnels, which carry `proxy_connect_header`, and one for plain requests.
    pub(super) fn reqwest_proxies(&self) -> Vec<reqwest::Proxy> {
        let proxy = |scheme: &'static str, target: &Option<Url>| {
            let (target, no_proxy) = (target.clone(), Arc::new(self.no_proxy.clone()));
            reqwest::Proxy::custom(move |url| {
                let direct = url.scheme() != scheme || no_proxy.as_ref().as_ref().is_some_and(|no| no.matches(url));
                if direct { None } else { target.clone() }
            })
        };
        let tunnels = proxy("https", &self.https);
        let tunnels =
            if self.connect_headers.is_empty() { tunnels } else { tunnels.headers(self.connect_headers.clone()) };
        vec![proxy("http", &self.http), tunnels]
    }
}

fn connect_headers(config: &ProxyConfig) -> Result<HeaderMap, HttpClientError> {
    let bad = |name: &str| HttpClientError::HeaderValue(format!("proxy_connect_header {name:?}"));
    let mut headers = HeaderMap::new();
    for (name, values) in &config.proxy_connect_header {
        let key: HeaderName = name.parse().map_err(|_| bad(name))?;
        for value in values {
            let mut value = HeaderValue::from_bytes(value.reveal().as_bytes()).map_err(|_| bad(name))?;
            value.set_sensitive(true);
            headers.append(&key, value);
        }
    }
    Ok(headers)
}

/// A proxy URL; a bare `host:port` means `http://`.
fn proxy_url(text: &str) -> Result<Option<Url>, HttpClientError> {
    if text.is_empty() {
        return Ok(None);
    }
    let known = |url: &Url| matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") && url.has_host();
    let parsed = text.parse::<Url>().ok().filter(known);
    let parsed = parsed.or_else(|| format!("http://{text}").parse::<Url>().ok().filter(|_| !text.contains("://")));
    match parsed {
        Some(url) => Ok(Some(url)),
        // the text may hold a password, so it is not shown
        None => Err(HttpClientError::Proxy("proxy_url is no http, https, socks5 or socks5h URL".to_owned())),
    }
}

/// A parsed `no_proxy` list.
#[derive(Clone, Debug, Default)]
pub(super) struct NoProxy {
    all: bool,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
enum Rule {
    Ip(IpAddr, Option<u16>),
    Network(IpAddr, u32),
    /// `.example.com`; `exact` if `example.com` itself matches too.
    Domain {
        suffix: String,
        exact: bool,
        port: Option<u16>,
    },
}

impl NoProxy {
    pub(super) fn parse(list: &str) -> Self {
        let mut no_proxy = Self::default();
        for entry in list.split(',').map(|entry| entry.trim().to_lowercase()).filter(|entry| !entry.is_empty()) {
            if entry == "*" {
                return Self { all: true, rules: Vec::new() };
            }
            no_proxy.rules.extend(Rule::parse(&entry));
        }
        no_proxy
    }

    /// True if `url` is reached directly. Loopback always is.
    pub(super) fn matches(&self, url: &Url) -> bool {
        let port = url.port_or_known_default();
        let (domain, ip) = match url.host() {
            Some(Host::Domain(domain)) => (domain.trim_end_matches('.').to_lowercase(), None),
            Some(Host::Ipv4(ip)) => (ip.to_string(), Some(IpAddr::from(ip))),
            Some(Host::Ipv6(ip)) => (ip.to_string(), Some(IpAddr::from(ip))),
            None => return true,
        };
        let loopback = domain == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
        self.all || loopback || self.rules.iter().any(|rule| rule.matches(&domain, ip, port))
    }
}

impl Rule {
    fn parse(entry: &str) -> Option<Self> {
        if let Some((address, bits)) = entry.split_once('/')
            && let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), bits.parse::<u32>())
        {
            let widest = if address.is_ipv4() { 32 } else { 128 };
            return (bits <= widest).then_some(Self::Network(address, bits));
        }
        let (host, port) = split_port(entry);
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = host.parse() {
            return Some(Self::Ip(ip, port));
        }
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        if host.is_empty() {
            return None;
        }
        let exact = !host.starts_with('.');
        let suffix = if exact { format!(".{host}") } else { host.to_owned() };
        Some(Self::Domain { suffix, exact, port })
    }

    fn matches(&self, domain: &str, ip: Option<IpAddr>, port: Option<u16>) -> bool {
        match self {
            Self::Ip(rule, rule_port) => ip == Some(*rule) && (rule_port.is_none() || *rule_port == port),
            Self::Network(network, bits) => ip.is_some_and(|ip| in_network(ip, *network, *bits)),
            Self::Domain { suffix, exact, port: rule_port } => {
                (domain.ends_with(suffix.as_str()) || *exact && domain == &suffix[1..])
                    && (rule_port.is_none() || *rule_port == port)
            }
        }
    }
}

/// Splits `host:port`; an IPv6 address without brackets has no port.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

fn in_network(ip: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            ip.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            ip.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ta_model::Secret;

    fn direct(no_proxy: &str, url: &str) -> bool {
        NoProxy::parse(no_proxy).matches(&url.parse().unwrap())
    }

    #[test]
    fn no_proxy_reads_names_addresses_networks_and_ports_as_go_does() {
        for (list, url) in [
            ("", "http://localhost:1/"),
            ("", "http://127.0.0.9/"),
            ("", "http://[::1]/"),
            ("*", "http://anything/"),
            ("example.com", "http://example.com/"),
            ("example.com", "http://a.example.com/"),
            (" EXAMPLE.com , x", "http://a.example.com/"),
            (".example.com", "http://a.example.com/"),
            ("*.example.com", "http://a.example.com/"),
            ("example.com:8080", "http://example.com:8080/"),
            ("example.com:80", "http://example.com/"),
            ("10.0.0.0/8", "http://10.1.2.3/"),
            ("10.0.0.1:90", "http://10.0.0.1:90/"),
            ("fd00::/8", "http://[fd12::1]/"),
            ("[fd12::1]:80", "http://[fd12::1]/"),
            ("fd12::1", "http://[fd12::1]:9/"),
            ("0.0.0.0/0", "http://8.8.8.8/"),
        ] {
            assert!(direct(list, url), "{list:?} should cover {url}");
        }
        for (list, url) in [
            ("", "http://example.com/"),
            (".example.com", "http://example.com/"),
            ("*.example.com", "http://example.com/"),
            ("example.com", "http://badexample.com/"),
            ("example.com:8080", "http://example.com/"),
            ("10.0.0.0/8", "http://11.1.2.3/"),
            ("10.0.0.1", "http://10.0.0.2/"),
            ("10.0.0.0/99", "http://10.0.0.0/"),
            ("fd00::/8", "http://10.0.0.1/"),
        ] {
            assert!(!direct(list, url), "{list:?} should not cover {url}");
        }
    }

    #[test]
    fn the_environment_prefers_capitals() {
        let environment = ProxyEnvironment::from_lookup(|name| match name {
            "HTTP_PROXY" => Some("capital:1".to_owned()),
            "http_proxy" => Some("small:1".to_owned()),
            "https_proxy" => Some("http://small:2".to_owned()),
            _ => None,
        });
        let config = ProxyConfig { proxy_from_environment: true, ..ProxyConfig::default() };
        let rules = ProxyRules::new(&config, &environment).unwrap().unwrap();
        assert_eq!(rules.http.unwrap().as_str(), "http://capital:1/");
        assert_eq!(rules.https.unwrap().as_str(), "http://small:2/");
    }

    #[test]
    fn a_bad_proxy_url_is_refused_without_showing_it() {
        let config = ProxyConfig { proxy_url: Secret::new("ftp://user:hunter2@x/"), ..ProxyConfig::default() };
        let error = ProxyRules::new(&config, &ProxyEnvironment::default()).unwrap_err().to_string();
        assert!(error.contains("socks5") && !error.contains("hunter2"), "{error}");
    }
}
