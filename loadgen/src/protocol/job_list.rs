//! Reading of `/scrape_configs`.
//!
//! A collector parses the body as YAML. Every known allocator sends JSON, so JSON is what is read here; anything else
//! that is not one of YAML's empty documents counts as a parse error. A real collector would accept block-style YAML too.
//! Regular expressions are not compiled.

use std::collections::BTreeMap;
use std::fmt;

use crate::duration;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::Value;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// A job list that a collector would apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobList {
    /// Job names in order.
    pub jobs: Vec<String>,
    /// Hash over names and settings: formatting and key order do not count, list order and values do.
    pub hash: u64,
}

/// Why a job list is not applied; the collector keeps all it had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobListError {
    /// Neither an object nor empty.
    #[error("not a map of scrape configs: {0}")]
    NotAMap(String),
    /// One job is wrong, which fails the whole list.
    #[error("job {job:?}: {why}")]
    Job {
        /// Its key.
        job: String,
        /// What is wrong.
        why: String,
    },
}

impl JobListError {
    /// Short constant name for reports.
    pub fn kind(&self) -> &'static str {
        match self {
            JobListError::NotAMap(_) => "job-list-not-a-map",
            JobListError::Job { .. } => "job-list-bad-job",
        }
    }
}

/// Reads a body, whatever status it came with. `shard` replaces every `$(SHARD)`.
///
/// # Errors
/// See [`JobListError`].
pub fn read_job_list(body: &[u8], shard: &str) -> Result<JobList, JobListError> {
    let text = String::from_utf8_lossy(body).replace("$(SHARD)", shard);
    if is_empty_yaml(&text) {
        return Ok(JobList { jobs: Vec::new(), hash: xxh3_64(b"") });
    }
    let UniqueMap(configs) = serde_json::from_str(&text).map_err(|error| JobListError::NotAMap(error.to_string()))?;
    let mut hash = xxh3_64(b"");
    for (job, config) in &configs {
        check(job, config)?;
        // serde_json keeps object keys sorted, so equal settings give equal text
        hash = xxh3_64_with_seed(config.to_string().as_bytes(), xxh3_64_with_seed(job.as_bytes(), hash));
    }
    Ok(JobList { jobs: configs.into_keys().collect(), hash })
}

/// Nothing but white space, comments and document markers, or an explicit null.
fn is_empty_yaml(text: &str) -> bool {
    let mut content =
        text.lines().map(str::trim).filter(|line| !(line.is_empty() || line.starts_with('#') || *line == "---"));
    match (content.next(), content.next()) {
        (None, _) => true,
        (Some(only), None) => matches!(only, "null" | "~" | "Null" | "NULL"),
        _ => false,
    }
}

fn check(job: &str, config: &Value) -> Result<(), JobListError> {
    let fail = |why: &str| Err(JobListError::Job { job: job.to_owned(), why: why.to_owned() });
    let Some(config) = config.as_object() else { return fail("not an object") };
    match config.get("job_name").and_then(Value::as_str) {
        None | Some("") => return fail("job_name is empty"),
        Some(_) => {}
    }
    for list in ["relabel_configs", "metric_relabel_configs"] {
        for rule in config.get(list).and_then(Value::as_array).into_iter().flatten() {
            if let Some(why) = bad_rule(rule) {
                return fail(&format!("{list}: {why}"));
            }
        }
    }
    let time = |key: &str| config.get(key).and_then(Value::as_str).and_then(duration::parse);
    match (time("scrape_interval"), time("scrape_timeout")) {
        (Some(interval), Some(timeout)) if timeout > interval => fail("scrape timeout greater than scrape interval"),
        _ => Ok(()),
    }
}

fn bad_rule(rule: &Value) -> Option<String> {
    const ACTIONS: [&str; 11] = [
        "replace",
        "keep",
        "drop",
        "keepequal",
        "dropequal",
        "hashmod",
        "labelmap",
        "labeldrop",
        "labelkeep",
        "lowercase",
        "uppercase",
    ];
    let Some(rule) = rule.as_object() else { return Some("empty or null relabel rule".to_owned()) };
    let action = rule.get("action").and_then(Value::as_str).unwrap_or("replace").to_ascii_lowercase();
    if !ACTIONS.contains(&action.as_str()) {
        return Some(format!("unknown relabel action {action:?}"));
    }
    let equal = matches!(action.as_str(), "keepequal" | "dropequal");
    (equal && rule.contains_key("regex")).then(|| format!("regex given with action {action}"))
}

