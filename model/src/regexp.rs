//! Regular expressions in the dialect of Go, anchored at both ends as relabel rules have them.

mod cache;
mod class;
mod error;
mod escape;
mod node;
mod parse;
mod program;
mod shape;
mod template;
mod unicode;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use program::Program;

pub use error::{Fault, RegexpError};
pub use shape::Kind;
pub use template::Template;
pub(crate) use unicode::is_assigned;

/// A pattern that has to match a whole text (Prometheus: `relabel.Regexp`). Equal if the text is equal.
///
/// The pattern is wrapped as *text* in `^(?s:` and `)$`, so that `a)|(?:b` means what it means upstream. Clones, and
/// patterns of equal text made anywhere in the process, share one program.
#[derive(Clone)]
pub struct Regexp(Arc<Program>);

impl Regexp {
    /// Compiles `text`; accepts exactly what Go accepts.
    pub fn new(text: &str) -> Result<Self, RegexpError> {
        cache::compiled(text).map(Self)
    }

    /// As written, without the wrapping.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.text()
    }

    /// What the pattern comes down to.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        self.0.kind()
    }

    /// Whether `text` matches. Does not allocate.
    #[must_use]
    #[inline]
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Whether a text that begins with `head` may match. False is certain, true is not.
    #[must_use]
    pub fn may_match_after(&self, head: &str) -> bool {
        self.0.may_match_after(head)
    }

    /// Whether every text that begins with `head` matches, and `template` makes of each what follows `head`: then
    /// replacing is copying. True is certain, false is not.
    #[must_use]
    pub fn copies_after(&self, head: &str, template: &Template) -> bool {
        self.0.copies_after(head, template)
    }

    /// Appends to `out` what `template` makes of the match in `text`; false, and nothing appended, if there is none.
    pub fn expand(&self, text: &str, template: &Template, out: &mut String) -> bool {
        self.0.expand(text, template, out)
    }

    /// `text` with every match replaced by what `template` makes of it (Go: `ReplaceAllString`).
    ///
    /// There is more than one match only if the pattern closes the group that wraps it.
    #[must_use]
    pub fn replace_all(&self, text: &str, template: &Template) -> String {
        self.0.replace_all(text, template)
    }
}

impl PartialEq for Regexp {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl Eq for Regexp {}

impl Hash for Regexp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Regexp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Regexp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
