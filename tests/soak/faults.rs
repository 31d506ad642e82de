//! What a soak lets happen in a round.

use crate::testkit::cluster::RealKafka;
use crate::testkit::power::{self, Loss, Watch};
use crate::testkit::program::Program;
use crate::testkit::random::Random;
use crate::testkit::stream::{Sent, commit, kill_ingest};
use crate::testkit::wait::poll_until;
use coverledger::ingest::kafka::{EventProducer, Outgoing};
use coverledger::storage::crash_points::{Point, VARIABLE};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// The faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// None: SIGTERM in the middle of the work.
    Terminated,
    /// SIGKILL at a random moment.
    Killed,
    /// The process dies at a named point.
    DeadAtPoint,
    /// It is killed, and what was not synced is lost.
    PowerLost,
    /// The disk is full after a while.
    DiskFull,
    /// Reads fail after a while.
    DiskUnreadable,
    /// fsync fails after a while.
    DiskUnsyncable,
    /// The broker goes and comes back.
    BrokerRestarted,
    /// The process is stopped for a while; meanwhile another one tries to take its place.
    Frozen,
    /// Its lock is deleted.
    LockDeleted,
    /// An `ingest` of a file is killed.
    IngestKilled,
}

impl Fault {
    pub(crate) const ALL: [Self; 11] = [
        Self::Terminated,
        Self::Killed,
        Self::DeadAtPoint,
        Self::PowerLost,
        Self::DiskFull,
        Self::DiskUnreadable,
        Self::DiskUnsyncable,
        Self::BrokerRestarted,
        Self::Frozen,
        Self::LockDeleted,
        Self::IngestKilled,
    ];
}

/// The machine on which all of it happens.
pub(crate) struct Machine {
    kafka: RealKafka,
    sender: EventProducer,
    folder: TempDir,
    config: PathBuf,
    file: PathBuf,
    sent: Vec<Sent>,
    /// Records that were seen applied: no later start may know fewer.
    acknowledged: i64,
}

impl Machine {
    pub(crate) fn new(
        kafka: RealKafka,
        sender: EventProducer,
        folder: TempDir,
        config: PathBuf,
        file: PathBuf,
    ) -> Self {
        Self { kafka, sender, folder, config, file, sent: Vec::new(), acknowledged: 0 }
    }

    /// Everything that was sent.
    pub(crate) fn sent(&self) -> &[Sent] {
        &self.sent
    }

    pub(crate) fn records(&self) -> i64 {
        i64::try_from(self.sent.len()).unwrap()
    }

    /// One round: the program runs while `events` come in, and the fault strikes. Says what happened.
    pub(crate) fn suffer(&mut self, fault: Fault, events: Vec<Sent>, random: &mut Random) -> String {
        let before = self.records();
        let target = before + i64::try_from(random.below(events.len() as u64)).unwrap();
        match fault {
            Fault::IngestKilled => {
                self.send(events);
                let running = kill_ingest(&self.folder, &self.config, &self.file, random.below(8));
                (if running { "in the middle" } else { "too late" }).to_owned()
            }
            Fault::DeadAtPoint => {
                let point = *random.pick(Point::ALL);
                let text = format!("{}:{}", point.name(), 1 + random.below(8));
                let mut program = self.start(&mut |command| {
                    command.env(VARIABLE, &text);
                });
                self.send(events);
                let died = self.until_dead_or_done(&mut program);
                program.kill();
                format!("{text}{}", if died { "" } else { ", never met" })
            }
            Fault::PowerLost => {
                let data = self.folder.path().join("data");
                let _there = fs::create_dir(&data);
                let watch = Watch::over(&data);
                let mut program = self.start(&mut |command| watch.enter(command));
                self.send(events);
                self.until_applied(&mut program, target);
                program.kill();
                let loss = *random.pick(&Loss::ALL);
                let (writes, names) = watch.lose(loss, random);
                format!("{loss:?} of {writes} writes and {names} names")
            }
            Fault::DiskFull | Fault::DiskUnreadable | Fault::DiskUnsyncable => {
                self.bad_disk(fault, events, random)
            }
            _ => self.outside(fault, events, target),
        }
    }

