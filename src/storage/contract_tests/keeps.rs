//! The contracts: what each engine is asked, and what it must say.

use super::*;

pub(super) fn values_are_read_after_they_are_sealed_and_not_before(places: &dyn Fn() -> Vec<Place>) {
    for place in places() {
        let session = place.write();
        for (hint, run) in [(Hint::ShortLived, 1), (Hint::LongLived, 2)] {
            let (upload, key) = (session.begin(hint), ValueKey::new(KIND, run, 7));
            upload.put(&key, b"seven".to_vec()).unwrap();
            assert!(session.get(&key).unwrap().is_none(), "{}: {hint:?}", place.name);
            upload.seal().unwrap();
            assert_eq!(&*session.get(&key).unwrap().unwrap(), b"seven", "{}: {hint:?}", place.name);
            // An upload continues.
            upload.put(&ValueKey::new(KIND, run, 8), Vec::new()).unwrap();
            upload.seal().unwrap();
            assert!(session.contains(&ValueKey::new(KIND, run, 8)).unwrap());
            assert!(!session.contains(&ValueKey::new(KIND, run, 9)).unwrap());
            let dropped = session.begin(hint);
            dropped.put(&ValueKey::new(KIND, run, 9), b"nine".to_vec()).unwrap();
            drop(dropped);
            assert!(!session.contains(&ValueKey::new(KIND, run, 9)).unwrap());
            let too_large =
                session.begin(hint).put(&ValueKey::new(KIND, run, 10), vec![0; VALUE_BYTES_MAX + 1]);
            assert!(matches!(too_large, Err(StorageError::TooLarge { .. })), "{}", place.name);
        }
        assert_eq!(runs(&session), [(1, 7), (1, 8), (2, 7), (2, 8)], "{}", place.name);
    }
}

pub(super) fn a_kind_is_listed_from_a_run_on_and_by_itself(places: &dyn Fn() -> Vec<Place>) {
    for place in places() {
        let session = place.write();
        put(&session, Hint::ShortLived, 3, 0..3);
        put(&session, Hint::LongLived, 1, 0..2);
        put(&session, Hint::LongLived, 1 << 40, 5..6);
        let upload = session.begin(Hint::ShortLived);
        upload.put(&ValueKey::new(OTHER, 2, 0), b"of another kind".to_vec()).unwrap();
        upload.seal().unwrap();
        session.swap_root(&Version::NONE, &version(1), &[entry("b-entry-of-13", "x")]).unwrap();
        assert_eq!(runs(&session), [(1, 0), (1, 1), (3, 0), (3, 1), (3, 2), (1 << 40, 5)], "{}", place.name);
        let from = |run| session.list(KIND, run).map(|key| key.unwrap().run()).collect::<Vec<_>>();
        assert_eq!(from(3), [3, 3, 3, 1 << 40], "{}", place.name);
        assert_eq!(from(4), [1 << 40], "{}", place.name);
        assert_eq!(session.list_all().count(), 7, "{}", place.name);
        assert!(session.contains_all(KIND, 3, 3).unwrap() && session.contains_all(KIND, 1, 2).unwrap());
        assert!(
            !session.contains_all(KIND, 3, 4).unwrap() && !session.contains_all(KIND, 1 << 40, 1).unwrap()
        );
        assert!(session.contains_all(KIND, 9, 0).unwrap());
    }
}

