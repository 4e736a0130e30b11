//! Where a connection's settings come from: a kubeconfig, or the service account of a pod.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use kube::Config;
use kube::config::{AuthInfo, Kubeconfig, KubeconfigError};

use super::KubeError;
use crate::http_client::{ProxyEnvironment, chain};

/// How the process reaches API servers.
#[derive(Clone, Debug, Default)]
pub struct KubeSettings {
    /// `kube_config_file_path`. Empty, or a file that cannot be opened: in-cluster.
    pub kube_config_file: String,
    pub service_account: ServiceAccount,
    /// For `api_server`s that SD configs name.
    pub proxies: ProxyEnvironment,
}

/// What a pod is given to reach its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// `KUBERNETES_SERVICE_HOST`; empty outside of clusters.
    pub host: String,
    /// `KUBERNETES_SERVICE_PORT`
    pub port: String,
    /// Where `token`, `ca.crt` and `namespace` are.
    pub directory: PathBuf,
}

impl Default for ServiceAccount {
    /// That of this process.
    fn default() -> Self {
        let variable = |name| std::env::var(name).unwrap_or_default();
        Self {
            host: variable("KUBERNETES_SERVICE_HOST"),
            port: variable("KUBERNETES_SERVICE_PORT"),
            directory: "/var/run/secrets/kubernetes.io/serviceaccount".into(),
        }
    }
}

impl ServiceAccount {
    pub(super) fn is_there(&self) -> bool {
        !self.host.is_empty() && self.directory.join("token").exists()
    }

    /// Files are named, not read: tokens rotate, and so do authorities.
    fn config(&self) -> Result<Config, KubeError> {
        let bad_address =
            |cause: String| KubeError::Address { host: self.host.clone(), port: self.port.clone(), cause };
        let port: u16 = self.port.parse().map_err(|error: std::num::ParseIntError| bad_address(error.to_string()))?;
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let url = format!("https://{host}:{port}").parse();
        let mut config = Config::new(url.map_err(|error: http::uri::InvalidUri| bad_address(error.to_string()))?);
        let token = self.directory.join("token");
        if let Err(error) = std::fs::read_to_string(&token) {
            return Err(KubeError::ServiceAccount { path: token, cause: error.to_string() });
        }
        config.auth_info.token_file = Some(token.to_string_lossy().into_owned());
        // without one: the system's authorities, as client-go
        config.root_cert_file = Some(self.directory.join("ca.crt")).filter(|path| path.exists());
        Ok(config)
    }

    fn namespace(&self) -> Option<String> {
        std::fs::read_to_string(self.directory.join("namespace")).ok().map(|text| text.trim().to_owned())
    }
}

/// One of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Kubeconfig(PathBuf),
    InCluster(ServiceAccount),
}

impl KubeSettings {
    /// What this process uses.
    pub(super) fn access(&self) -> Result<Access, KubeError> {
        let mut unopened = None;
        if !self.kube_config_file.is_empty() {
            match std::fs::read(&self.kube_config_file) {
                Ok(_) => return Ok(Access::Kubeconfig(self.kube_config_file.clone().into())),
                Err(error) => unopened = Some(format!("{}: {error}", self.kube_config_file)),
            }
        }
        if self.service_account.host.is_empty() {
            return Err(KubeError::NotInCluster { kubeconfig: unopened });
        }
        Ok(Access::InCluster(self.service_account.clone()))
    }
}

impl Access {
    /// Empty in a cluster.
    pub(super) fn kubeconfig_file(&self) -> String {
        match self {
            Self::Kubeconfig(path) => path.to_string_lossy().into_owned(),
            Self::InCluster(_) => String::new(),
        }
    }

    /// The namespace of the pod, or of the kubeconfig's context.
    pub(super) fn own_namespace(&self, config: &Config) -> Option<String> {
        match self {
            Self::Kubeconfig(_) => Some(config.default_namespace.clone()),
            Self::InCluster(account) => account.namespace(),
        }
    }

    /// Reads the files there are, as they are now. Blocks for that.
    pub(super) fn config(&self) -> Result<Config, KubeError> {
        let mut config = match self {
            Self::Kubeconfig(path) => read_kubeconfig(path)?,
            Self::InCluster(account) => account.config()?,
        };
        config.default_retry = false; // each watch has its own, which honours Retry-After and can be seen
        trim_token(&mut config.auth_info);
        Ok(config)
    }
}

/// client-go trims what it reads from a token file; kube refuses a line break. Such a file is read once, and again
/// when the server refuses what was in it.
fn trim_token(user: &mut AuthInfo) {
    let Some(text) = user.token_file.as_ref().and_then(|path| std::fs::read_to_string(path).ok()) else { return };
    if text.trim() != text {
        user.token_file = None;
        user.token = Some(text.trim().to_owned().into());
    }
}

fn read_kubeconfig(path: &Path) -> Result<Config, KubeError> {
    let config = Kubeconfig::read_from(path).and_then(Config::try_from);
    config.map_err(|error| KubeError::Kubeconfig { path: path.to_owned(), cause: explain(&error) })
}

fn explain(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(error, _) if error.kind() == ErrorKind::NotFound => "there is no such file".into(),
        KubeconfigError::ReadConfig(error, _) => format!("cannot be read: {error}"),
        // the parser shows the lines around a mistake, and a token may stand there
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => format!("is no kubeconfig: line {}, column {}", at.line(), at.column()),
            None => "is no kubeconfig".into(),
        },
        KubeconfigError::CurrentContextNotSet => "has no current-context; set one, or use another file".into(),
        KubeconfigError::LoadContext(name) => format!("has no context {name:?}, which current-context names"),
        KubeconfigError::LoadClusterOfContext(name) => format!("has no cluster {name:?}, which its context names"),
        KubeconfigError::MissingClusterUrl => "its cluster has no server".into(),
        other => chain(other),
    }
}
