//! `oauth2`: tokens by client credentials or by a signed assertion (RFC 6749 section 4.4, RFC 7523), kept until they
//! run out. The token server has TLS and proxy settings of its own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use ta_model::scrape_config::OAuth2;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::credentials::{basic_header, inline_or_file, refuse_ref, secret_header};
use super::proxy::ProxyEnvironment;
use super::signature::{random_uuid, sign_jwt};
use super::transport::{self, Transport};
use super::{HttpClientError, request_error, tls};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// A token is renewed this long before it runs out (golang.org/x/oauth2: token.go).
const EARLY: Duration = Duration::from_secs(10);
/// Longest answer of a token server that is read; the same bound as Go's.
const MAX_ANSWER: usize = 1 << 20;
/// How long an assertion is good for.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(600);

/// Refuses what can never work.
pub(super) fn check(config: &OAuth2) -> Result<(), HttpClientError> {
    refuse_ref("oauth2.client_secret_ref", &config.client_secret_ref)?;
    refuse_ref("oauth2.client_certificate_key_ref", &config.client_certificate_key_ref)?;
    transport::check(&config.tls, &config.proxy)?;
    match config.grant_type.as_str() {
        "" | "client_credentials" | JWT_BEARER => {}
        other => return Err(failed(format!("grant_type {other:?} is not known"))),
    }
    token_url(config).map(|_| ())
}

/// Gets and keeps the token of one config.
#[derive(Debug)]
pub(super) struct OAuth2Source {
    config: OAuth2,
    token_url: Url,
    transport: Transport,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The secret the token was got with: another one means another token.
    secret: String,
    token: Option<Token>,
    /// How this token server wants the client to name itself, once known.
    in_header: Option<bool>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("has_token", &self.token.is_some()).finish_non_exhaustive()
    }
}

struct Token {
    authorization: HeaderValue,
    good_until: Option<Instant>,
}

impl OAuth2Source {
    pub(super) fn new(config: OAuth2, environment: &ProxyEnvironment) -> Result<Self, HttpClientError> {
        let transport = Transport::new(&config.tls, &config.proxy, true, environment)?;
        Ok(Self { token_url: token_url(&config)?, config, transport, state: Mutex::default() })
    }

    /// The `Authorization` value for a request with `headers`; asks the token server if the kept token ran out.
    pub(super) async fn authorization(&self, headers: &HeaderMap) -> Result<HeaderValue, HttpClientError> {
        let secret = self.secret().await?;
        let mut state = self.state.lock().await;
        let now = Instant::now();
        if let Some(token) = &state.token
            && state.secret == secret
            && token.good_until.is_none_or(|until| now < until)
        {
            return Ok(token.authorization.clone());
        }
        let token = self.fetch(&secret, headers.get(USER_AGENT), &mut state.in_header).await?;
        let authorization = token.authorization.clone();
        state.secret = secret;
        state.token = Some(token);
        Ok(authorization)
    }

    /// Drops the kept token.
    pub(super) async fn forget(&self) {
        self.state.lock().await.token = None;
    }

    fn is_assertion(&self) -> bool {
        self.config.grant_type == JWT_BEARER
    }

    async fn secret(&self) -> Result<String, HttpClientError> {
        let config = &self.config;
        if self.is_assertion() {
            let key = config.client_certificate_key.reveal();
            return inline_or_file("oauth2 client_certificate_key", key, &config.client_certificate_key_file).await;
        }
        inline_or_file("oauth2 client_secret", config.client_secret.reveal(), &config.client_secret_file).await
    }

    async fn fetch(
        &self,
        secret: &str,
        user_agent: Option<&HeaderValue>,
        in_header: &mut Option<bool>,
    ) -> Result<Token, HttpClientError> {
        if self.is_assertion() {
            let form = self.assertion_form(secret)?;
            return self.ask(&form, None, user_agent).await;
        }
        // Servers differ, and none says so: basic auth first, then inside the form (golang.org/x/oauth2 does the same).
        if in_header.unwrap_or(true) {
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let header = basic_header(&encode(&self.config.client_id), &encode(secret))?;
            let answer = self.ask(&self.client_form(None), Some(header), user_agent).await;
            if answer.is_ok() || in_header.is_some() {
                *in_header = Some(true);
                return answer;
            }
        }
        let token = self.ask(&self.client_form(Some(secret)), None, user_agent).await?;
        *in_header = Some(false);
        Ok(token)
    }

