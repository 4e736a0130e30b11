//! GET requests to an API server, over whatever connects to it.
//!
//! HTTP/1.1 throughout: each watch has a connection of its own, as many as there are watches. On HTTP/2 they would share
//! one, and API servers allow 100 to 250 streams on it; watch number 251 would wait for ever for another to end.

use std::time::Duration;

use http::header::{ACCEPT, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::Config;
use kube::client::{AuthError, ConfigExt};
use ta_model::scrape_config::HttpClientConfig;
use tokio::sync::Mutex;
use tower::{BoxError, ServiceBuilder};
use url::Url;

use super::KubeError;
use super::access::Access;
use crate::http_client::{HttpClient, ProxyEnvironment, chain, shown};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that stays silent is probed this often, and given up after so many probes: after a minute, as
/// [`HttpClient`]'s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_RETRIES: u32 = 3;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("target-allocator/", env!("CARGO_PKG_VERSION")));

/// What to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    /// Whole objects.
    Json,
    /// Metadata of each object in a list; whole ones from servers that cannot.
    MetadataList,
    /// Metadata of each object in a watch.
    MetadataWatch,
}

impl Accept {
    const fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::MetadataList => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
            Self::MetadataWatch => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
        })
    }
}

/// What requests go through.
#[expect(clippy::large_enum_variant, reason = "one per API server")]
pub(super) enum Transport {
    /// Nothing: tests.
    None,
    Ready(kube::Client),
    Kube {
        access: Access,
        client: Mutex<Made>,
    },
    Http {
        server: Url,
        client: HttpClient,
    },
}

/// The client of the credentials as they were read last.
#[derive(Default)]
pub(super) struct Made {
    generation: u64,
    client: Option<kube::Client>,
}

/// An answer whose body is still coming.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    /// Of the credentials it was asked with.
    pub(crate) generation: u64,
    body: Body,
}

enum Body {
    Kube(kube::client::Body),
    Http(reqwest::Response),
}

impl Transport {
    pub(super) fn through(access: Access) -> Self {
        Self::Kube { access, client: Mutex::default() }
    }

    /// The server's name without secrets, and the way to it.
    pub(super) fn to_server(
        url: &str,
        http: &HttpClientConfig,
        proxies: &ProxyEnvironment,
    ) -> Result<(String, Self), KubeError> {
        let server = Url::parse(url)
            .map_err(|error| KubeError::ApiServer { url: "(unreadable)".into(), cause: error.to_string() })?;
        let name = shown(&server);
        let http = HttpClientConfig { enable_http2: false, ..http.clone() };
        let client = HttpClient::new(http.into(), proxies)
            .map_err(|error| KubeError::ApiServer { url: name.clone(), cause: error.to_string() })?;
        Ok((name, Self::Http { server, client }))
    }

    pub(super) async fn get(&self, path: &str, accept: Accept) -> Result<Answer, String> {
        match self {
            Self::None => Err("this cluster has no server".to_owned()),
            Self::Ready(client) => get_through(client, 0, path, accept).await,
            Self::Kube { access, client } => {
                let (generation, client) = connect(access, client).await?;
                get_through(&client, generation, path, accept).await
            }
            Self::Http { server, client } => {
                let url = format!("{}{path}", server.as_str().trim_end_matches('/'));
                let url = Url::parse(&url).map_err(|error| error.to_string())?;
                let headers = HeaderMap::from_iter([(ACCEPT, accept.header()), (USER_AGENT, AGENT)]);
                let answer = client.get(&url, &headers).await.map_err(|error| error.to_string())?;
                let (status, retry_after) = (answer.status(), retry_after(answer.headers()));
                Ok(Answer { status, retry_after, generation: 0, body: Body::Http(answer) })
            }
        }
    }

    /// Forgets the client made of credentials that were refused; the next request reads them anew.
    pub(super) async fn renew(&self, refused: u64) {
        if let Self::Kube { client, .. } = self {
            let mut made = client.lock().await;
            if made.generation == refused {
                made.client = None;
            }
        }
    }
}

