//! Conditional requests and compression: extras for people and other clients. Collectors ask for neither on targets.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::HeaderMap;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderName, HeaderValue, IF_NONE_MATCH};

use super::body::Chunks;

/// The headers of a request, as whoever heard it left them: a map costs more to fill than a poll's are worth.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Headers<'a> {
    Map(&'a HeaderMap),
    Raw(&'a [httparse::Header<'a>]),
}

impl<'a> From<&'a HeaderMap> for Headers<'a> {
    fn from(map: &'a HeaderMap) -> Self {
        Self::Map(map)
    }
}

impl<'a> Headers<'a> {
    /// The values of a header, in order.
    fn values(self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
        let (map, raw) = match self {
            Self::Map(map) => (Some(map.get_all(name)), &[][..]),
            Self::Raw(raw) => (None, raw),
        };
        let raw = raw.iter().filter(move |header| header.name.eq_ignore_ascii_case(name.as_str()));
        map.into_iter().flatten().map(HeaderValue::as_bytes).chain(raw.map(|header| header.value))
    }

    /// Those that are text.
    fn texts(self, name: &HeaderName) -> impl Iterator<Item = &'a str> {
        let is_text = |value: &&[u8]| value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        self.values(name).filter(is_text).filter_map(|value| std::str::from_utf8(value).ok())
    }
}

/// How a body is encoded on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
}

/// Bytes handed to the compressor at a time: about 200 µs of work, so that one request never holds up a thread.
const GZIP_STEP: usize = 32 * 1024;

/// Compressed bytes gathered before they are sent: a smaller chunk would cost more as a system call than as bytes.
const GZIP_FLUSH: usize = 8 * 1024;

/// A strong entity tag: changes whenever the bytes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Etag(pub(crate) u64);

impl Etag {
    /// The tag on the wire, quotes included. Compressed bytes are other bytes, so they get a tag of their own.
    pub(crate) fn text(self, encoding: Encoding) -> String {
        // by hand: `format!` would be a fifth of an empty answer
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(24);
        text.push('"');
        text.extend((0..16).rev().map(|digit| char::from(HEX[(self.0 >> (4 * digit)) as usize & 15])));
        if encoding == Encoding::Gzip {
            text.push_str("-gzip");
        }
        text.push('"');
        text
    }
}

/// Whether `If-None-Match` names `tag`. Weak comparison, as RFC 9110 §13.1.2 asks.
pub(crate) fn is_unchanged(headers: Headers<'_>, tag: &str) -> bool {
    headers.texts(&IF_NONE_MATCH).any(|text| {
        text.split(',').map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
    })
}

/// Whether a browser asks. Upstream's rule: the header *contains* `text/html`.
pub(crate) fn wants_html(headers: Headers<'_>) -> bool {
    headers.values(&ACCEPT).next().is_some_and(|accept| contains(accept, b"text/html"))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// The encoding the client prefers. Nothing is compressed unless asked for by name or by `*`.
pub(crate) fn encoding(headers: Headers<'_>) -> Encoding {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for coding in headers.texts(&ACCEPT_ENCODING).flat_map(|text| text.split(',')) {
        let (name, quality) = quality(coding);
        match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = Some(quality),
            "*" => any = Some(quality),
            "identity" => identity = Some(quality),
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0.0);
    if gzip > 0.0 && gzip >= identity.unwrap_or(0.0) { Encoding::Gzip } else { Encoding::Identity }
}

/// `gzip;q=0.5` as name and weight; a weight that cannot be read counts as 0.
fn quality(coding: &str) -> (&str, f32) {
    let mut parts = coding.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (name, weight.map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0)))
}

/// Compresses a body that is served many times.
pub(crate) fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::default());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("writing to memory cannot fail").into()
}

/// Compresses `chunks` on the fly, fast rather than small: the result is used once.
pub(crate) fn gzip_chunks(chunks: Chunks) -> Chunks {
    let encoder = GzEncoder::new(Vec::with_capacity(GZIP_STEP), Compression::fast());
    Box::new(GzipChunks { chunks, pending: Bytes::new(), encoder: Some(encoder) })
}

