//! What HTTP clients of discovery show to servers: credentials, headers, tokens — and to whom they do not.
#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

mod common;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use common::server::{Script, Server, answer, json, mk_http, one, redirect};
use common::{Discovery, until};
use ta_model::Secret;
use ta_model::scrape_config::{Authorization, BasicAuth, HttpClientConfig, HttpHeader, OAuth2};
use tempfile::TempDir;

fn start(url: &str, http: HttpClientConfig) -> Discovery {
    Discovery::start(vec![("a", vec![mk_http(url, http)])])
}

fn mk_basic(user: &str, password: &str) -> HttpClientConfig {
    let basic = BasicAuth { username: user.to_owned(), password: Secret::new(password), ..BasicAuth::default() };
    HttpClientConfig { basic_auth: Some(basic), ..HttpClientConfig::default() }
}

/// The next request that carries `value` in `name`.
async fn until_header(script: &Script, name: &'static str, value: &str) {
    until(value, || script.seen().last().is_some_and(|seen| seen.header(name) == value)).await;
}

#[tokio::test]
async fn basic_auth_is_sent_from_keys_and_from_files_read_for_each_request() {
    let server = Server::start(|_| one("x:1")).await;
    let _inline = start(&server.url("/"), mk_basic("Aladdin", "open sesame"));
    until_header(&server.script, "authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").await; // RFC 7617
    drop(_inline);

    let directory = TempDir::new().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(file("user"), " Aladdin\n").unwrap();
    fs::write(file("password"), "\topen sesame\r\n").unwrap();
    let server = Server::start(|_| one("x:1")).await;
    let basic = BasicAuth { username_file: file("user"), password_file: file("password"), ..BasicAuth::default() };
    let http = HttpClientConfig { basic_auth: Some(basic), ..HttpClientConfig::default() };
    let discovery = start(&server.url("/"), http);
    until_header(&server.script, "authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").await;
    fs::write(file("password"), "other").unwrap();
    until_header(&server.script, "authorization", "Basic QWxhZGRpbjpvdGhlcg==").await;
    fs::remove_file(file("password")).unwrap();
    discovery.until_error("unable to read basic auth password file").await;
    discovery.sink.read(|told| assert_eq!(told.addresses("a").len(), 1));
}

#[tokio::test]
async fn authorization_has_the_type_and_credentials_of_the_config() {
    let directory = TempDir::new().unwrap();
    let token = directory.path().join("token").to_str().unwrap().to_owned();
    fs::write(&token, "from-file\n").unwrap();
    for (authorization, expected) in [
        (Authorization { credentials: Secret::new("t0k"), ..Authorization::default() }, "Bearer t0k"),
        (
            Authorization { scheme: "Token".to_owned(), credentials_file: token, ..Authorization::default() },
            "Token from-file",
        ),
    ] {
        let server = Server::start(|_| one("x:1")).await;
        let http = HttpClientConfig { authorization: Some(authorization), ..HttpClientConfig::default() };
        let discovery = start(&server.url("/"), http);
        discovery.sink.until_addresses("a", &["x:1"]).await;
        assert_eq!(server.script.last().header("authorization"), expected);
    }
}

fn mk_headers(file: &str) -> HttpClientConfig {
    let header = |values: &[&str], secrets: &[&str], files: &[&str]| HttpHeader {
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        secrets: secrets.iter().map(|value| Secret::new(*value)).collect(),
        files: files.iter().map(|value| (*value).to_owned()).collect(),
    };
    let http_headers = [
        ("X-Plain".to_owned(), header(&["p1", "p2"], &[], &[])),
        ("X-Secret".to_owned(), header(&["s0"], &["s1"], &[])),
        ("X-File".to_owned(), header(&[], &[], &[file])),
        ("Cookie".to_owned(), header(&["c"], &[], &[])),
    ];
    HttpClientConfig { http_headers: http_headers.into(), ..mk_basic("u", "p") }
}

#[tokio::test]
async fn headers_and_credentials_go_along_within_a_domain_and_never_leave_it() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("header").to_str().unwrap().to_owned();
    fs::write(&file, " f1 \n").unwrap();
    let server = Server::start(|_| one("x:1")).await;
    let port = server.address.port();
    // 127.0.0.1 -> itself -> localhost (another domain) -> 127.0.0.1 again
    let away = format!("http://localhost:{port}/away");
    let home = server.url("/home-again");
    server.script.answer(move |seen| match &*seen.uri {
        "/" => redirect("within?x=1"),
        "/within?x=1" => redirect(&away),
        "/away" => redirect(&home),
        _ => one("y:1"),
    });
    let discovery = start(&server.url("/"), mk_headers(&file));
    discovery.sink.until_addresses("a", &["y:1"]).await;
    for seen in server.script.seen() {
        let trusted = matches!(&*seen.uri, "/" | "/within?x=1");
        assert_eq!(seen.all("x-plain"), ["p1", "p2"], "{}", seen.uri);
        let secrets = [seen.all("x-secret"), seen.all("x-file"), seen.all("cookie"), seen.all("authorization")];
        let expected = if trusted {
            [vec!["s0", "s1"], vec!["f1"], vec!["c"], vec!["Basic dTpw"]]
        } else {
            [vec![], vec![], vec![], vec![]]
        };
        assert_eq!(secrets, expected, "{}", seen.uri);
    }
    assert!(server.script.seen().iter().any(|seen| seen.uri == "/home-again"));
}

