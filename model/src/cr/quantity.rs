//! Kubernetes quantities (apimachinery: `pkg/api/resource/quantity.go`).

use super::tree;
use crate::yaml::{Decode, Decoder, Node, Value};

/// A quantity as the float nearest to it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Quantity(f64);

/// Decimal suffixes with their exponent.
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

/// Binary suffixes with their power of two.
const BINARY: [(&str, i32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

impl Quantity {
    /// Reads `1.5`, `1050m`, `2Ki`, `1e3`.
    fn parse(text: &str) -> Option<Self> {
        let number_end = text.find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c))).unwrap_or(text.len());
        let (number, suffix) = text.split_at(number_end);
        let unsigned = number.strip_prefix(['+', '-']).unwrap_or(number);
        let digits = unsigned.bytes().filter(u8::is_ascii_digit).count();
        if digits == 0 || unsigned.contains(['+', '-']) || unsigned.matches('.').count() > 1 {
            return None;
        }
        if let Some((_, power)) = BINARY.iter().find(|(known, _)| *known == suffix) {
            return number.parse::<f64>().ok().map(|value| Self(value * f64::from(*power).exp2()));
        }
        let exponent = match DECIMAL.iter().find(|(known, _)| *known == suffix) {
            Some((_, exponent)) => *exponent,
            None => suffix.strip_prefix(['e', 'E'])?.parse().ok()?,
        };
        // digits times a power of ten, rounded twice as Go does it: 1.7 is 1.7000000000000002
        let fraction = number.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let base: f64 = number.replace('.', "").parse().ok()?;
        let exponent = i32::checked_sub(exponent, fraction.try_into().ok()?)?;
        let scale: f64 = format!("1e{exponent}").parse().ok()?;
        Some(base * scale).filter(|value| value.is_finite()).map(Self)
    }
}

impl Decode for Quantity {
    /// A number or its text.
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let parsed = match &node.value {
            Value::Scalar(scalar) => Self::parse(&scalar.text),
            _ => None,
        };
        if parsed.is_none() {
            decoder.mismatch(node, "quantity");
        }
        parsed
    }
}

impl From<Quantity> for Value {
    fn from(quantity: Quantity) -> Self {
        tree::float(quantity.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        let table = [
            ("1.1", Some(1.1)),
            ("1050m", Some(1.05)),
            ("1.7", Some(1.7000000000000002)),
            ("2", Some(2.0)),
            ("+2k", Some(2000.0)),
            ("1Ki", Some(1024.0)),
            ("1e3", Some(1000.0)),
            ("1E3", Some(1000.0)),
            ("2E", Some(2e18)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("-1", Some(-1.0)),
            ("", None),
            (".", None),
            ("1.1.1", None),
            ("1-1", None),
            ("1kB", None),
            ("1e", None),
            ("1e999", None),
            ("x", None),
        ];
        for (text, value) in table {
            assert_eq!(Quantity::parse(text), value.map(Quantity), "{text}");
        }
    }
}
