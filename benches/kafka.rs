//! End to end from a real Apache Kafka on this machine, beside a bare consumer of the same topic in the same run.
//!
//! `cargo bench --bench kafka [-- --orders N --repetitions N --days N --rate N --marks N --config TOML --binary FILE --enforce]`
//!
//! Needs Java and Maven (`scripts/kafka.sh`). Both sides are timed from the start of their process to the last record
//! read (bare) or durable and visible (the service).

mod support;

use coverledger::domain::time::UtcMillis;
use coverledger::generate::{Generator, GeneratorSettings};
use coverledger::ingest::kafka::{ClientSettings, EventProducer, KafkaHealth, Outgoing};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use support::http::Client;
use support::random::Random;
use support::service::{Kafka, Service, generate};
use support::stored::Rates;
use support::wait::delay;
use support::{Figures, Side, cpu, disk_bytes, median, option, per_second, percentile, resident, rfc3339};

const PARTITIONS: i32 = 8;
/// One question about a rider in so many orders is remembered.
const SAMPLE_EVERY: u64 = 997;

/// What one drain of the topic took.
struct Drain {
    took: Duration,
    cpu: Duration,
    broker_cpu: Duration,
}

fn main() -> ExitCode {
    if let Some(brokers) = support::text_option("bare") {
        return bare(&brokers, option("records", 0));
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
    let rates = compare(&kafka, folder.path(), records, &mut figures);
    support::backfill::compare(folder.path(), &settings, (records, rates.whole), &mut figures);
    support::stored::compare(&kafka, folder.path(), (records, rates), &mut figures);
    questions(&kafka, folder.path(), (records, orders), &riders, &mut figures);
    figures.finish()
}

/// How many records the settings make, and some of their riders.
fn count(settings: &GeneratorSettings) -> (u64, Vec<String>) {
    let mut generator = Generator::new(settings).expect("the settings make a stream");
    let (mut record, mut records, mut riders) = (Vec::new(), 0, Vec::new());
    while generator.next_event(&mut record).is_some() {
        if records % SAMPLE_EVERY == 0 {
            let event: serde_json::Value = serde_json::from_slice(&record).unwrap_or_default();
            riders.extend(event.get("rider_id").and_then(|rider| rider.as_str()).map(str::to_owned));
        }
        records += 1;
        record.clear();
    }
    (records, riders)
}

/// Bare consumer and service in turn; medians and their ratio. Returns the service's records a second.
fn compare(kafka: &Kafka, dir: &Path, records: u64, figures: &mut Figures) -> Rates {
    let mut running = Vec::new();
    let (mut bares, mut serves, mut disk, mut memory) = (Vec::new(), Vec::new(), Vec::new(), (0, 0));
    for nth in 0..option("repetitions", 3) {
        bares.push(drain_bare(kafka, records));
        let data = dir.join(format!("serve-{nth}"));
        let mut drain = Drain { took: Duration::ZERO, cpu: Duration::ZERO, broker_cpu: cpu(&kafka.pid()) };
        let started = Instant::now();
        let extra = support::text_option("config").unwrap_or_default();
        let mut service = Service::start(&data, &kafka.brokers(), &extra);
        running.push(service.wait_for(records));
        drain.took = started.elapsed();
        drain.cpu = cpu(&service.pid());
        drain.broker_cpu = cpu(&kafka.pid()) - drain.broker_cpu;
        memory = resident(&service.pid());
        let data = service.stop();
        disk.push(disk_bytes(&data.join("data")));
        serves.push(drain);
        std::fs::remove_dir_all(&data).expect("the data can be removed");
    }
    let rates = |drains: &[Drain]| drains.iter().map(|drain| per_second(records, drain.took)).collect();
    let (bare_rates, rates): (Vec<u64>, Vec<u64>) = (rates(&bares), rates(&serves));
    figures.tell("bare consumer, each run", format!("{bare_rates:?}"));
    figures.tell("service, each run", format!("{rates:?}"));
    let ratios = rates.iter().zip(&bare_rates).map(|(rate, bare)| rate * 1_000 / (*bare).max(1)).collect();
    figures.tell("bare consumer", format!("{} /s", median(bare_rates)));
    let rate = median(rates);
    figures.tell("service, from empty to the ends", format!("{rate} /s"));
    figures.judge("service as a share of the bare consumer", median(ratios), Side::AtLeast, 500, "");
    let each = |took: Duration| support::nanos_each(records, took);
    let cpus = |drains: &[Drain], part: fn(&Drain) -> Duration| {
        median(drains.iter().map(|drain| each(part(drain))).collect())
    };
    figures.tell("bare: CPU a record", format!("{} ns", cpus(&bares, |d| d.cpu)));
    figures.tell("bare: CPU of the broker a record", format!("{} ns", cpus(&bares, |d| d.broker_cpu)));
    figures.tell("service: CPU a record", format!("{} ns", cpus(&serves, |d| d.cpu)));
    figures.tell("service: CPU of the broker a record", format!("{} ns", cpus(&serves, |d| d.broker_cpu)));
    figures.judge("service: resident", ((memory.0 >> 10) * 1_000) >> 10, Side::AtMost, 1_024_000, "MiB");
    figures.judge(
        "service: resident at most",
        ((memory.1 >> 10) * 1_000) >> 10,
        Side::AtMost,
        1_024_000,
        "MiB",
    );
    let bytes = median(disk) * 1_000 / records.max(1);
    figures.judge("disk right after ingest", bytes, Side::AtMost, 45_000, "B/record");
    let running = median(running);
    figures.tell("service, after the first quarter", format!("{running} /s"));
    Rates { whole: rate, running }
}

/// The bare consumer as a process of its own, so that its CPU time is its own too.
fn drain_bare(kafka: &Kafka, records: u64) -> Drain {
    let me = std::env::current_exe().expect("this program's file");
    let broker = cpu(&kafka.pid());
    let started = Instant::now();
    let records = records.to_string();
    let output =
        Command::new(me).args(["--bare", &kafka.brokers(), "--records", &records]).output().expect("it runs");
    let took = started.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ms = String::from_utf8_lossy(&output.stdout).trim().parse().expect("milliseconds");
    Drain { took, cpu: Duration::from_millis(ms), broker_cpu: cpu(&kafka.pid()) - broker }
}

/// Reads the topic from its beginning and does nothing with it; prints the CPU time.
fn bare(brokers: &str, records: u64) -> ExitCode {
    let consumer: BaseConsumer = ClientSettings::new(brokers, "bare").reader().create().expect("a consumer");
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assignment.add_partition_offset("orders", partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&assignment).expect("the partitions are assigned");
    let (mut read, mut bytes) = (0, 0);
    while read < records {
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            use rdkafka::Message;
            bytes += message.expect("a record").payload().map_or(0, <[u8]>::len);
            read += 1;
        }
    }
    assert!(bytes > 0, "records have values");
    support::line(&cpu("self").as_millis().to_string());
    // Closing the consumer is no part of reading.
    std::mem::forget(consumer);
    ExitCode::SUCCESS
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
    freshness(kafka, &mut client, orders, figures);
    samples.0.stop();
}

