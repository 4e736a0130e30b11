//! The `target-allocator` program as a library: configuration, wiring and HTTP.

pub mod health;
