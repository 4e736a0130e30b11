//! HTTPS: who gets in, what is served there, and files that change while it runs.

#![allow(clippy::unwrap_used)] // helpers of tests

mod chains;
mod clients;
mod pki;
mod program;
mod reload;
mod served;
