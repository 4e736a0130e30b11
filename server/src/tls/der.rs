//! Just enough DER to read the bodies of extensions. Strict: what is not understood is an error and never "nothing",
//! or a constraint that a CA wrote would be lost silently.

/// Bytes that are not what they should be; says what they should have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {0}")]
pub(super) struct Malformed(pub(super) &'static str);

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// `[number]`, of a primitive type.
pub(super) const fn context(number: u8) -> u8 {
    0x80 | number
}

/// `[number]`, of a constructed type.
pub(super) const fn context_constructed(number: u8) -> u8 {
    0xa0 | number
}

/// What is left to read, and what it is called in errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Der<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Der<'a> {
    pub(super) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn malformed(&self) -> Malformed {
        Malformed(self.what)
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(self.malformed()) }
    }

    /// The next element: its tag, its content, and all of it.
    fn element(&mut self) -> Result<(u8, &'a [u8], &'a [u8]), Malformed> {
        let (head, length) = header(self.rest).ok_or_else(|| self.malformed())?;
        let end = head.checked_add(length).filter(|end| *end <= self.rest.len()).ok_or_else(|| self.malformed())?;
        let (whole, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok((whole[0], &whole[head..], whole))
    }

    /// The next element, whatever it is: tag and content.
    pub(super) fn any(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        self.element().map(|(tag, content, _)| (tag, content))
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn take(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.any()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(self.malformed()),
        }
    }

    /// The next element with tag and length, which must have this tag.
    pub(super) fn take_whole(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.element()? {
            (found, _, whole) if found == tag => Ok(whole),
            _ => Err(self.malformed()),
        }
    }

    /// The content of the next element if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Malformed> {
        if self.rest.first() == Some(&tag) { self.take(tag).map(Some) } else { Ok(None) }
    }

    /// What is inside the next element, which must have this tag.
    pub(super) fn inside(&mut self, tag: u8) -> Result<Self, Malformed> {
        Ok(Self { rest: self.take(tag)?, what: self.what })
    }
}

/// Length of tag and length, and the length they give; one way to write it only, as DER demands.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    let (&tag, rest) = bytes.split_first()?;
    if tag & 0x1f == 0x1f {
        return None; // numbers of more than one byte: no extension we read has them
    }
    let (&first, rest) = rest.split_first()?;
    if first < 0x80 {
        return Some((2, usize::from(first)));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return None; // indefinite, or larger than any certificate
    }
    let digits = rest.get(..count)?;
    let length = digits.iter().fold(0_u64, |length, digit| length << 8 | u64::from(*digit));
    let shortest = if length < 0x80 { 0 } else { (64 - length.leading_zeros() as usize).div_ceil(8) };
    (shortest == count).then_some((2 + count, usize::try_from(length).ok()?))
}

/// The bytes of a bit string without unused bits, as keys and signatures are.
pub(super) fn octets<'a>(content: &'a [u8], what: &'static str) -> Result<&'a [u8], Malformed> {
    match content.split_first() {
        Some((0, octets)) => Ok(octets),
        _ => Err(Malformed(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_one_by_one() {
        let mut der = Der::new(&[0x02, 1, 7, 0x30, 2, 0x05, 0, 0x80, 0], "x");
        assert_eq!(der.optional(SEQUENCE), Ok(None));
        assert_eq!(der.take(INTEGER), Ok(&[7][..]));
        assert_eq!(der.inside(SEQUENCE).unwrap().any(), Ok((0x05, &[][..])));
        assert_eq!(der.end(), Err(Malformed("x")));
        assert_eq!(der.optional(context(0)), Ok(Some(&[][..])));
        assert_eq!(der.end(), Ok(()));
    }

    #[test]
    fn there_is_one_way_to_write_a_length() {
        let long = [&[0x04, 0x81, 0x80][..], &[0; 0x80]].concat();
        assert_eq!(Der::new(&long, "x").any().unwrap().1.len(), 0x80);
        for bad in [
            &[][..],
            &[0x02],
            &[0x02, 2, 1],
            &[0x02, 0x80],
            &[0x02, 0x81, 1, 0],
            &[0x02, 0x82, 0, 0x80],
            &[0x02, 0x85, 0, 0, 0, 0, 1, 0],
            &[0x02, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x1f, 1, 0],
        ] {
            assert_eq!(Der::new(bad, "x").any(), Err(Malformed("x")), "{bad:?}");
        }
    }
}
