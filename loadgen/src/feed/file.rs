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
        replace_file(&self.directory.join(format!("job-{job:05}.json")), &job_json(world, job))
    }
}

/// Writes a file beside and renames it into place.
pub(super) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    std::fs::write(&beside, content)?;
    std::fs::rename(&beside, path)
}
