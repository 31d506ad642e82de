//! Random operations against a map: whatever comes, every engine says what the map says.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
pub(in super::super) enum Step {
    /// Run, count, large values, hint.
    Write(u64, u32, bool, Hint),
    /// Put and never sealed.
    Lose(u64),
    Delete(u64, u64),
    Swap(u8, bool),
    Append,
    Reclaim,
    Reopen,
}

pub(in super::super) fn step() -> impl Strategy<Value = Step> {
    let hint = prop_oneof![Just(Hint::ShortLived), Just(Hint::LongLived)];
    prop_oneof![
        4 => (0u64..9, 1u32..40, any::<bool>(), hint).prop_map(|(run, count, large, hint)| Step::Write(run, count, large, hint)),
        1 => (0u64..9).prop_map(Step::Lose),
        2 => (0u64..9, 1u64..4).prop_map(|(run, runs)| Step::Delete(run, runs)),
        4 => (any::<u8>(), any::<bool>()).prop_map(|(key, delete)| Step::Swap(key % 16, delete)),
        3 => Just(Step::Append),
        1 => Just(Step::Reclaim),
        1 => Just(Step::Reopen),
    ]
}

/// What must be stored.
#[derive(Default)]
struct Expected {
    values: BTreeMap<(u64, u32), Vec<u8>>,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Runs with a number that was never given before.
    next: u64,
    swaps: u64,
    /// The run numbers that replace the small ones that steps name.
    names: BTreeMap<u64, u64>,
}

impl Expected {
    fn check(&self, session: &Session, when: &str) {
        let found: Vec<(u64, u32)> = runs(session);
        let expected: Vec<(u64, u32)> = self.values.keys().copied().collect();
        assert_eq!(found, expected, "{when}");
        for (&(run, number), value) in &self.values {
            let key = ValueKey::new(KIND, run, number);
            assert_eq!(&*session.get(&key).unwrap().unwrap(), value.as_slice(), "{when}: {run}/{number}");
        }
        let entries: Vec<(Vec<u8>, Vec<u8>)> = session
            .entries(b"")
            .map(|item| item.map(|(key, value)| (key, value.to_vec())).unwrap())
            .collect();
        assert_eq!(entries, self.entries.clone().into_iter().collect::<Vec<_>>(), "{when}");
        assert_eq!(session.version().unwrap().number, self.swaps, "{when}");
    }

    fn apply(&mut self, session: &Session, step: &Step) {
        match step {
            Step::Write(name, count, large, hint) => {
                // Keys are new: a value is never changed.
                let run = self.next;
                self.next += 1;
                self.names.insert(*name, run);
                let upload = session.begin(*hint);
                for number in 0..*count {
                    let bytes = if *large { 60_000 } else { usize::try_from(number).unwrap() };
                    let value = vec![u8::try_from(run % 251).unwrap(); bytes];
                    upload.put(&ValueKey::new(KIND, run, number), value.clone()).unwrap();
                    self.values.insert((run, number), value);
                }
                upload.seal().unwrap();
            }
            Step::Lose(number) => {
                let upload = session.begin(Hint::LongLived);
                upload.put(&ValueKey::new(KIND, 1_000_000 + number, 0), b"lost".to_vec()).unwrap();
            }
            Step::Delete(name, runs) => {
                let Some(&run) = self.names.get(name) else { return };
                let before = self.values.len();
                self.values.retain(|(of, _), _| !(run..run + runs).contains(of));
                let deleted = session.delete_runs(KIND, run..run + runs).unwrap();
                assert_eq!(usize::try_from(deleted).unwrap(), before - self.values.len());
            }
            Step::Append => {
                // Mostly in order, as a commit's record is.
                let number = if self.swaps % 5 == 4 { u64::MAX - self.swaps } else { self.swaps };
                let key = [b"b\xff".as_slice(), &number.to_be_bytes()].concat();
                let value = vec![u8::try_from(self.swaps % 251).unwrap(); 40];
                self.entries.insert(key.clone(), value.clone());
                let at = session.version().unwrap();
                let append = Change::Append(key, value);
                session.swap_root(&at, &version(self.swaps + 1), &[append]).unwrap();
                self.swaps += 1;
            }
            Step::Swap(key, delete) => {
                let key = vec![b'a' + key % 4, *key];
                let change = if *delete {
                    self.entries.remove(&key);
                    Change::Delete(key)
                } else {
                    let value = self.swaps.to_be_bytes().to_vec();
                    self.entries.insert(key.clone(), value.clone());
                    Change::Put(key, value)
                };
                let at = session.version().unwrap();
                session.swap_root(&at, &version(self.swaps + 1), &[change]).unwrap();
                self.swaps += 1;
            }
            Step::Reclaim => drop(session.reclaim().unwrap()),
            Step::Reopen => {}
        }
    }
}

/// Takes the same steps in every place.
pub(in super::super) fn walk(places: Vec<Place>, steps: &[Step]) {
    for place in places {
        let mut expected = Expected::default();
        let mut session = place.write();
        for (nth, step) in steps.iter().enumerate() {
            if matches!(step, Step::Reopen) {
                // As the ledger does at its end and its start: what is stored is durable, and what is not wanted goes.
                expected.apply(&session, &Step::Swap(0, false));
                drop(session);
                session = place.write();
                let wanted: BTreeSet<u64> = expected.values.keys().map(|(run, _)| *run).collect();
                session.retain(|_, run| wanted.contains(&run)).unwrap();
            }
            expected.apply(&session, step);
            expected.check(&session, &format!("{}: after step {nth}, {step:?}", place.name));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn every_engine_says_what_a_map_says(steps in prop::collection::vec(step(), 1..25)) {
        walk(places(), &steps);
    }
}
