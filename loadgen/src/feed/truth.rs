//! Where the feed's knowledge of what exists goes: a ledger in this process, or a file that another process follows.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::file::{FileFeed, Staged};
use super::world::{World, WorldChange};
use crate::ledger::{Ledger, Truth};
use crate::protocol::Fingerprint;
use crate::stats::lock;

/// Something that wants to know what exists.
pub trait ChangeSink: Send {
    /// All targets of one job that exist from the start.
    ///
    /// # Errors
    /// The sink cannot be written.
    fn initial(&mut self, targets: &[Fingerprint]) -> io::Result<()>;

    /// A change that nobody sees yet; the allocator may from the moment this returns.
    ///
    /// # Errors
    /// The sink cannot be written.
    fn change(&mut self, change: &WorldChange) -> io::Result<()>;

    /// Tells all of a world's targets as existing from the start.
    ///
    /// # Errors
    /// The sink cannot be written.
    fn initial_world(&mut self, world: &World) -> io::Result<()> {
        (0..world.synth().jobs()).try_for_each(|job| self.initial(&world.fingerprints(job)))
    }
}

/// Tells a change and lets the allocator see it, in this order: a removal told after a collector gave the target up would
/// count it as lost. The files are made before, so that making them is not part of the time until the change is known.
///
/// An http feed serves the world itself: hold its lock from before the change until this returns.
///
/// # Errors
/// The sink or a file cannot be written.
pub fn show(
    change: &WorldChange,
    world: &World,
    files: Option<&FileFeed>,
    sink: &mut dyn ChangeSink,
) -> io::Result<()> {
    let stage = |files: &FileFeed| change.jobs.iter().map(|job| files.stage(world, *job)).collect();
    let staged: Vec<Staged> = files.map_or_else(|| Ok(Vec::new()), stage)?;
    sink.change(change)?;
    staged.into_iter().try_for_each(Staged::publish)
}

/// Tells a ledger of this process.
#[derive(Debug, Clone)]
pub struct LedgerSink {
    ledger: Arc<Mutex<Ledger>>,
    clock: Instant,
}

impl LedgerSink {
    /// `clock` is the instant the ledger calls zero.
    pub fn new(ledger: Arc<Mutex<Ledger>>, clock: Instant) -> Self {
        LedgerSink { ledger, clock }
    }
}

impl ChangeSink for LedgerSink {
    fn initial(&mut self, targets: &[Fingerprint]) -> io::Result<()> {
        let (at, mut ledger) = (self.clock.elapsed(), lock(&self.ledger));
        targets.iter().for_each(|target| ledger.tell(at, Truth::Added, *target, None));
        Ok(())
    }

    fn change(&mut self, change: &WorldChange) -> io::Result<()> {
        tell(&mut lock(&self.ledger), self.clock.elapsed(), &change.facts);
        Ok(())
    }
}

fn tell(ledger: &mut Ledger, at: Duration, facts: &[(Truth, Fingerprint)]) {
    let id = ledger.begin_change(at);
    for (truth, target) in facts {
        ledger.tell(at, *truth, *target, Some(id));
    }
    ledger.end_change(id, at);
}

/// One line of a truth file. Numbers are written in full; identities as hexadecimal text, as JSON numbers end at 2⁵³.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// Unix time, ms.
    at: u64,
    /// True for what existed from the start.
    #[serde(default)]
    initial: bool,
    /// `+` added, `-` removed, `~` updated; identity; content.
    facts: Vec<(char, String, u32)>,
}

/// Writes JSON lines for a [`TruthReader`].
#[derive(Debug)]
pub struct TruthFile(BufWriter<File>);

impl TruthFile {
    /// Creates or empties the file.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        File::create(path).map(|file| TruthFile(BufWriter::new(file)))
    }

    fn write(&mut self, initial: bool, facts: impl Iterator<Item = (Truth, Fingerprint)>) -> io::Result<()> {
        let facts = facts.map(|(truth, target)| (sign(truth), format!("{:016x}", target.identity), target.content));
        let line = Line { at: unix_millis(), initial, facts: facts.collect() };
        serde_json::to_writer(&mut self.0, &line)?;
        self.0.write_all(b"\n")?;
        self.0.flush()
    }
}

impl ChangeSink for TruthFile {
    fn initial(&mut self, targets: &[Fingerprint]) -> io::Result<()> {
        self.write(true, targets.iter().map(|target| (Truth::Added, *target)))
    }

    fn change(&mut self, change: &WorldChange) -> io::Result<()> {
        self.write(false, change.facts.iter().copied())
    }
}

fn sign(truth: Truth) -> char {
    match truth {
        Truth::Added => '+',
        Truth::Removed => '-',
        Truth::Updated => '~',
    }
}

fn unix_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

/// Follows a truth file another process writes.
#[derive(Debug)]
pub struct TruthReader {
    file: BufReader<File>,
    partial: String,
    ledger: Arc<Mutex<Ledger>>,
    clock: Instant,
}

