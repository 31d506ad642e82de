//! Lookups over HTTP: the real program on a ledger without ingest, asked over connections that stay open.
//!
//! `cargo bench --bench http [-- --orders N --days N --connections N --seconds N --rounds N --against FILE --binary FILE --dir DIR --enforce]`
//!
//! The clients run on the same machine and take their part of its cores: their CPU is reported beside the service's.
//! `--beside-ingest` asks while the orders come from a real Kafka instead, with and without the answer log in turn: p99 with it is
//! at most 1.3 times that without it.
//! `--against FILE` puts the same questions to another binary of coverledger in turn, for before and after in one run.

#[path = "http/beside_ingest.rs"]
mod beside_ingest;
mod support;

use coverledger::domain::time::DAY_MS;
use coverledger::generate::{Generator, GeneratorSettings};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::http::Client;
use support::random::Random;
use support::service::{Service, binary, fill};
use support::{Figures, Side, cpu, median, nanos_each, option, per_second, percentile, rfc3339, thread_cpu};

/// Questions, ready to be sent, are drawn from so many riders.
const RIDERS: u64 = 20_000;
/// Threads that ask.
const ASKERS: u64 = 2;

/// What a round brought.
#[derive(Default)]
struct Round {
    answers: u64,
    covered: u64,
    took: Duration,
    service_cpu: Duration,
    asker_cpu: Duration,
    nanos: Vec<u64>,
}

fn main() -> ExitCode {
    let orders = option("orders", 1_000_000);
    let days = option("days", 1);
    let folder = match support::text_option("dir") {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    }
    .expect("a folder for the data");
    let mut figures = Figures::default();
    figures.tell("orders, days", format!("{orders}, {days}"));
    if support::flag("beside-ingest") {
        beside_ingest::compare(folder.path(), orders, days, &targets(orders, days), &mut figures);
        return figures.finish();
    }
    fill(folder.path(), 1, orders, days, "2101-01-01T00:00:00Z");
    let targets = targets(orders, days);
    let mine = binary();
    let mut programs = vec![("this build", mine)];
    programs.extend(support::text_option("against").map(|other| ("the other build", other)));
    let mut rounds: Vec<Vec<Round>> = programs.iter().map(|_| Vec::new()).collect();
    for _ in 0..option("rounds", 3) {
        for ((_, binary), rounds) in programs.iter().zip(&mut rounds) {
            rounds.push(ask(binary, folder.path(), &targets));
        }
    }
    let mut rates = Vec::new();
    for ((name, _), rounds) in programs.iter().zip(rounds) {
        rates.push(tell(name, rounds, &mut figures));
    }
    if let [mine, other] = rates.as_slice() {
        figures
            .tell("this build as a share of the other", support::thousandths(mine * 1_000 / (*other).max(1)));
    }
    figures.finish()
}

/// Questions about random riders and instants.
fn targets(orders: u64, days: u64) -> Vec<String> {
    let days_u32 = u32::try_from(days).unwrap_or(1);
    let settings = GeneratorSettings { orders, days: days_u32, ..GeneratorSettings::default() };
    let mut generator = Generator::new(&settings).expect("the settings make a stream");
    let (mut record, mut targets, mut numbers) = (Vec::new(), Vec::new(), Random::new(7));
    let every = (orders / RIDERS).max(1);
    let span_ms = days * DAY_MS.unsigned_abs();
    for n in 0_u64.. {
        record.clear();
        if generator.next_event(&mut record).is_none() {
            break;
        }
        if n % every == 0 {
            let event: serde_json::Value = serde_json::from_slice(&record).unwrap_or_default();
            let Some(rider) = event.get("rider_id").and_then(|rider| rider.as_str()) else { continue };
            let at = rfc3339(settings.from.plus(i64::try_from(numbers.below(span_ms)).unwrap_or(0)));
            targets.push(format!("/v1/coverage?rider_id={rider}&at={}", at.replace('+', "%2B")));
        }
    }
    targets
}

