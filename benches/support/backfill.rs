//! The same events from a compressed file instead of Kafka: what a platform hands over when it joins.

use super::Figures;
use super::Side;
use super::disk_bytes;
use super::median;
use super::option;
use super::per_second;
use super::resident;
use super::service::binary;
use super::wait::delay;
use coverledger::generate::{Generator, GeneratorSettings};
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Level of compression that zstd itself takes when none is asked for.
const LEVEL: i32 = 3;
/// How often the peak of resident memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Times `coverledger ingest` of the events as a `.zst` file into empty ledgers, beside the rate from Kafka.
pub(crate) fn compare(
    dir: &Path,
    settings: &GeneratorSettings,
    (records, kafka_rate): (u64, u64),
    figures: &mut Figures,
) {
    let file = write(dir, settings);
    let (mut rates, mut compacted) = (Vec::new(), Vec::new());
    let mut peak = 0;
    for nth in 0..option("repetitions", 3) {
        let data = dir.join(format!("backfill-{nth}"));
        let (durable, took, memory) = ingest(&data, &file);
        rates.push(per_second(records, durable));
        compacted.push(per_second(records, took));
        peak = memory.max(peak);
        figures.tell("backfill: bytes on disk", disk_bytes(&data.join("data")));
        fs::remove_dir_all(&data).expect("the data can be removed");
    }
    figures.tell("backfill from .zst, each run", format!("{rates:?} /s"));
    figures.tell("  with the compaction of all days at its end", format!("{compacted:?} /s"));
    let share = median(rates) * 1_000 / kafka_rate.max(1);
    figures.judge("backfill as a share of the rate from Kafka", share, Side::AtLeast, 1_000, "");
    figures.judge("  resident at most", ((peak >> 10) * 1_000) >> 10, Side::AtMost, 1_024_000, "MiB");
}

fn write(dir: &Path, settings: &GeneratorSettings) -> PathBuf {
    let path = dir.join("events.ndjson.zst");
    let file = BufWriter::new(File::create(&path).expect("the file can be made"));
    let mut out = zstd::stream::write::Encoder::new(file, LEVEL).expect("an encoder");
    let mut generator = Generator::new(settings).expect("the settings make a stream");
    let mut record = Vec::new();
    while generator.next_event(&mut record).is_some() {
        record.push(b'\n');
        out.write_all(&record).expect("an event is written");
        record.clear();
    }
    out.finish().and_then(|mut file| file.flush()).expect("the file is whole");
    path
}

/// How long it took until all was durable and visible, with the compaction after that, and the most memory that was
/// resident.
fn ingest(data: &Path, file: &Path) -> (Duration, Duration, u64) {
    fs::create_dir_all(data).expect("a folder for the data");
    let config = super::configuration(data, None, "", "");
    let started = Instant::now();
    let mut child = Command::new(binary())
        .arg("ingest")
        .arg("--config")
        .arg(config)
        .args(["--future", "--complete-through", "2101-01-01T00:00:00Z"])
        .arg(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the ingestion starts");
    let mut peak = 0;
    loop {
        peak = resident(&child.id().to_string()).1.max(peak);
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            assert!(status.success(), "the events are ingested");
            let took = started.elapsed();
            let mut said = String::new();
            child.stdout.take().expect("a pipe").read_to_string(&mut said).expect("it is text");
            let summary: serde_json::Value = serde_json::from_str(&said).expect("a summary");
            let compaction_s =
                summary.get("compaction_s").and_then(serde_json::Value::as_f64).expect("a time");
            return (took.saturating_sub(Duration::from_secs_f64(compaction_s)), took, peak);
        }
        delay(LOOK_EVERY);
    }
}
