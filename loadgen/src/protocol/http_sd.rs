//! Acceptance rules of a targets answer.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Fingerprint, LabelFold};

/// Which label names a collector accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LabelNames {
    /// Any non-empty UTF-8 (Prometheus 3).
    #[default]
    Utf8,
    /// `[a-zA-Z_][a-zA-Z0-9_]*` (Prometheus 2).
    Legacy,
}

/// Why an answer is not taken; the targets the collector had stay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Any status but 200.
    #[error("status {0}")]
    Status(u16),
    /// Anything but `application/json`, optionally with `charset=utf-8`.
    #[error("content type {0:?}")]
    ContentType(String),
    /// Not the JSON of a list of target groups.
    #[error("body: {0}")]
    Body(String),
}

impl Refused {
    /// Short constant name for reports.
    pub fn kind(&self) -> &'static str {
        match self {
            Refused::Status(503) => "status-503",
            Refused::Status(400..=499) => "status-4xx",
            Refused::Status(500..) => "status-5xx",
            Refused::Status(_) => "status-other",
            Refused::ContentType(_) => "content-type",
            Refused::Body(_) => "body",
        }
    }
}

/// Judges status and content type, which are looked at before the body.
///
/// # Errors
/// See [`Refused`].
pub fn check_head(status: u16, content_type: Option<&str>) -> Result<(), Refused> {
    if status != 200 {
        return Err(Refused::Status(status));
    }
    let given = content_type.unwrap_or("");
    let lower = given.trim().to_ascii_lowercase();
    let rest = lower.strip_prefix("application/json").map(|rest| rest.strip_prefix(';').map_or(rest, str::trim_start));
    match rest {
        Some("" | "charset=utf-8" | "charset=\"utf-8\"") if !lower.ends_with(';') => Ok(()),
        _ => Err(Refused::ContentType(given.to_owned())),
    }
}

/// Reads a list of target groups; `found` gets every target's fingerprint. On an error `found` may have been called for
/// the groups before it: throw those away.
///
/// # Errors
/// Anything Go's decoder with unknown fields disallowed would not take.
pub fn read_groups(
    body: &[u8],
    job: &str,
    names: LabelNames,
    found: &mut dyn FnMut(Fingerprint),
) -> Result<(), Refused> {
    // Go replaces invalid UTF-8 inside strings by U+FFFD instead of refusing it
    let text = String::from_utf8_lossy(body);
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let refuse = |error: serde_json::Error| Refused::Body(error.to_string());
    Groups { job, names, found }.deserialize(&mut deserializer).map_err(refuse)?;
    deserializer.end().map_err(refuse)
}

struct Groups<'a> {
    job: &'a str,
    names: LabelNames,
    found: &'a mut dyn FnMut(Fingerprint),
}

impl<'de> DeserializeSeed<'de> for Groups<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Groups<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of target groups")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(()) // a nil slice: no targets
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Group(&mut self))?.is_some() {}
        Ok(())
    }
}

struct Group<'a, 'b>(&'a mut Groups<'b>);

impl<'de> DeserializeSeed<'de> for Group<'_, '_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Group<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a target group")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut targets, mut labels) = (Vec::new(), LabelFold::default());
        while let Some(key) = map.next_key::<String>()? {
            // Go matches field names without regard to case; of repeated fields the last wins
            match key.to_ascii_lowercase().as_str() {
                "targets" => targets = map.next_value::<Option<Vec<Option<String>>>>()?.unwrap_or_default(),
                "labels" => labels = map.next_value_seed(Labels(self.0.names))?,
                _ => return Err(A::Error::custom(format!("unknown field {key:?}"))),
            }
        }
        for address in targets {
            (self.0.found)(labels.finish(self.0.job, &address.unwrap_or_default()));
        }
        Ok(())
    }
}

struct Labels(LabelNames);

impl<'de> DeserializeSeed<'de> for Labels {
    type Value = LabelFold;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<LabelFold, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Labels {
    type Value = LabelFold;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of string labels")
    }

