//! HTTP client keys (prometheus/common: `config/http_config.go`, `config/headers.go`).

use std::collections::BTreeMap;

use super::types::{Authorization, BasicAuth, HttpClientConfig, HttpHeader, OAuth2, ProxyConfig, TlsConfig};
use super::url;
use crate::quote::quote;
use crate::secret::Secret;
use crate::yaml::{Decode, Decoder, Fields, Node, Resolved, Value};

/// Reads and validates the HTTP client keys that stand among the other keys of `fields`.
pub(crate) fn read_http_client(fields: &mut Fields<'_, '_>, http: &mut HttpClientConfig) {
    let errors = fields.decoder.error_count();
    let (mut bearer_token, mut bearer_token_file) = (Secret::default(), String::new());
    fields.set("basic_auth", &mut http.basic_auth);
    fields.set("authorization", &mut http.authorization);
    fields.set("oauth2", &mut http.oauth2);
    fields.set("bearer_token", &mut bearer_token);
    fields.set("bearer_token_file", &mut bearer_token_file);
    fields.set("tls_config", &mut http.tls);
    fields.set("follow_redirects", &mut http.follow_redirects);
    fields.set("enable_http2", &mut http.enable_http2);
    read_proxy(fields, &mut http.proxy);
    fields.set("http_headers", &mut http.http_headers);
    if fields.decoder.error_count() > errors {
        return; // what is wrong already would only be reported twice
    }
    check_auth(fields, http, !bearer_token.is_empty(), !bearer_token_file.is_empty());
    if http.authorization.is_none() && !(bearer_token.is_empty() && bearer_token_file.is_empty()) {
        http.authorization = Some(Authorization {
            scheme: BEARER.to_owned(),
            credentials: bearer_token,
            credentials_file: bearer_token_file,
            ..Authorization::default()
        });
    }
    check_proxy(fields, &http.proxy);
    check_headers(fields, &http.http_headers);
}

const BEARER: &str = "Bearer";

/// At most one way to authenticate, and each complete.
fn check_auth(fields: &mut Fields<'_, '_>, http: &HttpClientConfig, bearer: bool, bearer_file: bool) {
    let (basic, oauth2) = (http.basic_auth.is_some(), http.oauth2.is_some());
    if bearer && bearer_file {
        fields.error("bearer_token_file", "at most one of bearer_token & bearer_token_file must be configured");
    }
    if (basic || oauth2) && (bearer || bearer_file) {
        let message = "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured";
        fields.error(if basic { "basic_auth" } else { "oauth2" }, message);
    }
    if http.authorization.is_some() {
        if bearer || bearer_file {
            fields.error("authorization", "authorization is not compatible with bearer_token & bearer_token_file");
        }
        if basic || oauth2 {
            fields.error("authorization", "at most one of basic_auth, oauth2 & authorization must be configured");
        }
    }
    if basic && oauth2 {
        fields.error("oauth2", "at most one of basic_auth, oauth2 & authorization must be configured");
    }
}

fn more_than_one(given: [bool; 3]) -> bool {
    given.into_iter().filter(|given| *given).count() > 1
}

impl Decode for BasicAuth {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut auth = Self::default();
            fields.set("username", &mut auth.username);
            fields.set("username_file", &mut auth.username_file);
            fields.set("username_ref", &mut auth.username_ref);
            fields.set("password", &mut auth.password);
            fields.set("password_file", &mut auth.password_file);
            fields.set("password_ref", &mut auth.password_ref);
            let usernames = [&auth.username, &auth.username_file, &auth.username_ref].map(|text| !text.is_empty());
            if more_than_one(usernames) {
                let message = "at most one of basic_auth username, username_file & username_ref must be configured";
                fields.error("username", message);
            }
            let passwords = [!auth.password.is_empty(), !auth.password_file.is_empty(), !auth.password_ref.is_empty()];
            if more_than_one(passwords) {
                let message = "at most one of basic_auth password, password_file & password_ref must be configured";
                fields.error("password", message);
            }
            auth
        })
    }
}

impl Decode for Authorization {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut auth = Self::default();
            fields.set("type", &mut auth.scheme);
            fields.set("credentials", &mut auth.credentials);
            fields.set("credentials_file", &mut auth.credentials_file);
            fields.set("credentials_ref", &mut auth.credentials_ref);
            let credentials =
                [!auth.credentials.is_empty(), !auth.credentials_file.is_empty(), !auth.credentials_ref.is_empty()];
            if more_than_one(credentials) {
                let message = "at most one of authorization credentials & credentials_file must be configured";
                fields.error("credentials", message);
            }
            auth.scheme = match auth.scheme.trim() {
                "" => BEARER.to_owned(),
                scheme => scheme.to_owned(),
            };
            if auth.scheme.eq_ignore_ascii_case("basic") {
                fields.error("type", "authorization type cannot be set to \"basic\", use \"basic_auth\" instead");
            }
            auth
        })
    }
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

