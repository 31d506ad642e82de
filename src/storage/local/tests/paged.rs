//! Paged tables: any history of a store beside a map, a budget that is kept, damage that is reported.

use super::*;
use proptest::collection::vec;
use std::ops::Range;

/// Values by (run, number); all are of one kind.
type Model = BTreeMap<(u64, u32), Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    /// Values of a run from a number on, each so many further; those that are there are replaced.
    Write {
        run: u64,
        from: u32,
        step: u32,
        count: u32,
    },
    /// A few values of a run that has none of them, in the hot part.
    WriteHot {
        run: u64,
        from: u32,
    },
    Delete {
        run: u64,
        numbers: Range<u32>,
    },
    DeleteRuns(Range<u64>),
    Reclaim(u64),
    /// With so much memory.
    Reopen(usize),
}

fn budget() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0), Just(20_000), Just(1 << 20)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let run = || 0u64..4;
    let number = || prop_oneof![3 => 0u32..40, 1 => 500u32..1_600];
    let count = prop_oneof![2 => 1u32..30, 1 => 500u32..1_300];
    let write = (run(), number(), 1u32..3, count);
    let delete = (run(), number(), prop_oneof![1u32..20, 400u32..1_000]);
    let step = prop_oneof![
        6 => write.prop_map(|(run, from, step, count)| Step::Write { run, from, step, count }),
        1 => (run(), number()).prop_map(|(run, from)| Step::WriteHot { run, from }),
        4 => delete.prop_map(|(run, from, count)| Step::Delete { run, numbers: from..from + count }),
        1 => (run(), 1u64..3).prop_map(|(run, count)| Step::DeleteRuns(run..run + count)),
        2 => (20u64..102).prop_map(Step::Reclaim),
        2 => budget().prop_map(Step::Reopen),
    ];
    vec(step, 1..14)
}

fn put(store: &Store, min: u64, values: &Model) {
    let writing = store.begin(min);
    values.iter().for_each(|(&(run, number), value)| writing.put(&key(run, number), value.clone()).unwrap());
    writing.sync().unwrap();
}

fn apply(store: &mut Option<(Store, usize)>, dir: &TempDir, model: &mut Model, step: &Step, nth: usize) {
    let open = &store.as_ref().unwrap().0;
    let value = |run: u64, number: u32| format!("{nth}: {run}/{number}").into_bytes();
    match step {
        Step::Write { run, from, step, count } => {
            let numbers = (0..*count).map(|n| from + n * step);
            let new: Model = numbers.map(|number| ((*run, number), value(*run, number))).collect();
            // What the hot part holds is never put again.
            let in_hot = |key: &(u64, u32)| {
                let (group, number) = table::group_of(&super::key(key.0, key.1)).unwrap();
                model.contains_key(key) && !open.shared.segments.holds(group, number).unwrap()
            };
            let new: Model = new.into_iter().filter(|(key, _)| !in_hot(key)).collect();
            put(open, 0, &new);
            model.extend(new);
        }
        Step::WriteHot { run, from } => {
            let numbers = (*from..*from + 5).filter(|number| !model.contains_key(&(*run, *number)));
            let new: Model = numbers.map(|number| ((*run, number), value(*run, number))).collect();
            put(open, u64::MAX, &new);
            model.extend(new);
        }
        Step::Delete { run, numbers } => {
            open.delete(numbers.clone().map(|number| key(*run, number))).unwrap();
            model.retain(|&(of, number), _| of != *run || !numbers.contains(&number));
        }
        Step::DeleteRuns(runs) => {
            let before = model.len();
            let deleted = open.delete_runs(DATA, runs.clone()).unwrap();
            model.retain(|(run, _), _| !runs.contains(run));
            assert_eq!(deleted, u64::try_from(before - model.len()).unwrap());
        }
        Step::Reclaim(percent) => {
            let _gained = open.reclaim_below(*percent, 0).unwrap();
        }
        Step::Reopen(bytes) => {
            // Nothing dead is left that would come back.
            open.reclaim_below(101, 0).unwrap();
            store.take();
            *store = Some((Store::open(dir.path(), 16 << 20, *bytes).unwrap(), *bytes));
        }
    }
}

