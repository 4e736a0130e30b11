//! `http_sd_configs` (Prometheus: `discovery/http/http.go`).

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Response, StatusCode};
use ta_model::group::{GroupBuilder, TargetGroup};
use ta_model::scrape_config::{HttpSdConfig, decode_groups_json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use url::Url;
use xxhash_rust::xxh3::xxh3_128;

use super::groups::{NumberedGroups, build};
use super::poll::{Refresh, Refreshed, Rhythm, poll};
use super::{Deliver, NamedGroup, SourceError, StandardSources};
use crate::http_client::{HttpClient, chain};
use crate::status::count;

const REFRESH_INTERVAL: HeaderName = HeaderName::from_static("x-prometheus-refresh-interval-seconds");
/// Answers up to this size are decoded where they arrive (well under a millisecond); longer ones on a thread that may
/// block.
const INLINE_DECODE: usize = 32 << 10;

/// Asks for the groups at start and every interval.
pub(super) async fn run(
    config: HttpSdConfig,
    context: StandardSources,
    deliver: Deliver,
    cancel: CancellationToken,
) -> Result<(), SourceError> {
    let rhythm = Rhythm { interval: config.refresh_interval.to_std(), first_retry: context.settings.first_retry };
    poll(Asker::new(config, context)?, rhythm, &deliver, &cancel).await
}

/// Asks one URL and remembers what it last said.
struct Asker {
    /// As configured: source prefix and `__meta_url`.
    name: Arc<str>,
    url: Url,
    headers: HeaderMap,
    client: HttpClient,
    context: StandardSources,
    interval: Duration,
    content: Option<u128>,
    builder: GroupBuilder,
    groups: NumberedGroups,
}

impl Refresh for Asker {
    async fn refresh(&mut self) -> Refreshed {
        let limit = self.interval;
        let answer = timeout(limit, self.ask())
            .await
            .unwrap_or_else(|_| Err(format!("no whole answer within the refresh interval of {limit:?}").into()));
        match answer {
            Ok(groups) => Refreshed { groups, answered: 1, errors: Vec::new() },
            Err(error) => {
                count(&self.context.status.counters.http_failures);
                Refreshed::failed(error)
            }
        }
    }
}

impl Asker {
    fn new(config: HttpSdConfig, context: StandardSources) -> Result<Self, SourceError> {
        let seconds = shortest_seconds(config.refresh_interval.to_std());
        let agent = format!("Prometheus/{}", context.settings.prometheus_version);
        let headers = HeaderMap::from_iter([
            (USER_AGENT, HeaderValue::try_from(agent)?),
            (ACCEPT, HeaderValue::from_static("application/json")),
            (REFRESH_INTERVAL, HeaderValue::try_from(seconds)?),
        ]);
        Ok(Self {
            url: config.url.parse()?,
            name: config.url.into(),
            interval: config.refresh_interval.to_std(),
            headers,
            client: HttpClient::new(Arc::new(config.http), &context.environment)?,
            context,
            content: None,
            builder: GroupBuilder::new(),
            groups: NumberedGroups::default(),
        })
    }

    async fn ask(&mut self) -> Result<Vec<NamedGroup>, SourceError> {
        let answer = self.client.get(&self.url, &self.headers).await?;
        check(&answer)?;
        let body = read(answer, self.context.settings.max_http_body).await?;
        let content = xxh3_128(&body);
        if self.content == Some(content) {
            return Ok(Vec::new());
        }
        let groups = if body.len() <= INLINE_DECODE {
            decode(&mut self.builder, &self.name, &body)?
        } else {
            let (name, mut builder) = (self.name.clone(), std::mem::take(&mut self.builder));
            let work = move || (decode(&mut builder, &name, &body), builder);
            let (groups, builder) = self.context.blocking(work).await?;
            self.builder = builder;
            groups?
        };
        self.content = Some(content);
        Ok(self.groups.update(&self.name, groups.into_iter()))
    }
}

fn decode(builder: &mut GroupBuilder, url: &str, body: &[u8]) -> Result<Vec<TargetGroup>, SourceError> {
    let groups = decode_groups_json(body)?;
    Ok(groups.iter().map(|group| build(builder, group, Some(("__meta_url", url)))).collect())
}

fn check(answer: &Response) -> Result<(), SourceError> {
    if answer.status() != StatusCode::OK {
        return Err(format!("server returned HTTP status {}", answer.status()).into());
    }
    let content_type = answer.headers().get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let content_type = content_type.unwrap_or_default();
    if is_json(&content_type) {
        return Ok(());
    }
    Err(format!("unsupported content type {:?}", content_type.chars().take(120).collect::<String>()).into())
}

/// `^(?i:application\/json(;\s*charset=("utf-8"|utf-8))?)$` after trimming.
fn is_json(content_type: &str) -> bool {
    let content_type = content_type.trim().to_ascii_lowercase();
    let Some(rest) = content_type.strip_prefix("application/json") else { return false };
    let Some(parameter) = rest.strip_prefix(';') else { return rest.is_empty() };
    matches!(parameter.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']), "charset=utf-8" | "charset=\"utf-8\"")
}

async fn read(mut answer: Response, max: usize) -> Result<Vec<u8>, SourceError> {
    let announced = answer.content_length().unwrap_or(0);
    let mut body = Vec::new();
    if announced <= max as u64 {
        body.reserve(announced.min(1 << 20) as usize); // a lying server gets no more than this for free
        while let Some(chunk) = answer.chunk().await.map_err(|error| chain(&error.without_url()))? {
            if chunk.len() > max - body.len() {
                return Err(too_long(max));
            }
            body.extend_from_slice(&chunk);
        }
        return Ok(body);
    }
    Err(too_long(max))
}

fn too_long(max: usize) -> SourceError {
    format!("the answer is longer than {max} bytes; split it over several http_sd_configs").into()
}

/// Seconds in the shortest decimal form, as Go's `strconv.FormatFloat(s, 'f', -1, 64)`.
fn shortest_seconds(interval: Duration) -> String {
    format!("{}", interval.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_of_prometheus() {
        for good in [
            "application/json",
            " Application/JSON ",
            "application/json;charset=utf-8",
            "application/json; charset=UTF-8",
            "application/json; charset=\"utf-8\"",
        ] {
            assert!(is_json(good), "{good:?}");
        }
        for bad in [
            "",
            "text/plain",
            "application/json;",
            "application/json; charset=latin1",
            "application/json ; charset=utf-8",
            "application/json; charset=utf-8; x=y",
            "application/jsonx",
        ] {
            assert!(!is_json(bad), "{bad:?}");
        }
    }

    #[test]
    fn seconds_have_no_idle_digits() {
        assert_eq!(shortest_seconds(Duration::from_secs(60)), "60");
        assert_eq!(shortest_seconds(Duration::from_millis(1500)), "1.5");
    }
}
