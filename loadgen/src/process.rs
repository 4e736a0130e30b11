//! Memory and CPU of watched processes, from `/proc`; nothing on other systems.

/// Clock ticks per second in `/proc/<pid>/stat`: 100 on every Linux architecture in use.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process uses.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Resident memory, bytes.
    pub rss_bytes: u64,
    /// User and system CPU time since its start, seconds.
    pub cpu_seconds: f64,
}

/// Usage of one process; none if it is gone.
pub fn usage(pid: u32) -> Option<Usage> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let rss_bytes = kilobytes.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name in parentheses may hold spaces; utime and stime are fields 14 and 15
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11..13)?.iter().filter_map(|field| field.parse::<f64>().ok()).sum();
    Some(Usage { rss_bytes, cpu_seconds: ticks / TICKS_PER_SECOND })
}

/// Growth per second of a series of (seconds, value), by least squares; 0 for fewer than two points.
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (mean_x, mean_y) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if variance > 0.0 { covariance / variance } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_those_of_the_line() {
        assert_eq!(slope(&[(0.0, 5.0), (1.0, 7.0), (2.0, 9.0)]), 2.0);
        assert_eq!(slope(&[(3.0, 5.0)]), 0.0);
        assert_eq!(slope(&[]), 0.0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_nobody_has_pid_zero() {
        assert!(usage(std::process::id()).unwrap().rss_bytes > 100_000);
        assert_eq!(usage(0), None);
    }
}
