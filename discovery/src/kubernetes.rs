//! Watches of Kubernetes objects, shared by everything that asks for the same ones.
//!
//! ```text
//!  subscribe::<Pods>(cluster, scope)        one watch per (cluster, kind, scope), alive while somebody subscribes
//!        │                                        │
//!        ▼                                        ▼
//!  Subscription ◄── objects, changed keys ── store ◄── task: list → watch → (410) list …  ◄── Cluster ◄── API server
//! ```
//!
//! kube-rs makes the connection: kubeconfig, service account, exec plugins, OIDC, TLS, proxies. Lists and watches are
//! ours, because objects are decoded straight from the stream into the little that is kept of them.
//!
//! What holds whatever the API server does: a watch that fails takes nothing away, one object that cannot be read
//! costs no other one, and a re-list is applied as one change.

mod client;
mod collectors;
mod get;
mod kinds;
mod object;
mod plan;
mod resource;
mod role;
pub(crate) mod sd;
mod time;
mod watch;

pub use client::{Cluster, KubeError, KubeSettings, Kubernetes, ServiceAccount};
pub use collectors::{CollectorPods, CollectorPodsConfig, Terminating};
pub(crate) use get::Unknown;
pub(crate) use kinds::{Meta, Pods, Services};
pub use object::{Kind, ObjectKey};
pub use plan::watched;
pub use resource::Resource;
pub(crate) use watch::WatchNotes;
pub use watch::{Condition, Feed, Scope, Subscription, WatchSettings, WatchView, Watches};
