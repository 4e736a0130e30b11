//! `consistent-hashing` against owners computed by upstream's own library, both versions.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde_json::Value;
use ta_engine::{PointKey, Ring};
use ta_model::{Collector, CollectorSet};
use xxhash_rust::xxh64::xxh64;

fn mk_collectors<'a>(names: impl IntoIterator<Item = &'a str>) -> CollectorSet {
    CollectorSet::new(names.into_iter().map(|name| Collector::new(name, "")).collect()).unwrap()
}

fn mk_numbered(prefix: &str, count: usize) -> CollectorSet {
    let names: Vec<String> = (0..count).map(|n| format!("{prefix}{n}")).collect();
    mk_collectors(names.iter().map(String::as_str))
}

fn owner<'a>(collectors: &'a CollectorSet, ring: &Ring, address: &str) -> &'a str {
    &collectors[ring.owner(xxh64(address.as_bytes(), 0))].name
}

/// Names of the owners of all partitions.
fn owners(collectors: &CollectorSet, point_key: PointKey) -> Vec<String> {
    let ring = Ring::new(collectors, point_key);
    ring.partitions().iter().map(|owner| collectors[*owner as usize].name.to_string()).collect()
}

#[test]
fn every_vector_of_both_libraries() {
    let data: Value = serde_json::from_str(include_str!("testdata/consistent-hashing.json")).unwrap();
    let cases = data["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 10);
    for case in cases {
        let point_key = match case["point_key"].as_str().unwrap() {
            "v1" => PointKey::V1,
            "legacy" => PointKey::Legacy,
            other => panic!("unknown point key {other}"),
        };
        let collectors =
            mk_collectors(case["collectors"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()));
        let ring = Ring::new(&collectors, point_key);
        for (address, wanted) in case["placement"].as_object().unwrap() {
            let got = owner(&collectors, &ring, address);
            assert_eq!(got, wanted.as_str().unwrap(), "{point_key:?}, {} collectors, {address:?}", collectors.len());
        }
    }
}

#[test]
fn named_examples() {
    let cases: [(&[&str], &str, &str, &str); 12] = [
        (&["test-collector", "test-collector2"], "test-url", "test-collector2", "test-collector"),
        (&["test-collector", "test-collector2"], "test-url2", "test-collector2", "test-collector"),
        (&["test-collector", "test-collector2"], "test-url3", "test-collector", "test-collector"),
        (&["test-collector", "test-collector2"], "test-url4", "test-collector", "test-collector2"),
        (&["test-collector1", "test-collector2"], "test-url", "test-collector1", "test-collector1"),
        (&["test-collector1", "test-collector2"], "test-url2", "test-collector2", "test-collector1"),
        (&["test-collector1", "test-collector2"], "test-url3", "test-collector1", "test-collector1"),
        (&["test-collector1", "test-collector2"], "test-url4", "test-collector2", "test-collector2"),
        (&SIMPLEST, "10.0.0.1:9100", "simplest-collector-2", "simplest-collector-3"),
        (&SIMPLEST, "10.0.0.2:9100", "simplest-collector-2", "simplest-collector-2"),
        (&SIMPLEST, "prom.domain:9001", "simplest-collector-4", "simplest-collector-1"),
        (&SIMPLEST, "", "simplest-collector-4", "simplest-collector-1"),
    ];
    for (names, address, legacy, v1) in cases {
        let collectors = mk_collectors(names.iter().copied());
        for (point_key, wanted) in [(PointKey::Legacy, legacy), (PointKey::V1, v1)] {
            assert_eq!(
                owner(&collectors, &Ring::new(&collectors, point_key), address),
                wanted,
                "{point_key:?} {address}"
            );
        }
    }
}

const SIMPLEST: [&str; 5] = [
    "simplest-collector-0",
    "simplest-collector-1",
    "simplest-collector-2",
    "simplest-collector-3",
    "simplest-collector-4",
];

#[test]
fn whole_tables_by_hash() {
    // XXH64 of the 1061 owners' names, each followed by a line feed; collectors otel-collector-0..N-1
    let cases = [
        (1, PointKey::V1, 0x69a0_4435_3fb3_8b6e),
        (1, PointKey::Legacy, 0x69a0_4435_3fb3_8b6e),
        (3, PointKey::Legacy, 0xecd0_1731_3158_ad80),
        (3, PointKey::V1, 0x07a6_3798_af61_a8f9),
        (10, PointKey::Legacy, 0xbeec_be5f_8b3e_3a76),
        (10, PointKey::V1, 0x51e7_fa9d_d2e0_4ba5),
        (100, PointKey::Legacy, 0xc407_d180_c371_0d80),
        (100, PointKey::V1, 0xf019_2e00_41b1_13c0),
        (1000, PointKey::Legacy, 0xc5a1_e3ed_653d_b9b3),
        (1000, PointKey::V1, 0x964c_fe4a_8e5a_54a4),
        (2000, PointKey::V1, 0xe19d_f85f_f893_66ff),
    ];
    for (count, point_key, wanted) in cases {
        let text: String =
            owners(&mk_numbered("otel-collector-", count), point_key).iter().map(|name| format!("{name}\n")).collect();
        assert_eq!(xxh64(text.as_bytes(), 0), wanted, "{count} collectors, {point_key:?}");
    }
}

#[test]
fn target_counts_of_fifteen_collectors() {
    let collectors = mk_numbered("collector-", 15);
    let cases = [
        (PointKey::V1, [805, 695, 700, 345, 712, 693, 433, 715, 715, 732, 693, 700, 761, 697, 604]),
        (PointKey::Legacy, [675, 711, 702, 488, 738, 364, 695, 802, 716, 629, 727, 627, 705, 706, 715]),
    ];
    for (point_key, wanted) in cases {
        let ring = Ring::new(&collectors, point_key);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for n in 0..10_000 {
            *counts.entry(owner(&collectors, &ring, &format!("test-url-{n}"))).or_default() += 1;
        }
        let got: Vec<usize> = (0..15).map(|n| counts[format!("collector-{n}").as_str()]).collect();
        assert_eq!(got, wanted, "{point_key:?}");
    }
}

#[test]
fn one_more_collector_moves_what_it_moves_upstream() {
    let (fifteen, sixteen) = (mk_numbered("collector-", 15), mk_numbered("collector-", 16));
    for (point_key, wanted) in [(PointKey::V1, 1241), (PointKey::Legacy, 1001)] {
        let (before, after) = (Ring::new(&fifteen, point_key), Ring::new(&sixteen, point_key));
        let moved = (0..10_000).filter(|n| {
            let address = format!("test-url-{n}");
            owner(&fifteen, &before, &address) != owner(&sixteen, &after, &address)
        });
        assert_eq!(moved.count(), wanted, "{point_key:?}");
    }
}

#[test]
fn any_number_of_collectors_works() {
    for count in [1, 2, 530, 531, 1060, 1061, 1062, 1100, 5000] {
        for point_key in [PointKey::V1, PointKey::Legacy] {
            let owners = owners(&mk_numbered("c-", count), point_key);
            assert_eq!(owners.len(), 1061);
            let distinct: std::collections::BTreeSet<_> = owners.iter().collect();
            assert!(distinct.len() >= count.min(1061) / 2, "{count} {point_key:?}: only {}", distinct.len());
        }
    }
}

#[test]
fn the_order_of_collectors_does_not_matter() {
    let names: Vec<String> = (0..50).map(|n| format!("c-{}", n * 7919 % 50)).collect();
    let shuffled = mk_collectors(names.iter().map(String::as_str));
    assert_eq!(owners(&shuffled, PointKey::V1), owners(&mk_numbered("c-", 50), PointKey::V1));
}
