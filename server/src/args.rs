//! The command line: upstream's flags with upstream's flag syntax (pflag), and a flag for each of our own keys.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, builder::ValueParser, parser::ValueSource};

use crate::config::{KEYS, Key, Kind, Owner, parse_bool};
use crate::telemetry::{Encoder, Level, LogOptions, TimeEncoding};

/// Where the operator mounts the file.
const DEFAULT_CONFIG_FILE: &str = "/conf/targetallocator.yaml";

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Run until a signal comes.
    Run,
    /// Validate the configuration, say what is in it, and end.
    Check,
    /// Print what the resources of manifests become, and end.
    Render(RenderArgs),
}

/// What `render` is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderArgs {
    /// Files, directories, or `-` for standard input.
    pub manifests: Vec<PathBuf>,
    pub output: Output,
    /// Print the walk through the questions instead.
    pub explain: bool,
    /// Whether `--config-file` was given: without it every object is selected, with the default settings.
    pub is_configured: bool,
}

/// The form in which `render` prints scrape configs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// As `/scrape_configs` serves them, jobs of the configuration file included
    #[default]
    Json,
    /// A Prometheus configuration of the resources' jobs, before defaults are filled in
    Yaml,
    /// The bare list of the same
    Expected,
}

/// A command line, understood.
#[derive(Clone, Debug)]
pub struct Args {
    pub action: Action,
    pub config_file: PathBuf,
    /// Configuration keys given as flags, with their text. A flag overrides the file only if it is here.
    pub overrides: Vec<(&'static Key, String)>,
    pub log: LogOptions,
}

impl Args {
    /// Parses a command line, program name first. The error knows its text, its stream and its exit code: 0 for `--help`,
    /// 2 for a flag that does not exist or does not parse.
    pub fn parse(line: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut line: Vec<OsString> = line.into_iter().collect();
        // Only in front: anywhere else upstream ignores a word without dashes, and so do we.
        let word = line.get(1).and_then(|word| word.to_str()).filter(|word| ["check", "render"].contains(word));
        let word = word.map(str::to_owned);
        if word.is_some() {
            line.remove(1);
        }
        let is_render = word.as_deref() == Some("render");
        let command = if is_render { command().args(render_args()) } else { command() };
        let matches = command.try_get_matches_from(line)?;
        Ok(Self {
            action: match word {
                Some(_) if is_render => Action::Render(RenderArgs::read(&matches)),
                Some(_) => Action::Check,
                None => Action::Run,
            },
            config_file: matches
                .get_one::<PathBuf>("config-file")
                .cloned()
                .unwrap_or_else(|| DEFAULT_CONFIG_FILE.into()),
            overrides: overrides(&matches),
            log: log_options(&matches),
        })
    }
}

impl RenderArgs {
    fn read(matches: &ArgMatches) -> Self {
        Self {
            manifests: matches.get_many("filename").map(|paths| paths.cloned().collect()).unwrap_or_default(),
            output: matches.get_one("output").copied().unwrap_or_default(),
            explain: matches.get_flag("explain"),
            is_configured: matches.contains_id("config-file"),
        }
    }
}

/// The flags that only `render` has.
fn render_args() -> [Arg; 3] {
    let arg = |name: &'static str| Arg::new(name).long(name).help_heading("Rendering");
    [
        arg("filename")
            .short('f')
            .value_name("path")
            .help("Manifests: files, directories (their .yaml, .yml and .json files), or - for standard input")
            .value_parser(clap::value_parser!(PathBuf))
            .num_args(1..)
            .action(ArgAction::Append)
            .required(true),
        arg("output")
            .short('o')
            .value_name("form")
            .help("How to print scrape configs [default: json]")
            .value_parser(clap::value_parser!(Output)),
        arg("explain")
            .help("Print for each object why it makes targets or does not, instead of scrape configs")
            .action(ArgAction::SetTrue),
    ]
}

/// How to call the program, for after an error.
pub(crate) fn usage() -> String {
    command().render_usage().to_string()
}

/// The flags that were given, in the order of [`KEYS`].
fn overrides(matches: &ArgMatches) -> Vec<(&'static Key, String)> {
    let given = |key: &&Key| key.has_flag() && matches.value_source(key.path) == Some(ValueSource::CommandLine);
    KEYS.iter()
        .filter(given)
        .filter_map(|key| matches.get_one::<String>(key.path).map(|text| (key, text.clone())))
        .collect()
}

fn log_options(matches: &ArgMatches) -> LogOptions {
    LogOptions {
        devel: matches.get_one::<bool>("zap-devel").copied().unwrap_or(false),
        encoder: matches.get_one::<Encoder>("zap-encoder").copied(),
        level: matches.get_one::<Level>("zap-log-level").copied(),
        time_encoding: matches.get_one::<TimeEncoding>("zap-time-encoding").copied(),
    }
}

/// The command as clap knows it; also the source of `--help`.
fn command() -> clap::Command {
    clap::Command::new("target-allocator")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Distributes Prometheus targets over OpenTelemetry Collectors")
        .override_usage(
            "target-allocator [--flag=value …]         run\n       \
             target-allocator check [--flag=value …]   validate the configuration, say what is in it, and end\n       \
             target-allocator render -f path …         print the scrape configs of resources in manifests; see render --help",
        )
        .after_help(after_help())
        .args_override_self(true)
        .arg(
            Arg::new("config-file")
                .long("config-file")
                .value_name("path")
                .help(format!("The configuration file [default: {DEFAULT_CONFIG_FILE}]"))
                .value_parser(clap::value_parser!(PathBuf))
                .allow_hyphen_values(true),
        )
        .args(KEYS.iter().filter(|key| key.has_flag()).map(key_arg))
        .args(log_args())
        .arg(Arg::new("ignored").num_args(0..).hide(true))
}

fn after_help() -> String {
    let mut text = String::from("Environment only:\n");
    for key in KEYS.iter().filter(|key| !key.has_flag()) {
        text.push_str(&format!("  {}  {}\n", key.env, key.help_line()));
    }
    text.push_str(
        "\nPrecedence: defaults < file < environment < flags. A flag counts only if it is given.\n\
         A boolean takes its value only by `=`: --flag is true, --flag=false is false.",
    );
    text
}

/// The flag of one configuration key.
fn key_arg(key: &'static Key) -> Arg {
    let heading = match key.owner {
        Owner::Upstream => "Configuration, as in the OpenTelemetry Operator's target allocator",
        Owner::Ours => "Configuration of this program",
    };
    let arg = Arg::new(key.path).long(key.flag()).help(key.help_line()).help_heading(heading);
    match key.kind {
        Kind::Bool => bool_arg(arg).value_parser(|text: &str| parse_bool(text).map(|value| value.to_string())),
        kind => arg.value_name(kind.name()).allow_hyphen_values(true),
    }
}

/// A boolean as pflag has it: a value only by `=`.
fn bool_arg(arg: Arg) -> Arg {
    arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("bool")
}

/// The flags of controller-runtime's zap set, which users of upstream pass for logging.
fn log_args() -> [Arg; 5] {
    let arg = |name: &'static str, value: &'static str, parser: ValueParser, help: &'static str| {
        let arg = Arg::new(name).long(name).value_name(value).value_parser(parser);
        arg.allow_hyphen_values(true).help(help).help_heading("Logging")
    };
    [
        bool_arg(Arg::new("zap-devel").long("zap-devel"))
            .value_parser(parse_bool)
            .help("Development logs: console encoding and debug level, where these are not given")
            .help_heading("Logging"),
        arg("zap-encoder", "encoder", ValueParser::new(text_parser::<Encoder>), "json or console [default: json]"),
        arg(
            "zap-log-level",
            "level",
            ValueParser::new(text_parser::<Level>),
            "debug, info, warn, error, panic, or a number above 0 (1 = debug, more = everything) [default: info]",
        ),
        arg("zap-stacktrace-level", "level", ValueParser::new(stacktrace_level), "Accepted; there are no stack traces"),
        arg(
            "zap-time-encoding",
            "encoding",
            ValueParser::new(text_parser::<TimeEncoding>),
            "epoch, millis, nanos, iso8601, rfc3339 or rfc3339nano [default: rfc3339]",
        ),
    ]
}

fn text_parser<T: std::str::FromStr<Err = String>>(text: &str) -> Result<T, String> {
    text.parse()
}

fn stacktrace_level(text: &str) -> Result<(), String> {
    match text.to_ascii_lowercase().as_str() {
        "info" | "warn" | "error" | "panic" => Ok(()),
        _ => Err("want info, error or panic".into()),
    }
}
