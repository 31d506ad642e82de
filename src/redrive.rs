//! Rejected records through the pipeline again: after the configuration was corrected, a platform was registered, or an operator
//! corrected the records themselves.

use crate::backfill::Summary;
use crate::config::Config;
use crate::domain::arrival::Timestamp;
use crate::domain::event::EventRules;
use crate::domain::posting::Disposition;
use crate::domain::rejection::{Origin, Rejection};
use crate::domain::time::UtcMillis;
use crate::ledger::{Arrival, Batch, CommitExtras, KeptRecord, Ledger, LedgerError, Source};
use crate::pipeline::{limit_ahead, receive, rules_for};
use std::collections::{BTreeMap, BTreeSet};

/// Records that are read from the ledger at a time.
const READ_TOGETHER: usize = 4_096;

/// What became of the records that were sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Records sent, by disposition and reason.
    pub sent: Summary,
    /// Rejections that this resolved.
    pub resolved: u64,
    /// Records whose raw bytes were not kept whole: they cannot be sent.
    pub truncated: u64,
}

/// Sends the kept records of these numbers again as they are, those that are resolved meanwhile left out.
///
/// # Errors
/// A ledger that cannot continue. What was committed before stays.
pub fn run(
    ledger: &mut Ledger,
    config: &Config,
    ids: &[u64],
    now: &dyn Fn() -> UtcMillis,
) -> Result<Redriven, LedgerError> {
    let mut line = Line::new(ledger, config, now);
    let mut truncated = 0_u64;
    for together in ids.chunks(READ_TOGETHER) {
        let ids: BTreeSet<u64> = together.iter().copied().collect();
        let state = line.ledger.published().current();
        let mut records: Vec<KeptRecord> = Vec::with_capacity(ids.len());
        state.rejected().visit_these(state.store(), &ids, |record| records.push(record))?;
        for record in records.iter().filter(|record| record.rejection.resolution.is_none()) {
            let raw = state.rejected().raw(state.store(), record)?;
            if is_whole(&record.rejection, &raw) {
                line.send(record.rejection.id, topic_of(&record.rejection), &raw)?;
            } else {
                truncated = truncated.saturating_add(1);
            }
        }
    }
    let redriven = line.finish()?;
    Ok(Redriven { truncated, ..redriven })
}

/// Whether these are all bytes of a record.
pub fn is_whole(rejection: &Rejection, raw: &[u8]) -> bool {
    u64::try_from(raw.len()).is_ok_and(|length| length == rejection.raw_len)
}

/// The topic from which a record came: by its rules it is judged again.
pub fn topic_of(rejection: &Rejection) -> Option<&str> {
    match &rejection.origin {
        Origin::Kafka { topic, .. } => Some(topic),
        Origin::File { .. } | Origin::Redrive { .. } => None,
    }
}

/// A record that was sent again and resolves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken {
    /// The number of the rejection.
    pub rejection: u64,
    /// What became of it.
    pub disposition: Disposition,
    /// What is wrong with it, where that is known.
    pub detail: Option<String>,
}

/// Records on their way into the ledger again, each in the name of a rejection.
pub struct Line<'a> {
    ledger: &'a mut Ledger,
    config: &'a Config,
    now: &'a dyn Fn() -> UtcMillis,
    tell: Option<&'a mut dyn FnMut(NotTaken)>,
    rules: BTreeMap<Option<String>, EventRules>,
    batch: Batch,
    ids: Vec<u64>,
    redriven: Redriven,
}

impl<'a> Line<'a> {
    /// Without records yet.
    pub fn new(ledger: &'a mut Ledger, config: &'a Config, now: &'a dyn Fn() -> UtcMillis) -> Self {
        Self {
            ledger,
            config,
            now,
            tell: None,
            rules: BTreeMap::new(),
            batch: Batch::default(),
            ids: Vec::new(),
            redriven: Redriven::default(),
        }
    }

