//! Query parameters.

use crate::cluster::status::Failure;

/// The parameters of lists, watches and writes that are understood here.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Options {
    pub(super) watch: bool,
    pub(super) labels: String,
    pub(super) fields: String,
    pub(super) limit: usize,
    pub(super) next: String,
    pub(super) version: Version,
    pub(super) exact: Option<bool>,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) bookmarks: bool,
    pub(super) initial_events: Option<bool>,
    pub(super) dry_run: bool,
    pub(super) include_object: String,
}

/// `resourceVersion`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Version {
    /// Not given: the newest.
    #[default]
    Unset,
    /// `0`: any, that is what the server has at hand.
    Any,
    At(u64),
}

impl Options {
    /// Reads a query string.
    ///
    /// # Errors
    /// A parameter cannot be read.
    pub(super) fn parse(query: &str) -> Result<Options, Failure> {
        let mut options = Options::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            options
                .take(&name, &value)
                .map_err(|()| Failure::bad_request(format!("invalid value of query parameter {name}: {value:?}")))?;
        }
        Ok(options)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), ()> {
        match name {
            "watch" => self.watch = boolean(value)?,
            "labelSelector" => self.labels = value.to_owned(),
            "fieldSelector" => self.fields = value.to_owned(),
            "limit" if !value.is_empty() => self.limit = value.parse().map_err(drop)?,
            "continue" => self.next = value.to_owned(),
            "resourceVersion" => {
                self.version = match value {
                    "" => Version::Unset,
                    "0" => Version::Any,
                    number => Version::At(number.parse().map_err(drop)?),
                }
            }
            "resourceVersionMatch" => {
                self.exact = match value {
                    "" => None,
                    "Exact" => Some(true),
                    "NotOlderThan" => Some(false),
                    _ => return Err(()),
                }
            }
            "timeoutSeconds" if !value.is_empty() => self.timeout_seconds = Some(value.parse().map_err(drop)?),
            "allowWatchBookmarks" => self.bookmarks = boolean(value)?,
            "sendInitialEvents" => self.initial_events = Some(boolean(value)?),
            "dryRun" => self.dry_run = value == "All",
            "includeObject" => self.include_object = value.to_owned(),
            _ => {}
        }
        Ok(())
    }
}

/// As apimachinery converts them: present without a value is true.
fn boolean(value: &str) -> Result<bool, ()> {
    match value.to_ascii_lowercase().as_str() {
        "" | "1" | "t" | "true" => Ok(true),
        "0" | "f" | "false" => Ok(false),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_and_nonsense_is_refused() {
        let query = "labelSelector=a+in+%28b%2Cc%29&watch=1&resourceVersion=7&limit=&timeoutSeconds=5&other=x";
        let options = Options::parse(query).unwrap();
        assert_eq!((options.labels.as_str(), options.watch, options.limit), ("a in (b,c)", true, 0));
        assert_eq!((options.version, options.timeout_seconds), (Version::At(7), Some(5)));
        for bad in ["limit=x", "resourceVersion=a", "watch=maybe", "resourceVersionMatch=Newest"] {
            assert_eq!(Options::parse(bad).unwrap_err().code, 400, "{bad}");
        }
    }
}
