//! What readers see: one immutable snapshot, swapped whole.
//!
//! A request loads the snapshot once and answers everything from it. This is the only file that names arc-swap.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use ta_model::job_table::{Job, JobTable};
use ta_model::scrape_config::ScrapeConfig;
use ta_model::{Collector, CollectorSet};

use crate::body::{self, ShareBody};
use crate::job::JobSnapshot;
use crate::owner::{Owner, Unassigned};
use crate::resolve::TargetId;

/// Who may see the newest snapshot. Clones see the same.
#[derive(Clone)]
pub struct SnapshotCell(Arc<ArcSwap<Snapshot>>);

impl SnapshotCell {
    pub(crate) fn new(first: Arc<Snapshot>) -> Self {
        Self(Arc::new(ArcSwap::new(first)))
    }

    pub(crate) fn publish(&self, snapshot: Arc<Snapshot>) {
        self.0.store(snapshot);
    }

    /// The newest snapshot. Never waits, whatever the engine does.
    #[must_use]
    pub fn load(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }
}

impl fmt::Debug for SnapshotCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SnapshotCell").field(&self.load()).finish()
    }
}

/// All jobs, targets, collectors and who has what, at one instant.
pub struct Snapshot {
    pub(crate) number: u64,
    pub(crate) table: Arc<JobTable>,
    pub(crate) collectors: CollectorSet,
    /// Sorted by name, one for each job of the table.
    pub(crate) jobs: Box<[Arc<JobSnapshot>]>,
    pub(crate) loads: Box<[CollectorLoad]>,
    pub(crate) targets: usize,
    pub(crate) unassigned: [usize; Unassigned::ALL.len()],
    pub(crate) listing: Bytes,
}

/// What one collector has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectorLoad {
    /// Targets.
    pub targets: u32,
    /// Jobs it has at least one target of.
    pub jobs: u32,
}

impl CollectorLoad {
    pub(crate) fn add(&mut self, more: Self) {
        self.targets += more.targets;
        self.jobs += more.jobs;
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("number", &self.number)
            .field("jobs", &self.jobs.len())
            .field("targets", &self.targets)
            .field("collectors", &self.collectors.len())
            .finish()
    }
}

impl Snapshot {
    pub(crate) fn empty() -> Self {
        Self {
            number: 0,
            table: Arc::new(JobTable::empty()),
            collectors: CollectorSet::default(),
            jobs: Box::default(),
            loads: Box::default(),
            targets: 0,
            unassigned: Default::default(),
            listing: body::listing([].into_iter()),
        }
    }

    /// Counts the snapshots of this process; 0 is the empty one before the first step.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The job table it was made from.
    #[must_use]
    pub fn table(&self) -> &Arc<JobTable> {
        &self.table
    }

    /// The collectors, sorted by name.
    #[must_use]
    pub fn collectors(&self) -> &CollectorSet {
        &self.collectors
    }

    /// What each collector has, by ordinal.
    #[must_use]
    pub fn loads(&self) -> &[CollectorLoad] {
        &self.loads
    }

    /// Distinct targets kept, assigned or not.
    #[must_use]
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// Targets without collector.
    #[must_use]
    pub fn unassigned(&self) -> usize {
        self.unassigned.iter().sum()
    }

    /// Targets without collector for `reason`.
    #[must_use]
    pub fn unassigned_because(&self, reason: Unassigned) -> usize {
        self.unassigned[reason as usize]
    }

    /// The body of `/jobs`: every job that has a target, with its link.
    #[must_use]
    pub fn listing(&self) -> &Bytes {
        &self.listing
    }

    /// The number of jobs.
    #[must_use]
    pub fn job_count(&self) -> usize {
        self.jobs.len()
    }

