//! The real program killed with SIGKILL, or dead at a named point, again and again while it takes in events from a real
//! Kafka and from files: nothing is lost and nothing counts twice. `COVERLEDGER_KILL_ROUNDS` sets how often,
//! `COVERLEDGER_KILL_SEED` which moments.

#[cfg(test)]
mod testkit;

#[cfg(test)]
mod tests {
    use crate::testkit::cluster::RealKafka;
    use crate::testkit::program::Program;
    use crate::testkit::random::{Random, number};
    use crate::testkit::stream::{
        PARTITIONS, Sent, commit, compare, config, events, ingest, kill_ingest, verify,
    };
    use crate::testkit::wait::poll_until;
    use coverledger::generate::PLATFORMS;
    use coverledger::ingest::kafka::{EventProducer, KafkaHealth, Outgoing};
    use coverledger::storage::crash_points::{Point, VARIABLE};
    use std::path::Path;
    use std::time::{Duration, Instant};
    use tempfile::TempDir;

    /// Records sent in a round.
    const RECORDS_A_ROUND: usize = 3_000;
    /// Every so many-th round is an `ingest` of a file.
    const INGEST_EVERY: usize = 5;
    /// The ledger is verified after every so many rounds, and at the end,
    const VERIFY_EVERY: usize = 10;
    /// but not more often than this: each time takes as long as all rounds so far have records.
    const VERIFIED_MAX: usize = 20;

    /// When the program dies.
    enum Moment {
        /// Before it has said anything.
        AtOnce,
        /// After so many commits: in the middle of one, as likely as not.
        Commit(u64),
        /// When so many records are applied.
        Position(i64),
        /// After so many meetings with a point, or when everything is applied.
        Point(Point, u64),
    }

    impl Moment {
        fn draw(random: &mut Random, (committed, done): (u64, i64)) -> Self {
            match random.below(10) {
                0 => Self::AtOnce,
                1..=3 => Self::Commit(committed + 1 + random.below(6)),
                4..=6 => {
                    let records = random.below(u64::try_from(RECORDS_A_ROUND).unwrap());
                    Self::Position(done + i64::try_from(records).unwrap())
                }
                _ => {
                    let point = *random.pick(Point::ALL);
                    Self::Point(point, 1 + random.below(6))
                }
            }
        }

        fn start(&self, config: &Path) -> Program {
            Program::serve_with(config, &[], &mut |command| {
                if let Self::Point(point, nth) = self {
                    command.env(VARIABLE, format!("{}:{nth}", point.name()));
                }
            })
        }

        /// Whether it has come; `true` inside when the program died of it.
        fn has_come(&self, program: &mut Program, folder: &TempDir, all: i64) -> Option<bool> {
            let ended = program.has_ended();
            if let Self::Point(point, _) = self {
                let died = ended && program.said().contains(&format!("ending at {}", point.name()));
                assert!(died || !ended, "it ended: {}", program.said());
                return match died {
                    true => Some(true),
                    false => program.position_if_any().is_some_and(|applied| applied >= all).then_some(false),
                };
            }
            assert!(!ended, "it ended: {}", program.said());
            let come = match self {
                Self::AtOnce => true,
                Self::Commit(number) => commit(folder) >= *number,
                Self::Position(position) => program.position().is_some_and(|applied| applied >= *position),
                Self::Point(..) => false,
            };
            come.then_some(false)
        }
    }

    #[test]
    fn nothing_is_lost_and_nothing_counts_twice() {
        let started = Instant::now();
        let rounds = usize::try_from(number("COVERLEDGER_KILL_ROUNDS", 50)).unwrap();
        let seed = number("COVERLEDGER_KILL_SEED", 1);
        let mut random = Random::new(seed);
        let (kafka, folder) = (RealKafka::start(), TempDir::new().unwrap());
        PLATFORMS.iter().for_each(|(_, topic)| kafka.create_topic(topic, PARTITIONS));
        let config = config(&folder, &kafka.brokers());
        let sender = EventProducer::new(&kafka.settings("sender"), KafkaHealth::new()).unwrap();
        let sent = events(seed, rounds * RECORDS_A_ROUND);
        let file = folder.path().join("backfill.jsonl");
        let filed = events(seed + 1_000, rounds * 300);
        let lines: Vec<&[u8]> = filed.iter().map(|record| record.payload.as_slice()).collect();
        std::fs::write(&file, lines.join(&b'\n')).unwrap();
        let verify_every = VERIFY_EVERY.max(rounds / VERIFIED_MAX);
        let (mut kills, mut points, mut ingest_kills) = (0, 0, 0);
        let mut done = 0_i64;
        for (round, part) in sent.chunks(RECORDS_A_ROUND).enumerate() {
            if round % INGEST_EVERY == INGEST_EVERY - 1 {
                ingest_kills += usize::from(kill_ingest(&folder, &config, &file, random.below(30)));
            }
            let moment = Moment::draw(&mut random, (commit(&folder), done));
            let mut program = moment.start(&config);
            for piece in part.chunks(100) {
                for Sent { topic, partition, payload } in piece {
                    let partition = Some(*partition);
                    sender.send(&Outgoing { topic, partition, key: None, payload, timestamp: None }).unwrap();
                }
                sender.poll();
            }
            done += i64::try_from(part.len()).unwrap();
            points += usize::from(poll_until("the moment to die", || {
                sender.poll();
                moment.has_come(&mut program, &folder, done)
            }));
            program.kill();
            kills += 1;
            sender.flush(Duration::from_secs(60)).unwrap();
            if round % verify_every == verify_every - 1 {
                verify(&config, "after a kill");
                println!("{} of {rounds} rounds ({:.1} s)", round + 1, started.elapsed().as_secs_f64());
            }
        }
        finish(&config, &file, done);
        verify(&config, "at the end");
        println!(
            "{kills} deaths of serve ({points} at named points), {ingest_kills} of ingest; {} records from Kafka and {} \
             from a file ({:.1} s, seed {seed})",
            sent.len(),
            filed.len(),
            started.elapsed().as_secs_f64()
        );
        compare(&config, &sent, &filed);
        println!("compared with one straight run ({:.1} s)", started.elapsed().as_secs_f64());
    }

    /// Reads the rest; a second process is refused, and SIGTERM ends it with everything committed.
    fn finish(config: &Path, file: &Path, records: i64) {
        ingest(config, file);
        let mut program = Program::serve(config, &[]);
        program.applied(records);
        let second = config.with_file_name("second.toml");
        std::fs::copy(config, &second).unwrap();
        let (code, said) = Program::serve(&second, &[]).end();
        assert_eq!(code, Some(75), "{said}");
        assert_eq!(program.terminate(), Some(0));
    }
}
