//! Questions over HTTP about generated riders, and how soon an event is visible.

use super::http::Client;
use super::random::Random;
use super::service::{Kafka, generate};
use super::wait::delay;
use super::{Figures, Side, option, percentile, rfc3339};
use coverledger::domain::time::UtcMillis;
use coverledger::generate::{Generator, GeneratorSettings};
use coverledger::ingest::kafka::{ClientSettings, EventProducer, KafkaHealth, Outgoing};
use std::time::{Duration, Instant};

/// One question about a rider in so many orders is remembered.
const SAMPLE_EVERY: u64 = 997;

/// How many records the settings make, and some of their riders.
pub(crate) fn count(settings: &GeneratorSettings) -> (u64, Vec<String>) {
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

pub(crate) fn lookup(client: &mut Client, riders: &[String], numbers: &mut Random) -> u64 {
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

pub(crate) fn tell(name: &str, samples: &mut [u64], figures: &Figures) {
    let at = |samples: &mut [u64], thousandths| percentile(samples, thousandths) / 1_000;
    let (p50, p99, p999) = (at(samples, 500), at(samples, 990), at(samples, 999));
    let text = format!("{p50} / {p99} / {p999} us, n = {}", samples.len());
    figures.tell(&format!("{name}: p50 / p99 / p99.9"), text);
}

/// From handing a record about an own order to a producer until a question about it is answered `covered`.
pub(crate) fn visible(kafka: &Kafka, client: &mut Client) -> Duration {
    let producer = mark_producer(kafka);
    let from = GeneratorSettings::default().from;
    let mut slowest = Duration::ZERO;
    Duration::from_nanos(mark_until_visible(&producer, client, (0, from), &mut slowest))
}

fn mark_producer(kafka: &Kafka) -> EventProducer {
    let mut settings = ClientSettings::new(kafka.brokers(), "marks");
    settings.options.insert("linger.ms".to_owned(), "0".to_owned());
    EventProducer::new(&settings, KafkaHealth::new()).expect("a producer")
}

/// From handing a record to a producer (no linger) until a question about it is answered `covered`, while other orders
/// arrive at a moderate rate.
pub(crate) fn freshness(
    kafka: &Kafka,
    (client, at, most_ms): (&mut Client, &str, u64),
    orders: u64,
    figures: &mut Figures,
) {
    let (rate, marks) = (option("rate", 20_000), option("marks", 100));
    // More than is needed: it is ended after the last mark.
    let background = [("--orders", rate * 3_600), ("--seed", orders + 7), ("--rate", rate)];
    let arguments: Vec<String> =
        background.iter().flat_map(|(name, value)| [(*name).to_owned(), value.to_string()]).collect();
    let mut load = generate(&kafka.brokers(), &arguments);
    let producer = mark_producer(kafka);
    let from = GeneratorSettings::default().from;
    let (mut samples, mut slowest) = (Vec::new(), Duration::ZERO);
    // The load needs a moment to begin.
    delay(Duration::from_secs(1));
    // Each use has marks of its own.
    let first = orders % 1_000_000_000 * 1_000;
    for mark in first..first + marks {
        samples.push(mark_until_visible(&producer, client, (mark, from), &mut slowest));
        delay(Duration::from_millis(mark % 10 * 10));
    }
    let running = load.try_wait().is_ok_and(|ended| ended.is_none());
    figures.tell("background load still on at the last mark", running);
    load.kill().expect("the load can be ended");
    load.wait().expect("the load ends");
    tell(&format!("event to visible{at}, {rate} orders/s"), &mut samples, figures);
    figures.tell("  slowest question meanwhile", format!("{} ms", slowest.as_millis()));
    let p99 = percentile(&mut samples, 990) / 1_000_000;
    figures.judge("  its p99", p99, Side::AtMost, most_ms, "s");
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
