//! Which providers there are, what they found and which job sees it: the supervisor's memory, without tasks or clocks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ta_model::group::TargetGroup;
use ta_model::job_table::JobTable;
use ta_model::scrape_config::SdConfig;

use crate::sink::{GroupChange, GroupKey};
use crate::source::{Delivery, NamedGroup, News};

/// What follows from an event.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Providers to start, in the order of jobs.
    pub(super) start: Vec<u64>,
    pub(super) stop: Vec<u64>,
    /// Stopped providers whose groups no job sees any more.
    pub(super) forgotten: Vec<u64>,
    pub(super) changes: Vec<GroupChange>,
    /// Jobs whose providers have all delivered, for the first time.
    pub(super) synced: Vec<Arc<str>>,
    /// Jobs that see other providers than before.
    pub(super) settled: Vec<Arc<str>>,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    providers: HashMap<u64, Provider>,
    jobs: BTreeMap<Arc<str>, Job>,
}

#[derive(Debug)]
struct Provider {
    config: SdConfig,
    groups: HashMap<Arc<str>, Arc<TargetGroup>>,
    targets: usize,
    /// It has delivered everything once; before, no job sees its groups.
    synced: bool,
    /// Sources named since the current listing began.
    relisting: Option<HashSet<Arc<str>>>,
    run: u64,
    running: bool,
    /// Jobs that have the config.
    subscribers: Vec<Arc<str>>,
    /// Jobs that had it, and keep its groups until what replaces it has delivered.
    holders: Vec<Arc<str>>,
}

#[derive(Debug, Default)]
struct Job {
    providers: Vec<u64>,
    held: Vec<u64>,
    /// It was reported once.
    synced: bool,
}

impl Ledger {
    /// Takes over `table`.
    pub(super) fn follow(&mut self, table: &JobTable) -> Effects {
        let mut effects = Effects::default();
        let mut before = std::mem::take(&mut self.jobs);
        for job in table.jobs() {
            let wanted = self.wanted(&job.config().sd_configs);
            let old = before.remove(job.name()).unwrap_or_default();
            let new = self.change(job.name(), wanted, old, &mut effects);
            self.jobs.insert(job.name().clone(), new);
        }
        for (name, job) in before {
            job.providers.iter().chain(&job.held).for_each(|key| self.hide(*key, &name, &mut effects));
        }
        self.resubscribe(&mut effects);
        effects
    }

    /// The providers for `configs`, each once, entered if new.
    fn wanted(&mut self, configs: &[SdConfig]) -> Vec<u64> {
        let mut wanted = Vec::with_capacity(configs.len());
        for config in configs {
            let mut key = config.fingerprint();
            // two unequal configs of one fingerprint: as likely as never, but sharing would mix up their targets
            while self.providers.get(&key).is_some_and(|provider| provider.config != *config) {
                key = key.wrapping_add(1);
            }
            self.providers.entry(key).or_insert_with(|| Provider::new(config.clone()));
            if !wanted.contains(&key) {
                wanted.push(key);
            }
        }
        wanted
    }

    fn change(&self, name: &Arc<str>, wanted: Vec<u64>, old: Job, effects: &mut Effects) -> Job {
        let is_synced = |key: &u64| self.providers.get(key).is_some_and(|provider| provider.synced);
        let complete = wanted.iter().all(is_synced);
        let seen: Vec<u64> = old.providers.iter().chain(&old.held).copied().filter(is_synced).collect();
        let left: Vec<u64> = seen.iter().copied().filter(|key| !wanted.contains(key)).collect();
        if complete {
            left.iter().for_each(|key| self.hide(*key, name, effects));
        }
        wanted.iter().filter(|key| !seen.contains(key)).for_each(|key| self.show(*key, name, effects));
        let mut job = Job { providers: wanted, held: if complete { Vec::new() } else { left }, synced: old.synced };
        if complete {
            job.report(name, effects);
        }
        job
    }

    /// Gives `job` all groups of a provider that has delivered.
    fn show(&self, key: u64, job: &Arc<str>, effects: &mut Effects) {
        let Some(provider) = self.providers.get(&key).filter(|provider| provider.synced) else { return };
        let groups = provider.groups.iter();
        effects.changes.extend(groups.map(|(source, group)| replace(job, key, source, group)));
    }

    /// Takes all groups of a provider from `job`.
    fn hide(&self, key: u64, job: &Arc<str>, effects: &mut Effects) {
        let Some(provider) = self.providers.get(&key).filter(|provider| provider.synced) else { return };
        effects.changes.extend(provider.groups.keys().map(|source| remove(job, key, source)));
    }

    /// Derives who subscribes to what from the jobs; starts, stops and forgets providers accordingly.
    fn resubscribe(&mut self, effects: &mut Effects) {
        for provider in self.providers.values_mut() {
            provider.subscribers.clear();
            provider.holders.clear();
        }
        for (name, job) in &self.jobs {
            for key in &job.providers {
                let Some(provider) = self.providers.get_mut(key) else { continue };
                provider.subscribers.push(name.clone());
                if !provider.running {
                    provider.running = true;
                    effects.start.push(*key);
                }
            }
            for key in &job.held {
                self.providers.get_mut(key).into_iter().for_each(|provider| provider.holders.push(name.clone()));
            }
        }
        self.providers.retain(|key, provider| {
            if provider.subscribers.is_empty() && provider.running {
                provider.running = false;
                effects.stop.push(*key);
            }
            provider.is_of_use(*key, effects)
        });
    }

