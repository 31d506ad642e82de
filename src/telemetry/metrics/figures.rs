//! What the metrics say, read back for people.

use super::facts::{Figures, Lookup, RecordSource};
use super::table::Table;
use crate::domain::pending::PendingKind;
use prometheus::IntGaugeVec;
use prometheus::core::Collector;

pub(super) fn read(table: &Table) -> Figures {
    let whole = |value: i64| u64::try_from(value).unwrap_or_default();
    let records = RecordSource::ALL.iter().map(|of| table.records_in.with_label_values(&[of.as_str()]).get());
    let lookups = Lookup::ALL.iter().map(|of| table.lookups.with_label_values(&[of.as_str()]).get());
    Figures {
        records: records.sum(),
        lookups: lookups.sum(),
        kafka_errors: table.kafka_errors.get(),
        clock_jumps: table.clock_jumps.get(),
        disk_bytes: whole(table.disk_bytes.get()),
        disk_free_bytes: known(&table.disk_free_bytes),
        answers_free_bytes: known(&table.answers_free_bytes),
        unreadable: unreadable(table),
        unrated: whole(table.unrated.get()),
        answers_changed: whole(table.answers_changed.get()),
        seals: whole(table.seals.get()),
        sealed_through_s: table.sealed_through.get(),
        seals_due: whole(table.seals_due.get()),
        seal_failures: table.seal_failures.get(),
        is_ready: table.ready.get() == 1,
        is_paused: table.ingest_paused.get() == 1,
        is_poisoned: table.poisoned.get() == 1,
        is_fenced: table.fenced.get() == 1,
        is_reader_behind: table.reader_behind.get() == 1,
        is_answer_log_stopped: table.answer_log_stopped.get() == 1,
    }
}

/// A gauge that is there only while its figure is known.
fn known(gauge: &IntGaugeVec) -> Option<u64> {
    let is_there = gauge.collect().iter().any(|family| !family.get_metric().is_empty());
    is_there.then(|| u64::try_from(gauge.with_label_values::<&str>(&[]).get()).unwrap_or_default())
}

/// Platforms that unreadable records keep open: their gauge is above zero.
fn unreadable(table: &Table) -> u64 {
    let families = table.pending_records.collect();
    let gauges = families.iter().flat_map(|family| family.get_metric());
    let of_kind = gauges.filter(|metric| {
        metric.get_label().iter().any(|label| label.value() == PendingKind::Unreadable.as_str())
    });
    of_kind.map(|metric| u64::from(metric.get_gauge().get_value() > 0.0)).sum()
}
