use ta_model::scrape_config;
use ta_model::yaml::{Strings, parse};

use super::*;

fn mk_jobs(names: &[&str]) -> Vec<Arc<ScrapeConfig>> {
    let jobs: Vec<String> = names.iter().map(|name| format!("{{job_name: {name}}}")).collect();
    let text = format!("scrape_configs: [{}]", jobs.join(", "));
    scrape_config::decode(&parse(&text).unwrap().root, Strings::RoundTripped).config.scrape_configs
}

fn names(table: &JobTable) -> Vec<(&str, Origin)> {
    table.jobs().iter().map(|job| (&**job.name(), job.origin())).collect()
}

/// Names in both tables: listed, and all.
fn both(tables: &JobTables) -> (Vec<String>, Vec<String>) {
    let names = |table: &JobTable| table.jobs().iter().map(|job| job.name().to_string()).collect();
    (names(&tables.listed.borrow()), names(&tables.all.borrow()))
}

#[test]
fn only_a_different_table_is_published_and_numbered() {
    let mut tables = JobTables::new(FilterStrategy::RelabelConfig);
    let mut seen = tables.subscribe();
    assert!(tables.replace(Origin::File, Vec::new(), None), "the first is news even if it is empty");
    assert!(tables.replace(Origin::File, mk_jobs(&["b", "a"]), None));
    assert_eq!(seen.borrow_and_update().number(), 2);
    assert!(!tables.replace(Origin::File, mk_jobs(&["a", "b"]), None), "order says nothing");
    assert!(!seen.has_changed().unwrap());
    assert!(tables.replace(Origin::File, mk_jobs(&["a"]), None));
    assert_eq!(names(&seen.borrow()), [("a", Origin::File)]);
}

#[test]
fn of_two_jobs_of_one_name_the_file_has_the_word() {
    let mut tables = JobTables::new(FilterStrategy::RelabelConfig);
    let seen = tables.subscribe();
    tables.replace(Origin::Resource, mk_jobs(&["a", "r"]), None);
    tables.replace(Origin::File, mk_jobs(&["a", "f"]), None);
    assert_eq!(names(&seen.borrow()), [("a", Origin::File), ("f", Origin::File), ("r", Origin::Resource)]);
    assert_eq!(tables.clashes, BTreeSet::from(["a".to_owned()]));
    tables.replace(Origin::File, Vec::new(), None);
    assert_eq!(names(&seen.borrow()), [("a", Origin::Resource), ("r", Origin::Resource)]);
}

#[test]
fn a_new_job_is_listed_with_its_targets_or_after_a_while() {
    let mut tables = JobTables::new(FilterStrategy::RelabelConfig);
    tables.replace(Origin::File, mk_jobs(&["f"]), None);
    let mut listed = tables.subscribe();
    listed.borrow_and_update();
    let now = Instant::now();
    tables.replace(Origin::Resource, mk_jobs(&["a", "b"]), Some(now + HOLD));
    assert!(!listed.has_changed().unwrap());
    assert_eq!(both(&tables), (vec!["f".into()], vec!["a".into(), "b".into(), "f".into()]));

    tables.synced(&["a".into(), "x".into()]);
    assert_eq!(names(&listed.borrow_and_update()), [("a", Origin::Resource), ("f", Origin::File)]);
    let number = listed.borrow().number();
    tables.release(now);
    assert!(!listed.has_changed().unwrap());
    assert_eq!(tables.next_release(), Some(now + HOLD));
    tables.release(now + HOLD);
    assert_eq!(listed.borrow().jobs().len(), 3);
    assert!(listed.borrow().number() > number, "other bytes, other number");
    assert_eq!(tables.next_release(), None);
}

#[test]
fn what_is_listed_stays_listed_and_what_is_gone_is_not_waited_for() {
    let mut tables = JobTables::new(FilterStrategy::RelabelConfig);
    tables.replace(Origin::Resource, mk_jobs(&["a"]), None);
    let until = Instant::now() + HOLD;
    tables.replace(Origin::Resource, mk_jobs(&["a", "b"]), Some(until));
    tables.replace(Origin::Resource, mk_jobs(&["a"]), Some(until));
    assert_eq!(tables.next_release(), None);
    assert_eq!(both(&tables), (vec!["a".into()], vec!["a".into()]));
}
