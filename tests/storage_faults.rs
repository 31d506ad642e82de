//! One short life of a ledger, disturbed at every operation of its storage in turn: by an error, by a reply that is lost
//! after the operation took effect, and by a crash after which nothing works until the storage is acquired again. What was
//! acknowledged is there, everything verifies, and continuing to the end gives the results of an undisturbed life.
//!
//! The real deaths of a process at the steps inside a directory are in `crash_points`. `COVERLEDGER_FAULTS_SEEDS` sets how
//! many seeds of drawn faults are tried, from `COVERLEDGER_FAULTS_FROM` on.

#![cfg(test)]

mod testkit;

use coverledger::config::Config;
use coverledger::domain::arrival::Timestamp;
use coverledger::domain::time::{LocalDay, UtcMillis};
use coverledger::generate::GeneratorSettings;
use coverledger::ledger::codec::keys;
use coverledger::ledger::{
    Arrival, Batch, CommitExtras, CompactionScope, Ledger, LedgerOptions, LedgerResult, Source, backup,
    verify_dir,
};
use coverledger::pipeline::{receive, rules_for};
use coverledger::storage::Storage;
use coverledger::storage::faults::{Fault, Faults, Operation, Plan};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use testkit::engine::Engine;
use testkit::random::number;
use testkit::stream::RATES;
use testkit::told::{Told, generated};

/// Records of the whole life, and of one commit.
const RECORDS: usize = 90;
const BATCH: usize = 15;
/// Rows after which a compaction begins another output.
const OUTPUT_ROWS: u64 = 12;

const BEFORE: &str = "timezone = \"Asia/Shanghai\"\n[platform_defaults]\nrecords_from = 2025-07-01\n";
/// In the second half there is a rate for what had none.
const AFTER: &str = "[[rate]]\ncategory = \"intra_city_freight\"\nper_order = \"0.12\"\n";

struct Life {
    events: Vec<Vec<u8>>,
    riders: BTreeSet<String>,
}

impl Life {
    fn new() -> Self {
        let settings = GeneratorSettings {
            orders: u64::try_from(RECORDS).unwrap(),
            seed: 5,
            riders: 20,
            from: UtcMillis::new(1_751_817_600_000),
            days: 6,
            duplicate_ppm: 50_000,
            late_ppm: 20_000,
            amended_ppm: 60_000,
            stale_ppm: 20_000,
            conflict_ppm: 20_000,
            bad_ppm: 40_000,
            open_ppm: 200_000,
            completeness_every_ms: Some(172_800_000),
        };
        let (events, riders) = generated(&settings);
        Self { events, riders }
    }

    /// Continues from the state of the ledger, to the end or to the first failure.
    fn live(&self, storage: &Storage, acknowledged: &mut u64) -> LedgerResult<()> {
        for half in [0, 1] {
            let config = config(half);
            let mut ledger = Ledger::open(options(&config, storage))?;
            ledger.set_output_rows_max(OUTPUT_ROWS);
            no_orphans(&ledger)?;
            ledger.activate_configuration(at(0))?;
            *acknowledged = newest(&ledger);
            self.live_half(half, &config, &mut ledger, acknowledged)?;
        }
        Ok(())
    }

    fn live_half(
        &self,
        half: usize,
        config: &Config,
        ledger: &mut Ledger,
        acknowledged: &mut u64,
    ) -> LedgerResult<()> {
        let source = Source::Kafka { topic: "orders".to_owned(), partition: 0 };
        let rules = rules_for(config, None, None);
        let end = self.events.len() * (half + 1) / 2;
        loop {
            let state = ledger.published().current();
            let position = state.sources().get(&source).map_or(0, |facts| facts.last_offset + 1);
            drop(state);
            let position = usize::try_from(position).unwrap();
            if position >= end {
                break;
            }
            let commits = position / BATCH;
            let mut batch = Batch::default();
            let number = batch.source(&source);
            for offset in position..(position + BATCH).min(end) {
                let payload = self.events[offset].as_slice();
                let offset = i64::try_from(offset).unwrap();
                let timestamp = Timestamp::Missing;
                let arrival = Arrival { source: number, offset, timestamp, payload, key: None, headers: &[] };
                receive(&mut batch, &arrival, &rules, &config.zone);
            }
            ledger.commit(&batch, &CommitExtras::default(), at(commits))?;
            *acknowledged = newest(ledger);
            ledger.collect_released()?;
            if commits.is_multiple_of(2)
                && let Some(job) = ledger.begin_compaction(&CompactionScope::every_size(LocalDay(i32::MAX)))
            {
                let written = job.run(&AtomicBool::new(false))?;
                let written = if commits == 2 { written.discarded() } else { written };
                ledger.install(written, at(commits))?;
                *acknowledged = newest(ledger);
            }
        }
        while ledger.drop_expired(at(0))?.is_some() {
            *acknowledged = newest(ledger);
            ledger.collect_released()?;
        }
        ledger.compact_now(LocalDay(i32::MAX), at(0))?;
        *acknowledged = newest(ledger);
        // A backup reads all of it.
        let copy = Storage::memory();
        backup(&ledger.published().current(), &copy, &AtomicBool::new(false), &mut |_, _| {})?;
        assert_eq!(verified(&copy, "the backup"), newest(ledger));
        Ok(())
    }

