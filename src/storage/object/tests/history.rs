//! Histories: several writers with unkind ways to one bucket take the storage from each other and charge orders, readers look on, and
//! slots are collected meanwhile. Then all that was created is read again from the first slot on:
//! * the chain is unbroken, and epochs never fall (`State::follow` refuses anything else);
//! * each order is charged once, in order;
//! * every commit that was acknowledged, and every state that a reader saw, is in the chain;
//! * no reader went back.
//!
//! `COVERLEDGER_OBJECT_SEEDS` sets how many histories are run, from `COVERLEDGER_OBJECT_FROM` on.

use super::super::slot::Slot;
use super::unkind::{Unkind, World};
use super::*;
use crate::wait::pace;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

const SEEDS: u64 = 24;
const WRITERS: u64 = 3;
/// Orders of a history.
const ORDERS: u64 = 60;

/// What a client was told: a version of the root, and how many orders were charged at it.
type Seen = (Version, u64);

#[derive(Default)]
struct Told {
    acknowledged: Mutex<Vec<Seen>>,
    seen: Mutex<Vec<Seen>>,
    fenced: AtomicUsize,
    unknown: AtomicUsize,
    collected: AtomicUsize,
    charged: AtomicU64,
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn unkind(world: &Arc<World>, seed: u64) -> Object {
    let options = ObjectOptions {
        lease: Duration::from_millis(60),
        heartbeat: Duration::from_millis(10),
        patience: Duration::from_millis(60),
        full_every: 6,
        ..options()
    };
    object(Unkind::new(world, seed, 7) as _, options)
}

fn charged(session: &Session) -> u64 {
    let entry = session.entry(b"charged").unwrap();
    entry.map_or(0, |entry| u64::from_be_bytes((&*entry).try_into().unwrap()))
}

/// What a session shows: its entries name the version that they are of.
fn shown(session: &Session) -> Seen {
    let hash = session.entry(b"hash").unwrap().map_or([0; 32], |hash| (&*hash).try_into().unwrap());
    let number = session.entry(b"number").unwrap();
    let number = number.map_or(0, |number| u64::from_be_bytes((&*number).try_into().unwrap()));
    (Version { number, hash }, charged(session))
}

/// Charges some orders in one commit.
fn charge(session: &Session, random: &mut fastrand::Rng, told: &Told) -> StorageResult<()> {
    let (from, at) = (charged(session), session.version()?);
    let (to, mut hash) = (from + random.u64(1..4), [0; 32]);
    random.fill(&mut hash);
    let next = Version { number: at.number + 1, hash };
    let put = |key: &str, value: &[u8]| Change::Put(key.as_bytes().to_vec(), value.to_vec());
    let mut changes = vec![
        put("charged", &to.to_be_bytes()),
        put("number", &next.number.to_be_bytes()),
        put("hash", &next.hash),
    ];
    let upload = session.begin(if random.bool() { Hint::ShortLived } else { Hint::LongLived });
    for order in from..to {
        changes.push(Change::Append(format!("order {order:04}").into_bytes(), b"charged".to_vec()));
        upload.put(&ValueKey::new(KIND, order, 0), order.to_be_bytes().to_vec())?;
    }
    upload.seal()?;
    let swapped = session.swap_root(&at, &next, &changes);
    told.seen.lock().unwrap().push(shown(session));
    swapped?;
    told.acknowledged.lock().unwrap().push((next, to));
    told.charged.fetch_max(to, Ordering::AcqRel);
    Ok(())
}

fn write(world: &Arc<World>, seed: u64, told: &Told) {
    let mut random = fastrand::Rng::with_seed(seed);
    let object = unkind(world, seed);
    while told.charged.load(Ordering::Acquire) < ORDERS {
        let mode = if random.u32(..4) == 0 { TAKE_OVER } else { Mode::WRITE };
        let Ok(session) = open(&object, mode) else {
            pace(Duration::from_millis(random.u64(1..10)));
            continue;
        };
        told.seen.lock().unwrap().push(shown(&session));
        loop {
            let done = match random.u32(..14) {
                0 => core(&session).collect().map(|objects| {
                    told.collected.fetch_add(objects, Ordering::Relaxed);
                }),
                1 => {
                    let core = core(&session);
                    core.page_entries_if_due().and_then(|()| core.write_full_if_due())
                }
                2 => {
                    pace(Duration::from_millis(random.u64(1..40)));
                    Ok(())
                }
                3 => break,
                _ => charge(&session, &mut random, told),
            };
            match done {
                Err(StorageError::Fenced { .. }) => {
                    told.fenced.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Err(StorageError::Unknown) => break,
                // A change of unknown result ends a writer, another failure does not.
                Err(_) => drop(told.unknown.fetch_add(1, Ordering::Relaxed)),
                Ok(()) if told.charged.load(Ordering::Acquire) >= ORDERS => break,
                Ok(()) => {}
            }
        }
    }
}

fn read(world: &Arc<World>, seed: u64, told: &Told, is_over: &AtomicBool) {
    let object = unkind(world, seed);
    let mut before = 0;
    while !is_over.load(Ordering::Acquire) {
        let Ok(session) = open(&object, Mode::Read) else {
            pace(Duration::from_millis(1));
            continue;
        };
        let seen = shown(&session);
        assert!(seen.0.number >= before, "a reader went back from version {before} to {}", seen.0.number);
        before = seen.0.number;
        told.seen.lock().unwrap().push(seen);
        pace(Duration::from_millis(1));
    }
}

/// Reads everything that was created from the first slot on.
fn replay(world: &World, when: &str) -> (BTreeMap<u64, Seen>, State) {
    let mut state = State::default();
    let mut versions = BTreeMap::from([(0, (Version::NONE, 0))]);
    let mut orders = BTreeSet::new();
    let created = world.created.lock().unwrap();
    for (number, slots) in &*created {
        // What was created once more was so after the first was collected.
        let stored = slots.first().unwrap();
        let slot: Slot =
            state.follow(stored).unwrap_or_else(|error| panic!("{when}: slot {number}: {error}"));
        for change in &slot.entries {
            if let Change::Append(key, _) = change
                && key.starts_with(b"order ")
            {
                assert!(
                    orders.insert(key.clone()),
                    "{when}: charged twice: {}",
                    String::from_utf8_lossy(key)
                );
            }
        }
        let charged = state.entries.get(b"charged".as_slice());
        let charged = charged.map_or(0, |entry| u64::from_be_bytes((&**entry).try_into().unwrap()));
        assert_eq!(u64::try_from(orders.len()).unwrap(), charged, "{when}: slot {number}");
        versions.insert(state.version.number, (state.version, charged));
    }
    (versions, state)
}

fn run(seed: u64, totals: &mut [usize; 5]) {
    let when = format!("COVERLEDGER_OBJECT_FROM={seed} COVERLEDGER_OBJECT_SEEDS=1");
    let (world, told, is_over): (Arc<World>, _, _) =
        (Arc::default(), Told::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|nth| {
                let (world, told) = (&world, &told);
                scope.spawn(move || write(world, seed * 31 + nth, told))
            })
            .collect();
        let reader = scope.spawn(|| read(&world, seed * 31 + WRITERS, &told, &is_over));
        let ended: Vec<_> = writers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        is_over.store(true, Ordering::Release);
        assert!(reader.join().is_ok() && ended.iter().all(Result::is_ok), "{when}");
    });
    let (versions, state) = replay(&world, &when);
    let is_in_chain = |seen: &Seen| versions.get(&seen.0.number) == Some(seen);
    for acknowledged in &*told.acknowledged.lock().unwrap() {
        assert!(is_in_chain(acknowledged), "{when}: acknowledged and not in the chain: {acknowledged:?}");
    }
    for seen in &*told.seen.lock().unwrap() {
        assert!(is_in_chain(seen), "{when}: seen and not in the chain: {seen:?}");
    }
    // A process that knows nothing reads what the chain says.
    let plain = object(Arc::clone(&world.bucket) as _, options());
    let session = open(&plain, Mode::Read).unwrap();
    assert_eq!(
        charged(&session),
        u64::from_be_bytes((&**state.entries.get(b"charged".as_slice()).unwrap()).try_into().unwrap()),
        "{when}"
    );
    for order in 0..charged(&session) {
        let value = session.get(&ValueKey::new(KIND, order, 0)).unwrap();
        assert_eq!(*value.unwrap_or_else(|| panic!("{when}: order {order}")), order.to_be_bytes(), "{when}");
        let entry = session.entry(format!("order {order:04}").as_bytes()).unwrap();
        assert_eq!(entry.as_deref(), Some(b"charged".as_slice()), "{when}: the entry of order {order}");
    }
    let slots = world.created.lock().unwrap();
    let again = slots.values().filter(|slots| slots.len() > 1).count();
    let count = |n: &AtomicUsize| n.load(Ordering::Relaxed);
    let epoch = usize::try_from(state.head.epoch).unwrap();
    for (total, one) in totals.iter_mut().zip([
        epoch,
        count(&told.fenced),
        count(&told.unknown),
        count(&told.collected),
        again,
    ]) {
        *total += one;
    }
}

#[test]
fn whatever_happens_the_chain_is_one_and_each_order_is_charged_once() {
    let (from, seeds) = (number("COVERLEDGER_OBJECT_FROM", 1), number("COVERLEDGER_OBJECT_SEEDS", SEEDS));
    let mut totals = [0; 5];
    for seed in from..from + seeds {
        run(seed, &mut totals);
    }
    let [epochs, fenced, unknown, collected, again] = totals;
    println!(
        "{seeds} histories: {epochs} epochs, {fenced} writers fenced, {unknown} changes failed, {collected} objects collected, \
         {again} collected slots created again"
    );
    assert!(seeds < SEEDS || fenced > 0 && unknown > 0 && collected > 0, "the histories were too quiet");
}
