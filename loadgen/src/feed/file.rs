//! Targets as file_sd files, one per job.

use std::io;
use std::path::{Path, PathBuf};

use super::world::{World, job_json};

/// Writes `job-<ordinal>.json` files into one directory, each by rename, so that no reader sees half a file.
#[derive(Debug, Clone)]
pub struct FileFeed {
    directory: PathBuf,
}

impl FileFeed {
    /// Makes the directory if it is missing.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        Ok(FileFeed { directory: directory.canonicalize()? })
    }

    /// The directory, absolute.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes one job's file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, world: &World, job: u32) -> io::Result<()> {
        self.stage(world, job)?.publish()
    }

    /// Writes one job's file beside its place: the slow part, which nobody sees.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn stage(&self, world: &World, job: u32) -> io::Result<Staged> {
        let path = self.directory.join(format!("job-{job:05}.json"));
        let staged = Staged { beside: path.with_extension("tmp"), path };
        std::fs::write(&staged.beside, job_json(world, job))?;
        Ok(staged)
    }
}

/// A file that lies beside its place.
#[derive(Debug)]
#[must_use]
pub struct Staged {
    beside: PathBuf,
    path: PathBuf,
}

impl Staged {
    /// Renames it into place; the allocator sees it from now on.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn publish(self) -> io::Result<()> {
        std::fs::rename(&self.beside, &self.path)
    }
}
