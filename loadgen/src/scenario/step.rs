//! What can happen in a scenario.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::duration::{Time, parse};
use crate::feed::{ChurnKind, FeedMode};

/// One step.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum StepKind {
    /// Starts allocator instance n and waits until it is ready.
    Start(usize),
    /// Starts allocator instance n and does not wait.
    StartUnready(usize),
    /// SIGKILL to instance n.
    Kill(usize),
    /// SIGTERM to instance n; waits until it exits, which must be with 0.
    Terminate(usize),
    /// Waits until every target is held exactly once and every change is known; an error after this long.
    Settle(Time),
    /// Measuring begins here; what was before is forgotten.
    Mark,
    /// Lets time pass.
    Wait(Time),
    /// Waits until every collector has asked so many times for the targets of every job, whatever it got.
    Polls(u64),
    /// Waits until so many answers for every job and collector have been taken.
    Answers(u64),
    /// Changes the number of collectors.
    Scale(u32),
    /// Restarts the collectors one after the other.
    RollingRestart {
        /// How long each is away, and the pause before the next.
        pause: Time,
        /// Whether the allocator still sees a collector while it is away.
        #[serde(default)]
        membership_kept: bool,
    },
    /// Changes targets.
    Churn {
        /// What happens.
        kind: ChurnKind,
        /// Targets per second.
        rate: Rate,
        /// For how long.
        #[serde(rename = "for")]
        duration: Time,
        /// Go on with the next step meanwhile.
        #[serde(default)]
        background: bool,
    },
    /// How the feed answers (http feed only).
    Feed(FeedMode),
    /// What becomes of the API server (cluster feed only).
    Api(Api),
    /// What becomes of the files of HTTPS.
    Certificates(CertificateFiles),
    /// Collectors make new connections for their next requests.
    Reconnect,
    /// Clients that are no collectors: so many of each kind from now on.
    Strangers(StrangerCounts),
    /// Sets the wall clock of the allocators on, or back; the clock that only counts time goes on.
    Clock(Jump),
}

/// What becomes of the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Api {
    /// Nobody listens.
    Down,
    /// It listens, and all faults are over.
    Up,
    /// No answers, and nothing in open watches.
    Hang,
    /// Status 500, and open watches break.
    Fail,
    /// Status 403, and open watches break.
    Forbid,
    /// Open watches get a line that is no event.
    Garble,
    /// What happened before is forgotten, and open watches are told so (410).
    Forget,
}

/// What becomes of the files of HTTPS: CA, certificate and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateFiles {
    /// Each holds something that is no PEM.
    Garbage,
    /// Each is empty.
    Empty,
    /// They are gone.
    Gone,
    /// Certificate and key do not go together.
    Mismatch,
    /// Another certificate of the same CA; waits until the allocators show it. Collectors have another one, too.
    Renewed,
}

/// Numbers of clients that are no collectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StrangerCounts {
    /// Connect, and say nothing.
    pub idle: usize,
    /// Ask a question, one byte every 200 ms (slowloris), and come back when they are cut.
    pub dribbling: usize,
    /// Ask and ask, and never read an answer; come back when they are cut.
    pub deaf: usize,
}

/// A jump of the clock, such as `1h` or `-1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Jump {
    /// Seconds; below zero it is set back.
    pub seconds: i64,
}

impl TryFrom<String> for Jump {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let (sign, length) = text.strip_prefix('-').map_or((1, text.as_str()), |length| (-1, length));
        match parse(length) {
            // what is less cannot be told from the time it takes to ask
            Some(length) if length >= Duration::from_secs(60) => Ok(Jump { seconds: sign * length.as_secs() as i64 }),
            _ => Err(format!("{text:?} is not a jump of at least a minute, such as 1h or -1d")),
        }
    }
}

/// Targets per second, as a number or as a share of all targets (`1%`).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "serde_json::Value")]
pub enum Rate {
    /// Number of targets.
    Targets(f64),
    /// Part of all targets.
    Share(f64),
}

impl Rate {
    /// Targets per second of a cluster of that size.
    pub fn per_second(self, targets: u64) -> f64 {
        match self {
            Rate::Targets(rate) => rate,
            Rate::Share(share) => share * targets as f64,
        }
    }
}

impl std::str::FromStr for Rate {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (number, share) = text.strip_suffix('%').map_or((text, false), |number| (number, true));
        match number.trim().parse::<f64>() {
            Ok(rate) if rate.is_finite() && rate >= 0.0 => {
                Ok(if share { Rate::Share(rate / 100.0) } else { Rate::Targets(rate) })
            }
            _ => Err(format!("{text:?} is not a rate such as 50 or 1%")),
        }
    }
}

impl TryFrom<serde_json::Value> for Rate {
    type Error = String;
    fn try_from(value: serde_json::Value) -> Result<Self, String> {
        value.as_str().map_or_else(|| value.to_string(), str::to_owned).parse()
    }
}

impl StepKind {
    /// The instance it is about.
    pub(super) fn instance(&self) -> Option<usize> {
        match self {
            StepKind::Start(n) | StepKind::StartUnready(n) | StepKind::Kill(n) | StepKind::Terminate(n) => Some(*n),
            _ => None,
        }
    }

    /// Makes everything it waits for shorter.
    pub(super) fn hurry(&mut self, factor: f64) {
        match self {
            StepKind::Wait(time)
            | StepKind::RollingRestart { pause: time, .. }
            | StepKind::Churn { duration: time, .. } => time.0 = time.0.div_f64(factor),
            _ => {}
        }
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StepKind::Start(n) => write!(f, "start allocator {n}"),
            StepKind::StartUnready(n) => write!(f, "start allocator {n} without waiting"),
            StepKind::Kill(n) => write!(f, "kill -9 allocator {n}"),
            StepKind::Terminate(n) => write!(f, "SIGTERM to allocator {n}"),
            StepKind::Settle(_) => f.write_str("settle"),
            StepKind::Mark => f.write_str("mark"),
            StepKind::Wait(time) => write!(f, "wait {:?}", time.0),
            StepKind::Polls(times) => write!(f, "wait until all is polled {times} times"),
            StepKind::Answers(times) => write!(f, "wait until {times} answers for all are taken"),
            StepKind::Scale(count) => write!(f, "scale to {count} collectors"),
            StepKind::RollingRestart { membership_kept: true, .. } => f.write_str("rolling restart, membership kept"),
            StepKind::RollingRestart { .. } => f.write_str("rolling restart"),
            StepKind::Churn { kind, rate, duration, .. } => {
                write!(f, "churn {kind:?} at {rate:?} for {:?}", duration.0)
            }
            StepKind::Feed(mode) => write!(f, "feed: {mode:?}"),
            StepKind::Api(api) => write!(f, "API server: {api:?}"),
            StepKind::Certificates(files) => write!(f, "certificates: {files:?}"),
            StepKind::Reconnect => f.write_str("reconnect"),
            StepKind::Strangers(counts) => {
                let StrangerCounts { idle, dribbling, deaf } = counts;
                write!(f, "strangers: {idle} idle, {dribbling} dribbling, {deaf} deaf")
            }
            StepKind::Clock(jump) => write!(f, "clock: {:+} s", jump.seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_are_read() {
        for (text, seconds) in [("1h", 3600), ("-1d", -86_400), ("1m30s", 90)] {
            assert_eq!(Jump::try_from(text.to_owned()), Ok(Jump { seconds }), "{text}");
        }
        for text in ["", "-", "1s", "--1h", "later"] {
            assert!(Jump::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
