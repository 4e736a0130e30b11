//! Parts of long lists: pages by number, and the search box.

use maud::{Markup, html};

use super::layout::number;
use crate::http::{Query, query_escape};

/// Rows of a page, unless asked otherwise.
pub(super) const PER_PAGE: usize = 100;

/// Rows of a page at most: what a browser still lays out at once.
pub(super) const MOST_PER_PAGE: usize = 1000;

/// Which part of a list is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paging {
    /// From 1.
    page: usize,
    per_page: usize,
    usual: usize,
}

impl Paging {
    /// From `page` and `per_page`, the latter `usual` if not given. What makes no sense is as if not given.
    pub(super) fn of(query: Query<'_>, usual: usize) -> Self {
        let positive = |name| query.first(name).and_then(|text| text.parse().ok()).filter(|number| *number > 0);
        let per_page = positive("per_page").unwrap_or(usual).min(MOST_PER_PAGE);
        Self { page: positive("page").unwrap_or(1), per_page, usual }
    }

    /// Rows before this page.
    pub(super) fn skip(self) -> usize {
        (self.page - 1).saturating_mul(self.per_page)
    }

    /// Rows of this page.
    pub(super) fn take(self) -> usize {
        self.per_page
    }

    /// `101–200 of 12,345`, with links to the pages around that keep the parameters `kept`.
    pub(super) fn links(self, path: &str, kept: &[(&str, &str)], total: usize) -> Markup {
        let last = total.div_ceil(self.per_page).max(1);
        let first_row = self.skip().saturating_add(1);
        let last_row = self.skip().saturating_add(self.per_page).min(total);
        let href = |page| self.href(path, kept, page);
        html! {
            p {
                @if total == 0 { "none " }
                @else if first_row > total { "nothing on this page, " (number(total as u64)) " in all " }
                @else { (number(first_row as u64)) "–" (number(last_row as u64)) " of " (number(total as u64)) " " }
                @if self.page > 1 {
                    a href=(href(1)) { "first" } " " a href=(href((self.page - 1).min(last))) rel="prev" { "previous" } " "
                }
                @if self.page < last {
                    a href=(href(self.page + 1)) rel="next" { "next" } " " a href=(href(last)) { "last" }
                }
            }
        }
    }

    fn href(self, path: &str, kept: &[(&str, &str)], page: usize) -> String {
        let mut href = format!("{path}?page={page}");
        if self.per_page != self.usual {
            href.push_str(&format!("&per_page={}", self.per_page));
        }
        for (name, value) in kept.iter().filter(|(_, value)| !value.is_empty()) {
            href.push_str(&format!("&{name}={}", query_escape(value)));
        }
        href
    }
}

/// A search box that keeps the parameters `kept`.
pub(super) fn search(path: &str, kept: &[(&str, &str)], q: &str, hint: &str) -> Markup {
    html! {
        form action=(path) method="get" role="search" {
            @for (name, value) in kept.iter().filter(|(_, value)| !value.is_empty()) {
                input type="hidden" name=(name) value=(value);
            }
            input type="search" name="q" value=(q) placeholder=(hint) aria-label=(hint);
            button { "Search" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_any_input() {
        for (query, skip, take) in [
            ("", 0, 100),
            ("page=3", 200, 100),
            ("page=3&per_page=10", 20, 10),
            ("page=0&per_page=0", 0, 100),
            ("page=-1&per_page=oops", 0, 100),
            ("per_page=99999999", 0, 1000),
            ("page=18446744073709551615&per_page=1000", usize::MAX, 1000),
        ] {
            let paging = Paging::of(Query::new(Some(query)), PER_PAGE);
            assert_eq!((paging.skip(), paging.take()), (skip, take), "{query}");
            assert!(paging.links("/x", &[], 250).into_string().contains("250"), "{query}");
        }
    }

    #[test]
    fn links_keep_what_was_asked() {
        let paging = Paging::of(Query::new(Some("page=2")), PER_PAGE);
        let links = paging.links("/x", &[("q", "a b"), ("job", "")], 250).into_string();
        assert!(links.contains("101–200 of 250"), "{links}");
        assert!(links.contains("href=\"/x?page=3&amp;q=a+b\""), "{links}");
    }
}
