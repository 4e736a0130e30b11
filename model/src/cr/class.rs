//! Scrape classes: defaults that the administrator gives to objects (`prometheus_cr.scrape_classes`).

use std::collections::BTreeMap;

use super::decode::{placed, read_protocol};
use super::http::{Authorization, Tls, check_tls, read_some};
use super::relabel::check_rules;
use super::types::UserRule;
use crate::quote::quote;
use crate::yaml::{Decoder, Dialect, Fields, Node};

/// All classes by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ScrapeClasses {
    by_name: BTreeMap<String, ScrapeClass>,
    default: Option<String>,
}

/// One scrape class.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ScrapeClass {
    pub(crate) relabelings: Vec<UserRule>,
    pub(crate) metric_relabelings: Vec<UserRule>,
    /// Present or not, and its `node`.
    pub(crate) attach_metadata: Option<bool>,
    pub(crate) fallback_scrape_protocol: String,
    tls: Option<Tls>,
    authorization: Option<Authorization>,
}

impl ScrapeClasses {
    /// Reads and checks the classes of the configuration; the last of one name wins.
    pub(crate) fn decode(nodes: &[Node]) -> Result<Self, String> {
        let mut classes = Self::default();
        for (at, node) in nodes.iter().enumerate() {
            let mut decoder = Decoder::new(Dialect::Allocator, &format!("scrape_classes[{at}]"));
            let read = decoder.fields(node, |fields| {
                let (mut name, mut is_default) = (String::new(), false);
                fields.set("name", &mut name);
                fields.set("default", &mut is_default);
                (name, is_default, ScrapeClass::read(fields))
            });
            if let Some(error) = decoder.finish().errors.first() {
                return Err(placed(error));
            }
            let Some((name, is_default, class)) = read else { continue };
            class.check().map_err(|why| format!("scrape class {}: {why}", quote(&name)))?;
            if is_default && classes.default.replace(name.clone()).is_some_and(|earlier| earlier != name) {
                return Err("at most one scrape class may have default: true".into());
            }
            classes.by_name.insert(name, class);
        }
        Ok(classes)
    }

    /// The class of an object that names `name`: that one, or the default one if it names none.
    pub(crate) fn find(&self, name: &str) -> Result<Option<&ScrapeClass>, String> {
        if name.is_empty() {
            return Ok(self.default.as_ref().and_then(|name| self.by_name.get(name)));
        }
        match self.by_name.get(name) {
            Some(class) => Ok(Some(class)),
            None => Err(format!("scrapeClass {} not found in Prometheus scrapeClasses", quote(name))),
        }
    }
}

impl ScrapeClass {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let mut class = Self { fallback_scrape_protocol: read_protocol(fields), ..Self::default() };
        fields.set("relabelings", &mut class.relabelings);
        fields.set("metricRelabelings", &mut class.metric_relabelings);
        class.attach_metadata = read_some(fields, "attachMetadata", |decoder, node| {
            decoder.fields(node, |fields| fields.get::<bool>("node").unwrap_or(false))
        });
        class.tls = read_some(fields, "tlsConfig", Tls::decode_with_files);
        if let Some(tls) = &mut class.tls {
            tls.mark_class();
        }
        class.authorization = read_some(fields, "authorization", Authorization::decode_class);
        fields.ignore(["description"]);
        class
    }

    fn check(&self) -> Result<(), String> {
        check_rules("relabelings", &self.relabelings)?;
        check_rules("metricRelabelings", &self.metric_relabelings)?;
        if let Some(tls) = &self.tls {
            check_tls(tls)?;
        }
        let Some(authorization) = &self.authorization else { return Ok(()) };
        if authorization.scheme.trim().eq_ignore_ascii_case("basic") {
            return Err("authorization: type cannot be \"basic\"".into());
        }
        if authorization.credentials.is_some() && !authorization.credentials_file.is_empty() {
            return Err("authorization: credentials and credentialsFile cannot be set both".into());
        }
        Ok(())
    }
}

/// The TLS settings in force: the class's as a whole where the object has none, else only the files it lacks.
pub(crate) fn merge_tls(own: Option<&Tls>, class: Option<&ScrapeClass>) -> Option<Tls> {
    let of_class = class.and_then(|class| class.tls.as_ref());
    let (Some(own), Some(of_class)) = (own, of_class) else { return own.or(of_class).cloned() };
    let mut tls = own.clone();
    if tls.ca.get().is_none() && tls.ca_file.is_empty() {
        tls.ca_file.clone_from(&of_class.ca_file);
    }
    if tls.cert.get().is_none() && tls.cert_file.is_empty() {
        tls.cert_file.clone_from(&of_class.cert_file);
    }
    if tls.key_secret.is_none() && tls.key_file.is_empty() {
        tls.key_file.clone_from(&of_class.key_file);
    }
    Some(tls)
}

/// The authorization in force: the class's as a whole where the object has none, else only the credentials it lacks.
pub(crate) fn merge_authorization(own: Option<&Authorization>, class: Option<&ScrapeClass>) -> Option<Authorization> {
    let own = own.filter(|own| **own != Authorization::default());
    let of_class = class.and_then(|class| class.authorization.as_ref());
    let of_class = of_class.filter(|of_class| **of_class != Authorization::default());
    let (Some(own), Some(of_class)) = (own, of_class) else { return own.or(of_class).cloned() };
    let mut authorization = own.clone();
    if authorization.credentials.is_none() {
        authorization.credentials.clone_from(&of_class.credentials);
    }
    if authorization.credentials.is_none() {
        authorization.credentials_file.clone_from(&of_class.credentials_file);
    }
    Some(authorization)
}