fn compare(store: &Store, model: &Model) {
    let keys: Vec<Vec<u8>> = store.keys(&[], &[]).collect::<Result<_, _>>().unwrap();
    let expected: Vec<Vec<u8>> = model.keys().map(|&(run, number)| key(run, number)).collect();
    assert_eq!(keys, expected);
    for (&(run, number), value) in model {
        assert_eq!(store.get(&key(run, number)).unwrap().as_deref(), Some(value.as_slice()));
        let next = (run, number + 1);
        assert_eq!(store.holds(&key(next.0, next.1)).unwrap(), model.contains_key(&next));
    }
    let catalog = store.shared.segments.catalog();
    for run in 0..6 {
        let of_run = u32::try_from(model.range((run, 0)..(run + 1, 0)).count()).unwrap();
        let whole = (0..of_run).all(|number| model.contains_key(&(run, number)));
        assert_eq!(store.holds_all(DATA, run, of_run).unwrap(), whole);
        let group = Group { kind: DATA, run };
        let numbers = store.shared.segments.numbers(group).unwrap();
        assert_eq!(catalog.count(group), u64::try_from(numbers.len()).unwrap());
    }
    let in_files = |key: &(u64, u32)| {
        let group = Group { kind: DATA, run: key.0 };
        store.shared.segments.holds(group, key.1).unwrap()
    };
    let bytes: usize = model.iter().filter(|(key, _)| in_files(key)).map(|(_, value)| value.len()).sum();
    let live: u64 = catalog.live_bytes().map(|(_, bytes)| bytes).sum();
    assert_eq!(live, u64::try_from(bytes).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_history_of_a_store_is_that_of_a_map(bytes in budget(), steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Some((Store::open(dir.path(), 16 << 20, bytes).unwrap(), bytes));
        let mut model = Model::new();
        for (nth, step) in steps.iter().enumerate() {
            apply(&mut store, &dir, &mut model, step, nth);
            let (store, bytes) = store.as_ref().unwrap();
            compare(store, &model);
            prop_assert!(store.shared.cache.bytes() <= *bytes);
        }
    }
}

#[test]
fn many_groups_are_answered_within_any_budget() {
    let dir = tempfile::tempdir().unwrap();
    let (runs, values) = (120_u64, 1_100_u32);
    let store = Store::open(dir.path(), 16 << 20, 0).unwrap();
    for first in (0..runs).step_by(20) {
        let writing = store.begin(0);
        for run in first..first + 20 {
            (0..values).for_each(|n| writing.put(&key(run, n), n.to_be_bytes().to_vec()).unwrap());
        }
        writing.sync().unwrap();
    }
    assert_eq!(files(&dir).len(), 6);
    drop(store);
    // All pages together take 1.7 MB.
    for bytes_max in [0, 6_000, 64 << 10, 4 << 20] {
        let store = Store::open(dir.path(), 16 << 20, bytes_max).unwrap();
        assert_eq!(store.shared.cache.bytes(), 0, "opening reads no page");
        let mut most = 0;
        for n in 0..20_000_u32 {
            let mixed = n.wrapping_mul(0x9e37_79b9);
            let (run, number) = (u64::from(mixed >> 8) % runs, mixed % values);
            assert_eq!(*store.get(&key(run, number)).unwrap().unwrap(), number.to_be_bytes());
            most = most.max(store.shared.cache.bytes());
        }
        assert!(most <= bytes_max, "{most} bytes are held of {bytes_max}");
        assert!(bytes_max < 10_000 || most > bytes_max / 4, "{most} bytes are held of {bytes_max}");
        assert!((0..runs).all(|run| store.holds_all(DATA, run, values).unwrap()));
        assert!(!store.holds_all(DATA, 3, values + 1).unwrap());
    }
}

#[test]
fn a_damaged_page_is_an_error_that_names_the_file_and_nothing_else_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    write(&store, 0, 1, 0..1_200);
    drop(store);
    let file = files(&dir).pop().unwrap();
    let whole = fs::read(&file).unwrap();
    let entry = segment::read(&dir.path().join("segments"), 0).unwrap().entries[0];
    let (at, length) = entry.page::<table::Place>(1);
    for byte in (0..length).step_by(401) {
        let mut changed = whole.clone();
        changed[usize::try_from(at).unwrap() + byte] ^= 4;
        fs::write(&file, changed).unwrap();
        let store = open(&dir);
        assert!(holds(&store, 1, 0..512) && holds(&store, 1, 1_024..1_200), "the other pages");
        for refused in [
            store.get(&key(1, 700)).map(drop).unwrap_err(),
            store.holds(&key(1, 513)).map(drop).unwrap_err(),
            store.delete([key(1, 1_023)]).unwrap_err(),
            store.keys(&[], &[]).find_map(Result::err).unwrap(),
        ] {
            let text = refused.to_string();
            assert!(text.contains(file.to_str().unwrap()) && text.contains("is damaged"), "{text}");
        }
        let mut problems = Vec::new();
        store.check_segments(|problem| problems.push(problem));
        assert_eq!(problems.len(), 1);
        // Whatever its pages say, a run is deleted as a whole.
        assert_eq!(store.delete_runs(DATA, 1..2).unwrap(), 1_200);
        assert_eq!(files(&dir), Vec::<PathBuf>::new());
    }
}

#[test]
fn a_page_in_the_place_of_another_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    write(&store, 0, 1, 0..1_024);
    drop(store);
    let file = files(&dir).pop().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let entry = segment::read(&dir.path().join("segments"), 0).unwrap().entries[0];
    let ((first, length), (second, _)) = (entry.page::<table::Place>(0), entry.page::<table::Place>(1));
    let (first, second) = (usize::try_from(first).unwrap(), usize::try_from(second).unwrap());
    bytes.copy_within(second..second + length, first);
    fs::write(&file, bytes).unwrap();
    assert!(open(&dir).get(&key(1, 3)).is_err());
}
