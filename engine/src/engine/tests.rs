use super::*;

#[test]
fn without_any_step_the_snapshot_is_empty_and_has_number_zero() {
    let engine = Engine::new(&EngineOptions::default(), TargetStore::new()).unwrap();
    let snapshot = engine.snapshots().load();
    assert_eq!((snapshot.number(), snapshot.job_count(), snapshot.targets()), (0, 0, 0));
    assert_eq!(&snapshot.listing()[..], b"{}\n");
}

#[test]
fn a_stop_ends_the_warming() {
    let mut engine = Engine::new(&EngineOptions::default(), TargetStore::new()).unwrap();
    assert_eq!(engine.warm(&|| true), 0);
}