    fn told(&self, storage: &Storage) -> Told {
        let ledger = Ledger::open(options(&config(1), storage)).unwrap();
        Told::of(&ledger.published().current(), &self.riders)
    }
}

/// An open ledger has no values of runs that its manifest does not name.
fn no_orphans(ledger: &Ledger) -> LedgerResult<()> {
    let state = ledger.published().current();
    let live: BTreeSet<u64> = state.runs().values().flatten().map(|run| run.id).collect();
    for kind in [keys::DATA, keys::IDENTITY, keys::SPARSE, keys::RIDERS, keys::TOTALS] {
        for key in state.store().list(kind, 0) {
            let run = key?.run();
            assert!(live.contains(&run), "values of run {run} were left, live are {live:?}");
        }
    }
    Ok(())
}

fn newest(ledger: &Ledger) -> u64 {
    ledger.published().current().root().commit
}

fn at(commit: usize) -> UtcMillis {
    UtcMillis::new(1_753_000_000_000 + i64::try_from(commit).unwrap() * 1_000)
}

fn config(half: usize) -> Config {
    Config::from_text(&[BEFORE, RATES, if half == 0 { "" } else { AFTER }].concat()).unwrap()
}

fn options(config: &Config, storage: &Storage) -> LedgerOptions {
    let mut options = LedgerOptions::new(config);
    options.storage = storage.clone();
    options.cache_bytes = 4 << 20;
    // Filters and indexes are read from the storage again and again.
    (options.filter_bytes, options.index_bytes) = (0, 0);
    (options.identity_days, options.retention_days) = (1, Some(1));
    options
}

/// Verifies a storage and returns its newest commit; one that was never begun has none.
fn verified(storage: &Storage, when: &str) -> u64 {
    let verification = verify_dir(options(&config(1), storage), &mut |_, _| {}).unwrap();
    if verification.problems.iter().any(|problem| problem.contains("there is no ledger")) {
        return 0;
    }
    assert!(verification.holds(), "{when}: {:?}", verification.problems);
    verification.newest_commit
}

/// An undisturbed life: what it tells, and what it asks of the storage.
struct Undisturbed {
    life: Life,
    told: Told,
    operations: Vec<Operation>,
}

impl Undisturbed {
    fn new(engine: Engine) -> Self {
        let (storage, _folder) = engine.fresh();
        let faults = Faults::around(storage.clone(), Plan::none());
        let (life, mut acknowledged) = (Life::new(), 0);
        life.live(&faults.clone().storage(), &mut acknowledged).unwrap();
        assert!(acknowledged >= 10, "{acknowledged} commits");
        let operations = faults.log();
        assert_eq!(verified(&storage, "undisturbed"), acknowledged);
        let told = life.told(&storage);
        let ledger = Ledger::open(options(&config(1), &storage)).unwrap();
        assert!(
            ledger.retention_line().is_some(),
            "retention takes its part in the life: {:?}",
            ledger.published().current().runs().keys()
        );
        drop(ledger);
        // The second half lives on from there, and has nothing left to do.
        life.live(&storage, &mut acknowledged).unwrap();
        life.told(&storage).assert_is(&told, "lived again");
        Self { life, told, operations }
    }

