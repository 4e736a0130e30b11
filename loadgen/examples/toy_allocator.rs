//! The smallest thing that speaks the allocator protocol: reads the config `loadgen` writes, and answers every request
//! from the files as they are then. Each target goes to the collector its address hashes to. Only for trying out and
//! testing loadgen; `--bad-start SECONDS` answers an empty job list and empty targets for a while after the start, as
//! allocators do that become ready before they know anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use clap::Parser;
use serde_json::{Map, Value, json};
use ta_loadgen::yaml;
use xxhash_rust::xxh3::xxh3_64;

#[derive(Debug, Parser)]
struct Args {
    #[arg(long)]
    config_file: std::path::PathBuf,
    #[arg(long)]
    listen_addr: SocketAddr,
    #[arg(long, default_value_t = 0.0)]
    bad_start: f64,
}

struct Allocator {
    jobs: Map<String, Value>,
    collectors: String,
    good_from: Instant,
}

impl Allocator {
    fn collectors(&self) -> anyhow::Result<Vec<String>> {
        let list = yaml::parse(&std::fs::read_to_string(&self.collectors)?)?;
        let names = list.as_array().into_iter().flatten().filter_map(|collector| collector["name"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    fn groups(&self, job: &str) -> anyhow::Result<Vec<Value>> {
        let file = self.jobs.get(job).and_then(|config| config["file_sd_configs"][0]["files"][0].as_str());
        let Some(file) = file else { return Ok(Vec::new()) };
        Ok(serde_json::from_slice(&std::fs::read(file)?)?)
    }

    fn share(&self, job: &str, collector: &str) -> anyhow::Result<Vec<Value>> {
        let collectors = self.collectors()?;
        let owns = |group: &Value| {
            let address = group["targets"][0].as_str().unwrap_or_default();
            let owner = xxh3_64(address.as_bytes()) as usize % collectors.len().max(1);
            !address.is_empty() && collectors.get(owner).is_some_and(|name| name == collector)
        };
        Ok(self.groups(job)?.into_iter().filter(owns).collect())
    }
}

async fn scrape_configs(State(allocator): State<Arc<Allocator>>) -> Json<Value> {
    if Instant::now() < allocator.good_from {
        return Json(json!({}));
    }
    Json(Value::Object(allocator.jobs.clone()))
}

#[derive(serde::Deserialize)]
struct Asked {
    collector_id: Option<String>,
}

async fn targets(
    State(allocator): State<Arc<Allocator>>,
    Path(job): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    if Instant::now() < allocator.good_from {
        return Json(json!([])).into_response();
    }
    let answer = match asked.collector_id {
        Some(collector) => allocator.share(&job, &collector).map(Value::from),
        None => allocator.collectors().and_then(|collectors| {
            let one = |name: String| {
                let share = allocator.share(&job, &name)?;
                Ok((name, json!({"_link": "", "targets": share})))
            };
            collectors.into_iter().map(one).collect::<anyhow::Result<Map<String, Value>>>().map(Value::from)
        }),
    };
    match answer {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let config = yaml::parse(&std::fs::read_to_string(&args.config_file)?)?;
    let jobs = config["config"]["scrape_configs"].as_array().into_iter().flatten();
    let named = jobs.filter_map(|job| Some((job["job_name"].as_str()?.to_owned(), job.clone())));
    let allocator = Allocator {
        jobs: named.collect(),
        collectors: config["collectors"]["file"].as_str().unwrap_or_default().to_owned(),
        good_from: Instant::now() + Duration::from_secs_f64(args.bad_start),
    };
    let router = axum::Router::new()
        .route("/readyz", get(|| async {}))
        .route("/scrape_configs", get(scrape_configs))
        .route("/jobs/{job}/targets", get(targets))
        .with_state(Arc::new(allocator));
    let listener = tokio::net::TcpListener::bind(args.listen_addr).await?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
