//! From tree to typed values, collecting every problem on the way.

use std::fmt;

use super::{Decode, DuplicateKey, Entry, Node, Resolved, Scalar, Value, suggest};

/// Which text a string field sees for an unquoted scalar that looks like another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strings {
    /// The source text: `0123` stays `0123` (Prometheus CRs, SD files).
    AsWritten,
    /// The canonical form of what it resolves to: `0123` becomes `83`, `yes` becomes `true` (upstream re-serialises the
    /// `config:` block of its file before Prometheus' decoder sees it).
    RoundTripped,
}

/// Whose decoding rules apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Prometheus' (yaml.v2 into structs): keys match exactly, any scalar is good for a string, null resets a field to
    /// its zero value.
    Prometheus(Strings),
    /// The allocator's own file (mapstructure): keys match exactly or else without regard to letter case, only strings
    /// are strings, null leaves the default.
    Allocator,
    /// Kubernetes objects (JSON into structs): keys match exactly, only strings are strings, null leaves the default.
    Kubernetes,
}

/// Something wrong, or worth a warning, at one place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1.
    pub line: usize,
    /// The way there: `config.scrape_configs[2].scrape_interval`; empty at the top.
    pub path: String,
    /// The job it belongs to, where known.
    pub job: Option<String>,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.job {
            Some(job) if !self.message.contains("with job name") => write!(f, " (job {job:?})"),
            _ => Ok(()),
        }
    }
}

/// What a [`Decoder`] found, in the order of the file as far as possible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    pub errors: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

impl Problems {
    /// Adds what another decoder found.
    pub fn extend(&mut self, other: Self) {
        self.errors.extend(other.errors);
        self.warnings.extend(other.warnings);
    }
}

/// Sections with a secret in them, which one may have written in place of the section.
const AROUND_SECRETS: [&str; 4] = ["authorization", "basic_auth", "oauth2", "tls_config"];
/// Sections that are nothing but secrets, down to the last value.
const FULL_OF_SECRETS: [&str; 3] = ["headers", "http_headers", "proxy_connect_header"];

/// Decodes nodes by one [`Dialect`], remembers where it is, and collects problems.
#[derive(Debug)]
pub struct Decoder {
    dialect: Dialect,
    path: String,
    job: Option<String>,
    problems: Problems,
}

impl Decoder {
    /// A decoder whose key paths start with `path` (empty: the root of the file).
    #[must_use]
    pub fn new(dialect: Dialect, path: &str) -> Self {
        Self { dialect, path: path.into(), job: None, problems: Problems::default() }
    }

