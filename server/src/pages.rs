//! Pages for people: upstream's set, paged and searchable, and never the cost of all targets at once.
//!
//! A page loads the snapshot once, shows a bounded number of rows, needs nothing from elsewhere (style and icon are
//! inline, there are no scripts) and masks secrets always. Where scripts may want the same, it is at the same address as
//! JSON, made by the page's own `json.rs`.

mod collector;
mod discovery;
mod explain;
mod index;
mod jobs;
mod layout;
mod monitors;
mod paging;
mod scrape_configs;
mod targets;
mod watches;

pub(crate) use collector::collector;
pub(crate) use discovery::discovery;
pub(crate) use explain::{explain, explain_json};
pub(crate) use index::index;
pub(crate) use jobs::{job, jobs};
pub(crate) use monitors::{monitor, monitor_json, monitors, monitors_json};
pub(crate) use scrape_configs::scrape_configs;
pub(crate) use targets::{target, targets};
pub(crate) use watches::{watches, watches_json};
