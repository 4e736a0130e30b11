//! The HTTP side as clients see it: through the router without a socket, and over sockets where they matter.

#![allow(clippy::unwrap_used)] // helpers of tests

mod explain;
mod faults;
mod metrics;
mod monitors;
mod not_ready;
mod pages;
mod routes;
mod scrape_configs;
mod sockets;
mod support;
mod targets;
mod tls;
mod watches;
