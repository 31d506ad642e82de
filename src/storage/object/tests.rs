//! The engine over a bucket in memory, and over one that is unkind; `seaweed` runs the contracts on a real store.

mod counting;
mod fencing;
mod history;
mod probing;
mod recorded;
mod seaweed;
mod trust;
mod unkind;

use super::*;
use crate::storage::contract_tests::Place;
use crate::storage::{Acquire, Change, Hint, Session, Storage, ValueKey, Version};
use object_store::memory::InMemory;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

const KIND: u8 = b'b';

/// Options with which tests need not wait: no writer counts as dead, and collection deletes at once.
fn options() -> ObjectOptions {
    ObjectOptions {
        lease: Duration::from_secs(3_600),
        heartbeat: Duration::from_secs(3_600),
        patience: Duration::from_secs(20),
        keep: Duration::ZERO,
        marks_every: Duration::ZERO,
        full_every: 5,
        appended_max: 3,
        inline_bytes_max: 512,
        segment_bytes: 200_000,
        ..ObjectOptions::default()
    }
}

fn object(store: Arc<dyn ObjectStore>, options: ObjectOptions) -> Object {
    Object::over(vec![store], "s3://memory", options)
}

/// A storage in a bucket in memory.
pub(in super::super) fn in_memory() -> Storage {
    Storage::Object(object(Arc::new(InMemory::new()), options()))
}

/// A place of contract tests.
pub(in super::super) fn place(name: &'static str, wrap: fn(Storage) -> Storage) -> Place {
    let storage = || wrap(in_memory());
    Place::object(name, storage(), storage())
}

fn how(mode: Mode) -> Acquire {
    Acquire { mode, cache_bytes: 1 << 20, index_bytes: 1 << 20 }
}

const TAKE_OVER: Mode = Mode::Write { accept_older_state: false, take_over: true };

fn open(object: &Object, mode: Mode) -> StorageResult<Session> {
    object.acquire(&how(mode)).map(|session| Session::Object(Arc::new(session)))
}

/// A commit with one entry and one value; the numbers of commits count from 1.
fn commit(session: &Session, number: u64) -> StorageResult<()> {
    let upload = session.begin(if number.is_multiple_of(2) { Hint::ShortLived } else { Hint::LongLived });
    upload.put(&ValueKey::new(KIND, number, 0), number.to_be_bytes().to_vec())?;
    upload.seal()?;
    let entry = Change::Put(b"newest".to_vec(), number.to_string().into_bytes());
    let at = session.version()?;
    session.swap_root(&at, &Version { number: at.number + 1, hash: [7; 32] }, &[entry])
}

fn newest(session: &Session) -> String {
    String::from_utf8(session.entry(b"newest").unwrap().unwrap().to_vec()).unwrap()
}

fn core(session: &Session) -> Arc<Core> {
    match session {
        Session::Object(session) => Arc::clone(&session.core),
        _ => unreachable!("it is of a bucket"),
    }
}

#[test]
fn a_small_commit_is_one_object_and_a_start_reads_from_the_newest_full_checkpoint() {
    let store = Arc::new(InMemory::new());
    let count = |folder: &str| {
        let shared = object(Arc::clone(&store) as _, options()).shared().unwrap();
        shared.bucket.list(folder, None).unwrap().len()
    };
    let storage = object(Arc::clone(&store) as _, options());
    let session = open(&storage, Mode::WRITE).unwrap();
    assert_eq!((count("slot/"), count("seg/"), count("probe/")), (1, 0, 0));
    commit(&session, 2).unwrap();
    assert_eq!((count("slot/"), count("seg/")), (2, 0), "small values lie in the slot");
    commit(&session, 3).unwrap();
    assert_eq!((count("slot/"), count("seg/")), (3, 1));
    for number in 4..40 {
        commit(&session, number).unwrap();
    }
    assert!(count("full/") >= 2);
    drop(session);
    // Another process, which knows nothing yet: without the slots before the checkpoint it must do.
    core(&open(&object(Arc::clone(&store) as _, options()), Mode::WRITE).unwrap()).collect().unwrap();
    assert!(count("slot/") < 20, "{} slots", count("slot/"));
    let other = object(Arc::clone(&store) as _, options());
    let session = open(&other, Mode::Read).unwrap();
    assert_eq!(newest(&session), "39");
    for number in 2..40 {
        let value = session.get(&ValueKey::new(KIND, number, 0)).unwrap().unwrap();
        assert_eq!(*value, number.to_be_bytes());
    }
}

