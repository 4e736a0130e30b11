//! What is known of the collectors; and those of a fleet without Kubernetes: a watched file that lists them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use ta_model::yaml::{Decoder, Dialect, Node, Strings, YamlError, parse};
use ta_model::{Collector, CollectorSet, DuplicateCollector};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::status::{Clock, lock};
use crate::watch::DirectoryWatcher;

/// What is known of the collectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fleet {
    /// Nothing yet.
    #[default]
    Unknown,
    /// Nothing, and it makes no sense to wait: Kubernetes forbids to list their pods. It may allow it one day.
    Denied,
    /// Once known, it stays known whatever fails.
    Known(CollectorSet),
}

impl Fleet {
    /// Whether the source has delivered once.
    #[must_use]
    pub fn is_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }

    /// Those there are to allocate to: none as long as they are not known.
    #[must_use]
    pub fn collectors(&self) -> CollectorSet {
        match self {
            Self::Known(collectors) => collectors.clone(),
            Self::Unknown | Self::Denied => CollectorSet::default(),
        }
    }
}

/// Why a list of collectors is no good.
#[derive(Debug, thiserror::Error)]
pub enum CollectorsError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the list of collectors is not UTF-8")]
    Encoding,
    #[error(transparent)]
    Syntax(#[from] YamlError),
    #[error("{0}")]
    Content(String),
    /// An empty file is rather one being written than a wish for no collectors.
    #[error("the list of collectors is empty text; write [] for no collectors")]
    Empty,
    #[error(transparent)]
    Duplicate(#[from] DuplicateCollector),
}

/// A list of collectors and what is odd about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedCollectors {
    pub collectors: CollectorSet,
    /// With line and key.
    pub warnings: Vec<String>,
}

/// Parses a YAML or JSON list of `{name, node_name}`; `node_name` may be missing.
///
/// # Errors
/// Anything but such a list, a missing or empty name, two collectors of one name.
pub fn parse_collectors(text: &str) -> Result<ParsedCollectors, CollectorsError> {
    let document = parse(text)?;
    if document.root.is_null() {
        return Err(CollectorsError::Empty);
    }
    let mut decoder = Decoder::new(Dialect::Prometheus(Strings::AsWritten), "");
    decoder.warn_duplicates(&document.duplicate_keys);
    let collectors = decoder.list(&document.root, decode_collector).unwrap_or_default();
    let problems = decoder.finish();
    if let [first, more @ ..] = &problems.errors[..] {
        let more = if more.is_empty() { String::new() } else { format!(" (and {} more errors)", more.len()) };
        return Err(CollectorsError::Content(format!("{first}{more}")));
    }
    let warnings = problems.warnings.iter().map(ToString::to_string).collect();
    Ok(ParsedCollectors { collectors: CollectorSet::new(collectors)?, warnings })
}

/// Decodes one `{name, node_name}`, also for `collectors.static` of the configuration file.
pub fn decode_collector(decoder: &mut Decoder, node: &Node) -> Option<Collector> {
    let (mut name, mut node_name) = (String::new(), String::new());
    decoder.fields(node, |fields| {
        fields.set("name", &mut name);
        fields.set("node_name", &mut node_name);
    })?;
    if name.is_empty() {
        decoder.error(node.line, "a collector needs a name: the collector_id it asks with");
        return None;
    }
    Some(Collector::new(name, node_name))
}

/// Reads and parses the file at `path`.
///
/// # Errors
/// As [`parse_collectors`], or if the file cannot be read.
pub fn read_collectors(path: &Path) -> Result<ParsedCollectors, CollectorsError> {
    let bytes = std::fs::read(path).map_err(|source| CollectorsError::Read { path: path.to_owned(), source })?;
    parse_collectors(std::str::from_utf8(&bytes).map_err(|_| CollectorsError::Encoding)?)
}

/// How the collectors file is doing.
#[derive(Clone, Debug, Default)]
pub struct CollectorFileView {
    pub collectors: usize,
    /// `None` until the file was read once.
    pub last_success: Option<SystemTime>,
    pub last_failure: Option<SystemTime>,
    /// 0 while all is well.
    pub consecutive_failures: u64,
    /// Kept after recovery.
    pub last_error: String,
}

/// A watched `collectors.file`.
pub struct CollectorFile {
    path: PathBuf,
    watcher: DirectoryWatcher,
    /// It is read this often even if no event came: network file systems send none.
    interval: Duration,
    settle: Duration,
    clock: Clock,
    view: Arc<Mutex<CollectorFileView>>,
}

