//! Configuration: what the user wrote ([`RawConfig`]) and what the program uses ([`Config`]), and the one step between.
//!
//! ```text
//! file ──decode──► RawConfig ◄── environment ◄── flags        (KEYS: one table for both, and for --help)
//!                      └──resolve: defaults, validation──► Config
//! ```

mod keys;
mod missing;
mod problem;
mod raw;
mod resolve;
mod resources;
mod telemetry;
mod values;

pub use keys::{KEYS, Key, Kind, Owner};
pub use problem::{ConfigError, ConfigProblem, Place};
pub use raw::{CollectorEntry, Exporter, Header, MatchExpression, Nanos, Periodic, RawConfig, RawReader, Selector};
pub use resolve::{CollectorSource, Config, EngineConfig, HttpConfig, Https, Loaded, PrometheusCr, Readiness, load};
pub(crate) use values::parse_size;
pub use values::{Size, parse_bool};
