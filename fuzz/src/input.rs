//! Reading structure from bytes.

use arbitrary::{Result, Unstructured};

/// One of `pool`; now and then some text of the input's own.
pub(crate) fn text(input: &mut Unstructured<'_>, pool: &[&str]) -> Result<String> {
    let number = usize::from(input.arbitrary::<u8>()?);
    if let Some(known) = pool.get(number) {
        return Ok((*known).to_owned());
    }
    if number < 230 {
        return Ok(pool[number % pool.len()].to_owned());
    }
    let length = input.int_in_range(0..=12)?;
    Ok(String::from_utf8_lossy(input.bytes(length.min(input.len()))?).into_owned())
}

/// Up to `most` of what `read` reads.
pub(crate) fn several<T>(
    input: &mut Unstructured<'_>,
    most: usize,
    mut read: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = input.int_in_range(0..=most)?;
    (0..count).map(|_| read(input)).collect()
}

/// Where to cut: sizes that depend on nothing but the bytes themselves, many of them small.
pub(crate) fn cuts(data: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let seed = data
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut state = seed | 1;
    std::iter::repeat_with(move || {
        // xorshift
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        1 + (state >> 40) as usize % (1 << (state >> 61))
    })
}

/// `bytes` in pieces.
pub(crate) fn pieces(bytes: &[u8], mut sizes: impl Iterator<Item = usize>) -> Vec<Vec<u8>> {
    let (mut rest, mut pieces) = (bytes, Vec::new());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
        pieces.push(piece.to_vec());
        rest = after;
    }
    pieces
}
