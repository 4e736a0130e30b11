//! Polling of targets: one task and connection per job as the real client has it, or lanes that share connections.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::holding::{Holding, Poller};
use super::shared::JobName;
use super::ticker::Ticker;
use crate::client::Client;

/// Polls one job: at once, then every refresh interval, until cancelled.
pub(super) async fn run_alone(poller: Arc<Poller>, job: Arc<JobName>, mut client: Client, cancel: CancellationToken) {
    let mut holding = Holding::new(poller.clone(), job);
    let start = Instant::now();
    let mut ticker = Ticker::new(start, poller.shared.refresh());
    let polling = async {
        let mut intended = start;
        while holding.poll(&mut client, intended).await {
            let (due, dropped) = ticker.tick().await;
            poller.shared.stats.targets.count_missed(dropped);
            intended = due;
        }
    };
    tokio::select! {
        () = cancel.cancelled() => {}
        () = polling => {}
    }
}

/// What a lane is told.
#[derive(Debug)]
pub(super) enum LaneCommand {
    /// Poll this job from now on.
    Add(Arc<JobName>),
    /// Give it up.
    Remove(Arc<JobName>),
}

/// A connection that serves many jobs in turn.
///
/// A job's first poll is made as soon as its turn comes; from then on it has its own phase, so the polls of a lane are
/// spread over the interval instead of coming all at once.
#[derive(Debug)]
pub(super) struct Lane {
    poller: Arc<Poller>,
    client: Client,
    holdings: HashMap<Arc<str>, (u64, Holding)>,
    queue: BinaryHeap<Reverse<(Instant, u64, Arc<str>)>>,
    added: u64,
}

impl Lane {
    pub(super) fn new(poller: Arc<Poller>, client: Client) -> Self {
        Lane { poller, client, holdings: HashMap::new(), queue: BinaryHeap::new(), added: 0 }
    }

    /// Runs until cancelled.
    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<LaneCommand>, cancel: CancellationToken) {
        loop {
            let due = self.queue.peek().map(|Reverse((due, ..))| *due);
            let wait = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                command = commands.recv() => match command {
                    None => return,
                    Some(command) => self.obey(command),
                },
                () = wait => tokio::select! {
                    () = cancel.cancelled() => return,
                    more = self.poll_next() => if !more { return },
                }
            }
        }
    }

    fn obey(&mut self, command: LaneCommand) {
        match command {
            LaneCommand::Add(job) => {
                self.added += 1;
                self.queue.push(Reverse((Instant::now(), self.added, job.plain.clone())));
                let holding = Holding::new(self.poller.clone(), job.clone());
                self.holdings.insert(job.plain.clone(), (self.added, holding));
            }
            LaneCommand::Remove(job) => drop(self.holdings.remove(&job.plain)),
        }
    }

    async fn poll_next(&mut self) -> bool {
        let Some(Reverse((due, number, job))) = self.queue.pop() else { return true };
        // a job that left and came back has another number: its old turn is void
        let Some((_, holding)) = self.holdings.get_mut(&job).filter(|(current, _)| *current == number) else {
            return true;
        };
        let first = holding.never_polled();
        let intended = if first { Instant::now() } else { due };
        let more = holding.poll(&mut self.client, intended).await;
        let refresh = self.poller.shared.refresh();
        let mut next = intended + refresh;
        while next <= Instant::now() {
            self.poller.shared.stats.targets.count_missed(1);
            next += refresh;
        }
        self.queue.push(Reverse((next, number, job)));
        more
    }
}
