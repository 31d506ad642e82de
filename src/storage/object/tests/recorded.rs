//! What a process knows of the writers before it on its machine.

use super::super::writer_record::WriterRecord;
use super::unkind::{Unkind, World};
use super::*;
use std::path::{Path, PathBuf};

/// A process with its own way to the bucket and a data directory; a writer is dead for it after an hour.
fn process(world: &Arc<World>, data_dir: &Path) -> (Arc<Unkind>, Object) {
    with_lease(world, data_dir, options().lease)
}

fn with_lease(world: &Arc<World>, data_dir: &Path, lease: Duration) -> (Arc<Unkind>, Object) {
    let way = Unkind::new(world, 1, 0);
    let (writer_record, patience) = (Some(record_in(data_dir)), Duration::from_millis(50));
    let options = ObjectOptions { writer_record, patience, lease, ..options() };
    (Arc::clone(&way), object(way, options))
}

fn record_in(data_dir: &Path) -> PathBuf {
    data_dir.join("writer-record.json")
}

/// Leaves a ledger with one commit, and no word of its writer's end, as a process does that is killed.
fn leave_a_dead_writer(world: &Arc<World>, data_dir: &Path) {
    let (way, writer) = process(world, data_dir);
    let session = open(&writer, Mode::WRITE).unwrap();
    commit(&session, 1).unwrap();
    way.is_cut_off.store(true, Ordering::Release);
}

fn is_over(session: &Session) -> bool {
    session.writer_activity().unwrap().is_over()
}

#[test]
fn a_writer_that_was_killed_is_followed_at_once_on_its_machine_and_nowhere_else() {
    let (world, mine, other) = (Arc::default(), TempDir::new().unwrap(), TempDir::new().unwrap());
    leave_a_dead_writer(&world, mine.path());
    // Another machine would wait for the lease.
    let (_, elsewhere) = process(&world, other.path());
    let standby = open(&elsewhere, Mode::Read).unwrap();
    standby.prepare().unwrap();
    assert!(!is_over(&standby), "another machine knows of the end");
    // A standby on the same machine sees the end before it has looked again.
    {
        let (_, here) = process(&world, mine.path());
        let standby = open(&here, Mode::Read).unwrap();
        assert!(!is_over(&standby), "it has not asked for the record yet");
        standby.prepare().unwrap();
        assert!(is_over(&standby));
    }
    // One that waits looks forty times in a lease.
    let (way, here) = with_lease(&world, mine.path(), Duration::from_secs(2));
    let session = open(&here, Mode::WRITE).unwrap();
    assert!(
        way.asked.load(Ordering::Acquire) < 30,
        "it looked again and again, as one that waits for a lease"
    );
    assert_eq!(newest(&session), "1");
    commit(&session, 2).unwrap();
}

#[test]
fn a_writer_at_work_is_not_taken_for_dead_whatever_its_data_directory_has() {
    let (world, mine, copy) = (Arc::default(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let (_, writer) = process(&world, mine.path());
    let session = open(&writer, Mode::WRITE).unwrap();
    commit(&session, 1).unwrap();
    // A copy of the data directory, by whatever way, and a process beside the writer in its own.
    std::fs::copy(record_in(mine.path()), record_in(copy.path())).unwrap();
    for data_dir in [copy.path(), mine.path()] {
        let (_, beside) = process(&world, data_dir);
        let standby = open(&beside, Mode::Read).unwrap();
        standby.prepare().unwrap();
        assert!(!is_over(&standby), "{}", data_dir.display());
    }
    commit(&session, 2).unwrap();
}

#[test]
fn what_a_killed_writer_had_sent_already_counts_and_its_successor_goes_on_after_it() {
    let (world, mine, other) = (Arc::default(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let (_, writer) = process(&world, other.path());
    let session = open(&writer, Mode::WRITE).unwrap();
    commit(&session, 1).unwrap();
    // As if the session had been one of the machine of `here`.
    let nonce = core(&session).nonce();
    WriterRecord::lock(&record_in(mine.path())).unwrap().unwrap().add_session(nonce).unwrap();
    let (way, here) = with_lease(&world, mine.path(), Duration::from_secs(2));
    let sent = Arc::new(session);
    let late = Arc::clone(&sent);
    *way.before_slot.lock().unwrap() = Some(Box::new(move || commit(&late, 2).unwrap()));
    let successor = open(&here, Mode::WRITE).unwrap();
    assert_eq!(newest(&successor), "2");
    commit(&successor, 3).unwrap();
    let fenced = commit(&sent, 3);
    assert!(matches!(fenced, Err(StorageError::Fenced { .. })), "{fenced:?}");
}

#[test]
fn a_store_that_passed_from_here_before_is_tried_beside_the_work() {
    let (world, mine): (Arc<World>, _) = (Arc::default(), TempDir::new().unwrap());
    let requests = |options: &dyn Fn(ObjectOptions) -> ObjectOptions| {
        let way = Unkind::new(&world, 1, 0);
        let with_record = ObjectOptions { writer_record: Some(record_in(mine.path())), ..super::options() };
        let storage = object(Arc::clone(&way) as _, options(with_record));
        let session = open(&storage, Mode::WRITE).unwrap();
        let at_start = way.asked.load(Ordering::Acquire);
        session.prepare().unwrap();
        let later = way.asked.load(Ordering::Acquire) - at_start;
        (at_start > 40, later > 40)
    };
    assert_eq!(requests(&|options| options), (true, false), "the first time, before anything is written");
    assert_eq!(requests(&|options| options), (false, true), "then beside the work");
    let elsewhere = |options| ObjectOptions { prefix: "elsewhere".to_owned(), ..options };
    assert_eq!(requests(&elsewhere), (true, false), "another place is another store");
}
