//! Kinds of objects, and where the API server serves them.

/// A kind of object the API server serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    /// Empty for the core group.
    pub group: &'static str,
    pub version: &'static str,
    /// As in URLs: `pods`.
    pub plural: &'static str,
    /// As in objects: `Pod`.
    pub kind: &'static str,
    pub namespaced: bool,
}

impl Resource {
    /// Where it is listed: `/api/v1/namespaces/a/pods`. A namespace means nothing to a kind that has none.
    #[must_use]
    pub fn path(&self, namespace: Option<&str>) -> String {
        let mut path = match self.group {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        if let (Some(namespace), true) = (namespace, self.namespaced) {
            path.push_str("/namespaces/");
            path.extend(url::form_urlencoded::byte_serialize(namespace.as_bytes()));
        }
        path.push('/');
        path.push_str(self.plural);
        path
    }
}

impl std::fmt::Display for Resource {
    /// As RBAC rules and `kubectl` name it: `endpointslices.discovery.k8s.io`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.group {
            "" => f.write_str(self.plural),
            group => write!(f, "{}.{group}", self.plural),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_and_named_groups_have_their_own_paths() {
        let pods = Resource { group: "", version: "v1", plural: "pods", kind: "Pod", namespaced: true };
        let slices = Resource { group: "discovery.k8s.io", plural: "endpointslices", kind: "EndpointSlice", ..pods };
        let nodes = Resource { plural: "nodes", kind: "Node", namespaced: false, ..pods };
        assert_eq!(pods.path(None), "/api/v1/pods");
        assert_eq!(pods.path(Some("a")), "/api/v1/namespaces/a/pods");
        assert_eq!(slices.path(Some("a/b")), "/apis/discovery.k8s.io/v1/namespaces/a%2Fb/endpointslices");
        assert_eq!(nodes.path(Some("a")), "/api/v1/nodes");
        assert_eq!((pods.to_string(), slices.to_string()), ("pods".into(), "endpointslices.discovery.k8s.io".into()));
    }
}