/// One round with a fresh process of one binary.
fn ask(binary: &str, dir: &Path, targets: &[String]) -> Round {
    let mut service = Service::on(binary, dir);
    service.settled();
    let connections = option("connections", 32);
    let lasting = Duration::from_secs(option("seconds", 5));
    let mut round = Round::default();
    // Everything is touched once before it counts.
    drop(one_asker(&service, targets, connections, Duration::from_millis(500), 0));
    let before = cpu(&service.pid());
    let started = Instant::now();
    let parts = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..ASKERS)
            .map(|n| {
                let service = &service;
                scope.spawn(move || one_asker(service, targets, connections / ASKERS, lasting, n + 1))
            })
            .collect();
        askers.into_iter().map(|asker| asker.join().expect("an asker ends well")).collect::<Vec<_>>()
    });
    round.took = started.elapsed();
    round.service_cpu = cpu(&service.pid()) - before;
    for part in parts {
        round.answers += part.answers;
        round.covered += part.covered;
        round.asker_cpu += part.asker_cpu;
        round.nanos.extend(part.nanos);
    }
    service.stop();
    round
}

/// Keeps one question under way on each connection.
fn one_asker(service: &Service, targets: &[String], connections: u64, lasting: Duration, seed: u64) -> Round {
    let mut numbers = Random::new(seed);
    let count = u64::try_from(targets.len()).unwrap_or(1);
    let mut next = || {
        let nth = usize::try_from(numbers.below(count)).unwrap_or(0);
        targets.get(nth).map_or("/", String::as_str)
    };
    let mut clients: Vec<(Client, Instant)> = (0..connections)
        .map(|_| (Client::connect(&service.address).expect("it listens"), Instant::now()))
        .collect();
    let (mut round, cpu) = (Round::default(), thread_cpu());
    for (client, sent) in &mut clients {
        *sent = Instant::now();
        client.send(next()).expect("a question is sent");
    }
    let started = Instant::now();
    while started.elapsed() < lasting {
        for (client, sent) in &mut clients {
            let (status, body) = client.receive().expect("an answer");
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
            round.answers += 1;
            round.covered += u64::from(body.starts_with(br#"{"verdict":"covered""#));
            round.nanos.push(u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX));
            *sent = Instant::now();
            client.send(next()).expect("a question is sent");
        }
    }
    round.asker_cpu = thread_cpu() - cpu;
    round
}

/// Prints the figures of one binary; returns its rate.
fn tell(name: &str, rounds: Vec<Round>, figures: &mut Figures) -> u64 {
    let rate = median(rounds.iter().map(|round| per_second(round.answers, round.took)).collect());
    let answers: u64 = rounds.iter().map(|round| round.answers).sum();
    let covered: u64 = rounds.iter().map(|round| round.covered).sum();
    let service: Duration = rounds.iter().map(|round| round.service_cpu).sum();
    let askers: Duration = rounds.iter().map(|round| round.asker_cpu).sum();
    let all: Vec<String> = rounds.iter().map(|r| per_second(r.answers, r.took).to_string()).collect();
    let mut nanos: Vec<u64> = rounds.into_iter().flat_map(|round| round.nanos).collect();
    let (p50, p99) = (percentile(&mut nanos, 500) / 1_000, percentile(&mut nanos, 990) / 1_000);
    figures.tell(&format!("{name}: answers of which covered"), format!("{answers}, {covered}"));
    figures.tell("  rounds, /s", all.join(", "));
    figures.tell("  CPU each: service", format!("{} ns", nanos_each(answers, service)));
    figures.tell("  CPU each: askers", format!("{} ns", nanos_each(answers, askers)));
    figures.tell("  p50 / p99", format!("{p50} / {p99} us"));
    figures.judge("  lookups over HTTP", rate * 1_000, Side::AtLeast, 20_000_000, "/s");
    rate
}
