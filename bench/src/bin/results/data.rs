//! What was measured, read back.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;
use ta_bench::plot::Line;

/// All measurements of a run. What is missing was not measured.
#[derive(Debug, Default)]
pub(crate) struct Data {
    /// By configuration, the runs of `footprint`.
    footprints: BTreeMap<String, Vec<Value>>,
    pub(crate) requests: Vec<Value>,
    pub(crate) nginx: Vec<Value>,
    /// Another allocator on the same shares.
    pub(crate) other: Vec<Value>,
    pub(crate) readers: Vec<Value>,
    pub(crate) idle: Value,
    /// Rows of the table of `balance`, its head first.
    pub(crate) balance: Vec<Vec<String>>,
    /// Medians in nanoseconds by full name, and elements or bytes of a round.
    pub(crate) medians: BTreeMap<String, Median>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Median {
    pub(crate) ns: f64,
    pub(crate) elements: Option<f64>,
    pub(crate) bytes: Option<f64>,
}

impl Data {
    pub(crate) fn read(folder: &Path, criterion: &Path) -> anyhow::Result<Self> {
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let json = |name: &str| serde_json::from_str::<Value>(&text(name)).unwrap_or_default();
        let rows = |name: &str| json(name).as_array().cloned().unwrap_or_default();
        let mut data = Self {
            requests: of_rounds(&text("requests.jsonl"))?,
            nginx: of_rounds(&text("nginx.jsonl"))?,
            other: of_rounds(&text("other.jsonl"))?,
            readers: rows("readers.json"),
            idle: json("idle.json"),
            balance: text("balance.tsv").lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect(),
            ..Self::default()
        };
        for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(case) = name.strip_prefix("footprint-").and_then(|name| name.strip_suffix(".jsonl")) else {
                continue;
            };
            let runs = std::fs::read_to_string(&path)?;
            let runs = runs.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
            data.footprints.insert(case.to_owned(), runs);
        }
        collect(criterion, &mut data.medians)?;
        Ok(data)
    }

    /// The median over the runs of `case` of `field` in the row `what`.
    pub(crate) fn footprint(&self, case: &str, what: &str, field: &str) -> Option<f64> {
        let of_run = |run: &Value| run["rows"].as_array()?.iter().find(|row| row["what"] == what)?[field].as_f64();
        let mut values: Vec<f64> = self.footprints.get(case)?.iter().filter_map(of_run).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    /// The rows of the first run of `case`, by name.
    pub(crate) fn footprint_rows(&self, case: &str) -> Vec<String> {
        let rows = self.footprints.get(case).and_then(|runs| runs.first()?["rows"].as_array());
        rows.into_iter().flatten().filter_map(|row| row["what"].as_str().map(str::to_owned)).collect()
    }

    /// Processor time of the server for a request, in µs.
    pub(crate) fn request(rows: &[Value], case: &str, targets: u64) -> Option<f64> {
        rows.iter().find(|row| row["case"] == case && row["targets"] == targets)?["cpu_us"].as_f64()
    }

    /// Median of a criterion bench, in ns.
    pub(crate) fn median(&self, name: &str) -> Option<f64> {
        self.medians.get(name).map(|median| median.ns)
    }

    pub(crate) fn request_lines(&self) -> Vec<Line> {
        let line = |name: &str, rows: &[Value], case: &str| -> Line {
            let of_case = rows.iter().filter(|row| row["case"] == case && row["targets"] != 0);
            // by the length of the raw answer, also for those that are shorter
            let length = |targets: &Value| {
                let raw = self.requests.iter().find(|row| row["case"] == "whole" && row["targets"] == *targets);
                raw.and_then(|row| row["bytes"].as_f64()).unwrap_or(0.0)
            };
            let point = |row: &Value| (length(&row["targets"]), row["cpu_us"].as_f64().unwrap_or(0.0));
            (name.to_owned(), of_case.map(point).collect())
        };
        let ours = ["whole", "streamed", "gzip", "not_modified"].map(|case| line(case, &self.requests, case));
        let theirs = [("nginx, file", "whole"), ("nginx, gzip_static", "gzip")];
        let theirs = theirs.map(|(name, case)| line(name, &self.nginx, case));
        let other = line("another allocator", &self.other, "whole");
        ours.into_iter().chain(theirs).chain([other]).filter(|(_, points)| !points.is_empty()).collect()
    }

    /// A line for every function of a criterion group, its parameter as x, the median divided by `by` as y.
    pub(crate) fn criterion_lines(&self, group: &str, by: f64) -> Vec<Line> {
        let mut lines: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for (name, median) in &self.medians {
            let mut parts = name.split('/');
            if let (Some(first), Some(function), Some(x), None) =
                (parts.next(), parts.next(), parts.next(), parts.next())
                && first == group
                && let Ok(x) = x.parse()
            {
                lines.entry(function.to_owned()).or_default().push((x, median.ns / by));
            }
        }
        lines.values_mut().for_each(|points| points.sort_by(|a, b| a.0.total_cmp(&b.0)));
        lines.into_iter().collect()
    }
}

/// Rows of several rounds, a line each, as one: the median of what each cost.
fn of_rounds(text: &str) -> anyhow::Result<Vec<Value>> {
    let rounds: Vec<Vec<Value>> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut rows = rounds.first().cloned().unwrap_or_default();
    for (number, row) in rows.iter_mut().enumerate() {
        let mut costs: Vec<f64> = rounds.iter().filter_map(|round| round.get(number)?["cpu_us"].as_f64()).collect();
        costs.sort_by(f64::total_cmp);
        row["cpu_us"] = costs.get(costs.len() / 2).copied().into();
    }
    Ok(rows)
}

/// Finds every `new/estimates.json` below `folder`.
fn collect(folder: &Path, medians: &mut BTreeMap<String, Median>) -> anyhow::Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        if path.ends_with("new") {
            let read = |name: &str| -> anyhow::Result<Value> {
                Ok(serde_json::from_str(&std::fs::read_to_string(path.join(name))?)?)
            };
            let (bench, estimates) = (read("benchmark.json")?, read("estimates.json")?);
            let (Some(name), Some(ns)) = (bench["full_id"].as_str(), estimates["median"]["point_estimate"].as_f64())
            else {
                continue;
            };
            let throughput = |unit: &str| bench["throughput"][unit].as_f64();
            let median = Median { ns, elements: throughput("Elements"), bytes: throughput("Bytes") };
            medians.insert(name.to_owned(), median);
        } else {
            collect(&path, medians)?;
        }
    }
    Ok(())
}