impl Decode for Box<OAuth2> {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut oauth2 = OAuth2::default();
            let errors = fields.decoder.error_count();
            read_oauth2(fields, &mut oauth2);
            if fields.decoder.error_count() == errors {
                check_oauth2(fields, &oauth2);
                check_proxy(fields, &oauth2.proxy);
            }
            Self::new(oauth2)
        })
    }
}

fn read_oauth2(fields: &mut Fields<'_, '_>, oauth2: &mut OAuth2) {
    fields.set("client_id", &mut oauth2.client_id);
    fields.set("client_secret", &mut oauth2.client_secret);
    fields.set("client_secret_file", &mut oauth2.client_secret_file);
    fields.set("client_secret_ref", &mut oauth2.client_secret_ref);
    fields.set("client_certificate_key_id", &mut oauth2.client_certificate_key_id);
    fields.set("client_certificate_key", &mut oauth2.client_certificate_key);
    fields.set("client_certificate_key_file", &mut oauth2.client_certificate_key_file);
    fields.set("client_certificate_key_ref", &mut oauth2.client_certificate_key_ref);
    fields.set("grant_type", &mut oauth2.grant_type);
    fields.set("signature_algorithm", &mut oauth2.signature_algorithm);
    fields.set("iss", &mut oauth2.iss);
    fields.set("audience", &mut oauth2.audience);
    fields.set_with("claims", &mut oauth2.claims, read_claims);
    fields.set("scopes", &mut oauth2.scopes);
    fields.set("token_url", &mut oauth2.token_url);
    fields.set("endpoint_params", &mut oauth2.endpoint_params);
    fields.set("tls_config", &mut oauth2.tls);
    read_proxy(fields, &mut oauth2.proxy);
}

fn check_oauth2(fields: &mut Fields<'_, '_>, oauth2: &OAuth2) {
    if oauth2.client_id.is_empty() {
        fields.error("client_id", "oauth2 client_id must be configured");
    }
    if oauth2.token_url.is_empty() {
        fields.error("token_url", "oauth2 token_url must be configured");
    }
    if oauth2.grant_type != JWT_BEARER {
        let secrets = [
            !oauth2.client_secret.is_empty(),
            !oauth2.client_secret_file.is_empty(),
            !oauth2.client_secret_ref.is_empty(),
        ];
        if more_than_one(secrets) {
            let message = "at most one of oauth2 client_secret, client_secret_file & client_secret_ref must be \
                           configured using grant-type=client_credentials";
            fields.error("client_secret", message);
        }
        return;
    }
    let keys = [
        !oauth2.client_certificate_key.is_empty(),
        !oauth2.client_certificate_key_file.is_empty(),
        !oauth2.client_certificate_key_ref.is_empty(),
    ];
    if more_than_one(keys) {
        let message = "at most one of oauth2 client_certificate_key, client_certificate_key_file & \
                       client_certificate_key_ref must be configured using \
                       grant-type=urn:ietf:params:oauth:grant-type:jwt-bearer";
        fields.error("client_certificate_key", message);
    }
    if !["", "RS256", "RS384", "RS512"].contains(&oauth2.signature_algorithm.as_str()) {
        fields.error("signature_algorithm", "valid signature algorithms are RS256, RS384 and RS512");
    }
}

fn read_claims(decoder: &mut Decoder, node: &Node) -> Option<BTreeMap<String, serde_json::Value>> {
    match to_json(decoder, node) {
        serde_json::Value::Object(claims) => Some(claims.into_iter().collect()),
        _ => {
            decoder.mismatch(node, "mapping");
            None
        }
    }
}

/// Free-form YAML as JSON. What JSON has no number for becomes text.
fn to_json(decoder: &Decoder, node: &Node) -> serde_json::Value {
    match &node.value {
        Value::List(nodes) => nodes.iter().map(|node| to_json(decoder, node)).collect(),
        Value::Map(entries) => {
            entries.iter().map(|entry| (decoder.key_text(&entry.key), to_json(decoder, &entry.value))).collect()
        }
        Value::Scalar(scalar) => match scalar.resolve() {
            Resolved::Null => serde_json::Value::Null,
            Resolved::Bool(value) => value.into(),
            Resolved::Int(value) => value.into(),
            Resolved::Uint(value) => value.into(),
            Resolved::Float(value) if value.is_finite() => value.into(),
            Resolved::Float(_) | Resolved::Str => (*scalar.text).into(),
        },
    }
}

