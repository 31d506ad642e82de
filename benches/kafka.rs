//! End to end from a real Apache Kafka on this machine, beside a bare consumer of the same topic in the same run.
//!
//! `cargo bench --bench kafka [-- --orders N --repetitions N --days N --rate N --marks N --config TOML --binary FILE --enforce]`
//!
//! Needs Java and Maven (`scripts/kafka.sh`). Both sides are timed from the start of their process to the last record
//! read (bare) or durable and visible (the service).

mod support;

use coverledger::generate::GeneratorSettings;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::bare::{self, Share};
use support::questions::{count, freshness, lookup, tell};
use support::random::Random;
use support::service::{Kafka, Service, generate};
use support::wait::delay;
use support::{Figures, option, per_second};

fn main() -> ExitCode {
    if let Some(brokers) = support::text_option("bare") {
        return bare::bare(&brokers, option("records", 0));
    }
    let orders = option("orders", 1_000_000);
    let folder = match support::text_option("dir") {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    }
    .expect("a folder for the data");
    let days = option("days", 1);
    let settings =
        GeneratorSettings { orders, days: u32::try_from(days).unwrap_or(1), ..GeneratorSettings::default() };
    let (records, riders) = count(&settings);
    let kafka = Kafka::start(folder.path());
    let started = Instant::now();
    let arguments = ["--orders", &orders.to_string(), "--seed", "1", "--days", &days.to_string()];
    let made = generate(&kafka.brokers(), &arguments.map(str::to_owned)).wait();
    assert!(made.is_ok_and(|status| status.success()), "the events are produced");
    let mut figures = Figures::default();
    figures.tell("records, orders", format!("{records}, {orders}"));
    figures.tell("produced", format!("{} /s", per_second(records, started.elapsed())));
    let extra = support::text_option("config").unwrap_or_default();
    let (what, share) = ((&kafka, folder.path(), records), (extra.as_str(), Share::FromStart(500)));
    let rates = bare::compare(what, share, &mut figures, |_, _| {});
    support::backfill::compare(folder.path(), &settings, (records, rates.whole), &mut figures);
    support::stored::compare(&kafka, folder.path(), (records, rates), &mut figures);
    questions(&kafka, folder.path(), (records, orders), &riders, &mut figures);
    figures.finish()
}

/// Lookups over HTTP while the topic is drained, then freshness at a moderate rate.
fn questions(
    kafka: &Kafka,
    dir: &Path,
    (records, orders): (u64, u64),
    riders: &[String],
    figures: &mut Figures,
) {
    let extra = support::text_option("config").unwrap_or_default();
    let mut service = Service::start(&dir.join("questions"), &kafka.brokers(), &extra);
    let mut client = service.connect();
    let mut samples = std::thread::scope(|scope| {
        let draining = scope.spawn(|| {
            service.wait_for(records);
            service
        });
        let mut samples = Vec::new();
        let mut numbers = Random::new(1);
        while !draining.is_finished() {
            samples.push(lookup(&mut client, riders, &mut numbers));
            delay(Duration::from_millis(2));
        }
        service_of(draining, samples)
    });
    let idle = (0..2_000).scan(Random::new(2), |numbers, _| Some(lookup(&mut client, riders, numbers)));
    tell("HTTP lookup, ingest at full speed", &mut samples.1, figures);
    tell("HTTP lookup, idle", &mut idle.collect::<Vec<u64>>(), figures);
    freshness(kafka, (&mut client, "", 1_000), orders, figures);
    samples.0.stop();
}

fn service_of(
    draining: std::thread::ScopedJoinHandle<'_, Service>,
    samples: Vec<u64>,
) -> (Service, Vec<u64>) {
    (draining.join().expect("the topic is drained"), samples)
}
