//! Shares edited against shares sorted.

use proptest::prelude::*;
use ta_model::job_table::{FilterStrategy, JobTable, Origin};
use ta_model::scrape_config::ScrapeConfig;

use super::*;

/// Collectors by the names 0..12, of which those with a bit are there; nothing for one that is not.
fn ordinals(there: u16) -> Vec<Option<usize>> {
    let bits = (0..12).map(|name| there >> name & 1 == 1);
    bits.scan(0, |next, there| Some(there.then(|| std::mem::replace(next, *next + 1)))).collect()
}

fn owner(choice: u8, ordinals: &[Option<usize>]) -> Owner {
    let unassigned = Owner::none(Unassigned::ALL[usize::from(choice) % Unassigned::ALL.len()]);
    match choice {
        250.. => Owner::SHADOWED,
        240..250 => unassigned,
        _ => ordinals[usize::from(choice) % ordinals.len()].map_or(unassigned, Owner::collector),
    }
}

proptest! {
    #[test]
    fn editing_comes_to_the_same_as_sorting(
        (then, now) in (any::<u16>(), any::<u16>()),
        targets in prop::collection::vec((any::<u8>(), prop::option::weighted(0.2, any::<u8>())), 0..60),
    ) {
        let table = JobTable::new(1, vec![(ScrapeConfig::new("job").into(), Origin::File)], FilterStrategy::default());
        let job = table.jobs()[0].clone();
        let (then, now) = (ordinals(then), ordinals(now));
        let of = |ordinal: usize| now[then.iter().position(|there| *there == Some(ordinal)).unwrap()];
        let before: Vec<Owner> = targets.iter().map(|(choice, _)| owner(*choice, &then)).collect();
        let owners: Vec<Owner> = before.iter().zip(&targets).map(|(before, (choice, other))| match before.ordinal() {
            _ if *before == Owner::SHADOWED => *before,
            _ if other.is_some() => owner(other.unwrap() % 250, &now),
            Some(ordinal) => of(ordinal).map_or(owner(*choice % 240, &now), Owner::collector),
            None => *before,
        }).collect();
        let stays = |before: Owner| before.ordinal().map_or(Some(before), |ordinal| of(ordinal).map(Owner::collector));
        let changed: Vec<u32> = (0..owners.len())
            .filter(|at| stays(before[*at]) != Some(owners[*at])).map(|at| at as u32).collect();
        let sorted = |owners: &[Owner]| {
            JobSnapshot::new(job.clone(), true, Arc::default(), owners.to_vec(), 12, &mut Sorter::default())
        };
        let edited = sorted(&before).edited(job.clone(), true, owners.clone(), &changed, of);
        let sorted = sorted(&owners);
        prop_assert_eq!(&edited.shares, &sorted.shares);
        prop_assert_eq!(&edited.order, &sorted.order);
        prop_assert_eq!(edited.unassigned, sorted.unassigned);
    }
}
