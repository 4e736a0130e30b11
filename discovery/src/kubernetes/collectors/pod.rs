//! What of a pod decides whether it is a collector.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Deserialize;
use xxhash_rust::xxh3::Xxh3Default;

use crate::kubernetes::time::parse_time;

/// The label that a ReplicaSet adds, different for each revision of its Deployment.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// What the operator, and our own manifests, label the allocator's pods with.
const COMPONENT: (&str, &str) = ("app.kubernetes.io/component", "opentelemetry-targetallocator");

/// A pod, as far as it may be a collector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CollectorPod {
    /// Empty: not scheduled yet.
    pub(crate) node: Box<str>,
    pub(crate) is_running: bool,
    pub(crate) started: Option<SystemTime>,
    /// Since when its Ready condition is not true; 1970 if the condition does not say. `None`: ready, or no such condition.
    pub(crate) unready_since: Option<SystemTime>,
    pub(crate) is_terminating: bool,
    /// Labelled as a target allocator.
    pub(crate) is_allocator: bool,
    /// Of its labels, less the one that differs between revisions of a Deployment. `None`: there are no others.
    pub(crate) family: Option<u64>,
}

#[derive(Deserialize)]
struct Pod {
    metadata: Option<Metadata>,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    labels: Option<BTreeMap<String, Option<String>>>,
    #[serde(rename = "deletionTimestamp")]
    deletion_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
struct Spec {
    #[serde(rename = "nodeName")]
    node_name: Option<String>,
}

#[derive(Default, Deserialize)]
struct Status {
    phase: Option<String>,
    #[serde(rename = "startTime")]
    start_time: Option<String>,
    conditions: Option<Vec<Option<Condition>>>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: Option<String>,
    status: Option<String>,
    #[serde(rename = "lastTransitionTime")]
    last_transition: Option<String>,
}

impl CollectorPod {
    /// Reads it from the whole object. What is missing or null is as if it were empty.
    ///
    /// # Errors
    /// A field of another type than Kubernetes gives it.
    pub(crate) fn decode(json: &[u8]) -> Result<Self, String> {
        let pod: Pod = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let metadata = pod.metadata.unwrap_or_default();
        let status = pod.status.unwrap_or_default();
        let labels = metadata.labels.unwrap_or_default();
        let is_allocator = labels.get(COMPONENT.0).is_some_and(|value| value.as_deref() == Some(COMPONENT.1));
        Ok(Self {
            node: pod.spec.unwrap_or_default().node_name.unwrap_or_default().into(),
            is_running: status.phase.as_deref() == Some("Running"),
            started: status.start_time.as_deref().and_then(parse_time),
            unready_since: unready_since(status.conditions.unwrap_or_default()),
            is_terminating: metadata.deletion_timestamp.is_some(),
            is_allocator,
            family: family(&labels),
        })
    }
}

/// The earliest, should there be several conditions of that type.
fn unready_since(conditions: Vec<Option<Condition>>) -> Option<SystemTime> {
    let ready = conditions.into_iter().flatten().filter(|condition| condition.kind.as_deref() == Some("Ready"));
    let not_true = ready.filter(|condition| condition.status.as_deref() != Some("True"));
    // Go's zero time lies before any grace period, and so does 1970
    not_true
        .map(|condition| condition.last_transition.as_deref().and_then(parse_time).unwrap_or(SystemTime::UNIX_EPOCH))
        .min()
}

fn family(labels: &BTreeMap<String, Option<String>>) -> Option<u64> {
    let mut hash = Xxh3Default::new();
    let mut count = 0;
    for (name, value) in labels.iter().filter(|(name, _)| *name != TEMPLATE_HASH) {
        for text in [name.as_str(), value.as_deref().unwrap_or_default()] {
            hash.update(text.as_bytes());
            hash.update(&[0xff]); // in no UTF-8 text
        }
        count += 1;
    }
    (count > 0).then(|| hash.digest())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn decode(json: &str) -> CollectorPod {
        CollectorPod::decode(json.as_bytes()).unwrap()
    }

    fn at(secs: u64) -> Option<SystemTime> {
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(secs))
    }

    #[test]
    fn everything_that_decides_is_read() {
        let pod = decode(
            r#"{"metadata": {"name": "c-0", "labels": {"app": "c"}, "deletionTimestamp": "1970-01-01T00:01:00Z"},
                "spec": {"nodeName": "n1", "containers": [{"name": "x"}]},
                "status": {"phase": "Running", "startTime": "1970-01-01T00:00:05Z", "conditions": [
                    {"type": "Initialized", "status": "False", "lastTransitionTime": "1970-01-01T00:00:01Z"},
                    {"type": "Ready", "status": "False", "lastTransitionTime": "1970-01-01T00:00:07Z"}]}}"#,
        );
        assert_eq!((&*pod.node, pod.is_running, pod.is_terminating), ("n1", true, true));
        assert_eq!((pod.started, pod.unready_since), (at(5), at(7)));
        assert!(pod.family.is_some() && !pod.is_allocator);
    }

    #[test]
    fn what_is_missing_or_null_is_empty() {
        for json in [
            "{}",
            r#"{"metadata": null, "spec": null, "status": null}"#,
            r#"{"metadata": {"labels": null}, "spec": {"nodeName": null}, "status": {"conditions": null, "phase": null}}"#,
            r#"{"status": {"conditions": [null, {}, {"type": "Ready", "status": "True"}], "startTime": "soon"}}"#,
        ] {
            assert_eq!(decode(json), CollectorPod::default(), "{json}");
        }
        assert!(CollectorPod::decode(br#"{"spec": {"nodeName": 7}}"#).is_err());
        assert!(CollectorPod::decode(b"{").is_err());
    }

    #[test]
    fn a_ready_condition_that_is_not_true_counts_from_its_transition() {
        let ready = |status: &str, time: &str| {
            let condition = format!(r#"{{"type": "Ready", "status": {status}, "lastTransitionTime": {time}}}"#);
            decode(&format!(r#"{{"status": {{"conditions": [{condition}]}}}}"#)).unready_since
        };
        assert_eq!(ready("\"True\"", "null"), None);
        assert_eq!(ready("\"False\"", "\"1970-01-01T00:00:09Z\""), at(9));
        assert_eq!(ready("\"Unknown\"", "\"1970-01-01T00:00:09Z\""), at(9));
        assert_eq!(ready("null", "null"), at(0));
        assert_eq!(ready("\"False\"", "\"yesterday\""), at(0));
    }

    #[test]
    fn a_family_is_its_labels_whatever_the_revision() {
        let of = |labels: &str| decode(&format!(r#"{{"metadata": {{"labels": {labels}}}}}"#));
        let first = of(r#"{"app": "ta", "pod-template-hash": "a"}"#);
        assert_eq!(first.family, of(r#"{"pod-template-hash": "b", "app": "ta"}"#).family);
        assert_ne!(first.family, of(r#"{"app": "other"}"#).family);
        // the pods of a StatefulSet differ from those of a Deployment even if somebody labelled them alike
        assert_ne!(first.family, of(r#"{"app": "ta", "statefulset.kubernetes.io/pod-name": "ta-0"}"#).family);
        assert_eq!(of(r#"{"pod-template-hash": "a"}"#).family, None);
        assert_eq!(of("{}").family, None);
        assert!(of(r#"{"app.kubernetes.io/component": "opentelemetry-targetallocator"}"#).is_allocator);
    }
}
