//! The names a certificate is for, and the constraints of CAs on such names: as Go's `crypto/x509` has them
//! (`parser.go`, `constraints.go`; RFC 5280 section 4.2.1.10).

use std::net::IpAddr;

use super::der::{Der, Malformed, SEQUENCE, context, context_constructed};

/// One subject alternative name. Kinds that no constraint can speak of here are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Email(String),
    Dns(String),
    Uri(String),
    /// 4 or 16 bytes.
    Ip(Vec<u8>),
}

/// What a CA may issue for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Constraints {
    permitted: Vec<Subtree>,
    excluded: Vec<Subtree>,
    /// There is a constraint on a kind of name that is not looked at (directory names, as in Go).
    pub(super) unhandled: bool,
}

/// Names like these.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subtree {
    /// `a@b` is one mailbox, anything else a host or domain.
    Email(String),
    Dns(String),
    Uri(String),
    Ip {
        address: Vec<u8>,
        mask: Vec<u8>,
    },
}

/// The names of a `SubjectAltName` extension.
pub(super) fn read_names(value: &[u8]) -> Result<Vec<Name>, Malformed> {
    let mut names = Vec::new();
    let mut list = Der::new(value, "subject alternative names").inside(SEQUENCE)?;
    while !list.is_empty() {
        let (tag, content) = list.any()?;
        match tag {
            EMAIL => names.push(Name::Email(ascii(content)?)),
            DNS => names.push(Name::Dns(ascii(content)?)),
            URI if content.iter().any(u8::is_ascii_control) => {
                return Err(Malformed("URI among the alternative names"));
            }
            URI => names.push(Name::Uri(ascii(content)?)),
            IP if matches!(content.len(), 4 | 16) => names.push(Name::Ip(content.to_vec())),
            IP => return Err(Malformed("IP address among the subject alternative names")),
            _ => {}
        }
    }
    Ok(names)
}

const EMAIL: u8 = context(1);
const DNS: u8 = context(2);
const URI: u8 = context(6);
const IP: u8 = context(7);

fn ascii(content: &[u8]) -> Result<String, Malformed> {
    match std::str::from_utf8(content) {
        Ok(text) if text.is_ascii() => Ok(text.to_owned()),
        _ => Err(Malformed("name: not ASCII")),
    }
}

impl Constraints {
    /// Reads a `NameConstraints` extension.
    pub(super) fn read(value: &[u8]) -> Result<Self, Malformed> {
        let mut outer = Der::new(value, "name constraints");
        let mut lists = outer.inside(SEQUENCE)?;
        outer.end()?;
        let permitted = lists.optional(context_constructed(0))?.unwrap_or_default();
        let excluded = lists.optional(context_constructed(1))?.unwrap_or_default();
        lists.end()?;
        if permitted.is_empty() && excluded.is_empty() {
            return Err(Malformed("name constraints: there are none"));
        }
        let mut constraints = Self::default();
        constraints.permitted = constraints.subtrees(permitted)?;
        constraints.excluded = constraints.subtrees(excluded)?;
        Ok(constraints)
    }

    fn subtrees(&mut self, list: &[u8]) -> Result<Vec<Subtree>, Malformed> {
        let mut subtrees = Vec::new();
        let mut list = Der::new(list, "name constraints");
        while !list.is_empty() {
            // minimum and maximum, which follow the name, are always 0 and absent (RFC 5280); Go passes them over
            let (tag, content) = list.inside(SEQUENCE)?.any()?;
            match tag {
                EMAIL => subtrees.push(Subtree::Email(email_constraint(content)?)),
                DNS => subtrees.push(Subtree::Dns(domain_constraint(content)?)),
                URI => subtrees.push(Subtree::Uri(uri_constraint(content)?)),
                IP => subtrees.push(ip_constraint(content)?),
                _ => self.unhandled = true,
            }
        }
        Ok(subtrees)
    }

    /// Whether a certificate below this CA may carry these names; the error says which one not.
    pub(super) fn check(&self, names: &[Name]) -> Result<(), String> {
        names.iter().try_for_each(|name| self.check_one(&Subject::of(name)?, name))
    }

