//! `file_sd_configs` (Prometheus: `discovery/file/file.go`).

mod glob;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ta_model::group::GroupBuilder;
use ta_model::scrape_config::{FileSdConfig, StaticGroup, decode_groups_json, decode_groups_yaml};
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_128;

use super::groups::{NumberedGroups, build};
use super::poll::{Refresh, Refreshed, Rhythm, poll};
use super::{Deliver, SourceError, StandardSources};
use crate::status::{Status, count};
use crate::watch::{Bell, Listener};
use glob::Expanded;

/// Reads the files of `config` at start, when something changes beside them, and every interval.
pub(super) async fn run(
    config: FileSdConfig,
    context: StandardSources,
    deliver: Deliver,
    cancel: CancellationToken,
) -> Result<(), SourceError> {
    let rhythm = Rhythm { interval: config.refresh_interval.to_std(), first_retry: context.settings.first_retry };
    let listener = context.watcher.listen();
    let bell = listener.bell();
    let files = Files {
        patterns: config.files,
        status: context.status.clone(),
        listener,
        builder: GroupBuilder::new(),
        known: BTreeMap::new(),
    };
    poll(Reader { at_rest: Some(files), bell, context }, rhythm, &deliver, &cancel).await
}

/// Reads on a thread where blocking is allowed; the state travels there and back.
struct Reader {
    /// `None`: a reading panicked.
    at_rest: Option<Files>,
    bell: Bell,
    context: StandardSources,
}

impl Refresh for Reader {
    async fn refresh(&mut self) -> Refreshed {
        let Some(mut files) = self.at_rest.take() else { return Refreshed::default() };
        match self.context.blocking(move || (files.refresh(), files)).await {
            Ok((refreshed, files)) => {
                self.at_rest = Some(files);
                refreshed
            }
            Err(error) => Refreshed::failed(format!("reading the files failed: {error}")),
        }
    }

    async fn wake(&mut self) {
        self.bell.changed(self.context.settings.settle).await;
    }

    fn is_lost(&self) -> bool {
        self.at_rest.is_none()
    }
}

/// The files of one config and what was made of them.
struct Files {
    patterns: Vec<String>,
    status: Arc<Status>,
    listener: Listener,
    builder: GroupBuilder,
    known: BTreeMap<PathBuf, Known>,
}

/// A file that was read at least once.
struct Known {
    path: Arc<str>,
    /// Hash of the content that `groups` came from: equal content is not parsed again.
    content: Option<u128>,
    groups: NumberedGroups,
}

impl Files {
    fn refresh(&mut self) -> Refreshed {
        let started = Instant::now();
        // Watch first, read second: what changes in between is read twice rather than missed.
        self.listener.watch(self.patterns.iter().map(|pattern| glob::directory_of(pattern)).collect());
        let mut expanded = Expanded::default();
        for pattern in &self.patterns {
            glob::expand(pattern, &mut expanded);
        }
        let mut refreshed = Refreshed::default();
        self.forget_vanished(&expanded, &mut refreshed);
        for path in &expanded.paths {
            match self.read(path) {
                Ok(groups) => {
                    refreshed.groups.extend(groups);
                    refreshed.answered += 1;
                }
                Err(error) => {
                    count(&self.status.counters.file_read_errors);
                    refreshed.errors.push(format!("{}: {error}", path.display()));
                }
            }
        }
        self.note_scan(started.elapsed());
        refreshed
    }

    fn note_scan(&self, took: Duration) {
        let counters = &self.status.counters;
        count(&counters.file_scans);
        counters.file_scan_micros.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    /// Empties the groups of files that are no more. A directory that cannot be read says nothing about its files.
    fn forget_vanished(&mut self, expanded: &Expanded, refreshed: &mut Refreshed) {
        for directory in &expanded.unreadable {
            count(&self.status.counters.file_read_errors);
            refreshed.errors.push(format!("directory {} cannot be read", directory.display()));
        }
        let unknown = |path: &Path| expanded.unreadable.iter().any(|dir| same_directory(path, dir));
        let vanished: BTreeSet<PathBuf> =
            self.known.keys().filter(|path| !expanded.paths.contains(*path) && !unknown(path)).cloned().collect();
        for path in vanished {
            if let Some(mut known) = self.known.remove(&path) {
                refreshed.groups.extend(known.groups.update(&known.path, std::iter::empty()));
                self.status.set_file_mtime(&known.path, None);
            }
        }
    }

    fn read(&mut self, path: &Path) -> Result<Vec<super::NamedGroup>, SourceError> {
        let bytes = std::fs::read(path)?;
        let known = self.known.entry(path.to_owned()).or_insert_with(|| Known {
            path: path.to_string_lossy().into(),
            content: None,
            groups: NumberedGroups::default(),
        });
        let mtime = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        self.status.set_file_mtime(&known.path, mtime);
        let content = xxh3_128(&bytes);
        if known.content == Some(content) {
            return Ok(Vec::new());
        }
        let groups = decode(path, bytes)?;
        known.content = Some(content);
        let meta = ("__meta_filepath", &*known.path);
        let built = groups.iter().map(|group| build(&mut self.builder, group, Some(meta)));
        Ok(known.groups.update(&known.path, built))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.known.values().for_each(|known| self.status.set_file_mtime(&known.path, None));
    }
}

fn same_directory(path: &Path, directory: &Path) -> bool {
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    parent == directory
}

fn decode(path: &Path, bytes: Vec<u8>) -> Result<Vec<StaticGroup>, SourceError> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        return Ok(decode_groups_json(&bytes)?);
    }
    let text = String::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))?;
    Ok(decode_groups_yaml(&text)?)
}