impl TruthReader {
    /// Opens the file; `clock` is the instant the ledger calls zero.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path, ledger: Arc<Mutex<Ledger>>, clock: Instant) -> io::Result<Self> {
        Ok(TruthReader { file: BufReader::new(File::open(path)?), partial: String::new(), ledger, clock })
    }

    /// Takes in all complete lines there are now; gives their number.
    ///
    /// # Errors
    /// Reading fails, or a line is not one a [`TruthFile`] writes.
    pub fn pump(&mut self) -> io::Result<usize> {
        let mut lines = 0;
        loop {
            self.file.read_line(&mut self.partial)?;
            if !self.partial.ends_with('\n') {
                return Ok(lines);
            }
            let line: Line = serde_json::from_str(&self.partial)?;
            self.partial.clear();
            self.take(line)?;
            lines += 1;
        }
    }

    fn take(&mut self, line: Line) -> io::Result<()> {
        let ago = Duration::from_millis(unix_millis().saturating_sub(line.at));
        let at = if line.initial { Duration::ZERO } else { self.clock.elapsed().saturating_sub(ago) };
        let facts: Vec<(Truth, Fingerprint)> = line.facts.iter().map(fact).collect::<io::Result<_>>()?;
        let mut ledger = lock(&self.ledger);
        if line.initial {
            facts.iter().for_each(|(truth, target)| ledger.tell(at, *truth, *target, None));
        } else {
            tell(&mut ledger, at, &facts);
        }
        Ok(())
    }
}

fn fact((sign, identity, content): &(char, String, u32)) -> io::Result<(Truth, Fingerprint)> {
    let bad = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let truth = match sign {
        '+' => Truth::Added,
        '-' => Truth::Removed,
        '~' => Truth::Updated,
        other => return Err(bad(format!("truth file: unknown sign {other:?}"))),
    };
    let identity = u64::from_str_radix(identity, 16).map_err(|error| bad(format!("truth file: {error}")))?;
    Ok((truth, Fingerprint { identity, content: *content }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{Churn, ChurnKind, ChurnOptions};
    use crate::synth::{Synth, SynthOptions};

    #[test]
    fn a_truth_file_says_the_same_as_a_ledger_told_directly() {
        let path = tempfile::tempdir().unwrap().keep().join("truth.jsonl");
        let (direct, followed, clock) =
            (Arc::<Mutex<Ledger>>::default(), Arc::<Mutex<Ledger>>::default(), Instant::now());
        let mut world = World::new(Synth::new(SynthOptions::default()).unwrap());
        let mut file = TruthFile::create(&path).unwrap();
        let mut sink = LedgerSink::new(direct.clone(), clock);
        file.initial_world(&world).unwrap();
        sink.initial_world(&world).unwrap();
        let mut reader = TruthReader::open(&path, followed.clone(), clock).unwrap();
        assert_eq!(reader.pump().unwrap(), 10);
        let mut churn = Churn::new(ChurnOptions { kind: ChurnKind::NodeLoss, rate: 30.0, seed: 1 });
        let change = churn.advance(&mut world, 1.0);
        file.change(&change).unwrap();
        sink.change(&change).unwrap();
        assert_eq!(reader.pump().unwrap(), 1);
        let (direct, followed) = (lock(&direct).now(), lock(&followed).now());
        assert_eq!(direct, followed);
        assert_eq!(direct.existing as u64, world.target_count());
    }

    #[test]
    fn a_broken_truth_file_is_an_error() {
        let path = tempfile::tempdir().unwrap().keep().join("truth.jsonl");
        for text in ["{}\n", "{\"at\":1,\"facts\":[[\"?\",\"00\",1]]}\n", "{\"at\":1,\"facts\":[[\"+\",\"xyz\",1]]}\n"]
        {
            std::fs::write(&path, text).unwrap();
            let mut reader = TruthReader::open(&path, Arc::default(), Instant::now()).unwrap();
            assert!(reader.pump().is_err(), "{text}");
        }
    }

    /// Looks at what is shown at the moment it is told.
    struct Watcher(std::path::PathBuf, Vec<u8>);

    impl ChangeSink for Watcher {
        fn initial(&mut self, _: &[Fingerprint]) -> io::Result<()> {
            Ok(())
        }
        fn change(&mut self, _: &WorldChange) -> io::Result<()> {
            self.1 = std::fs::read(&self.0)?;
            Ok(())
        }
    }

    #[test]
    fn a_change_is_told_before_it_is_shown() {
        let directory = tempfile::tempdir().unwrap();
        let (files, path) = (FileFeed::new(directory.path()).unwrap(), directory.path().join("job-00000.json"));
        let mut world = World::new(Synth::new(SynthOptions::default()).unwrap());
        files.write(&world, 0).unwrap();
        let before = std::fs::read(&path).unwrap();
        let (mut change, mut sink) = (WorldChange::default(), Watcher(path.clone(), Vec::new()));
        world.touch_labels(0, 0, &mut change);
        show(&change, &world, Some(&files), &mut sink).unwrap();
        assert!(sink.1 == before, "shown before it was told");
        assert!(std::fs::read(&path).unwrap() == crate::feed::job_json(&world, 0));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside");
    }
}
