//! Go's `path/filepath.Glob` and `Match`, which `file_sd_configs[].files` are written for.
//!
//! `*` and `?` never match `/` but do match a leading dot; `[set]`, `[^set]` and ranges; `\` takes the next character
//! as it is. A pattern that is malformed matches nothing.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// The files that patterns stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expanded {
    /// Sorted, each once.
    pub(super) paths: BTreeSet<PathBuf>,
    /// Directories that exist but could not be read: what is in them is unknown, not gone.
    pub(super) unreadable: BTreeSet<PathBuf>,
}

/// Expands `pattern`. Only its last segment may hold wildcards, as file discovery demands.
pub(super) fn expand(pattern: &str, into: &mut Expanded) {
    if !has_meta(pattern) {
        match Path::new(pattern).symlink_metadata() {
            Ok(_) => into.paths.insert(PathBuf::from(pattern)),
            Err(error) if is_absence(&error) => false,
            Err(_) => into.unreadable.insert(directory_of(pattern)),
        };
        return;
    }
    let (prefix, last) = pattern.split_at(pattern.rfind('/').map_or(0, |slash| slash + 1));
    let directory = directory_of(pattern);
    let names = match directory.read_dir() {
        Ok(entries) => entries.flatten(),
        Err(error) if is_absence(&error) => return,
        Err(_) => {
            into.unreadable.insert(directory);
            return;
        }
    };
    for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
        if matches(last, &name) {
            into.paths.insert(PathBuf::from(format!("{prefix}{name}")));
        }
    }
}

/// The directory that a pattern's files are in; `.` if it names none.
pub(super) fn directory_of(pattern: &str) -> PathBuf {
    match pattern.rfind('/') {
        None => PathBuf::from("."),
        Some(0) => PathBuf::from("/"),
        Some(slash) => PathBuf::from(&pattern[..slash]),
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn has_meta(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '\\'])
}

/// True if the whole of `name` matches `pattern`.
#[must_use]
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let Some(tokens) = parse(pattern) else { return false };
    let name: Vec<char> = name.chars().collect();
    let (mut token, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None; // where to take up again: token after the star, characters eaten
    while at < name.len() {
        match tokens.get(token) {
            Some(Token::Star) => {
                star = Some((token + 1, at));
                token += 1;
                continue;
            }
            Some(one) if one.matches(name[at]) => {
                token += 1;
                at += 1;
                continue;
            }
            _ => {}
        }
        match &mut star {
            Some((after, eaten)) if name[*eaten] != '/' => {
                *eaten += 1;
                (token, at) = (*after, *eaten);
            }
            _ => return false,
        }
    }
    tokens[token..].iter().all(|token| matches!(token, Token::Star))
}

#[derive(Debug)]
enum Token {
    Star,
    Any,
    One(char),
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl Token {
    fn matches(&self, character: char) -> bool {
        match self {
            Self::Star => false,
            Self::Any => character != '/',
            Self::One(one) => character == *one,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != *negated
            }
        }
    }
}

fn parse(pattern: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        tokens.push(match character {
            '*' => Token::Star,
            '?' => Token::Any,
            '\\' => Token::One(rest.next()?),
            '[' => {
                let negated = rest.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while ranges.is_empty() || rest.peek() != Some(&']') {
                    let low = set_character(&mut rest)?;
                    let high = if rest.next_if_eq(&'-').is_some() { set_character(&mut rest)? } else { low };
                    ranges.push((low, high));
                }
                rest.next();
                Token::Set { negated, ranges }
            }
            other => Token::One(other),
        });
    }
    Some(tokens)
}

/// One end of a range; `-` and `]` must be escaped there.
fn set_character(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the table of Go's `path/filepath/match_test.go`, by behaviour.
    #[test]
    fn matches_what_go_matches() {
        for (pattern, name) in [
            ("abc", "abc"),
            ("*", "abc"),
            ("*c", "abc"),
            ("a*", "a"),
            ("a*", "abc"),
            ("a*b*c*d*e*", "axbxcxdxe"),
            ("a*b?c*x", "abxbbxdbxebxczzx"),
            ("ab[c]", "abc"),
            ("ab[b-d]", "abc"),
            ("ab[^e-g]", "abc"),
            ("a\\*b", "a*b"),
            ("a?b", "a☺b"),
            ("a[^a]b", "a☺b"),
            ("[a-ζ]*", "α"),
            ("[\\]a]", "]"),
            ("[\\-x]", "-"),
            ("[x\\-]", "-"),
            ("*x", "xxx"),
            ("*.json", ".hidden.json"),
            ("***.yml", "a.yml"),
            ("", ""),
            ("[!a]", "!"), // no negation in Go
        ] {
            assert!(matches(pattern, name), "{pattern:?} should match {name:?}");
        }
        for (pattern, name) in [
            ("a*", "ab/c"),
            ("a*b", "a/b"),
            ("a?b", "a/b"),
            ("ab[e-g]", "abc"),
            ("ab[^c]", "abc"),
            ("ab[^b-d]", "abc"),
            ("a\\*b", "ab"),
            ("a???b", "a☺b"),
            ("a[^a][^a][^a]b", "a☺b"),
            ("*ζ", "α"),
            ("a*b?c*x", "abxbbxdbxebxczzy"),
            // malformed
            ("[]a]", "]"),
            ("[-]", "-"),
            ("[x-]", "x"),
            ("[a-b-c]", "a"),
            ("[", "a"),
            ("[^", "a"),
            ("[^bc", "a"),
            ("a[", "a"),
            ("a\\", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern:?} should not match {name:?}");
        }
    }

    #[test]
    fn directories_of_patterns() {
        for (pattern, directory) in [("a.json", "."), ("/a.json", "/"), ("/x/y/*.json", "/x/y"), ("x/*.json", "x")] {
            assert_eq!(directory_of(pattern), Path::new(directory));
        }
    }
}
