//! Scenario files: YAML read into JSON values. Plain scalars become null, booleans and numbers as JSON knows them; no
//! tags, no anchors, unique keys.

use granit_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// Why a text is not taken.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// Not YAML.
    #[error("yaml: {0}")]
    Syntax(String),
    /// YAML this tool has no use for.
    #[error("yaml, line {line}: {what}")]
    Unsupported {
        /// 1-based.
        line: usize,
        /// What it is.
        what: String,
    },
}

/// Reads the first document; an empty text is null.
///
/// # Errors
/// See [`YamlError`].
pub fn parse(text: &str) -> Result<Value, YamlError> {
    let mut reader = Reader { parser: Parser::new_from_str(text), line: 1 };
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(..) => {}
            Event::StreamEnd | Event::DocumentEnd => return Ok(Value::Null),
            event => return reader.value(event),
        }
    }
}

struct Reader<'a, T: granit_parser::BorrowedInput<'a>> {
    parser: Parser<'a, T>,
    line: usize,
}

impl<'a, T: granit_parser::BorrowedInput<'a>> Reader<'a, T> {
    fn next(&mut self) -> Result<Event<'a>, YamlError> {
        loop {
            match self.parser.next_event() {
                None => return Ok(Event::StreamEnd),
                Some(Err(error)) => return Err(YamlError::Syntax(error.to_string())),
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok((event, span))) => {
                    self.line = span.start.line();
                    return Ok(event);
                }
            }
        }
    }

    fn value(&mut self, event: Event<'a>) -> Result<Value, YamlError> {
        match event {
            Event::Scalar(text, style, ..) => Ok(scalar(&text, style == ScalarStyle::Plain)),
            Event::SequenceStart(..) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => return Ok(Value::Array(list)),
                        event => list.push(self.value(event)?),
                    }
                }
            }
            Event::MappingStart(..) => self.mapping(),
            other => Err(self.unsupported(format!("{other:?}"))),
        }
    }

    fn mapping(&mut self) -> Result<Value, YamlError> {
        let mut map = Map::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(Value::Object(map)),
                Event::Scalar(text, ..) => text.into_owned(),
                other => return Err(self.unsupported(format!("key {other:?}"))),
            };
            let event = self.next()?;
            let value = self.value(event)?;
            if map.contains_key(&key) {
                return Err(self.unsupported(format!("key {key:?} stands twice")));
            }
            map.insert(key, value);
        }
    }

    fn unsupported(&self, what: String) -> YamlError {
        YamlError::Unsupported { line: self.line, what }
    }
}

fn scalar(text: &str, plain: bool) -> Value {
    match text {
        "" | "~" | "null" if plain => Value::Null,
        // plain text that JSON reads as a number or boolean is one
        _ if plain => match serde_json::from_str(text) {
            Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
            _ => Value::String(text.to_owned()),
        },
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_becomes_json() {
        let text = "# top\na: 1 # end\nb: [x, 'true', true, 1.5, ~]\nc:\n# between\n- d: 10s\n  e: {}\n-\nf: |\n  two\n  lines\n";
        let expected = json!({"a": 1, "b": ["x", "true", true, 1.5, null], "c": [{"d": "10s", "e": {}}, null], "f": "two\nlines\n"});
        assert_eq!(parse(text).unwrap(), expected);
        assert_eq!(parse("").unwrap(), Value::Null);
        assert_eq!(parse(r#"{"json": [1, "x"]}"#).unwrap(), json!({"json": [1, "x"]}));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert!(parse("a: [").is_err());
        assert!(parse("a: 1\na: 2\n").unwrap_err().to_string().contains("line 2"));
        assert!(parse("a: &x 1\nb: *x\n").is_err());
    }
}