    fn check_one(&self, subject: &Subject<'_>, name: &Name) -> Result<(), String> {
        let mut permitted = self.permitted.iter().filter(|subtree| subtree.is_about(subject)).peekable();
        if permitted.peek().is_some() && !permitted.any(|subtree| subtree.holds(subject, Rule::Permit)) {
            return Err(format!("{name:?} is not among the names its CA may issue for"));
        }
        if self.excluded.iter().any(|subtree| subtree.is_about(subject) && subtree.holds(subject, Rule::Exclude)) {
            return Err(format!("{name:?} is a name its CA must not issue for"));
        }
        Ok(())
    }
}

fn domain_constraint(content: &[u8]) -> Result<String, Malformed> {
    let text = ascii(content)?;
    if is_domain(text.strip_prefix('.').unwrap_or(&text)) { Ok(text) } else { Err(Malformed("name constraint")) }
}

fn email_constraint(content: &[u8]) -> Result<String, Malformed> {
    let text = ascii(content)?;
    if text.contains('@') {
        return mailbox(&text).map(|_| text.clone()).ok_or(Malformed("name constraint: not a mailbox"));
    }
    domain_constraint(content)
}

fn uri_constraint(content: &[u8]) -> Result<String, Malformed> {
    let text = domain_constraint(content)?;
    if text.parse::<IpAddr>().is_ok() { Err(Malformed("name constraint: an IP address for a URI")) } else { Ok(text) }
}

fn ip_constraint(content: &[u8]) -> Result<Subtree, Malformed> {
    let half = content.len() / 2;
    let (address, mask) = content.split_at(half);
    let ones = mask.iter().map(|byte| byte.leading_ones() as usize).take_while(|ones| *ones == 8).count();
    let is_mask = mask.iter().skip(ones + 1).all(|byte| *byte == 0)
        && mask.get(ones).is_none_or(|byte| byte.leading_ones() + byte.trailing_zeros() >= 8);
    if !matches!(content.len(), 8 | 32) || !is_mask {
        return Err(Malformed("name constraint: not an address with a mask"));
    }
    Ok(Subtree::Ip { address: address.to_vec(), mask: mask.to_vec() })
}

