//! Syntax of Kubernetes selectors (apimachinery: `pkg/labels/selector.go`, `pkg/fields/selector.go`).
//!
//! Selectors are handed to the API server as text; here they are only checked, so that a typo fails the configuration
//! and not every list request.

/// Checks a label selector: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`.
pub(crate) fn check_labels(selector: &str) -> Result<(), String> {
    split_requirements(selector)?.into_iter().try_for_each(|requirement| check_requirement(requirement.trim()))
}

/// Checks a field selector: `a=b,c!=d,e==f`, `\` escapes `,`, `=` and itself in values.
pub(crate) fn check_fields(selector: &str) -> Result<(), String> {
    let mut start = 0;
    let mut escaped = false;
    let mut terms = Vec::new();
    for (at, c) in selector.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.push(&selector[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&selector[start..]);
    terms.into_iter().filter(|term| !term.is_empty()).try_for_each(|term| check_field(selector, term))
}

fn check_field(selector: &str, term: &str) -> Result<(), String> {
    let Some(operator) = term.find('=') else {
        return Err(format!("invalid selector: '{selector}'; can't understand '{term}'"));
    };
    let value = &term[operator + 1..];
    let value = value.strip_prefix('=').filter(|_| !term[..operator].ends_with('!')).unwrap_or(value);
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('\\' | ',' | '=') => {}
                other => {
                    let sequence: String = std::iter::once('\\').chain(other).collect();
                    return Err(format!("invalid field selector: invalid escape sequence: {sequence}"));
                }
            },
            '=' => return Err(format!("invalid field selector: unescaped character in value: {c}")),
            _ => {}
        }
    }
    Ok(())
}

/// Splits at commas outside of parentheses. An empty selector has no requirements; an empty requirement is an error.
fn split_requirements(selector: &str) -> Result<Vec<&str>, String> {
    if selector.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut parts = Vec::new();
    let (mut start, mut inside) = (0, false);
    for (at, c) in selector.char_indices() {
        match c {
            '(' if inside => return Err(unparsable(selector, "found '(' inside a set")),
            '(' => inside = true,
            ')' if !inside => return Err(unparsable(selector, "found ')', expected: ',' or end of string")),
            ')' => inside = false,
            ',' if !inside => {
                parts.push(&selector[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(unparsable(selector, "found end of string, expected: ',' or ')'"));
    }
    parts.push(&selector[start..]);
    match parts.iter().any(|part| part.trim().is_empty()) {
        true => Err(unparsable(selector, "found ',', expected: !, identifier, or end of string")),
        false => Ok(parts),
    }
}

fn check_requirement(requirement: &str) -> Result<(), String> {
    if let Some(key) = requirement.strip_prefix('!').filter(|rest| !rest.starts_with('=')) {
        return check_key(key.trim());
    }
    let Some(at) = requirement.find(|c: char| c.is_whitespace() || "=!<>(".contains(c)) else {
        return check_key(requirement);
    };
    let (key, rest) = requirement.split_at(at);
    check_key(key)?;
    let rest = rest.trim();
    for operator in ["==", "=", "!="] {
        if let Some(value) = rest.strip_prefix(operator) {
            return check_value(requirement, value.trim());
        }
    }
    if let Some(number) = rest.strip_prefix(['<', '>']) {
        let number = number.trim();
        let parsed = number.parse::<i64>();
        return parsed.map(drop).map_err(|_| unparsable(requirement, &format!("{number:?} is not an integer")));
    }
    let set = rest.strip_prefix("notin").or_else(|| rest.strip_prefix("in")).map(str::trim);
    let set = set.and_then(|set| set.strip_prefix('(')).and_then(|set| set.strip_suffix(')'));
    match set {
        Some(values) => values.split(',').try_for_each(|value| check_value(requirement, value.trim())),
        None => Err(unparsable(requirement, "expected: in, notin, =, ==, !=, gt, lt")),
    }
}

/// `[prefix/]name`, the name at most 63 of `[A-Za-z0-9_.-]` with alphanumerics at both ends.
pub(crate) fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_ok = prefix.is_none_or(|prefix| {
        let label = |label: &str| is_name(label) && !label.contains('_') && label.to_ascii_lowercase() == label;
        prefix.len() <= 253 && prefix.split('.').all(label)
    });
    if prefix_ok && is_name(name) { Ok(()) } else { Err(format!("key: Invalid value: {key:?}: not a label name")) }
}

fn check_value(requirement: &str, value: &str) -> Result<(), String> {
    if value.is_empty() || is_name(value) {
        return Ok(());
    }
    Err(unparsable(requirement, &format!("{value:?} is not a label value")))
}

pub(crate) fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    bytes.len() <= 63
        && bytes.iter().all(inner)
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

fn unparsable(selector: &str, why: &str) -> String {
    format!("unable to parse requirement {selector:?}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_selectors() {
        for good in [
            "",
            " ",
            "a",
            "!a",
            "! a",
            "a=b",
            "a==b",
            "a!=b",
            "a = b , c",
            "a in (b,c)",
            "a notin (b, c)",
            "a in ()",
            "x.y/a=",
            "a>1",
            "a < 2",
            "example.com/My_Name.1=v-1",
        ] {
            assert_eq!(check_labels(good), Ok(()), "{good}");
        }
        for bad in
            ["a,", ",a", "a b", "a=b c", "a in b", "a in (b", "a)", "=b", "-a", "a=-b", "A/b=c", "a>x", "a=b=c", "!"]
        {
            assert!(check_labels(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn field_selectors() {
        for good in ["", "metadata.name=x", "a!=b,c==d", "spec.nodeName=", r"a=b\,c", "a=b,,c=d", "=x"] {
            assert_eq!(check_fields(good), Ok(()), "{good}");
        }
        for bad in ["a", "a=b=c", r"a=b\c", r"a=b\", "a,b=c"] {
            assert!(check_fields(bad).is_err(), "{bad}");
        }
    }
}
