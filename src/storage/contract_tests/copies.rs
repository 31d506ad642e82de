//! Contracts of copies into another place: they continue where they were interrupted, and the place before admits no writer.

use super::*;
use std::sync::atomic::Ordering;

/// A copy of runs below `until`, given up after so many values.
fn copy(session: &Session, target: &Storage, (until, values): (u64, u64)) -> StorageResult<StagedCheckpoint> {
    let (stop, mut done) = (AtomicBool::new(false), 0);
    session.checkpoint(
        target,
        Checkpoint {
            version: session.version()?,
            root: &[],
            is_entry_wanted: &|_| true,
            is_entry_appended: &|_| false,
            is_run_wanted: &|_, run| run < until && run != 2,
            cache_bytes: 4 << 20,
            index_bytes: 1 << 20,
            stop: &stop,
            progress: &mut |_, _| {
                done += 1;
                stop.store(done >= values, Ordering::Relaxed);
            },
            resume: Some(Resume { source: "abcdef".to_owned(), piece_bytes: 60 }),
        },
    )
}

pub(super) fn a_copy_that_was_interrupted_continues_with_what_is_whole(places: &dyn Fn() -> Vec<Place>) {
    for (place, other) in places().iter().zip(places().iter().rev()) {
        let session = place.write();
        (1..4).for_each(|run| put(&session, Hint::LongLived, run, 0..20));
        session.swap_root(&Version::NONE, &version(1), &[entry("m", "old")]).unwrap();
        for target in [&place.second, &other.second] {
            let keeps_pieces = matches!(inner(target), Storage::Local(_)) || is_object(inner(target));
            let given_up = copy(&session, target, (3, 9));
            assert!(matches!(given_up, Err(StorageError::Stopping)), "{}: {given_up:?}", place.name);
            let absent = || matches!(target.acquire(&how(Mode::Read)), Err(StorageError::NoLedger { .. }));
            assert!(absent(), "{}: nothing shows it", place.name);
            let staged = copy(&session, target, (4, u64::MAX)).unwrap();
            let values = staged.values;
            assert_eq!(values.copied + values.reused, 40, "{}: {values:?}", place.name);
            assert_eq!(values.reused > 0, keeps_pieces, "{}: {values:?}", place.name);
            assert_eq!(values.pieces_reused.0 > 0, keeps_pieces, "{}: {values:?}", place.name);
            drop(staged);
            // The source goes on: what is not wanted any more is dropped, what is whole is not copied again.
            let at = session.version().unwrap();
            session.swap_root(&at, &version(at.number + 1), &[]).unwrap();
            let staged = copy(&session, target, (2, u64::MAX)).unwrap();
            let copied = if keeps_pieces { staged.values.copied } else { 0 };
            // A few that did not fill a piece lie in no object yet.
            assert!(copied < 8, "{}: {:?}", place.name, staged.values);
            staged.publish().unwrap();
            let copy = target.acquire(&how(WRITE)).unwrap();
            let wanted: Vec<(u64, u32)> = (0..20).map(|number| (1, number)).collect();
            assert_eq!(runs(&copy), wanted, "{}", place.name);
            (0..20).for_each(|number| {
                assert_eq!(*copy.get(&ValueKey::new(KIND, 1, number)).unwrap().unwrap(), value(1, number));
            });
            assert_eq!(entries(&copy, ""), [("m".to_owned(), "old".to_owned())]);
            let at = copy.version().unwrap();
            assert_eq!(at, session.version().unwrap());
            copy.swap_root(&at, &version(at.number + 1), &[]).unwrap();
        }
    }
}

fn inner(storage: &Storage) -> &Storage {
    match storage {
        Storage::Faults(faults) => inner(faults.inner()),
        storage => storage,
    }
}

fn is_object(storage: &Storage) -> bool {
    #[cfg(feature = "object-store")]
    let is_object = matches!(storage, Storage::Object(_));
    #[cfg(not(feature = "object-store"))]
    let is_object = matches!(storage, Storage::Faults(_));
    is_object
}

pub(super) fn a_storage_that_moved_admits_no_writer(places: &dyn Fn() -> Vec<Place>) {
    for place in places() {
        let session = place.write();
        session.swap_root(&Version::NONE, &version(1), &[entry("m", "old")]).unwrap();
        assert_eq!(session.moved_to().unwrap(), None, "{}", place.name);
        session.mark_moved("s3://there/x").unwrap();
        drop(session);
        let take_over = Mode::Write { accept_older_state: false, take_over: true };
        for mode in [WRITE, take_over] {
            let refused = place.acquire(mode);
            let is_right = matches!(&refused, Err(StorageError::Moved { to, .. }) if to == "s3://there/x");
            assert!(is_right, "{}: {refused:?}", place.name);
        }
        // It can be read, and copied once more.
        for mode in [Mode::Read, Mode::WriteExisting] {
            let session = place.acquire(mode).unwrap();
            assert_eq!(session.moved_to().unwrap().as_deref(), Some("s3://there/x"), "{}", place.name);
            assert_eq!(session.version().unwrap(), version(1), "{}", place.name);
        }
    }
}
