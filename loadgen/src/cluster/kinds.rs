//! The kinds of objects the simulated server knows.

/// One kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Name in paths.
    pub plural: &'static str,
    /// Name for one, lower case.
    pub singular: &'static str,
    /// `kind` of an object.
    pub kind: &'static str,
    /// Names kubectl accepts as well.
    pub short: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Whether there is a `/status`.
    pub has_status: bool,
    /// Whether it comes from a CustomResourceDefinition: its list elements carry `kind` and `apiVersion`.
    pub custom: bool,
}

const CORE: Kind = Kind {
    group: "",
    version: "v1",
    plural: "",
    singular: "",
    kind: "",
    short: &[],
    namespaced: true,
    has_status: false,
    custom: false,
};

const MONITORING: Kind = Kind { group: "monitoring.coreos.com", has_status: true, custom: true, ..CORE };

/// Every kind, in the order of discovery.
pub static KINDS: [Kind; 16] = [
    Kind { plural: "pods", singular: "pod", kind: "Pod", short: &["po"], has_status: true, ..CORE },
    Kind {
        plural: "nodes",
        singular: "node",
        kind: "Node",
        short: &["no"],
        namespaced: false,
        has_status: true,
        ..CORE
    },
    Kind { plural: "services", singular: "service", kind: "Service", short: &["svc"], has_status: true, ..CORE },
    Kind { plural: "endpoints", singular: "endpoints", kind: "Endpoints", short: &["ep"], ..CORE },
    Kind {
        plural: "namespaces",
        singular: "namespace",
        kind: "Namespace",
        short: &["ns"],
        namespaced: false,
        has_status: true,
        ..CORE
    },
    Kind { plural: "secrets", singular: "secret", kind: "Secret", ..CORE },
    Kind { plural: "configmaps", singular: "configmap", kind: "ConfigMap", short: &["cm"], ..CORE },
    Kind {
        group: "discovery.k8s.io",
        plural: "endpointslices",
        singular: "endpointslice",
        kind: "EndpointSlice",
        ..CORE
    },
    Kind {
        group: "networking.k8s.io",
        plural: "ingresses",
        singular: "ingress",
        kind: "Ingress",
        short: &["ing"],
        has_status: true,
        ..CORE
    },
    Kind {
        group: "apps",
        plural: "replicasets",
        singular: "replicaset",
        kind: "ReplicaSet",
        short: &["rs"],
        has_status: true,
        ..CORE
    },
    Kind { group: "batch", plural: "jobs", singular: "job", kind: "Job", has_status: true, ..CORE },
    Kind {
        group: "apiextensions.k8s.io",
        plural: "customresourcedefinitions",
        singular: "customresourcedefinition",
        kind: "CustomResourceDefinition",
        short: &["crd", "crds"],
        namespaced: false,
        has_status: true,
        ..CORE
    },
    Kind {
        plural: "servicemonitors",
        singular: "servicemonitor",
        kind: "ServiceMonitor",
        short: &["smon"],
        ..MONITORING
    },
    Kind { plural: "podmonitors", singular: "podmonitor", kind: "PodMonitor", short: &["pmon"], ..MONITORING },
    Kind { plural: "probes", singular: "probe", kind: "Probe", short: &["prb"], ..MONITORING },
    Kind {
        version: "v1alpha1",
        plural: "scrapeconfigs",
        singular: "scrapeconfig",
        kind: "ScrapeConfig",
        short: &["scfg"],
        ..MONITORING
    },
];

/// Position in [`KINDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KindId(u8);

impl KindId {
    pub(crate) fn all() -> impl Iterator<Item = KindId> {
        (0..KINDS.len() as u8).map(KindId)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(crate) fn get(self) -> &'static Kind {
        &KINDS[self.index()]
    }

    /// By the name in paths, which is unique among the kinds here.
    pub(crate) fn by_plural(plural: &str) -> Option<KindId> {
        KindId::all().find(|id| id.get().plural == plural)
    }

    /// By group, version and name in paths.
    pub(crate) fn by_path(group: &str, version: &str, plural: &str) -> Option<KindId> {
        KindId::by_plural(plural).filter(|id| id.get().group == group && id.get().version == version)
    }

    /// By `apiVersion` and `kind` of an object.
    pub(crate) fn by_object(api_version: &str, kind: &str) -> Option<KindId> {
        KindId::all().find(|id| id.get().kind == kind && id.get().api_version() == api_version)
    }

    /// By the name of a CustomResourceDefinition, `<plural>.<group>`.
    pub(crate) fn by_crd(name: &str) -> Option<KindId> {
        KindId::all().find(|id| id.get().custom && id.get().crd_name() == name)
    }
}

impl Kind {
    /// `apiVersion` of its objects.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `<plural>.<group>`, or the plural alone in the core group: how messages name it, and its CustomResourceDefinition.
    pub(crate) fn crd_name(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The path of the whole collection, or of that in one namespace.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", self.group) };
        match namespace {
            Some(namespace) => format!("{root}/{}/namespaces/{namespace}/{}", self.version, self.plural),
            None => format!("{root}/{}/{}", self.version, self.plural),
        }
    }
}
