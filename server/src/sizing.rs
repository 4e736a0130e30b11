//! How many threads and how much memory: what Go's variables, the container and the machine allow.

use std::path::Path;

use crate::Environment;
use crate::config::parse_size;

/// Never more for whole bodies without being asked: beyond it rendering from segments is as good.
const MAX_BODY_BUDGET: u64 = 1 << 30;
/// Where nothing tells the memory limit.
const DEFAULT_BODY_BUDGET: u64 = 256 << 20;
/// Connections and discovery wait far more than they compute. Two at least: a probe must not wait for another answer.
const IO_THREADS: std::ops::RangeInclusive<usize> = 2..=4;

/// What this process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Whole CPUs, at least 1.
    pub cpus: usize,
    /// Bytes, if anything says so.
    pub memory: Option<u64>,
}

impl Limits {
    /// Reads the environment, the cgroup and the machine.
    #[must_use]
    pub fn detect(env: &Environment) -> Self {
        let machine = std::thread::available_parallelism().map_or(1, usize::from);
        Self::from_parts(env, Cgroup::read(Path::new("/")), machine)
    }

    /// `GOMAXPROCS` (the operator sets it from the CPU limit), the cgroup's quota and the machine: the least of them.
    fn from_parts(env: &Environment, cgroup: Cgroup, machine: usize) -> Self {
        let gomaxprocs =
            env.get("GOMAXPROCS").and_then(|text| text.trim().parse::<usize>().ok()).filter(|cpus| *cpus > 0);
        let cpus = [gomaxprocs, cgroup.cpus, Some(machine.max(1))].into_iter().flatten().min().unwrap_or(1);
        // `off` is Go's word for no limit, and no number
        let gomemlimit = env.get("GOMEMLIMIT").and_then(|text| parse_size(text.trim())).filter(|bytes| *bytes > 0);
        Self { cpus, memory: [gomemlimit, cgroup.memory].into_iter().flatten().min() }
    }

    /// Threads of the async runtime.
    #[must_use]
    pub fn io_threads(self) -> usize {
        self.cpus.clamp(*IO_THREADS.start(), *IO_THREADS.end())
    }

    /// Bytes of whole bodies to keep: an eighth of the memory.
    #[must_use]
    pub fn body_budget(self) -> u64 {
        self.memory.map_or(DEFAULT_BODY_BUDGET, |bytes| (bytes / 8).min(MAX_BODY_BUDGET))
    }
}

/// The limits of the control group this process is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cgroup {
    cpus: Option<usize>,
    memory: Option<u64>,
}

impl Cgroup {
    /// Reads cgroup v2, else v1, under `root`. A container sees its own group as the root of the hierarchy; where it
    /// sees the host's (no cgroup namespace), `/proc/self/cgroup` names the group. Anything unreadable is no limit.
    fn read(root: &Path) -> Self {
        let groups = read(&root.join("proc/self/cgroup")).unwrap_or_default();
        let base = root.join("sys/fs/cgroup");
        if base.join("cgroup.controllers").exists() {
            let group = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
            return Self::read_v2(&base, group);
        }
        Self::read_v1(&base, &groups)
    }

    /// The least of every level's limits, from the group up to the root.
    fn read_v2(base: &Path, group: &str) -> Self {
        let mut found = Self::default();
        for dir in levels(base, group) {
            let cpus = read(&dir.join("cpu.max")).and_then(|text| {
                let (quota, period) = text.split_once(' ')?;
                whole_cpus(quota, period)
            });
            let memory = read(&dir.join("memory.max")).and_then(|text| text.parse().ok());
            found = found.tighter(Self { cpus, memory });
        }
        found
    }

    fn read_v1(base: &Path, groups: &str) -> Self {
        let group_of = |controller: &str| {
            let of = |line: &'_ str| {
                let (_, rest) = line.split_once(':')?;
                let (controllers, group) = rest.split_once(':')?;
                controllers.split(',').any(|name| name == controller).then(|| group.to_owned())
            };
            groups.lines().find_map(of).unwrap_or_else(|| "/".into())
        };
        let mut found = Self::default();
        for dir in levels(&base.join("cpu"), &group_of("cpu")) {
            let quota = read(&dir.join("cpu.cfs_quota_us"));
            let period = read(&dir.join("cpu.cfs_period_us"));
            let cpus = quota.zip(period).and_then(|(quota, period)| whole_cpus(&quota, &period));
            found = found.tighter(Self { cpus, memory: None });
        }
        for dir in levels(&base.join("memory"), &group_of("memory")) {
            // "no limit" is a number near 2^63 here
            let memory = read(&dir.join("memory.limit_in_bytes")).and_then(|text| text.parse().ok());
            found = found.tighter(Self { cpus: None, memory: memory.filter(|bytes| *bytes < 1 << 60) });
        }
        found
    }

    fn tighter(self, other: Self) -> Self {
        Self {
            cpus: [self.cpus, other.cpus].into_iter().flatten().min(),
            memory: [self.memory, other.memory].into_iter().flatten().min(),
        }
    }
}

