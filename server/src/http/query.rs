//! Query strings as Go reads them (Go: `net/url.ParseQuery`, errors ignored).

use std::borrow::Cow;

use super::escape::query_unescape;

/// The part of a request after `?`, decoded on demand: most requests have one pair.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    pub(crate) fn new(raw: Option<&'a str>) -> Self {
        Self(raw.unwrap_or_default())
    }

    /// All well-formed pairs in order. A pair with `;` or a malformed escape is left out.
    pub(crate) fn pairs(self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        self.0.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')).filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((query_unescape(key).ok()?, query_unescape(value).ok()?))
        })
    }

    /// All values of `name`, in order.
    pub(crate) fn all(self, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
        self.pairs().filter(move |(key, _)| key == name).map(|(_, value)| value)
    }

    /// The first value of `name`; a later one never counts.
    pub(crate) fn first(self, name: &str) -> Option<Cow<'a, str>> {
        self.all(name).next()
    }

    /// The value of `name` if it is given exactly once.
    pub(crate) fn only(self, name: &str) -> Option<Cow<'a, str>> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_well_formed_value_wins() {
        for (raw, expected) in [
            ("collector_id=a", Some("a")),
            ("collector_id=a&collector_id=b", Some("a")),
            ("collector_id=", Some("")),
            ("collector_id", Some("")),
            ("collector_id=a=b", Some("a=b")),
            ("collector_id=a+b%2Bc", Some("a b+c")),
            ("collector%5Fid=a", Some("a")),
            ("collector_id=%zz", None),
            ("collector_id=%zz&collector_id=b", Some("b")),
            ("collector_id=a;b", None),
            ("&&x=1&collector_id=b", Some("b")),
            ("COLLECTOR_ID=a", None),
            ("", None),
        ] {
            assert_eq!(Query::new(Some(raw)).first("collector_id").as_deref(), expected, "{raw}");
        }
        assert_eq!(Query::new(None).first("collector_id"), None);
    }

    #[test]
    fn only_wants_exactly_one() {
        assert_eq!(Query::new(Some("a=1")).only("a").as_deref(), Some("1"));
        assert_eq!(Query::new(Some("a=1&a=1")).only("a"), None);
        assert_eq!(Query::new(Some("b=1")).only("a"), None);
    }
}
