//! Checks of the allocator's own view: `/jobs/<job>/targets` without `collector_id` is one snapshot of one job.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::source::Source;
use crate::client::{Asking, Client};
use crate::protocol::http_sd::read_job_listing;
use crate::protocol::query_escape;
use crate::report::Audit;
use crate::stats::lock;

/// Asks for one job after the other, for ever.
pub(super) async fn run(mut client: Client, source: Arc<Mutex<Source>>, every: Duration, found: Arc<Mutex<Audit>>) {
    let jobs = lock(&source).jobs();
    let mut before: Vec<HashSet<u64>> = vec![HashSet::new(); jobs.len()];
    for (number, name) in jobs.iter().enumerate().cycle() {
        tokio::time::sleep(every).await;
        let existing = lock(&source).identities(number);
        // only what existed at the last look already must have an owner: newer targets may not have arrived yet
        let settled: HashSet<u64> = existing.intersection(&before[number]).copied().collect();
        before[number] = existing;
        let path = format!("/jobs/{}/targets", query_escape(name));
        let answer = client.get(&path, Asking::Targets).await;
        let mut audit = lock(&found);
        match answer {
            Ok(answer) if answer.status == 200 => check(&answer.body, name, &settled, &mut audit),
            _ => audit.errors += 1,
        }
    }
}

fn check(body: &[u8], job: &str, settled: &HashSet<u64>, audit: &mut Audit) {
    let mut owners: HashMap<u64, u64> = HashMap::new();
    let read = read_job_listing(body, job, &mut |_, target| *owners.entry(target.identity).or_default() += 1);
    if read.is_err() {
        audit.errors += 1;
        return;
    }
    audit.answers += 1;
    audit.targets += owners.len() as u64;
    audit.doubled += owners.values().filter(|count| **count > 1).count() as u64;
    audit.unowned += settled.iter().filter(|target| !owners.contains_key(target)).count() as u64;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::LabelFold;

    #[test]
    fn unowned_and_doubled_targets_are_found() {
        let id = |address: &str| LabelFold::default().finish("job", address).identity;
        let group = |address: &str| format!("{{\"targets\":[\"{address}\"],\"labels\":{{}}}}");
        let body = format!(
            "{{\"c-0\":{{\"_link\":\"x\",\"targets\":[{},{}]}},\"c-1\":{{\"_link\":\"x\",\"targets\":[{}]}}}}",
            group("a:1"),
            group("b:1"),
            group("b:1")
        );
        let mut audit = Audit::default();
        check(body.as_bytes(), "job", &HashSet::from([id("a:1"), id("b:1"), id("c:1")]), &mut audit);
        assert_eq!(audit, Audit { answers: 1, targets: 2, unowned: 1, doubled: 1, errors: 0 });
        check(b"not json", "job", &HashSet::new(), &mut audit);
        assert_eq!(audit.errors, 1);
    }
}
