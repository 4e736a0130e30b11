//! Objects change while the API server does at random whatever API servers do. What must hold: nothing that exists is
//! ever missed or taken away, and in the end everybody sees what there is, by what they were told of changes alone.
#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

mod mock_api;

use std::collections::BTreeMap;
use std::time::Duration;

use mock_api::{Ask, Seen, Server, Stream, Things, bookmark, end_of_list, event, gone, list, thing};
use ta_discovery::{Condition, WatchSettings};

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What there is, and how it came about.
#[derive(Default)]
struct World {
    version: u64,
    objects: BTreeMap<String, (i64, u64)>,
    /// Lines of watches, by version.
    log: Vec<(u64, String)>,
    /// Older versions are gone.
    compacted: u64,
    /// Lists under way, by the version they are of.
    lists: BTreeMap<u64, Vec<String>>,
}

/// Objects that are there from the beginning and are never deleted.
const LASTING: usize = 5;

impl World {
    fn put(&mut self, name: String, value: i64) {
        self.version += 1;
        let kind = if self.objects.contains_key(&name) { "MODIFIED" } else { "ADDED" };
        self.log.push((self.version, event(kind, &thing(&name, value, self.version))));
        self.objects.insert(name, (value, self.version));
    }

    fn change(&mut self, random: &mut Random) {
        let name = format!("o{}", random.below(20));
        let passes = name.trim_start_matches('o').parse::<usize>().is_ok_and(|n| n >= LASTING);
        if passes && random.percent(40) {
            if let Some((value, _)) = self.objects.remove(&name) {
                self.version += 1;
                self.log.push((self.version, event("DELETED", &thing(&name, value, self.version))));
            }
        } else {
            self.put(name, random.below(3) as i64);
        }
        if random.percent(3) {
            self.compacted = self.version;
            self.lists.clear();
        }
    }

    fn all(&self) -> Vec<String> {
        self.objects.iter().map(|(name, (value, version))| thing(name, *value, *version)).collect()
    }

    fn since(&self, version: u64) -> impl Iterator<Item = &(u64, String)> {
        self.log.iter().filter(move |(at, _)| *at > version)
    }

    fn page(&mut self, ask: &Ask) -> Option<String> {
        let (version, from): (u64, usize) = match ask.get("continue").split_once(':') {
            Some((version, from)) => (version.parse().unwrap(), from.parse().unwrap()),
            None => {
                let all = self.all();
                self.lists.insert(self.version, all);
                (self.version, 0)
            }
        };
        let objects = self.lists.get(&version)?;
        let limit = ask.get("limit").parse().unwrap_or(usize::MAX);
        let to = from.saturating_add(limit).min(objects.len());
        let more = if to < objects.len() { format!("{version}:{to}") } else { String::new() };
        Some(list(version, &more, &objects[from..to]))
    }
}

