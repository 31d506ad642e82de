//! Lookups over HTTP beside ingest at full speed, with and without the answer log, in turn in one run. Needs Java and Maven
//! (`scripts/kafka.sh`), as benches/kafka.rs.

use super::support::http::Client;
use super::support::random::Random;
use super::support::service::{Kafka, Service, generate};
use super::support::wait::delay;
use super::support::{Figures, Side, median, option, per_second, percentile, thousandths};
use coverledger::generate::{Generator, GeneratorSettings};
use std::path::Path;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

/// How much slower lookups may be with the log: their p99, in thousandths of that without it.
const RATIO_MAX: u64 = 1_300;
/// How much of the rate of ingest must be left, in thousandths.
const INGEST_MIN: u64 = 950;
/// A pause between two questions of a connection, in microseconds.
const PAUSE_US: u64 = 2_000;

/// What one run brought.
struct Run {
    nanos: Vec<u64>,
    records_per_second: u64,
}

/// Runs with and without the log in turn, and compares.
pub(crate) fn compare(dir: &Path, orders: u64, days: u64, targets: &[String], figures: &mut Figures) {
    let kafka = Kafka::start(dir);
    let arguments = ["--orders", &orders.to_string(), "--seed", "1", "--days", &days.to_string()];
    let made = generate(&kafka.brokers(), &arguments.map(str::to_owned)).wait();
    assert!(made.is_ok_and(|status| status.success()), "the events are produced");
    let records = records(orders, days);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for nth in 0..option("rounds", 3) {
        // Neither side is always the first.
        for has_log in if nth % 2 == 0 { [false, true] } else { [true, false] } {
            let folder = dir.join(format!("beside-{nth}-{has_log}"));
            let run = run(&kafka, &folder, has_log, records, targets);
            if has_log { with.push(run) } else { without.push(run) }
        }
    }
    let p99 = |runs: &mut [Run]| -> Vec<u64> {
        runs.iter_mut().map(|run| percentile(&mut run.nanos, 990) / 1_000).collect()
    };
    for (name, runs) in [("without the answer log", &mut without), ("with the answer log", &mut with)] {
        let p50: Vec<u64> = runs.iter_mut().map(|run| percentile(&mut run.nanos, 500) / 1_000).collect();
        let questions: usize = runs.iter().map(|run| run.nanos.len()).sum();
        figures.tell(&format!("beside ingest {name}: questions"), questions);
        figures.tell("  p50 of each run, us", format!("{p50:?}"));
        figures.tell("  p99 of each run, us", format!("{:?}", p99(runs)));
        let rates: Vec<u64> = runs.iter().map(|run| run.records_per_second).collect();
        figures.tell("  records/s of each run", format!("{rates:?}"));
    }
    let ratio = median(p99(&mut with)) * 1_000 / median(p99(&mut without)).max(1);
    figures.judge("p99 with the log as a share of that without", ratio, Side::AtMost, RATIO_MAX, "");
    let rate = |runs: &[Run]| median(runs.iter().map(|run| run.records_per_second).collect());
    let share = rate(&with) * 1_000 / rate(&without).max(1);
    figures.judge("ingest with the log as a share of that without", share, Side::AtLeast, INGEST_MIN, "");
    figures.tell("ratios", format!("{}, {}", thousandths(ratio), thousandths(share)));
}

fn records(orders: u64, days: u64) -> u64 {
    let days = u32::try_from(days).unwrap_or(1);
    let settings = GeneratorSettings { orders, days, ..GeneratorSettings::default() };
    let mut generator = Generator::new(&settings).expect("the settings make a stream");
    let (mut record, mut records) = (Vec::new(), 0);
    while generator.next_event(&mut record).is_some() {
        records += 1;
        record.clear();
    }
    records
}

/// Drains the topic into a new ledger, and asks meanwhile over some connections.
fn run(kafka: &Kafka, folder: &Path, has_log: bool, records: u64, targets: &[String]) -> Run {
    let extra = format!("[answers]\nlog = {has_log}\n");
    let mut service = Service::start(folder, &kafka.brokers(), &extra);
    let clients: Vec<Client> = (0..option("connections", 4)).map(|_| service.connect()).collect();
    let started = Instant::now();
    let (service, nanos, took) = std::thread::scope(|scope| {
        let draining = scope.spawn(move || {
            service.wait_for(records);
            (service, started.elapsed())
        });
        let nanos = ask(clients, targets, &draining);
        let (service, took) = draining.join().expect("the topic is drained");
        (service, nanos, took)
    });
    let data = service.stop();
    std::fs::remove_dir_all(data).expect("the data can be removed");
    Run { nanos, records_per_second: per_second(records, took) }
}

fn ask(
    clients: Vec<Client>,
    targets: &[String],
    draining: &ScopedJoinHandle<'_, (Service, Duration)>,
) -> Vec<u64> {
    std::thread::scope(|scope| {
        let askers: Vec<_> = (1..)
            .zip(clients)
            .map(|(seed, client)| scope.spawn(move || ask_on(client, seed, targets, draining)))
            .collect();
        askers.into_iter().flat_map(|asker| asker.join().expect("an asker ends well")).collect()
    })
}

fn ask_on(
    mut client: Client,
    seed: u64,
    targets: &[String],
    draining: &ScopedJoinHandle<'_, (Service, Duration)>,
) -> Vec<u64> {
    let (mut nanos, mut numbers) = (Vec::new(), Random::new(seed));
    let count = u64::try_from(targets.len()).unwrap_or(1);
    while !draining.is_finished() {
        let nth = usize::try_from(numbers.below(count)).unwrap_or(0);
        let sent = Instant::now();
        let (status, body) = client.get(targets.get(nth).map_or("/", String::as_str)).expect("an answer");
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
        nanos.push(u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX));
        delay(Duration::from_micros(PAUSE_US));
    }
    nanos
}
