//! Chains of client certificates.
//!
//! An input is the number of a row of the server's chains (two bytes, the lower first), whose CAs and time it is judged
//! by, and then certificates in DER one after the other, the client's first. Nobody here can sign anything, so whoever is
//! let in must have been sent with a certificate that a CA signed: one of those in the rows, to the last bit.

use std::collections::HashSet;
use std::sync::LazyLock;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use ta_server::tls::{ClientTrust, Rejection};

/// A line of `chains.jsonl`: certificates in base64.
#[derive(Deserialize)]
struct Row {
    now: u64,
    roots: Vec<String>,
    chain: Vec<String>,
}

struct Judge {
    trust: Option<ClientTrust>,
    now: u64,
}

struct Known {
    judges: Vec<Judge>,
    /// Every certificate there is.
    signed: HashSet<Vec<u8>>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let rows = include_str!("../../server/tests/testdata/chains/chains.jsonl").lines();
    let rows: Vec<Row> = rows.map(|line| serde_json::from_str(line).expect("a row of the server's tests")).collect();
    let certificates = rows.iter().flat_map(|row| row.roots.iter().chain(&row.chain));
    let signed = certificates.filter_map(|base64| CertificateDer::from_pem_slice(pem(base64).as_bytes()).ok());
    let judge = |row: &Row| {
        let roots: String = row.roots.iter().map(|base64| pem(base64)).collect();
        Judge { trust: ClientTrust::from_pem(roots.as_bytes()), now: row.now }
    };
    Known { signed: signed.map(|der| der.to_vec()).collect(), judges: rows.iter().map(judge).collect() }
});

fn pem(base64: &str) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
}

/// `data` is as the module says.
pub fn check(data: &[u8]) {
    drop(ClientTrust::from_pem(data));
    let Some((row, certificates)) = data.split_first_chunk::<2>() else { return };
    let Judge { trust: Some(trust), now } = &KNOWN.judges[usize::from(u16::from_le_bytes(*row)) % KNOWN.judges.len()]
    else {
        return;
    };
    let chain = split(certificates);
    let [client, others @ ..] = &chain[..] else { return };
    let verdict = trust.verify(client, others, *now);
    match &verdict {
        Ok(()) => {
            assert!(KNOWN.signed.contains(*client), "accepted, and signed by nobody");
            assert!(trust.verify(client, others, 0).is_err(), "accepted in 1970");
            assert!(trust.verify(client, others, u64::MAX).is_err(), "accepted for ever");
            let mut extended = others.to_vec();
            extended.push(*client);
            accepted_as_well(trust.verify(client, &extended, *now));
        }
        Err(rejection) => {
            assert!(!rejection.to_string().is_empty());
            // what is read has a reason to be refused that fewer certificates do not take away
            if let ([fewer @ .., _], false) = (others, has_other_reasons(rejection)) {
                let verdict = trust.verify(client, fewer, *now);
                assert!(verdict.is_err(), "refused for {rejection:?}, but accepted without the last certificate");
            }
        }
    }
    let backwards: Vec<&[u8]> = others.iter().rev().copied().collect();
    let other_way = trust.verify(client, &backwards, *now);
    let gave_up =
        matches!(verdict, Err(Rejection::TooManyChecks)) || matches!(other_way, Err(Rejection::TooManyChecks));
    assert!(gave_up || verdict.is_ok() == other_way.is_ok(), "the order counts: {verdict:?}, {other_way:?}");
}

/// More certificates than are needed do no harm, as long as there are not too many.
fn accepted_as_well(verdict: Result<(), Rejection>) {
    assert!(matches!(verdict, Ok(()) | Err(Rejection::TooManyChecks)), "a certificate too many: {verdict:?}");
}

/// A certificate that does not parse is one too many, wherever it stands; and the search has its limits.
fn has_other_reasons(rejection: &Rejection) -> bool {
    matches!(rejection, Rejection::Malformed(_) | Rejection::TooManyChecks)
}

/// Takes certificates apart by the length that each says; what is left over is one more.
fn split(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while !rest.is_empty() && parts.len() < 12 {
        let length = match rest {
            [_, length @ 0..=0x7f, ..] => 2 + usize::from(*length),
            [_, 0x81, length, ..] => 3 + usize::from(*length),
            [_, 0x82, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
            _ => rest.len(),
        };
        let (part, after) = rest.split_at(length.min(rest.len()));
        parts.push(part);
        rest = after;
    }
    parts
}
