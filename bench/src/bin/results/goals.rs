//! The goals, and what was reached.
//!
//! Goals are ratios to anchors: to copying the same bytes, to sorting the same references, to nginx, to the same thing
//! without what is measured.

use std::fmt::Write as _;

use crate::data::Data;

/// A goal with what was measured.
struct Goal {
    id: &'static str,
    what: &'static str,
    /// At most this, or at least, if `at_least`.
    limit: f64,
    at_least: bool,
    unit: &'static str,
    measured: Option<f64>,
    /// Against something of another run: worth a look, no proof either way.
    indication: bool,
    /// If it is missed: why, as far as known.
    note: &'static str,
}

const fn at_most(id: &'static str, what: &'static str, limit: f64, unit: &'static str, measured: Option<f64>) -> Goal {
    Goal { id, what, limit, at_least: false, unit, measured, indication: false, note: "" }
}

impl Goal {
    const fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }

    fn is_met(&self) -> Option<bool> {
        self.measured.map(|value| if self.at_least { value >= self.limit } else { value <= self.limit })
    }

    fn row(&self) -> String {
        let Self { id, what, limit, unit, .. } = self;
        let sign = if self.at_least { "≥" } else { "≤" };
        let value =
            self.measured.map_or_else(|| "not measured".to_owned(), |value| format!("{} {unit}", rounded(value)));
        let met = match self.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "–",
        };
        let met = if self.indication { "indication only" } else { met };
        format!("| {id} | {what} | {sign} {limit} {unit} | {value} | {met} |\n")
    }
}

