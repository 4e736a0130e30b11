//! The server process: the real router and accept loop over one share.

use std::io::{BufRead, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use ta_bench::serve::{router, share_path};
use ta_bench::{Loaded, Workload, collectors};
use ta_engine::StrategyKind;
use ta_server::http::{Limits, bind, serve};

/// What is served.
#[derive(Debug, Args)]
pub(crate) struct Setup {
    /// Targets of the share; 0 = none.
    #[arg(long)]
    pub(crate) targets: u64,
    /// Keep its body whole.
    #[arg(long)]
    pub(crate) whole: bool,
    #[arg(long)]
    pub(crate) threads: usize,
}

/// A running server; ends with this.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    pub(crate) address: SocketAddr,
    /// Of the share.
    pub(crate) path: String,
}

impl Child {
    pub(crate) fn start(setup: &Setup) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--targets", &setup.targets.to_string(), "--threads", &setup.threads.to_string()]);
        if setup.whole {
            command.arg("--whole");
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("the server's output")?).read_line(&mut line)?;
        let (address, path) = line.trim().split_once(' ').context("the server did not start")?;
        Ok(Self { process, address: address.parse()?, path: path.to_owned() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // it stops at the end of its input; should it not, the process is of no further use
        drop(self.process.stdin.take());
        drop(self.process.wait());
    }
}

/// An engine with the one share of `setup`.
fn load(setup: &Setup) -> Loaded {
    let workload = Workload::slices(setup.targets.max(1), 1, 10);
    let budget = if setup.whole { usize::MAX } else { 0 };
    let table = workload.table(true);
    let loaded = Loaded::with_budget(table, StrategyKind::ConsistentHashing, collectors(1), 1, budget);
    loaded.feed(&workload);
    loaded
}

/// The body of a share of so many targets.
pub(crate) fn body(targets: u64) -> Vec<u8> {
    if targets == 0 {
        return b"[]\n".to_vec();
    }
    let mut loaded = load(&Setup { targets, whole: false, threads: 1 });
    loaded.engine.step(&loaded.input);
    let snapshot = loaded.engine.last();
    snapshot.jobs().flat_map(|job| job.shares()).flat_map(|(_, share)| share.body()).flatten().collect()
}

/// Says its address and the share's path, then serves until standard input ends.
pub(crate) fn run(setup: &Setup) -> anyhow::Result<()> {
    let mut loaded = load(setup);
    let table = loaded.input.jobs.clone();
    let job = table.jobs()[0].name();
    loaded.store.writer().synced(job);
    loaded.engine.step(&loaded.input);
    loaded.engine.warm(&|| false);
    // of a collector that has nothing, if nothing is wanted
    let collector = if setup.targets == 0 { "nobody" } else { &collectors(1)[0].name.to_string() };
    let path = share_path(job, collector);

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(setup.threads).enable_all().build()?;
    let (address, serving) = runtime.block_on(async {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        let limits = Limits { drain: Duration::ZERO, ..Limits::default() };
        let shutdown = async move { drop(stopped.await) };
        anyhow::Ok((address, tokio::task::spawn(serve(listener, router(&loaded), limits, shutdown))))
    })?;
    let mut out = std::io::stdout();
    writeln!(out, "{address} {path}")?;
    out.flush()?;
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    drop(stop);
    runtime.block_on(serving)?;
    Ok(())
}

/// Time that all threads of a process have had a processor.
pub(crate) fn cpu_of(process: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let on_cpu = |thread: std::fs::DirEntry| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(threads.filter_map(on_cpu).sum::<u64>())
}
