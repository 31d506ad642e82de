//! Sealing a day of a ledger: alone, beside orders at the rate of a peak minute, beside orders as fast as they go; the disk that it
//! takes; receipts.
//!
//! `cargo bench --bench seal [-- --orders N --per-rider N --rate N (--dir DIR) --enforce]`
//!
//! `--orders` is a day's; the day before has as many, since its orders may reach into the day. Without `--per-rider` it runs with 20
//! and with 40 orders of a rider on the day.

#[allow(dead_code, reason = "this benchmark settles nothing")]
#[path = "ledger/compacting.rs"]
mod compacting;
mod support;

use compacting::Compacting;
use coverledger::app::threads::Urgency;
use coverledger::config::Config;
use coverledger::coverage::Terms;
use coverledger::domain::arrival::Timestamp;
use coverledger::domain::event::EventRules;
use coverledger::domain::time::{DAY_MS, HOUR_MS, LocalDay, UtcMillis};
use coverledger::domain::view::LedgerView;
use coverledger::domain::window::Window;
use coverledger::generate::{Generator, GeneratorSettings};
use coverledger::ledger::{Arrival, Batch, CommitExtras, Ledger, LedgerOptions, NewSeal, Snapshot, Source};
use coverledger::pipeline::{receive, rules_for};
use coverledger::seal::receipt::verify_receipt;
use coverledger::sealing::issuer::ReceiptIssuer;
use coverledger::sealing::secrets::Secrets;
use coverledger::sealing::{Outcome, SealBook};
use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::random::Random;
use support::wait::delay;
use support::{Figures, Side, cpu, disk_bytes, option, per_second, percentile, stolen, text_option};

/// As in the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Midnight in Shanghai before the day that is sealed.
const DAY_START: i64 = 1_795_104_000_000;
/// Milliseconds for 5 million orders.
const SEAL_MS_MAX: u64 = 10_000;
/// Records of a commit beside which a day is sealed: a fifth of a second of them.
const COMMITS_A_SECOND: u64 = 5;

fn now() -> UtcMillis {
    UtcMillis::new(DAY_START + 2 * DAY_MS + 6 * HOUR_MS)
}

fn day() -> LocalDay {
    LocalDay::from_ymd(2026, 11, 20).expect("a date")
}

/// Decodes the next records of a stream; `false` when it is over.
fn fill(
    generator: &mut Generator,
    batch: &mut Batch,
    most: u64,
    rules: &EventRules,
    config: &Config,
) -> bool {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    while u64::try_from(ends.len()).unwrap_or(u64::MAX) < most && generator.next_event(&mut bytes).is_some() {
        ends.push(bytes.len());
    }
    let source = batch.source(&Source::Files);
    let mut from = 0;
    for (&to, offset) in ends.iter().zip(0..) {
        let payload = bytes.get(from..to).unwrap_or_default();
        let timestamp = Timestamp::Broker(now());
        let arrival = Arrival { source, offset, timestamp, payload, key: None, headers: &[] };
        receive(batch, &arrival, rules, &config.zone);
        from = to;
    }
    !ends.is_empty()
}

fn main() -> ExitCode {
    let mut figures = Figures::default();
    let orders = option("orders", 5_000_000);
    let cases = match option("per-rider", 0) {
        0 => vec![20, 40],
        one => vec![one],
    };
    for per_rider in cases {
        support::line(&format!("-- {orders} orders a day, {per_rider} of a rider"));
        case(orders, per_rider, &mut figures);
    }
    figures.finish()
}

