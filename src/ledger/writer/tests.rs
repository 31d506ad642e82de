use crate::ledger::testing::{commit, event, open};
use std::sync::Arc;

#[test]
fn answering_threads_free_no_state() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    let published = ledger.published();
    let read = published.current();
    let state = Arc::downgrade(&read);
    commit(&mut ledger, 0, &[event(1, 0)]);
    assert_eq!(published.current().root().commit, read.root().commit + 1);
    drop(read);
    assert!(state.upgrade().is_some(), "the reader was the last to have it");
    commit(&mut ledger, 1, &[event(2, 0)]);
    assert!(state.upgrade().is_none(), "no thread reads it, and it is still held");
}
