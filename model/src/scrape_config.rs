//! Scrape configs: typed, defaulted, validated, rendered.

mod types;

pub use types::*;
