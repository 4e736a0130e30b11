//! The thread `engine`: wakes when anything changed, computes, publishes, rests.
//!
//! ```text
//!            wake                     published
//!   idle ───────────► step ─────────────────────────► rest
//!    ▲                 ▲                               │ for max(min_interval, last step); warms bodies meanwhile
//!    │                 └──────── a wake came ──────────┤
//!    └────────────────────────── none came ────────────┘
//! ```
//!
//! Level-triggered: store, job table and collectors set one flag. The first change after a quiet time acts at once; what
//! arrives during step and rest is in the next step; nothing is queued. Under constant change at most half the time is
//! spent computing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ta_discovery::Fleet;
use ta_engine::{Engine, Phase, StepInput, StepReport};
use ta_model::job_table::JobTable;
use tokio::sync::{oneshot, watch};

/// The flag that something changed. Clones are one flag.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wake(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    is_set: bool,
    is_stopped: bool,
}

impl Wake {
    /// Says that something changed. Cheap; never blocks for longer than another such call takes.
    pub(crate) fn set(&self) {
        self.change(|state| state.is_set = true);
    }

    /// Ends the thread after the step it is in.
    pub(crate) fn stop(&self) {
        self.change(|state| state.is_stopped = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.0.changed.notify_all();
    }

    /// Sleeps until set, and calls `tidy` now and then until it says that nothing is left to do. False = stopped.
    fn wait(&self, mut tidy: impl FnMut() -> bool) -> bool {
        /// Between two looks for snapshots that slow readers have let go.
        const TIDY_EVERY: Duration = Duration::from_secs(1);
        let idle = |state: &mut State| !state.is_set && !state.is_stopped;
        while !self.is_pending() && !tidy() {
            let state = self.0.changed.wait_timeout_while(self.lock(), TIDY_EVERY, idle);
            drop(state.unwrap_or_else(PoisonError::into_inner));
        }
        let state = self.0.changed.wait_while(self.lock(), idle);
        !state.unwrap_or_else(PoisonError::into_inner).is_stopped
    }

    /// Sleeps until `deadline`, set or not. False = stopped.
    fn rest_until(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let state = self.0.changed.wait_timeout_while(self.lock(), left, |state| !state.is_stopped);
        !state.unwrap_or_else(PoisonError::into_inner).0.is_stopped
    }

    /// Whether there is a reason to stop warming bodies.
    fn is_pending(&self) -> bool {
        let state = *self.lock();
        state.is_set || state.is_stopped
    }

    fn clear(&self) {
        self.lock().is_set = false;
    }

    /// The two flags stay true whatever happened to another holder.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a step reads.
#[derive(Clone, Debug)]
pub(crate) struct Inputs {
    pub(crate) jobs: watch::Receiver<Arc<JobTable>>,
    pub(crate) fleet: watch::Receiver<Fleet>,
}

impl Inputs {
    fn read(&self) -> StepInput {
        StepInput { jobs: self.jobs.borrow().clone(), collectors: self.fleet.borrow().collectors() }
    }
}

/// How long a step took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StepTimes {
    /// All of it.
    pub(crate) total: Duration,
    /// Resolving changed groups and laying out their jobs.
    pub(crate) resolve: Duration,
    /// Choosing collectors.
    pub(crate) place: Duration,
}

/// Told after each step, on the engine's thread.
pub(crate) type OnStep = Box<dyn FnMut(&StepReport, StepTimes) + Send>;

/// Starts the thread. The receiver tells how it ended: an error is a panic's text; a stop is none.
pub(crate) fn spawn(
    engine: Engine,
    inputs: Inputs,
    wake: Wake,
    min_interval: Duration,
    on_step: OnStep,
) -> std::io::Result<oneshot::Receiver<Result<(), String>>> {
    let (ended, receiver) = oneshot::channel();
    std::thread::Builder::new().name("engine".into()).spawn(move || {
        let ran = catch_unwind(AssertUnwindSafe(|| run(engine, &inputs, &wake, min_interval, on_step)));
        // nobody listens any more if the process is ending already
        drop(ended.send(ran.map_err(|panic| panic_text(&*panic))));
    })?;
    Ok(receiver)
}

fn run(mut engine: Engine, inputs: &Inputs, wake: &Wake, min_interval: Duration, mut on_step: OnStep) {
    let mut rested_at = Instant::now();
    while wake.wait(|| engine.free_retired()) && wake.rest_until(rested_at) {
        wake.clear(); // before reading: what comes from here on is for the next step
        let (report, times) = timed_step(&mut engine, &inputs.read());
        rested_at = Instant::now() + times.total.max(min_interval);
        on_step(&report, times);
        engine.warm(&|| wake.is_pending());
    }
}

fn timed_step(engine: &mut Engine, input: &StepInput) -> (StepReport, StepTimes) {
    let begun = Instant::now();
    let mut last = begun;
    let mut times = StepTimes::default();
    let report = engine.step_observed(input, &mut |ended| {
        let now = Instant::now();
        match ended {
            Phase::Resolve => times.resolve = now - last,
            Phase::Place => times.place = now - last,
            Phase::Take | Phase::Publish => {}
        }
        last = now;
    });
    times.total = begun.elapsed();
    (report, times)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panicked".into())
}

/// Sets `wake` whenever the channel changes, until its sender is gone.
pub(crate) async fn wake_on_change<T>(mut receiver: watch::Receiver<T>, wake: Wake) {
    while receiver.changed().await.is_ok() {
        wake.set();
    }
}

#[cfg(test)]
mod tests {
    use ta_engine::{EngineOptions, TargetStore};
    use tokio::sync::watch;