fn rounded(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

pub(crate) fn write(text: &mut String, data: &Data) {
    let goals = goals(data);
    text.push_str("## Goals\n\n| goal | what | limit | measured | |\n| --- | --- | --- | --- | --- |\n");
    goals.iter().for_each(|goal| text.push_str(&goal.row()));
    let missed: Vec<&Goal> = goals.iter().filter(|goal| goal.is_met() == Some(false) && !goal.indication).collect();
    text.push_str("\n### Where we lose\n\n");
    for goal in &missed {
        let note = if goal.note.is_empty() { "no reason known yet" } else { goal.note };
        writeln!(text, "- {}, {}: {note}.", goal.id, goal.what).expect("a String takes every write");
    }
    if missed.is_empty() {
        text.push_str("No goal that was measured is missed.\n");
    }
    text.push('\n');
}

fn ratio(part: Option<f64>, whole: Option<f64>) -> Option<f64> {
    Some(part? / whole?)
}

/// What a target costs from strings to published, without relabelling, in ns.
fn ingest(data: &Data, case: &str) -> Option<f64> {
    let part = |what| data.footprint(case, what, "ns_per_target");
    Some(part("compact groups")? + part("store groups")? + part("step: everything new")?)
}

fn goals(data: &Data) -> Vec<Goal> {
    let step = |case| data.footprint(case, "step: everything new", "ns_per_target");
    let per_target = |case, what| data.footprint(case, what, "bytes_per_target");
    let engine = |case| Some(per_target(case, "groups")? + per_target(case, "tables: records, index, owners, shares")?);
    let relabel = step("filtered").zip(step("unfiltered")).map(|(with, without)| with - without);
    let filtered = |what: &str| data.footprint("filtered", what, "value");
    let ours = |case, targets| Data::request(&data.requests, case, targets);
    let nginx = |case, targets| ratio(ours(case, targets), Data::request(&data.nginx, case, targets));
    let other = |targets| ratio(Data::request(&data.other, "whole", targets), ours("whole", targets));
    let merge = data.footprint("unfiltered", "anchor: sorted merge of label references", "ns_per_target");
    let scale = |what, field| data.footprint("million", what, field);
    let plus_one = "step: one collector more or less (median)";
    // built anew for each step of the kind; spread over the million targets
    let ring = data.median("ring/build_v1/1000").map(|ns| ns / 1e6);
    let reader = |what: &str, field: &str| data.readers.iter().find(|row| row["what"] == what)?[field].as_f64();
    let copy = filtered("render / copy");
    let rss = scale("resident with bodies", "bytes").map(|bytes| bytes / 1e9);
    let small = "the router's part is `http/*` of baseline/instructions.tsv; the rest is the runtime waking up, two system calls, and reading and writing heads";
    let copied = "nginx sends a file from the page cache without copying it (sendfile)";
    vec![
        at_most("G1", "render all bodies / copy them", 1.3, "×", copy)
            .note("pieces are rendered into a buffer that is used again; the labels of a target are copied one by one"),
        at_most("G1", "the same at 1M targets", 1.3, "×", scale("render / copy", "value"))
            .note("what is rendered from no longer fits the caches, while a copy reads in one go"),
        at_most("G2", "full ingest without relabelling / sorted merge of references", 2.5, "×", ratio(ingest(data, "unfiltered"), merge))
            .note("compacting the group is most of it: strings are read once, compared with the group's first target, and copied"),
        at_most("G3", "relabelling (rules of a ServiceMonitor) adds per target", 300.0, "ns", relabel).note("by count it is the difference of step/full_servicemonitor and step/full_unfiltered in baseline/instructions.tsv"),
        at_most("G4", "groups sent again unchanged", 50.0, "ns/group", filtered("re-sent unchanged")),
        at_most("G4", "the same, 1M targets in 2,000 jobs", 50.0, "ns/group", scale("re-sent unchanged", "value")),
        Goal { indication: true, ..at_most("G4", "the same, while building them has swept the caches", 50.0, "ns/group", filtered("re-sent unchanged, built anew")) },
        at_most("G5", "1 % of targets changed, clustered / full rebuild", 2.0, "%", filtered("1 % clustered / full rebuild, both with ingest"))
            .note("the jobs of the changed groups are laid out anew as a whole"),
        at_most("G5", "the same at 1M targets", 2.0, "%", scale("1 % clustered / full rebuild, both with ingest", "value"))
            .note("the jobs of the changed groups are laid out anew as a whole"),
        at_most("G5", "1 % changed, one in every 10th group / full rebuild", 13.0, "%", filtered("1 target in every 10th group / full rebuild, both with ingest"))
            .note("half of it is building the changed groups, nine targets for one that changed; the rest is one step in which every job is laid out anew: 40 % is hashing, finding and resolving the changed groups' targets, 20 % waiting for the memory of the others, of which each layout counts the references"),
        at_most("G5", "the same at 1M targets", 13.0, "%", scale("1 target in every 10th group / full rebuild, both with ingest", "value"))
            .note("as above, with groups that no longer fit the caches"),
        at_most("G6", "collector ±1 at 1M targets, one core", 15.0, "ms", scale(plus_one, "ms"))
            .note("every target is located again, and compared with the owner it had"),
        at_most("G6", "the same per target, the ring of 1,000 collectors apart", 10.0, "ns", scale(plus_one, "ns_per_target").zip(ring).map(|(all, ring)| all - ring))
            .note("every target is located again, and compared with the owner it had"),
        at_most("G7", "least-weighted fill, 100 collectors", 60.0, "ns/target", data.median("strategies/least-weighted_fill/100").map(|ns| ns / 1e5)),
        at_most("G7", "least-weighted fill, 1,000 collectors", 60.0, "ns/target", data.median("strategies/least-weighted_fill/1000").map(|ns| ns / 1e5))
            .note("a heap step is log(collectors)"),
        at_most("G8", "GET from segments / from ready bytes, 50 targets", 1.25, "×", ratio(ours("streamed", 50), ours("whole", 50)))
            .note("rendering costs what a copy of the body costs (G1), and sending ready bytes is not much more than the kernel's one copy"),
        at_most("G8", "the same, 5,000 targets", 1.25, "×", ratio(ours("streamed", 5000), ours("whole", 5000))),
        at_most("G8", "first byte of 13.5 MB from segments", 1.0, "ms", data.median("serve/first_byte/5000").map(|ns| ns / 1e6)),
        at_most("G9", "processor time / nginx: empty share", 1.1, "×", nginx("whole", 0)).note(small),
        at_most("G9", "… 1 target (2.7 KB)", 1.1, "×", nginx("whole", 1)).note(small),
        at_most("G9", "… 5 targets (13 KB)", 1.5, "×", nginx("whole", 5)).note(copied),
        at_most("G9", "… 50 targets (135 KB)", 2.5, "×", nginx("whole", 50)).note(copied),
        at_most("G9", "… 500 targets (1.35 MB)", 1.0, "×", nginx("whole", 500)).note(copied),
        at_most("G9", "… 5,000 targets (13.5 MB)", 1.0, "×", nginx("whole", 5000)).note("both only copy; the ratio is 1 give or take what a run varies"),
        at_most("G9", "… 304", 1.1, "×", nginx("not_modified", 5)).note(small),
        at_most("G9", "… gzip against gzip_static, 50 targets", 1.1, "×", nginx("gzip", 50))
            .note(copied),
        Goal { at_least: true, ..at_most("G10", "processor time of the other allocator / ours: 5 targets", 7.0, "×", other(5)) },
        Goal { at_least: true, ..at_most("G10", "… 50 targets", 15.0, "×", other(50)) },
        Goal { at_least: true, ..at_most("G10", "… 500 targets", 50.0, "×", other(500)) },
        Goal { at_least: true, ..at_most("G10", "… 5,000 targets", 50.0, "×", other(5000)) }
            .note("all of our time is the kernel's copying 13.5 MB into the socket, as it is all of nginx's"),
        at_most("G11", "groups and tables, 10 targets a group", 600.0, "B/target", engine("filtered")),
        at_most("G11", "groups and tables, 100 targets a group", 350.0, "B/target", engine("per-100")),
        at_most("G11", "resident at 1M targets with 256 MB of bodies", 1.0, "GB", rss)
            .note("counted byte by byte, the engine and the store hold 0.64 GB and the bodies 0.27; the rest is what the memory allocator keeps: a step in which every job is laid out anew needs the old tables and the new ones at once, and what is freed afterwards lies between groups"),
        at_most("G12", "look-up while the engine steps, 99 %", 100.0, "µs", reader("look-up, engine stepping", "p99_us")),
        at_most("G12", "… the longest, in time the reader had a core", 100.0, "µs", reader("look-up, engine stepping", "max_cpu_us"))
            .note("a held snapshot, read in turns with it, tells what the machine itself adds"),
        Goal { indication: true, ..at_most("G12", "… the longest on the wall clock, the machine taking the core away included", 100.0, "µs", reader("look-up, engine stepping", "max_us")) },
        Goal { at_least: true, indication: true, ..at_most("G15", "what a second thread is worth here: sorted merge, 1 thread / 2 threads", 1.8, "×", data.footprint("filtered-2", "anchor: merging on 1 thread / on 2", "value")) },
        Goal { at_least: true, ..at_most("G15", "full step, 1 thread / 2 threads", 1.8, "×", ratio(step("filtered"), step("filtered-2"))) }
            .note("taking what changed from the store is half on one thread (2 of 32 ms), and the kernel clears memory that nobody used before (2 MB at a time, a millisecond or more that hits one thread and not the other); resolving alone, in memory that was used before, is 1.7 × (criterion, `resolve/servicemonitor`)"),
        Goal { at_least: true, ..at_most("G15", "the same at 1M targets", 1.8, "×", ratio(step("million"), step("million-2"))) }
            .note("as above"),
        at_most("G16", "idle keep-alive connection", 8192.0, "B resident", data.idle["bytes_per_connection"].as_f64()),
    ]
}
