//! One job in a snapshot: its targets, who has them, and the shares that follow.

mod asked;
mod edit;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use ta_model::job_table::Job;

use crate::layout::Layout;
use crate::owner::{Owner, Unassigned};
use asked::Asked;
use edit::Edit;

/// Immutable, but for bodies that are filled in once, and for when shares were asked for.
#[derive(Debug)]
pub(crate) struct JobSnapshot {
    pub(crate) job: Arc<Job>,
    /// Every provider has delivered once.
    pub(crate) synced: bool,
    pub(crate) layout: Arc<Layout>,
    /// By ordinal.
    pub(crate) owners: Box<[Owner]>,
    /// Ordinals of assigned targets, by collector, then by ordinal.
    order: Arc<[u32]>,
    /// The collectors that have any, ascending, and where their part of `order` ends.
    shares: Box<[(u32, u32)]>,
    unassigned: [u32; Unassigned::ALL.len()],
    /// Whole bodies by share, where the budget allows.
    bodies: OnceLock<Box<[OnceLock<Body>]>>,
    asked: Asked,
}

/// A whole body that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) etag: u64,
}

/// Memory for the sort, used from job to job; counters are zero in between.
#[derive(Debug, Default)]
pub(crate) struct Sorter {
    /// Targets by collector.
    counts: Vec<u32>,
    /// A bit for each collector that has any. A job of some hundred targets leaves most of a large fleet without: asking
    /// counter by counter is a guess that the processor gets wrong every third time, and took half of the sort.
    present: Vec<u64>,
    /// Ordinals by collector.
    order: Vec<u32>,
}

impl JobSnapshot {
    /// Sorts the targets into shares.
    pub(crate) fn new(
        job: Arc<Job>,
        synced: bool,
        layout: Arc<Layout>,
        owners: Vec<Owner>,
        collectors: usize,
        sorter: &mut Sorter,
    ) -> Self {
        let unassigned = sorter.count(&owners, collectors);
        let shares = sorter.shares();
        let order = sorter.order(&owners, shares.last().map_or(0, |(_, end)| *end as usize)).into();
        sorter.reset(&shares);
        Self {
            job,
            synced,
            layout,
            owners: owners.into(),
            order,
            shares,
            unassigned,
            bodies: OnceLock::new(),
            asked: Asked::default(),
        }
    }

    /// The same targets with the same collectors, which have other ordinals `now` but stand in the same order.
    pub(crate) fn renumbered(
        &self,
        job: Arc<Job>,
        synced: bool,
        owners: Vec<Owner>,
        now: impl Fn(usize) -> Option<usize>,
    ) -> Self {
        let renumber = |(collector, end): &(u32, u32)| (now(*collector as usize).unwrap_or_default() as u32, *end);
        Self {
            job,
            synced,
            layout: self.layout.clone(),
            order: self.order.clone(),
            shares: self.shares.iter().map(renumber).collect(),
            owners: owners.into(),
            unassigned: self.unassigned,
            bodies: self.bodies.clone(),
            asked: self.asked.clone(),
        }
    }

    /// The same targets, of which those in `changed` have other owners than before. `now` tells for a collector of then
    /// its ordinal now; collectors stand in the same order. Shares that nobody leaves or joins are copied as they stand,
    /// which is several times cheaper than sorting all targets.
    pub(crate) fn edited(
        &self,
        job: Arc<Job>,
        synced: bool,
        owners: Vec<Owner>,
        changed: &[u32],
        now: impl Fn(usize) -> Option<usize>,
    ) -> Self {
        let mut unassigned = self.unassigned;
        let (mut leaving, mut joining) = (Vec::new(), Vec::new());
        for ordinal in changed {
            let (before, owner) = (self.owners[*ordinal as usize], owners[*ordinal as usize]);
            leaving.extend(before.ordinal().and_then(|collector| self.place(collector, *ordinal)));
            joining.extend(owner.ordinal().map(|collector| (collector as u32, *ordinal)));
            before.reason().into_iter().for_each(|reason| unassigned[reason as usize] -= 1);
            owner.reason().into_iter().for_each(|reason| unassigned[reason as usize] += 1);
        }
        leaving.sort_unstable();
        joining.sort_unstable();
        let mut edit = Edit::new(&self.order, self.shares.len(), leaving, joining);
        for (collector, share) in self.shares() {
            edit.share(now(collector).map(|collector| collector as u32), self.member_range(share));
        }
        let (order, shares) = edit.finish();
        Self {
            job,
            synced,
            layout: self.layout.clone(),
            owners: owners.into(),
            order: order.into(),
            shares: shares.into(),
            unassigned,
            bodies: OnceLock::new(),
            asked: Asked::default(),
        }
    }