#[test]
fn a_reader_that_continues_asks_for_new_slots_only_and_keeps_what_it_has() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (writing, reading) = (object(Arc::clone(&store), options()), object(store, options()));
    let session = open(&writing, Mode::WRITE).unwrap();
    commit(&session, 1).unwrap();
    let old = open(&reading, Mode::Read).unwrap();
    (2..30).for_each(|number| commit(&session, number).unwrap());
    let new = open(&reading, Mode::Read).unwrap();
    assert_eq!((newest(&old), newest(&new)), ("1".to_owned(), "29".to_owned()));
    // Beyond what it knows the slots are collected: it begins again at the newest full checkpoint.
    core(&session).write_full_if_due().unwrap();
    (30..60).for_each(|number| commit(&session, number).unwrap());
    core(&session).write_full_if_due().unwrap();
    core(&session).collect().unwrap();
    commit(&session, 60).unwrap();
    assert_eq!(newest(&open(&reading, Mode::Read).unwrap()), "60");
}

#[test]
fn values_that_do_not_count_are_deleted_and_no_other() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let storage = object(Arc::clone(&store), options());
    let segments = || storage.shared().unwrap().bucket.list("seg/", None).unwrap().len();
    let session = open(&storage, Mode::WRITE).unwrap();
    let fill = |run: u64| {
        let upload = session.begin(Hint::LongLived);
        (0..3).for_each(|nth| upload.put(&ValueKey::new(KIND, run, nth), vec![1; 100]).unwrap());
        upload
    };
    (1..5).for_each(|run| fill(run).seal().unwrap());
    (10..16).for_each(|number| commit(&session, number).unwrap());
    assert_eq!(segments(), 4 + 3);
    session.delete_runs(KIND, 1..4).unwrap();
    // A deletion counts with the next commit, and is collected when a full checkpoint has followed.
    core(&session).collect().unwrap();
    assert_eq!(segments(), 7);
    (20..30).for_each(|number| commit(&session, number).unwrap());
    core(&session).write_full_if_due().unwrap();
    let on_its_way = fill(99);
    core(&session).collect().unwrap();
    assert_eq!(segments(), 1 + 3 + 5, "the segments of three runs are gone");
    on_its_way.seal().unwrap();
    // What a writer that ended has uploaded, and no slot leads to, is an orphan.
    fill(98).seal().unwrap();
    drop(on_its_way);
    drop(session);
    let session = open(&storage, Mode::WRITE).unwrap();
    (30..42).for_each(|number| commit(&session, number).unwrap());
    core(&session).write_full_if_due().unwrap();
    core(&session).collect().unwrap();
    let listed = session.list_all().map(Result::unwrap).filter(|key| key.run() < 10).count();
    assert_eq!((segments(), listed), (1 + 3 + 5 + 6, 3), "run 4 stays, run 98 and 99 are gone");
    session.scrub(&mut |problem| panic!("{problem}"));
}

#[test]
fn a_cache_on_the_disk_serves_reads_and_what_was_damaged_there_is_read_again() {
    let (store, folder): (Arc<dyn ObjectStore>, _) = (Arc::new(InMemory::new()), TempDir::new().unwrap());
    let cached = ObjectOptions { cache: Some((folder.path().to_path_buf(), 1 << 30)), ..options() };
    let storage = object(Arc::clone(&store), options());
    let session = open(&storage, Mode::WRITE).unwrap();
    let upload = session.begin(Hint::LongLived);
    let value = |nth: u32| vec![u8::try_from(nth % 251).unwrap(); 3_000];
    (0..2_000).for_each(|nth| upload.put(&ValueKey::new(KIND, 1, nth), value(nth)).unwrap());
    upload.seal().unwrap();
    commit(&session, 9).unwrap();
    let reads_all = |session: &Session| {
        (0..2_000).for_each(|nth| {
            assert_eq!(*session.get(&ValueKey::new(KIND, 1, nth)).unwrap().unwrap(), value(nth), "{nth}");
        });
    };
    let reading = object(Arc::clone(&store), cached.clone());
    reads_all(&open(&reading, Mode::Read).unwrap());
    for (nth, file) in std::fs::read_dir(folder.path()).unwrap().enumerate() {
        let (path, at) = (file.unwrap().path(), nth * 977);
        let mut bytes = std::fs::read(&path).unwrap();
        let length = bytes.len();
        bytes[at % length] ^= 0x55;
        std::fs::write(path, bytes).unwrap();
    }
    reads_all(&open(&object(store, cached), Mode::Read).unwrap());
}

