//! Job tables that follow one another.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::sync::Arc;

use ta_model::Secrets;
use ta_model::job_table::{FilterStrategy, JobTable, Origin};
use ta_model::scrape_config::{ScrapeConfig, decode, render_all};
use ta_model::yaml::{Strings, parse};

type Jobs = Vec<(Arc<ScrapeConfig>, Origin)>;

fn mk_jobs(text: &str) -> Jobs {
    let decoded = decode(&parse(&format!("scrape_configs: [{text}]")).unwrap().root, Strings::AsWritten);
    assert_eq!(decoded.errors, []);
    decoded.config.scrape_configs.into_iter().map(|job| (job, Origin::Resource)).collect()
}

fn mk_table(jobs: Jobs) -> JobTable {
    JobTable::new(1, jobs, FilterStrategy::RelabelConfig)
}

const SECRET: &str = "{job_name: s, basic_auth: {username: u, password: p}}";

#[test]
fn only_what_changed_is_made_anew() {
    let before = mk_table(mk_jobs("{job_name: b}, {job_name: a}, {job_name: c}"));
    // decoded again: equal, not the same
    let mut jobs = mk_jobs("{job_name: c, metrics_path: /x}, {job_name: a}, {job_name: d}, {job_name: b}");
    jobs[3].1 = Origin::File;
    let after = before.followed_by(2, jobs);
    let names: Vec<&str> = after.jobs().iter().map(|job| &**job.name()).collect();
    assert_eq!((names, after.number()), (vec!["a", "b", "c", "d"], 2));
    let same = |name| Arc::ptr_eq(before.job(name).unwrap(), after.job(name).unwrap());
    assert!(same("a"));
    assert!(!same("b"), "the origin is another");
    assert!(!same("c"), "the path is another");
    assert_eq!(after.job("c").unwrap().config().metrics_path, "/x");
    assert!(!after.same_as(&before) && after.same_as(&after.restricted(9, |_| true)));
}

#[test]
fn the_joined_bodies_are_those_rendered_at_once() {
    let jobs = mk_jobs(&format!("{{job_name: '<b'}}, {SECRET}, {{job_name: a}}"));
    let table = mk_table(jobs.clone());
    let whole = |secrets| render_all(jobs.iter().map(|(job, _)| &**job), secrets);
    assert_eq!(**table.masked(), whole(Secrets::Masked));
    assert_eq!(**table.revealed(), whole(Secrets::Revealed));
    assert!(table.has_secrets());
    let open = table.restricted(2, |job| &**job.name() != "s");
    assert_eq!(open.jobs().len(), 2);
    assert!(!open.has_secrets() && open.masked() == open.revealed() && !open.masked().contains("basic_auth"));
    assert_eq!(**JobTable::empty().masked(), *"{}");
}
