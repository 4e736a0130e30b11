//! The guard against pointing a load tool at somebody else's machine by accident.

use std::net::SocketAddr;

use url::Url;

/// Why an endpoint is not used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Not a URL this tool can speak to.
    #[error("endpoint {endpoint:?}: {why}; give an absolute URL such as http://127.0.0.1:8080")]
    Unusable {
        /// As given.
        endpoint: String,
        /// What is wrong.
        why: String,
    },
    /// Not this machine.
    #[error(
        "refusing to put load on {address}, which is not this machine; if you run that allocator and mean it, add \
         --allow-remote"
    )]
    Remote {
        /// What the endpoint resolved to.
        address: SocketAddr,
    },
}

/// A resolved allocator address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where to connect.
    pub address: SocketAddr,
    /// `Host` header.
    pub authority: String,
    /// What stands before `/scrape_configs`: the endpoint is a string prefix, so a trailing slash stays.
    pub prefix: String,
}

impl From<SocketAddr> for Endpoint {
    /// `http://address`.
    fn from(address: SocketAddr) -> Self {
        Endpoint { address, authority: address.to_string(), prefix: String::new() }
    }
}

/// Resolves `http://host:port[/prefix]`, or `https://…`.
///
/// # Errors
/// Not an absolute URL of these, an unknown host, or a remote one without `allow_remote`.
pub fn resolve(endpoint: &str, allow_remote: bool) -> Result<Endpoint, EndpointError> {
    let unusable = |why: String| EndpointError::Unusable { endpoint: endpoint.to_owned(), why };
    let url = Url::parse(endpoint).map_err(|error| unusable(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(unusable(format!("scheme {} is not supported", url.scheme())));
    }
    let addresses = url.socket_addrs(|| None).map_err(|error| unusable(error.to_string()))?;
    let address = *addresses.first().ok_or_else(|| unusable("host has no address".to_owned()))?;
    if let Some(address) = addresses.into_iter().find(|a| !a.ip().is_loopback()).filter(|_| !allow_remote) {
        return Err(EndpointError::Remote { address });
    }
    let authority = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
    let rest = endpoint.find("://").map_or("", |at| &endpoint[at + 3..]);
    let prefix = rest.find('/').map_or(String::new(), |at| rest[at..].to_owned());
    Ok(Endpoint { address, authority, prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_taken_and_the_prefix_is_literal() {
        let endpoint = resolve("http://127.0.0.1:8080", false).unwrap();
        assert_eq!((endpoint.authority.as_str(), endpoint.prefix.as_str()), ("127.0.0.1:8080", ""));
        assert_eq!(resolve("http://127.0.0.1:8080/", false).unwrap().prefix, "/");
        assert_eq!(resolve("http://[::1]:80/a/b", false).unwrap().prefix, "/a/b");
    }

    #[test]
    fn another_machine_needs_the_flag() {
        let refusal = resolve("http://192.0.2.7:8080", false).unwrap_err();
        assert!(refusal.to_string().contains("--allow-remote"), "{refusal}");
        assert!(resolve("http://192.0.2.7:8080", true).is_ok());
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        for endpoint in ["", "127.0.0.1:8080", "ftp://127.0.0.1", "http://"] {
            assert!(matches!(resolve(endpoint, true), Err(EndpointError::Unusable { .. })), "{endpoint}");
        }
    }
}
