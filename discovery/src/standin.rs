//! stand-ins until the model has these
use std::sync::Arc;
use ta_model::scrape_config::{ScrapeConfig, SdConfig, StaticGroup};

pub(crate) fn decode_groups_json(bytes: &[u8]) -> Result<Vec<StaticGroup>, String> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Group {
        #[serde(default)]
        targets: Option<Vec<String>>,
        #[serde(default)]
        labels: Option<std::collections::BTreeMap<String, String>>,
    }
    let groups: Option<Vec<Option<Group>>> = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    groups
        .unwrap_or_default()
        .into_iter()
        .map(|group| {
            let group = group.ok_or("nil target group item found")?;
            Ok(StaticGroup { targets: group.targets.unwrap_or_default(), labels: group.labels.unwrap_or_default() })
        })
        .collect()
}

pub(crate) fn decode_groups_yaml(text: &str) -> Result<Vec<StaticGroup>, String> {
    use ta_model::yaml::Value;
    let document = ta_model::yaml::parse(text).map_err(|e| e.to_string())?;
    let Value::List(groups) = document.root.value else { return Err("no list".to_owned()) };
    let text = |value: &Value| match value {
        Value::Scalar(scalar) => Ok(scalar.text.to_string()),
        _ => Err("no scalar".to_owned()),
    };
    groups
        .iter()
        .map(|group| {
            let mut out = StaticGroup::default();
            if let Some(Value::List(targets)) = group.get("targets").map(|n| &n.value) {
                out.targets = targets.iter().map(|t| text(&t.value)).collect::<Result<_, _>>()?;
            }
            if let Some(Value::Map(labels)) = group.get("labels").map(|n| &n.value) {
                for entry in labels {
                    out.labels.insert(entry.key.text.to_string(), text(&entry.value.value)?);
                }
            }
            Ok(out)
        })
        .collect()
}

#[derive(Debug)]
pub struct Job {
    pub name: Arc<str>,
    pub config: Arc<ScrapeConfig>,
}
impl Job {
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }
    pub fn config(&self) -> &Arc<ScrapeConfig> {
        &self.config
    }
}
#[derive(Debug, Default)]
pub struct JobTable {
    pub number: u64,
    pub jobs: Vec<Arc<Job>>,
}
impl JobTable {
    pub fn number(&self) -> u64 {
        self.number
    }
    pub fn jobs(&self) -> &[Arc<Job>] {
        &self.jobs
    }
}
pub(crate) trait Fingerprint {
    fn fingerprint(&self) -> u64;
    fn mechanism(&self) -> &str;
}
impl Fingerprint for SdConfig {
    fn fingerprint(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(format!("{self:?}").as_bytes())
    }
    fn mechanism(&self) -> &str {
        match self {
            SdConfig::Static(_) => "static",
            SdConfig::File(_) => "file",
            SdConfig::Http(_) => "http",
            SdConfig::Dns(_) => "dns",
            SdConfig::Kubernetes(_) => "kubernetes",
            SdConfig::Unsupported(name) => name,
        }
    }
}