pub(super) fn the_root_changes_as_a_whole_and_only_from_the_version_that_is_expected(
    places: &dyn Fn() -> Vec<Place>,
) {
    for place in places() {
        let session = place.write();
        assert_eq!(session.version().unwrap(), Version::NONE);
        let first = [entry("ma", "1"), entry("mb", "2"), entry("c1", "3")];
        session.swap_root(&Version::NONE, &version(1), &first).unwrap();
        let second = [entry("ma", "4"), Change::Delete(b"mb".to_vec()), entry("mc", "")];
        session.swap_root(&version(1), &version(2), &second).unwrap();
        assert_eq!(entries(&session, "m"), [("ma", "4"), ("mc", "")].map(|(k, v)| (k.into(), v.into())));
        for (expected, next) in [(1, 2), (2, 2), (2, 4), (3, 4), (0, 1)] {
            let swapped = session.swap_root(&version(expected), &version(next), &[entry("ma", "wrong")]);
            let fenced = matches!(swapped, Err(StorageError::Fenced { .. }));
            assert!(fenced, "{}: from {expected} to {next}", place.name);
        }
        let other = Version { hash: [9; 32], ..version(2) };
        assert!(session.swap_root(&other, &version(3), &[]).is_err(), "{}", place.name);
        assert!(session.confirm(&version(2)).unwrap() && !session.confirm(&version(1)).unwrap());
        drop(session);
        let session = place.write();
        assert_eq!(session.version().unwrap(), version(2), "{}", place.name);
        assert_eq!(&*session.entry(b"ma").unwrap().unwrap(), b"4");
        assert!(session.entry(b"mb").unwrap().is_none());
        assert_eq!(entries(&session, "").len(), 3);
        assert_eq!(entries(&session, "c"), [("c1".to_owned(), "3".to_owned())]);
        session.swap_root(&version(2), &version(3), &[]).unwrap();
        assert!(!session.is_older_state());
    }
}

pub(super) fn what_was_sealed_before_a_swap_is_there_when_the_storage_is_acquired_again(
    places: &dyn Fn() -> Vec<Place>,
) {
    for place in places() {
        let session = place.write();
        put(&session, Hint::ShortLived, 1, 0..4);
        put(&session, Hint::LongLived, 2, 0..4);
        session.swap_root(&Version::NONE, &version(1), &[entry("m", "runs 1 and 2")]).unwrap();
        drop(session);
        for mode in [WRITE, Mode::WriteExisting, Mode::Read] {
            let session = place.acquire(mode).unwrap();
            for run in [1, 2] {
                for number in 0..4 {
                    let found = session.get(&ValueKey::new(KIND, run, number)).unwrap().unwrap();
                    assert_eq!(*found, value(run, number), "{}: {mode:?}", place.name);
                }
            }
        }
    }
}

pub(super) fn deleted_values_are_gone_and_those_that_were_not_retained_stay_gone(
    places: &dyn Fn() -> Vec<Place>,
) {
    for place in places() {
        let session = place.write();
        for (run, hint) in
            [(1, Hint::LongLived), (2, Hint::ShortLived), (3, Hint::LongLived), (4, Hint::LongLived)]
        {
            put(&session, hint, run, 0..3);
        }
        assert_eq!(session.delete_runs(KIND, 1..3).unwrap(), 6, "{}", place.name);
        assert_eq!(session.delete_runs(KIND, 1..3).unwrap(), 0, "{}", place.name);
        assert_eq!(runs(&session).len(), 6, "{}", place.name);
        session.swap_root(&Version::NONE, &version(1), &[]).unwrap();
        drop(session);
        let session = place.write();
        // In bulk, they may be back.
        session.retain(|kind, run| kind != KIND || run == 4).unwrap();
        session.delete_runs(KIND, 1..4).unwrap();
        assert_eq!(runs(&session), [(4, 0), (4, 1), (4, 2)], "{}", place.name);
        // Their keys may be used again.
        put(&session, Hint::ShortLived, 1, 0..1);
        session.swap_root(&version(1), &version(2), &[]).unwrap();
        session.reclaim().unwrap();
        session.release_removed();
        drop(session);
        assert_eq!(runs(&place.write()), [(1, 0), (4, 0), (4, 1), (4, 2)], "{}", place.name);
    }
}

