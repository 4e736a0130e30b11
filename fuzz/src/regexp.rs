//! Patterns: a line each for the pattern, a template and then texts.
//!
//! Most patterns are matched without an automaton (`ta_model::regexp::Kind`). An assertion that always holds, put before
//! the pattern, takes that way from it and changes nothing else. And where Go's dialect and that of the `regex` crate
//! are the same, that crate reads the pattern too.

use ta_model::regexp::{Kind, Regexp, Template};

/// True everywhere: between any two characters there either is a word boundary or there is none.
const ALWAYS: &str = r"(?:\b|\B)";

/// Longer patterns say nothing that shorter ones do not, and take long to compile.
const LONGEST: usize = 80;

/// `data` is pattern, template and texts, one a line.
pub fn check(data: &[u8]) {
    let data = String::from_utf8_lossy(data);
    let mut lines = data.split('\n');
    let (pattern, template) = (lines.next().unwrap_or_default(), lines.next().unwrap_or("$1"));
    if pattern.len() > LONGEST || repeats_often(pattern) {
        return;
    }
    let Ok(regexp) = Regexp::new(pattern) else {
        // what is wrong in itself is wrong after an assertion as well
        return;
    };
    let template = Template::new(template);
    let general = Regexp::new(&format!("{ALWAYS}{pattern}"));
    let other = is_common(pattern).then(|| {
        let text = format!("^(?s:{pattern})$");
        regex::Regex::new(&text).unwrap_or_else(|error| panic!("{text} is refused by regex: {error}"))
    });
    let texts = lines.chain(literals(&regexp)).chain([""]);
    for text in texts {
        if let Ok(general) = &general {
            assert_eq!(*general.kind(), Kind::General, "{pattern:?} with an assertion");
            check_same(&regexp, general, &template, text);
        }
        if let Some(other) = &other {
            check_other(&regexp, other, text);
        }
        check_heads(&regexp, &template, text);
    }
}

/// Counted repetitions multiply what there is to compile.
fn repeats_often(pattern: &str) -> bool {
    pattern.as_bytes().windows(3).any(|three| matches!(three, [b'{' | b',', b'0'..=b'9', b'0'..=b'9']))
        || pattern.matches('{').count() > 3
}

/// The texts that a pattern is said to consist of.
fn literals(regexp: &Regexp) -> impl Iterator<Item = &str> {
    let (literals, affix): (&[Box<str>], _) = match regexp.kind() {
        Kind::Literals(literals) => (literals, None),
        Kind::Affix { prefix, suffix, .. } => (&[], Some([&**prefix, &**suffix])),
        _ => (&[], None),
    };
    literals.iter().map(|literal| &**literal).chain(affix.into_iter().flatten())
}

fn expanded(regexp: &Regexp, template: &Template, text: &str) -> Option<String> {
    let mut out = String::from("before ");
    let matches = regexp.expand(text, template, &mut out);
    match matches {
        true => Some(out.split_off("before ".len())),
        false => {
            assert_eq!(out, "before ", "{regexp:?} on {text:?} appends without a match");
            None
        }
    }
}

fn check_same(regexp: &Regexp, general: &Regexp, template: &Template, text: &str) {
    let name = || format!("{regexp:?} ({:?}) on {text:?}", regexp.kind());
    assert_eq!(regexp.is_match(text), general.is_match(text), "{}", name());
    let whole = Template::new("<$0|$1|$2|$3>");
    for template in [template, &whole] {
        assert_eq!(expanded(regexp, template, text), expanded(general, template, text), "{} {template:?}", name());
        assert_eq!(regexp.replace_all(text, template), general.replace_all(text, template), "{} {template:?}", name());
    }
    assert_eq!(expanded(regexp, &whole, text).is_some(), regexp.is_match(text), "{}", name());
}

fn check_other(regexp: &Regexp, other: &regex::Regex, text: &str) {
    let ours = expanded(regexp, &Template::new("$0|$1|$2|$3"), text);
    let theirs = other.captures(text).map(|found| {
        let group = |number| found.get(number).map_or("", |group| group.as_str());
        format!("{}|{}|{}|{}", group(0), group(1), group(2), group(3))
    });
    assert_eq!(ours, theirs, "{regexp:?} on {text:?}, and by the regex crate");
}

/// What is said of all texts that begin alike must be true of this one.
fn check_heads(regexp: &Regexp, template: &Template, text: &str) {
    for (at, _) in text.char_indices().take(6).chain([(text.len(), ' ')]) {
        let (head, rest) = text.split_at(at);
        if !regexp.may_match_after(head) {
            assert!(!regexp.is_match(text), "{regexp:?} matches {text:?}, but not after {head:?}");
        }
        if regexp.copies_after(head, template) {
            let copied = expanded(regexp, template, text);
            assert_eq!(copied.as_deref(), Some(rest), "{regexp:?} copies after {head:?}: {template:?}, {text:?}");
        }
    }
}

/// Whether the pattern is written in what both dialects have.
fn is_common(pattern: &str) -> bool {
    let mut rest = pattern;
    while let Some(next) = rest.chars().next() {
        let width = match next {
            '(' if rest.starts_with("(?:") => 3,
            // what is repeated after that is what stands before it, to Go alone
            '(' if rest.starts_with("(?i)") && !rest[4..].starts_with(['*', '+', '?']) => 4,
            '(' if rest.starts_with("(?") => return false,
            '(' | ')' | '|' | '*' | '+' | '?' | '.' | '^' | '$' => 1,
            '[' => match class(rest) {
                Some(width) => width,
                None => return false,
            },
            '\\' if rest[1..].starts_with(['.', '*', '(', ')', '|', '+', '?', '\\']) => 2,
            _ if is_ordinary(next) => next.len_utf8(),
            _ => return false,
        };
        rest = &rest[width..];
    }
    true
}

fn is_ordinary(char: char) -> bool {
    char.is_ascii_alphanumeric() || "_;:/-,= é€".contains(char)
}

/// The width of `[abc]`, `[^a-z]` and the like.
fn class(text: &str) -> Option<usize> {
    let end = text.find(']')?;
    let inner = text[1..end].strip_prefix('^').unwrap_or(&text[1..end]);
    let mut chars = inner.chars().peekable();
    chars.peek()?;
    while let Some(char) = chars.next() {
        if !char.is_ascii_alphanumeric() {
            return None;
        }
        if chars.next_if_eq(&'-').is_some() && !chars.next().is_some_and(|last| last.is_ascii_alphanumeric()) {
            return None;
        }
    }
    Some(end + 1)
}