    /// The jobs, sorted by name.
    pub fn jobs(&self) -> impl ExactSizeIterator<Item = JobView<'_>> {
        self.jobs.iter().map(|job| JobView { snapshot: self, job })
    }

    /// The job called `name`.
    #[must_use]
    pub fn job(&self, name: &str) -> Option<JobView<'_>> {
        let at = self.jobs.binary_search_by(|job| (**job.job.name()).cmp(name)).ok()?;
        Some(JobView { snapshot: self, job: &self.jobs[at] })
    }

    /// Bytes on the heap for records, index and shares; groups and whole bodies left out.
    #[must_use]
    pub fn table_bytes(&self) -> usize {
        self.jobs.iter().map(|job| size_of::<JobSnapshot>() + job.heap_bytes()).sum()
    }

    /// Bytes of whole bodies kept.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.jobs.iter().map(|job| job.kept_bytes()).sum()
    }

    /// Bytes on the heap for target groups.
    #[must_use]
    pub fn group_bytes(&self) -> usize {
        let groups = self.jobs.iter().flat_map(|job| job.layout.groups.iter());
        groups.map(|laid| size_of_val(&*laid.group) + laid.group.heap_bytes()).sum()
    }
}

/// A job in a snapshot.
#[derive(Clone, Copy)]
pub struct JobView<'a> {
    snapshot: &'a Snapshot,
    job: &'a Arc<JobSnapshot>,
}

impl fmt::Debug for JobView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobView").field("name", self.name()).field("kept", &self.kept()).finish()
    }
}

impl<'a> JobView<'a> {
    /// The job's name.
    #[must_use]
    pub fn name(&self) -> &'a Arc<str> {
        self.job.job.name()
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> &'a Arc<Job> {
        &self.job.job
    }

    /// Its scrape config.
    #[must_use]
    pub fn config(&self) -> &'a Arc<ScrapeConfig> {
        self.job.job.config()
    }

    /// Whether every provider has delivered once: only then is an empty answer the truth.
    #[must_use]
    pub fn synced(&self) -> bool {
        self.job.synced
    }

    /// Targets discovered, before relabelling dropped any.
    #[must_use]
    pub fn discovered(&self) -> u64 {
        self.job.layout.discovered
    }

    /// Targets that a relabel rule dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.job.layout.discovered - self.job.layout.len() as u64
    }

    /// Targets that are the same as another of the job after relabelling.
    #[must_use]
    pub fn merged(&self) -> usize {
        self.job.layout.shadowed.len()
    }

    /// Distinct targets kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.job.layout.kept()
    }

    /// Targets without collector.
    #[must_use]
    pub fn unassigned(&self) -> usize {
        self.job.unassigned_total()
    }

    /// The share of the collector with this ordinal; nothing if it has no target of the job.
    #[must_use]
    pub fn share(&self, collector: usize) -> Option<Share<'a>> {
        Some(Share { job: self.job, number: self.job.share_of(collector)? })
    }

    /// The shares that are not empty, by collector ordinal.
    pub fn shares(&self) -> impl ExactSizeIterator<Item = (usize, Share<'a>)> + use<'a> {
        let job = self.job;
        job.shares().map(move |(collector, number)| (collector, Share { job, number }))
    }

    /// The number of [`JobView::targets`]: kept ones, those included that another one stands for.
    #[must_use]
    pub fn target_slots(&self) -> usize {
        self.job.layout.len()
    }

    /// The targets from slot `first` on, in order of discovery; targets that another one stands for are left out.
    pub fn targets(&self, first: usize) -> impl Iterator<Item = (usize, TargetView<'a>)> + use<'a> {
        let view = *self;
        (first..view.job.layout.len())
            .filter(move |ordinal| view.job.owners[*ordinal] != Owner::SHADOWED)
            .map(move |ordinal| (ordinal, view.target(ordinal)))
    }

    /// The targets of the share of the collector with this ordinal, from the `first` on, in the order they are served.
    pub fn share_targets(&self, collector: usize, first: usize) -> impl Iterator<Item = TargetView<'a>> + use<'a> {
        let view = *self;
        let members = view.job.share_of(collector).map_or(&[][..], |share| view.job.members(share));
        members.iter().skip(first).map(move |ordinal| view.target(*ordinal as usize))
    }

    /// The target with this identity.
    #[must_use]
    pub fn find(&self, id: TargetId) -> Option<TargetView<'a>> {
        self.job.layout.find(id).map(|ordinal| self.target(ordinal))
    }

    pub(crate) fn snapshot_job(&self) -> &'a JobSnapshot {
        self.job
    }

    pub(crate) fn target(self, ordinal: usize) -> TargetView<'a> {
        TargetView { view: self, ordinal }
    }
}

