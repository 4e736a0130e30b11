//! TLS of the HTTPS server: who we are, whom we let in, and files that change under us.
//!
//! ```text
//! files ─look─► Material (last good pair, last good CAs) ─watch─► ServerConfig of the next connection
//!                                                                      │
//!                  der ─► certificate, names ─► chain ─► verifier ◄────┘ at every handshake
//! ```

mod certificate;
mod chain;
mod der;
mod material;
mod names;
mod reload;
mod verifier;

use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use chain::Rejection;
pub use verifier::ClientTrust;

pub(crate) use material::{Files, MaterialError};
pub(crate) use reload::Material;
pub(crate) use verifier::rejection_of;

/// The one crypto provider of the program.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())).clone()
}