/// What of a name constraints are about.
#[derive(Debug)]
enum Subject<'a> {
    Email { local: &'a str, domain: &'a str },
    Dns(&'a str),
    Uri { host: &'a str },
    Ip(&'a [u8]),
}

impl<'a> Subject<'a> {
    /// A name that cannot be taken apart cannot be checked, and so is refused.
    fn of(name: &'a Name) -> Result<Self, String> {
        let subject = match name {
            Name::Email(text) => mailbox(text).map(|(local, domain)| Self::Email { local, domain }),
            Name::Dns(text) => is_domain(text).then_some(Self::Dns(text)),
            Name::Uri(text) => host_of(text).map(|host| Self::Uri { host }),
            Name::Ip(bytes) => Some(Self::Ip(bytes)),
        };
        subject.ok_or_else(|| format!("{name:?} cannot be matched against the name constraints of its CA"))
    }
}

/// Local part and domain. Quoted local parts, which Go takes, are refused: nobody has them, and reading them is an art.
fn mailbox(text: &str) -> Option<(&str, &str)> {
    let (local, domain) = text.rsplit_once('@')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    (!local.is_empty() && !dots && local.bytes().all(plain) && !domain.is_empty() && is_domain(domain))
        .then_some((local, domain))
}

/// The host of a URI; none where it is an IP address, which no constraint can speak of.
fn host_of(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.starts_with('[') {
        return None;
    }
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    (!host.is_empty() && host.parse::<IpAddr>().is_err() && is_domain(host)).then_some(host)
}

/// Go's `domainNameValid`: labels that are not empty, of printable ASCII; nothing at all is a domain too.
fn is_domain(text: &str) -> bool {
    text.is_empty() || text.split('.').all(|label| !label.is_empty() && label.bytes().all(|b| (33..=126).contains(&b)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Permit,
    Exclude,
}

impl Subtree {
    fn is_about(&self, subject: &Subject<'_>) -> bool {
        matches!(
            (self, subject),
            (Self::Email(_), Subject::Email { .. })
                | (Self::Dns(_), Subject::Dns(_))
                | (Self::Uri(_), Subject::Uri { .. })
                | (Self::Ip { .. }, Subject::Ip(_))
        )
    }

    fn holds(&self, subject: &Subject<'_>, rule: Rule) -> bool {
        match (self, subject) {
            (Self::Email(constraint), Subject::Email { local, domain }) => match constraint.rsplit_once('@') {
                Some((mine, host)) => mine == *local && host.eq_ignore_ascii_case(domain),
                None => domain_holds(constraint, domain, rule),
            },
            (Self::Dns(constraint), Subject::Dns(name)) => domain_holds(constraint, name, rule),
            (Self::Uri(constraint), Subject::Uri { host }) => domain_holds(constraint, host, rule),
            (Self::Ip { address, mask }, Subject::Ip(bytes)) => {
                address.len() == bytes.len()
                    && address.iter().zip(mask).zip(*bytes).all(|((address, mask), byte)| address & mask == byte & mask)
            }
            _ => false,
        }
    }
}

/// Whether `name` lies below `constraint`. One with a leading dot asks for a label more. A wildcard is excluded where
/// any name it stands for is.
fn domain_holds(constraint: &str, name: &str, rule: Rule) -> bool {
    if constraint.is_empty() {
        return true;
    }
    let at = name.len().checked_sub(constraint.len());
    let below = at.is_some_and(|at| {
        name[at..].eq_ignore_ascii_case(constraint)
            && (at == 0 || constraint.starts_with('.') || name[..at].ends_with('.'))
    });
    let parent = |text: &str| text.find('.').map(|dot| text[dot..].to_ascii_lowercase());
    let wildcard = rule == Rule::Exclude
        && name.starts_with('*')
        && parent(name).is_some_and(|parent_of_name| parent(constraint) == Some(parent_of_name));
    below || wildcard
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_hold_as_go_has_it() {
        for (constraint, name, permits, excludes) in [
            ("example.com", "example.com", true, true),
            ("example.com", "a.EXAMPLE.com", true, true),
            ("example.com", "aexample.com", false, false),
            (".example.com", "example.com", false, false),
            (".example.com", "a.example.com", true, true),
            ("a.example.com", "*.example.com", false, true),
            ("b.a.example.com", "*.example.com", false, false),
            ("", "anything", true, true),
            ("example.com", "", false, false),
        ] {
            assert_eq!(domain_holds(constraint, name, Rule::Permit), permits, "{constraint} {name}");
            assert_eq!(domain_holds(constraint, name, Rule::Exclude), excludes, "{constraint} {name}");
        }
    }

    #[test]
    fn hosts_and_mailboxes_are_taken_apart() {
        assert_eq!(host_of("spiffe://cluster.local/ns/x"), Some("cluster.local"));
        assert_eq!(host_of("https://user@h.example:8443?q"), Some("h.example"));
        for text in ["urn:x", "https://", "https://1.2.3.4/", "https://[::1]/", "https://a..b/"] {
            assert_eq!(host_of(text), None, "{text}");
        }
        assert_eq!(mailbox("a.b@c.d"), Some(("a.b", "c.d")));
        for text in ["a", "@b", "a@", "a..b@c", "\"a b\"@c", "a@b."] {
            assert_eq!(mailbox(text), None, "{text}");
        }
    }

    #[test]
    fn masks_have_their_ones_in_front() {
        let constraint = |mask: [u8; 4]| ip_constraint(&[[10, 0, 0, 0], mask].concat());
        for mask in [[0, 0, 0, 0], [255, 255, 0, 0], [255, 240, 0, 0], [255, 255, 255, 255]] {
            assert!(constraint(mask).is_ok(), "{mask:?}");
        }
        for mask in [[0, 0, 0, 1], [255, 0, 255, 0], [255, 0x5f, 0, 0], [255, 240, 1, 0]] {
            assert!(constraint(mask).is_err(), "{mask:?}");
        }
        assert!(ip_constraint(&[10, 0, 0, 0]).is_err());
    }
}
