//! Any damage to what is stored is noticed: the ledger refuses to open, or `verify` fails. Never a different answer.

#![cfg(test)]

mod testkit;

use coverledger::ledger::Ledger;
use coverledger::ledger::codec::keys::{self, in_run, run_of};
use coverledger::ledger::codec::{Packing, frame, unframe};
use coverledger::ledger::verify_dir;
use coverledger::storage::Change;
use coverledger::storage::local::head;
use std::collections::BTreeMap;
use std::fs;
use testkit::damaged::{
    Fixture, VERSION, copy_of, db_file, dump, is_refused, lose, open_store, place, replace, segment_files,
    setup, values,
};
use testkit::random::Random;

/// Values of each kind that are damaged.
const SAMPLES_A_KIND: usize = 3;
/// Bytes of the store's file that are damaged.
const BYTES_SAMPLED: usize = 60;

/// Live values by kind; manifest entries by their own kind.
fn sample(fixture: &Fixture) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
    let dir = copy_of(&fixture.data);
    let mut kinds: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for (key, _) in values(dir.path()) {
        let kind = key[..if key[0] == keys::MANIFEST { 2 } else { 1 }].to_vec();
        kinds.entry(kind).or_default().push(key);
    }
    for keys in kinds.values_mut() {
        let every = keys.len().div_ceil(SAMPLES_A_KIND);
        *keys = keys.iter().rev().step_by(every).cloned().collect();
    }
    kinds
}

#[test]
fn the_undamaged_ledger_holds_and_holds_every_kind_of_value() {
    let fixture = Fixture::get();
    let dir = copy_of(&fixture.data);
    let verification = verify_dir(setup(dir.path()), &mut |_, _| {}).unwrap();
    assert_eq!(verification.problems, Vec::<String>::new());
    assert!(verification.runs > verification.days, "some days have several runs");
    assert!(verification.versions > verification.current && verification.kept_records > 0);
    let kinds: Vec<String> =
        sample(fixture).into_keys().map(|kind| String::from_utf8(kind).unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "\0", "b", "c", "f", "h", "i", "mR", "mb", "mc", "mg", "mp", "mq", "mr", "ms", "mt", "mx", "r",
            "s", "t", "x", "y"
        ]
    );
}

#[test]
fn one_flipped_bit_of_any_kind_of_value_is_noticed() {
    let mut random = Random::new(1);
    for key in sample(Fixture::get()).into_values().flatten() {
        let dir = copy_of(&Fixture::get().data);
        let store = open_store(dir.path());
        let mut value = store.get(&place(&key)).unwrap().unwrap().to_vec();
        let at = random.below(value.len());
        value[at] ^= 1 << random.below(8);
        replace(&store, &key, value);
        drop(store);
        assert!(is_refused(dir.path()), "byte {at} of {}", String::from_utf8_lossy(&key));
    }
}

#[test]
fn a_value_forged_with_a_right_checksum_is_noticed() {
    let mut random = Random::new(3);
    // Orders and kept records are not told twice; all else is.
    // The storage's own record has no frame.
    let told_once = [keys::DATA, keys::SPARSE, keys::REJECTED, VERSION[0]];
    let forged = sample(Fixture::get()).into_values().flatten().filter(|key| !told_once.contains(&key[0]));
    for key in forged {
        let dir = copy_of(&Fixture::get().data);
        let store = open_store(dir.path());
        let value = store.get(&place(&key)).unwrap().unwrap();
        let mut body = unframe(&key, &value).unwrap().into_owned();
        // The last byte of an identity chunk may end in unused bits.
        let at = random.below(body.len().max(2) - 1);
        body[at] ^= 1 << random.below(8);
        replace(&store, &key, frame(&key, &body, Packing::Lz4));
        drop(store);
        assert!(is_refused(dir.path()), "byte {at} of {}", String::from_utf8_lossy(&key));
    }
}

#[test]
fn a_lost_value_of_any_kind_is_noticed() {
    for key in sample(Fixture::get()).into_values().flatten() {
        let dir = copy_of(&Fixture::get().data);
        let store = open_store(dir.path());
        lose(&store, &key);
        drop(store);
        assert!(is_refused(dir.path()), "{}", String::from_utf8_lossy(&key));
    }
}

#[test]
fn two_values_of_a_kind_in_each_others_place_are_noticed() {
    for keys in sample(Fixture::get()).into_values() {
        let [a, b, ..] = keys.as_slice() else { continue };
        let dir = copy_of(&Fixture::get().data);
        let store = open_store(dir.path());
        let (value_a, value_b) =
            (store.get(&place(a)).unwrap().unwrap(), store.get(&place(b)).unwrap().unwrap());
        replace(&store, a, value_b.to_vec());
        replace(&store, b, value_a.to_vec());
        drop(store);
        assert!(is_refused(dir.path()), "{}", String::from_utf8_lossy(a));
    }
}

#[test]
fn a_value_that_belongs_to_nothing_is_noticed() {
    let dir = copy_of(&Fixture::get().data);
    let store = open_store(dir.path());
    let run = run_of(&store.keys(&[keys::DATA], &[]).next().unwrap().unwrap()).unwrap();
    replace(&store, &in_run(keys::DATA, run, 60_000), b"left behind".to_vec());
    drop(store);
    assert!(is_refused(dir.path()), "in a segment file");
    let dir = copy_of(&Fixture::get().data);
    let store = open_store(dir.path());
    let left = Change::Put(in_run(keys::DATA, 0, 60_000).to_vec(), b"left behind".to_vec());
    store.advance(&[left]).unwrap();
    drop(store);
    assert!(is_refused(dir.path()), "in the hot part");
}

