//! Scrape configs: typed, defaulted, validated, rendered, told apart.

mod decode;
mod fingerprint;
mod global;
mod groups;
mod http_client;
mod json_tree;
mod mechanisms;
mod protocols;
mod render;
mod rules;
mod sd;
pub(crate) mod selector;
mod types;
pub(crate) mod url;

pub use decode::{Decoded, DecodedJob, PrometheusConfig, decode, decode_job};
pub use global::GlobalConfig;
pub use groups::{GroupsError, decode_groups_json, decode_groups_yaml};
pub(crate) use http_client::read_http_client;
pub use mechanisms::UNSUPPORTED_SD_KEYS;
pub(crate) use render::join_jobs;
pub use render::{render_all, render_job};
pub use types::*;
