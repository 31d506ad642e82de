//! Writes what was decided: orders and tombstones, sorted by (rider, start), one run for each event day.

pub mod pricing;

use crate::domain::charge::Charge;
use crate::domain::period::PeriodNo;
use crate::domain::posting::{CoverTerms, Posting};
use crate::domain::tariff::Tariff;
use crate::domain::time::{LocalDay, UtcMillis, Zone};
use crate::ledger::batch::staged_row::{Body, DayStagedRows, Sorter, StagedRow, in_order};
use crate::ledger::batch::{Batch, OrderEntry};
use crate::ledger::build::pricing::{PriceBook, take_back};
use crate::ledger::decide::{Decided, Replaced, Tombstone};
use crate::ledger::error::LedgerResult;
use crate::ledger::run::Run;
use crate::ledger::run::identity::IdentityHash;
use crate::ledger::run::period_totals::PeriodTotals;
use crate::ledger::run::row::{DictionaryEntry, OrderId, Row, RowKind};
use crate::ledger::run::totals::{DayTotals, line_of};
use crate::ledger::run::writer::{Dictionary, RunWriter};
use crate::ledger::yield_points::{ROWS, in_turns};
use crate::storage::Upload;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// A row that is not an order of the batch: a tombstone, or a stored version with a new price.
#[derive(Clone, Debug)]
pub struct ExtraRow {
    /// The version at whose place it lies.
    pub posting: Posting,
    /// Event day of that place.
    pub day: LocalDay,
    /// Revision of the row.
    pub revision: u64,
    /// Where the order went, for a tombstone.
    pub moved_to: Option<UtcMillis>,
}

impl ExtraRow {
    /// The row of a tombstone.
    pub fn tombstone(tombstone: &Tombstone, zone: &Zone) -> Self {
        Self {
            posting: tombstone.replaced.clone(),
            day: zone.day(tombstone.replaced.accepted_at),
            revision: tombstone.revision,
            moved_to: Some(tombstone.moved_to),
        }
    }

    fn dictionary_entry(&self) -> DictionaryEntry {
        let p = &self.posting;
        let is_tombstone = self.moved_to.is_some();
        DictionaryEntry {
            kind: if is_tombstone { RowKind::Moved } else { RowKind::Version },
            platform: p.platform.as_str().into(),
            category: p.category.as_str().into(),
            leg: p.leg,
            phase: p.phase,
            outcome: p.outcome,
            cover: if is_tombstone { CoverTerms::NONE } else { p.cover },
            charge: if is_tombstone { Charge::UNPRICED } else { p.charge },
        }
    }
}

/// Memory that one commit leaves to the next.
#[derive(Debug, Default)]
struct BuildScratch {
    staged_rows: DayStagedRows,
    sorter: Sorter,
}

/// Writes the runs of commits. What one commit met is remembered for the next.
#[derive(Debug)]
pub struct RunBuilder {
    /// Where values are written to.
    pub upload: Upload,
    dictionary: Dictionary,
    prices: PriceBook,
    scratch: BuildScratch,
}

/// What one commit decides for the runs that it writes.
pub struct BuildTerms<'a> {
    /// The tariff in force.
    pub tariff: &'a Tariff,
    /// Zone of days.
    pub zone: &'a Zone,
    /// Number of the first run to be written.
    pub next_run: &'a mut u64,
    /// Told when runs are released.
    pub released: &'a Sender<u64>,
    /// The commit under way.
    pub commit: u64,
    /// The open booking period: charges and reversals of this commit are booked in it.
    pub period: PeriodNo,
}

/// Runs that were written, and the totals of their days.
pub type Written = (Vec<Run>, BTreeMap<LocalDay, DayTotals>);

impl RunBuilder {
    /// Writes into `upload`; nothing is remembered yet.
    pub fn new(upload: Upload) -> Self {
        Self {
            upload,
            dictionary: Dictionary::default(),
            prices: PriceBook::default(),
            scratch: BuildScratch::default(),
        }
    }

    /// Drops the prices of the tariff that is no longer in force.
    pub fn forget_prices(&mut self) {
        self.prices.forget();
    }

