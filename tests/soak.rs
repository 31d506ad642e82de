//! All faults at random under load, for a number of rounds or a time, and a verdict at the end: `scripts/soak`.
//!
//! `COVERLEDGER_SOAK_SECONDS` sets how long new rounds begin (without it: one round for each fault), `COVERLEDGER_SOAK_SEED`
//! which faults, and when.

#[cfg(test)]
mod testkit;

#[cfg(test)]
#[path = "soak/faults.rs"]
mod faults;

#[cfg(test)]
mod tests {
    use crate::faults::{Fault, Machine};
    use crate::testkit::cluster::RealKafka;
    use crate::testkit::program::Program;
    use crate::testkit::random::{Random, number};
    use crate::testkit::stream::{PARTITIONS, compare, config, events, ingest, verify};
    use coverledger::generate::PLATFORMS;
    use coverledger::ingest::kafka::{EventProducer, KafkaHealth};
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};
    use tempfile::TempDir;

    /// Records of a round: at least, and as many more at most.
    const RECORDS: u64 = 1_000;
    /// The ledger is verified after every so many rounds, and at the end.
    const VERIFY_EVERY: u64 = 5;

    #[test]
    fn whatever_happens_nothing_is_lost_and_nothing_counts_twice() {
        let started = Instant::now();
        let seed = number("COVERLEDGER_SOAK_SEED", 1);
        let seconds = number("COVERLEDGER_SOAK_SECONDS", 0);
        let mut random = Random::new(seed);
        let (kafka, folder) = (RealKafka::start(), TempDir::new().unwrap());
        PLATFORMS.iter().for_each(|(_, topic)| kafka.create_topic(topic, PARTITIONS));
        let config = config(&folder, &kafka.brokers());
        let sender = EventProducer::new(&kafka.settings("sender"), KafkaHealth::new()).unwrap();
        let filed = events(seed + 500_000, 2_000);
        let file = folder.path().join("backfill.jsonl");
        let lines: Vec<&[u8]> = filed.iter().map(|record| record.payload.as_slice()).collect();
        std::fs::write(&file, lines.join(&b'\n')).unwrap();
        let mut machine = Machine::new(kafka, sender, folder, config.clone(), file.clone());
        let mut rounds: BTreeMap<Fault, u64> = BTreeMap::new();
        let mut round = 0;
        loop {
            // Every fault once, then by chance.
            let fault = match Fault::ALL.get(usize::try_from(round).unwrap()) {
                Some(fault) => *fault,
                None if started.elapsed() >= Duration::from_secs(seconds) => break,
                None => *random.pick(&Fault::ALL),
            };
            let records = usize::try_from(RECORDS + random.below(RECORDS)).unwrap();
            let what = machine.suffer(fault, events(seed + 1 + round, records), &mut random);
            println!("{:6.1} s, round {round}: {fault:?}: {what}", started.elapsed().as_secs_f64());
            *rounds.entry(fault).or_default() += 1;
            round += 1;
            if round.is_multiple_of(VERIFY_EVERY) {
                verify(&config, &format!("seed {seed}, round {round}"));
            }
        }
        ingest(&config, &file);
        let mut program = Program::serve(&config, &[]);
        program.applied(machine.records());
        assert_eq!(program.terminate(), Some(0));
        verify(&config, "at the end");
        compare(&config, machine.sent(), &filed);
        println!(
            "verdict: held. {round} rounds in {:.0} s, {} records, seed {seed}: {rounds:?}",
            started.elapsed().as_secs_f64(),
            machine.records()
        );
    }
}
