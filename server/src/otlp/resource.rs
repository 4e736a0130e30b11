//! Who pushes: the resource of every metric.

use crate::Environment;

/// Attributes, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource(Vec<(String, String)>);

impl Resource {
    /// As upstream: SDK, service name and instance, with `OTEL_RESOURCE_ATTRIBUTES` over them and `OTEL_SERVICE_NAME`
    /// over all.
    pub(crate) fn new(env: &Environment, host: &str) -> Self {
        let mut attributes = std::collections::BTreeMap::from([
            ("service.instance.id", if host.is_empty() { "unknown" } else { host }.to_owned()),
            ("service.name", "target-allocator".to_owned()),
            ("telemetry.sdk.language", "rust".to_owned()),
            ("telemetry.sdk.name", env!("CARGO_PKG_NAME").to_owned()),
            ("telemetry.sdk.version", env!("CARGO_PKG_VERSION").to_owned()),
        ]);
        let given = env.get("OTEL_RESOURCE_ATTRIBUTES").map_or("", String::as_str);
        for (name, value) in given.split(',').filter_map(|pair| pair.split_once('=')) {
            attributes.insert(name.trim(), percent_decoded(value.trim()));
        }
        if let Some(name) = env.get("OTEL_SERVICE_NAME").filter(|name| !name.is_empty()) {
            attributes.insert("service.name", name.clone());
        }
        Self(attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    pub(super) fn attributes(&self) -> &[(String, String)] {
        &self.0
    }

    /// The labels of `target_info`, as Prometheus spells them.
    pub(crate) fn labels(&self) -> Vec<(String, String)> {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        self.0.iter().map(|(name, value)| (name.chars().map(plain).collect(), value.clone())).collect()
    }
}

/// The machine's name; in a pod, the pod's. Empty where the system does not tell.
pub(crate) fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

pub(super) fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let escaped = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => (bytes.push(byte), rest = &after[2..]),
            None => (bytes.push(*first), rest = after),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_wins() {
        let env = Environment::from([
            ("OTEL_RESOURCE_ATTRIBUTES".to_owned(), "service.name=a, k8s.pod = x%2Cy ,broken".to_owned()),
            ("OTEL_SERVICE_NAME".to_owned(), "b".to_owned()),
        ]);
        let resource = Resource::new(&env, "host");
        let get = |name: &str| resource.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(get("service.name"), Some("b"));
        assert_eq!(get("service.instance.id"), Some("host"));
        assert_eq!(get("k8s.pod"), Some("x,y"));
        assert!(resource.labels().contains(&("k8s_pod".to_owned(), "x,y".to_owned())));
        assert_eq!(resource.0.len(), 6);
        assert_eq!(percent_decoded("%zz%4"), "%zz%4");
    }
}