#[test]
fn a_changed_lost_or_older_witness_is_noticed() {
    let fixture = Fixture::get();
    let dir = copy_of(&fixture.data);
    let path = head::path(dir.path());
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(5) {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        fs::write(&path, changed).unwrap();
        assert!(is_refused(dir.path()), "byte {at}");
    }
    fs::remove_file(&path).unwrap();
    assert!(is_refused(dir.path()), "without HEAD");
    fs::copy(head::path(fixture.older.path()), &path).unwrap();
    assert!(is_refused(dir.path()), "an older HEAD");
    fs::write(&path, whole).unwrap();
    assert!(!is_refused(dir.path()), "HEAD as it was");
}

#[test]
fn a_flipped_byte_of_the_stores_file_never_changes_an_answer() {
    let fixture = Fixture::get();
    let truth = dump(&Ledger::open(setup(copy_of(&fixture.data).path())).unwrap());
    let whole = fs::read(db_file(fixture.data.path())).unwrap();
    // The file is made longer ahead of its use: damage is done where something was written.
    let written = whole.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    let mut random = Random::new(7);
    let mut offsets: Vec<usize> = (0..BYTES_SAMPLED).map(|_| random.below(written)).collect();
    offsets.extend((1..=16).map(|back| written - back * back));
    let mut noticed = 0;
    for at in offsets {
        let dir = copy_of(&fixture.data);
        let mut changed = whole.clone();
        changed[at] ^= 1 << random.below(8);
        fs::write(db_file(dir.path()), changed).unwrap();
        if is_refused(dir.path()) {
            noticed += 1;
        } else {
            // The byte lay where no live value is.
            let ledger = Ledger::open(setup(dir.path())).unwrap();
            assert_eq!(dump(&ledger), truth, "byte {at} of {written} changed an answer");
        }
    }
    assert!(noticed > BYTES_SAMPLED / 4, "only {noticed} damages were noticed");
}

#[test]
fn a_flipped_byte_of_a_segment_file_is_noticed() {
    let fixture = Fixture::get();
    let mut random = Random::new(11);
    let dir = copy_of(&fixture.data);
    let files = segment_files(dir.path());
    assert!(files.len() > 1, "compaction wrote {} files", files.len());
    for (path, whole) in files {
        // Somewhere among the values, in the table before the trailer, and every field of the trailer.
        let mut offsets: Vec<usize> = (0..4).map(|_| random.below(whole.len())).collect();
        offsets.extend((1..=48).step_by(4).map(|back| whole.len() - back));
        for at in offsets {
            let mut changed = whole.clone();
            changed[at] ^= 1 << random.below(8);
            fs::write(&path, changed).unwrap();
            assert!(is_refused(dir.path()), "byte {at} of {} in {}", whole.len(), path.display());
        }
        fs::write(&path, whole).unwrap();
    }
    assert!(!is_refused(dir.path()), "the files as they were");
}

#[test]
fn a_lost_cut_or_exchanged_segment_file_is_noticed() {
    let fixture = Fixture::get();
    let lost = copy_of(&fixture.data);
    let (path, whole) = segment_files(lost.path()).pop().unwrap();
    fs::remove_file(&path).unwrap();
    assert!(is_refused(lost.path()), "lost");
    assert!(is_refused(lost.path()), "the first refusal does not hide it from the second");
    for length in [0, 7, whole.len() / 2, whole.len() - 1] {
        let dir = copy_of(&fixture.data);
        let (path, whole) = segment_files(dir.path()).pop().unwrap();
        fs::write(path, &whole[..length]).unwrap();
        assert!(is_refused(dir.path()), "cut at {length}");
    }
    let exchanged = copy_of(&fixture.data);
    let files = segment_files(exchanged.path());
    let ((a, _), (b, b_bytes)) = (&files[0], &files[1]);
    fs::rename(a, b).unwrap();
    fs::write(a, b_bytes).unwrap();
    assert!(is_refused(exchanged.path()), "exchanged");
    let dir = copy_of(&fixture.data);
    fs::remove_dir_all(dir.path().join("segments")).unwrap();
    assert!(is_refused(dir.path()), "all of them lost");
}

#[test]
fn an_older_store_is_noticed_and_accepted_only_by_an_operator() {
    let fixture = Fixture::get();
    let dir = copy_of(&fixture.older);
    fs::copy(head::path(fixture.data.path()), head::path(dir.path())).unwrap();
    assert!(is_refused(dir.path()));
    let mut accepting = setup(dir.path());
    accepting.accept_older_state = Some("the disk was replaced".to_owned());
    // A process that ends before its note is committed has accepted nothing.
    let witness = fs::read(head::path(dir.path())).unwrap();
    drop(Ledger::open(accepting.clone()).unwrap());
    assert_eq!(fs::read(head::path(dir.path())).unwrap(), witness);
    assert!(is_refused(dir.path()));
    let mut ledger = Ledger::open(accepting.clone()).unwrap();
    ledger.activate_configuration(fixture.now).unwrap();
    let view = ledger.published().current();
    let notes = view.commit(view.root().commit).unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("the disk was replaced")), "{notes:?}");
    let commit = view.root().commit;
    drop((view, ledger));
    assert!(!is_refused(dir.path()));
    // Left in a unit file it changes nothing, and notes nothing: there is no difference to accept.
    let mut ledger = Ledger::open(accepting).unwrap();
    ledger.activate_configuration(fixture.now).unwrap();
    assert_eq!(ledger.published().current().root().commit, commit);
}
