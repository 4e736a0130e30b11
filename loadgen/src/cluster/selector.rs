//! Label and field selectors (Kubernetes: apimachinery/pkg/labels/selector.go, apimachinery/pkg/fields/selector.go).

use serde_json::{Map, Value};

use super::kinds::Kind;
use super::object::Object;

/// Which objects a request is about.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Filter {
    labels: Vec<Requirement>,
    fields: Vec<FieldTerm>,
}

#[derive(Debug, Clone, PartialEq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

#[derive(Debug, Clone, PartialEq)]
struct FieldTerm {
    path: String,
    value: String,
    equal: bool,
}

impl Filter {
    /// Reads `labelSelector` and `fieldSelector`.
    ///
    /// # Errors
    /// Either is malformed, or a field cannot be selected by; the text is what a server says.
    pub(crate) fn parse(kind: &Kind, labels: &str, fields: &str) -> Result<Filter, String> {
        Ok(Filter { labels: parse_labels(labels)?, fields: parse_fields(kind, fields)? })
    }

    /// Whether everything matches.
    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether `object` matches.
    pub(crate) fn matches(&self, kind: &Kind, object: &Object) -> bool {
        if !self.labels.is_empty() {
            let labels = object.labels();
            let find = |key: &str| labels.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
            if !self.labels.iter().all(|requirement| requirement.test.holds(find(&requirement.key))) {
                return false;
            }
        }
        self.fields.is_empty() || self.fields_match(kind, object)
    }

    fn fields_match(&self, kind: &Kind, object: &Object) -> bool {
        let (namespace, name) = object.place();
        let mut parsed = None;
        self.fields.iter().all(|term| {
            let equal = match term.path.as_str() {
                "metadata.name" => name == term.value,
                "metadata.namespace" => namespace == term.value,
                path => field(parsed.get_or_insert_with(|| object.value(kind)), path) == term.value,
            };
            equal == term.equal
        })
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = |value: Option<&str>| value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Test::In(values) => value.is_some_and(|value| values.iter().any(|known| known == value)),
            Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|known| known != value)),
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::Greater(bound) => number(value).is_some_and(|value| value > *bound),
            Test::Less(bound) => number(value).is_some_and(|value| value < *bound),
        }
    }
}

