//! What went wrong with a request, and when to try again.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use super::WatchSettings;

/// A server that asks for more patience than this does not get it.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);
/// Pauses grow no longer than this while the server forbids to look.
const FORBIDDEN_RETRY: Duration = Duration::from_secs(60);
/// And than this while it does not have the kind: somebody may just be installing it.
const ABSENT_RETRY: Duration = Duration::from_secs(8);

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    /// One sentence.
    pub(super) message: String,
    pub(super) retry_after: Option<Duration>,
}

/// What it means for what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// 410: the version, or the rest of the list, is not there any more.
    Gone,
    /// 401, to a request with credentials of this generation.
    Unauthorized(u64),
    /// 403
    Forbidden,
    /// 404
    Absent,
    /// The server does not take the request as it is: it would not take it again.
    Refused,
    /// What came made no sense: something may have been missed.
    Garbage,
    /// Nothing came for too long, or it ended too early.
    Silence,
    /// Anything that may pass: no connection, 429, 5xx.
    Other,
}

impl Failure {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), retry_after: None }
    }

    pub(super) fn garbage(message: impl Into<String>) -> Self {
        Self::new(Reason::Garbage, message)
    }

    pub(super) fn connection(message: impl Into<String>) -> Self {
        Self::new(Reason::Other, message)
    }

    /// Reads the `Status` object of an answer, or of an event (then without an answer's code).
    pub(super) fn from_status(answer: Option<(StatusCode, u64)>, body: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Status {
            message: String,
            reason: String,
            code: u16,
            details: Option<Details>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Details {
            retry_after_seconds: u64,
            causes: Option<Vec<Cause>>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Cause {
            reason: String,
        }
        let status: Status = serde_json::from_slice(body).unwrap_or_default();
        let code = answer.map_or(status.code, |(code, _)| code.as_u16());
        let details = status.details.unwrap_or_default();
        // a version from before etcd was restored from a backup: waiting will not help
        let too_large = details.causes.iter().flatten().any(|cause| cause.reason == "ResourceVersionTooLarge");
        let reason = match code {
            _ if too_large => Reason::Gone,
            410 => Reason::Gone,
            401 => Reason::Unauthorized(answer.map_or(0, |(_, generation)| generation)),
            403 => Reason::Forbidden,
            404 => Reason::Absent,
            408 | 429 => Reason::Other,
            400..=499 => Reason::Refused,
            _ => match &*status.reason {
                "Expired" | "Gone" => Reason::Gone,
                _ => Reason::Other,
            },
        };
        let retry_after = Some(details.retry_after_seconds).filter(|seconds| *seconds > 0).map(Duration::from_secs);
        Self { reason, message: sentence(code, &status.message, body), retry_after }
    }

    /// Whether the same request may do better in a while.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self.reason, Reason::Other | Reason::Silence)
    }
}

/// The server's own words; the beginning of a body that is no `Status`.
fn sentence(code: u16, message: &str, body: &[u8]) -> String {
    let meaning = StatusCode::from_u16(code).ok().and_then(|code| code.canonical_reason()).unwrap_or("error");
    let text = if message.is_empty() { &String::from_utf8_lossy(body) } else { message };
    let text: String = text.trim().chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.is_empty() { format!("{code} {meaning}") } else { format!("{code} {meaning}: {text}") }
}

/// Pauses that grow while nothing works.
#[derive(Debug)]
pub(super) struct Retry {
    first: Duration,
    max: Duration,
    /// In a row.
    failures: u32,
}

impl Retry {
    pub(super) fn new(settings: &WatchSettings) -> Self {
        Self { first: settings.first_retry, max: settings.max_retry, failures: 0 }
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// In a row, so far.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts a failure and says how long to wait.
    pub(super) fn after(&mut self, failure: &Failure) -> Duration {
        let max = match failure.reason {
            Reason::Forbidden => self.max.max(FORBIDDEN_RETRY),
            Reason::Absent => self.max.min(ABSENT_RETRY),
            _ => self.max,
        };
        let pause = self.next(max);
        // asked for by the server: not a moment less, and not everybody in the same moment
        let asked = failure.retry_after.map(|pause| pause.min(LONGEST_RETRY_AFTER));
        asked.map_or(pause, |asked| pause.max(asked + spread(asked / 4)))
    }

    /// Counts an end that was no failure but came too soon.
    pub(super) fn after_end(&mut self) -> Duration {
        self.next(self.max)
    }

    /// Doubles; between half and one and a half of that, so that those who failed together do not come back together.
    fn next(&mut self, max: Duration) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        let pause = doubled.min(max);
        (pause / 2 + spread(pause)).min(max.mul_f64(1.25))
    }
}

