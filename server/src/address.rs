//! Addresses as Go writes them: `:8080`, `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::http;

/// Listens on `address`, which `flag` would change. Without a host: on every address, IPv6 and IPv4 where the machine has both.
///
/// # Errors
/// The address does not parse or resolve, is taken, not ours, or not allowed; the text names it and says what to do.
pub(crate) async fn listen(address: &str, flag: &str) -> anyhow::Result<TcpListener> {
    let mut last = None;
    for candidate in resolve(address).await.map_err(|error| explain(address, flag, &error))? {
        match http::bind(candidate) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(last.filter(is_taken).unwrap_or(error)),
        }
    }
    Err(explain(address, flag, &last.unwrap_or_else(|| io::Error::other("no address by that name"))))
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

async fn resolve(address: &str) -> io::Result<Vec<SocketAddr>> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "want host:port or :port");
    let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
    let port: u16 = port.parse().map_err(|_| invalid())?;
    if host.is_empty() {
        // a machine without IPv6 refuses the first
        return Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]);
    }
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

fn explain(address: &str, flag: &str, error: &io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "cannot listen on {address}: the address is already in use; stop the other process or set {flag}"
        ),
        io::ErrorKind::PermissionDenied => {
            anyhow::anyhow!("cannot listen on {address}: {error}; ports below 1024 need privileges, set {flag}")
        }
        _ => anyhow::anyhow!("cannot listen on {address}: {error}; set {flag}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn resolved(address: &str) -> Result<Vec<String>, String> {
        let found = resolve(address).await.map_err(|error| error.to_string())?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    #[tokio::test]
    async fn addresses_read_as_go_reads_them() {
        assert_eq!(resolved(":8080").await.unwrap(), ["[::]:8080", "0.0.0.0:8080"]);
        assert_eq!(resolved("127.0.0.1:1").await.unwrap(), ["127.0.0.1:1"]);
        assert_eq!(resolved("[::1]:1").await.unwrap(), ["[::1]:1"]);
        for address in ["", "8080", "127.0.0.1", ":http", ":99999"] {
            assert!(resolved(address).await.is_err(), "{address}");
        }
    }
}
