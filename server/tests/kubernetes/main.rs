//! The program in a cluster: a simulated API server, everything else real.

#![allow(clippy::unwrap_used)] // helpers of tests

mod collectors;
mod discovery;
mod failures;
#[path = "../program/mod.rs"]
mod program;
mod support;