    /// Takes in what a provider found.
    pub(super) fn deliver(&mut self, delivery: Delivery, effects: &mut Effects) {
        let Delivery { provider: key, run, news } = delivery;
        let Some(provider) = self.providers.get_mut(&key).filter(|provider| provider.running) else { return };
        match news {
            News::Begin if run >= provider.run => {
                provider.run = run;
                provider.relisting = Some(HashSet::new());
            }
            _ if run != provider.run => {} // from a run that was stopped
            News::Begin => {}
            News::Groups(groups) => groups.into_iter().for_each(|group| provider.update(key, group, effects)),
            News::Synced => self.synced(key, effects),
        }
    }

    fn synced(&mut self, key: u64, effects: &mut Effects) {
        let Some(provider) = self.providers.get_mut(&key) else { return };
        provider.drop_unlisted(key, effects);
        if std::mem::replace(&mut provider.synced, true) {
            return;
        }
        for name in provider.subscribers.clone() {
            self.settle(key, &name, effects);
        }
        self.providers.retain(|key, provider| provider.is_of_use(*key, effects));
    }

    /// `key` has delivered for the first time: `name` sees it, and what it held for its sake goes.
    fn settle(&mut self, key: u64, name: &Arc<str>, effects: &mut Effects) {
        let Some(mut job) = self.jobs.remove(name) else { return };
        if job.providers.iter().all(|key| self.providers.get(key).is_some_and(|provider| provider.synced)) {
            for held in std::mem::take(&mut job.held) {
                self.hide(held, name, effects);
                self.providers.get_mut(&held).into_iter().for_each(|held| held.holders.retain(|job| job != name));
            }
            job.report(name, effects);
        }
        self.show(key, name, effects);
        effects.settled.push(name.clone());
        self.jobs.insert(name.clone(), job);
    }

    pub(super) fn config(&self, key: u64) -> Option<&SdConfig> {
        self.providers.get(&key).map(|provider| &provider.config)
    }

    pub(super) fn jobs_of(&self, key: u64) -> Vec<Arc<str>> {
        self.providers.get(&key).map(|provider| provider.subscribers.clone()).unwrap_or_default()
    }

    /// Groups, targets, synced.
    pub(super) fn counts(&self, key: u64) -> Option<(usize, usize, bool)> {
        self.providers.get(&key).map(|provider| (provider.groups.len(), provider.targets, provider.synced))
    }

    /// Each job, whether it is synced, and the providers whose groups it may see.
    pub(super) fn jobs(&self) -> impl Iterator<Item = (&Arc<str>, bool, Vec<u64>)> {
        let jobs = self.jobs.iter();
        jobs.map(|(name, job)| (name, job.synced, job.providers.iter().chain(&job.held).copied().collect()))
    }
}

impl Job {
    fn report(&mut self, name: &Arc<str>, effects: &mut Effects) {
        if !std::mem::replace(&mut self.synced, true) {
            effects.synced.push(name.clone());
        }
    }
}

impl Provider {
    fn new(config: SdConfig) -> Self {
        Self {
            config,
            groups: HashMap::new(),
            targets: 0,
            synced: false,
            relisting: None,
            run: 0,
            running: false,
            subscribers: Vec::new(),
            holders: Vec::new(),
        }
    }

    fn is_of_use(&self, key: u64, effects: &mut Effects) -> bool {
        let of_use = !(self.subscribers.is_empty() && self.holders.is_empty());
        if !of_use {
            effects.forgotten.push(key);
        }
        of_use
    }

    /// Takes in one group; its jobs hear of it if it differs and the provider has delivered everything before.
    fn update(&mut self, key: u64, (source, group): NamedGroup, effects: &mut Effects) {
        if let Some(named) = &mut self.relisting {
            named.insert(source.clone());
        }
        let old = self.groups.get(&source);
        if old.map_or(group.is_empty(), |old| !group.is_empty() && old.content_hash() == group.content_hash()) {
            return;
        }
        self.targets = self.targets + group.len() - old.map_or(0, |old| old.len());
        if self.synced {
            let jobs = self.subscribers.iter().chain(&self.holders);
            let change =
                |job| if group.is_empty() { remove(job, key, &source) } else { replace(job, key, &source, &group) };
            effects.changes.extend(jobs.map(change));
        }
        if group.is_empty() {
            self.groups.remove(&source);
        } else {
            self.groups.insert(source, group);
        }
    }

    /// A listing is complete: what it did not name is gone.
    fn drop_unlisted(&mut self, key: u64, effects: &mut Effects) {
        let Some(named) = self.relisting.take() else { return };
        let gone: Vec<_> = self.groups.keys().filter(|source| !named.contains(*source)).cloned().collect();
        for source in gone {
            self.update(key, (source, Arc::default()), effects);
        }
    }
}

fn group_key(job: &Arc<str>, provider: u64, source: &Arc<str>) -> GroupKey {
    GroupKey { job: job.clone(), provider, source: source.clone() }
}

fn replace(job: &Arc<str>, provider: u64, source: &Arc<str>, group: &Arc<TargetGroup>) -> GroupChange {
    GroupChange::Replace(group_key(job, provider, source), group.clone())
}

fn remove(job: &Arc<str>, provider: u64, source: &Arc<str>) -> GroupChange {
    GroupChange::Remove(group_key(job, provider, source))
}