/// The text of a field; empty where there is none, as in the struct a server decodes it into.
fn field(object: &Map<String, Value>, path: &str) -> String {
    let mut steps = path.split('.');
    let first = steps.next().and_then(|step| object.get(step));
    match steps.fold(first, |value, step| value.and_then(|value| value.get(step))) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None if matches!(path, "spec.unschedulable" | "spec.hostNetwork") => "false".to_owned(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Fields that can be selected by, beside `metadata.name` and `metadata.namespace`.
fn selectable(kind: &Kind) -> &'static [&'static str] {
    match kind.plural {
        "pods" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "nodes" => &["spec.unschedulable"],
        "namespaces" => &["status.phase"],
        "services" => &["spec.clusterIP", "spec.type"],
        "secrets" => &["type"],
        "replicasets" => &["status.replicas"],
        "jobs" => &["status.successful"],
        _ => &[],
    }
}

fn parse_fields(kind: &Kind, text: &str) -> Result<Vec<FieldTerm>, String> {
    text.split(',').filter(|term| !term.is_empty()).map(|term| field_term(kind, text, term)).collect()
}

fn field_term(kind: &Kind, text: &str, term: &str) -> Result<FieldTerm, String> {
    let split = ["!=", "==", "="].iter().filter_map(|operator| Some((term.find(operator)?, *operator)));
    let Some((at, operator)) = split.min_by_key(|(at, operator)| (*at, std::cmp::Reverse(operator.len()))) else {
        return Err(format!("invalid selector: '{text}'; can't understand '{term}'"));
    };
    let (path, value) = (term[..at].to_owned(), term[at + operator.len()..].to_owned());
    let known = path == "metadata.name" || (path == "metadata.namespace" && kind.namespaced);
    if !known && !selectable(kind).contains(&path.as_str()) {
        return Err(format!("field label not supported: {path}"));
    }
    Ok(FieldTerm { path, value, equal: operator != "!=" })
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, String> {
    let terms = split_terms(text);
    terms.into_iter().map(str::trim).filter(|term| !term.is_empty()).map(requirement).collect()
}

/// Splits at commas that stand outside parentheses.
fn split_terms(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut terms) = (0, 0, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b',' if depth == 0 => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

fn requirement(term: &str) -> Result<Requirement, String> {
    let bad = || format!("unable to parse requirement: couldn't parse {term:?}");
    if let Some(key) = term.strip_prefix('!') {
        return Ok(Requirement { key: label_key(key.trim()).ok_or_else(bad)?, test: Test::Absent });
    }
    let end = term.find(|c: char| c.is_whitespace() || "=!<>(".contains(c)).unwrap_or(term.len());
    let key = label_key(&term[..end]).ok_or_else(bad)?;
    let rest = term[end..].trim();
    let values = |list: &str| {
        let list = list.trim().strip_prefix('(')?.strip_suffix(')')?;
        list.split(',').map(|value| label_value(value.trim())).collect::<Option<Vec<_>>>()
    };
    let one = |value: &str| label_value(value.trim()).map(|value| vec![value]);
    let test = if rest.is_empty() {
        Some(Test::Exists)
    } else if let Some(value) = rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')) {
        one(value).map(Test::In)
    } else if let Some(value) = rest.strip_prefix("!=") {
        one(value).map(Test::NotIn)
    } else if let Some(value) = rest.strip_prefix('>') {
        value.trim().parse().ok().map(Test::Greater)
    } else if let Some(value) = rest.strip_prefix('<') {
        value.trim().parse().ok().map(Test::Less)
    } else if let Some(list) = rest.strip_prefix("notin") {
        values(list).map(Test::NotIn)
    } else if let Some(list) = rest.strip_prefix("in") {
        values(list).map(Test::In)
    } else {
        None
    };
    Ok(Requirement { key, test: test.ok_or_else(bad)? })
}

fn label_key(text: &str) -> Option<String> {
    let name = text.rsplit_once('/').map_or(text, |(_, name)| name);
    let good = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    (!name.is_empty() && text.chars().all(good)).then(|| text.to_owned())
}

fn label_value(text: &str) -> Option<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (text.len() <= 63 && text.chars().all(good)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::kinds::KindId;
    use crate::cluster::object::{Text, key};
    use serde_json::json;

    fn mk_pod(labels: Value, node: &str, phase: &str) -> Object {
        let pod = json!({"metadata": {"name": "a", "namespace": "ns", "labels": labels},
            "spec": {"nodeName": node}, "status": {"phase": phase}});
        let Value::Object(map) = pod else { panic!("not an object") };
        Object::new(key("ns", "a"), 1, Text::new(&map))
    }

    fn matches(labels: &str, fields: &str, object: &Object) -> bool {
        let kind = KindId::by_plural("pods").unwrap().get();
        Filter::parse(kind, labels, fields).unwrap().matches(kind, object)
    }

    #[test]
    fn label_selectors_follow_the_grammar() {
        let pod = mk_pod(json!({"app": "web", "tier.io/x": "1", "empty": ""}), "n", "Running");
        for (selector, expected) in [
            ("", true),
            ("app", true),
            ("!app", false),
            ("! missing", true),
            ("app=web", true),
            ("app == web , tier.io/x=1", true),
            ("app=db", false),
            ("app!=db", true),
            ("missing!=db", true),
            ("missing=", false),
            ("empty=", true),
            ("empty", true),
            ("app in (db, web)", true),
            ("app in(web)", true),
            ("app notin (db,web)", false),
            ("missing notin (a)", true),
            ("missing in (a,)", false),
            ("empty in (a,)", true),
            ("tier.io/x>0", true),
            ("tier.io/x<1", false),
            ("app>0", false),
            ("app in (web),!missing,tier.io/x", true),
        ] {
            assert_eq!(matches(selector, "", &pod), expected, "{selector}");
        }
    }

    #[test]
    fn field_selectors_look_into_the_object() {
        let pod = mk_pod(json!({}), "node-1", "Running");
        for (selector, expected) in [
            ("metadata.name=a", true),
            ("metadata.name!=a", false),
            ("metadata.namespace==ns", true),
            ("metadata.namespace!=x,metadata.namespace!=y", true),
            ("metadata.namespace!=x,metadata.namespace!=ns", false),
            ("spec.nodeName=node-1,status.phase=Running", true),
            ("spec.nodeName=", false),
            ("status.podIP=", true),
            ("spec.hostNetwork=false", true),
        ] {
            assert_eq!(matches("", selector, &pod), expected, "{selector}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let kind = KindId::by_plural("nodes").unwrap().get();
        for labels in ["a in b", "a in (b", "=x", "a=b c", "a~b", "in (a)", "a>x"] {
            assert!(Filter::parse(kind, labels, "").is_err(), "{labels}");
        }
        for fields in ["x", "status.phase=a", "metadata.namespace=a"] {
            assert!(Filter::parse(kind, "", fields).is_err(), "{fields}");
        }
    }
}
