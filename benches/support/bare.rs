//! The service beside a bare consumer of the same topic, in turn in one run.

use super::service::{Kafka, Service};
use super::stored::Rates;
use super::{Figures, Side, cpu, disk_bytes, median, option, per_second, resident};
use coverledger::ingest::kafka::ClientSettings;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 8;

/// What one drain of the topic took.
struct Drain {
    took: Duration,
    cpu: Duration,
    broker_cpu: Duration,
}

/// Which share of the bare consumer's rate the service must reach, in thousandths.
#[derive(Clone, Copy)]
pub(crate) enum Share {
    /// From the start of its process, on nothing.
    FromStart(u64),
    /// After the first quarter of the records.
    OnceStarted(u64),
}

/// Bare consumer and service in turn; medians and their ratio. `look` sees each service at the end. Returns the service's
/// records a second.
pub(crate) fn compare(
    (kafka, dir, records): (&Kafka, &Path, u64),
    (extra, share): (&str, Share),
    figures: &mut Figures,
    mut look: impl FnMut(&mut Service, &Figures),
) -> Rates {
    let mut running = Vec::new();
    let (mut bares, mut serves, mut disk, mut memory) = (Vec::new(), Vec::new(), Vec::new(), (0, 0));
    for nth in 0..option("repetitions", 3) {
        bares.push(drain_bare(kafka, records));
        let data = dir.join(format!("serve-{nth}"));
        let mut drain = Drain { took: Duration::ZERO, cpu: Duration::ZERO, broker_cpu: cpu(&kafka.pid()) };
        let started = Instant::now();
        let mut service = Service::start(&data, &kafka.brokers(), extra);
        running.push(service.wait_for(records));
        drain.took = started.elapsed();
        drain.cpu = cpu(&service.pid());
        drain.broker_cpu = cpu(&kafka.pid()) - drain.broker_cpu;
        memory = resident(&service.pid());
        look(&mut service, figures);
        let data = service.stop();
        disk.push(disk_bytes(&data.join("data")));
        serves.push(drain);
        std::fs::remove_dir_all(&data).expect("the data can be removed");
    }
    let rates = |drains: &[Drain]| drains.iter().map(|drain| per_second(records, drain.took)).collect();
    let (bare_rates, rates): (Vec<u64>, Vec<u64>) = (rates(&bares), rates(&serves));
    figures.tell("bare consumer, each run", format!("{bare_rates:?}"));
    figures.tell("service, each run", format!("{rates:?}"));
    figures.tell("service, each run after the first quarter", format!("{running:?}"));
    let ratios = |rates: &[u64]| {
        median(rates.iter().zip(&bare_rates).map(|(rate, bare)| rate * 1_000 / (*bare).max(1)).collect())
    };
    let (whole, started) = (ratios(&rates), ratios(&running));
    let rate = median(rates);
    figures.tell("service, from empty to the ends", format!("{rate} /s"));
    let (name, once) = ("service as a share of the bare consumer", "service once started as a share of it");
    match share {
        Share::FromStart(least) => {
            figures.judge(name, whole, Side::AtLeast, least, "");
            figures.tell(once, super::thousandths(started));
        }
        Share::OnceStarted(least) => {
            figures.tell(name, super::thousandths(whole));
            figures.judge(once, started, Side::AtLeast, least, "");
        }
    }
    figures.tell("bare consumer", format!("{} /s", median(bare_rates)));
    let each = |took: Duration| super::nanos_each(records, took);
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
pub(crate) fn bare(brokers: &str, records: u64) -> ExitCode {
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
    super::line(&cpu("self").as_millis().to_string());
    // Closing the consumer is no part of reading.
    std::mem::forget(consumer);
    ExitCode::SUCCESS
}