    fn client_form(&self, secret: Option<&str>) -> Vec<(String, String)> {
        let config = &self.config;
        let mut form = vec![("grant_type".to_owned(), "client_credentials".to_owned())];
        if !config.scopes.is_empty() {
            form.push(("scope".to_owned(), config.scopes.join(" ")));
        }
        for (name, value) in &config.endpoint_params {
            form.retain(|(other, _)| other != name || name == "grant_type");
            form.push((name.clone(), value.clone()));
        }
        if let Some(secret) = secret {
            form.push(("client_id".to_owned(), config.client_id.clone()));
            if !secret.is_empty() {
                form.push(("client_secret".to_owned(), secret.to_owned()));
            }
        }
        form
    }

    fn assertion_form(&self, key: &str) -> Result<Vec<(String, String)>, HttpClientError> {
        let config = &self.config;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let or = |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
        let mut claims = serde_json::json!({
            "iss": or(&config.iss, &config.client_id),
            "sub": config.client_id,
            "aud": or(&config.audience, &config.token_url),
            "jti": random_uuid().map_err(failed)?,
            "iat": now.as_secs(),
            "exp": (now + ASSERTION_LIFETIME).as_secs(),
        });
        if !config.scopes.is_empty() {
            claims["scope"] = config.scopes.join(" ").into();
        }
        for (name, value) in &config.claims {
            claims[name.as_str()] = value.clone();
        }
        let key = tls::private_key(key.as_bytes())?;
        let assertion = sign_jwt(key, &config.signature_algorithm, &config.client_certificate_key_id, &claims);
        let mut form = vec![
            ("grant_type".to_owned(), JWT_BEARER.to_owned()),
            ("assertion".to_owned(), assertion.map_err(failed)?),
        ];
        form.extend(config.endpoint_params.iter().map(|(name, value)| (name.clone(), value.clone())));
        Ok(form)
    }

    async fn ask(
        &self,
        form: &[(String, String)],
        authorization: Option<HeaderValue>,
        user_agent: Option<&HeaderValue>,
    ) -> Result<Token, HttpClientError> {
        let client = self.transport.client().await?;
        let mut request = client.post(self.token_url.clone()).header(ACCEPT, "application/json").form(form);
        if let Some(agent) = user_agent {
            request = request.header(USER_AGENT, agent);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let mut answer = request.send().await.map_err(|error| request_error(&self.token_url, error))?;
        if !answer.status().is_success() {
            return Err(failed(format!("cannot fetch token: the server answered {}", answer.status())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| request_error(&self.token_url, error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                return Err(failed(format!("the token answer is longer than {MAX_ANSWER} bytes")));
            }
        }
        let is_form = answer
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.starts_with("application/x-www-form-urlencoded")));
        token(&fields(&body, is_form)?)
    }
}

fn token_url(config: &OAuth2) -> Result<Url, HttpClientError> {
    let url = config.token_url.parse::<Url>().map_err(|error| failed(format!("token_url: {error}")))?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(failed("token_url: no http or https URL")) }
}

fn fields(body: &[u8], is_form: bool) -> Result<serde_json::Value, HttpClientError> {
    if is_form {
        let pairs = form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), value.into_owned().into()));
        return Ok(serde_json::Value::Object(pairs.collect()));
    }
    serde_json::from_slice(body).map_err(|error| failed(format!("cannot parse the token answer: {error}")))
}

fn token(fields: &serde_json::Value) -> Result<Token, HttpClientError> {
    let access = fields["access_token"].as_str().filter(|token| !token.is_empty());
    let access = access.ok_or_else(|| failed("the server's answer lacks access_token"))?;
    let kind = fields["token_type"].as_str().unwrap_or_default();
    let kind = if kind.is_empty() || kind.eq_ignore_ascii_case("bearer") { "Bearer" } else { kind };
    let seconds = match &fields["expires_in"] {
        serde_json::Value::String(text) => text.parse().ok(),
        number => number.as_u64().or_else(|| number.as_f64().map(|seconds| seconds as u64)),
    };
    let good_until = seconds
        .filter(|seconds| *seconds > 0)
        .and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds).saturating_sub(EARLY)));
    Ok(Token { authorization: secret_header("the access token", &format!("{kind} {access}"))?, good_until })
}

fn failed(text: impl Into<String>) -> HttpClientError {
    HttpClientError::OAuth2(text.into())
}
