//! How many targets each job gets.

use super::JobSizes;

/// Sizes of all jobs; their sum is exactly `targets`.
pub(super) fn job_sizes(targets: u64, jobs: u32, spread: JobSizes) -> Vec<u64> {
    match spread {
        JobSizes::Even => even(targets, u64::from(jobs)),
        JobSizes::Zipf(s) => zipf(targets, jobs, s),
    }
}

fn even(targets: u64, jobs: u64) -> Vec<u64> {
    (0..jobs).map(|j| targets / jobs + u64::from(j < targets % jobs)).collect()
}

fn zipf(targets: u64, jobs: u32, s: f64) -> Vec<u64> {
    let floor = u64::from(targets >= u64::from(jobs));
    let spare = targets - floor * u64::from(jobs);
    let shares: Vec<f64> = (1..=jobs).map(|rank| f64::from(rank).powf(-s)).collect();
    let sum: f64 = shares.iter().sum();
    let mut sizes: Vec<u64> = shares.iter().map(|share| floor + (spare as f64 * share / sum) as u64).collect();
    // what rounding down left over (less than one per job) goes to the largest jobs
    let left = targets - sizes.iter().sum::<u64>();
    sizes.iter_mut().take(left as usize).for_each(|size| *size += 1);
    sizes
}
