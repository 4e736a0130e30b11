//! A wall clock that can be set for allocator processes only, without root: libfaketime, which the dynamic linker loads
//! into them. Clocks that nobody can set (`CLOCK_MONOTONIC`) are left alone.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};

/// Where Debian's package puts it, below `/usr/lib/<architecture>`.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
/// Two clocks that differ by less show the same time: an answer's `Date` is in whole seconds, and answers take time.
const TOLERANCE: Duration = Duration::from_secs(20);

/// The clock of all allocator processes of a scenario.
#[derive(Debug)]
pub(super) struct Clock {
    library: PathBuf,
    file: PathBuf,
    /// Seconds it is ahead of ours.
    ahead: i64,
}

impl Clock {
    /// A clock that shows the right time so far.
    ///
    /// # Errors
    /// There is no libfaketime here, or the directory cannot be written to.
    pub(super) fn new(directory: &Path, library: Option<&Path>) -> anyhow::Result<Self> {
        let library = match library {
            Some(given) if given.is_file() => given.to_owned(),
            Some(given) => bail!("--libfaketime: {} is no file", given.display()),
            None => {
                find().context("steps that set the clock need it: apt-get install libfaketime, or --libfaketime")?
            }
        };
        let clock = Clock { library, file: directory.join("clock"), ahead: 0 };
        clock.write()?;
        Ok(clock)
    }

    /// Sets it on, or back.
    pub(super) fn jump(&mut self, seconds: i64) -> anyhow::Result<()> {
        self.ahead += seconds;
        self.write()
    }

    fn write(&self) -> anyhow::Result<()> {
        let beside = self.file.with_extension("tmp");
        std::fs::write(&beside, format!("{:+}\n", self.ahead))?;
        std::fs::rename(&beside, &self.file)?;
        Ok(())
    }

    /// What a process needs in its environment to follow it.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        [
            ("LD_PRELOAD", text(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE", text(&self.file)),
            // the file is looked at every second; at every call it would be opened a million times
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Whether this is the time it shows.
    pub(super) fn shows(&self, time: SystemTime) -> bool {
        let now = SystemTime::now();
        let ahead = Duration::from_secs(self.ahead.unsigned_abs());
        let shown = if self.ahead < 0 { now - ahead } else { now + ahead };
        let apart = shown.duration_since(time).or_else(|_| time.duration_since(shown));
        apart.is_ok_and(|apart| apart < TOLERANCE)
    }
}

fn find() -> anyhow::Result<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").context("read /usr/lib")?;
    let found = folders.flatten().map(|folder| folder.path().join(LIBRARY)).find(|path| path.is_file());
    found.with_context(|| format!("no /usr/lib/*/{LIBRARY}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_add_up() {
        let directory = tempfile::tempdir().unwrap();
        let mut clock = Clock { library: PathBuf::new(), file: directory.path().join("clock"), ahead: 0 };
        for (jump, text, ahead) in [(3600, "+3600\n", 3600), (-86_400, "-82800\n", -82_800)] {
            clock.jump(jump).unwrap();
            assert_eq!(std::fs::read_to_string(&clock.file).unwrap(), text);
            let shown =
                SystemTime::now() + Duration::from_secs(100_000) - Duration::from_secs((100_000 - ahead) as u64);
            assert!(clock.shows(shown) && !clock.shows(SystemTime::now()), "{jump}");
        }
    }
}