/// Between nothing and `range`.
pub(super) fn spread(range: Duration) -> Duration {
    // the hasher's random keys are all the randomness this needs
    let random = RandomState::new().build_hasher().finish();
    range.mul_f64(f64::from((random >> 32) as u32) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_retry() -> Retry {
        Retry::new(&WatchSettings::default())
    }

    #[test]
    fn statuses_mean_what_they_say() {
        let read = |code: u16, body: &str| {
            let code = StatusCode::from_u16(code).unwrap();
            Failure::from_status(Some((code, 3)), body.as_bytes())
        };
        let forbidden = r#"{"kind":"Status","message":"pods is forbidden: User \"x\" cannot list","code":403}"#;
        let failure = read(403, forbidden);
        assert_eq!(failure.reason, Reason::Forbidden);
        assert_eq!(failure.message, "403 Forbidden: pods is forbidden: User \"x\" cannot list");
        let cases = [
            (400, Reason::Refused),
            (401, Reason::Unauthorized(3)),
            (404, Reason::Absent),
            (410, Reason::Gone),
            (422, Reason::Refused),
            (429, Reason::Other),
            (500, Reason::Other),
            (503, Reason::Other),
        ];
        for (code, reason) in cases {
            assert_eq!(read(code, "").reason, reason, "{code}");
        }
        assert_eq!(read(503, "").message, "503 Service Unavailable");
        assert_eq!(read(502, "<html>\nbad\tgateway").message, "502 Bad Gateway: <html> bad gateway");
        let busy = read(429, r#"{"details":{"retryAfterSeconds":7}}"#);
        assert_eq!(busy.retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_version_from_the_future_is_as_good_as_gone() {
        let body = br#"{"code":504,"reason":"Timeout","message":"Too large resource version: 9, current: 3",
            "details":{"causes":[{"reason":"ResourceVersionTooLarge"}],"retryAfterSeconds":1}}"#;
        assert_eq!(Failure::from_status(None, body).reason, Reason::Gone);
        let event = br#"{"code":410,"reason":"Expired","message":"too old resource version"}"#;
        assert_eq!(Failure::from_status(None, event).reason, Reason::Gone);
    }

    #[test]
    fn pauses_grow_and_stay_within_bounds() {
        let (mut retry, failure) = (mk_retry(), Failure::connection("refused"));
        let pauses: Vec<_> = (0..12).map(|_| retry.after(&failure).as_secs_f64()).collect();
        assert!((0.4..=1.2).contains(&pauses[0]), "{pauses:?}");
        assert!((1.6..=4.8).contains(&pauses[2]), "{pauses:?}");
        assert!(pauses[6..].iter().all(|pause| (15.0..=37.5).contains(pause)), "{pauses:?}");
        retry.reset();
        assert!(retry.after(&failure) <= Duration::from_millis(1200));
    }

    #[test]
    fn the_kind_of_failure_bounds_the_pause() {
        for (reason, longest) in [(Reason::Forbidden, 75.0), (Reason::Absent, 10.0)] {
            let (mut retry, failure) = (mk_retry(), Failure::new(reason, ""));
            let last = (0..12).map(|_| retry.after(&failure)).last().unwrap().as_secs_f64();
            assert!((longest * 0.4..=longest).contains(&last), "{reason:?}: {last}");
        }
    }

    #[test]
    fn a_server_that_asks_for_a_pause_gets_it() {
        let mut failure = Failure::connection("busy");
        failure.retry_after = Some(Duration::from_secs(20));
        let pause = mk_retry().after(&failure).as_secs_f64();
        assert!((20.0..=25.0).contains(&pause), "{pause}");
        failure.retry_after = Some(Duration::from_secs(1_000_000));
        assert!(mk_retry().after(&failure) <= Duration::from_secs(375));
    }
}
