//! Durations that decode themselves.

use super::{Decode, Decoder, Node, Resolved, Value};
use crate::duration::{Duration, parse_go_duration};

/// A duration in Go's syntax, or a bare number of nanoseconds: the allocator's own keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GoDuration {
    /// May be negative.
    pub nanos: i64,
}

impl Decode for Duration {
    /// Prometheus' syntax. The text counts, so a bare `30` is an error.
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let text = decoder.text(node)?;
        match text.parse() {
            Ok(duration) => Some(duration),
            Err(error) => {
                decoder.error(node.line, error.to_string());
                None
            }
        }
    }
}

impl Decode for GoDuration {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let Value::Scalar(scalar) = &node.value else {
            decoder.mismatch(node, "duration");
            return None;
        };
        match scalar.resolve() {
            Resolved::Int(_) | Resolved::Float(_) => i64::decode(decoder, node).map(|nanos| Self { nanos }),
            Resolved::Str => match parse_go_duration(&scalar.text) {
                Ok(nanos) => Some(Self { nanos }),
                Err(error) => {
                    decoder.error(node.line, error.to_string());
                    None
                }
            },
            _ => {
                decoder.mismatch(node, "duration");
                None
            }
        }
    }
}
