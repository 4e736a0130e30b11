//! Logs: one line per event on stderr, in the shapes that zap gives upstream's.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

/// What the zap flags said; `None` where they said nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    pub devel: bool,
    pub encoder: Option<Encoder>,
    pub level: Option<Level>,
    pub time_encoding: Option<TimeEncoding>,
}

/// The shape of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoder {
    /// One JSON object: `level`, `ts`, `logger`, `msg`, then the fields.
    Json,
    /// Tab-separated for people, the fields as JSON at the end.
    Console,
}

/// The least severe events that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(LevelFilter);

/// How `ts` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeEncoding {
    /// Seconds with fraction.
    Epoch,
    /// Milliseconds with fraction.
    Millis,
    /// Whole nanoseconds.
    Nanos,
    /// With milliseconds.
    Iso8601,
    Rfc3339,
    Rfc3339Nano,
}

impl FromStr for Encoder {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "json" => Ok(Self::Json),
            "console" => Ok(Self::Console),
            _ => Err("want json or console".into()),
        }
    }
}

impl FromStr for Level {
    type Err = String;
    /// Upstream's names, `warn`, and zap's verbosity numbers.
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text.to_ascii_lowercase().as_str() {
            "debug" => LevelFilter::DEBUG,
            "info" => LevelFilter::INFO,
            "warn" => LevelFilter::WARN,
            // Errors are few, and the last one says why the program ended: `panic` does not silence them.
            "error" | "panic" => LevelFilter::ERROR,
            number => match number.parse::<u32>() {
                Ok(1) => LevelFilter::DEBUG,
                Ok(2..) => LevelFilter::TRACE,
                _ => return Err("want debug, info, warn, error, panic or a number above 0".into()),
            },
        }))
    }
}

impl FromStr for TimeEncoding {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "epoch" => Self::Epoch,
            "millis" => Self::Millis,
            "nanos" => Self::Nanos,
            "iso8601" => Self::Iso8601,
            "rfc3339" => Self::Rfc3339,
            "rfc3339nano" => Self::Rfc3339Nano,
            _ => return Err("want epoch, millis, nanos, iso8601, rfc3339 or rfc3339nano".into()),
        })
    }
}

/// Sends the events of this process to stderr. Does nothing if logging was set up before.
pub(crate) fn init(options: LogOptions) {
    // A second call can only come from a test that starts the program twice; the first one stays in force.
    if tracing::subscriber::set_global_default(subscriber(options, io::stderr)).is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// A panic is an event like any other, not loose text between them.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload_as_str().unwrap_or("no message");
    tracing::error!(thread = thread.name(), place, "panic: {message}");
}

/// The subscriber behind [`init`], writing to `writer`.
fn subscriber<W>(options: LogOptions, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let usual = if options.devel { LevelFilter::DEBUG } else { LevelFilter::INFO };
    let level = options.level.map_or(usual, |level| level.0);
    let encoder = options.encoder.unwrap_or(if options.devel { Encoder::Console } else { Encoder::Json });
    let time_encoding = options.time_encoding.unwrap_or(TimeEncoding::Rfc3339);
    // who debugs this program does not want every frame that the HTTP library sends; who asks for everything does
    let others = if level == LevelFilter::TRACE { level } else { level.min(LevelFilter::INFO) };
    let filter = Targets::new().with_default(others).with_target("ta_", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).event_format(Zap { encoder, time_encoding });
    tracing_subscriber::registry().with(lines.with_filter(filter))
}

/// Formats events as zap does.
#[derive(Debug)]
struct Zap {
    encoder: Encoder,
    time_encoding: TimeEncoding,
}

impl<S, N> FormatEvent<S, N> for Zap
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = self.time_encoding.encode(now);
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        match self.encoder {
            Encoder::Json => writer.write_str(&json_line(level, time, target, fields))?,
            Encoder::Console => writer.write_str(&console_line(level, &time, target, fields))?,
        }
        writer.write_char('\n')
    }
}

/// The fields of one event.
#[derive(Default)]
struct Fields {
    message: String,
    rest: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => drop(self.rest.insert(name.to_owned(), value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        self.put(field, text.into());
    }
}

/// zap's names; it has none below debug.
fn level_name(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "error",
        tracing::Level::WARN => "warn",
        tracing::Level::INFO => "info",
        _ => "debug",
    }
}

/// The crate and module of an event without our own prefix: `server::wiring`.
fn logger(target: &str) -> &str {
    target.strip_prefix("ta_").unwrap_or(target)
}

fn json_line(level: tracing::Level, time: Value, target: &str, fields: Fields) -> String {
    let head = [
        ("level", level_name(level).into()),
        ("ts", time),
        ("logger", logger(target).into()),
        ("msg", Value::from(fields.message)),
    ];
    let rest = fields.rest.iter().map(|(name, value)| (name.as_str(), value));
    let all = head.iter().map(|(name, value)| (*name, value)).chain(rest);
    let pairs: Vec<String> = all.map(|(name, value)| format!("{}:{value}", Value::from(name))).collect();
    format!("{{{}}}", pairs.join(","))
}

