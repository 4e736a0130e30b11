//! How to authenticate, TLS and proxies: fields of all four kinds and of most discovery blocks.

mod check;
mod decode;
mod emit;

use std::collections::BTreeMap;

pub(crate) use check::{check_authorization, check_exclusive, check_oauth2, check_proxy, check_tls};
pub(crate) use decode::{read_key_ref, read_some};

use super::lookup::ValueKind;
use crate::secret::Secret;

/// A key of a Secret or ConfigMap in the object's namespace. `optional` is ignored, as upstream does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRef {
    pub(crate) kind: ValueKind,
    pub(crate) name: String,
    pub(crate) key: String,
    /// Written in a scrape class: what is not there is left out.
    pub(crate) of_class: bool,
}

/// `{secret: …}` or `{configMap: …}`; both is an error that is found later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SecretOrConfigMap {
    pub(crate) secret: Option<KeyRef>,
    pub(crate) config_map: Option<KeyRef>,
}

impl SecretOrConfigMap {
    /// The one that is given.
    pub(crate) fn get(&self) -> Option<&KeyRef> {
        self.secret.as_ref().or(self.config_map.as_ref())
    }
}

/// Everything about the connection. `None` = not in the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HttpOptions {
    pub(crate) basic_auth: Option<BasicAuth>,
    pub(crate) authorization: Option<Authorization>,
    pub(crate) oauth2: Option<Box<OAuth2>>,
    pub(crate) tls: Option<Tls>,
    pub(crate) proxy: Proxy,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BasicAuth {
    pub(crate) username: KeyRef,
    pub(crate) password: KeyRef,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Authorization {
    pub(crate) scheme: String,
    pub(crate) credentials: Option<KeyRef>,
    /// Scrape classes only.
    pub(crate) credentials_file: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OAuth2 {
    pub(crate) client_id: SecretOrConfigMap,
    pub(crate) client_secret: Option<KeyRef>,
    pub(crate) token_url: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) endpoint_params: BTreeMap<String, String>,
    pub(crate) tls: Option<Tls>,
    pub(crate) proxy: Proxy,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) ca: SecretOrConfigMap,
    pub(crate) cert: SecretOrConfigMap,
    pub(crate) key_secret: Option<KeyRef>,
    pub(crate) server_name: String,
    pub(crate) insecure_skip_verify: Option<bool>,
    pub(crate) min_version: Option<String>,
    pub(crate) max_version: Option<String>,
    /// ServiceMonitors and scrape classes only, as the other two.
    pub(crate) ca_file: String,
    pub(crate) cert_file: String,
    pub(crate) key_file: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proxy {
    /// May hold a password.
    pub(crate) url: Option<Secret>,
    pub(crate) no_proxy: Option<String>,
    pub(crate) from_environment: Option<bool>,
    pub(crate) connect_header: BTreeMap<String, Vec<KeyRef>>,
}
