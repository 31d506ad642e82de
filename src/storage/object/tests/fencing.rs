//! Who has the storage: taking over, replies that are lost, and a writer that was away for long.

use super::super::name::SegmentName;
use super::unkind::{Unkind, World};
use super::*;
use std::sync::Mutex;

struct Process {
    way: Arc<Unkind>,
    object: Object,
}

/// A process with its own way to the bucket.
fn process(world: &Arc<World>, options: ObjectOptions) -> Process {
    let way = Unkind::new(world, 1, 0);
    Process { object: object(Arc::clone(&way) as _, options), way }
}

fn is_fenced<T>(done: &StorageResult<T>) -> bool {
    matches!(done, Err(StorageError::Fenced { .. }))
}

#[test]
fn a_reply_that_is_lost_is_found_out_by_reading_the_slot() {
    let world = Arc::default();
    let writer = process(&world, options());
    let session = open(&writer.object, Mode::WRITE).unwrap();
    for number in 1..6 {
        writer.way.loses_reply.store(true, Ordering::Release);
        commit(&session, number).unwrap();
        assert!(!writer.way.loses_reply.load(Ordering::Acquire), "the reply was lost");
    }
    let slots = world.created.lock().unwrap().clone();
    assert!(slots.values().all(|slot| slot.len() == 1) && slots.len() == 6, "{slots:?}");
    assert_eq!(newest(&open(&process(&world, options()).object, Mode::Read).unwrap()), "5");
}

#[test]
fn where_a_slot_stays_open_nothing_else_is_tried() {
    let world = Arc::default();
    let writer = process(&world, ObjectOptions { patience: Duration::from_millis(50), ..options() });
    let session = open(&writer.object, Mode::WRITE).unwrap();
    commit(&session, 1).unwrap();
    writer.way.is_cut_off.store(true, Ordering::Release);
    let at = session.version().unwrap();
    let next = Version { number: at.number + 1, hash: [8; 32] };
    let lost = session.swap_root(&at, &next, &[]);
    assert!(matches!(&lost, Err(StorageError::Object { .. })), "{lost:?}");
    writer.way.is_cut_off.store(false, Ordering::Release);
    assert!(matches!(session.version(), Err(StorageError::Unknown)));
    assert!(matches!(session.swap_root(&at, &next, &[]), Err(StorageError::Unknown)));
    drop(session);
    let again = open(&writer.object, Mode::WRITE).unwrap();
    assert_eq!(newest(&again), "1");
    commit(&again, 2).unwrap();
}

#[test]
fn a_store_that_is_away_is_one_problem_of_many_values() {
    let world = Arc::default();
    let writer = process(&world, ObjectOptions { patience: Duration::from_millis(50), ..options() });
    let session = open(&writer.object, Mode::WRITE).unwrap();
    (1..20).for_each(|number| commit(&session, number).unwrap());
    writer.way.is_cut_off.store(true, Ordering::Release);
    let mut problems = Vec::new();
    session.scrub(&mut |problem| problems.push(problem));
    assert!(matches!(problems[..], [StorageError::Object { .. }]), "{problems:?}");
}

#[test]
fn of_two_that_take_over_at_once_one_has_the_storage() {
    let world = Arc::default();
    let (one, other) = (process(&world, options()), process(&world, options()));
    drop(open(&one.object, Mode::WRITE).unwrap());
    drop(open(&other.object, Mode::WRITE).unwrap());
    // Just before the one creates its slot, the other creates it.
    let (told, tell) = (Arc::new(Mutex::new(None)), other.object.clone());
    let told_there = Arc::clone(&told);
    *one.way.before_slot.lock().unwrap() =
        Some(Box::new(move || *told_there.lock().unwrap() = Some(open(&tell, Mode::WRITE))));
    let first = open(&one.object, Mode::WRITE);
    assert!(matches!(first, Err(StorageError::InUse { .. })), "{first:?}");
    let second = told.lock().unwrap().take().unwrap().unwrap();
    commit(&second, 1).unwrap();
    let epochs = world.created.lock().unwrap().values().map(|slots| slots.len()).max();
    assert_eq!(epochs, Some(1), "no slot was created twice");
}

#[test]
fn a_writer_that_was_away_while_its_slots_were_collected_is_fenced_though_it_creates_one() {
    let world = Arc::default();
    let (away, other) = (process(&world, options()), process(&world, options()));
    let zombie = open(&away.object, Mode::WRITE).unwrap();
    (1..4).for_each(|number| commit(&zombie, number).unwrap());
    let followers = [process(&world, options()), process(&world, options())];
    let [late, later] = followers.each_ref().map(|process| open(&process.object, Mode::Read).unwrap());
    let successor = open(&other.object, TAKE_OVER).unwrap();
    (4..20).for_each(|number| commit(&successor, number).unwrap());
    core(&successor).collect().unwrap();
    // A reader that was away as long finds no next slot, and does not take that for the end.
    assert_eq!(newest(&late.follow().unwrap().unwrap()), "19");
    // Its next slot is free again: it creates it, and must not believe that it has the storage.
    let done = commit(&zombie, 4);
    let created = world.created.lock().unwrap();
    assert_eq!(created.values().filter(|slots| slots.len() > 1).count(), 1, "it created a slot once more");
    drop(created);
    assert!(is_fenced(&done), "{done:?}");
    assert!(is_fenced(&zombie.delete_runs(KIND, 0..9)), "from now on it changes nothing");
    assert_eq!(newest(&zombie), "3", "what did not count is not shown");
    commit(&successor, 20).unwrap();
    let reader = process(&world, options());
    assert_eq!(newest(&open(&reader.object, Mode::Read).unwrap()), "20");
    // Nor does a reader that finds what the zombie left.
    assert_eq!(newest(&later.follow().unwrap().unwrap()), "20");
    drop(zombie);
    assert_eq!(newest(&open(&away.object, Mode::Read).unwrap()), "20");
}

