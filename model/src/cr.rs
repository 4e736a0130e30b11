//! Objects of the prometheus-operator to scrape configs: ServiceMonitor, PodMonitor, Probe, ScrapeConfig.
//!
//! The pure half: what is selected ([`Selection`]), what an object says ([`Resource`]), what becomes of it ([`generate()`]).
//! Watching the objects, and the Secrets and ConfigMaps they refer to, is somebody else's work: values come through
//! [`Lookup`], and [`Outcome::references`] says whose changes matter.
//!
//! ```text
//! object ─► Resource ─► Selection ─► checks ─► YAML as upstream writes it ─► Prometheus' checks ─► Arc<ScrapeConfig>
//!             │ Invalid     │ Unselected └────────── Outcome::rejected ──────────────┘
//! ```
//!
//! Upstream loads the YAML of all objects at once, so one bad object stops every change. Here each object is loaded
//! alone, and only the bad one goes.

mod base64;
mod class;
mod cluster;
mod copied;
mod decode;
mod explain;
mod generate;
mod http;
mod load;
mod lookup;
mod manifests;
mod monitor;
mod objects;
mod pem;
mod probe;
mod quantity;
mod relabel;
mod scrape_config;
mod sd;
mod section;
mod select;
mod selector;
mod settings;
mod tree;
mod types;

pub use cluster::{ContainerPort, Pod, Service, ServicePort};
pub use decode::Invalid;
pub use explain::{Answer, Explanation, Step, explain};
pub use generate::{Cause, Context, DeniedJob, Outcome, Rejected, Rejection, generate, references, sections};
pub use lookup::{Lookup, LookupError, Reference, ValueKind};
pub use manifests::{ManifestError, split, values_of};
pub use objects::{Coverage, Generated, NotSelected, ObjectState, Objects};
pub use select::{KindSelectors, Namespaces, Selection, Unselected};
pub use selector::{LabelSelector, MatchExpression, Mismatch};
pub use settings::{Settings, SettingsError, SettingsSource};
pub use types::{
    API_GROUP, Endpoint, General, Kind, MonitorCommon, NamespaceSelector, ObjectId, PodMonitor, Probe, ProbeIngress,
    ProbeParam, ProbeStatic, Resource, ScrapeConfigSpec, ServiceMonitor, Spec, TargetPort, UserRule,
};
