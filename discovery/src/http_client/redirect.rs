//! Where an answer sends us, and whether credentials may go along (Go: `net/http/client.go`).

use reqwest::Response;
use reqwest::header::LOCATION;
use url::{Host, Url};

use super::HttpClientError;

/// Requests of one chain, the first included: Go stops after ten.
pub(super) const MAX_REQUESTS: usize = 10;

/// The URL that `response`, an answer to `from`, points to. A redirect without `Location` is a plain answer.
pub(super) fn next(response: &Response, from: &Url) -> Result<Option<Url>, HttpClientError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION).filter(|location| !location.is_empty()) else {
        return Ok(None);
    };
    let location = String::from_utf8_lossy(location.as_bytes());
    match from.join(&location) {
        Ok(next) if matches!(next.scheme(), "http" | "https") && next.has_host() => Ok(Some(next)),
        // only the start: a hostile server writes what it likes
        _ => Err(HttpClientError::BadRedirect { location: location.chars().take(120).collect() }),
    }
}

/// True if `url` is on the host of `origin` or on a subdomain of it; ports do not matter.
pub(super) fn same_domain(url: &Url, origin: &Url) -> bool {
    match (url.host(), origin.host()) {
        (Some(Host::Domain(host)), Some(Host::Domain(parent))) => {
            host == parent || host.strip_suffix(parent).is_some_and(|sub| sub.ends_with('.'))
        }
        (Some(host), Some(parent)) => host == parent,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subdomains_are_home_and_lookalikes_are_not() {
        let same = |url: &str, origin: &str| same_domain(&url.parse().unwrap(), &origin.parse().unwrap());
        assert!(same("http://a.example.com/", "https://example.com:8443/x"));
        assert!(same("http://example.com:1/", "http://example.com:2/"));
        assert!(!same("http://badexample.com/", "http://example.com/"));
        assert!(!same("http://example.com/", "http://a.example.com/"));
        assert!(same("http://127.0.0.1:1/", "http://127.0.0.1:2/"));
        assert!(!same("http://localhost/", "http://127.0.0.1/"));
        assert!(!same("http://1.127.0.0.1.example/", "http://127.0.0.1/"));
    }
}