    /// Where in `order` a target of a collector stands.
    fn place(&self, collector: usize, ordinal: u32) -> Option<usize> {
        let share = self.share_of(collector)?;
        let index = self.members(share).binary_search(&ordinal).ok()?;
        Some(self.member_range(share).start + index)
    }

    /// The same targets and owners under another job or sync state; bodies stay.
    pub(crate) fn renewed(&self, job: Arc<Job>, synced: bool) -> Self {
        self.renumbered(job, synced, self.owners.to_vec(), Some)
    }

    /// The shares: collector ordinal and share number.
    pub(crate) fn shares(&self) -> impl ExactSizeIterator<Item = (usize, usize)> {
        self.shares.iter().enumerate().map(|(number, (collector, _))| (*collector as usize, number))
    }

    /// The collectors that have any targets, and how many.
    pub(crate) fn loads(&self) -> impl Iterator<Item = (usize, u32)> {
        let mut start = 0;
        self.shares.iter().map(move |(collector, end)| {
            let targets = end - start;
            start = *end;
            (*collector as usize, targets)
        })
    }

    /// The number of the share of collector `ordinal`.
    pub(crate) fn share_of(&self, ordinal: usize) -> Option<usize> {
        self.shares.binary_search_by_key(&(ordinal as u32), |(collector, _)| *collector).ok()
    }

    /// The ordinals of a share, ascending.
    pub(crate) fn members(&self, share: usize) -> &[u32] {
        &self.order[self.member_range(share)]
    }

    fn member_range(&self, share: usize) -> Range<usize> {
        let start = share.checked_sub(1).map_or(0, |before| self.shares[before].1 as usize);
        start..self.shares[share].1 as usize
    }

    pub(crate) fn unassigned(&self, reason: Unassigned) -> usize {
        self.unassigned[reason as usize] as usize
    }

    pub(crate) fn unassigned_total(&self) -> usize {
        self.unassigned.iter().sum::<u32>() as usize
    }

    /// Hash of a share's body: equal for equal bodies, in every process.
    pub(crate) fn etag(&self, share: usize) -> u64 {
        // the odd constants are the 64-bit primes of XXH64; the order of targets counts
        let fold = |hash: u64, ordinal: &u32| {
            let content = self.layout.contents[*ordinal as usize];
            (hash.rotate_left(27) ^ content.wrapping_mul(0xC2B2_AE3D_27D4_EB4F)).wrapping_mul(0x9E37_79B1_85EB_CA87)
        };
        self.members(share).iter().fold(0x27D4_EB2F_1656_67C5, fold)
    }

    /// The whole body of a share, if it is kept.
    pub(crate) fn body(&self, share: usize) -> Option<&Body> {
        self.bodies.get()?.get(share)?.get()
    }

    /// Keeps a whole body.
    pub(crate) fn keep_body(&self, share: usize, body: Body) {
        let slots = self.bodies.get_or_init(|| (0..self.shares.len()).map(|_| OnceLock::new()).collect());
        drop(slots[share].set(body));
    }

    /// Bytes of whole bodies kept.
    pub(crate) fn kept_bytes(&self) -> usize {
        let slots = self.bodies.get().into_iter().flatten();
        slots.filter_map(|slot| slot.get()).map(|body| body.bytes.len()).sum()
    }

