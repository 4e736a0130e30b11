//! What must hold before anything is looked up (prometheus-operator: `Validate` methods of `pkg/apis/monitoring/v1`).

use super::{Authorization, HttpOptions, OAuth2, Proxy, SecretOrConfigMap, Tls};
use crate::quote::quote;
use crate::scrape_config::url;
use crate::secret::Secret;

/// At most one way to authenticate. A present but empty one counts.
pub(crate) fn check_exclusive(http: &HttpOptions, has_bearer_secret: bool) -> Result<(), String> {
    let given = [
        ("authorization", http.authorization.is_some()),
        ("basicAuth", http.basic_auth.is_some()),
        ("bearerTokenSecret", has_bearer_secret),
        ("oauth2", http.oauth2.is_some()),
    ];
    let mut given = given.into_iter().filter(|(_, given)| *given);
    match (given.next(), given.next()) {
        (Some((one, _)), Some((other, _))) => Err(format!("{one} and {other} cannot be configured at the same time")),
        _ => Ok(()),
    }
}

/// A monitor's authorization needs credentials and may not be basic.
pub(crate) fn check_authorization(authorization: &Authorization) -> Result<(), String> {
    if authorization.scheme.trim().eq_ignore_ascii_case("basic") {
        let message = "'authorization' type cannot be set to \"basic\", use \"basic_auth\" instead";
        return Err(format!("authorization: {message}"));
    }
    match authorization.credentials {
        Some(_) => Ok(()),
        None => Err("authorization: 'authorization' credentials are required".into()),
    }
}

pub(crate) fn check_oauth2(oauth2: &OAuth2) -> Result<(), String> {
    if oauth2.token_url.is_empty() {
        return Err("oauth2: tokenUrl must be set".into());
    }
    match (&oauth2.client_id.secret, &oauth2.client_id.config_map) {
        (None, None) => return Err("oauth2: clientId: secret or configMap must be set".into()),
        (Some(_), Some(_)) => return Err("oauth2: clientId: secret and configMap cannot be set both".into()),
        _ => {}
    }
    if let Some(tls) = &oauth2.tls {
        check_tls(tls).map_err(|why| format!("oauth2: {why}"))?;
    }
    check_proxy(&oauth2.proxy).map_err(|why| format!("oauth2: {why}"))
}

/// Both variants: without files, the rules about them never apply.
pub(crate) fn check_tls(tls: &Tls) -> Result<(), String> {
    let both = |at: &SecretOrConfigMap| at.secret.is_some() && at.config_map.is_some();
    let (ca, cert) = (tls.ca.get().is_some(), tls.cert.get().is_some());
    let has_cert = cert || !tls.cert_file.is_empty();
    let has_key = tls.key_secret.is_some() || !tls.key_file.is_empty();
    let problem = if both(&tls.ca) {
        "ca: secret and configMap cannot be set both"
    } else if both(&tls.cert) {
        "cert: secret and configMap cannot be set both"
    } else if ca && !tls.ca_file.is_empty() {
        "ca and caFile cannot be set both"
    } else if cert && !tls.cert_file.is_empty() {
        "cert and certFile cannot be set both"
    } else if tls.key_secret.is_some() && !tls.key_file.is_empty() {
        "keySecret and keyFile cannot be set both"
    } else if has_cert && !has_key {
        "a client certificate needs a key, and none is set"
    } else if has_key && !has_cert {
        "a client key needs a certificate, and none is set"
    } else if matches!((&tls.min_version, &tls.max_version), (Some(min), Some(max)) if max < min) {
        "maxVersion must not be less than minVersion"
    } else {
        return Ok(());
    };
    Err(format!("tlsConfig: {problem}"))
}

/// Here an empty URL or exclusion list counts as not given.
pub(crate) fn check_proxy(proxy: &Proxy) -> Result<(), String> {
    let url = proxy.url.as_ref().map_or("", Secret::reveal);
    let has_exclusions = proxy.no_proxy.as_deref().is_some_and(|text| !text.is_empty());
    let environment = proxy.from_environment == Some(true);
    if !proxy.connect_header.is_empty() && url.is_empty() && !environment {
        return Err("if proxyConnectHeader is set, proxyUrl or proxyFromEnvironment must be set too".into());
    }
    if environment && !url.is_empty() {
        return Err("if proxyFromEnvironment is set, proxyUrl must not be set".into());
    }
    if environment && has_exclusions {
        return Err("if proxyFromEnvironment is set, noProxy must not be set".into());
    }
    if has_exclusions && url.is_empty() {
        return Err("if noProxy is set, proxyUrl must be set too".into());
    }
    for (name, values) in &proxy.connect_header {
        if values.is_empty() {
            return Err(format!("proxyConnectHeader: {} has no values", quote(name)));
        }
        if values.iter().any(|value| value.name.is_empty() && value.key.is_empty()) {
            return Err(format!("proxyConnectHeader: {} refers to nothing", quote(name)));
        }
    }
    url::parse(url).map(drop).map_err(|why| format!("proxyUrl: {why}"))
}