#[test]
fn a_writer_is_taken_for_dead_after_a_lease_without_a_slot_and_not_while_it_shows_itself() {
    let world: Arc<World> = Arc::default();
    let beating = ObjectOptions { heartbeat: Duration::from_millis(20), ..options() };
    let watching = || ObjectOptions { lease: Duration::from_millis(600), ..options() };
    let (writer, other) = (process(&world, beating), process(&world, watching()));
    let session = open(&writer.object, Mode::WRITE).unwrap();
    commit(&session, 1).unwrap();
    let refused = open(&other.object, Mode::WRITE);
    assert!(matches!(refused, Err(StorageError::InUse { .. })), "{refused:?}");
    // As if its process were gone: no request gets through.
    writer.way.is_cut_off.store(true, Ordering::Release);
    let successor = open(&other.object, Mode::WRITE).unwrap();
    assert_eq!(newest(&successor), "1");
    commit(&successor, 2).unwrap();
    writer.way.is_cut_off.store(false, Ordering::Release);
    let upkeep = session.upkeep().unwrap();
    let never = std::sync::atomic::AtomicBool::new(false);
    assert!(is_fenced(&upkeep.run(&never)), "an idle writer notices it, too");
    assert!(is_fenced(&commit(&session, 2)));
}

#[test]
fn a_store_that_is_away_silences_the_writer_too() {
    let world: Arc<World> = Arc::default();
    let beating = ObjectOptions { heartbeat: Duration::from_millis(20), ..options() };
    let lease = Duration::from_millis(400);
    let (writer, standby) = (process(&world, beating), process(&world, ObjectOptions { lease, ..options() }));
    let session = open(&writer.object, Mode::WRITE).unwrap();
    commit(&session, 1).unwrap();
    let reader = open(&standby.object, Mode::Read).unwrap();
    let quiet = |reader: &Session| reader.writer_activity().unwrap().quiet;
    [&writer, &standby].iter().for_each(|process| process.way.is_cut_off.store(true, Ordering::Release));
    let looks = crate::wait::poll_until(1_000, Duration::from_millis(5), || {
        assert!(reader.follow().is_err(), "it cannot look");
        (quiet(&reader) >= lease).then_some(())
    });
    assert!(looks.is_some() && reader.writer_activity().unwrap().is_over());
    // It can look again, and the writer has not shown itself yet: a lease begins.
    standby.way.is_cut_off.store(false, Ordering::Release);
    assert!(reader.follow().unwrap().is_none());
    assert!(!reader.writer_activity().unwrap().is_over(), "{:?}", reader.writer_activity());
    let over = crate::wait::poll_until(1_000, Duration::from_millis(5), || {
        reader.follow().unwrap();
        reader.writer_activity().filter(|activity| activity.is_over())
    });
    let judged = over.unwrap().newest;
    commit(&reader.take_over(Some(judged)).unwrap(), 2).unwrap();
    writer.way.is_cut_off.store(false, Ordering::Release);
}

#[test]
fn a_writer_that_claims_while_the_ledger_is_migrated_is_refused() {
    let world = Arc::default();
    let (one, other) = (process(&world, options()), process(&world, options()));
    let migrating = open(&one.object, Mode::WRITE).unwrap();
    commit(&migrating, 1).unwrap();
    // The other has found no mark, and is about to create its claim.
    let marking = migrating.clone();
    *other.way.before_slot.lock().unwrap() =
        Some(Box::new(move || marking.mark_moved("s3://there").unwrap()));
    let claimed = open(&other.object, TAKE_OVER);
    assert!(matches!(&claimed, Err(StorageError::Moved { to, .. }) if to == "s3://there"), "{claimed:?}");
    // The other way round the mark does not stay: the ledger goes on where it is.
    let world = Arc::default();
    let (one, other) = (process(&world, options()), process(&world, options()));
    let migrating = open(&one.object, Mode::WRITE).unwrap();
    commit(&migrating, 1).unwrap();
    let successor = open(&other.object, TAKE_OVER).unwrap();
    assert!(is_fenced(&migrating.mark_moved("s3://there")), "it lost the storage before");
    assert_eq!(successor.moved_to().unwrap(), None);
    commit(&successor, 2).unwrap();
    drop((migrating, successor));
    open(&other.object, Mode::WRITE).unwrap();
}

#[test]
fn what_a_later_writer_wrote_is_not_collected_whatever_the_clock_says() {
    let world = Arc::default();
    let orphan = |session: &Session| {
        let upload = session.begin(Hint::LongLived);
        upload.put(&ValueKey::new(KIND, 77, 0), vec![7; 100]).unwrap();
        upload.seal().unwrap();
    };
    let (first, second, third) =
        (process(&world, options()), process(&world, options()), process(&world, options()));
    let sessions = [&first, &second, &third].map(|process| {
        let session = open(&process.object, TAKE_OVER).unwrap();
        // No slot leads to it: the next writer takes over.
        orphan(&session);
        session
    });
    // The second one lists segments while the third is at work, and everything looks old.
    let core = core(&sessions[1]);
    let base = core.writing().base.clone();
    let unneeded = core.unneeded_segments(&base, 0, i64::MAX).unwrap();
    let epochs: Vec<u64> = unneeded.iter().map(|name| SegmentName::parse(name).unwrap().epoch).collect();
    assert_eq!(epochs, [1], "{unneeded:?}");
}
