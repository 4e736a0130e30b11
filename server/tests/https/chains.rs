//! The verifier against Go's verdicts, and against bytes that nobody should send.

use std::path::Path;
use std::sync::OnceLock;

use proptest::prelude::*;
use rustls::pki_types::CertificateDer;
use serde_json::Value;
use ta_server::tls::{ClientTrust, Rejection};

/// One line of `testdata/chains/chains.jsonl`.
struct Row {
    name: String,
    now: u64,
    trust: Option<ClientTrust>,
    chain: Vec<Vec<u8>>,
    /// What Go says; empty = accepted.
    go: String,
}

impl Row {
    fn verify(&self, chain: &[Vec<u8>]) -> Result<(), Rejection> {
        let Some(trust) = &self.trust else { return Err(Rejection::UnknownIssuer) };
        let others: Vec<&[u8]> = chain[1..].iter().map(Vec::as_slice).collect();
        trust.verify(&chain[0], &others, self.now)
    }
}

fn ders(list: &Value) -> Vec<Vec<u8>> {
    // the PEM reader knows base64
    let pem =
        |text: &Value| format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", text.as_str().unwrap());
    let der = |text: &Value| {
        use rustls::pki_types::pem::PemObject;
        CertificateDer::from_pem_slice(pem(text).as_bytes()).unwrap().to_vec()
    };
    list.as_array().unwrap().iter().map(der).collect()
}

fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/chains/chains.jsonl");
        let text = std::fs::read_to_string(file).unwrap();
        text.lines()
            .map(|line| {
                let row: Value = serde_json::from_str(line).unwrap();
                let text = |key: &str| row[key].as_str().unwrap().to_owned();
                let roots: String = row["roots"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|root| {
                        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", root.as_str().unwrap())
                    })
                    .collect();
                Row {
                    name: text("name"),
                    now: row["now"].as_u64().unwrap(),
                    trust: ClientTrust::from_pem(roots.as_bytes()),
                    chain: ders(&row["chain"]),
                    go: text("go"),
                }
            })
            .collect()
    })
}

#[test]
fn verdicts_are_those_of_go() {
    let mut wrong = Vec::new();
    for row in rows() {
        let ours = row.verify(&row.chain);
        if ours.is_ok() != row.go.is_empty() {
            wrong.push(format!("{}: ours {ours:?}, Go's {:?}", row.name, row.go));
        }
    }
    assert!(rows().len() > 300 && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn reasons_are_told_apart() {
    let reason = |name: &str| {
        let row = rows().iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no row {name}"));
        row.verify(&row.chain).unwrap_err()
    };
    for (name, wanted) in [
        ("expired", Rejection::Expired),
        ("not valid yet", Rejection::NotValidYet),
        ("unknown CA", Rejection::UnknownIssuer),
        ("a CA of the same name", Rejection::BadSignature),
        ("for servers only", Rejection::NotForClients),
        ("critical and unknown", Rejection::UnhandledCriticalExtension),
        ("path length 0, one between", Rejection::TooManyIntermediates),
        ("an intermediate of version 1", Rejection::NotAuthority),
        ("SHA1-RSA", Rejection::UnsupportedAlgorithm),
    ] {
        assert_eq!(reason(name), wanted, "{name}");
    }
    assert!(matches!(reason("negative serial"), Rejection::Malformed(_)));
    assert!(matches!(reason("a root permits: out"), Rejection::NameConstraints(_)));
}

/// Certificates of one name that could all have signed each other: the work stops.
#[test]
fn a_heap_of_namesakes_is_given_up_on() {
    let row = rows().iter().find(|row| row.name == "an intermediate is missing").unwrap();
    let namesake = rows().iter().find(|row| row.name == "over two").unwrap().chain[2].clone();
    let mut chain = vec![row.chain[0].clone()];
    chain.extend(std::iter::repeat_n(namesake, 200));
    assert!(matches!(row.verify(&chain), Err(Rejection::TooManyChecks | Rejection::BadSignature)));
}

/// A change of some bytes: overwritten, cut out, or put in.
fn change(der: &mut Vec<u8>, (kind, at, byte): (u8, usize, u8)) {
    if der.is_empty() {
        return;
    }
    let at = at % der.len();
    match kind % 4 {
        0 => der[at] = byte,
        1 => der[at] ^= 1 << (byte % 8),
        2 => drop(der.remove(at)),
        _ => der.insert(at, byte),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    /// Nothing panics; and since the client's own certificate is signed, no change of it is accepted.
    #[test]
    fn changed_certificates_never_panic_and_never_pass(
        which in any::<prop::sample::Index>(),
        part in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<u8>(), any::<usize>(), any::<u8>()), 1..4),
    ) {
        let row = which.get(rows());
        let mut chain = row.chain.clone();
        let part = part.index(chain.len());
        changes.into_iter().for_each(|one| change(&mut chain[part], one));
        let verdict = row.verify(&chain);
        // ECDSA signatures can be written in one way only here, but two changes may undo each other
        if part == 0 && chain[0] != row.chain[0] {
            prop_assert!(verdict.is_err(), "{} was accepted", row.name);
        }
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let row = &rows()[0];
        let refused = matches!(row.verify(&[bytes]), Err(Rejection::Malformed(_)));
        prop_assert!(refused);
    }
}
