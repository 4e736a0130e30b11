//! What a collector does with an allocator's answers: pure functions, no clock, no socket.
//!
//! [`job_list`] is `opentelemetry-collector-contrib: receiver/prometheusreceiver/internal/targetallocator/manager.go`,
//! [`http_sd`] is `prometheus: discovery/http/http.go` with `discovery/targetgroup/targetgroup.go`.

pub mod http_sd;
pub mod job_list;

use std::fmt::Write as _;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Go's `url.QueryEscape`: letters, digits and `-_.~` stay, space becomes `+`, every other byte `%XX`.
pub fn query_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => write!(out, "%{byte:02X}").expect("writing to a String cannot fail"),
        }
    }
    out
}

/// What tells targets apart, and whether their labels are current, without keeping a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint {
    /// Job, address and the labels that are not `__meta_…`: another identity is another target.
    pub identity: u64,
    /// All labels: the same identity with another content is a label update.
    pub content: u32,
}

/// Folds labels in any order into a [`Fingerprint`].
///
/// `__meta_filepath` and `__meta_url` (added by file and HTTP discovery on the way) and `__address__` (given apart) are
/// left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct LabelFold {
    identity: u64,
    content: u64,
}

impl LabelFold {
    /// Takes one label in.
    pub fn add(&mut self, name: &str, value: &str) {
        if matches!(name, "__meta_filepath" | "__meta_url" | "__address__") {
            return;
        }
        let pair = xxh3_64_with_seed(value.as_bytes(), xxh3_64(name.as_bytes()));
        self.content = self.content.wrapping_add(pair);
        if !name.starts_with("__meta_") {
            self.identity = self.identity.wrapping_add(pair);
        }
    }

    /// The fingerprint of the target at `address` of `job` with these labels.
    pub fn finish(self, job: &str, address: &str) -> Fingerprint {
        let place = xxh3_64_with_seed(address.as_bytes(), xxh3_64(job.as_bytes()));
        let content = xxh3_64_with_seed(&self.content.to_le_bytes(), place);
        Fingerprint { identity: place.wrapping_add(self.identity), content: content as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_names_are_escaped_as_go_does() {
        assert_eq!(query_escape("serviceMonitor/ns/x/0"), "serviceMonitor%2Fns%2Fx%2F0");
        assert_eq!(query_escape("my job+x y€~"), "my+job%2Bx+y%E2%82%AC~");
    }

    #[test]
    fn fingerprints_ignore_order_and_discovery_additions() {
        let fold = |labels: &[(&str, &str)]| {
            let mut fold = LabelFold::default();
            labels.iter().for_each(|(name, value)| fold.add(name, value));
            fold.finish("job", "1.2.3.4:80")
        };
        let base = fold(&[("a", "1"), ("__meta_b", "2")]);
        assert_eq!(base, fold(&[("__meta_b", "2"), ("__meta_url", "x"), ("a", "1"), ("__address__", "z")]));
        let meta_changed = fold(&[("a", "1"), ("__meta_b", "3")]);
        assert_eq!(base.identity, meta_changed.identity);
        assert_ne!(base.content, meta_changed.content);
        assert_ne!(base.identity, fold(&[("a", "2"), ("__meta_b", "2")]).identity);
    }
}