    /// Everything found.
    #[must_use]
    pub fn finish(self) -> Problems {
        self.problems
    }

    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// How many errors there are so far: to see whether a part decoded cleanly.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.problems.errors.len()
    }

    /// The job that following problems belong to.
    pub fn set_job(&mut self, job: Option<String>) {
        self.job = job;
    }

    /// Records an error at the current path.
    pub fn error(&mut self, line: usize, message: impl Into<String>) {
        let problem = self.problem(line, message.into());
        self.problems.errors.push(problem);
    }

    /// Records a warning at the current path.
    pub fn warn(&mut self, line: usize, message: impl Into<String>) {
        let problem = self.problem(line, message.into());
        self.problems.warnings.push(problem);
    }

    /// Warns of keys that stood twice. The parser knows the line, not the path.
    pub fn warn_duplicates(&mut self, duplicates: &[DuplicateKey]) {
        for DuplicateKey { line, key } in duplicates {
            let message = format!("key {key:?} is given twice in one mapping; this one is used");
            self.problems.warnings.push(Problem { line: *line, path: String::new(), job: None, message });
        }
    }

    fn problem(&self, line: usize, message: String) -> Problem {
        Problem { line, path: self.path.clone(), job: self.job.clone(), message }
    }

    /// Runs `decode` with `.key` added to the path.
    pub fn at_key<T>(&mut self, key: &str, decode: impl FnOnce(&mut Self) -> T) -> T {
        let len = self.path.len();
        if len > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        let result = decode(self);
        self.path.truncate(len);
        result
    }

    /// Runs `decode` with `[index]` added to the path.
    pub fn at_index<T>(&mut self, index: usize, decode: impl FnOnce(&mut Self) -> T) -> T {
        let len = self.path.len();
        self.path.push_str(&format!("[{index}]"));
        let result = decode(self);
        self.path.truncate(len);
        result
    }

    /// Decodes a mapping by its keys; keys that `read` did not ask for are warned about. A null is an empty mapping; anything
    /// else is an error and `None`.
    pub fn fields<'n, T>(&mut self, node: &'n Node, read: impl FnOnce(&mut Fields<'_, 'n>) -> T) -> Option<T> {
        let entries = match &node.value {
            Value::Map(entries) => &entries[..],
            _ if node.is_null() => &[],
            _ => {
                self.mismatch(node, "mapping");
                return None;
            }
        };
        let taken = vec![false; entries.len()];
        let mut fields = Fields { decoder: self, line: node.line, entries, taken, known: Vec::new() };
        let result = read(&mut fields);
        fields.warn_unknown();
        Some(result)
    }

    /// Decodes a list, entry by entry with its place in the path; a null is an empty list, anything else an error.
    pub fn list<T>(&mut self, node: &Node, mut read: impl FnMut(&mut Self, &Node) -> Option<T>) -> Option<Vec<T>> {
        match &node.value {
            Value::List(nodes) => {
                let read_one = |(index, node)| self.at_index(index, |decoder| read(decoder, node));
                Some(nodes.iter().enumerate().filter_map(read_one).collect())
            }
            _ if node.is_null() => Some(Vec::new()),
            _ => {
                self.mismatch(node, "list");
                None
            }
        }
    }

    /// Records that `node` cannot be a `wanted`, in Go's words; but Go quotes secrets too.
    pub fn mismatch(&mut self, node: &Node, wanted: &str) {
        let found = match &node.value {
            Value::List(_) => "!!seq".to_owned(),
            Value::Map(_) => "!!map".to_owned(),
            Value::Scalar(scalar) if self.is_confidential() => scalar.resolve().tag().to_owned(),
            Value::Scalar(scalar) => format!("{} `{}`", scalar.resolve().tag(), shortened(&scalar.text)),
        };
        self.error(node.line, format!("cannot unmarshal {found} into {wanted}"));
    }

    /// Whether what stands here may be a secret in the wrong place, as in `basic_auth: hunter2`.
    fn is_confidential(&self) -> bool {
        let mut keys = self.path.split('.').map(|key| key.split('[').next().unwrap_or(key));
        keys.clone().next_back().is_some_and(|key| AROUND_SECRETS.contains(&key))
            || keys.any(|key| FULL_OF_SECRETS.contains(&key))
    }

    /// The text of a scalar for a string field, by the dialect; an error and `None` for anything else.
    pub fn text(&mut self, node: &Node) -> Option<String> {
        let Value::Scalar(scalar) = &node.value else {
            self.mismatch(node, "string");
            return None;
        };
        match (self.dialect, scalar.resolve()) {
            (Dialect::Prometheus(_), Resolved::Null) => Some(String::new()),
            (Dialect::Prometheus(strings), _) => Some(scalar.string(strings).into_owned()),
            (Dialect::Allocator | Dialect::Kubernetes, Resolved::Str) => Some(scalar.text.clone().into()),
            (Dialect::Allocator | Dialect::Kubernetes, _) => {
                self.mismatch(node, "string (quote it)");
                None
            }
        }
    }

    /// The text of a key, by the dialect.
    pub(crate) fn key_text(&self, key: &Scalar) -> String {
        match self.dialect {
            Dialect::Prometheus(strings) => key.string(strings).into_owned(),
            Dialect::Allocator | Dialect::Kubernetes => key.text.clone().into(),
        }
    }
}