    /// Calls `tell` with each record that is refused again, or conflicts.
    #[must_use]
    pub fn with_report(self, tell: &'a mut dyn FnMut(NotTaken)) -> Self {
        Self { tell: Some(tell), ..self }
    }

    /// The rules by which records of a topic are judged (of files: none).
    pub fn rules(&mut self, topic: Option<&str>) -> &EventRules {
        let line = self.ledger.retention_line();
        let (config, now) = (self.config, self.now);
        self.rules.entry(topic.map(str::to_owned)).or_insert_with_key(|topic| {
            let mut rules = rules_for(config, topic.as_deref(), line);
            if topic.is_some() {
                limit_ahead(&mut rules, &config.limits, now());
            }
            rules
        })
    }

    /// Sends a record.
    ///
    /// # Errors
    /// A ledger that cannot continue.
    pub fn send(&mut self, rejection: u64, topic: Option<&str>, payload: &[u8]) -> Result<(), LedgerError> {
        let records_max = u32::try_from(self.config.ingest.batch_records).unwrap_or(u32::MAX);
        if self.batch.is_full(records_max, self.config.ingest.batch_bytes) {
            self.commit()?;
        }
        self.rules(topic);
        let Some(rules) = self.rules.get(&topic.map(str::to_owned)) else { return Ok(()) };
        let arrival = Arrival {
            source: self.batch.source(&Source::Redrive),
            offset: i64::try_from(rejection).unwrap_or(i64::MAX),
            // It arrives now, from here: it tells nothing about how far a partition was read.
            timestamp: Timestamp::Missing,
            payload,
            // Refused again, it only counts: the first record keeps its key and headers.
            key: None,
            headers: &[],
        };
        receive(&mut self.batch, &arrival, rules, &self.config.zone);
        self.ids.push(rejection);
        Ok(())
    }

    /// Commits what was sent.
    ///
    /// # Errors
    /// A ledger that cannot continue.
    pub fn finish(mut self) -> Result<Redriven, LedgerError> {
        self.commit()?;
        Ok(self.redriven)
    }

    fn commit(&mut self) -> Result<(), LedgerError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let now = (self.now)();
        let report = self.ledger.commit(&self.batch, &CommitExtras::default(), now)?;
        let dispositions = report.dispositions(&self.batch);
        // Orders resolve their rejections in the commit that takes them in; a completeness record has no identity to do so by.
        let controls = self.ids.iter().zip(&dispositions).filter(|(_, d)| **d == Disposition::Control);
        let reason = "sent again and taken in as a completeness record";
        let resolved: Vec<(u64, String)> = controls.map(|(&id, _)| (id, reason.to_owned())).collect();
        self.redriven.resolved = self.redriven.resolved.saturating_add(report.resolved);
        if !resolved.is_empty() {
            let report = self.ledger.commit(
                &Batch::default(),
                &CommitExtras { resolved, ..CommitExtras::default() },
                now,
            )?;
            self.redriven.resolved = self.redriven.resolved.saturating_add(report.resolved);
        }
        self.redriven.sent.add(&report);
        self.tell_not_taken(&dispositions);
        self.batch.clear();
        self.ids.clear();
        Ok(())
    }

    fn tell_not_taken(&mut self, dispositions: &[Disposition]) {
        let Some(tell) = self.tell.as_mut() else { return };
        let refused: BTreeMap<usize, &str> = self
            .batch
            .refused
            .iter()
            .filter_map(|entry| Some((usize::try_from(entry.ordinal).ok()?, entry.refusal.detail.as_str())))
            .collect();
        for (at, (&rejection, &disposition)) in self.ids.iter().zip(dispositions).enumerate() {
            if matches!(disposition, Disposition::Rejected(_) | Disposition::Conflict) {
                let detail = refused.get(&at).map(|detail| (*detail).to_owned());
                tell(NotTaken { rejection, disposition, detail });
            }
        }
    }
}