impl std::fmt::Debug for CollectorFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CollectorFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Reads how a [`CollectorFile`] is doing.
#[derive(Clone, Debug)]
pub struct CollectorFileStatus(Arc<Mutex<CollectorFileView>>);

impl CollectorFileStatus {
    #[must_use]
    pub fn view(&self) -> CollectorFileView {
        lock(&self.0).clone()
    }
}

impl CollectorFile {
    /// A file to follow; `interval` is how often it is read without an event.
    #[must_use]
    pub fn new(path: PathBuf, watcher: DirectoryWatcher, interval: Duration, settle: Duration, clock: Clock) -> Self {
        Self { path, watcher, interval, settle, clock, view: Arc::default() }
    }

    #[must_use]
    pub fn status(&self) -> CollectorFileStatus {
        CollectorFileStatus(self.view.clone())
    }

    /// Sends the collectors whenever they change, until `cancel`. The first good reading is sent even if it equals what
    /// the channel holds. A file that is gone, broken or names a collector twice changes nothing: the last good set
    /// stays.
    pub async fn run(self, sender: watch::Sender<CollectorSet>, cancel: CancellationToken) {
        let directory = match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut listener = Some(self.watcher.listen());
        let Some(bell) = listener.as_ref().map(crate::watch::Listener::bell) else { return };
        loop {
            let (path, directory) = (self.path.clone(), directory.clone());
            let mut watching = listener.take();
            let read = tokio::task::spawn_blocking(move || {
                // watch first: a change in between is read twice rather than missed
                watching.iter_mut().for_each(|listener| listener.watch([directory.clone()].into()));
                (read_collectors(&path), watching)
            });
            match read.await {
                Ok((read, watching)) => {
                    listener = watching;
                    self.take(read, &sender);
                }
                Err(error) => tracing::error!(%error, "reading the collectors file failed"),
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = sleep(self.interval) => {}
                () = bell.changed(self.settle) => {}
            }
        }
    }

    fn take(&self, read: Result<ParsedCollectors, CollectorsError>, sender: &watch::Sender<CollectorSet>) {
        let now = (self.clock)();
        let mut view = lock(&self.view);
        match read {
            Ok(parsed) => {
                let first = view.last_success.is_none();
                let changed = sender.send_if_modified(|set| {
                    let changed = *set != parsed.collectors;
                    set.clone_from(&parsed.collectors);
                    changed || first
                });
                if changed || view.consecutive_failures > 0 {
                    let (collectors, warnings) = (parsed.collectors.len(), &parsed.warnings);
                    tracing::info!(path = %self.path.display(), collectors, ?warnings, "collectors read from the file");
                }
                view.collectors = parsed.collectors.len();
                view.consecutive_failures = 0;
                view.last_success = Some(now);
            }
            Err(error) => {
                let error = error.to_string();
                view.consecutive_failures += 1;
                view.last_failure = Some(now);
                if view.consecutive_failures.is_power_of_two() || view.last_error != error {
                    let failures = view.consecutive_failures;
                    tracing::error!(path = %self.path.display(), failures, %error, "the collectors file is no good; the last good list stays in force");
                }
                view.last_error = error;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(String, String)> {
        let parsed = parse_collectors(text).unwrap();
        assert_eq!(parsed.warnings, Vec::<String>::new());
        parsed.collectors.iter().map(|one| (one.name.to_string(), one.node.to_string())).collect()
    }

    #[test]
    fn yaml_and_json_lists_are_read() {
        let expected = [("0".to_owned(), "n1".to_owned()), ("b".to_owned(), String::new())];
        assert_eq!(names("- name: b\n- {name: 0, node_name: n1}\n"), expected);
        assert_eq!(names(r#"[{"name": "b"}, {"name": "0", "node_name": "n1"}]"#), expected);
        assert_eq!(names("[]"), []);
    }

    #[test]
    fn odd_lists_get_a_clear_answer() {
        for (text, message) in [
            ("", "write [] for no collectors"),
            ("name: a", "line 1"),
            ("- node_name: n", "needs a name"),
            ("- a", "line 1"),
            ("- {name: a}\n- {name: [x]}", "line 2"),
            ("- {name: a}\n- {name: a, node_name: n}", "collector name \"a\" is used twice"),
            ("- {name: a", "line"),
        ] {
            let error = parse_collectors(text).unwrap_err().to_string();
            assert!(error.contains(message), "{text:?}: {error}");
        }
        let parsed = parse_collectors("- {name: a, nodename: n}").unwrap();
        assert!(parsed.warnings[0].contains("did you mean \"node_name\""), "{:?}", parsed.warnings);
    }
}
