//! From options to keys of a scrape config or discovery section.

use super::super::lookup::Resolver;
use super::super::pem;
use super::super::tree::Tree;
use super::{Authorization, BasicAuth, KeyRef, OAuth2, Proxy, Tls};
use crate::secret::Secret;

impl BasicAuth {
    pub(crate) fn emit(&self, tree: &mut Tree, resolver: &mut Resolver<'_>) -> Result<(), String> {
        let username = resolver.text(&self.username);
        let username = username.map_err(|why| format!("basicAuth: failed to get basic auth username: {why}"))?;
        let password = resolver.secret(&self.password);
        let password = password.map_err(|why| format!("basicAuth: failed to get basic auth password: {why}"))?;
        let mut inner = Tree::default();
        inner.put("username", username.unwrap_or_default());
        inner.put("password", password.unwrap_or_default());
        tree.put("basic_auth", inner);
        Ok(())
    }
}

impl Authorization {
    pub(crate) fn emit(&self, tree: &mut Tree, resolver: &mut Resolver<'_>) -> Result<(), String> {
        let scheme = match self.scheme.trim() {
            "" => "Bearer",
            scheme => scheme,
        };
        let mut inner = Tree::default();
        inner.put("type", scheme);
        if let Some(credentials) = self.credentials.as_ref().filter(|credentials| !credentials.name.is_empty()) {
            let value = resolver.secret(credentials).map_err(|why| {
                format!("authorization: failed to get authorization token of type \"{scheme}\": {why}")
            })?;
            inner.put_some("credentials", value);
        }
        inner.put_text("credentials_file", &self.credentials_file);
        tree.put("authorization", inner);
        Ok(())
    }
}

impl OAuth2 {
    pub(crate) fn emit(&self, tree: &mut Tree, resolver: &mut Resolver<'_>) -> Result<(), String> {
        let fail = |what: &str, why: String| format!("oauth2: failed to get oauth2 {what}: {why}");
        let mut inner = Tree::default();
        if let Some(client_id) = self.client_id.get() {
            inner.put_some("client_id", resolver.text(client_id).map_err(|why| fail("client id", why))?);
        }
        let Some(client_secret) = &self.client_secret else { return Err("oauth2: clientSecret must be set".into()) };
        inner.put_some("client_secret", resolver.secret(client_secret).map_err(|why| fail("client secret", why))?);
        inner.put("token_url", &self.token_url);
        inner.put_list("scopes", self.scopes.clone());
        if !self.endpoint_params.is_empty() {
            inner.put("endpoint_params", &self.endpoint_params);
        }
        self.proxy.emit(&mut inner, resolver).map_err(|why| fail("proxyConfig", why))?;
        if let Some(tls) = &self.tls {
            tls.emit(&mut inner, resolver).map_err(|why| fail("tlsConfig", why))?;
        }
        tree.put("oauth2", inner);
        Ok(())
    }
}

impl Tls {
    /// True if it says nothing.
    pub(crate) fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Certificates and keys go into the config as text, never into files.
    pub(crate) fn emit(&self, tree: &mut Tree, resolver: &mut Resolver<'_>) -> Result<(), String> {
        let fail = |what: &str, why: &str| format!("tlsConfig: failed to get {what}: {why}");
        let mut read = |what: &str, at: Option<&KeyRef>| match at {
            Some(at) => resolver.read(at).map_err(|why| fail(what, &why)),
            None => Ok(None),
        };
        let (ca, cert) = (read("ca", self.ca.get())?, read("cert", self.cert.get())?);
        let key = read("keySecret", self.key_secret.as_ref())?;
        check_material(ca.as_ref(), cert.as_ref(), key.as_ref()).map_err(|why| format!("tlsConfig: {why}"))?;
        let mut inner = Tree::default();
        inner.put_some("insecure_skip_verify", self.insecure_skip_verify);
        inner.put_some("ca", ca.as_ref().map(Secret::reveal));
        inner.put_some("cert", cert.as_ref().map(Secret::reveal));
        if let Some(at) = &self.key_secret {
            inner.put_some("key", resolver.secret(at)?);
        }
        inner.put_text("server_name", &self.server_name);
        inner.put_some("min_version", self.min_version.as_ref());
        inner.put_some("max_version", self.max_version.as_ref());
        inner.put_text("ca_file", &self.ca_file);
        inner.put_text("cert_file", &self.cert_file);
        inner.put_text("key_file", &self.key_file);
        tree.put("tls_config", inner);
        Ok(())
    }
}

fn check_material(ca: Option<&Secret>, cert: Option<&Secret>, key: Option<&Secret>) -> Result<(), String> {
    let not_empty = |value: &&Secret| !value.is_empty();
    if let Some(ca) = ca.filter(not_empty) {
        pem::check_certificate(ca.reveal()).map_err(|why| format!("ca: {why}"))?;
    }
    if let (Some(cert), Some(key)) = (cert.filter(not_empty), key.filter(not_empty)) {
        pem::check_pair(cert.reveal(), key.reveal())?;
    }
    Ok(())
}

impl Proxy {
    pub(crate) fn emit(&self, tree: &mut Tree, resolver: &mut Resolver<'_>) -> Result<(), String> {
        tree.put_some("proxy_url", self.url.as_ref().map(|url| resolver.url(url)));
        tree.put_some("no_proxy", self.no_proxy.as_ref());
        tree.put_some("proxy_from_environment", self.from_environment);
        if self.connect_header.is_empty() {
            return Ok(());
        }
        let mut headers = Tree::default();
        for (name, values) in &self.connect_header {
            let mut texts = Vec::with_capacity(values.len());
            for (at, value) in values.iter().enumerate() {
                let text = resolver.secret(value).map_err(|why| format!("header[{name}][{at}]: {why}"))?;
                texts.push(text.unwrap_or_default());
            }
            headers.put(name, texts);
        }
        tree.put("proxy_connect_header", headers);
        Ok(())
    }
}