/// The targets of one collector in one job.
#[derive(Clone, Copy, Debug)]
pub struct Share<'a> {
    job: &'a Arc<JobSnapshot>,
    number: usize,
}

impl<'a> Share<'a> {
    /// The number of targets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.job.members(self.number).len()
    }

    /// Shares in a snapshot are never empty; this is here because `len` is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A hash of the body: equal for equal bodies, in every process.
    #[must_use]
    pub fn etag(&self) -> u64 {
        match self.job.body(self.number) {
            Some(body) => body.etag,
            None => self.job.etag(self.number),
        }
    }

    /// The length of the body in bytes.
    #[must_use]
    pub fn content_length(&self) -> u64 {
        match self.job.body(self.number) {
            Some(body) => body.bytes.len() as u64,
            None => body::content_length(self.job, self.number),
        }
    }

    /// The whole body, if it is kept.
    #[must_use]
    pub fn whole(&self) -> Option<Bytes> {
        self.job.body(self.number).map(|body| body.bytes.clone())
    }

    /// Notes that it is asked for, at this second since 1970. Cheap: every poll does so.
    pub fn note_asked(&self, second: u32) {
        self.job.note_asked(self.number, second);
    }

    /// The second since 1970 in which it was last asked for, in this snapshot or in one before.
    #[must_use]
    pub fn last_asked(&self) -> Option<u32> {
        self.job.last_asked(self.number)
    }

    /// The body piece by piece, rendered while it is read.
    #[must_use]
    pub fn body(&self) -> ShareBody {
        ShareBody::new(self.job.clone(), self.number)
    }
}

/// A target in a snapshot.
#[derive(Clone, Copy)]
pub struct TargetView<'a> {
    view: JobView<'a>,
    ordinal: usize,
}

impl fmt::Debug for TargetView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetView").field("id", &self.id()).field("address", &self.address()).finish()
    }
}

impl<'a> TargetView<'a> {
    /// Its identity.
    #[must_use]
    pub fn id(&self) -> TargetId {
        self.view.job.layout.ids[self.ordinal]
    }

    /// Its job.
    #[must_use]
    pub fn job(&self) -> JobView<'a> {
        self.view
    }

    /// Its address before relabelling.
    #[must_use]
    pub fn address(&self) -> Cow<'a, str> {
        let (block, index) = self.place();
        block.unescape(block.address(index))
    }

    /// Its labels before relabelling, as they are served, sorted by name.
    pub fn labels(&self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> + use<'a> {
        let (block, index) = self.place();
        block.labels(index)
    }

    /// The value of one label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<Cow<'a, str>> {
        let (block, index) = self.place();
        let column = block.shape().column(name)?;
        Some(block.unescape(block.value(index, column)))
    }

    /// Its collector.
    #[must_use]
    pub fn collector(&self) -> Option<&'a Collector> {
        let ordinal = self.view.job.owners[self.ordinal].ordinal()?;
        self.view.snapshot.collectors.get(ordinal)
    }

    /// The share it is in.
    #[must_use]
    pub fn share(&self) -> Option<Share<'a>> {
        self.view.share(self.view.job.owners[self.ordinal].ordinal()?)
    }

    /// Why it has no collector.
    #[must_use]
    pub fn unassigned(&self) -> Option<Unassigned> {
        self.view.job.owners[self.ordinal].reason()
    }

    /// Its group and the position in it.
    pub(crate) fn origin(&self) -> (usize, usize) {
        let layout = &self.view.job.layout;
        let group = layout.group_of(self.ordinal);
        (group, layout.position(group, self.ordinal))
    }

    fn place(&self) -> (&'a ta_model::group::Block, usize) {
        self.discovered().place()
    }
}
