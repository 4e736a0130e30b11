//! `/debug/pprof/`: the part of Go's profiler that has a meaning here, in its format.

use hyper::{Response, StatusCode, Uri};

use super::{Body, Query, respond};

/// What Go calls them, and what there is.
const INDEX: &str = "/debug/pprof/\n\n\
    profile?seconds=30  CPU profile, gzipped protobuf: go tool pprof http://HOST:PORT/debug/pprof/profile?seconds=30\n\
    cmdline             the command line, separated by NUL\n\
    symbol              always says that the profile carries its own symbols\n";

pub(crate) async fn answer(uri: Uri) -> Response<Body> {
    match uri.path().strip_prefix("/debug/pprof/").unwrap_or_default() {
        "" => respond::typed("text/plain; charset=utf-8", INDEX),
        "cmdline" => {
            let line = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<_>>();
            respond::typed("text/plain; charset=utf-8", line.join("\0"))
        }
        "symbol" => respond::typed("text/plain; charset=utf-8", "num_symbols: 1\n"),
        "profile" => cpu::answer(Query::new(uri.query())).await,
        other => respond::text(
            StatusCode::NOT_FOUND,
            format!(
                "there is no profile {other:?}: of Go's profiles only the CPU profile exists here, at /debug/pprof/profile\n"
            ),
        ),
    }
}

#[cfg(feature = "cpu-profiling")]
mod cpu {
    use std::time::Duration;

    use ::pprof::protos::Message;
    use ::pprof::{ProfilerGuard, ProfilerGuardBuilder};
    use hyper::{Response, StatusCode};

    use crate::http::{Body, Query, negotiate, respond};

    /// Go's default, and an end to what one request may keep busy.
    const DEFAULT_SECONDS: f64 = 30.0;
    const MOST_SECONDS: f64 = 300.0;

    /// Samples per second; Go's 100, but prime, so as not to beat with timers.
    const FREQUENCY: i32 = 99;

    pub(super) async fn answer(query: Query<'_>) -> Response<Body> {
        let asked = query.first("seconds").and_then(|text| text.parse::<f64>().ok()).filter(|seconds| *seconds > 0.0);
        let seconds = asked.unwrap_or(DEFAULT_SECONDS).min(MOST_SECONDS);
        let guard = match ProfilerGuardBuilder::default().frequency(FREQUENCY).build() {
            Ok(guard) => guard,
            Err(error) => {
                return failed(&format!("could not start the profiler (is another profile running?): {error}\n"));
            }
        };
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        // resolving symbols takes seconds of CPU the first time
        match tokio::task::spawn_blocking(move || encode(&guard)).await {
            Ok(Ok(bytes)) => respond::typed("application/octet-stream", bytes),
            Ok(Err(error)) => failed(&format!("could not write the profile: {error}\n")),
            Err(error) => failed(&format!("could not write the profile: {error}\n")),
        }
    }

    fn encode(guard: &ProfilerGuard<'_>) -> Result<bytes::Bytes, ::pprof::Error> {
        let profile = guard.report().build()?.pprof()?;
        Ok(negotiate::gzip(&profile.encode_to_vec()))
    }

    fn failed(why: &str) -> Response<Body> {
        respond::text(StatusCode::INTERNAL_SERVER_ERROR, why.to_owned())
    }
}

#[cfg(not(feature = "cpu-profiling"))]
mod cpu {
    use hyper::{Response, StatusCode};

    use crate::http::{Body, Query, respond};

    #[allow(clippy::unused_async)]
    pub(super) async fn answer(_: Query<'_>) -> Response<Body> {
        respond::text(StatusCode::NOT_FOUND, "this build has no CPU profiler: it was built without `cpu-profiling`\n")
    }
}
