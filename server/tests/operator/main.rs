//! The end-to-end suites of the OpenTelemetry Operator, as far as the allocator has a part in them, by the numbers that
//! they have here:
//!
//! | | Suite | Here |
//! |---|---|---|
//! | E1 | `e2e-targetallocator-cr` | [`resource`] |
//! | E2 | `e2e-targetallocator-cr/targetallocator-label` | [`resource`] |
//! | E3 | `targetallocator-features` | [`resource`] |
//! | E4 | `targetallocator-annotations` | [`resource`]: the pod becomes ready. The annotations are the operator's |
//! | E5 | `targetallocator-kubernetessd` | [`monitors`] |
//! | E6 | `targetallocator-prometheuscr` | [`monitors`] |
//! | E7 | `targetallocator-prometheuscr-secrets` | [`secrets`] |
//! | E8 | `targetallocator-insecure-auth-secrets` | [`secrets`] |
//! | E9 | `targetallocator-prometheuscr-denyfs` | [`monitors`] |
//! | E10 | `targetallocator-namespace` | [`monitors`] |
//! | E11 | `targetallocator-metrics` | [`monitors`] |
//! | E12 | `ta-collector-mtls` | [`mtls`] |
//! | E13 | `ta-collector-mtls-user-provided` | [`mtls`] |
//! | E14 | `ta-standalone-mtls` | [`mtls`] |
//! | E15 | `ta-collector-mtls-scrapeconfig-node` | [`secrets`] |
//! | E16 | `ta-disabled` | not ours: there is no allocator in it |
//! | E17 | `smoke-targetallocator` | [`resource`]: both files start. That a change makes a rollout is the operator's |
//! | E18 | `operator-restart`, `networkpolicy` | [`resource`]: it is ready. The policies are the operator's |
//! | E19 | `prometheus-config-validation` | [`resource`]: all three are ready. What is merged is the collector's file |
//! | E20 | `e2e-pdb/target-allocator` | not ours: the budget is the operator's, and the pod runs on the file of E1 |
//! | E21 | `create-sm-prometheus-exporters`, steps 8 and 9 | [`monitors`] |
//! | E22, E23 | `e2e-ta-standalone` | [`standalone`] |
//!
//! Each pod is a process in the shape of the image (`scripts/in-image-shape`), on the configuration file that the operator
//! writes (`files/`). It reaches the API server as any pod does: by `KUBERNETES_SERVICE_HOST`, over TLS, with the token of a
//! service account that may do what the suite's role grants. Only that server is simulated; for collectors stand their
//! pods, and polls. With `TARGET_ALLOCATOR` another binary runs, the image's for instance.
//!
//! What is not tried here: what a kubelet does (pulling, probing on its own, restarting, 35 s without a restart in E3), and
//! scrapes by collectors, in whose place the tests take what a collector is given and do with it what it would.

#![allow(clippy::unwrap_used)] // helpers of tests

#[path = "../acceptance/mod.rs"]
mod acceptance;
mod monitors;
mod mtls;
#[path = "../https/pki.rs"]
mod pki;
mod pod;
mod resource;
mod secrets;
mod standalone;
mod world;
