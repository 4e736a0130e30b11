//! Writes RESULTS.md and its plots from what `scripts/bench` has measured.

mod data;
mod goals;
mod tables;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use ta_bench::plot::{Axes, Line, log_lines};

use data::Data;

#[derive(Debug, Parser)]
#[command(about = "Writes RESULTS.md from the files of scripts/bench")]
struct Args {
    /// Where scripts/bench put the outputs of its programs.
    #[arg(long)]
    data: PathBuf,
    /// Criterion's own folder.
    #[arg(long)]
    criterion: PathBuf,
    /// Where plots go.
    #[arg(long)]
    plots: PathBuf,
    #[arg(long)]
    out: PathBuf,
    /// What else there is to know of this run.
    #[arg(long)]
    note: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let data = Data::read(&args.data, &args.criterion)?;
    std::fs::create_dir_all(&args.plots)?;
    let mut text = String::from(HEAD);
    machine(&mut text, &args.data);
    args.note.iter().for_each(|note| text.push_str(&format!("Of this run: {note}\n\n")));
    goals::write(&mut text, &data);
    tables::write(&mut text, &data);
    plots(&mut text, &data, &args.plots)?;
    tables::criterion(&mut text, &data);
    std::fs::write(&args.out, text)?;
    Ok(())
}

const HEAD: &str = "# Results

Written by `make bench`; do not edit. What is measured is told in the sources of `bench/`.

Only ratios are worth comparing: they set two things against each other that ran in one process or one run. Absolute
times are of the machine below, which may have done other work at the same time (see its load). Where a thing was
measured more than once, its median is given: three times for footprints and for requests, many times for the criterion
benches. Connections and readers were measured once: between two such runs on a busy machine a third more or less is nothing unusual.

";

fn machine(text: &mut String, data: &Path) {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let field = |file: &str, name: &str| {
        let found = read(Path::new(file)).lines().find(|line| line.starts_with(name)).map(str::to_owned);
        found.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned())).unwrap_or_else(|| "unknown".to_owned())
    };
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().ok().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read(&data.join("load"));
    let load: Vec<&str> = load.lines().filter_map(|line| Some(line.split_once("load average:")?.1.trim())).collect();
    writeln!(
        text,
        "| | |\n| --- | --- |\n| processor | {}, {cores} cores |\n| memory | {} |\n| kernel | {} |\n| compiler | {} |\n\
         | revision | {} |\n| load average | {} |\n",
        field("/proc/cpuinfo", "model name"),
        field("/proc/meminfo", "MemTotal"),
        run("uname", &["-sr"]),
        run("rustc", &["--version"]),
        run("git", &["describe", "--always", "--dirty"]),
        load.join("; later ")
    )
    .expect("a String takes every write");
}

fn plots(text: &mut String, data: &Data, folder: &Path) -> anyhow::Result<()> {
    let mut plot = |file: &str, title: &str, x: &str, y: &str, lines: &[Line]| -> anyhow::Result<()> {
        if lines.iter().any(|(_, points)| !points.is_empty()) {
            log_lines(&folder.join(file), Axes { title, x, y }, lines)?;
        }
        if folder.join(file).exists() {
            writeln!(text, "![{title}](plots/{file})\n").expect("a String takes every write");
        }
        Ok(())
    };
    plot("requests.svg", "Processor time of a request", "bytes of the answer", "us", &data.request_lines())?;
    let lines = data.criterion_lines("step_full", 1e6);
    plot("step.svg", "A full step, 100 collectors", "targets", "ms", &lines)?;
    let lines = data.criterion_lines("strategies", 1e5);
    plot("strategies.svg", "Placing 100,000 targets", "collectors", "ns per target", &lines)?;
    let lines = data.criterion_lines("ring", 1e3);
    plot("ring.svg", "Building the ring", "collectors", "us", &lines)?;
    plot("balance.svg", "Balance of the strategies", "", "", &[])?;
    plot("churn.svg", "Targets moved by one collector more, less, other", "", "", &[])?;
    plot("restart.svg", "Moves in a rolling restart", "", "", &[])?;
    Ok(())
}