#[tokio::test]
async fn a_redirect_is_an_error_where_the_config_says_so() {
    let server = Server::start(|seen| if seen.uri == "/" { redirect("/x") } else { one("x:1") }).await;
    let http = HttpClientConfig { follow_redirects: false, ..HttpClientConfig::default() };
    let discovery = start(&server.url("/"), http);
    discovery.until_error("HTTP status 302 Found").await;
    assert!(server.script.seen().iter().all(|seen| seen.uri == "/"));
}

#[tokio::test]
async fn user_and_password_of_the_url_win_over_the_config() {
    let server = Server::start(|_| one("x:1")).await;
    let url = format!("http://Aladdin:open%20sesame@{}/", server.address);
    let discovery = start(&url, mk_basic("other", "one"));
    discovery.sink.until_addresses("a", &["x:1"]).await;
    assert_eq!(server.script.last().header("authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    discovery.sink.read(|told| assert_eq!(told.targets("a")[0]["__meta_url"], url));
}

#[tokio::test]
async fn a_secret_ref_can_never_work_and_says_so() {
    let basic = BasicAuth { password_ref: "vault".to_owned(), ..BasicAuth::default() };
    let http = HttpClientConfig { basic_auth: Some(basic), ..HttpClientConfig::default() };
    let discovery = start("http://127.0.0.1:1/", http);
    discovery.until_error("cannot use secret ref without manager: basic_auth.password_ref").await;
    assert!(discovery.provider().broken);
}

fn mk_oauth2(token_url: String) -> OAuth2 {
    OAuth2 {
        client_id: "cli ent".to_owned(),
        client_secret: Secret::new("s3cr&t"),
        token_url,
        scopes: vec!["read".to_owned(), "list".to_owned()],
        endpoint_params: [("audience".to_owned(), "sd".to_owned())].into(),
        ..OAuth2::default()
    }
}

fn with_oauth2(oauth2: OAuth2) -> HttpClientConfig {
    HttpClientConfig { oauth2: Some(Box::new(oauth2)), ..HttpClientConfig::default() }
}

/// A token server that numbers its tokens.
async fn start_tokens(fields: &'static str) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |_| {
        let n = count.fetch_add(1, Ordering::Relaxed);
        json(format!(r#"{{"access_token": "token-{n}"{fields}}}"#))
    })
    .await
}

#[tokio::test]
async fn a_token_is_got_once_and_sent_with_every_request() {
    let tokens = start_tokens(r#", "token_type": "bearer", "expires_in": 3600"#).await;
    let server = Server::start(|_| one("x:1")).await;
    let discovery = start(&server.url("/"), with_oauth2(mk_oauth2(tokens.url("/token"))));
    until("three requests with one token", || {
        let seen = server.script.seen();
        seen.len() >= 3 && seen.windows(3).any(|three| three.iter().all(|one| one.headers == three[0].headers))
    })
    .await;
    assert!(server.script.last().header("authorization").starts_with("Bearer token-"));
    let asked = &tokens.script.seen()[0];
    assert_eq!((asked.method.as_str(), &*asked.uri), ("POST", "/token"));
    assert_eq!(asked.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(asked.header("user-agent"), "Prometheus/3.14.0");
    // "cli+ent:s3cr%26t": both parts are form-encoded first (RFC 6749, section 2.3.1)
    assert_eq!(asked.header("authorization"), "Basic Y2xpK2VudDpzM2NyJTI2dA==");
    assert_eq!(asked.body, "grant_type=client_credentials&scope=read+list&audience=sd");
    drop(discovery);
}

#[tokio::test]
async fn a_token_server_that_wants_the_secret_in_the_form_gets_it_there() {
    let tokens = Server::start(|seen| {
        if seen.header("authorization").is_empty() {
            answer(
                StatusCode::OK,
                &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
                "access_token=t1&token_type=MAC&expires_in=1",
            )
        } else {
            answer(StatusCode::UNAUTHORIZED, &[], "")
        }
    })
    .await;
    let server = Server::start(|_| one("x:1")).await;
    let discovery = start(&server.url("/"), with_oauth2(mk_oauth2(tokens.url("/"))));
    discovery.sink.until_addresses("a", &["x:1"]).await;
    assert_eq!(server.script.last().header("authorization"), "MAC t1");
    let asked = tokens.script.last();
    assert!(asked.body.ends_with("&audience=sd&client_id=cli+ent&client_secret=s3cr%26t"), "{}", asked.body);
    // it expires within ten seconds, so each request gets a new one; the header is not tried again
    until("a second token", || tokens.script.seen().len() >= 3).await;
    assert_eq!(tokens.script.seen()[2].header("authorization"), "");
}

#[tokio::test]
async fn a_new_secret_and_a_rejected_token_mean_a_new_token() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("secret").to_str().unwrap().to_owned();
    fs::write(&file, "one\n").unwrap();
    let tokens = start_tokens("").await; // without expires_in: good for ever
    let server = Server::start(|_| one("x:1")).await;
    let oauth2 =
        OAuth2 { client_secret: Secret::default(), client_secret_file: file.clone(), ..mk_oauth2(tokens.url("/")) };
    let _discovery = start(&server.url("/"), with_oauth2(oauth2));
    until_header(&server.script, "authorization", "Bearer token-0").await;
    fs::write(&file, "two\n").unwrap();
    until_header(&server.script, "authorization", "Bearer token-1").await;
    server.script.answer(|_| answer(StatusCode::UNAUTHORIZED, &[], ""));
    until_header(&server.script, "authorization", "Bearer token-2").await;
}

#[tokio::test]
async fn what_a_token_server_does_wrong_is_told_without_secrets() {
    for (answer_with, error) in [
        (answer(StatusCode::FORBIDDEN, &[], "s3cr&t"), "403 Forbidden"),
        (json("[]"), "lacks access_token"),
        (json("{"), "cannot parse the token answer"),
        (json(r#"{"access_token": ""}"#), "lacks access_token"),
        (json(r#"{"access_token": "a\nb"}"#), "no header may carry"),
        (json(vec![b' '; (1 << 20) + 1]), "longer than 1048576 bytes"),
    ] {
        let (head, body) = answer_with.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let tokens =
            Server::start(move |_| axum::response::Response::from_parts(head.clone(), body.clone().into())).await;
        let server = Server::start(|_| one("x:1")).await;
        let discovery = start(&server.url("/"), with_oauth2(mk_oauth2(tokens.url("/"))));
        discovery.until_error(error).await;
        assert!(!discovery.provider().last_error.contains("s3cr"));
        assert_eq!(server.script.seen().len(), 0, "{error}");
    }
}

#[tokio::test]
async fn a_signed_assertion_gets_a_token() {
    let key = Arc::new(rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap());
    let tokens = start_tokens(r#", "expires_in": "3600""#).await;
    let server = Server::start(|_| one("x:1")).await;
    let oauth2 = OAuth2 {
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned(),
        client_certificate_key: Secret::new(key.serialize_pem()),
        client_certificate_key_id: "k1".to_owned(),
        signature_algorithm: "RS512".to_owned(),
        claims: [("team".to_owned(), "infra".into())].into(),
        ..mk_oauth2(tokens.url("/"))
    };
    let discovery = start(&server.url("/"), with_oauth2(oauth2));
    discovery.sink.until_addresses("a", &["x:1"]).await;
    assert_eq!(server.script.last().header("authorization"), "Bearer token-0");

    let form: Vec<(String, String)> =
        url::form_urlencoded::parse(tokens.script.last().body.as_bytes()).into_owned().collect();
    assert_eq!(form[0].1, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!((&*form[1].0, form.len()), ("assertion", 3));
    let parts: Vec<&str> = form[1].1.split('.').collect();
    let decoded: Vec<Vec<u8>> = parts.iter().map(|part| decode_base64_url(part)).collect();
    let header: serde_json::Value = serde_json::from_slice(&decoded[0]).unwrap();
    assert_eq!(header, serde_json::json!({"alg": "RS512", "typ": "JWT", "kid": "k1"}));
    let claims: serde_json::Value = serde_json::from_slice(&decoded[1]).unwrap();
    assert_eq!((&claims["iss"], &claims["sub"]), (&"cli ent".into(), &"cli ent".into()));
    assert_eq!((&claims["aud"], &claims["scope"]), (&tokens.url("/").into(), &"read list".into()));
    assert_eq!(claims["team"], "infra");
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 600);
    let signed = format!("{}.{}", parts[0], parts[1]);
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    let verified = algorithms
        .all
        .iter()
        .any(|algorithm| algorithm.verify_signature(key.public_key_raw(), signed.as_bytes(), &decoded[2]).is_ok());
    assert!(verified);
}

fn decode_base64_url(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bytes, mut word, mut bits) = (Vec::new(), 0u32, 0);
    for byte in text.bytes() {
        word = word << 6 | alphabet.iter().position(|letter| *letter == byte).unwrap() as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((word >> bits) as u8);
        }
    }
    bytes
}
