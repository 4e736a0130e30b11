//! Service-discovery blocks of a ScrapeConfig.

mod blocks;
mod check;

use super::copied::{Setting, read_settings};
use super::http::{Authorization, BasicAuth, HttpOptions, KeyRef, OAuth2, Tls, read_key_ref, read_some};
use super::lookup::Resolver;
use super::tree::{self, Tree};
use crate::yaml::{Decoder, Fields, Node};

pub(crate) use blocks::BLOCKS;

/// A kind of discovery block: what its sections may hold, and what becomes of it.
#[derive(Debug)]
pub(crate) struct BlockSpec {
    /// The field of `ScrapeConfig.spec`.
    from: &'static str,
    /// The key of a scrape config.
    to: &'static str,
    /// What errors call it, where that is not the field.
    prefix: Option<&'static str>,
    http: &'static [Part],
    plain: &'static [Setting],
    secrets: &'static [SecretField],
    /// Fields the schema has and upstream never writes.
    ignored: &'static [&'static str],
}

/// The parts of [`HttpOptions`] that a block has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    BasicAuth,
    Authorization,
    OAuth2,
    Proxy,
    Tls,
}

/// A field that refers to a secret.
#[derive(Clone, Copy, Debug)]
struct SecretField {
    from: &'static str,
    to: &'static str,
    required: bool,
}

/// One block of an object.
#[derive(Clone, Debug)]
pub(crate) struct SdBlock {
    spec: &'static BlockSpec,
    sections: Vec<SdSection>,
}

impl PartialEq for SdBlock {
    fn eq(&self, other: &Self) -> bool {
        self.spec.from == other.spec.from && self.sections == other.sections
    }
}

/// One section of a block.
#[derive(Clone, Debug, Default, PartialEq)]
struct SdSection {
    http: HttpOptions,
    secrets: Vec<(&'static str, KeyRef)>,
    plain: Tree,
}

/// Reads every block that has a section.
pub(crate) fn read_blocks(fields: &mut Fields<'_, '_>) -> Vec<SdBlock> {
    let mut blocks = Vec::new();
    for spec in BLOCKS {
        let read_block =
            |decoder: &mut Decoder, node: &Node| decoder.list(node, |decoder, node| read_section(decoder, node, spec));
        let sections = read_some(fields, spec.from, read_block).unwrap_or_default();
        if !sections.is_empty() {
            blocks.push(SdBlock { spec, sections });
        }
    }
    blocks
}

fn read_section(decoder: &mut Decoder, node: &Node, spec: &BlockSpec) -> Option<SdSection> {
    decoder.fields(node, |fields| {
        let mut section = SdSection::default();
        for part in spec.http {
            let http = &mut section.http;
            match part {
                Part::BasicAuth => http.basic_auth = read_some(fields, "basicAuth", BasicAuth::decode),
                Part::Authorization => http.authorization = read_some(fields, "authorization", Authorization::decode),
                Part::OAuth2 => http.oauth2 = read_some(fields, "oauth2", OAuth2::decode).map(Box::new),
                Part::Tls => http.tls = read_some(fields, "tlsConfig", Tls::decode),
                Part::Proxy => http.proxy.read(fields),
            }
        }
        read_settings(fields, spec.plain, &mut section.plain);
        for secret in spec.secrets {
            section.secrets.extend(read_key_ref(fields, secret.from).map(|at| (secret.to, at)));
        }
        if spec.to == blocks::KUBERNETES {
            read_kubernetes(fields, &mut section.plain);
        }
        fields.ignore(spec.ignored.iter().copied());
        section
    })
}

fn read_kubernetes(fields: &mut Fields<'_, '_>, section: &mut Tree) {
    let namespaces = read_some(fields, "namespaces", |decoder, node| {
        decoder.fields(node, |fields| {
            let mut namespaces = Tree::default();
            read_settings(fields, blocks::NAMESPACES, &mut namespaces);
            namespaces
        })
    });
    section.put_some("namespaces", namespaces);
    let selectors = read_some(fields, "selectors", |decoder, node| {
        decoder.list(node, |decoder, node| {
            decoder.fields(node, |fields| {
                let mut selector = Tree::default();
                read_settings(fields, blocks::SELECTOR, &mut selector);
                selector
            })
        })
    });
    section.put_list("selectors", selectors.unwrap_or_default());
    let attach =
        read_some(fields, "attachMetadata", |decoder, node| decoder.fields(node, |fields| fields.get::<bool>("node")));
    // other roles have no metadata of other objects to attach
    if let Some(node) = attach.filter(|_| ["pod", "endpoints", "endpointslice"].contains(&section.text("role"))) {
        let mut attach = Tree::default();
        attach.put("node", node.map_or_else(tree::null, Into::into));
        section.put("attach_metadata", attach);
    }
}

impl SdBlock {
    /// The field of the object.
    pub(crate) fn field(&self) -> &'static str {
        self.spec.from
    }

    /// Checks each section and adds the block's key to `tree`.
    pub(crate) fn emit(&self, tree: &mut Tree, resolver: &mut Resolver<'_>) -> Result<(), String> {
        let prefix = self.spec.prefix.unwrap_or(self.spec.from);
        let mut sections = Vec::with_capacity(self.sections.len());
        for (at, section) in self.sections.iter().enumerate() {
            let emitted = check::check_section(self.spec, section).and_then(|()| section.emit(self.spec, resolver));
            sections.push(emitted.map_err(|why| format!("{prefix}: [{at}]: {why}"))?);
        }
        tree.put(self.spec.to, sections);
        Ok(())
    }
}

impl SdSection {
    fn emit(&self, spec: &BlockSpec, resolver: &mut Resolver<'_>) -> Result<Tree, String> {
        let mut tree = self.plain.clone();
        // upstream starts the section anew at `environment`, and what came before is lost
        if !(spec.to == blocks::AZURE && self.plain.get("environment").is_some()) {
            self.emit_http(spec, &mut tree, resolver)?;
        }
        let mut values = Vec::new();
        for (key, at) in &self.secrets {
            let value = resolver.secret(at).map_err(|why| format!("{key}: {why}"))?;
            values.push((*key, value.unwrap_or_default()));
        }
        // a key without its secret is no way to sign in
        let pair = ["access_key", "secret_key"];
        let half = spec.secrets.iter().any(|secret| secret.to == pair[0]) && self.secrets.len() == 1;
        for (key, value) in values.into_iter().filter(|_| !half) {
            tree.put(key, value);
        }
        Ok(tree)
    }

    fn emit_http(&self, spec: &BlockSpec, tree: &mut Tree, resolver: &mut Resolver<'_>) -> Result<(), String> {
        let HttpOptions { basic_auth, authorization, oauth2, tls, proxy } = &self.http;
        if let Some(basic_auth) = basic_auth {
            basic_auth.emit(tree, resolver)?;
        }
        if spec.to == blocks::IONOS && oauth2.is_none() {
            authorization.clone().unwrap_or_default().emit(tree, resolver)?;
        } else if let Some(authorization) = authorization.as_ref().filter(|_| spec.to != blocks::IONOS) {
            authorization.emit(tree, resolver)?;
        }
        if let Some(oauth2) = oauth2 {
            oauth2.emit(tree, resolver)?;
        }
        if let Some(tls) = tls {
            tls.emit(tree, resolver)?;
        }
        proxy.emit(tree, resolver)
    }
}
