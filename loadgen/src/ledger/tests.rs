use super::*;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn target(identity: u64, content: u32) -> Fingerprint {
    Fingerprint { identity, content }
}

/// A collector's holding, as the fleet keeps it.
#[derive(Default)]
struct Collector(Vec<Held>);

impl Collector {
    fn hold(&mut self, ledger: &mut Ledger, when: u64, targets: &[Fingerprint]) {
        let mut new: Vec<Held> =
            targets.iter().map(|t| Held { target: ledger.ordinal(t.identity), content: t.content }).collect();
        new.sort_unstable();
        ledger.replace(at(when), &self.0, &new);
        self.0 = new;
    }
}

fn mk_ledger(targets: &[Fingerprint]) -> Ledger {
    let mut ledger = Ledger::default();
    for target in targets {
        ledger.tell(at(0), Truth::Added, *target, None);
    }
    ledger
}

#[test]
fn waiting_lost_and_doubled_are_told_apart() {
    let (a, b) = (target(1, 0), target(2, 0));
    let mut ledger = mk_ledger(&[a, b]);
    let (mut first, mut second) = (Collector::default(), Collector::default());
    first.hold(&mut ledger, 10, &[a, b]); // both waited 10 s
    second.hold(&mut ledger, 20, &[b]); // b doubled for 5 s
    first.hold(&mut ledger, 25, &[a]);
    first.hold(&mut ledger, 30, &[]); // a lost for 3 s
    first.hold(&mut ledger, 33, &[a]);
    let sums = ledger.integrals(at(40));
    assert_eq!((sums.waiting, sums.doubled, sums.lost, sums.stale), (20.0, 5.0, 3.0, 0.0));
    assert_eq!((sums.seconds, sums.lost_max, sums.doubled_max), (40.0, 1, 1));
    assert_eq!(ledger.now(), Now { existing: 2, held: 2, ..Now::default() });
}

#[test]
fn a_handover_within_one_instant_costs_nothing() {
    let a = target(1, 0);
    let mut ledger = mk_ledger(&[a]);
    let (mut first, mut second) = (Collector::default(), Collector::default());
    first.hold(&mut ledger, 0, &[a]);
    first.hold(&mut ledger, 10, &[]);
    second.hold(&mut ledger, 10, &[a]);
    let sums = ledger.integrals(at(20));
    assert_eq!((sums.lost, sums.lost_max, sums.doubled), (0.0, 0, 0.0));
}

#[test]
fn a_target_that_is_gone_is_stale_not_lost() {
    let a = target(1, 0);
    let mut ledger = mk_ledger(&[a]);
    let mut collector = Collector::default();
    collector.hold(&mut ledger, 0, &[a]);
    ledger.tell(at(10), Truth::Removed, a, None);
    collector.hold(&mut ledger, 14, &[]);
    let sums = ledger.integrals(at(100));
    assert_eq!((sums.stale, sums.lost, sums.waiting), (4.0, 0.0, 0.0));
    // coming back it waits again
    ledger.tell(at(100), Truth::Added, a, None);
    assert_eq!(ledger.integrals(at(101)).waiting, 1.0);
}

#[test]
fn unknown_targets_count_as_stale() {
    let mut ledger = mk_ledger(&[]);
    Collector::default().hold(&mut ledger, 0, &[target(9, 9)]);
    assert_eq!(ledger.now(), Now { held: 1, stale: 1, ..Now::default() });
    assert!(!ledger.exists(9));
}

#[test]
fn a_change_is_known_when_its_last_target_is() {
    let (old, new, other) = (target(1, 0), target(2, 0), target(3, 0));
    let mut ledger = mk_ledger(&[old, other]);
    let mut collector = Collector::default();
    collector.hold(&mut ledger, 0, &[old, other]);
    let change = ledger.begin_change(at(10));
    ledger.tell(at(10), Truth::Removed, old, Some(change));
    ledger.tell(at(10), Truth::Added, new, Some(change));
    ledger.end_change(change, at(10));
    collector.hold(&mut ledger, 12, &[old, new, other]);
    assert_eq!((ledger.changes().known, ledger.changes().pending), (0, 1));
    collector.hold(&mut ledger, 15, &[new, other]);
    let totals = ledger.changes();
    assert_eq!((totals.known, totals.pending), (1, 0));
    assert!((4_990_000..5_010_000).contains(&totals.known_micros.max()), "{}", totals.known_micros.max());
    assert_eq!(totals.target_known_micros.len(), 2);
}

#[test]
fn a_label_update_is_known_by_its_content() {
    let (before, after) = (target(1, 10), target(1, 11));
    let mut ledger = mk_ledger(&[before]);
    let mut collector = Collector::default();
    collector.hold(&mut ledger, 0, &[before]);
    let change = ledger.begin_change(at(5));
    ledger.tell(at(5), Truth::Updated, after, Some(change));
    ledger.end_change(change, at(5));
    collector.hold(&mut ledger, 6, &[before]);
    assert_eq!(ledger.changes().pending, 1);
    collector.hold(&mut ledger, 7, &[after]);
    assert_eq!((ledger.changes().known, ledger.integrals(at(8)).lost), (1, 0.0));
}

