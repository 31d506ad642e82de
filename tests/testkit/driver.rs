//! A deterministic life of a ledger that may end at any moment and is continued from its last state: commits,
//! compactions beside them and ones given up, a changed tariff half way, days that retention drops. The test program starts
//! itself again as the process that dies.

use super::stream::RATES;
use super::told::{Told, generated};
use super::wait::poll_until;
use coverledger::config::Config;
use coverledger::domain::arrival::Timestamp;
use coverledger::domain::time::{LocalDay, UtcMillis};
use coverledger::generate::{Generator, GeneratorSettings};
use coverledger::ledger::{
    Arrival, Batch, CommitExtras, CompactionScope, Ledger, LedgerOptions, LedgerResult, Source, verify_dir,
};
use coverledger::pipeline::{receive, rules_for};
use coverledger::storage::Storage;
use coverledger::storage::crash_points::{Point, VARIABLE};
use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

/// Names the data directory to the process that may die.
const DATA_DIR: &str = "COVERLEDGER_TEST_DATA_DIR";
/// Records of the whole life.
const RECORDS: usize = 1_600;
/// Records of one commit.
const BATCH: usize = 100;
/// Rows after which a compaction begins another output: most compactions have several.
const OUTPUT_ROWS: u64 = 60;
/// A compaction begins after every so many-th commit, and is put in force one commit later.
const COMPACT_EVERY: usize = 3;
/// Every so many-th compaction is given up.
const GIVE_UP_EVERY: usize = 3;

/// What a life says of a compaction that fails.
pub(crate) const COMPACTING: &str = "a compaction is written";

/// Comes before [`RATES`].
const BEFORE: &str = "timezone = \"Asia/Shanghai\"\n[platform_defaults]\nrecords_from = 2025-07-01\n";
/// From the second half on it has one everywhere.
const AFTER: &str = "[[rate]]\ncategory = \"intra_city_freight\"\nper_order = \"0.12\"\n";

/// The events of a life.
pub(crate) struct Life {
    events: Vec<Vec<u8>>,
    riders: BTreeSet<String>,
}

impl Life {
    pub(crate) fn new() -> Self {
        let settings = GeneratorSettings {
            orders: u64::try_from(RECORDS).unwrap(),
            seed: 11,
            riders: 300,
            from: UtcMillis::new(1_751_817_600_000),
            days: 10,
            duplicate_ppm: 50_000,
            late_ppm: 20_000,
            amended_ppm: 60_000,
            stale_ppm: 20_000,
            conflict_ppm: 20_000,
            bad_ppm: 30_000,
            open_ppm: 200_000,
            completeness_every_ms: Some(3_600_000),
        };
        let (events, riders) = generated(&settings);
        Self { events, riders }
    }

    /// Continues in `data_dir` from the state of the ledger, to the end. Tells each commit once it is acknowledged.
    pub(crate) fn live(&self, data_dir: &Path, told: &mut dyn FnMut(u64)) {
        for half in [0, 1] {
            let config = config(half);
            let mut ledger = unlocked(|| Ledger::open(setup(&config, data_dir)));
            ledger.set_output_rows_max(OUTPUT_ROWS);
            ledger.activate_configuration(at(0)).unwrap();
            told(commit_of(&ledger));
            self.live_half(half, &config, &mut ledger, told);
        }
    }

