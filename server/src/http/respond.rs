//! Answers in their common shapes.

use bytes::Bytes;
use hyper::header::{
    CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use maud::Markup;
use ta_model::json::{self, Escapes};

use super::Inner;
use super::body::Body;
use super::negotiate::{self, Encoding, Etag, Headers};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Pages load nothing from anywhere: style and icon are in the text.
const CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

fn with_type(status: StatusCode, content_type: HeaderValue, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// A status and nothing else.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Plain text.
pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    with_type(status, TEXT, text.into())
}

/// Any type.
pub(crate) fn typed(content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    with_type(StatusCode::OK, HeaderValue::from_static(content_type), body)
}

/// JSON. Exactly `application/json`: Prometheus' HTTP SD refuses most anything else.
pub(crate) fn json(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    with_type(status, JSON, body)
}

/// One JSON string and a newline.
pub(crate) fn json_string(status: StatusCode, text: &str) -> Response<Body> {
    let mut body = String::new();
    json::push_string(&mut body, text, Escapes::Short);
    body.push('\n');
    json(status, Bytes::from(body))
}

/// A page.
pub(crate) fn html(status: StatusCode, page: Markup) -> Response<Body> {
    let mut response = with_type(status, HTML, Bytes::from(page.into_string()));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, CSP);
    // two of the pages share their address with JSON
    insert_static(&mut response, VARY, "Accept");
    response
}

/// What a handler that panicked answers; counts it.
pub(crate) fn panicked(inner: &Inner) -> Response<Body> {
    inner.metrics.panicked();
    empty(StatusCode::INTERNAL_SERVER_ERROR)
}

/// As gin answers what it has no route for.
pub(crate) fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "404 page not found")
}

/// Not known yet, which is not the same as empty: 503 with one line of text.
///
/// A collector ignores the status of `/scrape_configs` and reads the body as YAML. A plain scalar fails to parse, so it
/// keeps the jobs it has; an empty body or a mapping (`key: value`) would make it drop them. So: no `": "`, no `" #"`.
pub(crate) fn not_ready(why: &'static str) -> Response<Body> {
    text(StatusCode::SERVICE_UNAVAILABLE, why)
}

/// 301 to the same route spelled right, as gin does.
pub(crate) fn moved(path: &str, query: Option<&str>) -> Response<Body> {
    let location = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let Ok(value) = HeaderValue::from_str(&location) else { return not_found() };
    let link = maud::html! { a href=(location) { "Moved Permanently" } "." };
    let mut response = with_type(StatusCode::MOVED_PERMANENTLY, HTML, Bytes::from(link.into_string() + "\n\n"));
    response.headers_mut().insert(LOCATION, value);
    response
}

/// JSON whose tag is known before its bytes are: 304 if the client has it, else what `body` gives.
pub(crate) fn tagged(
    headers: Headers<'_>,
    etag: Etag,
    vary: &'static str,
    encoding: Encoding,
    body: impl FnOnce() -> Body,
) -> Response<Body> {
    let tag = etag.text(encoding);
    let mut response = if negotiate::is_unchanged(headers, &tag) {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        let mut response = json(StatusCode::OK, body());
        if encoding == Encoding::Gzip {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    };
    let tag = HeaderValue::try_from(tag).expect("a tag is printable ASCII");
    response.headers_mut().insert(ETAG, tag);
    insert_static(&mut response, VARY, vary);
    response
}

/// Compresses a body that is made for one client, if it asks.
pub(crate) fn compressed(headers: Headers<'_>, mut response: Response<Body>) -> Response<Body> {
    insert_static(&mut response, VARY, "Accept-Encoding");
    if negotiate::encoding(headers) == Encoding::Identity {
        return response;
    }
    insert_static(&mut response, CONTENT_ENCODING, "gzip");
    response.map(|body| Body::chunked(negotiate::gzip_chunks(body.into_chunks()), None))
}

fn insert_static(response: &mut Response<Body>, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}
