//! SVG plots of a report.

use std::path::{Path, PathBuf};

use plotters::prelude::*;

use super::{Report, Sample};

const SIZE: (u32, u32) = (960, 540);

/// A plot could not be written.
#[derive(Debug, thiserror::Error)]
#[error("plot {path}: {why}")]
pub struct PlotError {
    path: PathBuf,
    why: String,
}

/// Writes `latency.svg`, `load.svg`, `targets.svg` and, if a process was watched, `memory.svg` into `directory`.
///
/// # Errors
/// The directory or a file cannot be written.
pub fn write_plots(report: &Report, directory: &Path) -> Result<Vec<PathBuf>, PlotError> {
    std::fs::create_dir_all(directory)
        .map_err(|error| PlotError { path: directory.to_owned(), why: error.to_string() })?;
    let mut written = Vec::new();
    let mut plot = |name: &str, draw: &dyn Fn(&Report, &Path) -> Drawn| {
        let path = directory.join(name);
        let drawn = draw(report, &path);
        written.push(path.clone());
        drawn.map_err(|error| PlotError { path, why: error.to_string() })
    };
    plot("latency.svg", &latency)?;
    plot("load.svg", &load)?;
    plot("targets.svg", &targets)?;
    if report.process.is_some() {
        plot("memory.svg", &memory)?;
    }
    Ok(written)
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Latency by percentile: x is 1/(1−quantile) on a log scale, so that 90 %, 99 %, 99.9 % are equally far apart.
fn latency(report: &Report, path: &Path) -> Drawn {
    let points: Vec<(f64, f64)> = report
        .latency_distribution
        .iter()
        .filter(|(quantile, _)| *quantile < 1.0)
        .map(|(quantile, seconds)| (1.0 / (1.0 - quantile), (seconds * 1e3).max(0.001)))
        .collect();
    let right = points.iter().map(|point| point.0).fold(10.0, f64::max);
    let top = points.iter().map(|point| point.1).fold(1.0, f64::max) * 1.5;
    let bottom = points.iter().map(|point| point.1).fold(top, f64::min) / 1.5;
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = framed(&root, &format!("{}: latency of targets requests", report.name))
        .build_cartesian_2d((1.0..right).log_scale(), (bottom..top).log_scale())?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc("percentile")
        .y_desc("ms from intended send time")
        .x_label_formatter(&|x| percentile(*x))
        .y_label_formatter(&|y| format!("{y}"))
        .draw()?;
    chart.draw_series(LineSeries::new(points, BLUE.stroke_width(2)))?;
    root.present()?;
    Ok(())
}

fn percentile(x: f64) -> String {
    let percent = 100.0 * (1.0 - 1.0 / x);
    if percent < 99.0 { format!("{percent:.0} %") } else { format!("{} %", (percent * 10_000.0).round() / 10_000.0) }
}

/// Targets per collector, largest first, with the mean.
fn load(report: &Report, path: &Path) -> Drawn {
    let mut loads = report.loads.clone();
    loads.sort_unstable_by(|a, b| b.cmp(a));
    let top = loads.first().copied().unwrap_or(0).max(1) as f64 * 1.1;
    let right = loads.len().max(1) as f64;
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let caption = format!("{}: targets per collector, max/mean {:.2}", report.name, report.fleet.max_over_mean);
    let mut chart = framed(&root, &caption).build_cartesian_2d(0.0..right, 0.0..top)?;
    chart.configure_mesh().max_light_lines(0).disable_x_mesh().x_desc("collector, by load").y_desc("targets").draw()?;
    chart.draw_series(loads.iter().enumerate().map(|(at, load)| {
        Rectangle::new([(at as f64 + 0.05, 0.0), (at as f64 + 0.95, *load as f64)], BLUE.mix(0.6).filled())
    }))?;
    let mean = report.fleet.load_mean;
    chart.draw_series(LineSeries::new([(0.0, mean), (right, mean)], RED.stroke_width(2)))?;
    root.present()?;
    Ok(())
}

/// One coloured line of a plot over time.
type Line<'a> = (&'a str, RGBColor, fn(&Sample) -> f64);

fn targets(report: &Report, path: &Path) -> Drawn {
    let lines: [Line<'_>; 4] = [
        ("lost", RED, |sample| sample.lost as f64),
        ("doubled", BLUE, |sample| sample.doubled as f64),
        ("waiting", RGBColor(200, 140, 0), |sample| sample.waiting as f64),
        ("stale", RGBColor(110, 110, 110), |sample| sample.stale as f64),
    ];
    over_time(report, path, "lost, doubled, waiting and stale targets", "targets", &lines)
}

fn memory(report: &Report, path: &Path) -> Drawn {
    let lines: [Line<'_>; 1] = [("resident", BLUE, |sample| sample.rss_bytes as f64 / f64::from(1 << 20))];
    over_time(report, path, "allocator memory", "MiB", &lines)
}

fn over_time(report: &Report, path: &Path, what: &str, unit: &str, lines: &[Line<'_>]) -> Drawn {
    let right = report.series.last().map_or(1.0, |sample| sample.t.max(0.1));
    let values = report.series.iter().flat_map(|sample| lines.iter().map(|(_, _, of)| of(sample)));
    let top = values.fold(1.0, f64::max) * 1.1;
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = framed(&root, &format!("{}: {what}", report.name)).build_cartesian_2d(0.0..right, 0.0..top)?;
    chart.configure_mesh().max_light_lines(0).x_desc("seconds").y_desc(unit).draw()?;
    for (name, colour, of) in lines {
        let points = report.series.iter().map(|sample| (sample.t, of(sample)));
        let colour = *colour;
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    for step in &report.steps {
        chart.draw_series([PathElement::new([(step.at, 0.0), (step.at, top)], BLACK.mix(0.25))])?;
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw()?;
    root.present()?;
    Ok(())
}

fn framed<'a, 'b>(
    root: &'a DrawingArea<SVGBackend<'b>, plotters::coord::Shift>,
    caption: &str,
) -> ChartBuilder<'a, 'a, SVGBackend<'b>>
where
    'b: 'a,
{
    let mut builder = ChartBuilder::on(root);
    builder.caption(caption, ("sans-serif", 22)).margin(16).x_label_area_size(48).y_label_area_size(72);
    builder
}
