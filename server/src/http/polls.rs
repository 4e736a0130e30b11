//! When collectors last asked for their shares. The times stand in the snapshot: [`Share::note_asked`].

use std::time::{Duration, SystemTime};

use ta_engine::{Share, Snapshot, TargetView};

/// A collector asks for `share`.
pub(crate) fn note(share: &Share<'_>, now: SystemTime) {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    share.note_asked(u32::try_from(seconds).unwrap_or(u32::MAX));
}

/// When a target's collector last asked for its share of the job; `None` if never since it has one.
pub(crate) fn of_job(target: &TargetView<'_>) -> Option<SystemTime> {
    target.share()?.last_asked().map(time)
}

/// When a target's collector last asked for any of its shares. Looks at every job: for people.
pub(crate) fn of_any_job(snapshot: &Snapshot, target: &TargetView<'_>) -> Option<SystemTime> {
    let collector = snapshot.collectors().ordinal(&target.collector()?.name)?;
    snapshot.jobs().filter_map(|job| job.share(collector)?.last_asked()).max().map(time)
}

fn time(second: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(second))
}
