//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use ta_model::yaml::{Node, Problem, Value, YamlError};

use super::resolve::Config;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of the configuration file, counted from 1.
    Line(PathBuf, usize),
    /// A flag, without dashes.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// Nowhere: it is missing.
    Absent,
}

/// One thing that is wrong, or worth a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    pub place: Place,
    /// `config.scrape_configs[2].scrape_interval`; empty for the whole file.
    pub key: String,
    /// The job it belongs to, where known.
    pub job: Option<String>,
    pub message: String,
}

impl ConfigProblem {
    pub(super) fn in_file(file: &Path, problem: Problem) -> Self {
        let Problem { line, path, job, message } = problem;
        Self { place: Place::Line(file.to_owned(), line), key: path, job, message }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Line(file, line) => write!(f, "{}:{line}: ", file.display())?,
            Place::Flag(flag) => write!(f, "--{flag}: ")?,
            Place::Variable(name) => write!(f, "{name}: ")?,
            Place::Absent => {}
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.job {
            Some(job) if !self.message.contains(job.as_str()) => write!(f, " (job {job:?})"),
            _ => Ok(()),
        }
    }
}

/// Why there is no configuration to run with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration file {}: {source}; name another one with --config-file", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}:{}:{}: not YAML: {}", path.display(), error.line, error.column, error.message)]
    NotYaml { path: PathBuf, error: YamlError },
    /// `problems` is never empty; `config` has defaults in place of what could not be read.
    #[error("{}", first_and_count(problems))]
    Invalid { problems: Vec<ConfigProblem>, config: Box<Config> },
}

impl ConfigError {
    /// Everything that is wrong, one line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Invalid { problems, .. } => problems.iter().map(ToString::to_string).collect(),
            other => vec![other.to_string()],
        }
    }
}

fn first_and_count(problems: &[ConfigProblem]) -> String {
    match problems {
        [] => "the configuration is not valid".into(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

/// The line of the value at `path` (dots between keys), if the file has it; letter case does not matter.
pub(super) fn line_of(root: &Node, path: &str) -> Option<usize> {
    let mut node = root;
    let mut line = root.line;
    for key in path.split('.') {
        let Value::Map(entries) = &node.value else { return None };
        let exact = entries.iter().find(|entry| &*entry.key.text == key);
        let entry = exact.or_else(|| entries.iter().find(|entry| entry.key.text.eq_ignore_ascii_case(key)))?;
        (node, line) = (&entry.value, entry.line);
    }
    Some(line)
}
