//! The HTTPS server: handshakes, and the files it lives by.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

use super::Name;
use super::families::Families;

/// What is replaced as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFiles {
    /// The server's certificate and its key.
    Certificate,
    /// The CAs of clients.
    ClientCa,
}

impl TlsFiles {
    const ALL: [Self; 2] = [Self::Certificate, Self::ClientCa];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::ClientCa => "client_ca",
        }
    }
}

/// How a handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    Ok,
    /// The client sent no certificate.
    NoCertificate,
    /// The client's certificate was refused.
    BadCertificate,
    /// The client took too long.
    Timeout,
    /// The client hung up, offered nothing we speak, or spoke no TLS.
    Failed,
}

impl Handshake {
    const ALL: [Self; 5] = [Self::Ok, Self::NoCertificate, Self::BadCertificate, Self::Timeout, Self::Failed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NoCertificate => "no_certificate",
            Self::BadCertificate => "bad_certificate",
            Self::Timeout => "timeout",
            Self::Failed => "failed",
        }
    }
}

/// Shown once HTTPS is served.
#[derive(Debug, Default)]
pub(super) struct TlsMetrics {
    in_use: AtomicBool,
    handshakes: [AtomicU64; Handshake::ALL.len()],
    reloads: [AtomicU64; TlsFiles::ALL.len()],
    bad: [AtomicBool; TlsFiles::ALL.len()],
    /// Seconds since 1970.
    not_after: AtomicI64,
}

impl TlsMetrics {
    pub(super) fn handshake(&self, how: Handshake) {
        self.handshakes[how as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn files(&self, what: TlsFiles, good: bool) {
        self.in_use.store(true, Relaxed);
        self.bad[what as usize].store(!good, Relaxed);
    }

    pub(super) fn reloaded(&self, what: TlsFiles) {
        self.reloads[what as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn not_after(&self, seconds: i64) {
        self.not_after.store(seconds, Relaxed);
    }

    pub(super) fn collect(&self, families: &mut Families) {
        if !self.in_use.load(Relaxed) {
            return;
        }
        for how in Handshake::ALL {
            let count = self.handshakes[how as usize].load(Relaxed);
            families.counter_with(Name::TlsHandshakes, &[("result", how.as_str())], count);
        }
        for what in TlsFiles::ALL {
            let labels = [("files", what.as_str())];
            families.counter_with(Name::TlsReloads, &labels, self.reloads[what as usize].load(Relaxed));
            families.gauge_with(Name::TlsFilesBad, &labels, f64::from(u8::from(self.bad[what as usize].load(Relaxed))));
        }
        families.gauge(Name::TlsNotAfter, self.not_after.load(Relaxed) as f64);
    }
}
