//! A port as containers, services and endpoints have it.

use serde::Deserialize;

use super::json::{Array, Text};
use super::record::{Reader, Row, Writer};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Port<'a> {
    pub(crate) name: &'a str,
    /// In decimal, as in all kinds: equal numbers are equal texts.
    pub(crate) number: &'a str,
    pub(crate) protocol: &'a str,
}

impl<'a> Row<'a> for Port<'a> {
    fn read(from: &mut Reader<'a>) -> Self {
        Self { name: from.text(), number: from.text(), protocol: from.text() }
    }
}

/// As services and endpoints write it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawPort<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    port: Option<i32>,
    #[serde(borrow)]
    protocol: Text<'a>,
}

/// Keeps `ports`; `decimal` is how their kind prints a number (see [`super::json::unsigned`]).
pub(super) fn write_ports(ports: &Array<RawPort<'_>>, decimal: impl Fn(i32) -> String, to: &mut Writer) {
    to.list(&ports.0, |to, port| {
        to.text(port.name.as_str());
        to.text(&decimal(port.port.unwrap_or(0)));
        to.text(port.protocol.as_str());
    });
}