    fn live_half(&self, half: usize, config: &Config, ledger: &mut Ledger, told: &mut dyn FnMut(u64)) {
        let source = Source::Kafka { topic: "orders".to_owned(), partition: 0 };
        let rules = rules_for(config, None, None);
        let end = self.events.len() * (half + 1) / 2;
        let never = AtomicBool::new(false);
        let mut compacted = None;
        loop {
            let known = ledger.published().current();
            let position = known.sources().get(&source).map_or(0, |facts| facts.last_offset + 1);
            drop(known);
            let position = usize::try_from(position).unwrap();
            if position >= end {
                break;
            }
            let commits = position / BATCH;
            drop_expired(ledger, commits, told);
            let mut batch = Batch::default();
            let number = batch.source(&source);
            for offset in position..(position + BATCH).min(end) {
                let (payload, offset) = (self.events[offset].as_slice(), i64::try_from(offset).unwrap());
                let arrival = Arrival {
                    source: number,
                    offset,
                    timestamp: Timestamp::Missing,
                    payload,
                    key: None,
                    headers: &[],
                };
                receive(&mut batch, &arrival, &rules, &config.zone);
            }
            ledger.commit(&batch, &CommitExtras::default(), at(commits)).unwrap();
            told(commit_of(ledger));
            if let Some(written) = compacted.take() {
                ledger.install(written, at(commits)).unwrap();
                told(commit_of(ledger));
            }
            ledger.collect_released().unwrap();
            if commits.is_multiple_of(COMPACT_EVERY)
                && let Some(job) = ledger.begin_compaction(&CompactionScope::every_size(LocalDay(i32::MAX)))
            {
                let written = job.run(&never).expect(COMPACTING);
                let give_up = (commits / COMPACT_EVERY).is_multiple_of(GIVE_UP_EVERY);
                compacted = Some(if give_up { written.discarded() } else { written });
            }
        }
        if let Some(written) = compacted {
            ledger.install(written, at(0)).unwrap();
        }
        drop_expired(ledger, 0, told);
        ledger.compact_now(LocalDay(i32::MAX), at(0)).unwrap();
        told(commit_of(ledger));
    }

    /// Days of a ledger of which retention left the totals only.
    pub(crate) fn days_dropped(data_dir: &Path) -> usize {
        let ledger = unlocked(|| Ledger::open(setup(&config(1), data_dir)));
        let state = ledger.published().current();
        state.runs().values().filter(|runs| runs.iter().all(|run| run.entry.rows == 0)).count()
    }

    /// What a ledger at its end, or anywhere on the way, tells.
    pub(crate) fn told(&self, data_dir: &Path) -> Told {
        let ledger = unlocked(|| Ledger::open(setup(&config(1), data_dir)));
        Told::of(&ledger.published().current(), &self.riders)
    }
}

/// A new ledger with commits that are large enough for files of their own: a commit of less than a mebibyte has none. Each is
/// acknowledged as those of a life are.
pub(crate) fn commit_in_bulk(data_dir: &Path) -> Ledger {
    let config = config(0);
    let mut ledger = unlocked(|| Ledger::open(setup(&config, data_dir)));
    ledger.activate_configuration(at(0)).unwrap();
    let settings = GeneratorSettings { orders: 100_000, days: 1, ..GeneratorSettings::default() };
    let mut generator = Generator::new(&settings).unwrap();
    let rules = rules_for(&config, None, None);
    for offsets in [0..50_000, 50_000..100_000] {
        let mut batch = Batch::default();
        let source = batch.source(&Source::Kafka { topic: "orders".to_owned(), partition: 0 });
        for offset in offsets {
            let mut payload = Vec::new();
            generator.next_event(&mut payload).unwrap();
            let payload = payload.as_slice();
            let arrival =
                Arrival { source, offset, timestamp: Timestamp::Missing, payload, key: None, headers: &[] };
            receive(&mut batch, &arrival, &rules, &config.zone);
        }
        ledger.commit(&batch, &CommitExtras::default(), at(0)).unwrap();
        println!("\ncommit {}", commit_of(&ledger));
    }
    ledger
}

/// Before every commit, so that what is dropped follows from the position, wherever a life ended before.
fn drop_expired(ledger: &mut Ledger, commits: usize, told: &mut dyn FnMut(u64)) {
    while ledger.drop_expired(at(commits)).unwrap().is_some() {
        told(commit_of(ledger));
        ledger.collect_released().unwrap();
    }
}

pub(crate) fn at(commit: usize) -> UtcMillis {
    // Behind the last of the events.
    UtcMillis::new(1_753_000_000_000 + i64::try_from(commit).unwrap() * 1_000)
}