impl Decode for TlsConfig {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut tls = Self::default();
            fields.set("ca", &mut tls.ca);
            fields.set("cert", &mut tls.cert);
            fields.set("key", &mut tls.key);
            fields.set("ca_file", &mut tls.ca_file);
            fields.set("cert_file", &mut tls.cert_file);
            fields.set("key_file", &mut tls.key_file);
            fields.set("ca_ref", &mut tls.ca_ref);
            fields.set("cert_ref", &mut tls.cert_ref);
            fields.set("key_ref", &mut tls.key_ref);
            fields.set("server_name", &mut tls.server_name);
            fields.set("insecure_skip_verify", &mut tls.insecure_skip_verify);
            fields.set_with("min_version", &mut tls.min_version, read_tls_version);
            fields.set_with("max_version", &mut tls.max_version, read_tls_version);
            check_tls(fields, &tls);
            tls
        })
    }
}

fn read_tls_version(decoder: &mut Decoder, node: &Node) -> Option<String> {
    let version = decoder.text(node)?;
    if ["TLS10", "TLS11", "TLS12", "TLS13"].contains(&version.as_str()) {
        return Some(version);
    }
    decoder.error(node.line, format!("unknown TLS version: {version}"));
    None
}

fn check_tls(fields: &mut Fields<'_, '_>, tls: &TlsConfig) {
    let cas = [&tls.ca, &tls.ca_file, &tls.ca_ref].map(|text| !text.is_empty());
    let certs = [&tls.cert, &tls.cert_file, &tls.cert_ref].map(|text| !text.is_empty());
    let keys = [!tls.key.is_empty(), !tls.key_file.is_empty(), !tls.key_ref.is_empty()];
    if more_than_one(cas) {
        fields.error("ca", "at most one of ca, ca_file & ca_ref must be configured");
    }
    if more_than_one(certs) {
        fields.error("cert", "at most one of cert, cert_file & cert_ref must be configured");
    }
    if more_than_one(keys) {
        fields.error("key", "at most one of key and key_file must be configured");
    }
    match (certs.contains(&true), keys.contains(&true)) {
        (true, false) => {
            let message = "exactly one of key or key_file must be configured when a client certificate is configured";
            fields.error("key_file", message);
        }
        (false, true) => {
            let message = "exactly one of cert or cert_file must be configured when a client key is configured";
            fields.error("cert_file", message);
        }
        _ => {}
    }
}

fn read_proxy(fields: &mut Fields<'_, '_>, proxy: &mut ProxyConfig) {
    fields.set_with("proxy_url", &mut proxy.proxy_url, |decoder, node| read_url(decoder, node).map(Secret::new));
    fields.set("no_proxy", &mut proxy.no_proxy);
    fields.set("proxy_from_environment", &mut proxy.proxy_from_environment);
    fields.set("proxy_connect_header", &mut proxy.proxy_connect_header);
}

/// A URL as text, checked. The message leaves the text out: it may hold a password.
pub(crate) fn read_url(decoder: &mut Decoder, node: &Node) -> Option<String> {
    let text = decoder.text(node)?;
    match url::parse(&text) {
        Ok(_) => Some(text),
        Err(why) => {
            decoder.error(node.line, format!("not a valid URL: {why}"));
            None
        }
    }
}

fn check_proxy(fields: &mut Fields<'_, '_>, proxy: &ProxyConfig) {
    let has_url = !proxy.proxy_url.is_empty();
    let environment = proxy.proxy_from_environment;
    if !proxy.proxy_connect_header.is_empty() && !environment && !has_url {
        let message =
            "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured";
        fields.error("proxy_connect_header", message);
    }
    if environment && has_url {
        fields.error("proxy_url", "if proxy_from_environment is configured, proxy_url must not be configured");
    }
    if environment && !proxy.no_proxy.is_empty() {
        fields.error("no_proxy", "if proxy_from_environment is configured, no_proxy must not be configured");
    }
    if !has_url && !environment && !proxy.no_proxy.is_empty() {
        fields.error("no_proxy", "if no_proxy is configured, proxy_url must also be configured");
    }
}

impl Decode for HttpHeader {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut header = Self::default();
            fields.set("values", &mut header.values);
            fields.set("secrets", &mut header.secrets);
            fields.set("files", &mut header.files);
            header
        })
    }
}

/// Headers that the client sets itself, in Go's canonical spelling.
const RESERVED_HEADERS: [&str; 18] = [
    "Authorization",
    "Host",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "User-Agent",
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Www-Authenticate",
    "Accept-Encoding",
    "X-Prometheus-Remote-Write-Version",
    "X-Prometheus-Remote-Read-Version",
    "X-Prometheus-Scrape-Timeout-Seconds",
    "X-Amz-Date",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
];

fn check_headers(fields: &mut Fields<'_, '_>, headers: &BTreeMap<String, HttpHeader>) {
    for name in headers.keys() {
        if let Some(reserved) = RESERVED_HEADERS.iter().find(|reserved| reserved.eq_ignore_ascii_case(name)) {
            fields.error("http_headers", format!("setting header {} is not allowed", quote(reserved)));
        }
    }
}
