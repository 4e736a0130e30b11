//! What all pages share: the frame, tables, and the pages that say no.

use std::fmt::Display;
use std::time::{Duration, SystemTime};

use hyper::{Response, StatusCode};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::http::{Body, query_escape, respond};

/// Upstream's title of its pages.
pub(super) const TITLE: &str = "OpenTelemetry Target Allocator";

/// A dot in a ring.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' \
                    cy='8' r='6.5' fill='none' stroke='%23425cc7' stroke-width='3'/%3E%3Ccircle cx='8' cy='8' r='2.5' \
                    fill='%23f5a800'/%3E%3C/svg%3E";

/// Light and dark by the reader's setting; on a narrow screen a table row becomes a card.
const STYLE: &str = include_str!("style.css");

/// A whole page.
pub(super) fn page(status: StatusCode, title: &str, content: &Markup) -> Response<Body> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="icon" href=(ICON);
                style { (PreEscaped(STYLE)) }
            }
            body {
                nav {
                    a href="/" { "Home" }
                    a href="/debug/scrape_configs" { "Scrape Configs" }
                    a href="/debug/jobs" { "Jobs" }
                    a href="/debug/targets" { "Targets" }
                    a href="/debug/monitors" { "Monitors" }
                    a href="/debug/discovery" { "Discovery" }
                    a href="/debug/watches" { "Watches" }
                    a href="/explain" { "Explain" }
                    a href="/metrics" { "Metrics" }
                }
                h1 { (title) }
                (content)
            }
        }
    };
    respond::html(status, page)
}

/// 400: what was expected, and how it looks.
pub(super) fn bad_request(error: &str, example: &str) -> Response<Body> {
    let content = html! {
        p { (error) }
        p { "Example: " code { (example) } }
    };
    page(StatusCode::BAD_REQUEST, "Bad Request", &content)
}

/// 404: nothing of that name.
pub(super) fn unknown(kind: &str, name: &str) -> Response<Body> {
    let content = html! { p { "It is not in the snapshot being served: it may be gone, or not there yet." } };
    page(StatusCode::NOT_FOUND, &format!("Unknown {kind}: {name}"), &content)
}

/// A table; every row has one cell per head.
pub(super) fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<Markup>>) -> Markup {
    html! {
        table {
            thead { tr { @for head in heads { th { (head) } } } }
            tbody {
                @for row in rows {
                    tr { @for (head, cell) in heads.iter().zip(row) { td data-head=(head) { div { (cell) } } } }
                }
            }
        }
    }
}

/// Figures in a row: name and value.
pub(super) fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! { ul.facts { @for (name, value) in facts { li { (name) b { (value) } } } } }
}

/// A link.
pub(super) fn link(href: &str, text: &str) -> Markup {
    html! { a href=(href) { (text) } }
}

/// A link to one thing: `path` up to `=`, then its escaped name.
pub(super) fn link_to(path: &str, name: &str) -> Markup {
    link(&format!("{path}{}", query_escape(name)), name)
}

/// Text or number in a cell.
pub(super) fn cell(value: impl Display) -> Markup {
    html! { (value.to_string()) }
}

/// A number with its thousands apart.
pub(super) fn number(value: u64) -> Markup {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    html! { (text) }
}

/// A number of bytes, roughly.
pub(super) fn bytes(value: u64) -> Markup {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(shift, _)| value >> shift > 0);
    cell(unit.map_or_else(
        || format!("{value} B"),
        |(shift, unit)| format!("{:.1} {unit}", value as f64 / f64::from(1 << shift)),
    ))
}

/// How long ago, roughly.
pub(super) fn ago(time: Option<SystemTime>, now: SystemTime) -> Markup {
    let Some(time) = time else { return cell("never") };
    let seconds = now.duration_since(time).unwrap_or(Duration::ZERO).as_secs();
    cell(match seconds {
        0..=119 => format!("{seconds} s ago"),
        120..=7199 => format!("{} min ago", seconds / 60),
        7200..=172_799 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    })
}

/// Whether `text` contains `lower`, which is lower case already. Only ASCII letters are folded.
pub(super) fn contains_ignoring_case(text: &str, lower: &str) -> bool {
    let (text, lower) = (text.as_bytes(), lower.as_bytes());
    lower.is_empty() || text.windows(lower.len()).any(|window| window.eq_ignore_ascii_case(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(number(0).into_string(), "0");
        assert_eq!(number(999).into_string(), "999");
        assert_eq!(number(1_234_567).into_string(), "1,234,567");
    }

    #[test]
    fn bytes_have_a_unit_of_their_size() {
        let text = |value| bytes(value).into_string();
        assert_eq!((text(0), text(1023), text(1024)), ("0 B".into(), "1023 B".into(), "1.0 KiB".into()));
        assert_eq!((text(3 << 19), text(5 << 30)), ("1.5 MiB".into(), "5.0 GiB".into()));
    }

    #[test]
    fn search_ignores_case() {
        assert!(contains_ignoring_case("Node-A", "node"));
        assert!(contains_ignoring_case("x", ""));
        assert!(!contains_ignoring_case("", "x"));
    }
}