/// A JSON object whose keys must be unique, as YAML demands.
struct UniqueMap(BTreeMap<String, Value>);

impl<'de> serde::Deserialize<'de> for UniqueMap {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Unique;
        impl<'de> Visitor<'de> for Unique {
            type Value = UniqueMap;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueMap, A::Error> {
                let mut configs = BTreeMap::new();
                while let Some((job, config)) = map.next_entry::<String, Value>()? {
                    if configs.contains_key(&job) {
                        return Err(A::Error::custom(format!("mapping key {job:?} already defined")));
                    }
                    configs.insert(job, config);
                }
                Ok(UniqueMap(configs))
            }
        }
        deserializer.deserialize_map(Unique)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(body: &str) -> Result<Vec<String>, &'static str> {
        read_job_list(body.as_bytes(), "0").map(|list| list.jobs).map_err(|error| error.kind())
    }

    /// The body rows of `spec/integration.md` §2.2.
    #[test]
    fn bodies_are_judged_as_the_receiver_does() {
        let good = r#"{"b":{"job_name":"b"},"a":{"job_name":"a","relabel_configs":[{"action":"keep","regex":"x"}]}}"#;
        assert_eq!(jobs(good), Ok(vec!["a".to_owned(), "b".to_owned()]));
        for dropping_all in ["", " \n", "{}", "null", "~", "# nothing\n", "---\n{}"] {
            let body = dropping_all.trim_start_matches("---\n");
            assert_eq!(jobs(body), Ok(vec![]), "{body:?}");
        }
        for not_a_map in
            ["404 page not found", "not ready", "[]", "<html></html>", "upstream connect error: reset", "1", "{\"a\":"]
        {
            assert_eq!(jobs(not_a_map), Err("job-list-not-a-map"), "{not_a_map}");
        }
        assert_eq!(jobs(r#"{"a":{"job_name":"a"},"a":{"job_name":"a"}}"#), Err("job-list-not-a-map"));
        for bad_job in [
            r#"{"error":"x"}"#,
            r#"{"a":null}"#,
            r#"{"a":{}}"#,
            r#"{"a":{"job_name":""}}"#,
            r#"{"a":{"job_name":"a","relabel_configs":[null]}}"#,
            r#"{"a":{"job_name":"a","relabel_configs":[{"action":"explode"}]}}"#,
            r#"{"a":{"job_name":"a","relabel_configs":[{"action":"keepequal","regex":"x"}]}}"#,
            r#"{"good":{"job_name":"good"},"a":{"job_name":"a","scrape_interval":"10s","scrape_timeout":"1m"}}"#,
        ] {
            assert_eq!(jobs(bad_job), Err("job-list-bad-job"), "{bad_job}");
        }
    }

    #[test]
    fn the_hash_sees_values_and_list_order_but_not_formatting() {
        let hash = |body: &str| read_job_list(body.as_bytes(), "0").unwrap().hash;
        let base = hash(r#"{"a":{"job_name":"a","x":[1,2]},"b":{"job_name":"b"}}"#);
        assert_eq!(base, hash(r#"{ "b":{"job_name":"b"}, "a":{"x":[1,2],"job_name":"a"} }"#));
        assert_ne!(base, hash(r#"{"a":{"job_name":"a","x":[2,1]},"b":{"job_name":"b"}}"#));
        assert_ne!(base, hash(r#"{"a":{"job_name":"a","x":[1,2]}}"#));
        assert_eq!(hash("{}"), hash(""));
    }

    #[test]
    fn shard_is_the_only_text_replaced() {
        let body = br#"{"a$$-$(SHARD)":{"job_name":"a","x":"$1 $$ $(OTHER)"}}"#;
        assert_eq!(read_job_list(body, "7").unwrap().jobs, ["a$$-7"]);
        assert_ne!(read_job_list(body, "7").unwrap().hash, read_job_list(body, "8").unwrap().hash);
    }
}