pub(super) fn one_writes_or_many_read(places: &dyn Fn() -> Vec<Place>) {
    for place in places() {
        let absent = |mode| matches!(place.acquire(mode), Err(StorageError::NoLedger { .. }));
        assert!(absent(Mode::Read) && absent(Mode::WriteExisting), "{}", place.name);
        let in_use = |mode| matches!(place.acquire(mode), Err(StorageError::InUse { .. }));
        let session = place.write();
        put(&session, Hint::LongLived, 1, 0..2);
        session.swap_root(&Version::NONE, &version(1), &[entry("m", "1")]).unwrap();
        assert!(in_use(WRITE) && in_use(Mode::WriteExisting), "{}", place.name);
        assert!(place.is_read_beside || in_use(Mode::Read), "{}", place.name);
        let clone = session.clone();
        drop(session);
        assert!(in_use(WRITE), "{}: a clone still has it", place.name);
        drop(clone);
        let (one, other) = (place.acquire(Mode::Read).unwrap(), place.acquire(Mode::Read).unwrap());
        assert!(place.is_read_beside || in_use(WRITE), "{}", place.name);
        assert!(one.swap_root(&version(1), &version(2), &[]).is_err(), "{}", place.name);
        // What one reader deletes is gone for it alone.
        assert_eq!(one.retain(|_, _| false).unwrap(), 2);
        assert_eq!((runs(&one).len(), runs(&other).len()), (0, 2), "{}", place.name);
        drop((one, other));
        assert_eq!(runs(&place.write()).len(), 2, "{}", place.name);
    }
}

pub(super) fn a_writer_from_which_another_took_over_changes_nothing_more(places: &dyn Fn() -> Vec<Place>) {
    for place in places() {
        let session = place.write();
        session.swap_root(&Version::NONE, &version(1), &[entry("m", "mine")]).unwrap();
        let other = place.take_over();
        let swapped = session.swap_root(&version(1), &version(2), &[entry("m", "a zombie's")]);
        assert!(matches!(swapped, Err(StorageError::Fenced { .. })), "{}: {swapped:?}", place.name);
        assert_eq!(entries(&session, "m")[0].1, "mine", "{}", place.name);
        let Some(other) = other else { continue };
        // Nor does it write or delete what may be the other's.
        put(&other, Hint::LongLived, 1, 0..2);
        let upload = session.begin(Hint::LongLived);
        upload.put(&ValueKey::new(KIND, 1, 0), b"a zombie's".to_vec()).unwrap();
        let fenced = [
            upload.seal(),
            session.delete_runs(KIND, 1..2).map(drop),
            session.retain(|_, _| false).map(drop),
        ];
        assert!(fenced.iter().all(|done| matches!(done, Err(StorageError::Fenced { .. }))), "{fenced:?}");
        assert_eq!(*other.get(&ValueKey::new(KIND, 1, 0)).unwrap().unwrap(), value(1, 0));
        other.swap_root(&version(1), &version(2), &[]).unwrap();
        drop(session);
        assert!(matches!(place.acquire(WRITE), Err(StorageError::InUse { .. })), "{}", place.name);
    }
}

