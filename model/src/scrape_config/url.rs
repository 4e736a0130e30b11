//! URLs as Go parses and prints them (`net/url`): only what validation and redaction need.

/// The parts of a URL that decide whether it is usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GoUrl<'t> {
    /// Lower case; empty if there is none.
    pub(crate) scheme: String,
    /// Before the `@`.
    userinfo: Option<&'t str>,
    /// With the port.
    pub(crate) host: &'t str,
    /// Path, query and fragment.
    rest: &'t str,
    has_authority: bool,
}

/// Parses `text`. The error never contains the text: it may hold a password.
pub(crate) fn parse(text: &str) -> Result<GoUrl<'_>, &'static str> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err("net/url: invalid control character in URL");
    }
    let (scheme, after) = split_scheme(text)?;
    let path_end = after.find(['?', '#']).unwrap_or(after.len());
    let Some(authority_on) = after.strip_prefix("//").filter(|_| !(scheme.is_empty() && after.starts_with("///")))
    else {
        let first_segment = after[..path_end].split('/').next().unwrap_or_default();
        if scheme.is_empty() && first_segment.contains(':') {
            return Err("first path segment in URL cannot contain colon");
        }
        check_escapes(&after[..path_end])?;
        return Ok(GoUrl { scheme, userinfo: None, host: "", rest: after, has_authority: false });
    };
    let (authority, rest) = authority_on.split_at(authority_on.find(['/', '?', '#']).unwrap_or(authority_on.len()));
    let (userinfo, host) = match authority.rsplit_once('@') {
        Some((userinfo, host)) => (Some(userinfo), host),
        None => (None, authority),
    };
    if let Some(userinfo) = userinfo {
        check_userinfo(userinfo)?;
    }
    check_host(host)?;
    check_escapes(&rest[..rest.find(['?', '#']).unwrap_or(rest.len())])?;
    Ok(GoUrl { scheme, userinfo, host, rest, has_authority: true })
}

impl GoUrl<'_> {
    /// The URL as Go prints it, a password replaced by `xxxxx` (prometheus/common: `URL.Redacted`).
    pub(crate) fn redacted(&self) -> String {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.has_authority {
            out.push_str("//");
        }
        if let Some(userinfo) = self.userinfo {
            let (user, password) = userinfo.split_once(':').map_or((userinfo, None), |(user, _)| (user, Some(())));
            push_escaped(&mut out, user, |byte| b"$&+,;=-_.~".contains(&byte));
            out.push_str(password.map_or("@", |()| ":xxxxx@"));
        }
        out.push_str(self.host);
        let (path, tail) = self.rest.split_at(self.rest.find(['?', '#']).unwrap_or(self.rest.len()));
        push_unsafe_escaped(&mut out, path);
        out.push_str(tail);
        out
    }
}

fn split_scheme(text: &str) -> Result<(String, &str), &'static str> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme"),
            b':' => return Ok((text[..at].to_ascii_lowercase(), &text[at + 1..])),
            _ => break,
        }
    }
    Ok((String::new(), text))
}

fn check_userinfo(userinfo: &str) -> Result<(), &'static str> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !userinfo.bytes().all(valid) {
        return Err("net/url: invalid userinfo");
    }
    check_escapes(userinfo)
}

fn check_host(host: &str) -> Result<(), &'static str> {
    let after_name = if host.starts_with('[') {
        let end = host.rfind(']').ok_or("missing ']' in host")?;
        &host[end + 1..]
    } else {
        host.rfind(':').map_or("", |colon| &host[colon..])
    };
    let port_ok = after_name.is_empty()
        || after_name.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    if !port_ok {
        return Err("invalid port after host");
    }
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80 || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&byte);
    if !host.bytes().all(valid) {
        return Err("invalid character in host name");
    }
    check_escapes(host)
}

fn check_escapes(text: &str) -> Result<(), &'static str> {
    for (at, _) in text.match_indices('%') {
        if !text.as_bytes().get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
            return Err("invalid URL escape");
        }
    }
    Ok(())
}

/// Undoes the escapes of `text` and escapes anew what is not alphanumeric or `keep`.
fn push_escaped(out: &mut String, text: &str, keep: impl Fn(u8) -> bool) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let escaped = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let decoded = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        at += if decoded.is_some() { 3 } else { 1 };
        push_byte(out, decoded.unwrap_or(bytes[at - 1]), &keep);
    }
}

/// Escapes what may not stand in a path; existing escapes stay.
fn push_unsafe_escaped(out: &mut String, path: &str) {
    for byte in path.bytes() {
        push_byte(out, byte, |byte| b"-_.~$&+,/:;=@%!'()*[]".contains(&byte));
    }
}

fn push_byte(out: &mut String, byte: u8, keep: impl Fn(u8) -> bool) {
    if byte.is_ascii_alphanumeric() || keep(byte) {
        out.push(char::from(byte));
    } else {
        out.push_str(&format!("%{byte:02X}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redacts_passwords_only() {
        let table = [
            ("http://user:pw@proxy:3128", "http://user:xxxxx@proxy:3128"),
            ("http://proxy:3128", "http://proxy:3128"),
            ("HTTP://Proxy/", "http://Proxy/"),
            ("http://user@h/a?b=c#d", "http://user@h/a?b=c#d"),
            ("http://us%40er:p%3Aw@h", "http://us%40er:xxxxx@h"),
            ("http://:pw@h", "http://:xxxxx@h"),
            ("http://[::1]:80/x y", "http://[::1]:80/x%20y"),
            ("socks5://u:p@h:1", "socks5://u:xxxxx@h:1"),
            ("proxy:3128", "proxy:3128"),
            ("", ""),
        ];
        for (text, redacted) in table {
            assert_eq!(parse(text).unwrap().redacted(), redacted, "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in [
            "10.0.0.1:3128",
            ":x",
            "http://a b/",
            "http://a:b:c/",
            "http://[::1/",
            "http://u ser@h",
            "http://h/%zz",
            "a\nb",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