struct GzipChunks {
    chunks: Chunks,
    pending: Bytes,
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Iterator for GzipChunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let encoder = self.encoder.as_mut()?;
        loop {
            if self.pending.is_empty() {
                let Some(chunk) = self.chunks.next() else { break };
                self.pending = chunk;
            }
            let step = self.pending.split_to(self.pending.len().min(GZIP_STEP));
            encoder.write_all(&step).expect("writing to memory cannot fail");
            if encoder.get_ref().len() >= GZIP_FLUSH {
                return Some(std::mem::replace(encoder.get_mut(), Vec::with_capacity(GZIP_STEP)).into());
            }
        }
        let rest = self.encoder.take()?.finish().expect("writing to memory cannot fail");
        Some(rest.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn mk_headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn compresses_only_where_asked_and_not_refused() {
        for (accept, expected) in [
            (&["gzip"][..], Encoding::Gzip),
            (&["deflate, gzip;q=0.5"], Encoding::Gzip),
            (&["br", "GZIP"], Encoding::Gzip),
            (&["*"], Encoding::Gzip),
            (&["gzip;q=0"], Encoding::Identity),
            (&["*, gzip; q=0"], Encoding::Identity),
            (&["gzip;q=0.5, identity"], Encoding::Identity),
            (&["gzip;q=oops"], Encoding::Identity),
            (&["br, deflate"], Encoding::Identity),
            (&[""], Encoding::Identity),
            (&[], Encoding::Identity),
        ] {
            assert_eq!(encoding((&mk_headers(ACCEPT_ENCODING, accept)).into()), expected, "{accept:?}");
        }
    }

    #[test]
    fn headers_read_alike_from_a_map_and_from_the_wire() {
        let lines: [(&str, &[u8]); 6] = [
            ("Accept", b"a"),
            ("X-Other", b"y"),
            ("if-none-match", b"1"),
            ("ACCEPT", b"text/html"),
            ("Accept-Encoding", b"gzip"),
            ("accept-encoding", b"\xe9"),
        ];
        let raw = lines.map(|(name, value)| httparse::Header { name, value });
        let map: HeaderMap = lines
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value).unwrap()))
            .collect();
        for headers in [Headers::Raw(&raw), Headers::Map(&map)] {
            assert_eq!(headers.texts(&ACCEPT).collect::<Vec<_>>(), ["a", "text/html"]);
            assert_eq!(headers.texts(&IF_NONE_MATCH).collect::<Vec<_>>(), ["1"]);
            assert_eq!(headers.texts(&ACCEPT_ENCODING).collect::<Vec<_>>(), ["gzip"]);
            assert_eq!(headers.values(&ACCEPT_ENCODING).count(), 2);
            // the first alone decides, as upstream reads it
            assert!(!wants_html(headers));
        }
    }

    #[test]
    fn if_none_match_is_a_list() {
        let tag = Etag(7).text(Encoding::Identity);
        assert_eq!(tag, "\"0000000000000007\"");
        assert_eq!(Etag(0x0123_4567_89ab_cdef).text(Encoding::Gzip), "\"0123456789abcdef-gzip\"");
        for (header, expected) in [
            ("\"0000000000000007\"", true),
            ("\"x\", W/\"0000000000000007\"", true),
            ("*", true),
            ("\"x\"", false),
            ("0000000000000007", false),
            ("\"0000000000000007-gzip\"", false),
        ] {
            assert_eq!(is_unchanged((&mk_headers(IF_NONE_MATCH, &[header])).into(), &tag), expected, "{header}");
        }
    }

    #[test]
    fn compressed_chunks_unpack_to_the_same_bytes() {
        let chunks: Vec<Bytes> = (0..20u32)
            .map(|n| {
                (0..n * 10_000)
                    .flat_map(|i| (i.wrapping_mul(2_654_435_761) >> 7).to_le_bytes())
                    .collect::<Vec<_>>()
                    .into()
            })
            .collect();
        let packed: Vec<u8> = gzip_chunks(Box::new(chunks.clone().into_iter())).flatten().collect();
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == chunks.concat());
    }
}
