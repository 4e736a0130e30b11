//! A simulated Kubernetes API server: what list-and-watch clients see of a cluster, and every way an API server lets
//! them down.
//!
//! ```text
//! SimulatedCluster ── Store (objects as text, revisions, a window of changes) ◄── Population (synthetic cluster, churn)
//!        │               ▲
//!        └── Listener ── answers: list, watch, get, write, discovery, reviews ── Faults, RequestCounts
//! ```
//!
//! It has no controllers, no kubelet, no admission and no schemas: what is written is what is served. What differs from a
//! real server is listed in the README.

mod admin;
mod clock;
mod config;
mod counts;
mod faults;
mod http;
mod kinds;
mod measure;
mod object;
mod population;
mod run;
mod selector;
mod server;
mod settings;
mod status;
mod store;

pub use config::allocator_config;
pub use counts::RequestCounts;
pub use faults::{Fault, FaultKind, Faults, Verbs};
pub use kinds::{KINDS, Kind};
pub use measure::{Census, ProbeOptions, Probes, Served, census};
pub use population::{
    ClusterChurn, ClusterChurnKind, Expectation, Place, Population, PopulationError, PopulationOptions, Replaced,
};
pub use run::{ClusterReport, LatencyReport, ProcessReport, RunOptions, Stage, run};
pub use server::{ClusterError, SimulatedCluster};
pub use settings::{ClusterBuilder, Expiry, Window};
