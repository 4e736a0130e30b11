//! What is asked of `/explain`, and finding it.

use ta_engine::{Discovered, Fate, JobView, Snapshot, StrategyKind, TargetId, TargetView};

use crate::http::Query;
use crate::pages::layout::contains_ignoring_case;

/// Targets a search looks at before it says what it has: some 50 ms.
const SCAN: usize = 20_000;
/// Matches told at once.
const MATCHES: usize = 100;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) q: String,
    pub(super) job: String,
    number: Option<u64>,
    from: u64,
}

/// What was found of it.
pub(super) enum Found<'a> {
    One(Discovered<'a>),
    Many {
        matches: Vec<Discovered<'a>>,
        /// Targets looked at.
        scanned: u64,
        /// Where to go on, if not all were looked at.
        next: Option<u64>,
    },
}

impl Question {
    pub(super) fn of(query: Query<'_>) -> Self {
        let text = |name| query.first(name).unwrap_or_default().into_owned();
        let hash = text("target_hash");
        let number = |name| query.first(name).and_then(|text| text.parse().ok());
        Self {
            q: if hash.is_empty() { text("q") } else { hash },
            job: text("job"),
            number: number("number"),
            from: number("from").unwrap_or(0),
        }
    }

    /// Whether anything is asked.
    pub(super) fn is_empty(&self) -> bool {
        self.q.is_empty() && self.number.is_none()
    }

    pub(super) fn find<'a>(&self, snapshot: &'a Snapshot) -> Found<'a> {
        let jobs: Vec<JobView<'a>> = match &*self.job {
            "" => snapshot.jobs().collect(),
            job => snapshot.job(job).into_iter().collect(),
        };
        let by_number = || jobs.first()?.discovered_from(self.number?).next();
        let by_hash = || {
            let id = TargetId(self.q.parse().ok()?);
            jobs.iter().find_map(|job| job.find(id)).map(|target| target.discovered())
        };
        if let Some(target) = by_number().map(|(_, target)| target).or_else(by_hash) {
            return Found::One(target);
        }
        self.search(&jobs)
    }

    fn search<'a>(&self, jobs: &[JobView<'a>]) -> Found<'a> {
        let lower = self.q.to_ascii_lowercase();
        let (mut matches, mut at, end) = (Vec::new(), 0, self.from.saturating_add(SCAN as u64));
        let total: u64 = jobs.iter().map(JobView::discovered).sum();
        for job in jobs {
            let skip = self.from.saturating_sub(at).min(job.discovered());
            let base = at;
            at += skip;
            for (number, target) in job.discovered_from(skip) {
                if at >= end || matches.len() >= MATCHES {
                    break;
                }
                at = base + number + 1;
                if mentions(&target, &lower) {
                    matches.push(target);
                }
            }
            if at >= end || matches.len() >= MATCHES {
                break;
            }
            at = base + job.discovered();
        }
        match matches[..] {
            [one] if self.from == 0 && at >= total => Found::One(one),
            _ => Found::Many { matches, scanned: at.saturating_sub(self.from), next: (at < total).then_some(at) },
        }
    }
}

/// Whether its address or the value of a label contains `lower`.
pub(in crate::pages) fn mentions(target: &Discovered<'_>, lower: &str) -> bool {
    contains_ignoring_case(&target.address(), lower)
        || target.labels().any(|(_, value)| contains_ignoring_case(&value, lower))
}

/// Why a target is with its collector, or with none, in a sentence.
pub(super) fn reason(strategy: StrategyKind, target: &TargetView<'_>) -> String {
    match (target.collector(), target.unassigned()) {
        (None, reason) => reason.map_or_else(String::new, |reason| format!("no collector: {}", reason.name())),
        (Some(collector), _) => match strategy {
            StrategyKind::ConsistentHashing => format!("{} owns its address on the ring", collector.name),
            StrategyKind::LeastWeighted => {
                format!("{} had the fewest targets when it came, and it stays there", collector.name)
            }
            StrategyKind::PerNode => format!("{} is on its node, or the fallback strategy chose it", collector.name),
        },
    }
}

/// What became of it, in one word.
pub(super) fn fate_name(fate: &Fate<'_>) -> &'static str {
    match fate {
        Fate::Dropped => "dropped",
        Fate::Kept(target) if target.collector().is_some() => "assigned",
        Fate::Kept(_) => "unassigned",
        Fate::Merged(_) => "merged",
    }
}
