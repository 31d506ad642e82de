mod paged;

use super::pages::{Pages, Segment};
use super::segment::{self, Sealed, SegmentWriter};
use super::store::Store;
use super::table::{self, Group, Page};
use crate::storage::Change;
use crate::storage::cache::PartCache;
use crate::storage::key::in_run;
use crate::wait::poll_until;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;

const DATA: u8 = b'b';

fn open(dir: &TempDir) -> Store {
    Store::open(dir.path(), 16 << 20, 1 << 20).unwrap()
}

fn key(run: u64, number: u32) -> Vec<u8> {
    in_run(DATA, run, number).to_vec()
}

fn value(run: u64, number: u32) -> Vec<u8> {
    format!("run {run} value {number} ").repeat(usize::try_from(run % 7).unwrap() + 1).into_bytes()
}

/// Writes values of a run and says whether they went to a file.
fn write(store: &Store, min: u64, run: u64, numbers: std::ops::Range<u32>) -> bool {
    let before = store.shared.segments.catalog().segments().count();
    let writing = store.begin(min);
    for number in numbers {
        writing.put(&key(run, number), value(run, number)).unwrap();
    }
    writing.sync().unwrap();
    store.shared.segments.catalog().segments().count() > before
}

fn holds(store: &Store, run: u64, numbers: std::ops::Range<u32>) -> bool {
    numbers.into_iter().all(|number| {
        let found = store.get(&key(run, number)).unwrap();
        found.is_some_and(|found| *found == *value(run, number))
    })
}

fn files(dir: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.path().join("segments")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn bulk_goes_to_a_file_and_a_little_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    assert!(!write(&store, 1_000, 1, 0..3));
    assert!(write(&store, 1_000, 2, 0..300));
    let other = store.begin(1_000);
    other.put(b"another form", vec![7; 5_000]).unwrap();
    other.sync().unwrap();
    let check = |store: &Store| {
        assert!(holds(store, 1, 0..3) && holds(store, 2, 0..300));
        assert_eq!(*store.get(b"another form").unwrap().unwrap(), vec![7; 5_000]);
        assert!(store.get(&key(2, 300)).unwrap().is_none() && store.get(&key(3, 0)).unwrap().is_none());
        assert_eq!(files(&dir).len(), 1);
    };
    check(&store);
    drop((store, other));
    check(&open(&dir));
}

#[test]
fn nothing_is_seen_before_it_is_durable_and_nothing_is_left_of_what_was_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let writing = store.begin(10);
    (0..50).for_each(|number| writing.put(&key(4, number), value(4, number)).unwrap());
    assert!(store.get(&key(4, 0)).unwrap().is_none());
    assert_eq!(files(&dir).len(), 1, "a file is being written");
    drop(writing);
    assert_eq!(files(&dir), Vec::<PathBuf>::new());
    // As a crash leaves it.
    let orphan = dir.path().join("segments/0000000000000009.new");
    fs::write(&orphan, b"cvrlsegm half").unwrap();
    drop(store);
    let store = open(&dir);
    assert!(!orphan.exists() && store.is_empty());
}

#[test]
fn keys_of_both_parts_come_in_one_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    for run in 0..12 {
        write(&store, if run % 3 == 0 { 0 } else { u64::MAX }, run, 0..5);
    }
    store.advance(&[Change::Put(b"mR".to_vec(), b"root".to_vec())]).unwrap();
    let expected: Vec<Vec<u8>> = (0..12).flat_map(|run| (0..5).map(move |number| key(run, number))).collect();
    let all = |from: &[u8]| store.keys(&[DATA], from).collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(all(&[DATA]), expected);
    assert_eq!(all(&key(5, 3)), expected[28..]);
    assert_eq!(all(&in_run(DATA, 9, 0)), expected[45..]);
    for item in store.scan(&[DATA], &[]) {
        let (key, value) = item.unwrap();
        assert_eq!(*store.get(&key).unwrap().unwrap(), *value);
    }
    assert_eq!(store.keys(&[], &[]).count(), 61);
    assert_eq!(store.scan(b"m", b"m").map(|item| item.unwrap().0).collect::<Vec<_>>(), [b"mR"]);
}