    /// Writes one run for each day that `decided` or `extra` touches.
    pub fn write_runs(
        &mut self,
        batch: &Batch,
        decided: &Decided,
        extra: &[ExtraRow],
        terms: BuildTerms<'_>,
    ) -> LedgerResult<Written> {
        let BuildTerms { tariff, zone, next_run, released, commit, period } = terms;
        let Self { upload, dictionary, prices, scratch } = self;
        let mut totals: BTreeMap<LocalDay, DayTotals> = BTreeMap::new();
        prices.prepare(batch);
        for &at in in_turns(ROWS, &decided.booked) {
            let (Some(entry), Some(staged)) = (batch.orders.get(at), batch.staged_rows.get(at)) else {
                continue;
            };
            let slot = prices.slot(batch, entry, tariff, dictionary);
            prices.count(slot, 1);
            scratch.staged_rows.push(entry.day, staged.with_code(prices.code(slot)));
        }
        for (_, replaced) in &decided.replaced {
            match replaced {
                Replaced::Stored(posting) => take_back(posting, zone.day(posting.accepted_at), &mut totals)?,
                Replaced::Fresh(at) => {
                    if let Some(entry) = batch.orders.get(*at) {
                        let slot = prices.slot(batch, entry, tariff, dictionary);
                        prices.count(slot, -1);
                    }
                }
            }
        }
        for (row, at) in extra.iter().zip(0u32..) {
            if row.moved_to.is_none() {
                let (key, unit) = line_of(&row.posting);
                totals.entry(row.day).or_default().add(&key, &unit)?;
            }
            let (rider, start) = (row.posting.rider_id.as_bytes(), row.posting.accepted_at);
            let code = dictionary.number(&Arc::new(row.dictionary_entry()));
            scratch.staged_rows.push(row.day, StagedRow::of_extra(rider, start, at, code));
        }
        prices.drain(&mut totals)?;
        let rows_of = RowSource { batch, extra, commit };
        let mut runs = Vec::new();
        for (day, staged_rows) in scratch.staged_rows.take() {
            let mut writer = RunWriter::new(upload, dictionary, *next_run, day, 0);
            *next_run += 1;
            in_order(
                &mut scratch.sorter,
                &staged_rows,
                |a, b| rows_of.compare(dictionary, a, b),
                |staged| match staged.row(commit) {
                    Some(row) => writer.push(&row, staged.hash),
                    None => rows_of.row(staged).map_or(Ok(()), |(row, hash)| writer.push(&row, hash)),
                },
            )?;
            scratch.staged_rows.give_back(staged_rows);
            let booked = PeriodTotals::of(period, totals.get(&day).cloned().unwrap_or_default());
            runs.push(writer.finish(&booked, released)?);
        }
        Ok((runs, totals))
    }
}

struct RowSource<'a> {
    batch: &'a Batch,
    extra: &'a [ExtraRow],
    commit: u64,
}

impl<'a> RowSource<'a> {
    /// The row that a staged row describes, from where its values are.
    fn row(&self, staged: &StagedRow) -> Option<(Row<'a>, IdentityHash)> {
        let at = usize::try_from(staged.at).ok()?;
        match staged.body {
            Body::Here | Body::Order => {
                let entry = self.batch.orders.get(at)?;
                Some((self.order_row(entry, staged.code), entry.hash))
            }
            Body::Extra => {
                let extra = self.extra.get(at)?;
                let p = &extra.posting;
                let row = Row {
                    rider_id: &p.rider_id,
                    accepted_at: p.accepted_at,
                    order_id: OrderId::pack(&p.order_id),
                    ended_at: p.ended_at.filter(|_| extra.moved_to.is_none()),
                    code: staged.code,
                    region: p.region,
                    revision: extra.revision,
                    commit: self.commit,
                    fare: p.fare.filter(|_| extra.moved_to.is_none()),
                    previous_accepted_at: p.previous_accepted_at.filter(|_| extra.moved_to.is_none()),
                    moved_to: extra.moved_to,
                };
                Some((row, IdentityHash::of(&p.platform, &p.order_id, p.leg, p.phase)))
            }
        }
    }

    fn order_row(&self, entry: &OrderEntry, code: u32) -> Row<'a> {
        let extra = self.batch.extra(entry);
        Row {
            rider_id: self.batch.text(entry.rider),
            accepted_at: entry.accepted_at,
            order_id: OrderId::pack(self.batch.text(entry.order)),
            ended_at: entry.ended_at,
            code,
            region: entry.region,
            revision: entry.revision,
            commit: self.commit,
            fare: extra.and_then(|extra| extra.fare),
            previous_accepted_at: extra.and_then(|extra| extra.previous_accepted_at),
            moved_to: None,
        }
    }

    /// The order of places. Rows themselves are made and compared only where rider and start are the same.
    fn compare(&self, dictionary: &Dictionary, a: &StagedRow, b: &StagedRow) -> Ordering {
        a.rider
            .cmp(&b.rider)
            .then_with(|| match a.holds_rider() && b.holds_rider() {
                true => Ordering::Equal,
                false => self.rider(a).cmp(self.rider(b)),
            })
            .then_with(|| a.accepted_at.cmp(&b.accepted_at))
            .then_with(|| match (self.row(a), self.row(b)) {
                (Some((a_row, _)), Some((b_row, _))) => {
                    match (dictionary.get(a.code), dictionary.get(b.code)) {
                        (Some(a_entry), Some(b_entry)) => a_row.cmp_place(a_entry, &b_row, b_entry),
                        _ => Ordering::Equal,
                    }
                }
                _ => Ordering::Equal,
            })
    }

    /// The whole rider identifier.
    fn rider(&self, staged: &StagedRow) -> &[u8] {
        let at = usize::try_from(staged.at).unwrap_or(usize::MAX);
        match staged.body {
            Body::Here | Body::Order => {
                self.batch.orders.get(at).map_or(&[], |entry| self.batch.bytes_of(entry.rider))
            }
            Body::Extra => self.extra.get(at).map_or(&[], |extra| extra.posting.rider_id.as_bytes()),
        }
    }
}