struct Chaos {
    random: Random,
    server: Server,
    world: World,
    /// Open watches, and up to where they have been told.
    streams: Vec<(Stream, u64)>,
    seen: Seen<Things>,
    /// What a subscriber knows that looks only where it is told to.
    mirror: BTreeMap<String, i64>,
    /// Percent of what goes wrong.
    trouble: u64,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let streaming_lists = seed.is_multiple_of(2);
        let server = Server::new(WatchSettings { page_size: 4, streaming_lists, ..WatchSettings::default() });
        let seen = server.subscribe();
        let mut world = World::default();
        (0..LASTING).for_each(|n| world.put(format!("o{n}"), 0));
        let random = Random(seed + 0x9E37_79B9_7F4A_7C15);
        Self { random, server, world, streams: Vec::new(), seen, mirror: BTreeMap::new(), trouble: 12 }
    }

    async fn step(&mut self) {
        for _ in 0..self.random.below(4) {
            self.world.change(&mut self.random);
        }
        let wait = Duration::from_millis(self.random.below(4000));
        if let Some(ask) = self.server.next_within(wait).await {
            self.answer(ask);
        }
        for index in (0..self.streams.len()).rev() {
            self.tell(index);
        }
        if self.random.percent(70) {
            self.look();
        }
    }

    fn answer(&mut self, ask: Ask) {
        match self.random.below(100) {
            n if n < self.trouble => drop(ask), // the connection breaks
            n if n < self.trouble * 2 => {
                let status = [401, 403, 429, 500, 503, 504][self.random.below(6) as usize];
                ask.refuse(status, "no");
            }
            _ if ask.get("sendInitialEvents") == "true" => self.stream_list(ask),
            _ if ask.is_watch() => self.watch(ask),
            _ => self.page(ask),
        }
    }

    fn page(&mut self, ask: Ask) {
        let Some(text) = self.world.page(&ask) else { return ask.refuse(410, "expired") };
        if !self.random.percent(self.trouble) {
            return ask.json(200, &text);
        }
        let stream = ask.stream();
        stream.send(text[..self.random.below(text.len() as u64) as usize].to_owned());
        if self.random.percent(50) {
            stream.reset();
        }
    }

    fn stream_list(&mut self, ask: Ask) {
        if self.random.percent(self.trouble / 3) {
            return ask.refuse(422, "no streams here");
        }
        let stream = ask.stream();
        for object in self.world.all() {
            stream.send(event("ADDED", &object));
        }
        if !self.random.percent(self.trouble) {
            stream.send(end_of_list(self.world.version));
            self.streams.push((stream, self.world.version));
        }
    }

    fn watch(&mut self, ask: Ask) {
        let version = ask.get("resourceVersion").parse().unwrap();
        if version >= self.world.compacted {
            self.streams.push((ask.stream(), version));
        } else if self.random.percent(50) {
            ask.refuse(410, "too old");
        } else {
            ask.stream().send(gone());
        }
    }

    /// Tells one watch what is new, or ends it.
    fn tell(&mut self, index: usize) {
        let (stream, version) = &mut self.streams[index];
        if !stream.is_read() {
            self.streams.swap_remove(index);
            return;
        }
        let lines: String = self.world.since(*version).map(|(_, line)| &**line).collect();
        *version = self.world.version;
        let end = self.random.below(100);
        let cut = if end < self.trouble { self.random.below(lines.len() as u64 + 1) as usize } else { lines.len() };
        let middle = self.random.below(cut as u64 + 1) as usize;
        stream.send(lines[..middle].to_owned());
        stream.send(lines[middle..cut].to_owned());
        if end >= self.trouble {
            if self.random.percent(20) {
                stream.send(bookmark(*version));
            }
            return;
        }
        let (stream, _) = self.streams.swap_remove(index);
        match self.random.below(4) {
            0 => {} // ends in good order
            1 => stream.reset(),
            2 => stream.send("\n%%% garbage\n"),
            _ => stream.send(String::from("\n") + &gone()),
        }
    }

    /// Looks where changes were told.
    fn look(&mut self) {
        for key in self.seen.subscription.take_changes() {
            match self.seen.subscription.get(&key) {
                Some(thing) => self.mirror.insert(key.name.to_string(), thing.value),
                None => self.mirror.remove(&*key.name),
            };
        }
        if self.seen.subscription.synced() {
            let mut things = self.seen.things();
            things.retain(|(name, _)| name[1..].parse::<usize>().unwrap() < LASTING);
            assert_eq!(things.len(), LASTING, "what exists was taken away");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn everybody_sees_what_there_is_once_the_trouble_is_over_and_loses_nothing_meanwhile() {
    for seed in 0..60 {
        let mut chaos = Chaos::new(seed);
        for _ in 0..300 {
            chaos.step().await;
        }
        chaos.trouble = 0;
        for _ in 0..40 {
            chaos.step().await; // pauses have grown to 45 s at most
        }
        let version = chaos.world.version;
        for _ in 0..100 {
            if let Some(ask) = chaos.server.next_within(Duration::from_secs(2)).await {
                chaos.answer(ask);
            }
            (0..chaos.streams.len()).rev().for_each(|index| chaos.tell(index));
        }
        chaos.look();
        assert_eq!(chaos.world.version, version);
        let world: Vec<_> = chaos.world.objects.iter().map(|(name, (value, _))| (name.clone(), *value)).collect();
        assert_eq!(chaos.seen.things(), world, "seed {seed}");
        assert_eq!(chaos.mirror.into_iter().collect::<Vec<_>>(), world, "seed {seed}");
        assert_eq!(chaos.seen.subscription.condition(), Condition::Watching);
    }
}
