//! The process: from a command line to an exit code.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use anyhow::Context;

use crate::args::{self, Action, Args};
use crate::check::check;
use crate::config::{self, Config};
use crate::render::render;
use crate::signals::Signals;
use crate::sizing::{self, Limits};
use crate::wiring::Program;
use crate::{Environment, telemetry};

/// Runs the program and gives its exit code: 0 after a signal, `--help`, a good `check` or `render`; 2 for a bad command line; 1 for
/// anything else that ends it, with one clear sentence in the log.
pub fn main(line: impl IntoIterator<Item = OsString>, env: Environment) -> ExitCode {
    let args = match Args::parse(line) {
        Ok(args) => args,
        Err(error) => {
            drop(error.print()); // fails if the stream is closed: nobody to tell
            if error.use_stderr() && !error.to_string().contains("Usage:") {
                eprintln!("{}", args::usage());
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let (out, err) = (&mut io::stdout(), &mut io::stderr());
    // they fail only if the output is closed
    match &args.action {
        Action::Check => return check(&args, &env, out, err).unwrap_or(ExitCode::FAILURE),
        Action::Render(what) => {
            return render(&args, what, &env, &mut io::stdin(), out, err).unwrap_or(ExitCode::FAILURE);
        }
        Action::Run => {}
    }
    telemetry::init(args.log);
    match run(&args, &env) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args, env: &Environment) -> anyhow::Result<()> {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %args.config_file.display(), "starting");
    let config = load(args, env)?;
    let limits = Limits::detect(env);
    match sizing::raise_open_files() {
        Ok(open_files) => tracing::info!(cpus = limits.cpus, memory = limits.memory, open_files, "limits"),
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files: many collectors may not fit"),
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.http.threads.unwrap_or_else(|| limits.io_threads()))
        .thread_name("io")
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let ended = runtime.block_on(serve(config, env, limits));
    runtime.shutdown_background(); // a blocked file read must not keep the process
    ended
}

/// Loads the configuration; every problem is a line in the log, the error is the last one.
fn load(args: &Args, env: &Environment) -> anyhow::Result<Config> {
    let loaded = config::load(&args.config_file, env, &args.overrides).map_err(|error| {
        let mut lines = error.lines();
        if let config::ConfigError::Invalid { config, .. } = &error {
            lines.extend(config.missing_functions());
        }
        refuse(&lines)
    })?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    for warning in loaded.config.broken_clients() {
        tracing::warn!("{warning}");
    }
    match &loaded.config.missing_functions()[..] {
        [] => Ok(loaded.config),
        missing => Err(refuse(missing)),
    }
}

/// One problem is the error; of several each is a line.
fn refuse(lines: &[String]) -> anyhow::Error {
    match lines {
        [only] => anyhow::anyhow!("cannot start: {only}"),
        lines => {
            for line in lines {
                tracing::error!("{line}");
            }
            anyhow::anyhow!("cannot start: the configuration has {} problems, listed above", lines.len())
        }
    }
}

async fn serve(config: Config, env: &Environment, limits: Limits) -> anyhow::Result<()> {
    let mut signals = Signals::install().context("cannot install signal handlers")?;
    let program = Program::start(config, env, limits).await?;
    let (first, stop) = tokio::sync::oneshot::channel();
    let watch_signals = async move {
        let (name, _) = signals.next().await;
        tracing::info!(signal = name, "asked to stop");
        first.send(()).ok(); // nobody waits if the program has failed meanwhile
        let (name, code) = signals.next().await;
        tracing::warn!(signal = name, "asked again: stopping at once");
        #[expect(clippy::disallowed_methods, reason = "asked twice: nothing is worth waiting for any more")]
        std::process::exit(code);
    };
    tokio::select! {
        ended = program.run_until(async { drop(stop.await) }) => ended,
        () = watch_signals => Ok(()),
    }
}