#[test]
fn space_comes_back_and_readers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let writing = store.begin(0);
    for run in 0..10 {
        (0..100).for_each(|number| writing.put(&key(run, number), value(run, number)).unwrap());
    }
    writing.sync().unwrap();
    write(&store, 0, 20, 0..100);
    let before = store.bytes_on_disk().unwrap();
    for run in 0..8 {
        store.delete((0..100).map(|number| key(run, number))).unwrap();
    }
    store.delete((0..50).map(|number| key(8, number))).unwrap();
    assert_eq!(files(&dir).len(), 2);
    assert_eq!(store.reclaim().unwrap(), 0, "too little to be worth it");
    // A reader that is between looking up and reading finds the value in the new file.
    let gained = store.reclaim_below(30, 0).unwrap();
    assert!(gained > 0 && store.bytes_on_disk().unwrap() == before - gained);
    assert_eq!(store.reclaim_below(30, 0).unwrap(), 0, "nothing is sparse any more");
    let check = |store: &Store| {
        assert!(holds(store, 8, 50..100) && holds(store, 9, 0..100) && holds(store, 20, 0..100));
        assert!(store.get(&key(3, 3)).unwrap().is_none() && store.get(&key(8, 3)).unwrap().is_none());
    };
    check(&store);
    drop((store, writing));
    let store = open(&dir);
    check(&store);
    store.delete((0..100).map(|number| key(20, number))).unwrap();
    assert_eq!(files(&dir).len(), 1, "a file without values is removed");
}

#[test]
fn readers_close_no_removed_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    assert!(write(&store, 0, 1, 0..300) && write(&store, 0, 2, 0..300));
    let segments = &store.shared.segments;
    let reader = segments.catalog();
    let removed = Arc::downgrade(reader.segments().next().unwrap());
    assert_eq!(segments.delete_runs(DATA, 1..2).unwrap(), 300);
    assert_eq!(files(&dir).len(), 1);
    drop(reader);
    assert!(removed.upgrade().is_some(), "the reader had it last");
    store.close_removed();
    assert!(removed.upgrade().is_none());
    assert!(!holds(&store, 1, 0..1) && holds(&store, 2, 0..300));
}

#[test]
fn the_space_of_removed_files_comes_back_in_steps_and_never_that_of_one_that_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let writing = store.begin(0);
    for number in 0..3 {
        writing.put(&key(1, number), vec![7; 900_000]).unwrap();
    }
    writing.sync().unwrap();
    assert!(write(&store, 0, 2, 0..300) && write(&store, 0, 3, 0..300));
    let opened: Vec<File> = files(&dir).iter().map(|path| File::open(path).unwrap()).collect();
    let length = |nth: usize| opened[nth].metadata().unwrap().len();
    let before = [length(0), length(1), length(2)];
    assert!(before[0] > 2 << 20);
    // A backup has the second one, too.
    fs::hard_link(&files(&dir)[1], dir.path().join("backup")).unwrap();
    let (segments, stop) = (&store.shared.segments, AtomicBool::new(false));
    let reclaimer = store.reclaimer();
    let reader = segments.catalog();
    assert_eq!(segments.delete_runs(DATA, 1..3).unwrap(), 303);
    store.close_removed();
    assert!(segments.removed.take().is_none(), "a reader has them open");
    drop(reader);
    store.close_removed();
    assert_eq!(segments.removed.count(), 2, "it is left to the thread");
    std::thread::scope(|scope| {
        scope.spawn(|| reclaimer.run(&stop));
        // Gives up after a minute.
        let given_back = poll_until(60_000, Duration::from_millis(1), || {
            (segments.removed.count() == 0 && length(0) == 0).then_some(())
        });
        assert!(given_back.is_some());
        stop.store(true, Ordering::Release);
    });
    assert_eq!([length(0), length(1), length(2)], [0, before[1], before[2]]);
    assert!(holds(&store, 3, 0..300));
    drop(reclaimer);
    segments.delete_runs(DATA, 3..4).unwrap();
    store.close_removed();
    assert_eq!(segments.removed.count(), 0, "no other thread does it any more");
    assert_eq!(length(2), before[2]);
}