#[test]
fn what_a_slow_reader_or_a_standby_needs_is_not_collected_while_it_is_kept() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let keeping = |keep| ObjectOptions { keep, ..options() };
    let (day, now) = (Duration::from_secs(86_400), Duration::ZERO);
    let writing = object(Arc::clone(&store), keeping(day));
    let (reading, standing_by) =
        (object(Arc::clone(&store), options()), object(Arc::clone(&store), options()));
    let session = open(&writing, Mode::WRITE).unwrap();
    (1..8).for_each(|number| commit(&session, number).unwrap());
    let reader = open(&reading, Mode::Read).unwrap();
    drop(open(&standing_by, Mode::Read).unwrap());
    // Compaction and retention: everything that the reader has is replaced or dropped, and orphans lie about.
    session.delete_runs(KIND, 1..8).unwrap();
    let orphan = session.begin(Hint::LongLived);
    orphan.put(&ValueKey::new(KIND, 99, 0), vec![1; 100]).unwrap();
    orphan.seal().unwrap();
    drop(orphan);
    (8..40).for_each(|number| commit(&session, number).unwrap());
    core(&session).write_full_if_due().unwrap();
    let objects = || {
        let bucket = writing.shared().unwrap();
        ["slot/", "seg/", "full/"].map(|folder| bucket.bucket.list(folder, None).unwrap().len())
    };
    let before = objects();
    assert_eq!(core(&session).collect().unwrap(), 0, "all of it is young");
    // Its own heartbeat is the one slot more.
    assert_eq!(objects(), [before[0] + 1, before[1], before[2]]);
    (1..8).for_each(|number| {
        let value = reader.get(&ValueKey::new(KIND, number, 0)).unwrap().unwrap();
        assert_eq!(*value, number.to_be_bytes(), "the slow reader");
    });
    // The standby follows slot by slot from where it was, and takes over.
    drop(session);
    let successor = open(&standing_by, Mode::WRITE).unwrap();
    assert_eq!(newest(&successor), "39");
    drop(successor);
    // The same ledger, once that time has passed: what no newer state needs is deleted, and only that.
    let later = open(&object(Arc::clone(&store), keeping(now)), Mode::WRITE).unwrap();
    (40..52).for_each(|number| commit(&later, number).unwrap());
    core(&later).write_full_if_due().unwrap();
    assert!(core(&later).collect().unwrap() > 8);
    assert!(reader.get(&ValueKey::new(KIND, 3, 0)).is_err(), "an error, no other value");
    later.scrub(&mut |problem| panic!("{problem}"));
    (8..52).for_each(|number| assert!(later.contains(&ValueKey::new(KIND, number, 0)).unwrap()));
}

/// Sets an entry of this number, by a commit of its own.
fn append(session: &Session, number: u64) {
    let entry = Change::Append(number.to_be_bytes().to_vec(), vec![9; 2_000]);
    let at = session.version().unwrap();
    let next = Version { number: at.number + 1, hash: [7; 32] };
    session.swap_root(&at, &next, &[entry]).unwrap();
}

fn appended(session: &Session) -> Vec<u64> {
    let keys = session.entries(&[]).map(|entry| entry.unwrap().0);
    keys.map(|key| u64::from_be_bytes(key.try_into().unwrap())).collect()
}

#[test]
fn entries_that_are_appended_out_of_order_are_found() {
    const PRIME: u64 = 61;
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let session = open(&object(Arc::clone(&store), options()), Mode::WRITE).unwrap();
    (1..PRIME).for_each(|number| append(&session, number * 7 % PRIME));
    let other = open(&object(store, options()), Mode::Read).unwrap();
    for session in [&session, &other] {
        assert!(!core(session).visible().pages.is_empty());
        assert_eq!(appended(session), (1..PRIME).collect::<Vec<u64>>());
        for number in 1..PRIME {
            assert!(session.entry(&number.to_be_bytes()).unwrap().is_some(), "{number}");
        }
        assert!(session.entry(&PRIME.to_be_bytes()).unwrap().is_none());
    }
}

#[test]
fn entries_that_are_moved_to_pages_by_two_threads_at_once_are_all_there() {
    const ENTRIES: u64 = 200;
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let storage = object(Arc::clone(&store), options());
    let session = open(&storage, Mode::WRITE).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Acquire) {
                    core(&session).page_entries_if_due().unwrap();
                }
            });
        }
        (1..=ENTRIES).for_each(|number| append(&session, number));
        is_over.store(true, Ordering::Release);
    });
    assert!(!core(&session).visible().pages.is_empty());
    assert_eq!(appended(&session), (1..=ENTRIES).collect::<Vec<u64>>());
    let other = open(&object(store, options()), Mode::Read).unwrap();
    assert_eq!(appended(&other), (1..=ENTRIES).collect::<Vec<u64>>());
    assert!(other.entry(&7_u64.to_be_bytes()).unwrap().is_some_and(|value| *value == vec![9; 2_000]));
}