fn service_of(
    draining: std::thread::ScopedJoinHandle<'_, Service>,
    samples: Vec<u64>,
) -> (Service, Vec<u64>) {
    (draining.join().expect("the topic is drained"), samples)
}

fn lookup(client: &mut Client, riders: &[String], numbers: &mut Random) -> u64 {
    let nth = usize::try_from(numbers.below(u64::try_from(riders.len()).unwrap_or(1))).unwrap_or(0);
    let rider = riders.get(nth).map_or("nobody", String::as_str);
    let after_ms = numbers.below(86_400_000_i64);
    let at = rfc3339(GeneratorSettings::default().from.plus(after_ms));
    let target = format!("/v1/coverage?rider_id={rider}&at={}", at.replace('+', "%2B"));
    let started = Instant::now();
    let (status, body) = client.get(&target).expect("an answer");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
    u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn tell(name: &str, samples: &mut [u64], figures: &Figures) {
    let at = |samples: &mut [u64], thousandths| percentile(samples, thousandths) / 1_000;
    let (p50, p99, p999) = (at(samples, 500), at(samples, 990), at(samples, 999));
    let text = format!("{p50} / {p99} / {p999} us, n = {}", samples.len());
    figures.tell(&format!("{name}: p50 / p99 / p99.9"), text);
}

/// From handing a record to a producer (no linger) until a question about it is answered `covered`, while other orders
/// arrive at a moderate rate.
fn freshness(kafka: &Kafka, client: &mut Client, orders: u64, figures: &mut Figures) {
    let (rate, marks) = (option("rate", 20_000), option("marks", 100));
    // More than is needed: it is ended after the last mark.
    let background = [("--orders", rate * 3_600), ("--seed", orders + 7), ("--rate", rate)];
    let arguments: Vec<String> =
        background.iter().flat_map(|(name, value)| [(*name).to_owned(), value.to_string()]).collect();
    let mut load = generate(&kafka.brokers(), &arguments);
    let mut settings = ClientSettings::new(kafka.brokers(), "marks");
    settings.options.insert("linger.ms".to_owned(), "0".to_owned());
    let producer = EventProducer::new(&settings, KafkaHealth::new()).expect("a producer");
    let from = GeneratorSettings::default().from;
    let (mut samples, mut slowest) = (Vec::new(), Duration::ZERO);
    // The load needs a moment to begin.
    delay(Duration::from_secs(1));
    for mark in 0..marks {
        samples.push(mark_until_visible(&producer, client, (mark, from), &mut slowest));
        delay(Duration::from_millis(mark % 10 * 10));
    }
    let running = load.try_wait().is_ok_and(|ended| ended.is_none());
    figures.tell("background load still on at the last mark", running);
    load.kill().expect("the load can be ended");
    load.wait().expect("the load ends");
    tell(&format!("event to visible at {rate}/s"), &mut samples, figures);
    figures.tell("  slowest question meanwhile", format!("{} ms", slowest.as_millis()));
    let p99 = percentile(&mut samples, 990) / 1_000_000;
    figures.judge("  its p99", p99, Side::AtMost, 1_000, "s");
}

fn mark_until_visible(
    producer: &EventProducer,
    client: &mut Client,
    (mark, from): (u64, UtcMillis),
    slowest: &mut Duration,
) -> u64 {
    let (accepted_at, ended_at) = (rfc3339(from.plus(3_600_000)), rfc3339(from.plus(5_400_000)));
    let event = serde_json::json!({
        "platform": "meituan", "order_id": format!("mark-{mark}"), "rider_id": format!("mark-{mark}"),
        "category": "instant_delivery", "region": "310104", "accepted_at": accepted_at, "ended_at": ended_at,
    });
    let payload = event.to_string();
    let at = rfc3339(from.plus(4_000_000)).replace('+', "%2B");
    let target = format!("/v1/coverage?rider_id=mark-{mark}&at={at}");
    let started = Instant::now();
    let record = Outgoing {
        topic: "orders",
        partition: None,
        key: None,
        payload: payload.as_bytes(),
        timestamp: None,
    };
    producer.send(&record).expect("the mark is sent");
    loop {
        producer.poll();
        let asked = Instant::now();
        let (status, body) = client.get(&target).expect("an answer");
        *slowest = asked.elapsed().max(*slowest);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
        let answer: serde_json::Value = serde_json::from_slice(body).expect("JSON");
        if answer.get("verdict").and_then(|verdict| verdict.as_str()) == Some("covered") {
            return u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        }
        delay(Duration::from_millis(1));
    }
}