    /// Takes over the bodies of shares that have not changed.
    pub(crate) fn inherit_bodies(&self, old: &Self, same_collector: impl Fn(usize) -> Option<usize>) {
        if old.bodies.get().is_none() {
            return;
        }
        for (collector, share) in old.shares() {
            let Some(body) = old.body(share) else { continue };
            let Some(now) = same_collector(collector).and_then(|ordinal| self.share_of(ordinal)) else { continue };
            if self.etag(now) == body.etag {
                self.keep_body(now, body.clone());
            }
        }
    }

    /// Somebody asks for a share, at this second since 1970.
    pub(crate) fn note_asked(&self, share: usize, second: u32) {
        self.asked.note(share, self.shares.len(), second);
    }

    /// The second since 1970 in which a share was last asked for.
    pub(crate) fn last_asked(&self, share: usize) -> Option<u32> {
        self.asked.last(share)
    }

    /// Takes over when shares were asked for. `same_collector` keeps the order of collectors.
    pub(crate) fn inherit_asked(&mut self, old: &Self, same_collector: impl Fn(usize) -> Option<usize>) {
        let is_same = |(now, then): ((usize, usize), (usize, usize))| same_collector(then.0) == Some(now.0);
        if self.shares.len() == old.shares.len() && self.shares().zip(old.shares()).all(is_same) {
            self.asked = old.asked.clone();
            return;
        }
        let mut known = old.shares().filter_map(|(then, share)| Some((same_collector(then)?, share))).peekable();
        let before = self.shares().map(|(now, _)| {
            while known.next_if(|(then, _)| *then < now).is_some() {}
            known.next_if(|(then, _)| *then == now).map(|(_, share)| share)
        });
        self.asked = old.asked.copied(before);
    }

    /// Bytes on the heap, groups and bodies left out.
    pub(crate) fn heap_bytes(&self) -> usize {
        let shares = self.shares.len() * 8 + self.asked.heap_bytes();
        self.layout.heap_bytes() + self.owners.len() * 4 + self.order.len() * 4 + shares
    }
}

impl Sorter {
    /// Counts targets by collector. Returns those without by reason.
    fn count(&mut self, owners: &[Owner], collectors: usize) -> [u32; Unassigned::ALL.len()] {
        if self.counts.len() < collectors {
            self.counts.resize(collectors, 0);
            self.present.resize(collectors.div_ceil(64), 0);
        }
        let mut unassigned = [0; Unassigned::ALL.len()];
        for owner in owners {
            match owner.ordinal() {
                Some(collector) => {
                    self.counts[collector] += 1;
                    self.present[collector / 64] |= 1 << (collector % 64);
                }
                None => owner.reason().into_iter().for_each(|reason| unassigned[reason as usize] += 1),
            }
        }
        unassigned
    }

    /// The collectors that have any and where the part of each ends; the counters are where it begins from here on.
    fn shares(&mut self) -> Box<[(u32, u32)]> {
        let count = self.present.iter().map(|word| word.count_ones() as usize).sum();
        let mut shares = Vec::with_capacity(count);
        let mut end = 0;
        for (number, word) in self.present.iter_mut().enumerate() {
            let mut rest = std::mem::take(word);
            while rest != 0 {
                let collector = number * 64 + rest.trailing_zeros() as usize;
                rest &= rest - 1;
                let start = end;
                end += std::mem::replace(&mut self.counts[collector], start);
                shares.push((collector as u32, end));
            }
        }
        shares.into()
    }

    /// The ordinals of the `assigned` targets by collector.
    fn order(&mut self, owners: &[Owner], assigned: usize) -> &[u32] {
        let Self { counts, order, .. } = self;
        order.resize(order.len().max(assigned), 0);
        for (ordinal, owner) in owners.iter().enumerate() {
            if let Some(collector) = owner.ordinal() {
                let at = &mut counts[collector];
                order[*at as usize] = ordinal as u32;
                *at += 1;
            }
        }
        &order[..assigned]
    }

    fn reset(&mut self, shares: &[(u32, u32)]) {
        for (collector, _) in shares {
            self.counts[*collector as usize] = 0;
        }
    }
}

#[cfg(test)]
mod tests;