    /// Lives with a fault in one operation, lives on, and compares.
    fn disturb(&self, engine: Engine, number: u64, fault: Fault) {
        let (storage, _folder) = engine.fresh();
        let faults = Faults::around(storage.clone(), Plan::at(number, fault));
        let operation = self.operations[usize::try_from(number).unwrap() - 1];
        let when = format!("{fault:?} in operation {number}, {operation:?}, on {engine:?}");
        let mut acknowledged = 0;
        let ended = self.life.live(&faults.clone().storage(), &mut acknowledged);
        let error = ended.expect_err(&when).to_string();
        assert!(error.contains("injected fault"), "{when}: {error}");
        assert!(verified(&storage, &when) >= acknowledged, "{when}");
        self.life
            .live(&faults.storage(), &mut acknowledged)
            .unwrap_or_else(|error| panic!("{when}: {error}"));
        assert_eq!(verified(&storage, &when), acknowledged, "{when}");
        self.life.told(&storage).assert_is(&self.told, &when);
    }
}

fn disturb_all(engine: Engine, faults: impl Fn(Operation) -> Vec<Fault>) {
    let undisturbed = Undisturbed::new(engine);
    let mut met: BTreeMap<Operation, usize> = BTreeMap::new();
    let mut lives = 0;
    for (number, &operation) in (1..).zip(&undisturbed.operations) {
        *met.entry(operation).or_default() += 1;
        for fault in faults(operation) {
            undisturbed.disturb(engine, number, fault);
            lives += 1;
        }
    }
    println!("{lives} disturbed lives on {engine:?}, of operations {met:?}");
    let all = [
        Operation::Acquire,
        Operation::Get,
        Operation::List,
        Operation::Entries,
        Operation::Put,
        Operation::Seal,
        Operation::SwapRoot,
        Operation::Delete,
        Operation::Retain,
        Operation::Reclaim,
        Operation::Checkpoint,
    ];
    assert!(all.iter().all(|operation| met.contains_key(operation)), "{met:?}");
}

#[test]
fn a_fault_at_any_operation_in_memory_loses_nothing_and_repeats_nothing() {
    disturb_all(Engine::Memory, |_| vec![Fault::Error, Fault::LostReply, Fault::Crash]);
}

#[cfg(feature = "object-store")]
#[test]
fn a_fault_at_any_change_in_a_bucket_loses_nothing_and_repeats_nothing() {
    disturb_all(Engine::Object, |operation| match operation.is_change() {
        true => vec![Fault::Error, Fault::LostReply, Fault::Crash],
        false => Vec::new(),
    });
}

/// A read that fails leaves what the change before it leaves, however it fails.
fn disturb_directory(fault: Fault) {
    disturb_all(Engine::Local, |operation| {
        if operation.is_change() || fault == Fault::Error { vec![fault] } else { Vec::new() }
    });
}

#[test]
fn an_error_of_any_operation_on_a_directory_loses_nothing_and_repeats_nothing() {
    disturb_directory(Fault::Error);
}

#[test]
fn a_lost_reply_of_any_change_of_a_directory_loses_nothing_and_repeats_nothing() {
    disturb_directory(Fault::LostReply);
}

#[test]
fn a_crash_before_any_change_of_a_directory_loses_nothing_and_repeats_nothing() {
    disturb_directory(Fault::Crash);
}

#[test]
fn drawn_faults_in_memory_lose_nothing_and_repeat_nothing() {
    let undisturbed = Undisturbed::new(Engine::Memory);
    let from = number("COVERLEDGER_FAULTS_FROM", 1);
    let mut lives = 0;
    for seed in from..from + number("COVERLEDGER_FAULTS_SEEDS", 100) {
        let (storage, _) = Engine::Memory.fresh();
        let faults = Faults::around(storage.clone(), Plan::seeded(seed, 150));
        let when = format!("COVERLEDGER_FAULTS_FROM={seed} COVERLEDGER_FAULTS_SEEDS=1");
        let mut acknowledged = 0;
        loop {
            lives += 1;
            if undisturbed.life.live(&faults.clone().storage(), &mut acknowledged).is_ok() {
                break;
            }
            assert!(verified(&storage, &when) >= acknowledged, "{when}");
        }
        assert_eq!(verified(&storage, &when), acknowledged, "{when}");
        undisturbed.life.told(&storage).assert_is(&undisturbed.told, &when);
    }
    println!("{lives} lives");
}
