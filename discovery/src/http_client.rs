//! HTTP clients as scrape configs describe them (prometheus/common: `config/http_config.go`).
//!
//! Nothing that can change on disk is kept: credential files are read for every request, TLS files too, and the
//! connection pool is thrown away only when their content changed.

mod credentials;
mod oauth2;
mod proxy;
mod redirect;
mod signature;
mod tls;
mod transport;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Response, StatusCode};
use ta_model::scrape_config::HttpClientConfig;
use url::Url;

use oauth2::OAuth2Source;
use transport::Transport;

pub use proxy::ProxyEnvironment;

/// Why a client could not be made, or a request not be answered. No message shows a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpClientError {
    /// `*_ref` keys need a secret manager, which neither this program nor Prometheus has.
    #[error("cannot use secret ref without manager: {0} names one; use the inline key or the file key instead")]
    SecretRef(&'static str),
    #[error("unable to read {what} file {path}: {source}")]
    ReadFile { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("tls_config: {0}")]
    Tls(String),
    #[error("proxy: {0}")]
    Proxy(String),
    #[error("oauth2: {0}")]
    OAuth2(String),
    #[error("{0} holds bytes that no header may carry")]
    HeaderValue(String),
    #[error("unable to build the client: {0}")]
    Build(String),
    #[error("request to {url} failed: {cause}")]
    Request { url: String, cause: String },
    #[error("stopped after {} redirects", redirect::MAX_REQUESTS)]
    TooManyRedirects,
    #[error("redirected to {location:?}, which is no http or https URL")]
    BadRedirect { location: String },
}

/// Checks everything about `config` that needs no file and no network: what is refused here can never work.
pub fn check_http_client(config: &HttpClientConfig) -> Result<(), HttpClientError> {
    credentials::check(config)?;
    transport::check(&config.tls, &config.proxy)?;
    config.oauth2.as_deref().map_or(Ok(()), oauth2::check)
}

/// A client for GET requests, made from the HTTP client keys of one config.
#[derive(Debug)]
pub struct HttpClient {
    config: Arc<HttpClientConfig>,
    transport: Transport,
    oauth2: Option<OAuth2Source>,
}

impl HttpClient {
    /// A client for `config`. Opens nothing: files are read and connections made by requests.
    pub fn new(config: Arc<HttpClientConfig>, environment: &ProxyEnvironment) -> Result<Self, HttpClientError> {
        check_http_client(&config)?;
        let transport = Transport::new(&config.tls, &config.proxy, config.enable_http2, environment)?;
        let oauth2 = match config.oauth2.as_deref() {
            Some(oauth2) => Some(OAuth2Source::new(oauth2.clone(), environment)?),
            None => None,
        };
        Ok(Self { config, transport, oauth2 })
    }

    /// Asks for `url` with `headers` and what the config adds; follows redirects if the config says so.
    ///
    /// Credentials and secret headers stay behind for good once a redirect leaves the domain of `url`; its subdomains
    /// still get them.
    pub async fn get(&self, url: &Url, headers: &HeaderMap) -> Result<Response, HttpClientError> {
        let mut at = url.clone();
        let mut trusted = true;
        for _ in 0..redirect::MAX_REQUESTS {
            let response = self.get_once(&at, headers, trusted).await?;
            if !self.config.follow_redirects {
                return Ok(response);
            }
            match redirect::next(&response, &at)? {
                None => return Ok(response),
                Some(next) => at = next,
            }
            trusted &= redirect::same_domain(&at, url);
        }
        Err(HttpClientError::TooManyRedirects)
    }

    async fn get_once(&self, url: &Url, headers: &HeaderMap, trusted: bool) -> Result<Response, HttpClientError> {
        let client = self.transport.client().await?;
        let mut headers = headers.clone();
        credentials::add_headers(&self.config, trusted, &mut headers).await?;
        if trusted {
            self.authorize(url, &mut headers).await?;
        }
        let answer = client.get(url.clone()).headers(headers).send().await;
        let answer = answer.map_err(|error| request_error(url, error))?;
        if answer.status() == StatusCode::UNAUTHORIZED
            && let Some(oauth2) = &self.oauth2
        {
            oauth2.forget().await; // revoked before its time: the next refresh asks for a new one
        }
        Ok(answer)
    }

    /// Adds `Authorization`, unless the request has one or its URL carries user and password (Go lets the URL win).
    async fn authorize(&self, url: &Url, headers: &mut HeaderMap) -> Result<(), HttpClientError> {
        if headers.contains_key(AUTHORIZATION) || !url.username().is_empty() || url.password().is_some() {
            return Ok(());
        }
        let value = match &self.oauth2 {
            Some(oauth2) => Some(oauth2.authorization(headers).await?),
            None => credentials::authorization(&self.config).await?,
        };
        if let Some(value) = value {
            headers.insert(AUTHORIZATION, value);
        }
        Ok(())
    }
}

/// A URL as it may be shown: without user and password.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    if url.set_username("").and_then(|()| url.set_password(None)).is_err() {
        return "(an opaque URL)".to_owned();
    }
    url.into()
}

pub(crate) fn request_error(url: &Url, error: reqwest::Error) -> HttpClientError {
    HttpClientError::Request { url: shown(url), cause: chain(&error.without_url()) }
}

/// An error with all its causes, which `reqwest` and `rustls` leave out of their own text.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
