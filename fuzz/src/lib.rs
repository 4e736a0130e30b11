//! What is fuzzed, and how one sees that an answer is wrong. Each module has one function, `check`, which takes any bytes
//! and panics if they bring something to light.
//!
//! ```text
//! relabel       rules compiled for a whole job            against  rules applied one target at a time
//! regexp        patterns matched by their kind            against  the automaton, and another library's reading
//! config        a configuration that loads                against  what collectors read of its rendering
//! groups        answers of http_sd and files              against  a plain reading of the same JSON
//! resources     objects of the prometheus-operator        against  their own YAML, read again; and each alone
//! watch         answers of an API server, cut anywhere    against  the same uncut; nothing goes without being told
//! certificates  chains of client certificates             against  the certificates that a CA did sign
//! http          requests by each way there is to answer   against  each other, and a plain reading of the path
//! ```
//!
//! Everything goes through public doors of the crates. The corpus is replayed by `tests/replay.rs`, without libFuzzer.

pub mod certificates;
pub mod config;
pub mod groups;
pub mod http;
mod input;
mod jobs;
pub mod regexp;
pub mod relabel;
pub mod resources;
pub mod watch;
