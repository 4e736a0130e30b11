use serde::Deserialize;

use super::json::Text;
use super::record::{Reader, Writer};

/// What an address of endpoints stands for: `targetRef`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reference<'a> {
    pub(crate) kind: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawReference<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    namespace: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
}

impl<'a> Reference<'a> {
    pub(super) fn read(from: &mut Reader<'a>) -> Option<Self> {
        let kind = from.optional()?;
        Some(Self { kind, namespace: from.text(), name: from.text() })
    }
}

impl RawReference<'_> {
    pub(super) fn write(this: Option<&Self>, to: &mut Writer) {
        to.optional(this.map(|reference| reference.kind.as_str()));
        if let Some(reference) = this {
            to.text(reference.namespace.as_str());
            to.text(reference.name.as_str());
        }
    }
}
