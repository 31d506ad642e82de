//! Disks that fail: what is not durable is never acknowledged.

use super::super::segment::Step;
use super::*;
use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A disk that fails at a step while the switch is on.
fn failing(step: Step, kind: ErrorKind) -> (Disk, Arc<AtomicBool>) {
    let switch = Arc::new(AtomicBool::new(false));
    let on = Arc::clone(&switch);
    let fails = move |now: Step| {
        let fails = now == step && on.load(Ordering::Acquire);
        if fails { Err(Error::from(kind)) } else { Ok(()) }
    };
    (Disk { fails: Some(Arc::new(fails)) }, switch)
}

#[test]
fn after_a_failed_write_or_fsync_nothing_is_acknowledged_until_the_next_start() {
    for step in [Step::Write, Step::Sync] {
        let dir = TempDir::new().unwrap();
        let (disk, switch) = failing(step, ErrorKind::Other);
        let running = Running::with(dir.path(), "main", None, disk).unwrap();
        assert_eq!(running.append(answer("R1", None, 1)).unwrap(), 1);
        switch.store(true, Ordering::Release);
        assert!(
            matches!(running.append(answer("R2", None, 2)), Err(AnswerLogError::File { .. })),
            "{step:?}"
        );
        assert!(running.log.stopped().is_some());
        // The disk may work again: what it has of the failed write is not known.
        switch.store(false, Ordering::Release);
        assert!(matches!(running.append(answer("R3", None, 3)), Err(AnswerLogError::Stopped { .. })));
        assert_eq!((running.log.last(), running.log.entry(2).unwrap()), (1, None));
        running.close();
        let again = Running::open(dir.path()).unwrap();
        let last = again.log.last();
        assert_eq!(again.append(answer("R4", None, 4)).unwrap(), last + 1);
        again.close();
        assert!(chain::verify(&dir.path().join("main")).unwrap().holds());
    }
}

#[test]
fn a_full_disk_refuses_answers_until_there_is_space_again() {
    let dir = TempDir::new().unwrap();
    let (disk, switch) = failing(Step::Prepare, ErrorKind::StorageFull);
    let running = Running::with(dir.path(), "main", None, disk).unwrap();
    switch.store(true, Ordering::Release);
    for _ in 0..2 {
        let refused = running.append(answer("R1", None, 1)).unwrap_err();
        assert!(
            matches!(&refused, AnswerLogError::File { source, .. } if source.kind() == ErrorKind::StorageFull)
        );
        assert_eq!((running.log.last(), running.log.stopped()), (0, None));
    }
    switch.store(false, Ordering::Release);
    assert_eq!(running.append(answer("R1", None, 1)).unwrap(), 1);
    running.close();
}

#[test]
fn a_file_that_is_full_is_followed_by_the_next() {
    let dir = TempDir::new().unwrap();
    let running = Running::open(dir.path()).unwrap();
    let large = answer(&"R".repeat(200_000), None, 1);
    let count = u64::try_from(2 * segment::SEGMENT_BYTES / 200_000 + 3).unwrap();
    (1..=count).for_each(|number| assert_eq!(running.append(large.clone()).unwrap(), number));
    (1..=count).for_each(|number| assert_eq!(running.log.entry(number).unwrap().unwrap().number, number));
    running.close();
    let folder = dir.path().join("main");
    assert!(segment::list(&folder).unwrap().len() >= 3);
    let report = chain::verify(&folder).unwrap();
    assert!(report.holds() && report.last == count, "{:?}", report.problems);
    let again = Running::open(dir.path()).unwrap();
    assert_eq!(again.log.entry(count).unwrap().unwrap().content, large.content);
    again.close();
}
