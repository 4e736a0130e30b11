//! The configuration file.

use std::path::PathBuf;
use std::sync::LazyLock;

use ta_server::Environment;
use ta_server::config::{ConfigError, load};

use crate::jobs::check_jobs;

/// A file of this process.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
    folder.join(format!("ta-fuzz-config-{}.yaml", std::process::id()))
});

/// `data` is the file.
pub fn check(data: &[u8]) {
    std::fs::write(&*FILE, data).expect("the folder for temporary files can be written to");
    let loaded = load(&FILE, &Environment::new(), &[]);
    drop(std::fs::remove_file(&*FILE));
    match loaded {
        Ok(loaded) => check_jobs(&loaded.config.jobs),
        Err(ConfigError::Invalid { problems, .. }) => {
            assert!(!problems.is_empty(), "refused for no reason");
            assert!(problems.iter().all(|problem| !problem.to_string().trim().is_empty()));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
