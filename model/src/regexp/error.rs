//! What can be wrong with a pattern.

/// Why a pattern is refused: Go's words (`regexp/syntax`), with the part of the wrapped pattern that is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {fault}: `{part}`")]
pub struct RegexpError {
    /// What is wrong.
    pub fault: Fault,
    /// Where: the part of the pattern, after wrapping in `^(?s:` and `)$`.
    pub part: String,
}

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// `[z-a]`, `[[:foo:]]`, `\p{Foo}`.
    #[error("invalid character class range")]
    ClassRange,
    /// `\y`, `\1`, `\x{110000}`.
    #[error("invalid escape sequence")]
    Escape,
    /// `(?P<n.x>a)`, `(?P<n`.
    #[error("invalid named capture")]
    NamedCapture,
    /// `(?=a)`, `(?x)`.
    #[error("invalid or unsupported Perl syntax")]
    PerlSyntax,
    /// `a**`.
    #[error("invalid nested repetition operator")]
    NestedRepeat,
    /// `a{1001}`, `a{2,1}`, `(a{100}){100}`.
    #[error("invalid repeat count")]
    RepeatCount,
    /// `[a`.
    #[error("missing closing ]")]
    MissingBracket,
    /// `(`, unterminated `\Q`.
    #[error("missing closing )")]
    MissingParen,
    /// `*`, `a|*`.
    #[error("missing argument to repetition operator")]
    NothingToRepeat,
    /// `a\` where nothing follows.
    #[error("trailing backslash at end of expression")]
    TrailingBackslash,
    /// `)`.
    #[error("unexpected )")]
    UnexpectedParen,
    /// More than 1000 levels.
    #[error("expression nests too deeply")]
    TooDeep,
    /// Its program would not fit the memory granted.
    #[error("expression too large")]
    TooLarge,
}

impl RegexpError {
    pub(super) fn new(fault: Fault, part: &str) -> Self {
        Self { fault, part: part.to_owned() }
    }
}
