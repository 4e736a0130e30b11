//! SVG plots of measurements.

use std::path::Path;

use plotters::prelude::*;

/// What a plot says besides its lines.
#[derive(Clone, Copy, Debug)]
pub struct Axes<'a> {
    /// Above the plot.
    pub title: &'a str,
    /// Below it.
    pub x: &'a str,
    /// Beside it.
    pub y: &'a str,
}

/// A line of a plot: its name and its points.
pub type Line = (String, Vec<(f64, f64)>);

/// Draws `lines` over logarithmic axes. Points that such an axis cannot show (zero and below) are left out.
///
/// # Errors
/// The file cannot be written, or there is no point at all.
pub fn log_lines(path: &Path, axes: Axes<'_>, lines: &[Line]) -> anyhow::Result<()> {
    /// Told apart by people who see colours differently, too (Okabe and Ito).
    const COLOURS: [RGBColor; 6] = [
        RGBColor(0, 114, 178),
        RGBColor(213, 94, 0),
        RGBColor(0, 158, 115),
        RGBColor(204, 121, 167),
        RGBColor(230, 159, 0),
        RGBColor(86, 180, 233),
    ];
    let shown = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
        points.iter().copied().filter(|(x, y)| *x > 0.0 && *y > 0.0 && y.is_finite()).collect()
    };
    let all: Vec<(f64, f64)> = lines.iter().flat_map(|(_, points)| shown(points)).collect();
    anyhow::ensure!(!all.is_empty(), "{}: nothing to plot", path.display());
    let range = |values: &dyn Fn(&(f64, f64)) -> f64, margin: f64| {
        let (least, most) = all.iter().map(values).fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
        least / margin..most * margin
    };
    let (xs, ys) = (range(&|point| point.0, 1.1), range(&|point| point.1, 1.3));
    let root = SVGBackend::new(path, (960, 540)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(axes.title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(xs.log_scale(), ys.log_scale())?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc(axes.x)
        .y_desc(axes.y)
        .x_label_formatter(&|x| short(*x))
        .y_label_formatter(&|y| short(*y))
        .draw()?;
    for ((name, points), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let points = shown(points);
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
            .label(name)
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    Ok(())
}

/// A number with as few digits as it needs.
fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", trimmed(v / 1e6)),
        v if v >= 1e3 => format!("{}k", trimmed(v / 1e3)),
        v => trimmed(v),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
