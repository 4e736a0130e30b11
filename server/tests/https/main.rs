//! HTTPS: who gets in, what is served there, and files that change while it runs.

#![allow(clippy::unwrap_used)] // helpers of tests

#[path = "../acceptance/mod.rs"]
mod acceptance;
mod chains;
mod clients;
mod pki;
mod program;
mod prometheus;
mod reload;
mod served;
