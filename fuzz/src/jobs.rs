//! Jobs, however they came to be. They are served to collectors as JSON, which these read by the rules of Prometheus: so the
//! same jobs have to come out of it again.

use std::sync::Arc;

use serde_json::Value;
use ta_model::job_table::{FilterStrategy, JobTable, Origin};
use ta_model::scrape_config::{GlobalConfig, ScrapeConfig, SdConfig, decode_job, render_job};
use ta_model::yaml::{Strings, parse};
use ta_model::{MASK, Secrets};

/// What holds for jobs whose names differ.
pub(crate) fn check_jobs(jobs: &[Arc<ScrapeConfig>]) {
    let table = |number| {
        let jobs = jobs.iter().map(|job| (job.clone(), Origin::File)).collect();
        JobTable::new(number, jobs, FilterStrategy::RelabelConfig)
    };
    let (one, other) = (table(1), table(2));
    assert!(one.same_as(&other) && one.masked() == other.masked() && one.revealed() == other.revealed());
    for body in [one.masked(), one.revealed()] {
        let listed: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {body}"));
        let names: Vec<&str> = listed.as_object().expect("an object").keys().map(String::as_str).collect();
        assert!(names.iter().copied().eq(one.jobs().iter().map(|job| &**job.name())), "{names:?}");
    }
    jobs.iter().for_each(|job| check_job(job));
}

fn check_job(job: &ScrapeConfig) {
    let (masked, revealed) = (render_job(job, Secrets::Masked), render_job(job, Secrets::Revealed));
    let again = read_again(&revealed);
    if job.sd_configs.iter().any(|config| matches!(config, SdConfig::Unsupported(_))) {
        return; // of these nothing is kept, and nothing served
    }
    let again = again.unwrap_or_else(|problems| panic!("collectors cannot read {revealed}: {problems}"));
    assert_eq!(render_job(&again, Secrets::Revealed), revealed, "served as it was read");
    // these are kept as they were written, and served as they are understood, without their passwords
    if !["\"proxy_url\"", "\"api_server\""].iter().any(|key| revealed.contains(key)) {
        assert_eq!(again, *job, "read again from {revealed}");
        assert_eq!(again.fingerprint(), job.fingerprint(), "of equal jobs");
        let fingerprints = |job: &ScrapeConfig| job.sd_configs.iter().map(SdConfig::fingerprint).collect::<Vec<_>>();
        assert_eq!(fingerprints(&again), fingerprints(job), "of equal discovery");
    }
    if masked != revealed {
        // a mask is a password like any other to those who read it
        let again = read_again(&masked).unwrap_or_else(|problems| panic!("nobody can read {masked}: {problems}"));
        assert_eq!(render_job(&again, Secrets::Masked), masked);
        assert!(masked.contains(&MASK.replace('<', "\\u003c").replace('>', "\\u003e")) || masked.contains("xxxxx"));
        assert_ne!(again.fingerprint(), job.fingerprint(), "of jobs that differ in secrets");
    }
}

/// Reads a job as it is served.
fn read_again(json: &str) -> Result<ScrapeConfig, String> {
    let document = parse(json).map_err(|error| error.to_string())?;
    let decoded = decode_job(&document.root, &GlobalConfig::default(), Strings::AsWritten);
    let problems: Vec<String> = decoded.errors.iter().chain(&decoded.warnings).map(ToString::to_string).collect();
    match decoded.job {
        Some(job) if problems.is_empty() => Ok(job),
        _ => Err(problems.join("; ")),
    }
}
