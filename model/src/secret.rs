//! A value that must not be seen by accident.

use std::fmt;

/// What stands in an answer in place of a secret (prometheus/common: `config/config.go`).
pub const MASK: &str = "<secret>";

/// A secret value. Neither `Debug` nor `Display` shows it; [`Secret::reveal`] is the only way to its text.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The real text. Every call is a place to review.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// True if no secret was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "\"\"" } else { MASK })
    }
}

/// Whether a rendering shows secrets. An argument of every rendering, never a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// Non-empty secrets read [`MASK`].
    Masked,
    /// Secrets as they are: only for mTLS, or where the user allowed it.
    Revealed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_text() {
        assert_eq!(format!("{:?} {:?}", Secret::new("hunter2"), Secret::default()), "<secret> \"\"");
    }
}
