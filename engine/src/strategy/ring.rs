//! The hash ring with bounded loads of `consistent-hashing`, bit for bit as upstream's.
//!
//! Upstream's library (`buraksezer/consistent`) spreads 1061 partitions over the collectors: every collector has five
//! points on a ring; each partition goes clockwise from its hash to the first collector that is not full. The library
//! changed its point keys and its notion of full between v0.10.0 (release 0.158 and before) and v1.0.0, which moves
//! nearly every target once; both are here.

use ta_model::CollectorSet;
use xxhash_rust::xxh64::xxh64;

/// `PartitionCount` of upstream (`internal/allocation/consistent_hashing.go`): a prime.
const PARTITIONS: usize = 1061;
/// `ReplicationFactor` of upstream: points of each collector.
const POINTS: usize = 5;
/// `Load` of upstream: a collector is full at 1.1 times its fair share of partitions.
const LOAD: f64 = 1.1;

/// Which version of upstream's ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PointKey {
    /// `<index>:<name>` and a capacity by real division: `consistent` v1.0.0, upstream after release 0.158.
    #[default]
    V1,
    /// `<name><index>` and a capacity by integer division: `consistent` v0.10.0, upstream up to release 0.158.
    Legacy,
}

/// For every partition its collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    owners: Box<[u32]>,
}

impl Ring {
    /// Builds the ring. `collectors` is not empty; their order does not matter to the result, nor does their number:
    /// beyond 1061 some own nothing.
    #[must_use]
    pub fn new(collectors: &CollectorSet, point_key: PointKey) -> Self {
        let points = points(collectors, point_key);
        let capacity = capacity(collectors.len(), point_key);
        let mut loads = vec![0; collectors.len()];
        let owners = (0..PARTITIONS as u64).map(|partition| {
            let hash = xxh64(&partition.to_le_bytes(), 0);
            let start = points.partition_point(|(point, _)| *point < hash);
            let walk = points[start..].iter().chain(&points[..start]);
            // capacity × collectors ≥ partitions, so somebody has room
            let owner = walk.map(|(_, owner)| *owner).find(|owner| loads[*owner as usize] < capacity).unwrap_or(0);
            loads[owner as usize] += 1;
            owner
        });
        Self { owners: owners.collect() }
    }

    /// The ordinal of the collector that gets targets whose address has this XXH64.
    #[must_use]
    pub fn owner(&self, address_hash: u64) -> usize {
        self.owners[(address_hash % PARTITIONS as u64) as usize] as usize
    }

    /// The owner of each partition.
    #[must_use]
    pub fn partitions(&self) -> &[u32] {
        &self.owners
    }
}

fn points(collectors: &CollectorSet, point_key: PointKey) -> Vec<(u64, u32)> {
    let mut points = Vec::with_capacity(collectors.len() * POINTS);
    let mut key = String::new();
    for (ordinal, collector) in collectors.iter().enumerate() {
        for index in 0..POINTS {
            key.clear();
            match point_key {
                PointKey::V1 => key.extend([&index.to_string(), ":", &*collector.name]),
                PointKey::Legacy => key.extend([&*collector.name, &index.to_string()]),
            }
            points.push((xxh64(key.as_bytes(), 0), ordinal as u32));
        }
    }
    // names are unique, so equal hashes are a coincidence of 2⁻⁶⁴; the ordinal settles even that
    points.sort_unstable();
    points
}

/// How many partitions a collector may own.
///
/// The legacy rule gives 0 from 1062 collectors on, and upstream's process dies there. At least one each is the nearest
/// rule that works, and equal to the legacy rule below.
fn capacity(collectors: usize, point_key: PointKey) -> usize {
    let share = match point_key {
        PointKey::V1 => PARTITIONS as f64 / collectors as f64,
        PointKey::Legacy => (PARTITIONS / collectors) as f64,
    };
    let capacity = (share * LOAD).ceil() as usize;
    // with integer division the capacities may not add up to all partitions
    capacity.max(PARTITIONS.div_ceil(collectors))
}
