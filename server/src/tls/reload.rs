//! Follows the files: a good change is in force for the next connection, a bad one changes nothing.
//!
//! Certificate and key are one thing, the CAs another: each is replaced on its own. While only one half of a pair has
//! been replaced the two do not match, and the old pair stays. A mounted Secret is swapped by its `..data` symlink,
//! which shows in the directory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use ta_discovery::DirectoryWatcher;
use tokio::sync::watch;

use super::material::{Files, MaterialError, Pair, server_config};
use super::verifier::ClientTrust;
use crate::metrics::{Metrics, TlsFiles};

/// How often the files are read without an event, as upstream: network file systems send none.
const REFRESH: Duration = Duration::from_secs(10);
/// Quiet time after a file event, so that a set of files being replaced is read once.
const SETTLE: Duration = Duration::from_millis(50);
/// A pair that does not match is on its way for so many looks; then it is told as a problem.
const PATIENCE: u32 = 3;

/// What the TLS server uses now, and the files it came from.
pub(crate) struct Material {
    files: Files,
    pair: Part<Pair>,
    trust: Part<Arc<ClientTrust>>,
    metrics: Metrics,
    config: watch::Sender<Arc<ServerConfig>>,
}

/// One thing that can be replaced.
struct Part<T> {
    value: T,
    /// Of the files it came from.
    hash: u128,
    /// Why what lies there now is not in force, and for how many looks already.
    problem: Option<(String, u32)>,
}

impl<T> Part<T> {
    /// Takes over what was read, unless it is what is in force or is no good. True if there is something new.
    fn take(&mut self, what: TlsFiles, read: Result<(T, u128), MaterialError>, metrics: &Metrics) -> bool {
        match read {
            Ok((value, hash)) => {
                if self.problem.take().is_some() {
                    tracing::info!(files = what.as_str(), "the TLS files are good again");
                }
                metrics.tls_files(what, true);
                let changed = hash != self.hash;
                if changed {
                    (self.value, self.hash) = (value, hash);
                }
                changed
            }
            Err(error) => {
                metrics.tls_files(what, false);
                self.tell(what, &error);
                false
            }
        }
    }

    /// Each problem once; a mismatch not before it lasts.
    fn tell(&mut self, what: TlsFiles, error: &MaterialError) {
        let text = error.to_string();
        let looks = match self.problem.take() {
            Some((before, looks)) if before == text => looks.saturating_add(1),
            _ => 1,
        };
        let patience = if matches!(error, MaterialError::Mismatch { .. }) { PATIENCE } else { 1 };
        let files = what.as_str();
        if looks == patience {
            tracing::error!(files, "the TLS files are no good, the last good ones stay in force: {text}");
        } else if looks == 1 {
            tracing::info!(files, "waiting for the other half: {text}");
        }
        self.problem = Some((text, looks));
    }
}

impl Material {
    /// Reads everything once. Blocks for the files.
    ///
    /// # Errors
    /// A file cannot be used: at start there is nothing good to fall back to.
    pub(crate) fn load(files: Files, metrics: Metrics) -> Result<Self, MaterialError> {
        let (pair, trust) = (read_pair(&files)?, read_trust(&files)?);
        let (config, _) = watch::channel(server_config(&pair.0, trust.0.clone()));
        let part = |(value, hash)| Part { value, hash, problem: None };
        let trust = Part { value: trust.0, hash: trust.1, problem: None };
        let material = Self { files, pair: part(pair), trust, metrics, config };
        material.metrics.tls_files(TlsFiles::Certificate, true);
        material.metrics.tls_files(TlsFiles::ClientCa, true);
        material.show();
        Ok(material)
    }

    /// What connections are accepted with.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.config.subscribe()
    }

    /// Looks at the files whenever their directories change, and every [`REFRESH`]; for ever.
    pub(crate) async fn follow(mut self, watcher: DirectoryWatcher) -> Result<(), String> {
        let directories: BTreeSet<_> = self.files.directories().collect();
        let mut listener = watcher.listen();
        let bell = listener.bell();
        loop {
            let directories = directories.clone();
            let look = tokio::task::spawn_blocking(move || {
                // watch first: a change in between is read twice rather than missed
                listener.watch(directories);
                self.look();
                (self, listener)
            });
            (self, listener) = look.await.map_err(|error| format!("reading the TLS files failed: {error}"))?;
            tokio::select! {
                () = tokio::time::sleep(REFRESH) => {}
                () = bell.changed(SETTLE) => {}
            }
        }
    }

    /// Reads the files, and puts in force what is new and good.
    pub(super) fn look(&mut self) {
        let pair = self.pair.take(TlsFiles::Certificate, read_pair(&self.files), &self.metrics);
        let trust = self.trust.take(TlsFiles::ClientCa, read_trust(&self.files), &self.metrics);
        for (what, _) in [(TlsFiles::Certificate, pair), (TlsFiles::ClientCa, trust)].iter().filter(|(_, new)| *new) {
            self.metrics.tls_reloaded(*what);
            tracing::info!(files = what.as_str(), "TLS files changed, new connections use them");
        }
        if pair || trust {
            self.config.send_replace(server_config(&self.pair.value, self.trust.value.clone()));
            self.show();
        }
    }

    fn show(&self) {
        self.metrics.tls_not_after(self.pair.value.not_after);
        let (cas, skipped) = (self.trust.value.len(), self.trust.value.skipped);
        if skipped > 0 {
            tracing::warn!(cas, skipped, "some certificates of https.ca_file_path do not parse and are passed over");
        }
    }
}

fn read_pair(files: &Files) -> Result<(Pair, u128), MaterialError> {
    let seen = files.see_pair()?;
    Ok((files.pair(&seen)?, seen.hash))
}

fn read_trust(files: &Files) -> Result<(Arc<ClientTrust>, u128), MaterialError> {
    let seen = files.see_trust()?;
    Ok((files.trust(&seen)?, seen.hash))
}
