//! `basic_auth`, `authorization` and `http_headers`: what a request carries, read anew for each.

use std::path::Path;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use ta_model::scrape_config::HttpClientConfig;

use super::HttpClientError;
use super::signature::base64;

/// Headers that never cross to another domain (Go: net/http `shouldCopyHeaderOnRedirect`).
const SENSITIVE: [&str; 6] =
    ["authorization", "www-authenticate", "cookie", "cookie2", "proxy-authorization", "proxy-authenticate"];

/// Refuses what can never work.
pub(super) fn check(config: &HttpClientConfig) -> Result<(), HttpClientError> {
    if let Some(basic) = &config.basic_auth {
        refuse_ref("basic_auth.username_ref", &basic.username_ref)?;
        refuse_ref("basic_auth.password_ref", &basic.password_ref)?;
    }
    if let Some(authorization) = &config.authorization {
        refuse_ref("authorization.credentials_ref", &authorization.credentials_ref)?;
    }
    for name in config.http_headers.keys() {
        header_name(name)?;
    }
    Ok(())
}

pub(super) fn refuse_ref(key: &'static str, value: &str) -> Result<(), HttpClientError> {
    if value.is_empty() { Ok(()) } else { Err(HttpClientError::SecretRef(key)) }
}

/// The `Authorization` value of `basic_auth` or `authorization`.
pub(super) async fn authorization(config: &HttpClientConfig) -> Result<Option<HeaderValue>, HttpClientError> {
    if let Some(basic) = &config.basic_auth {
        let user = inline_or_file("basic auth username", &basic.username, &basic.username_file).await?;
        let password = inline_or_file("basic auth password", basic.password.reveal(), &basic.password_file).await?;
        return basic_header(&user, &password).map(Some);
    }
    let Some(authorization) = &config.authorization else { return Ok(None) };
    let credentials = authorization.credentials.reveal();
    let credentials = inline_or_file("authorization credentials", credentials, &authorization.credentials_file).await?;
    let scheme = if authorization.scheme.is_empty() { "Bearer" } else { &authorization.scheme };
    secret_header("authorization", &format!("{scheme} {credentials}")).map(Some)
}

/// Adds `http_headers`; to another domain (`trusted` false) only what is neither secret nor sensitive.
pub(super) async fn add_headers(
    config: &HttpClientConfig,
    trusted: bool,
    headers: &mut HeaderMap,
) -> Result<(), HttpClientError> {
    for (name, header) in &config.http_headers {
        let key = header_name(name)?;
        let secret = !header.secrets.is_empty() || !header.files.is_empty() || SENSITIVE.contains(&key.as_str());
        if secret && !trusted {
            continue;
        }
        for value in &header.values {
            headers.append(&key, secret_header(name, value)?);
        }
        for value in &header.secrets {
            headers.append(&key, secret_header(name, value.reveal())?);
        }
        for file in &header.files {
            headers.append(&key, secret_header(name, &trimmed("http_headers", file).await?)?);
        }
    }
    Ok(())
}

fn header_name(name: &str) -> Result<HeaderName, HttpClientError> {
    name.parse().map_err(|_| HttpClientError::HeaderValue(format!("http_headers name {name:?}")))
}

pub(super) fn basic_header(user: &str, password: &str) -> Result<HeaderValue, HttpClientError> {
    secret_header("basic_auth", &format!("Basic {}", base64(format!("{user}:{password}").as_bytes())))
}

/// A header value that no log shows.
pub(super) fn secret_header(what: &str, value: &str) -> Result<HeaderValue, HttpClientError> {
    let mut value = HeaderValue::from_str(value).or_else(|_| HeaderValue::from_bytes(value.as_bytes()));
    if let Ok(value) = &mut value {
        value.set_sensitive(true);
    }
    value.map_err(|_| HttpClientError::HeaderValue(what.to_owned()))
}

pub(super) async fn inline_or_file(what: &'static str, inline: &str, file: &str) -> Result<String, HttpClientError> {
    if !inline.is_empty() || file.is_empty() { Ok(inline.to_owned()) } else { trimmed(what, file).await }
}

/// A secret file's text without the white space around it.
async fn trimmed(what: &'static str, file: &str) -> Result<String, HttpClientError> {
    let bytes = read_file(what, file).await?;
    let text = String::from_utf8(bytes).map_err(|_| HttpClientError::HeaderValue(format!("{what} file {file}")))?;
    Ok(text.trim().to_owned())
}

pub(super) async fn read_file(what: &'static str, path: &str) -> Result<Vec<u8>, HttpClientError> {
    let path = Path::new(path);
    tokio::fs::read(path).await.map_err(|source| HttpClientError::ReadFile { what, path: path.to_owned(), source })
}