#[test]
fn an_overtaken_change_is_superseded_and_an_invisible_one_not_counted() {
    let a = target(1, 0);
    let mut ledger = mk_ledger(&[]);
    for (when, truth) in [(1, Truth::Added), (2, Truth::Removed)] {
        let change = ledger.begin_change(at(when));
        ledger.tell(at(when), truth, a, Some(change));
        ledger.end_change(change, at(when));
    }
    let totals = ledger.changes();
    // nobody ever held it, so its removal changes nothing to be seen
    assert_eq!((totals.begun, totals.superseded, totals.known, totals.pending), (1, 1, 0, 0));
}

#[test]
fn a_mark_starts_the_sums_anew() {
    let a = target(1, 0);
    let mut ledger = mk_ledger(&[a]);
    assert_eq!(ledger.integrals(at(10)).waiting, 10.0);
    ledger.mark(at(10));
    let mut collector = Collector::default();
    collector.hold(&mut ledger, 12, &[a]);
    let sums = ledger.integrals(at(20));
    assert_eq!((sums.seconds, sums.waiting, sums.lost), (10.0, 2.0, 0.0));
}

#[test]
fn time_never_runs_backwards() {
    let a = target(1, 0);
    let mut ledger = mk_ledger(&[a]);
    assert_eq!(ledger.integrals(at(10)).waiting, 10.0);
    Collector::default().hold(&mut ledger, 5, &[a]);
    assert_eq!(ledger.integrals(at(20)).waiting, 10.0);
}

#[test]
fn facts_of_one_change_do_not_supersede_each_other() {
    let (a, b) = (target(1, 10), target(2, 20));
    let mut ledger = mk_ledger(&[a]);
    let mut collector = Collector::default();
    collector.hold(&mut ledger, 0, &[a]);
    let change = ledger.begin_change(at(1));
    ledger.tell(at(1), Truth::Updated, target(1, 11), Some(change));
    ledger.tell(at(1), Truth::Removed, a, Some(change));
    ledger.tell(at(1), Truth::Added, b, Some(change));
    ledger.end_change(change, at(1));
    collector.hold(&mut ledger, 3, &[b]);
    let totals = ledger.changes();
    assert_eq!((totals.known, totals.superseded, totals.pending), (1, 0, 0));
}

#[test]
fn a_label_update_told_late_is_known_already() {
    let (before, after) = (target(1, 10), target(1, 11));
    let mut ledger = mk_ledger(&[before]);
    let mut collector = Collector::default();
    collector.hold(&mut ledger, 0, &[before]);
    collector.hold(&mut ledger, 4, &[after]); // seen before it was told
    let change = ledger.begin_change(at(5));
    ledger.tell(at(5), Truth::Updated, after, Some(change));
    ledger.end_change(change, at(5));
    collector.hold(&mut ledger, 6, &[after]); // no difference will ever come again
    assert_eq!((ledger.changes().pending, ledger.changes().begun), (0, 0));
}

#[test]
fn a_label_update_waits_for_a_holder_although_the_last_one_had_it() {
    let (before, after) = (target(1, 10), target(1, 11));
    let mut ledger = mk_ledger(&[after]);
    let mut collector = Collector::default();
    collector.hold(&mut ledger, 0, &[after]);
    collector.hold(&mut ledger, 1, &[]);
    for (when, to) in [(2, before), (3, after)] {
        let change = ledger.begin_change(at(when));
        ledger.tell(at(when), Truth::Updated, to, Some(change));
        ledger.end_change(change, at(when));
    }
    assert_eq!(ledger.changes().pending, 1);
    collector.hold(&mut ledger, 5, &[after]);
    assert_eq!((ledger.changes().known, ledger.changes().pending), (1, 0));
}

/// Why the feed tells first and shows then: see [`crate::feed::show`].
#[test]
fn a_removal_told_before_it_is_seen_costs_nothing_and_one_told_late_looks_lost() {
    for (told, seen, lost) in [(10, 12, 0.0), (12, 10, 2.0)] {
        let a = target(1, 0);
        let mut ledger = mk_ledger(&[a]);
        let mut collector = Collector::default();
        collector.hold(&mut ledger, 0, &[a]);
        for when in 10..=12 {
            if when == told {
                ledger.tell(at(when), Truth::Removed, a, None);
            }
            if when == seen {
                collector.hold(&mut ledger, when, &[]);
            }
        }
        assert_eq!(ledger.integrals(at(20)).lost, lost, "told at {told} s, seen at {seen} s");
    }
}