/// The directories of `group` and everything above it under `base`, the innermost first.
fn levels(base: &Path, group: &str) -> Vec<std::path::PathBuf> {
    let inner = base.join(group.trim_start_matches('/'));
    inner.ancestors().take_while(|dir| dir.starts_with(base)).map(Path::to_path_buf).collect()
}

/// A quota as CPUs, rounded up as the operator rounds. `max` and -1 are no limit.
fn whole_cpus(quota: &str, period: &str) -> Option<usize> {
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    usize::try_from(quota.div_ceil(period.max(1)).max(1)).ok()
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// Raises the soft limit of open files to the hard one, as Go does at start: every collector holds one connection per job.
/// The error is for the log; the process can live with what it has.
pub(crate) fn raise_open_files() -> std::io::Result<u64> {
    let (soft, hard) = rlimit::Resource::NOFILE.get()?;
    if soft < hard {
        rlimit::Resource::NOFILE.set(hard, hard)?;
    }
    Ok(hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_env(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn mk_root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_least_limit_counts() {
        let cgroup = Cgroup { cpus: Some(3), memory: Some(1 << 30) };
        let cases = [
            (&[][..], 3, Some(1 << 30)),
            (&[("GOMAXPROCS", "2"), ("GOMEMLIMIT", "536870912")], 2, Some(512 << 20)),
            (&[("GOMAXPROCS", "64"), ("GOMEMLIMIT", "4GiB")], 3, Some(1 << 30)),
            (&[("GOMAXPROCS", "0"), ("GOMEMLIMIT", "off")], 3, Some(1 << 30)),
            (&[("GOMAXPROCS", "many"), ("GOMEMLIMIT", "")], 3, Some(1 << 30)),
        ];
        for (env, cpus, memory) in cases {
            assert_eq!(Limits::from_parts(&mk_env(env), cgroup, 8), Limits { cpus, memory }, "{env:?}");
        }
        assert_eq!(Limits::from_parts(&mk_env(&[]), Cgroup::default(), 2), Limits { cpus: 2, memory: None });
    }

    #[test]
    fn io_threads_are_few_but_never_alone() {
        let threads = |cpus| Limits { cpus, memory: None }.io_threads();
        assert_eq!([threads(1), threads(3), threads(64)], [2, 3, 4]);
    }

    #[test]
    fn budgets_follow_the_memory() {
        let budget = |memory| Limits { cpus: 1, memory }.body_budget();
        assert_eq!(budget(None), 256 << 20);
        assert_eq!(budget(Some(256 << 20)), 32 << 20);
        assert_eq!(budget(Some(256 << 30)), 1 << 30);
    }

    #[test]
    fn cgroup_v2_counts_every_level() {
        let root = mk_root(&[
            ("proc/self/cgroup", "0::/pod/main\n"),
            ("sys/fs/cgroup/cgroup.controllers", "cpu memory\n"),
            ("sys/fs/cgroup/pod/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/pod/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/pod/main/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/pod/main/memory.max", "max\n"),
        ]);
        assert_eq!(Cgroup::read(root.path()), Cgroup { cpus: Some(2), memory: Some(1 << 30) });
    }

    #[test]
    fn cgroup_v1_is_read_by_controller() {
        let root = mk_root(&[
            ("proc/self/cgroup", "5:cpu,cpuacct:/docker/x\n3:memory:/docker/x\n"),
            ("sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us", "400000\n"),
            ("sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "268435456\n"),
        ]);
        assert_eq!(Cgroup::read(root.path()), Cgroup { cpus: Some(4), memory: Some(256 << 20) });
        assert_eq!(Cgroup::read(&root.path().join("nothing")), Cgroup::default());
    }
}
