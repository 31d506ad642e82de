//! Rejected records through the pipeline again: after the configuration was mended, or a platform was registered.

use crate::backfill::Summary;
use crate::config::Config;
use crate::domain::event::EventRules;
use crate::domain::posting::Disposition;
use crate::domain::time::UtcMillis;
use crate::domain::view::Origin;
use crate::ledger::batch::{Arrival, Batch, Source};
use crate::ledger::commit::Also;
use crate::ledger::error::LedgerError;
use crate::ledger::rejected::KeptRecord;
use crate::ledger::writer::Ledger;
use crate::pipeline::{limit_ahead, receive, rules_for};
use std::collections::BTreeMap;

/// What became of the records that were sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Records sent, by disposition and reason.
    pub sent: Summary,
    /// Rejections that this settled.
    pub settled: u64,
    /// Records whose raw bytes were not kept whole: they cannot be sent.
    pub truncated: u64,
}

/// Sends records again, each judged by the rules of the topic that it came from.
///
/// # Errors
/// A ledger that cannot go on. What was committed before stays.
pub fn run(
    ledger: &mut Ledger,
    config: &Config,
    records: &[KeptRecord],
    now: &dyn Fn() -> UtcMillis,
) -> Result<Redriven, LedgerError> {
    let mut redriven = Redriven::default();
    let mut rules: BTreeMap<Option<String>, EventRules> = BTreeMap::new();
    let mut batch = Batch::default();
    let mut ids = Vec::new();
    let records_max = u32::try_from(config.ingest.batch_records).unwrap_or(u32::MAX);
    for record in records {
        let state = ledger.published().current();
        let raw = state.rejected().raw(state.store(), record)?;
        if u64::try_from(raw.len()).unwrap_or(u64::MAX) != record.rejection.raw_len {
            redriven.truncated = redriven.truncated.saturating_add(1);
            continue;
        }
        if batch.is_full(records_max, config.ingest.batch_bytes) {
            commit(ledger, &mut batch, &mut ids, now(), &mut redriven)?;
        }
        let topic = match &record.rejection.origin {
            Origin::Kafka { topic, .. } => Some(topic.clone()),
            Origin::File { .. } | Origin::Redrive { .. } => None,
        };
        let line = ledger.retention_line();
        let rules = rules.entry(topic).or_insert_with_key(|topic| {
            let mut rules = rules_for(config, topic.as_deref(), line);
            if topic.is_some() {
                limit_ahead(&mut rules, &config.limits, now());
            }
            rules
        });
        let arrival = Arrival {
            source: batch.source(&Source::Redrive),
            offset: i64::try_from(record.rejection.id).unwrap_or(i64::MAX),
            // It arrives now, from here: it tells nothing about how far a partition was read.
            timestamp: None,
            payload: &raw,
            key: record.key.as_deref(),
            headers: &record.headers,
        };
        receive(&mut batch, &arrival, rules, &config.zone);
        ids.push(record.rejection.id);
    }
    commit(ledger, &mut batch, &mut ids, now(), &mut redriven)?;
    Ok(redriven)
}

fn commit(
    ledger: &mut Ledger,
    batch: &mut Batch,
    ids: &mut Vec<u64>,
    now: UtcMillis,
    redriven: &mut Redriven,
) -> Result<(), LedgerError> {
    if batch.is_empty() {
        return Ok(());
    }
    let report = ledger.commit(batch, &Also::default(), now)?;
    // Orders settle their rejections in the commit that takes them in; a completeness record has no identity to do so by.
    let controls = ids.iter().zip(report.dispositions(batch)).filter(|(_, d)| *d == Disposition::Control);
    let reason = "sent again and taken in as a completeness record";
    let settled: Vec<(u64, String)> = controls.map(|(&id, _)| (id, reason.to_owned())).collect();
    redriven.settled = redriven.settled.saturating_add(report.settled);
    if !settled.is_empty() {
        let report = ledger.commit(&Batch::default(), &Also { settled, ..Also::default() }, now)?;
        redriven.settled = redriven.settled.saturating_add(report.settled);
    }
    redriven.sent.add(&report);
    batch.clear();
    ids.clear();
    Ok(())
}
