//! From objects to options.

use super::super::copied::read_choice;
use super::super::lookup::ValueKind;
use super::{Authorization, BasicAuth, HttpOptions, KeyRef, OAuth2, Proxy, SecretOrConfigMap, Tls};
use crate::yaml::{Decoder, Fields, Node};

/// Reads `key`, a key of a Secret; `None` where absent or null.
pub(crate) fn read_key_ref(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<KeyRef> {
    read_ref(fields, key, ValueKind::Secret)
}

fn read_ref(fields: &mut Fields<'_, '_>, key: &'static str, kind: ValueKind) -> Option<KeyRef> {
    read_some(fields, key, |decoder, node| decode_ref(decoder, node, kind))
}

/// Reads `key` with `read` if it is there and not null.
pub(crate) fn read_some<'n, T>(
    fields: &mut Fields<'_, 'n>,
    key: &'static str,
    read: impl FnOnce(&mut Decoder, &'n Node) -> Option<T>,
) -> Option<T> {
    let node = fields.node(key).filter(|node| !node.is_null())?;
    fields.decoder.at_key(key, |decoder| read(decoder, node))
}

fn decode_ref(decoder: &mut Decoder, node: &Node, kind: ValueKind) -> Option<KeyRef> {
    decoder.fields(node, |fields| {
        let mut at = KeyRef { kind, name: String::new(), key: String::new(), of_class: false };
        fields.set("name", &mut at.name);
        fields.set("key", &mut at.key);
        fields.ignore(["optional"]);
        at
    })
}

impl HttpOptions {
    /// Reads the options that stand among other fields, all but TLS, which has variants.
    pub(crate) fn read(&mut self, fields: &mut Fields<'_, '_>) {
        self.read_auth(fields);
        self.proxy.read(fields);
    }

    /// Reads the ways to authenticate.
    pub(crate) fn read_auth(&mut self, fields: &mut Fields<'_, '_>) {
        self.basic_auth = read_some(fields, "basicAuth", BasicAuth::decode);
        self.authorization = read_some(fields, "authorization", Authorization::decode);
        self.oauth2 = read_some(fields, "oauth2", OAuth2::decode).map(Box::new);
    }
}

impl BasicAuth {
    pub(crate) fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let empty = || KeyRef { kind: ValueKind::Secret, name: String::new(), key: String::new(), of_class: false };
        decoder.fields(node, |fields| Self {
            username: read_key_ref(fields, "username").unwrap_or_else(empty),
            password: read_key_ref(fields, "password").unwrap_or_else(empty),
        })
    }
}

impl Authorization {
    pub(crate) fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut authorization = Self { credentials: read_key_ref(fields, "credentials"), ..Self::default() };
            fields.set("type", &mut authorization.scheme);
            authorization
        })
    }

    /// As it stands in a scrape class: with a file.
    pub(crate) fn decode_class(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut authorization = Self { credentials: read_key_ref(fields, "credentials"), ..Self::default() };
            fields.set("type", &mut authorization.scheme);
            fields.set("credentialsFile", &mut authorization.credentials_file);
            if let Some(credentials) = &mut authorization.credentials {
                credentials.of_class = true;
            }
            authorization
        })
    }
}

impl OAuth2 {
    pub(crate) fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut oauth2 = Self {
                client_id: read_some(fields, "clientId", SecretOrConfigMap::decode).unwrap_or_default(),
                client_secret: read_key_ref(fields, "clientSecret"),
                tls: read_some(fields, "tlsConfig", Tls::decode),
                ..Self::default()
            };
            fields.set("tokenUrl", &mut oauth2.token_url);
            fields.set("scopes", &mut oauth2.scopes);
            fields.set("endpointParams", &mut oauth2.endpoint_params);
            oauth2.proxy.read(fields);
            oauth2
        })
    }
}

impl SecretOrConfigMap {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| Self {
            secret: read_ref(fields, "secret", ValueKind::Secret),
            config_map: read_ref(fields, "configMap", ValueKind::ConfigMap),
        })
    }
}

const TLS_VERSIONS: &[&str] = &["TLS10", "TLS11", "TLS12", "TLS13"];

impl Tls {
    pub(crate) fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, Self::read)
    }

    /// As ServiceMonitors and scrape classes have it: with files.
    pub(crate) fn decode_with_files(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut tls = Self::read(fields);
            fields.set("caFile", &mut tls.ca_file);
            fields.set("certFile", &mut tls.cert_file);
            fields.set("keyFile", &mut tls.key_file);
            tls
        })
    }

    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let version = |decoder: &mut Decoder, node: &Node| read_choice(decoder, node, TLS_VERSIONS);
        let mut tls = Self {
            ca: read_some(fields, "ca", SecretOrConfigMap::decode).unwrap_or_default(),
            cert: read_some(fields, "cert", SecretOrConfigMap::decode).unwrap_or_default(),
            key_secret: read_key_ref(fields, "keySecret"),
            insecure_skip_verify: fields.get("insecureSkipVerify"),
            min_version: read_some(fields, "minVersion", version),
            max_version: read_some(fields, "maxVersion", version),
            ..Self::default()
        };
        fields.set("serverName", &mut tls.server_name);
        tls
    }

    /// Marks every reference as one of a scrape class.
    pub(crate) fn mark_class(&mut self) {
        let Self { ca, cert, key_secret, .. } = self;
        let references = [&mut ca.secret, &mut ca.config_map, &mut cert.secret, &mut cert.config_map, key_secret];
        for reference in references.into_iter().flatten() {
            reference.of_class = true;
        }
    }
}

impl Proxy {
    pub(crate) fn read(&mut self, fields: &mut Fields<'_, '_>) {
        self.url = fields.get("proxyUrl");
        self.no_proxy = fields.get("noProxy");
        self.from_environment = fields.get("proxyFromEnvironment");
        let headers = read_some(fields, "proxyConnectHeader", |decoder, node| {
            let crate::yaml::Value::Map(entries) = &node.value else {
                decoder.mismatch(node, "mapping");
                return None;
            };
            let header = |entry: &crate::yaml::Entry| {
                let secret = |decoder: &mut Decoder, node: &Node| decode_ref(decoder, node, ValueKind::Secret);
                let values = decoder.at_key(&entry.key.text, |decoder| decoder.list(&entry.value, secret))?;
                Some((entry.key.text.to_string(), values))
            };
            Some(entries.iter().filter_map(header).collect())
        });
        self.connect_header = headers.unwrap_or_default();
    }
}