    use super::*;

    fn mk_inputs() -> Inputs {
        Inputs { jobs: watch::channel(Arc::new(JobTable::empty())).1, fleet: watch::channel(Fleet::Unknown).1 }
    }

    /// Starts a thread whose wake-ups are counted; it rests `min_interval` after each.
    fn mk_thread(min_interval: Duration, on_step: OnStep) -> (Wake, oneshot::Receiver<Result<(), String>>) {
        let options = EngineOptions { threads: 1, ..EngineOptions::default() };
        let engine = Engine::new(&options, TargetStore::new()).unwrap();
        let wake = Wake::default();
        let ended = spawn(engine, mk_inputs(), wake.clone(), min_interval, on_step).unwrap();
        (wake, ended)
    }

    #[test]
    fn it_steps_once_for_many_wakes_and_ends_when_stopped() {
        let (stepped, steps) = std::sync::mpsc::channel();
        let (wake, ended) = mk_thread(Duration::from_secs(3_600), Box::new(move |_, _| stepped.send(()).unwrap()));
        wake.set();
        steps.recv().unwrap();
        (0..10).for_each(|_| wake.set()); // it rests for an hour now
        wake.stop();
        assert_eq!(ended.blocking_recv().unwrap(), Ok(()));
        assert_eq!(steps.try_iter().count(), 0);
    }

    #[test]
    fn a_panic_in_it_is_told() {
        let (wake, ended) = mk_thread(Duration::ZERO, Box::new(|_, _| panic!("out of cheese")));
        wake.set();
        assert_eq!(ended.blocking_recv().unwrap(), Err("out of cheese".to_owned()));
    }

    #[test]
    fn wakes_coalesce_and_stop_wins() {
        let wake = Wake::default();
        wake.set();
        wake.set();
        assert!(wake.wait(|| true) && wake.is_pending());
        wake.clear();
        assert!(!wake.is_pending());
        wake.set();
        wake.stop();
        assert!(!wake.wait(|| true) && !wake.rest_until(Instant::now()));
    }

    #[test]
    fn a_wake_does_not_cut_the_rest_short() {
        let wake = Wake::default();
        wake.set();
        let deadline = Instant::now() + Duration::from_millis(20);
        assert!(wake.rest_until(deadline));
        assert!(Instant::now() >= deadline);
    }
}