fn case(orders: u64, per_rider: u64, figures: &mut Figures) {
    let folder = match text_option("dir") {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    }
    .expect("a folder for the data");
    let path = support::configuration(folder.path(), None, "", "");
    // Without topics: then completeness is what is stated.
    let text = fs::read_to_string(&path).expect("the configuration").replace("topics = [\"orders\"]\n", "");
    fs::write(&path, text).expect("the configuration can be written");
    let config = Config::load(&path, &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    let mut ledger = Ledger::open(LedgerOptions::new(&config)).expect("a new ledger");
    ledger.activate_configuration(now()).expect("the configuration is put in force");
    let rules = rules_for(&config, None, None);
    let settings = GeneratorSettings {
        orders: 2 * orders,
        riders: orders / per_rider,
        from: UtcMillis::new(DAY_START - DAY_MS),
        days: 2,
        duplicate_ppm: 0,
        ..GeneratorSettings::default()
    };
    let mut stream = Generator::new(&settings).expect("the settings make a stream");
    let (mut batch, mut compacting) = (Batch::default(), Compacting::begin());
    while fill(&mut stream, &mut batch, 200_000, &rules, &config) {
        ledger.commit(&batch, &CommitExtras::default(), now()).expect("the batch is committed");
        batch.clear();
        compacting.step(&mut ledger, LocalDay(i32::MIN));
    }
    let stated = vec![(None, now().minus(60_000))];
    let extras = CommitExtras { stated, ..CommitExtras::default() };
    ledger.commit(&Batch::default(), &extras, now()).expect("completeness is committed");
    let runs: usize = ledger.published().current().runs().values().map(Vec::len).sum();
    figures.tell("runs of the two days", runs);
    let secrets = fresh_secrets();
    let limit = SEAL_MS_MAX * orders / 5_000_000;
    figures.tell("every rider is new", "");
    alone(&ledger, &config, &secrets, figures);
    figures.tell("every rider is known, as late in a month", "");
    alone(&ledger, &config, &secrets, figures);
    let live = |records: u64, seed: u64| {
        let from = UtcMillis::new(DAY_START + 2 * DAY_MS);
        let settings = GeneratorSettings { orders: records, seed, from, ..GeneratorSettings::default() };
        Generator::new(&settings).expect("the settings make a stream")
    };
    let rate = option("rate", 18_000);
    let each = rate / COMMITS_A_SECOND;
    let batches = decoded(&mut live(rate * 40, 9), each, &rules, &config);
    let took =
        beside(&mut ledger, &config, &fresh_secrets(), Beside { batches: &batches, pause: true }, figures);
    figures.tell(&format!("seal beside {rate} orders/s, every rider new"), format!("{took} ms"));
    let prepared = fresh_secrets();
    prepare(&mut ledger, &config, &prepared, figures);
    let batches = decoded(&mut live(rate * 40, 10), each, &rules, &config);
    let took = beside(&mut ledger, &config, &prepared, Beside { batches: &batches, pause: true }, figures);
    figures.judge(&format!("seal beside {rate} orders/s, prepared"), took, Side::AtMost, limit, "s");
    let batches = decoded(&mut live(8_000_000.min(orders), 11), 200_000, &rules, &config);
    beside_all_out(&mut ledger, &config, (&secrets, &batches), figures);
    store(&mut ledger, &config, (&secrets, folder.path()), orders, figures);
    receipts(&ledger, &config, (&secrets, orders / per_rider), figures);
}

fn decoded(stream: &mut Generator, each: u64, rules: &EventRules, config: &Config) -> Vec<Batch> {
    std::iter::from_fn(|| {
        let mut batch = Batch::default();
        fill(stream, &mut batch, each, rules, config).then_some(batch)
    })
    .collect()
}

/// Secrets that know no rider: as on the first day of a month, and after a start.
fn fresh_secrets() -> Arc<Secrets> {
    let file = Secrets::new_file("bench.example/seal", &[1; 32], &[2; 32]).expect("a name of a log");
    Arc::new(Secrets::parse(&file).expect("secrets"))
}

fn sealed(state: &Snapshot, config: &Config, secrets: &Secrets) -> Box<NewSeal> {
    sealed_day(state, config, secrets, day())
}

fn sealed_day(state: &Snapshot, config: &Config, secrets: &Secrets, day: LocalDay) -> Box<NewSeal> {
    let terms = Terms { platforms: &config.platforms, zone: &config.zone };
    let book = SealBook::of(state, terms).expect("the seal log is read");
    match book.seal(day, secrets.sealing(), &AtomicBool::new(false)).expect("the day is sealed") {
        Outcome::Sealed(seal) => seal,
        other => panic!("the day was sealed before: {other:?}"),
    }
}

fn alone(ledger: &Ledger, config: &Config, secrets: &Secrets, figures: &Figures) {
    let state = ledger.published().current();
    let (begun, used, stole) = (Instant::now(), cpu("self"), stolen());
    let seal = sealed(&state, config, secrets);
    figures.tell("seal alone", format!("{} ms", begun.elapsed().as_millis()));
    figures.tell("  CPU", format!("{} ms", (cpu("self") - used).as_millis()));
    figures.tell("  stolen by the host", format!("{} ms", (stolen() - stole).as_millis()));
    figures.tell(
        "  riders",
        seal.text.lines().find_map(|line| line.strip_prefix("leaves ")).unwrap_or_default(),
    );
}

/// Seals the days before, and prepares the day as a service does each hour, which leaves its sealing the riders that came since.
fn prepare(ledger: &mut Ledger, config: &Config, secrets: &Secrets, figures: &Figures) {
    // With secrets of its own: what it learns of riders is not what is measured.
    let before: Vec<LocalDay> =
        ledger.published().current().days_stored().filter(|stored| *stored < day()).collect();
    for earlier in before {
        let seal = sealed_day(&ledger.published().current(), config, &fresh_secrets(), earlier);
        ledger.add_seal(&seal, now()).expect("the seal is stored");
    }
    let terms = Terms { platforms: &config.platforms, zone: &config.zone };
    let (state, used) = (ledger.published().current(), cpu("self"));
    let book = SealBook::of(&state, terms).expect("the seal log is read");
    let prepared = book.prepare(secrets.sealing(), &AtomicBool::new(false)).expect("the day is prepared");
    let (prepared_day, riders) = prepared.expect("a day has no seal");
    assert_eq!(prepared_day, day(), "the day that is sealed is the one that was prepared");
    figures.tell("riders prepared", riders);
    figures.tell("  CPU", format!("{} ms", (cpu("self") - used).as_millis()));
}

#[derive(Clone, Copy)]
struct Beside<'a> {
    batches: &'a [Batch],
    /// Whether commits keep to the rate.
    pause: bool,
}

