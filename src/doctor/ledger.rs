//! The ledger of the configuration and its backups: whether they open, how old they are, where they would continue.

use super::clock::Told;
use super::report::{Area, Report};
use crate::domain::time::{DAY_MS, UtcMillis, Zone};
use crate::domain::view::LedgerView;
use crate::ingest::kafka::TopicPartition;
use crate::ledger::{Ledger, LedgerOptions};

/// Where a ledger or a backup would continue in Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Positions {
    /// What it is, in words.
    pub what: String,
    /// Whether it is a backup.
    pub is_backup: bool,
    /// The instant of its newest commit.
    pub recorded_at: UtcMillis,
    /// The next offset of each partition.
    pub next: Vec<(TopicPartition, i64)>,
}

impl Positions {
    /// The newest commit, by the clock of this machine when it was made.
    pub fn told(&self) -> Told {
        Told { by: format!("the newest commit of {}", self.what), at: self.recorded_at, is_trusted: true }
    }
}

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Place {
    /// What it is, in words.
    pub what: String,
    /// Whether it is a backup.
    pub is_backup: bool,
    /// How to open it.
    pub options: LedgerOptions,
}

/// Opens a ledger to read; `None` where it cannot be asked. One that a service uses is left alone.
pub fn examine(place: Place, (now, zone): (UtcMillis, &Zone), report: &mut Report) -> Option<Positions> {
    let Place { what, is_backup, options } = place;
    let ledger = match Ledger::open_read_only(options) {
        Ok(ledger) => ledger,
        Err(error) if error.is_in_use() => {
            report.ok(
                Area::Ledger,
                "ledger",
                format!("{what} is in use by a service: ask its /readyz and /v1/progress"),
            );
            return None;
        }
        Err(error) if error.is_absent() && !is_backup => {
            report.ok(Area::Ledger, "ledger", format!("{what} is not begun: a start makes it"));
            return None;
        }
        Err(error) => {
            let is_unreachable = error.is_unreachable();
            let todo =
                if is_unreachable { "do what the finding says" } else { "docs/operations.md, Store damaged" };
            report.problem(Area::Ledger, "ledger", format!("{what}: {error}"), todo);
            return None;
        }
    };
    let state = ledger.published().current();
    let as_of = state.as_of();
    let at = zone.rfc3339(as_of.recorded_at);
    let found = format!("{what} opens; its newest commit is {} of {at}", as_of.commit);
    let days = now.since(as_of.recorded_at) / DAY_MS;
    if is_backup && days > 7 {
        report.warning(
            Area::Ledger,
            "backup",
            format!("{found}, {days} days ago"),
            "make a backup: docs/operations.md, Back up and restore",
        );
    } else {
        report.ok(Area::Ledger, if is_backup { "backup" } else { "ledger" }, found);
    }
    let mut next = Vec::new();
    for (topic, facts) in &state.completeness().topics {
        for (&partition, facts) in &facts.partitions {
            next.push((TopicPartition::new(topic.as_str(), partition), facts.next_offset));
        }
    }
    Some(Positions { what, is_backup, recorded_at: as_of.recorded_at, next })
}