fn console_line(level: tracing::Level, time: &Value, target: &str, fields: Fields) -> String {
    let time = time.as_str().map_or_else(|| time.to_string(), str::to_owned);
    let mut line = format!("{time}\t{}\t{}\t{}", level_name(level).to_uppercase(), logger(target), fields.message);
    if !fields.rest.is_empty() {
        line = format!("{line}\t{}", Value::Object(fields.rest));
    }
    line
}

impl TimeEncoding {
    /// `since` is the time since 1970.
    fn encode(self, since: Duration) -> Value {
        let whole = calendar(since.as_secs());
        match self {
            Self::Epoch => since.as_secs_f64().into(),
            Self::Millis => (since.as_nanos() as f64 / 1e6).into(),
            Self::Nanos => (since.as_nanos() as u64).into(),
            Self::Iso8601 => format!("{whole}.{:03}Z", since.subsec_millis()).into(),
            Self::Rfc3339 => format!("{whole}Z").into(),
            Self::Rfc3339Nano => format!("{whole}.{:09}Z", since.subsec_nanos()).into(),
        }
    }
}

/// `secs` since 1970 as UTC date and time, after the algorithm "civil from days" (Howard Hinnant, public domain).
fn calendar(secs: u64) -> String {
    let (days, rest) = (secs / 86_400, secs % 86_400);
    let days = days + 719_468; // since 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153; // March = 0
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Runs `log` and gives what was written.
    fn lines(options: LogOptions, log: impl FnOnce()) -> String {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&buffer);
        tracing::subscriber::with_default(subscriber(options, move || Tee(Arc::clone(&writer))), log);
        String::from_utf8(buffer.lock().unwrap().clone()).unwrap()
    }

    struct Tee(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Tee {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn json_lines_have_the_keys_of_zap_first() {
        let text = lines(LogOptions::default(), || {
            tracing::info!(job = "a\"b", targets = 3, "job \"a\" came");
            tracing::debug!("not shown");
        });
        assert!(text.starts_with("{\"level\":\"info\",\"ts\":\"20"), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["msg"], "job \"a\" came");
        assert_eq!((&value["job"], &value["targets"]), (&Value::from("a\"b"), &Value::from(3)));
        assert_eq!(value["logger"], "server::telemetry::tests");
    }

    #[test]
    fn console_lines_are_tab_separated_and_devel_shows_debug() {
        let text = lines(LogOptions { devel: true, ..LogOptions::default() }, || tracing::debug!(n = 1, "hello"));
        let parts: Vec<&str> = text.trim_end().split('\t').skip(1).collect();
        assert_eq!(parts, ["DEBUG", "server::telemetry::tests", "hello", "{\"n\":1}"]);
    }

    #[test]
    fn libraries_are_heard_below_info_only_when_everything_is_asked_for() {
        for (level, wanted) in [("debug", 1), ("1", 1), ("2", 2), ("error", 0)] {
            let options = LogOptions { level: Some(level.parse().unwrap()), ..LogOptions::default() };
            let text = lines(options, || {
                tracing::debug!("ours");
                tracing::debug!(target: "hyper::proto", "theirs");
            });
            assert_eq!(text.lines().count(), wanted, "{level}: {text}");
        }
    }

    #[test]
    fn levels_and_encodings_win_over_devel() {
        let options = LogOptions {
            devel: true,
            encoder: Some("JSON".parse().unwrap()),
            level: Some("error".parse().unwrap()),
            time_encoding: Some("nanos".parse().unwrap()),
        };
        let text = lines(options, || {
            tracing::warn!("not shown");
            tracing::error!("shown");
        });
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(value["ts"].is_u64());
        assert_eq!(value["level"], "error");
    }

    #[test]
    fn times_are_written_as_zap_writes_them() {
        let at = Duration::new(1_709_210_096, 7_000_000); // 2024-02-29, the day that breaks naive calendars
        let cases = [
            ("epoch", serde_json::json!(1_709_210_096.007)),
            ("millis", serde_json::json!(1_709_210_096_007.0)),
            ("nanos", serde_json::json!(1_709_210_096_007_000_000_u64)),
            ("iso8601", "2024-02-29T12:34:56.007Z".into()),
            ("rfc3339", "2024-02-29T12:34:56Z".into()),
            ("rfc3339nano", "2024-02-29T12:34:56.007000000Z".into()),
        ];
        for (name, wanted) in cases {
            assert_eq!(name.parse::<TimeEncoding>().unwrap().encode(at), wanted, "{name}");
        }
        assert_eq!(calendar(0), "1970-01-01T00:00:00");
        assert_eq!(calendar(951_782_400), "2000-02-29T00:00:00");
        assert_eq!(calendar(4_102_444_799), "2099-12-31T23:59:59");
    }

    #[test]
    fn level_names_and_numbers() {
        let cases = [("debug", LevelFilter::DEBUG), ("1", LevelFilter::DEBUG), ("5", LevelFilter::TRACE)];
        for (text, wanted) in cases {
            assert_eq!(text.parse::<Level>(), Ok(Level(wanted)));
        }
        for text in ["0", "-1", "loud", ""] {
            assert!(text.parse::<Level>().is_err(), "{text}");
        }
    }
}
