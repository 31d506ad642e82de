//! What every storage keeps to: one set of tests, run on each engine, and on each behind an empty plan of faults.

mod copies;
mod keeps;
pub(super) mod model;

use super::faults::{Faults, Plan};
use super::*;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

/// The contracts, wherever they are written.
mod all {
    pub(super) use super::copies::*;
    pub(super) use super::keeps::*;
}

const KIND: u8 = b'b';
const OTHER: u8 = b'c';

/// A storage to test, and a second one that is empty.
pub(super) struct Place {
    pub(super) name: &'static str,
    pub(super) storage: Storage,
    second: Storage,
    /// Whether a second writer can take over.
    can_be_taken_over: bool,
    /// Whether it can be read while one writes.
    is_read_beside: bool,
    folder: TempDir,
}

impl Place {
    fn local(name: &'static str, wrap: fn(Storage) -> Storage) -> Self {
        let folder = TempDir::new().unwrap();
        let storage = |name| wrap(Storage::local(folder.path().join(name)));
        let (storage, second) = (storage("data"), storage("copy"));
        Self { name, storage, second, can_be_taken_over: false, is_read_beside: false, folder }
    }

    fn memory(name: &'static str, wrap: fn(Storage) -> Storage) -> Self {
        let (storage, second) = (wrap(Storage::memory()), wrap(Storage::memory()));
        let folder = TempDir::new().unwrap();
        Self { name, storage, second, can_be_taken_over: true, is_read_beside: false, folder }
    }

    #[cfg(feature = "object-store")]
    pub(super) fn object(name: &'static str, storage: Storage, second: Storage) -> Self {
        let folder = TempDir::new().unwrap();
        Self { name, storage, second, can_be_taken_over: true, is_read_beside: true, folder }
    }
}

fn behind_no_faults(storage: Storage) -> Storage {
    Faults::around(storage, Plan::none()).storage()
}

/// Every engine, and every engine behind faults of which there are none.
pub(super) fn places() -> Vec<Place> {
    vec![
        Place::local("local", |storage| storage),
        Place::memory("memory", |storage| storage),
        #[cfg(feature = "object-store")]
        object::tests::place("object", |storage| storage),
        Place::local("faults over local", behind_no_faults),
        Place::memory("faults over memory", behind_no_faults),
        #[cfg(feature = "object-store")]
        object::tests::place("faults over object", behind_no_faults),
    ]
}

/// Makes a test of each contract, and a list of all of them.
macro_rules! contracts {
    ($($name:ident,)*) => {
        /// Every contract.
        #[cfg(feature = "object-store")]
        pub(super) const ALL: &[(&str, fn(&dyn Fn() -> Vec<Place>))] = &[$((stringify!($name), all::$name),)*];

        $(
            #[test]
            fn $name() {
                all::$name(&places);
            }
        )*
    };
}

contracts! {
    values_are_read_after_they_are_sealed_and_not_before,
    a_kind_is_listed_from_a_run_on_and_by_itself,
    the_root_changes_as_a_whole_and_only_from_the_version_that_is_expected,
    what_was_sealed_before_a_swap_is_there_when_the_storage_is_acquired_again,
    deleted_values_are_gone_and_those_that_were_not_retained_stay_gone,
    one_writes_or_many_read,
    a_writer_from_which_another_took_over_changes_nothing_more,
    a_reader_follows_the_writer_and_earlier_sessions_stay_what_they_are,
    a_reader_takes_over_from_what_it_judged_and_from_nothing_newer,
    a_checkpoint_is_the_wanted_version_whole_or_not_there,
    a_copy_that_was_interrupted_continues_with_what_is_whole,
    a_storage_that_moved_admits_no_writer,
    hints_and_care_change_nothing,
}

const WRITE: Mode = Mode::WRITE;

fn how(mode: Mode) -> Acquire {
    Acquire { mode, cache_bytes: 4 << 20, index_bytes: 1 << 20 }
}

impl Place {
    pub(super) fn acquire(&self, mode: Mode) -> StorageResult<Session> {
        self.storage.acquire(&how(mode))
    }

    pub(super) fn write(&self) -> Session {
        self.acquire(WRITE).unwrap()
    }

    /// Lets another writer take over from the one that writes now, as far as the engine can be taken over from.
    fn take_over(&self) -> Option<Session> {
        let mode = Mode::Write { accept_older_state: false, take_over: true };
        if self.can_be_taken_over {
            return Some(self.acquire(mode).unwrap());
        }
        assert!(matches!(self.acquire(mode), Err(StorageError::InUse { .. })));
        std::fs::remove_file(self.folder.path().join("data").join("LOCK")).unwrap();
        None
    }
}

pub(super) fn version(number: u64) -> Version {
    Version { number, hash: [u8::try_from(number % 251).unwrap(); 32] }
}

fn put(session: &Session, hint: Hint, run: u64, numbers: Range<u32>) {
    let upload = session.begin(hint);
    for number in numbers {
        upload.put(&ValueKey::new(KIND, run, number), value(run, number)).unwrap();
    }
    upload.seal().unwrap();
}

fn value(run: u64, number: u32) -> Vec<u8> {
    format!("value {number} of run {run}").into_bytes()
}

fn entry(key: &str, value: &str) -> Change {
    Change::Put(key.as_bytes().to_vec(), value.as_bytes().to_vec())
}

fn entries(session: &Session, prefix: &str) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let found = session.entries(prefix.as_bytes()).map(Result::unwrap);
    found.map(|(key, value)| (text(&key), text(&value))).collect()
}

fn runs(session: &Session) -> Vec<(u64, u32)> {
    session.list(KIND, 0).map(|key| key.map(|key| (key.run(), key.number())).unwrap()).collect()
}
