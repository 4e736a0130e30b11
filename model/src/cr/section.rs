//! What the generation of all four kinds shares.

use super::class::{ScrapeClass, merge_authorization};
use super::http::{HttpOptions, KeyRef, check_authorization, check_exclusive, check_oauth2, check_proxy, check_tls};
use super::lookup::Resolver;
use super::relabel::Rules;
use super::selector::LabelSelector;
use super::settings::Settings;
use super::tree::Tree;
use super::types::{General, NamespaceSelector, ObjectId, UserRule};
use crate::duration::Duration;
use crate::quote::quote;

/// The generation of one object.
pub(crate) struct Generator<'c, 'r> {
    pub(crate) id: &'c ObjectId,
    pub(crate) settings: &'c Settings,
    pub(crate) class: Option<&'c ScrapeClass>,
    pub(crate) resolver: &'c mut Resolver<'r>,
}

impl Generator<'_, '_> {
    /// Checks that a timeout, if there is one, fits into the interval, which is the allocator's if there is none.
    pub(crate) fn check_timing(&self, interval: &str, timeout: &str) -> Result<(), String> {
        if timeout.is_empty() {
            return Ok(());
        }
        let parse = |what: &str, text: &str| {
            text.parse::<Duration>().map_err(|error| format!("invalid {what}: {}: {error}", quote(text)))
        };
        let default = self.settings.scrape_interval_text();
        let interval = if interval.is_empty() { default } else { interval };
        if parse("scrapeTimeout", timeout)? > parse("scrapeInterval", interval)? {
            return Err(format!("scrapeTimeout {} greater than scrapeInterval {}", quote(timeout), quote(interval)));
        }
        Ok(())
    }

    /// Adds the way to authenticate, with the class's authorization where there is no own one.
    pub(crate) fn emit_auth(&mut self, tree: &mut Tree, http: &HttpOptions) -> Result<(), String> {
        if let Some(basic_auth) = &http.basic_auth {
            basic_auth.emit(tree, self.resolver)?;
        }
        if let Some(oauth2) = &http.oauth2 {
            oauth2.emit(tree, self.resolver)?;
        }
        if let Some(authorization) = merge_authorization(http.authorization.as_ref(), self.class) {
            authorization.emit(tree, self.resolver)?;
        }
        Ok(())
    }

    pub(crate) fn emit_bearer(&mut self, tree: &mut Tree, secret: Option<&KeyRef>) -> Result<(), String> {
        let Some(secret) = secret else { return Ok(()) };
        let token = self.resolver.secret(secret).map_err(|why| format!("bearerTokenSecret: {why}"))?;
        tree.put_some("bearer_token", token);
        Ok(())
    }

    /// Adds limits, histogram settings and protocols.
    pub(crate) fn emit_general(&self, tree: &mut Tree, general: &General) {
        tree.extend(&general.copied);
        let of_class = self.class.map_or("", |class| &class.fallback_scrape_protocol);
        let own = general.fallback_scrape_protocol.as_str();
        tree.put_text("fallback_scrape_protocol", if own.is_empty() { of_class } else { own });
    }

    pub(crate) fn add_class_rules(&self, rules: &mut Rules) {
        if let Some(class) = self.class {
            rules.user(&class.relabelings);
        }
    }

    /// Adds the class's metric relabel rules and then the object's.
    pub(crate) fn emit_metric_rules(&self, tree: &mut Tree, own: &[UserRule]) {
        let mut rules = Rules::default();
        if let Some(class) = self.class {
            rules.user(&class.metric_relabelings);
        }
        rules.user(own);
        if !rules.is_empty() {
            tree.put("metric_relabel_configs", rules);
        }
    }
}

/// Checks what needs no lookup. A monitor's authorization needs credentials; those of other kinds may lack them.
pub(crate) fn check_http(http: &HttpOptions, credentials_required: bool) -> Result<(), String> {
    if let Some(authorization) = &http.authorization
        && (credentials_required || authorization.credentials.is_some())
    {
        check_authorization(authorization)?;
    }
    if let Some(oauth2) = &http.oauth2 {
        check_oauth2(oauth2)?;
    }
    if let Some(tls) = &http.tls {
        check_tls(tls)?;
    }
    check_proxy(&http.proxy)
}

/// [`check_http`] for endpoints of monitors, which may have one way to authenticate.
pub(crate) fn check_endpoint_http(http: &HttpOptions, has_bearer_secret: bool) -> Result<(), String> {
    check_exclusive(http, has_bearer_secret)?;
    check_http(http, true)
}

/// Adds `namespaces` of a kubernetes discovery section, unless it is all of them.
pub(crate) fn put_namespaces(section: &mut Tree, selector: &NamespaceSelector, own: &str) {
    let names = selector.namespaces(own);
    if !names.is_empty() {
        let mut namespaces = Tree::default();
        namespaces.put("names", names);
        section.put("namespaces", namespaces);
    }
}

/// Adds API-server selectors: the same labels for each of the roles.
pub(crate) fn put_role_selectors(section: &mut Tree, roles: &[&str], selector: &LabelSelector) {
    let label = selector.to_string();
    let selectors = roles.iter().map(|role| {
        let mut selector = Tree::default();
        selector.put("role", *role);
        selector.put("label", label.as_str());
        selector
    });
    section.put("selectors", selectors.collect::<Vec<_>>());
}