    fn visit_unit<E>(self) -> Result<LabelFold, E> {
        Ok(LabelFold::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LabelFold, A::Error> {
        let mut fold = LabelFold::default();
        // A repeated label counts twice in the content here, where Go lets the last win; identity is that of the last
        // one only if they are equal. No allocator writes such labels.
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if !valid_name(&name, self.0) {
                return Err(A::Error::custom(format!("{name:?} is not a valid label name")));
            }
            let value = map.next_value::<LabelValue<'de>>()?;
            fold.add(&name, &value.0);
        }
        Ok(fold)
    }
}

/// A string, or null, which Go reads as the empty string.
struct LabelValue<'de>(std::borrow::Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for LabelValue<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = LabelValue<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string label value")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(LabelValue("".into()))
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(LabelValue(text.into()))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(LabelValue(text.to_owned().into()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

fn valid_name(name: &str, rule: LabelNames) -> bool {
    match rule {
        LabelNames::Utf8 => !name.is_empty(),
        LabelNames::Legacy => {
            let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
            first && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        }
    }
}

/// Reads the answer without `collector_id` of one job, an object collector → `{"targets": …}`; `found` gets collector and
/// fingerprint of every target. Used for audits only; no collector asks this.
///
/// # Errors
/// The body is not of that shape.
pub fn read_job_listing(body: &[u8], job: &str, found: &mut dyn FnMut(&str, Fingerprint)) -> Result<(), Refused> {
    let refuse = |error: serde_json::Error| Refused::Body(error.to_string());
    let listing: std::collections::BTreeMap<String, Listed<'_>> = serde_json::from_slice(body).map_err(refuse)?;
    for (collector, listed) in &listing {
        let targets = listed.targets.map_or("null", serde_json::value::RawValue::get);
        read_groups(targets.as_bytes(), job, LabelNames::Utf8, &mut |target| found(collector, target))?;
    }
    Ok(())
}

#[derive(serde::Deserialize)]
struct Listed<'a> {
    #[serde(borrow, default)]
    targets: Option<&'a serde_json::value::RawValue>,
    #[serde(default, rename = "_link")]
    _link: IgnoredAny,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<usize, Refused> {
        let mut count = 0;
        read_groups(body.as_bytes(), "job", LabelNames::Legacy, &mut |_| count += 1).map(|()| count)
    }

    /// Every body row of `spec/integration.md` §2.3, tried there on Prometheus 2.42 and 2.53.
    #[test]
    fn bodies_are_judged_as_prometheus_does() {
        let group = r#"{"targets":["a:1","b:1"],"labels":{"x":"y"}}"#;
        for (body, expected) in [
            (format!("[{group}]"), Some(2)),
            (format!(" [{group},{group}] \n"), Some(4)),
            ("[]".into(), Some(0)),
            ("null".into(), Some(0)),
            (r#"[{"targets":[],"labels":{}}]"#.into(), Some(0)),
            (r#"[{"labels":{"x":"y"}}]"#.into(), Some(0)),
            (r#"[{"targets":["a:1"]}]"#.into(), Some(1)),
            (r#"[{"Targets":["a:1"],"LABELS":{"x":"y"}}]"#.into(), Some(1)),
            (r#"[{"targets":["a:1"],"labels":{"x":"y","x":"z"}}]"#.into(), Some(1)),
            (r#"[{"targets":["a:1"],"labels":null}]"#.into(), Some(1)),
            (String::new(), None),
            ("{}".into(), None),
            ("[null]".into(), None),
            (format!("[{group}] x"), None),
            (format!("\u{feff}[{group}]"), None),
            (r#"[{"targets":["a:1"],"x":1}]"#.into(), None),
            (r#"[{"targets":["a:1"],"labels":{"x":1}}]"#.into(), None),
            (r#"[{"targets":["a:1"],"labels":{"":"y"}}]"#.into(), None),
            (r#"[{"targets":["a:1"],"labels":{"x-y":"y"}}]"#.into(), None),
            (r#"[{"targets":"a:1"}]"#.into(), None),
            ("[1]".into(), None),
            ("not ready".into(), None),
        ] {
            assert_eq!(read(&body).ok(), expected, "{body}");
        }
    }

    #[test]
    fn newer_collectors_take_any_label_name_but_the_empty_one() {
        let take = |body: &str| read_groups(body.as_bytes(), "job", LabelNames::Utf8, &mut |_| ()).is_ok();
        assert!(take(r#"[{"targets":["a:1"],"labels":{"x-é":"y"}}]"#));
        assert!(!take(r#"[{"targets":["a:1"],"labels":{"":"y"}}]"#));
    }

    #[test]
    fn invalid_utf8_is_replaced_not_refused() {
        assert!(read_groups(b"[{\"targets\":[\"a\xff:1\"]}]", "job", LabelNames::Utf8, &mut |_| ()).is_ok());
    }

    #[test]
    fn heads_are_judged_as_prometheus_does() {
        let accepted = ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""];
        for content_type in accepted {
            assert_eq!(check_head(200, Some(content_type)), Ok(()), "{content_type}");
        }
        for content_type in
            ["text/plain", "application/json;", "application/json; charset=latin1", "application/jsonp", ""]
        {
            assert!(matches!(check_head(200, Some(content_type)), Err(Refused::ContentType(_))), "{content_type}");
        }
        assert!(matches!(check_head(200, None), Err(Refused::ContentType(_))));
        for status in [204, 302, 404, 500, 503] {
            assert_eq!(check_head(status, Some("application/json")), Err(Refused::Status(status)));
        }
    }

    #[test]
    fn a_job_listing_names_collector_and_target() {
        let body =
            r#"{"c-0":{"_link":"/x","targets":[{"targets":["a:1"],"labels":{}}]},"c-1":{"_link":"/y","targets":null}}"#;
        let mut seen = Vec::new();
        read_job_listing(body.as_bytes(), "job", &mut |collector, target| seen.push((collector.to_owned(), target)))
            .unwrap();
        assert_eq!(seen, [("c-0".to_owned(), LabelFold::default().finish("job", "a:1"))]);
        assert!(read_job_listing(b"[]", "job", &mut |_, _| ()).is_err());
    }
}