#[test]
fn a_crash_while_values_are_moved_leaves_them_twice_and_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    write(&store, 0, 1, 0..100);
    write(&store, 0, 2, 0..10);
    let old: Vec<(PathBuf, Vec<u8>)> =
        files(&dir).into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect();
    store.delete((0..99).map(|number| key(1, number))).unwrap();
    store.reclaim_below(30, 0).unwrap();
    drop(store);
    for (path, bytes) in old {
        fs::write(path, bytes).unwrap();
    }
    let store = open(&dir);
    assert!(holds(&store, 1, 0..100) && holds(&store, 2, 0..10));
    // Of the runs that nothing names, nothing is left.
    assert_eq!(store.keep_only(|kind, run| (kind, run) == (DATA, 2)).unwrap(), 100);
    drop(store);
    let store = open(&dir);
    assert_eq!(store.keys(&[], &[]).count(), 10);
    assert!(holds(&store, 2, 0..10));
}

#[test]
fn a_reader_finds_values_that_move_under_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    write(&store, 0, 3, 0..200);
    let reader = store.clone();
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || (0..20).all(|_| holds(&reader, 3, 0..200)));
        while !reading.is_finished() {
            store.reclaim_below(1_000, 0).unwrap();
        }
        assert!(reading.join().unwrap());
    });
    assert_eq!(files(&dir).len(), 1);
}

#[test]
fn damaged_lost_and_exchanged_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    write(&store, 0, 1, 0..20);
    write(&store, 0, 2, 0..20);
    drop(store);
    let files = files(&dir);
    let whole = fs::read(&files[0]).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&files[0], bytes).unwrap();
        match Store::open(dir.path(), 16 << 20, 1 << 20) {
            Err(error) => error.to_string().contains("restore a backup"),
            Ok(store) => {
                let mut problems = 0;
                store.check_segments(|_| problems += 1);
                problems > 0
            }
        }
    };
    assert!(!refused(&whole));
    for length in (0..whole.len()).step_by(7) {
        assert!(refused(&whole[..length]), "cut at {length}");
    }
    assert!(refused(&[&whole[..], b"\0"].concat()));
    assert!(refused(&fs::read(&files[1]).unwrap()), "another file's content");
    let mut newer = whole.clone();
    let format_at = newer.len() - 17;
    newer[format_at] += 1;
    assert!(refused(&newer));
}

/// A file with the given values, and its bytes.
fn sealed(dir: &TempDir, values: &[(u8, u64, u32, Vec<u8>)]) -> (Sealed, Vec<u8>) {
    let mut writer = SegmentWriter::create(dir.path(), 5).unwrap();
    for (kind, run, number, value) in values {
        writer.append((Group { kind: *kind, run: *run }, *number), value).unwrap();
    }
    let sealed = writer.seal().unwrap();
    let bytes = fs::read(segment::path_of(dir.path(), 5)).unwrap();
    assert_eq!(sealed.bytes, u64::try_from(bytes.len()).unwrap());
    (sealed, bytes)
}

/// Every value that a file holds, found one by one, and all of its group's at once.
fn told(dir: &TempDir, numbers: &[u32]) -> BTreeMap<(u8, u64, u32), Vec<u8>> {
    let sealed = segment::read(dir.path(), 5).unwrap();
    let segment = Arc::new(Segment::new(segment::path_of(dir.path(), 5), &sealed));
    let pages = Pages::new(Arc::new(PartCache::new(1 << 20)));
    let mut told = BTreeMap::new();
    for entry in &sealed.entries {
        let mut places = Vec::new();
        pages.visit(&segment, entry, |place| places.push(place)).unwrap();
        assert_eq!(places.len(), usize::try_from(entry.count).unwrap());
        assert_eq!(places.iter().map(|place| u64::from(place.length)).sum::<u64>(), entry.bytes);
        for &number in numbers {
            let found = pages.find(&segment, entry, number).unwrap();
            assert_eq!(found, places.iter().find(|place| place.number == number).copied());
        }
        for place in places {
            let value = pages.value(&segment, place).unwrap();
            told.insert((entry.group.kind, entry.group.run, place.number), value);
        }
    }
    told
}