/// The mapping being decoded. Every getter leaves its target alone where the key is absent.
#[derive(Debug)]
pub struct Fields<'d, 'n> {
    /// For problems that no getter covers.
    pub decoder: &'d mut Decoder,
    /// Of the mapping.
    pub line: usize,
    entries: &'n [Entry],
    taken: Vec<bool>,
    known: Vec<&'static str>,
}

impl<'n> Fields<'_, 'n> {
    /// The node of `key`, which counts as known from now on.
    pub fn node(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        let found = self.position(key)?;
        self.taken[found] = true;
        Some(&self.entries[found].value)
    }

    fn position(&self, key: &str) -> Option<usize> {
        match self.decoder.dialect {
            Dialect::Prometheus(strings) => self.entries.iter().rposition(|entry| entry.key.string(strings) == key),
            Dialect::Kubernetes => self.entries.iter().position(|entry| &*entry.key.text == key),
            Dialect::Allocator => {
                let exact = self.entries.iter().position(|entry| &*entry.key.text == key);
                exact.or_else(|| self.entries.iter().position(|entry| entry.key.text.eq_ignore_ascii_case(key)))
            }
        }
    }

    /// Decodes `key` into `target`.
    pub fn set<T: Decode>(&mut self, key: &'static str, target: &mut T) {
        self.set_with(key, target, T::decode);
    }

    /// Decodes `key` into `target` with `read`, which records its own errors.
    pub fn set_with<T: Default>(
        &mut self,
        key: &'static str,
        target: &mut T,
        read: impl FnOnce(&mut Decoder, &'n Node) -> Option<T>,
    ) {
        let Some(node) = self.node(key) else { return };
        if node.is_null() {
            if matches!(self.decoder.dialect, Dialect::Prometheus(_)) {
                *target = T::default();
            }
        } else if let Some(value) = self.decoder.at_key(key, |decoder| read(decoder, node)) {
            *target = value;
        }
    }

    /// `key` decoded, if it is there and not null.
    pub fn get<T: Decode>(&mut self, key: &'static str) -> Option<T> {
        let mut value = None;
        self.set(key, &mut value);
        value
    }

    /// Accepts keys without looking at their values.
    pub fn ignore(&mut self, keys: impl IntoIterator<Item = &'static str>) {
        for key in keys {
            self.node(key);
        }
    }

    /// Records an error at `key`, or at the mapping where the key is absent.
    pub fn error(&mut self, key: &str, message: impl Into<String>) {
        let line = self.position(key).map_or(self.line, |found| self.entries[found].line);
        self.decoder.at_key(key, |decoder| decoder.error(line, message));
    }

    /// Records a warning at `key`, or at the mapping where the key is absent.
    pub fn warn(&mut self, key: &str, message: impl Into<String>) {
        let line = self.position(key).map_or(self.line, |found| self.entries[found].line);
        self.decoder.at_key(key, |decoder| decoder.warn(line, message));
    }

    fn warn_unknown(&mut self) {
        for (entry, _) in self.entries.iter().zip(&self.taken).filter(|(_, taken)| !**taken) {
            let key = self.decoder.key_text(&entry.key);
            let message = match suggest(&key, self.known.iter().copied()) {
                Some(near) if near != key => format!("unknown key; did you mean {near:?}?"),
                Some(_) => "given twice in different spellings; the other one is used".to_owned(),
                None => "unknown key".to_owned(),
            };
            self.decoder.at_key(&key, |decoder| decoder.warn(entry.line, message));
        }
    }
}

/// Go shows at most 10 bytes of a value it cannot use: enough to recognise it, too little to leak a secret.
fn shortened(text: &str) -> String {
    if text.len() <= 10 { text.to_owned() } else { format!("{}...", text.chars().take(7).collect::<String>()) }
}