    /// Faults that are done to a program which knows nothing of them.
    fn outside(&mut self, fault: Fault, events: Vec<Sent>, target: i64) -> String {
        let mut program = self.start(&mut |_| {});
        self.send(events);
        self.until_applied(&mut program, target);
        let at = self.acknowledged;
        match fault {
            Fault::Killed => program.kill(),
            Fault::BrokerRestarted => {
                self.kafka.stop();
                let answer = program.get("/v1/coverage?rider_id=nobody&at=2025-07-10T12:00:00%2B08:00");
                assert!(answer["verdict"].is_string(), "{answer}");
                self.kafka.start_again();
                program.applied(self.records());
                self.acknowledged = self.records();
                assert_eq!(program.terminate(), Some(0));
            }
            Fault::Frozen => {
                program.signal("-STOP");
                let other = self.config.with_file_name("other.toml");
                fs::copy(&self.config, &other).unwrap();
                let (code, said) = Program::serve(&other, &[]).end();
                assert_eq!(code, Some(75), "{said}");
                program.signal("-CONT");
                program.applied(self.records());
                self.acknowledged = self.records();
                program.kill();
            }
            Fault::LockDeleted => {
                fs::remove_file(self.folder.path().join("data/LOCK")).unwrap();
                // It notices with its next commit: there is more to come, or completeness moves.
                let more =
                    crate::testkit::stream::events(u64::try_from(self.records()).unwrap() + 900_000, 50);
                self.send(more);
                let (code, said) = program.end();
                assert_eq!(code, Some(1), "{said}");
                assert!(said.contains("its LOCK was moved, replaced or deleted"), "{said}");
            }
            _ => assert_eq!(program.terminate(), Some(0)),
        }
        format!("with {at} of {} records applied", self.records())
    }

    fn bad_disk(&mut self, fault: Fault, events: Vec<Sent>, random: &mut Random) -> String {
        let data = self.folder.path().join("data");
        let _there = fs::create_dir(&data);
        let size = random.below(10);
        let fault = match fault {
            Fault::DiskFull => power::Fault::Full(random.below(10_000 << size)),
            Fault::DiskUnreadable => power::Fault::Unreadable(random.below(8 << size)),
            _ => power::Fault::Unsyncable(random.below(2 << size)),
        };
        let mut program = self.start(&mut |command| fault.enter(&data, command));
        self.send(events);
        if self.until_dead_or_done(&mut program) {
            let (code, said) = program.end();
            assert_eq!(code, Some(1), "{fault:?}: {said}");
            let told = said.contains("No space left on device") || said.contains("Input/output error");
            assert!(told, "{fault:?}: {said}");
            format!("{fault:?} ended it")
        } else {
            program.kill();
            format!("{fault:?} was not met")
        }
    }

    /// Starts the program, which must know all that was acknowledged.
    fn start(&self, change: &mut dyn FnMut(&mut Command)) -> Program {
        Program::serve_with(&self.config, &[], change)
    }

    fn send(&mut self, events: Vec<Sent>) {
        for piece in events.chunks(100) {
            for Sent { topic, partition, payload } in piece {
                let partition = Some(*partition);
                let outgoing = Outgoing { topic, partition, key: None, payload, timestamp: None };
                self.sender.send(&outgoing).unwrap();
            }
            self.sender.poll();
        }
        self.sender.flush(Duration::from_secs(60)).unwrap();
        self.sent.extend(events);
    }

    /// Waits until so many records are applied; the first answer must know all that was acknowledged before.
    fn until_applied(&mut self, program: &mut Program, records: i64) {
        let known = poll_until("it answers", || {
            assert!(!program.has_ended(), "it ended: {}", program.said());
            program.position().filter(|position| *position > 0 || self.acknowledged == 0)
        });
        assert!(known >= self.acknowledged, "{known} < {}: {}", self.acknowledged, program.said());
        poll_until("the records are applied", || {
            assert!(!program.has_ended(), "it ended: {}", program.said());
            self.acknowledged = self.acknowledged.max(program.position().unwrap_or(0));
            (self.acknowledged >= records).then_some(())
        });
        assert!(commit(&self.folder) > 0);
    }

    /// Whether the program died before everything was applied.
    fn until_dead_or_done(&mut self, program: &mut Program) -> bool {
        let all = self.records();
        poll_until("it dies, or all is applied", || {
            if program.has_ended() {
                return Some(true);
            }
            let position = program.position_if_any()?;
            self.acknowledged = self.acknowledged.max(position);
            (position >= all).then_some(false)
        })
    }
}
