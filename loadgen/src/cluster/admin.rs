//! Faults over HTTP, on a port of their own: it answers while the API is gone.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::faults::{Fault, garbage};
use super::kinds::KindId;
use super::server::Shared;
use super::store::Signal;

/// What can be done, as `GET /` shows it.
const HELP: &str = "\
GET    /faults                     the faults set
POST   /faults                     add one: {\"resource\": \"pods\", \"kind\": \"forbidden\"}
DELETE /faults, /faults/<resource> take all away, or those of a resource (* for those of all)
PUT    /token                      the bearer token accepted from now on: {\"token\": \"x\"}; null accepts everybody
PUT    /kinds/<resource>           {\"installed\": false}
POST   /compact                    no watch or page may begin in the past
POST   /watches/<resource>/<how>   break, end, expire or garble open watches (* for all kinds)
POST   /down, /up                  close and open the port of the API
GET    /requests                   counts by resource; DELETE forgets them
GET    /log                        the last requests
GET    /sizes                      objects and bytes by resource
";

/// Serves the admin pages.
pub(crate) async fn listen(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let accept = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let shared = shared.clone();
            let service = service_fn(move |request| answer(request, shared.clone()));
            let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(stop.child_token().run_until_cancelled_owned(serving));
        }
    };
    stop.run_until_cancelled(accept).await.unwrap_or(());
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let (status, text) = match act(&method, &path, &body, &shared).await {
        Ok(Value::String(text)) => (200, text),
        Ok(value) => (200, format!("{value:#}\n")),
        Err(Wrong::Body(why)) => (400, format!("{why}\n")),
        Err(Wrong::Path) => (404, format!("there is no {method} {path}\n\n{HELP}")),
    };
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    Ok(response)
}

enum Wrong {
    Path,
    Body(String),
}

impl From<serde_json::Error> for Wrong {
    fn from(error: serde_json::Error) -> Self {
        Wrong::Body(error.to_string())
    }
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
}

#[derive(Deserialize)]
struct Installed {
    installed: bool,
}

async fn act(method: &Method, path: &str, body: &[u8], shared: &Shared) -> Result<Value, Wrong> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match (method.as_str(), parts.as_slice()) {
        ("GET", []) => return Ok(HELP.into()),
        ("GET", ["faults"]) => return Ok(json!(shared.faults.all())),
        ("POST", ["faults"]) => shared.faults.add(serde_json::from_slice::<Fault>(body)?),
        ("DELETE", ["faults"]) => shared.faults.clear_all(),
        ("DELETE", ["faults", resource]) => shared.faults.clear(resource),
        ("PUT", ["token"]) => shared.faults.set_token(serde_json::from_slice::<Token>(body)?.token.as_deref()),
        ("PUT", ["kinds", plural]) => {
            let kind = KindId::by_plural(plural).ok_or(Wrong::Path)?;
            shared.set_installed(kind, serde_json::from_slice::<Installed>(body)?.installed);
        }
        ("POST", ["compact"]) => shared.store.compact(None),
        ("POST", ["watches", plural, how]) => match *how {
            "break" => shared.signal(plural, &Signal::Break),
            "end" => shared.signal(plural, &Signal::End),
            "expire" => shared.expire_watches(plural),
            "garble" => shared.signal(plural, &garbage()),
            _ => return Err(Wrong::Path),
        },
        ("POST", ["down"]) => shared.listen(false).await,
        ("POST", ["up"]) => shared.listen(true).await,
        ("GET", ["requests"]) => return Ok(json!(shared.counts.all())),
        ("DELETE", ["requests"]) => shared.counts.reset(),
        ("GET", ["log"]) => return Ok((shared.counts.lines().join("\n") + "\n").into()),
        ("GET", ["sizes"]) => {
            let size = |id: KindId| {
                let (objects, bytes) = shared.store.size(id);
                (id.get().plural.to_owned(), json!({"objects": objects, "bytes": bytes}))
            };
            return Ok(Value::Object(KindId::all().map(size).collect()));
        }
        _ => return Err(Wrong::Path),
    }
    Ok(json!("done\n"))
}