type Values = Vec<(u8, u64, u32, Vec<u8>)>;

fn some_values() -> impl Strategy<Value = Values> {
    let one =
        (0u8..4, 0u64..5, prop_oneof![0u32..6, any::<u32>()], prop::collection::vec(any::<u8>(), 0..40));
    prop::collection::vec(one, 1..40)
}

/// Groups of several pages: dense ones, and ones with numbers missing.
fn many_values() -> impl Strategy<Value = Values> {
    (1u32..4, 0u32..1_600, 0u32..3, any::<u32>()).prop_map(|(step, count, from, odd)| {
        let numbers = (0..count).map(|n| from + n * step + u32::from(step > 1 && n % 7 == odd % 7));
        numbers
            .map(|number| (1, 1, number, number.to_be_bytes().to_vec()))
            .chain([(2, 9, odd, vec![1])])
            .collect()
    })
}

proptest! {
    #[test]
    fn a_file_tells_its_values_and_any_flipped_bit_is_noticed(
        values in prop_oneof![4 => some_values(), 1 => many_values()],
        flip: prop::sample::Index,
        bit in 0u8..8,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (written, bytes) = sealed(&dir, &values);
        let read = segment::read(dir.path(), 5).unwrap();
        prop_assert_eq!(&read.entries, &written.entries);
        prop_assert_eq!((read.bytes, read.values), (written.bytes, written.values));
        segment::check(dir.path(), 5).unwrap();
        // The last one of a key counts.
        let expected: BTreeMap<_, _> =
            values.iter().map(|(kind, run, number, value)| ((*kind, *run, *number), value.clone())).collect();
        let near = |number: u32| [number, number.saturating_add(1), number.saturating_sub(1)];
        let numbers: Vec<u32> = values.iter().flat_map(|value| near(value.2)).collect();
        prop_assert_eq!(told(&dir, &numbers), expected);
        let mut changed = bytes;
        let at = flip.index(changed.len());
        changed[at] ^= 1 << bit;
        fs::write(segment::path_of(dir.path(), 5), changed).unwrap();
        prop_assert!(segment::check(dir.path(), 5).is_err(), "byte {}", at);
    }

    #[test]
    fn any_bytes_for_a_directory_are_an_error_at_worst(bytes: Vec<u8>, end in 8u64..1_000) {
        if let Ok((entries, values_end)) = table::decode(&bytes, 8, end) {
            prop_assert!((8..=end).contains(&values_end));
            for entry in entries {
                let (at, length) = entry.page::<table::Place>(entry.pages() - 1);
                prop_assert!(entry.at >= values_end && at + u64::try_from(length).unwrap() <= end);
            }
        }
    }

    #[test]
    fn any_bytes_for_a_page_are_an_error(bytes: Vec<u8>, at: u64) {
        let group = Group { kind: 1, run: 1 };
        let entry = table::Entry { group, count: 3, bytes: 9, numbers: (0, u32::MAX), at };
        prop_assert!(Page::check(1, &entry, at, &bytes, (0, u64::MAX)).is_err());
    }

    #[test]
    fn any_bytes_for_a_file_are_an_error(bytes: Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(segment::path_of(dir.path(), 5), &bytes).unwrap();
        prop_assert!(segment::read(dir.path(), 5).is_err() && segment::check(dir.path(), 5).is_err());
    }
}

#[test]
fn fetching_ends_when_no_read_waits_for_a_disk_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    assert_eq!((0..1_000).take_while(|_| store.is_worth_fetching()).count(), 64);
}
