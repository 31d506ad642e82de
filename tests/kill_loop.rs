//! The real program killed with SIGKILL again and again while it takes in events from a real Kafka and from files: nothing
//! is lost and nothing counts twice. `COVERLEDGER_KILL_ROUNDS` sets how often, `COVERLEDGER_KILL_SEED` which moments.

#[cfg(test)]
mod support;

#[cfg(test)]
mod tests {
    use crate::support::cluster::RealKafka;
    use crate::support::program::{Program, binary, until};
    use crate::support::random::{Draws, number};
    use crate::support::told::{Told, rider};
    use coverledger::config::Config;
    use coverledger::domain::time::UtcMillis;
    use coverledger::generate::{Generator, GeneratorSettings, PLATFORMS};
    use coverledger::ingest::kafka::{EventProducer, KafkaHealth, Outgoing};
    use coverledger::ledger::batch::{Arrival, Batch, Source};
    use coverledger::ledger::commit::Also;
    use coverledger::ledger::setup::Setup;
    use coverledger::ledger::writer::Ledger;
    use coverledger::pipeline::{receive, rules_for};
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};
    use std::process::Stdio;
    use std::time::{Duration, Instant};
    use tempfile::TempDir;

    /// Records sent in a round.
    const RECORDS_A_ROUND: usize = 3_000;
    const PARTITIONS: i32 = 2;
    /// Every so many-th round is an `ingest` of a file.
    const INGEST_EVERY: usize = 5;
    /// The ledger is verified after every so many rounds, and at the end.
    const VERIFY_EVERY: usize = 10;

    /// A record in its place.
    struct Sent {
        topic: &'static str,
        partition: i32,
        payload: Vec<u8>,
    }

    /// Events of all kinds; those of one order in one partition.
    fn events(seed: u64, records: usize) -> Vec<Sent> {
        let settings = GeneratorSettings {
            orders: u64::try_from(records).unwrap(),
            seed,
            riders: 2_000,
            from: UtcMillis::new(1_751_817_600_000),
            days: 3,
            duplicate_ppm: 50_000,
            late_ppm: 20_000,
            amended_ppm: 40_000,
            stale_ppm: 20_000,
            conflict_ppm: 20_000,
            bad_ppm: 20_000,
            open_ppm: 200_000,
            completeness_every_ms: Some(3_600_000),
        };
        let mut generator = Generator::new(&settings).unwrap();
        let mut sent = Vec::new();
        let mut payload = Vec::new();
        while let Some(meta) = generator.next_event(&mut payload) {
            let text = String::from_utf8_lossy(&payload);
            let order = text.split_once("\"order_id\":\"").and_then(|(_, rest)| rest.split_once('"'));
            let place = order.map_or(0, |(id, _)| id.bytes().map(i32::from).sum::<i32>());
            sent.push(Sent { topic: meta.topic, partition: place % PARTITIONS, payload: payload.clone() });
            payload.clear();
            if sent.len() == records {
                break;
            }
        }
        sent
    }

    fn config(folder: &TempDir, brokers: &str) -> PathBuf {
        let mut text = format!(
            r#"
            [http]
            listen = "127.0.0.1:0"
            [ingest]
            batch_records = 400
            batch_ms = 10
            [kafka]
            brokers = "{brokers}"
            options = {{ "reconnect.backoff.max.ms" = "200" }}
            [[rate]]
            category = "instant_delivery"
            per_order = "0.07"
            [[rate]]
            category = "ride_hailing"
            per_order = "0.01"
            [[rate]]
            category = "intra_city_freight"
            region = "44"
            per_order = "0.18"
            "#
        );
        for (platform, topic) in PLATFORMS {
            text.push_str(&format!(
                "[platform.{platform}]\ntopics = [\"{topic}\"]\nrecords_from = 2025-07-01\n"
            ));
        }
        let path = folder.path().join("coverledger.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The newest commit that the witness tells of.
    fn commit(folder: &TempDir) -> u64 {
        let text = std::fs::read_to_string(folder.path().join("data/HEAD")).unwrap_or_default();
        let number = text.split_once("\ncommit ").and_then(|(_, rest)| rest.split_once('\n'));
        number.map_or(0, |(number, _)| number.parse().unwrap())
    }

    fn verify(config: &Path) {
        let output = binary().arg("verify").arg("--config").arg(config).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Kills an `ingest` of the file once it has made some commits; whether it was still running.
    fn kill_ingest(folder: &TempDir, config: &Path, file: &Path, commits: u64) -> bool {
        let until_commit = commit(folder) + commits;
        let mut command = binary();
        command.arg("ingest").arg("--config").arg(config).arg(file);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let ended = until("the file is on its way", || match child.try_wait().unwrap() {
            Some(status) => {
                assert!(status.success(), "{status}");
                Some(true)
            }
            None => (commit(folder) >= until_commit).then_some(false),
        });
        child.kill().unwrap();
        child.wait().unwrap();
        !ended
    }

    #[test]
    fn nothing_is_lost_and_nothing_counts_twice() {
        let started = Instant::now();
        let rounds = usize::try_from(number("COVERLEDGER_KILL_ROUNDS", 50)).unwrap();
        let seed = number("COVERLEDGER_KILL_SEED", 1);
        let mut draws = Draws(seed);
        let (kafka, folder) = (RealKafka::start(), TempDir::new().unwrap());
        PLATFORMS.iter().for_each(|(_, topic)| kafka.create_topic(topic, PARTITIONS));
        let config = config(&folder, &kafka.brokers());
        let sender = EventProducer::new(&kafka.settings("sender"), KafkaHealth::new()).unwrap();
        let sent = events(seed, rounds * RECORDS_A_ROUND);
        let file = folder.path().join("backfill.jsonl");
        let filed = events(seed + 1_000, rounds * 300);
        let lines: Vec<&[u8]> = filed.iter().map(|record| record.payload.as_slice()).collect();
        std::fs::write(&file, lines.join(&b'\n')).unwrap();
        let (mut kills, mut ingest_kills) = (0, 0);
        let mut done = 0_i64;
        for (round, part) in sent.chunks(RECORDS_A_ROUND).enumerate() {
            if round % INGEST_EVERY == INGEST_EVERY - 1 {
                ingest_kills += usize::from(kill_ingest(&folder, &config, &file, draws.below(30)));
            }
            let mut program = Program::serve(&config, &[]);
            let target = match draws.below(8) {
                // Before it has said anything.
                0 => None,
                // After so many commits: in the middle of one, as likely as not.
                1..=4 => Some((commit(&folder) + 1 + draws.below(6), 0)),
                // When so many of this round's records are applied.
                _ => {
                    Some((0, done + i64::try_from(draws.below(u64::try_from(part.len()).unwrap())).unwrap()))
                }
            };
            for piece in part.chunks(100) {
                for Sent { topic, partition, payload } in piece {
                    let partition = Some(*partition);
                    sender.send(&Outgoing { topic, partition, key: None, payload, timestamp: None }).unwrap();
                }
                sender.poll();
            }
            done += i64::try_from(part.len()).unwrap();
            if let Some((commits, position)) = target {
                until("the moment to kill", || {
                    assert!(!program.has_ended(), "it ended: {}", program.said());
                    let reached = match position {
                        0 => commit(&folder) >= commits,
                        _ => program.position().is_some_and(|applied| applied >= position),
                    };
                    reached.then_some(())
                });
            }
            program.kill();
            kills += 1;
            sender.flush(Duration::from_secs(60)).unwrap();
            if round % VERIFY_EVERY == VERIFY_EVERY - 1 {
                verify(&config);
            }
        }
        finish(&config, &file, done);
        verify(&config);
        println!(
            "{kills} kills of serve, {ingest_kills} of ingest; {} records from Kafka and {} from a file ({:.1} s, seed {seed})",
            sent.len(),
            filed.len(),
            started.elapsed().as_secs_f64()
        );
        compare(&config, &sent, &filed);
        println!("compared with one straight run ({:.1} s)", started.elapsed().as_secs_f64());
    }

    /// Reads the rest; a second process is refused, and SIGTERM ends it with everything committed.
    fn finish(config: &Path, file: &Path, records: i64) {
        let ingested = binary().arg("ingest").arg("--config").arg(config).arg(file).output().unwrap();
        assert!(ingested.status.success(), "{}", String::from_utf8_lossy(&ingested.stderr));
        let mut program = Program::serve(config, &[]);
        program.applied(records);
        let second = config.with_file_name("second.toml");
        std::fs::copy(config, &second).unwrap();
        let (code, said) = Program::serve(&second, &[]).end();
        assert_eq!(code, Some(75), "{said}");
        assert_eq!(program.terminate(), Some(0));
    }

    fn compare(config: &Path, sent: &[Sent], filed: &[Sent]) {
        let config = Config::load(config, &|_| None).unwrap();
        let survivor = Ledger::open(Setup::new(&config)).unwrap();
        let folder = TempDir::new().unwrap();
        let mut setup = Setup::new(&config);
        setup.data_dir = folder.path().join("data");
        let mut straight = Ledger::open(setup).unwrap();
        straight.enforce(UtcMillis::new(0)).unwrap();
        let mut offsets: BTreeMap<(&str, i32), i64> = BTreeMap::new();
        for records in sent.chunks(20_000) {
            let mut batch = Batch::default();
            for record in records {
                let offset = offsets.entry((record.topic, record.partition)).or_default();
                let source = Source::Kafka { topic: record.topic.to_owned(), partition: record.partition };
                take(&mut batch, &config, &source, *offset, record);
                *offset += 1;
            }
            straight.commit(&batch, &Also::default(), UtcMillis::new(1)).unwrap();
        }
        let mut batch = Batch::default();
        for (line, record) in (1..).zip(filed) {
            take(&mut batch, &config, &Source::Files, line, record);
        }
        straight.commit(&batch, &Also::default(), UtcMillis::new(2)).unwrap();
        let riders: BTreeSet<String> =
            sent.iter().chain(filed).filter_map(|record| rider(&record.payload)).collect();
        let (survivor, straight) = (survivor.published().current(), straight.published().current());
        let (found, mut expected) = (Told::of(&survivor, &riders), Told::of(&straight, &riders));
        // The file was read several times: what it brought counts once, the lines count as often as they were read.
        let again = found.sources[&Source::Files];
        let once = expected.sources[&Source::Files];
        assert_eq!(again.1.iter().sum::<u64>(), again.0, "conservation of files");
        assert_eq!((again.1[0], again.1[1]), (once.1[0], once.1[1]), "accepted and amended of files");
        expected.sources.insert(Source::Files, again);
        found.assert_is(&expected, "after all the kills");
        println!(
            "{} riders, {} versions, {} statement lines",
            riders.len(),
            found.versions.len(),
            found.statement.len()
        );
    }

    fn take(batch: &mut Batch, config: &Config, source: &Source, offset: i64, record: &Sent) {
        let topic = match source {
            Source::Kafka { topic, .. } => Some(topic.as_str()),
            _ => None,
        };
        let rules = rules_for(config, topic, None);
        let (source, payload) = (batch.source(source), record.payload.as_slice());
        let arrival = Arrival { source, offset, timestamp: None, payload, key: None, headers: &[] };
        receive(batch, &arrival, &rules, &config.zone);
    }
}
