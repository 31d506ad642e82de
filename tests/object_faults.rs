//! The real program with a bad network between it and a real object store: requests that are slow, refused, conflicting or without a
//! reply, a writer that is cut off, and writers that are killed or stopped at named points of a commit. The ledger is exact in the end.
//!
//! `COVERLEDGER_STORE_SEEDS` sets how many bad networks are tried, from `COVERLEDGER_STORE_FROM` on.

#![cfg(test)]
#![cfg(feature = "object-store")]

mod testkit;

use coverledger::generate::PLATFORMS;
use coverledger::ingest::kafka::{EventProducer, KafkaHealth};
use std::thread;
use std::time::Instant;
use testkit::cluster::RealKafka;
use testkit::machine::Machine;
use testkit::program::Program;
use testkit::random::number;
use testkit::seaweedfs::SeaweedFs;
use testkit::store_proxy::{Point, StoreProxy};
use testkit::stream::{PARTITIONS, Sent, compare, config, events, send};
use testkit::wait::poll_until;

const RECORDS: usize = 4_000;
const SEEDS: u64 = 3;
/// One of so many requests meets a fault.
const FAULT_ONE_OF: u64 = 6;

/// A stream that every ledger of the test reads from its beginning.
struct World {
    kafka: RealKafka,
    seaweed: SeaweedFs,
    sent: Vec<Sent>,
}

impl World {
    fn start() -> Self {
        let (kafka, seaweed) = (RealKafka::start(), SeaweedFs::start());
        PLATFORMS.iter().for_each(|(_, topic)| kafka.create_topic(topic, PARTITIONS));
        let sender = EventProducer::new(&kafka.settings("sender"), KafkaHealth::new()).unwrap();
        let sent = events(11, RECORDS);
        send(&sender, &sent);
        Self { kafka, seaweed, sent }
    }

    fn machine(&self, prefix: &str) -> Machine {
        Machine::below(prefix, &self.seaweed, |folder| config(folder, &self.kafka.brokers()))
    }

    fn all(&self) -> i64 {
        i64::try_from(self.sent.len()).unwrap()
    }

    /// Ends the writer when it has everything; its ledger is that of one straight run.
    fn finish(&self, mut writer: Program, prefix: &str) {
        writer.applied(self.all());
        assert_eq!(writer.terminate(), Some(0), "{prefix}");
        let machine = self.machine(prefix);
        machine.printed(&["verify"]);
        let (_folder, copy) = machine.copied(&self.kafka.brokers());
        compare(&copy, &self.sent, &[]);
    }
}

/// Ends the program, which another has fenced.
fn is_fenced(writer: Program, when: &str) {
    let (code, said) = writer.end();
    assert_eq!(code, Some(1), "{when}: {said}");
    assert!(said.contains("another writer has taken over"), "{when}: {said}");
}

/// What happens to a writer at a point.
#[derive(Clone, Copy, Debug)]
enum End {
    Killed,
    /// SIGSTOP, and SIGCONT when another has taken over.
    Stopped,
}

fn at_a_point(world: &World, point: Point, end: End) {
    let prefix = format!("{point:?}-{end:?}").to_ascii_lowercase();
    let proxy = StoreProxy::plain();
    // Some commits come before, and the requests of the start.
    proxy.stop_at(point, if matches!(point, Point::MarksAsked) { 5 } else { 2 });
    let here = world.machine(&prefix);
    let mut first = here.serve_through(&proxy, &[]);
    poll_until(&format!("{prefix}: it meets the point"), || {
        assert!(!first.has_ended(), "{prefix}: it ended: {}", first.said());
        proxy.is_stopped().then_some(())
    });
    let other = world.machine(&prefix);
    match end {
        End::Killed => {
            first.kill();
            let mut second = other.serve(&[]);
            second.ready();
            // What was on its way arrives now, as from a network that was slow.
            proxy.pass();
            world.finish(second, &prefix);
        }
        End::Stopped => {
            first.signal("-STOP");
            let mut second = other.serve(&[]);
            second.ready();
            proxy.pass();
            first.signal("-CONT");
            is_fenced(first, &prefix);
            world.finish(second, &prefix);
        }
    }
}

fn through_a_bad_network(world: &World, seed: u64) -> usize {
    let prefix = format!("network-{seed}");
    let proxy = StoreProxy::with_faults(seed, FAULT_ONE_OF);
    let machine = world.machine(&prefix);
    let writer = machine.serve_through(&proxy, &[]);
    world.finish(writer, &prefix);
    proxy.faults()
}

fn cut_off(world: &World) {
    let proxy = StoreProxy::plain();
    let here = world.machine("cut-off");
    let mut first = here.serve_through(&proxy, &[]);
    first.applied(500);
    proxy.cut(true);
    let cut = Instant::now();
    let there = world.machine("cut-off");
    let mut second = there.serve(&[]);
    second.ready();
    println!("another writer was ready {:.1} s after one was cut off", cut.elapsed().as_secs_f64());
    proxy.cut(false);
    is_fenced(first, "cut off");
    world.finish(second, "cut-off");
}

#[test]
fn whatever_the_network_does_and_wherever_writers_end_the_ledger_is_exact() {
    let world = World::start();
    let (from, seeds) = (number("COVERLEDGER_STORE_FROM", 1), number("COVERLEDGER_STORE_SEEDS", SEEDS));
    for seed in from..from + seeds {
        let faults = through_a_bad_network(&world, seed);
        println!(
            "network {seed}: {faults} requests met a fault (COVERLEDGER_STORE_FROM={seed} COVERLEDGER_STORE_SEEDS=1)"
        );
        assert!(faults > 0, "network {seed} was no bad one");
    }
    cut_off(&world);
    // Mostly they wait for leases.
    for end in [End::Killed, End::Stopped] {
        thread::scope(|scope| {
            for point in Point::ALL {
                let world = &world;
                scope.spawn(move || at_a_point(world, point, end));
            }
        });
        println!("{end:?} at {:?}", Point::ALL);
    }
}
