//! The real server over loopback sockets: what a request costs it in processor time, and what an idle connection costs
//! it in memory.
//!
//! The server is a process of its own (this program, started again), so that only its time and memory are counted, not
//! the client's. `requests --against` measures any other server the same way, nginx for one (`scripts/bench-nginx`).

mod client;
mod server;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Args, Parser};
use serde_json::{Value, json};
use ta_bench::resident_of;

use client::{Asked, Client};
use server::{Child, Setup};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(about = "Processor time of a request and memory of an idle connection, over loopback")]
enum Command {
    /// Processor time of the server per request.
    Requests(Requests),
    /// Resident memory of the server per idle keep-alive connection.
    Idle(Idle),
    /// Write the bodies that `requests` asks for as files, for another server to serve.
    Bodies {
        #[arg(long)]
        out: PathBuf,
        #[arg(long, value_delimiter = ',', default_value = "0,1,5,50,500,5000")]
        targets: Vec<u64>,
    },
    #[command(hide = true)]
    Serve(Setup),
}

#[derive(Debug, Args)]
struct Requests {
    /// Targets of the share that is asked for; 0 = an empty share.
    #[arg(long, value_delimiter = ',', default_value = "0,1,5,50,500,5000")]
    targets: Vec<u64>,
    /// Of each measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Keep-alive connections that ask at once.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Measure the server at this address instead, by `--path` and `--pid`.
    #[arg(long, requires_all = ["path", "pid"])]
    against: Option<SocketAddr>,
    #[arg(long)]
    path: Option<String>,
    #[arg(long)]
    pid: Option<u32>,
    /// With `--against`: a further request header, `name: value`.
    #[arg(long)]
    header: Option<String>,
}

#[derive(Debug, Args)]
struct Idle {
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Targets of the answer that each connection is given.
    #[arg(long, default_value_t = 1)]
    targets: u64,
    /// JSON instead of a line.
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<()> {
    let files = rlimit::increase_nofile_limit(u64::MAX).context("raising the limit of open files")?;
    match Command::parse() {
        Command::Serve(setup) => server::run(&setup),
        Command::Bodies { out, targets } => {
            for targets in targets {
                std::fs::write(out.join(format!("{targets}.json")), server::body(targets))?;
            }
            Ok(())
        }
        Command::Requests(args) => requests(&args),
        Command::Idle(args) => {
            ensure!(files > args.connections as u64 + 300, "only {files} files may be open; ask for fewer connections");
            idle(&args)
        }
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn requests(args: &Requests) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    if let (Some(address), Some(path), Some(pid)) = (args.against, &args.path, args.pid) {
        let headers = args.header.iter().map(|header| format!("{header}\r\n")).collect::<String>();
        rows.push(row("against", 0, &measure(args, address, path, &headers, pid)?));
    } else {
        for targets in &args.targets {
            for (case, whole, headers) in [
                ("whole", true, String::new()),
                ("streamed", false, String::new()),
                ("gzip", true, "accept-encoding: gzip\r\n".to_owned()),
                ("not_modified", true, "if-none-match: *\r\n".to_owned()),
            ] {
                if *targets == 0 && case != "whole" {
                    continue; // an empty share is always the same few bytes
                }
                let server = Child::start(&Setup { targets: *targets, whole, threads: 1 })?;
                let done = measure(args, server.address, &server.path, &headers, server.pid())?;
                rows.push(row(case, *targets, &done));
            }
        }
    }
    if args.json {
        return say(&format!("{}\n", Value::from(rows)));
    }
    say(&format!("{:<14}{:>8}{:>12}{:>12}{:>16}\n", "case", "targets", "bytes", "requests", "CPU us/request"))?;
    for row in rows {
        let text = |key: &str| row[key].as_str().map_or_else(|| row[key].to_string(), str::to_owned);
        let cpu = row["cpu_us"].as_f64().unwrap_or(f64::NAN);
        let (case, targets, bytes, count) = (text("case"), text("targets"), text("bytes"), text("requests"));
        say(&format!("{case:<14}{targets:>8}{bytes:>12}{count:>12}{cpu:>16.2}\n"))?;
    }
    Ok(())
}

struct Cost {
    asked: Asked,
    cpu: Duration,
}

fn row(case: &str, targets: u64, cost: &Cost) -> Value {
    let Asked { requests, bytes } = cost.asked;
    let cpu_us = cost.cpu.as_secs_f64() * 1e6 / requests.max(1) as f64;
    json!({"case": case, "targets": targets, "bytes": bytes, "requests": requests, "cpu_us": cpu_us})
}

fn measure(args: &Requests, address: SocketAddr, path: &str, headers: &str, pid: u32) -> anyhow::Result<Cost> {
    let client = Client::new(address, path, headers)?;
    let length = Duration::from_secs_f64(args.seconds);
    client.ask_for(length / 10, args.connections)?;
    let before = server::cpu_of(pid);
    let asked = client.ask_for(length, args.connections)?;
    Ok(Cost { asked, cpu: server::cpu_of(pid).saturating_sub(before) })
}

fn idle(args: &Idle) -> anyhow::Result<()> {
    /// Opened before the count begins: what a running server has warmed up anyway.
    const FIRST: usize = 200;
    let server = Child::start(&Setup { targets: args.targets, whole: false, threads: 2 })?;
    let client = Client::new(server.address, &server.path, "")?;
    let mut open = client.open_and_ask(FIRST)?;
    let before = settled(server.pid());
    open.extend(client.open_and_ask(args.connections)?);
    let after = settled(server.pid());
    let answer = client.ask_for(Duration::ZERO, 1)?.bytes;
    let each = after.saturating_sub(before) as f64 / args.connections as f64;
    let (connections, targets) = (args.connections, args.targets);
    if args.json {
        return say(&format!(
            "{}\n",
            json!({
                "connections": connections, "targets": targets, "answer_bytes": answer, "resident_before": before,
                "resident_after": after, "bytes_per_connection": each,
            })
        ));
    }
    let [before, after] = [before, after].map(|bytes| bytes as f64 / 1e6);
    say(&format!(
        "{connections} idle connections, each after one answer of {answer} B: {each:.0} B resident each ({before:.1} MB \
         before, {after:.1} MB after)\n"
    ))
}

/// Resident memory once it no longer changes: the server parks a connection a moment after its answer.
fn settled(process: u32) -> usize {
    let mut last = resident_of(process);
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(100));
        let now = resident_of(process);
        if now == last {
            break;
        }
        last = now;
    }
    last
}
