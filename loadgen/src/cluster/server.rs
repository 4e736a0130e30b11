//! A running simulated cluster.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::admin;
use super::counts::{Counts, RequestCounts};
use super::faults::{Faults, garbage};
use super::http::{self, write};
use super::kinds::{Kind, KindId};
use super::object::key;
use super::settings::ClusterBuilder;
use super::store::{ListQuery, Signal, Store};

/// Why something cannot be done to a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No kind of that name here.
    #[error("the simulated server has no {0}")]
    UnknownKind(String),
    /// Not an object.
    #[error("not an object: {0}")]
    NotAnObject(String),
}

/// What the listeners and the library share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: ClusterBuilder,
    pub(crate) store: Store,
    pub(crate) faults: Faults,
    pub(crate) counts: Counts,
    /// Whether the server should listen, and whether it does.
    pub(crate) wanted: watch::Sender<bool>,
    pub(crate) listening: watch::Sender<bool>,
}

/// A simulated API server on 127.0.0.1, until the last clone is dropped.
#[derive(Debug, Clone)]
pub struct SimulatedCluster {
    shared: Arc<Shared>,
    address: SocketAddr,
    admin: SocketAddr,
    _stop: Arc<DropGuard>,
}

impl SimulatedCluster {
    /// Settings to start with.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    pub(crate) async fn start(settings: ClusterBuilder) -> io::Result<SimulatedCluster> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port)).await?;
        let admin_listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.admin_port)).await?;
        let (address, admin) = (listener.local_addr()?, admin_listener.local_addr()?);
        let shared = Arc::new(Shared {
            store: Store::new(settings.window.changes),
            faults: Faults::new(settings.token.clone()),
            counts: Counts::default(),
            wanted: watch::channel(true).0,
            listening: watch::channel(true).0,
            settings,
        });
        let stop = CancellationToken::new();
        let _stop = Arc::new(stop.clone().drop_guard());
        let cluster = SimulatedCluster { shared: shared.clone(), address, admin, _stop };
        cluster.install_crds();
        tokio::spawn(http::listen(listener, shared.clone(), stop.clone()));
        tokio::spawn(admin::listen(admin_listener, shared, stop));
        Ok(cluster)
    }

    /// Every custom kind has its definition, as in a cluster where somebody applied it.
    fn install_crds(&self) {
        for id in KindId::all() {
            if self.shared.settings.missing.contains(id.get().plural) {
                self.shared.store.set_installed(id, false);
            } else if id.get().custom {
                self.shared.set_installed(id, true);
            }
        }
    }

    /// `http://127.0.0.1:<port>`, or `https://…`.
    pub fn url(&self) -> String {
        let scheme = if self.shared.settings.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where faults are set over HTTP: `http://127.0.0.1:<other port>`.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// Writes `kubeconfig` into a directory, and beside it `token` if one is expected: replace that file to rotate it.
    /// Authorities are not known here: with TLS it is good for programs that trust the certificate anyway.
    ///
    /// # Errors
    /// The directory cannot be written to.
    pub fn kubeconfig(&self, directory: &Path) -> io::Result<PathBuf> {
        let directory = std::path::absolute(directory)?;
        std::fs::create_dir_all(&directory)?;
        let user = match self.shared.faults.token() {
            Some(token) => {
                std::fs::write(directory.join("token"), token)?;
                json!({"tokenFile": directory.join("token")})
            }
            None => json!({}),
        };
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "loadgen",
            "clusters": [{"name": "loadgen", "cluster": {"server": self.url()}}],
            "users": [{"name": "loadgen", "user": user}],
            "contexts": [{"name": "loadgen", "context": {"cluster": "loadgen", "user": "loadgen"}}],
        });
        let path = directory.join("kubeconfig");
        std::fs::write(&path, format!("{config:#}\n"))?;
        Ok(path)
    }

    /// Creates or replaces an object (or every element of a list), as it is: only name, namespace, `uid` and
    /// `creationTimestamp` are filled in, nothing is defaulted or checked. Gives what is served then.
    ///
    /// # Errors
    /// It has no name, or is of a kind unknown here.
    pub fn apply(&self, object: Value) -> Result<Value, ClusterError> {
        if let Some(elements) = object.get("items").and_then(Value::as_array) {
            return elements.iter().map(|element| self.apply(element.clone())).collect();
        }
        let Value::Object(map) = object else { return Err(ClusterError::NotAnObject(object.to_string())) };
        let text = |name: &str| map.get(name).and_then(Value::as_str).unwrap_or_default();
        let id = KindId::by_object(text("apiVersion"), text("kind"))
            .ok_or_else(|| ClusterError::UnknownKind(format!("{} {}", text("apiVersion"), text("kind"))))?;
        self.shared.apply(id, map)
    }

    /// Deletes an object; whether it was there. The namespace is empty for cluster-wide kinds; deleting a namespace deletes
    /// what is in it.
    pub fn delete(&self, plural: &str, namespace: &str, name: &str) -> bool {
        KindId::by_plural(plural).is_some_and(|id| self.shared.delete(id, &key(namespace, name)))
    }

    /// An object as it is served.
    pub fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let id = KindId::by_plural(plural)?;
        let object = self.shared.store.get(id, &key(namespace, name))?;
        Some(Value::Object(object.value(id.get())))
    }

    /// All objects of a kind.
    pub fn list(&self, plural: &str) -> Vec<Value> {
        let Some(id) = KindId::by_plural(plural) else { return Vec::new() };
        let page = self.shared.store.list(id, &ListQuery::default());
        let objects = page.map(|page| page.objects).unwrap_or_default();
        objects.iter().map(|object| Value::Object(object.value(id.get()))).collect()
    }

    /// Number of objects of a kind, and the bytes of their JSON.
    pub fn size(&self, plural: &str) -> (usize, usize) {
        KindId::by_plural(plural).map_or((0, 0), |id| self.shared.store.size(id))
    }

    /// Serves a kind, or answers 404 and ends its watches. With a custom kind its CustomResourceDefinition comes and goes,
    /// and the other way round; objects stay for the next time.
    pub fn set_installed(&self, plural: &str, installed: bool) {
        if let Some(id) = KindId::by_plural(plural) {
            self.shared.set_installed(id, installed);
        }
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Requests so far, by plural name of the kind; others by path.
    pub fn requests(&self) -> BTreeMap<String, RequestCounts> {
        self.shared.counts.all()
    }

    /// Requests about one kind.
    pub fn requests_of(&self, plural: &str) -> RequestCounts {
        self.requests().remove(plural).unwrap_or_default()
    }

    /// The last 10,000 requests: `GET /api/v1/pods?limit=500`.
    pub fn request_log(&self) -> Vec<String> {
        self.shared.counts.lines()
    }

    /// Forgets requests so far.
    pub fn reset_requests(&self) {
        self.shared.counts.reset();
    }

    /// The newest resource version.
    pub fn revision(&self) -> u64 {
        self.shared.store.revision()
    }

    /// Lets no watch or page begin at a resource version of before: 410. Open watches go on.
    pub fn compact(&self) {
        self.shared.store.compact(None);
    }

    /// Breaks the connections of all open watches of a kind (`*` for all kinds).
    pub fn break_watches(&self, plural: &str) {
        self.shared.signal(plural, &Signal::Break);
    }

    /// Ends all open watches of a kind (`*` for all kinds) properly.
    pub fn end_watches(&self, plural: &str) {
        self.shared.signal(plural, &Signal::End);
    }

    /// Sends "too old" to all open watches of a kind (`*` for all kinds) and ends them; going on from before gives 410 too.
    pub fn expire_watches(&self, plural: &str) {
        self.shared.expire_watches(plural);
    }

    /// Sends a line that is no event to all open watches of a kind (`*` for all kinds).
    pub fn garble_watches(&self, plural: &str) {
        self.shared.signal(plural, &garbage());
    }

    /// Closes the listener and all connections: the server is gone.
    pub async fn down(&self) {
        self.shared.listen(false).await;
    }

    /// Listens on the same port again.
    pub async fn up(&self) {
        self.shared.listen(true).await;
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Shared {
    pub(crate) fn apply(&self, id: KindId, mut map: serde_json::Map<String, Value>) -> Result<Value, ClusterError> {
        let nameless = || ClusterError::NotAnObject(format!("a {} without metadata.name", id.get().kind));
        let metadata = map.get_mut("metadata").and_then(Value::as_object_mut).ok_or_else(nameless)?;
        let name = metadata.get("name").and_then(Value::as_str).ok_or_else(nameless)?.to_owned();
        let namespace = match metadata.get("namespace").and_then(Value::as_str) {
            _ if !id.get().namespaced => String::new(),
            None | Some("") => "default".to_owned(),
            Some(namespace) => namespace.to_owned(),
        };
        let done = self.store.edit(id, &key(&namespace, &name), |before| {
            Ok::<_, std::convert::Infallible>(Some(write::complete(id.get(), &mut map, before, &namespace)))
        });
        self.written(id, &name, true);
        let object = done.unwrap_or_default().ok_or_else(nameless)?;
        Ok(Value::Object(object.value(id.get())))
    }

    pub(crate) fn delete(&self, id: KindId, key: &str) -> bool {
        let was = self.store.remove(id, key).is_some();
        if was {
            self.written(id, key, false);
        }
        was
    }

    /// What follows from writing or deleting an object: the two controllers nobody can do without.
    pub(crate) fn written(&self, id: KindId, name: &str, present: bool) {
        match (id.get().plural, present) {
            ("customresourcedefinitions", _) => {
                if let Some(defined) = KindId::by_crd(name) {
                    self.store.set_installed(defined, present);
                }
            }
            ("namespaces", false) => {
                for id in KindId::all().filter(|id| id.get().namespaced) {
                    let query = ListQuery { namespace: name.to_owned(), ..ListQuery::default() };
                    let inside = self.store.list(id, &query).map(|page| page.objects).unwrap_or_default();
                    inside.iter().for_each(|object| drop(self.store.remove(id, &object.key)));
                }
            }
            _ => {}
        }
    }

    pub(crate) fn set_installed(&self, id: KindId, installed: bool) {
        let kind = id.get();
        if !kind.custom {
            return self.store.set_installed(id, installed);
        }
        let Some(crds) = KindId::by_plural("customresourcedefinitions") else { return };
        match crd(kind) {
            Value::Object(map) if installed => drop(self.apply(crds, map)),
            _ => drop(self.delete(crds, &kind.crd_name())),
        }
        self.store.set_installed(id, installed);
    }

    pub(crate) fn signal(&self, plural: &str, signal: &Signal) {
        let hit = KindId::all().filter(|id| plural == "*" || id.get().plural == plural);
        hit.for_each(|id| self.store.signal(id, signal.clone()));
    }

    pub(crate) fn expire_watches(&self, plural: &str) {
        for id in KindId::all().filter(|id| plural == "*" || id.get().plural == plural) {
            self.store.compact(Some(id));
            self.store.signal(id, Signal::Expire);
        }
    }

    pub(crate) async fn listen(&self, up: bool) {
        self.wanted.send_replace(up);
        let mut listening = self.listening.subscribe();
        // an error means that the cluster is being dropped
        listening.wait_for(|is| *is == up).await.ok();
    }
}

/// A definition without a schema: this server checks nothing.
fn crd(kind: &Kind) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name()},
        "spec": {
            "group": kind.group, "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
            "names": {"plural": kind.plural, "singular": kind.singular, "kind": kind.kind,
                "listKind": format!("{}List", kind.kind), "shortNames": kind.short},
            "versions": [{"name": kind.version, "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
        "status": {"storedVersions": [kind.version], "conditions": [{"type": "Established", "status": "True",
            "reason": "InitialNamesAccepted", "message": "the initial names have been accepted"}]},
    })
}
