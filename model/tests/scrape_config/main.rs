//! Scrape configs as they are read: defaults, inheritance, every refusal of Prometheus with its text.

#![allow(clippy::unwrap_used)] // helpers of tests

mod defaults;
mod files;
mod refusals;

use ta_model::scrape_config::{Decoded, ScrapeConfig, decode};
use ta_model::yaml::{Node, Problem, Strings, parse};

pub(crate) fn mk_node(text: &str) -> Node {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}")).root
}

pub(crate) fn decode_text(text: &str) -> Decoded {
    decode(&mk_node(text), Strings::RoundTripped)
}

pub(crate) fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// A configuration of one job `j` with the given keys (flow style, comma-separated).
pub(crate) fn decode_keys(keys: &str) -> Decoded {
    decode_text(&format!("scrape_configs:\n- {{job_name: j, {keys}}}\n"))
}

pub(crate) fn mk_job(keys: &str) -> ScrapeConfig {
    let decoded = decode_keys(keys);
    assert_eq!(texts(&decoded.errors), [""; 0], "{keys}");
    (*decoded.config.scrape_configs[0]).clone()
}

pub(crate) fn mk_jobs(text: &str) -> Vec<ScrapeConfig> {
    let decoded = decode_text(text);
    assert_eq!(texts(&decoded.errors), [""; 0], "{text}");
    decoded.config.scrape_configs.iter().map(|job| (**job).clone()).collect()
}