pub(super) fn a_reader_follows_the_writer_and_earlier_sessions_stay_what_they_are(
    places: &dyn Fn() -> Vec<Place>,
) {
    for place in places() {
        let session = place.write();
        put(&session, Hint::LongLived, 1, 0..3);
        session.swap_root(&Version::NONE, &version(1), &[entry("m", "1")]).unwrap();
        assert!(session.follow().unwrap().is_none(), "{}: a writer knows what is newest", place.name);
        if !place.is_read_beside {
            drop(session);
            let reader = place.acquire(Mode::Read).unwrap();
            let is_alone = reader.follow().unwrap().is_none() && reader.writer_activity().is_none();
            assert!(is_alone, "{}: nothing is written beside a reader", place.name);
            continue;
        }
        let first = place.acquire(Mode::Read).unwrap();
        assert!(first.follow().unwrap().is_none(), "{}: nothing is newer", place.name);
        let before = first.writer_activity().unwrap();
        put(&session, Hint::ShortLived, 2, 0..3);
        // What is sealed counts with the next version, and not before.
        assert!(first.follow().unwrap().is_none(), "{}", place.name);
        session.swap_root(&version(1), &version(2), &[entry("m", "2")]).unwrap();
        let second = first.follow().unwrap().unwrap();
        assert!(second.follow().unwrap().is_none() && second.confirm(&version(2)).unwrap());
        session.delete_runs(KIND, 1..2).unwrap();
        put(&session, Hint::LongLived, 3, 0..3);
        session.swap_root(&version(2), &version(3), &[entry("m", "3"), entry("n", "new")]).unwrap();
        let third = second.follow().unwrap().unwrap();
        // From an earlier session the same is reached, however many versions lie between.
        assert_eq!(first.follow().unwrap().unwrap().version().unwrap(), version(3), "{}", place.name);
        for (reader, at, found) in [(&first, 1, vec![1]), (&second, 2, vec![1, 2]), (&third, 3, vec![2, 3])] {
            assert_eq!(reader.version().unwrap(), version(at), "{}", place.name);
            assert_eq!(entries(reader, "m")[0].1, at.to_string(), "{}", place.name);
            let of_runs: Vec<u64> = runs(reader).chunks(3).map(|run| run[0].0).collect();
            assert_eq!(of_runs, found, "{}", place.name);
            for run in found {
                let read = reader.get(&ValueKey::new(KIND, run, 2)).unwrap();
                assert_eq!(*read.unwrap(), value(run, 2), "{}: run {run} at {at}", place.name);
            }
        }
        assert_eq!(entries(&third, "n").len(), 1);
        // One cache, in which a name is given once.
        let tokens = [&first, &second, &third, &first].map(|reader| reader.parts().token());
        assert!(tokens.iter().all(|token| tokens.iter().filter(|other| *other == token).count() == 1));
        let after = third.writer_activity().unwrap();
        assert_eq!(after.epoch, before.epoch, "{}", place.name);
        assert!(after.newest > before.newest && !after.is_over(), "{}: {after:?}", place.name);
        drop(session);
        assert!(third.follow().unwrap().is_none(), "{}: an end is no version", place.name);
        let ended = third.writer_activity().unwrap();
        assert!(ended.has_released && ended.is_over() && ended.newest > after.newest, "{ended:?}");
    }
}

pub(super) fn a_reader_takes_over_from_what_it_judged_and_from_nothing_newer(
    places: &dyn Fn() -> Vec<Place>,
) {
    for place in places() {
        let session = place.write();
        session.swap_root(&Version::NONE, &version(1), &[entry("m", "mine")]).unwrap();
        if !place.is_read_beside {
            assert!(matches!(session.take_over(None), Err(StorageError::ReadOnly)), "{}", place.name);
            session.release();
            session.swap_root(&version(1), &version(2), &[]).unwrap();
            continue;
        }
        let (one, other) = (place.acquire(Mode::Read).unwrap(), place.acquire(Mode::Read).unwrap());
        assert!(matches!(session.take_over(None), Err(StorageError::ReadOnly)), "{}", place.name);
        let judged = one.writer_activity().unwrap();
        assert!(
            matches!(one.take_over(Some(judged.newest)), Err(StorageError::InUse { .. })),
            "its own writer"
        );
        session.swap_root(&version(1), &version(2), &[]).unwrap();
        session.release();
        assert!(session.swap_root(&version(2), &version(3), &[]).is_err(), "{}: it has ended", place.name);
        drop(session);
        // What was judged is not the newest any more.
        let late = one.take_over(Some(judged.newest));
        assert!(matches!(late, Err(StorageError::InUse { .. })), "{}: {late:?}", place.name);
        let followed = one.follow().unwrap().unwrap();
        let newest = followed.writer_activity().unwrap();
        assert!(newest.is_over(), "{newest:?}");
        let writer = followed.take_over(Some(newest.newest)).unwrap();
        assert_eq!(writer.version().unwrap(), version(2), "{}", place.name);
        assert!(matches!(other.take_over(Some(newest.newest)), Err(StorageError::InUse { .. })));
        put(&writer, Hint::ShortLived, 5, 0..1);
        writer.swap_root(&version(2), &version(3), &[entry("m", "another's")]).unwrap();
        let seen = other.follow().unwrap().unwrap();
        assert_eq!((entries(&seen, "m")[0].1.as_str(), runs(&seen).len()), ("another's", 1));
        assert_eq!(seen.writer_activity().unwrap().epoch, newest.epoch + 1, "{}", place.name);
    }
}

