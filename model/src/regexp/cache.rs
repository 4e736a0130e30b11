//! One program per text: thousands of jobs share a few dozen patterns.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use super::error::RegexpError;
use super::program::Program;

/// Entries are swept when their number reaches this, and whenever it doubles from there. Only programs in use are
/// kept alive: the cache holds no program itself.
const SWEEP_FROM: usize = 1024;

struct Cache {
    programs: HashMap<Box<str>, Weak<Program>>,
    sweep_at: usize,
}

static CACHE: LazyLock<Mutex<Cache>> =
    LazyLock::new(|| Mutex::new(Cache { programs: HashMap::new(), sweep_at: SWEEP_FROM }));

/// The program of `text`, compiled unless it is in use already.
pub(super) fn compiled(text: &str) -> Result<Arc<Program>, RegexpError> {
    if let Some(program) = CACHE.lock().unwrap_or_else(PoisonError::into_inner).get(text) {
        return Ok(program);
    }
    // outside the lock: compiling takes up to milliseconds
    let program = Arc::new(Program::new(text)?);
    Ok(CACHE.lock().unwrap_or_else(PoisonError::into_inner).insert(program))
}

impl Cache {
    fn get(&self, text: &str) -> Option<Arc<Program>> {
        self.programs.get(text)?.upgrade()
    }

    /// Adds `program`, unless another thread was faster: then that one's counts.
    fn insert(&mut self, program: Arc<Program>) -> Arc<Program> {
        if let Some(earlier) = self.get(program.text()) {
            return earlier;
        }
        if self.programs.len() >= self.sweep_at {
            self.programs.retain(|_, program| program.strong_count() > 0);
            self.sweep_at = (self.programs.len() * 2).max(SWEEP_FROM);
        }
        self.programs.insert(program.text().into(), Arc::downgrade(&program));
        program
    }
}
