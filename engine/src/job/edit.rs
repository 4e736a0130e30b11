//! New shares out of old ones that few targets leave or join: what stands between two changes is copied as it is.

use std::iter::Peekable;
use std::ops::Range;
use std::vec::IntoIter;

/// See the module.
#[derive(Debug)]
pub(super) struct Edit<'a> {
    old: &'a [u32],
    /// How much of `old` was copied, or left out.
    done: usize,
    /// Places in `old`, ascending.
    leaving: Peekable<IntoIter<usize>>,
    /// Collectors and ordinals, ascending.
    joining: Peekable<IntoIter<(u32, u32)>>,
    order: Vec<u32>,
    shares: Vec<(u32, u32)>,
}

impl<'a> Edit<'a> {
    /// Both lists are sorted. `old` has this many `shares`.
    pub(super) fn new(old: &'a [u32], shares: usize, leaving: Vec<usize>, joining: Vec<(u32, u32)>) -> Self {
        Self {
            old,
            done: 0,
            order: Vec::with_capacity(old.len() + joining.len() - leaving.len()),
            shares: Vec::with_capacity(shares + joining.len()),
            leaving: leaving.into_iter().peekable(),
            joining: joining.into_iter().peekable(),
        }
    }

    /// Goes on with the next share, which is the `range` of `old`, of a collector that may be gone.
    pub(super) fn share(&mut self, collector: Option<u32>, range: Range<usize>) {
        if let Some(collector) = collector {
            self.new_shares(range.start, collector);
        }
        let nobody_joins = self.joining.peek().is_none_or(|(to, _)| Some(*to) != collector);
        let nobody_leaves = self.leaving.peek().is_none_or(|place| *place >= range.end);
        if let (Some(collector), true, true) = (collector, nobody_joins, nobody_leaves) {
            // copied with what follows
            self.shares.push((collector, (self.order.len() + range.end - self.done) as u32));
            return;
        }
        self.copy(range.start);
        let begin = self.order.len();
        for place in range.clone() {
            if self.leaving.next_if_eq(&place).is_none() {
                let member = self.old[place];
                collector.into_iter().for_each(|collector| self.join(collector, member));
                self.order.push(member);
            }
        }
        self.done = range.end;
        if let Some(collector) = collector {
            self.join(collector, u32::MAX);
            self.end_share(collector, begin);
        }
    }

    /// The shares of collectors that had none, up to that of `before`; `place` is where they belong.
    fn new_shares(&mut self, place: usize, before: u32) {
        while let Some((collector, _)) = self.joining.peek().copied().filter(|(collector, _)| *collector < before) {
            self.copy(place);
            let begin = self.order.len();
            self.join(collector, u32::MAX);
            self.end_share(collector, begin);
        }
    }

    /// Takes in those who join `collector` and stand before `ordinal`.
    fn join(&mut self, collector: u32, ordinal: u32) {
        while let Some((_, joins)) = self.joining.next_if(|(to, joins)| *to == collector && *joins < ordinal) {
            self.order.push(joins);
        }
    }

    fn end_share(&mut self, collector: u32, begin: usize) {
        if self.order.len() > begin {
            self.shares.push((collector, self.order.len() as u32));
        }
    }

    /// Copies what stands up to `place`.
    fn copy(&mut self, place: usize) {
        self.order.extend_from_slice(&self.old[self.done..place]);
        self.done = place;
    }

    /// The targets by collector, and the collectors with where their part ends.
    pub(super) fn finish(mut self) -> (Vec<u32>, Vec<(u32, u32)>) {
        self.new_shares(self.old.len(), u32::MAX);
        self.copy(self.old.len());
        (self.order, self.shares)
    }
}