pub(super) fn a_checkpoint_is_the_wanted_version_whole_or_not_there(places: &dyn Fn() -> Vec<Place>) {
    for (place, other) in places().iter().zip(places().iter().rev()) {
        let session = place.write();
        put(&session, Hint::LongLived, 1, 0..3);
        put(&session, Hint::ShortLived, 2, 0..3);
        session.swap_root(&Version::NONE, &version(1), &[entry("m", "old"), entry("c1", "first")]).unwrap();
        put(&session, Hint::LongLived, 3, 0..3);
        session.swap_root(&version(1), &version(2), &[entry("m", "new"), entry("c2", "second")]).unwrap();
        // To the same kind of engine, and to another.
        for target in [&place.second, &other.second] {
            let take = |stop: &AtomicBool| {
                session.checkpoint(
                    target,
                    Checkpoint {
                        version: version(1),
                        root: &[entry("m", "old")],
                        is_entry_wanted: &|key| key == b"c1",
                        is_entry_appended: &|key| key == b"c1",
                        is_run_wanted: &|_, run| run < 3,
                        cache_bytes: 4 << 20,
                        index_bytes: 1 << 20,
                        stop,
                        progress: &mut |_, _| {},
                        resume: None,
                    },
                )
            };
            let never = AtomicBool::new(false);
            let absent = || matches!(target.acquire(&how(Mode::Read)), Err(StorageError::NoLedger { .. }));
            drop(take(&never).unwrap());
            assert!(absent(), "{}: one that was dropped", place.name);
            assert!(take(&AtomicBool::new(true)).is_err() && absent(), "{}: given up", place.name);
            let staged = take(&never).unwrap();
            assert!(absent(), "{}: not published yet", place.name);
            assert_eq!(staged.open().unwrap().version().unwrap(), version(1));
            staged.publish().unwrap();
            assert!(take(&never).is_err(), "{}: it is not empty", place.name);
            let copy = target.acquire(&how(WRITE)).unwrap();
            assert_eq!(copy.version().unwrap(), version(1));
            assert_eq!(runs(&copy), [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)], "{}", place.name);
            assert_eq!(*copy.get(&ValueKey::new(KIND, 2, 1)).unwrap().unwrap(), value(2, 1));
            assert_eq!(
                entries(&copy, ""),
                [("c1", "first"), ("m", "old")].map(|(k, v)| (k.into(), v.into()))
            );
            copy.swap_root(&version(1), &version(2), &[]).unwrap();
        }
    }
}

pub(super) fn hints_and_care_change_nothing(places: &dyn Fn() -> Vec<Place>) {
    for place in places() {
        let session = place.write();
        put(&session, Hint::LongLived, 1, 0..40);
        let before = runs(&session);
        session.prefetch((0..50).map(|number| ValueKey::new(KIND, 1, number))).unwrap();
        let _useful = session.is_prefetch_useful();
        (0..50).for_each(|number| session.read_ahead(KIND, 1, number).unwrap());
        let mut told = 0;
        assert!(
            session
                .warm_up(KIND, 1, 40, &mut |bytes| {
                    told += bytes;
                    true
                })
                .unwrap()
        );
        session.scrub(&mut |problem| panic!("{problem}"));
        assert!(session.usage_bytes().unwrap() > 0 && place.storage.free_bytes().is_ok());
        let token = session.parts().token();
        let read =
            |bytes: &'static [u8]| session.parts().get(token, 1, || Ok::<_, ()>(bytes.into())).unwrap();
        assert_eq!(&*read(b"part"), b"part");
        assert_eq!(&*read(b"not read again"), b"part");
        assert_eq!(runs(&session), before, "{}: {told}", place.name);
    }
}