/// Seals while orders are committed; milliseconds that it took.
fn beside(
    ledger: &mut Ledger,
    config: &Config,
    secrets: &Arc<Secrets>,
    what: Beside<'_>,
    figures: &Figures,
) -> u64 {
    let (state, is_done) = (ledger.published().current(), AtomicBool::new(false));
    let mut slowest = Duration::ZERO;
    let took = thread::scope(|scope| {
        let sealing = scope.spawn(|| {
            Urgency::Background.apply();
            let begun = Instant::now();
            sealed(&state, config, secrets);
            is_done.store(true, Ordering::Release);
            begun.elapsed()
        });
        let (begun, mut records) = (Instant::now(), 0_u64);
        for (batch, nth) in what.batches.iter().zip(1_u32..) {
            if is_done.load(Ordering::Acquire) {
                break;
            }
            let committing = Instant::now();
            records += ledger.commit(batch, &CommitExtras::default(), now()).expect("a commit").records;
            slowest = slowest.max(committing.elapsed());
            let due = Duration::from_millis(1_000 / COMMITS_A_SECOND) * nth;
            if let Some(early) = due.checked_sub(begun.elapsed()).filter(|_| what.pause) {
                delay(early);
            }
        }
        figures.tell(
            "  orders committed meanwhile",
            format!("{records}, {} /s", per_second(records, begun.elapsed())),
        );
        figures.tell("  slowest commit", format!("{} ms", slowest.as_millis()));
        sealing.join().expect("the sealing thread ends")
    });
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// Sealing beside commits as fast as they go: what it costs them.
fn beside_all_out(
    ledger: &mut Ledger,
    config: &Config,
    (secrets, batches): (&Arc<Secrets>, &[Batch]),
    figures: &Figures,
) {
    let (first, rest) = batches.split_at(batches.len() / 2);
    let (begun, mut records) = (Instant::now(), 0_u64);
    for batch in first {
        records += ledger.commit(batch, &CommitExtras::default(), now()).expect("a commit").records;
    }
    figures.tell("orders committed without sealing", format!("{} /s", per_second(records, begun.elapsed())));
    let took = beside(ledger, config, secrets, Beside { batches: rest, pause: false }, figures);
    figures.tell("seal beside orders as fast as they go", format!("{took} ms"));
}

/// Adds the seal, and tells what it takes on disk.
fn store(
    ledger: &mut Ledger,
    config: &Config,
    (secrets, folder): (&Arc<Secrets>, &std::path::Path),
    orders: u64,
    figures: &mut Figures,
) {
    let seal = sealed(&ledger.published().current(), config, secrets);
    let before = disk_bytes(folder);
    let begun = Instant::now();
    ledger.add_seal(&seal, now()).expect("the seal is stored");
    figures.tell("add the seal to the ledger", format!("{} ms", begun.elapsed().as_millis()));
    let bytes = disk_bytes(folder).saturating_sub(before);
    figures.judge("disk of the sealed day", bytes * 1_000 / orders, Side::AtMost, 2_000, "B/order");
}

/// Makes receipts about random riders and instants, and checks them.
fn receipts(
    ledger: &Ledger,
    config: &Config,
    (secrets, riders): (&Arc<Secrets>, u64),
    figures: &mut Figures,
) {
    let state = ledger.published().current();
    let terms = Terms { platforms: &config.platforms, zone: &config.zone };
    let book = SealBook::of(&state, terms).expect("the seal log is read");
    let known: Vec<String> = book
        .rider_days(day())
        .expect("the day is read")
        .step_by(usize::try_from(riders / 500).unwrap_or(1).max(1))
        .map(|rider_day| rider_day.expect("a rider's day").rider_id)
        .collect();
    let issuer = ReceiptIssuer::new(Arc::clone(secrets));
    let keys = secrets.public_keys();
    let (mut random, mut made, mut checked, mut longest) = (Random::new(5), Vec::new(), Vec::new(), 0);
    for rider_id in &known {
        let at = UtcMillis::new(DAY_START + random.between(0, DAY_MS));
        let begun = Instant::now();
        let receipt =
            issuer.receipt(&state, terms, rider_id, (Window::instant(at), false)).expect("a receipt");
        let file = receipt.to_json().expect("a file");
        made.push(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        let begun = Instant::now();
        verify_receipt(file.as_bytes(), &keys).expect("a valid receipt");
        checked.push(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        longest = longest.max(file.len());
    }
    figures.tell(
        "the first receipt of the day",
        format!("{} us", made.first().copied().unwrap_or_default() / 1_000),
    );
    figures.tell("make a receipt, median", format!("{} us", percentile(&mut made, 500) / 1_000));
    figures.judge(
        "check a receipt, 99th of 100",
        percentile(&mut checked, 990) / 1_000,
        Side::AtMost,
        5_000,
        "ms",
    );
    let longest = u64::try_from(longest).unwrap_or(u64::MAX);
    figures.judge("longest receipt", longest * 1_000, Side::AtMost, 8_192_000, "B");
}