fn config(half: usize) -> Config {
    Config::from_text(&[BEFORE, RATES, if half == 0 { "" } else { AFTER }].concat()).unwrap()
}

pub(crate) fn setup(config: &Config, data_dir: &Path) -> LedgerOptions {
    let mut setup = LedgerOptions::new(config);
    setup.storage = Storage::local(data_dir);
    (setup.identity_days, setup.retention_days) = (1, Some(2));
    setup
}

fn commit_of(ledger: &Ledger) -> u64 {
    ledger.published().current().root().commit
}

/// In the process that may die: the directory that its parent names; none when no parent asks for anything.
pub(crate) fn asked_to_work_in() -> Option<PathBuf> {
    std::env::var_os(DATA_DIR).map(PathBuf::from)
}

/// In the process that may die: lives on in the directory that its parent names, and reports it on standard output. `false`
/// when no parent asks for it.
pub(crate) fn is_asked_to_live() -> bool {
    let Some(data_dir) = asked_to_work_in() else { return false };
    let mut out = std::io::stdout();
    Life::new().live(&data_dir, &mut |commit| {
        writeln!(out, "\ncommit {commit}").unwrap();
        out.flush().unwrap();
    });
    tell_end();
    true
}

/// Tells the parent that all was done.
pub(crate) fn tell_end() {
    writeln!(std::io::stdout(), "\nat its end").unwrap();
}

/// The process that may die: this test program again, at the test named `name`.
pub(crate) fn living(name: &str, data_dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    command.env(DATA_DIR, data_dir).env_remove(VARIABLE).env("RUST_BACKTRACE", "0");
    command.stdin(Stdio::null());
    command
}

/// How such a process ended.
#[derive(Debug)]
pub(crate) struct Death {
    /// The signal that ended it, if one did.
    pub(crate) signal: Option<i32>,
    /// Whether it came to its end.
    pub(crate) lived: bool,
    /// The newest commit that it acknowledged.
    pub(crate) acknowledged: u64,
    /// What it said of its failure.
    pub(crate) said: String,
}

impl Death {
    pub(crate) fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        Self {
            signal: output.status.signal(),
            lived: out.lines().any(|line| line == "at its end") && output.status.success(),
            acknowledged: acknowledged(&out),
            said,
        }
    }
}

/// The newest commit in what it wrote; the last line may be torn.
pub(crate) fn acknowledged(out: &str) -> u64 {
    let whole = out.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let commits = whole.lines().filter_map(|line| line.strip_prefix("commit "));
    commits.filter_map(|number| number.parse().ok()).max().unwrap_or(0)
}

/// The same, made to die after a point was met so many times.
pub(crate) fn dying(name: &str, data_dir: &Path, point: Point, nth: u64) -> Command {
    let mut command = living(name, data_dir);
    command.env(VARIABLE, format!("{}:{nth}", point.name()));
    command
}

/// Opens something of a directory that this process has closed. A process that another test is just starting has a copy of the lock
/// until it runs its program.
fn unlocked<T>(mut open: impl FnMut() -> LedgerResult<T>) -> T {
    poll_until("no process has the directory", || match open() {
        Err(error) if error.is_in_use() => None,
        opened => Some(opened.unwrap()),
    })
}

/// Verifies a directory and returns its newest commit; a ledger that was never begun has none.
pub(crate) fn verified(data_dir: &Path, when: &str) -> u64 {
    if !data_dir.join("store").is_dir() {
        return 0;
    }
    let verification = unlocked(|| verify_dir(setup(&config(1), data_dir), &mut |_, _| {}));
    assert!(verification.holds(), "{when}: {:?}", verification.problems);
    verification.newest_commit
}

/// The newest commit of a directory whose ledger holds.
pub(crate) fn holds(data_dir: &Path) -> Option<u64> {
    let verification = unlocked(|| verify_dir(setup(&config(1), data_dir), &mut |_, _| {}));
    verification.holds().then_some(verification.newest_commit)
}
