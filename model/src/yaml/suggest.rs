//! "Did you mean": the nearest known key.

/// The known key nearest to `key`, if it is near enough to be a slip: at most one edit per three characters, letter
/// case and `-` for `_` free.
pub fn suggest<'k>(key: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let wanted = normalized(key);
    if wanted.len() > 64 {
        return None; // longer than any key there is
    }
    let allowed = wanted.len().div_ceil(3).min(4);
    known
        .into_iter()
        .map(|candidate| (distance(&wanted, &normalized(candidate)), candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Letters and digits only, so that `scrapeInterval`, `scrape-interval` and `scrape_interval` are one.
fn normalized(key: &str) -> Vec<char> {
    key.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Edits from one to the other: insert, delete, replace, swap neighbours (optimal string alignment).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before_last: Vec<usize> = vec![0; right.len() + 1];
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for i in 1..=left.len() {
        let mut current = vec![i; right.len() + 1];
        for j in 1..=right.len() {
            let replaced = last[j - 1] + usize::from(left[i - 1] != right[j - 1]);
            current[j] = replaced.min(last[j] + 1).min(current[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                current[j] = current[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_nothing_else() {
        let known = ["scrape_interval", "scrape_timeout", "static_configs", "job_name", "params"];
        let cases = [
            ("scrape_intervall", Some("scrape_interval")),
            ("scrapeInterval", Some("scrape_interval")),
            ("scrape-timeout", Some("scrape_timeout")),
            ("static_config", Some("static_configs")),
            ("job_nmae", Some("job_name")),
            ("Params", Some("params")),
            ("labels", None),
            ("x", None),
            ("", None),
        ];
        for (key, wanted) in cases {
            assert_eq!(suggest(key, known), wanted, "{key}");
        }
    }
}