/// The client, made anew if there is none. Reading files and asking an exec plugin for a token may block.
async fn connect(access: &Access, made: &Mutex<Made>) -> Result<(u64, kube::Client), String> {
    let mut made = made.lock().await;
    if let Some(client) = &made.client {
        return Ok((made.generation, client.clone()));
    }
    let access = access.clone();
    let making = tokio::task::spawn_blocking(move || {
        let config = access.config().map_err(|error| error.to_string())?;
        let plugin = config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone());
        make(config).map_err(|error| match &error {
            kube::Error::Auth(error) => explain_auth(plugin.as_deref(), error),
            other => explain(other),
        })
    });
    let client = making.await.map_err(|_| "the client's code panicked".to_owned())??;
    made.generation += 1;
    made.client = Some(client.clone());
    Ok((made.generation, client))
}

/// What kube makes of a configuration, but over connections that notice when the other side is gone: one to a machine
/// that died would else look like a quiet one until the watch is overdue. And without compression, which costs API
/// servers more than the bytes it saves. A proxy's connection is made by kube.
fn make(config: Config) -> Result<kube::Client, kube::Error> {
    if config.proxy_url.is_some() {
        return kube::Client::try_from(config);
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_keepalive(Some(KEEP_ALIVE));
    tcp.set_keepalive_interval(Some(KEEP_ALIVE));
    tcp.set_keepalive_retries(Some(KEEP_ALIVE_RETRIES));
    let tls = config.rustls_https_connector_with_connector(tcp)?;
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(tls);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(kube::Client::new(service, config.default_namespace))
}

async fn get_through(client: &kube::Client, generation: u64, path: &str, accept: Accept) -> Result<Answer, String> {
    let request = Request::get(path).header(ACCEPT, accept.header()).header(USER_AGENT, AGENT);
    let request = request.body(kube::client::Body::empty()).map_err(|error| error.to_string())?;
    let answer = client.send(request).await.map_err(|error| explain(&error))?;
    let (status, retry_after) = (answer.status(), retry_after(answer.headers()));
    Ok(Answer { status, retry_after, generation, body: Body::Kube(answer.into_body()) })
}

/// The cause with its causes, without kube's names for them.
fn explain(error: &kube::Error) -> String {
    match error {
        kube::Error::Service(error) => match error.downcast_ref::<AuthError>() {
            Some(error) => explain_auth(None, error),
            None => chain(&**error),
        },
        kube::Error::HyperError(error) => chain(error),
        other => chain(other),
    }
}

/// What went wrong with an exec plugin. Not what it wrote to its standard output: a token is meant to stand there.
fn explain_auth(plugin: Option<&str>, error: &AuthError) -> String {
    let plugin = plugin.map(|plugin| format!(" {plugin:?}")).unwrap_or_default();
    match error {
        AuthError::AuthExecStart(error) => format!("exec plugin{plugin} of the kubeconfig cannot be run: {error}"),
        AuthError::AuthExecRun { out, .. } => {
            let said: String = String::from_utf8_lossy(&out.stderr).trim().chars().take(300).collect();
            format!("exec plugin{plugin} of the kubeconfig failed with {}: {said}", out.status)
        }
        AuthError::AuthExecParse(_) => format!("exec plugin{plugin} of the kubeconfig gave no ExecCredential"),
        other => chain(other),
    }
}

/// Seconds only: API servers send no dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

impl Answer {
    /// Appends what comes next to `buffer`; false at the end of the body.
    pub(crate) async fn read(&mut self, buffer: &mut Vec<u8>) -> Result<bool, String> {
        let chunk = match &mut self.body {
            Body::Kube(body) => loop {
                match body.frame().await {
                    None => break None,
                    Some(Err(error)) => return Err(explain(&error)),
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            break Some(data);
                        } // trailers mean nothing
                    }
                }
            },
            Body::Http(answer) => answer.chunk().await.map_err(|error| chain(&error.without_url()))?,
        };
        if let Some(chunk) = &chunk {
            buffer.extend_from_slice(chunk);
        }
        Ok(chunk.is_some())
    }
}
