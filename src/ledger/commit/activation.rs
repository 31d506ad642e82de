//! Puts a configuration in force: a commit of its own, before the first answer. Booked orders keep their prices, but for
//! those that had none.

use crate::domain::charge::Price;
use crate::domain::posting::Posting;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::domain::view::LedgerView;
use crate::ledger::batch::Batch;
use crate::ledger::build::ExtraRow;
use crate::ledger::build::pricing::price_posting;
use crate::ledger::commit::report::CommitReport;
use crate::ledger::decide::{Decided, Replaced};
use crate::ledger::error::LedgerResult;
use crate::ledger::manifest::kind;
use crate::ledger::rejections::dead_letters::DeadLetters;
use crate::ledger::run::Run;
use crate::ledger::run::block::Select;
use crate::ledger::run::row::RowKind;
use crate::ledger::writer::Ledger;
use crate::storage::crash_points::{self, Point};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Unrated orders that are priced in one commit.
const REPRICED_MAX: usize = 100_000;

impl Ledger {
    /// Puts the configuration that the ledger was opened with in force. Does nothing when it is already.
    pub fn activate_configuration(&mut self, now: UtcMillis) -> LedgerResult<()> {
        let platforms = self.options.platforms.clone();
        self.tracker.state_mut().register(&platforms);
        let in_force = self.configurations.get(self.manifest.root().config).map(|entry| entry.hash);
        let changed = in_force != Some(self.options.config_hash);
        if changed || self.has_news(now) || self.options.accept_older_state.is_some() {
            self.guarded(|ledger| ledger.commit_terms(changed, now))?;
        }
        // Also at a start without news: an earlier process may have ended between the configuration and its prices.
        while self.reprice(now)? > 0 {}
        Ok(())
    }

    fn commit_terms(&mut self, changed: bool, now: UtcMillis) -> LedgerResult<()> {
        let mut notes = Vec::new();
        if let Some(reason) = self.options.accept_older_state.take() {
            notes.push(format!("went on from an older state of the store: {reason}"));
        }
        if changed {
            self.enter_config()?;
        }
        crash_points::after(Point::TermsWritten);
        self.builder.upload.seal()?;
        crash_points::after(Point::TermsSynced);
        self.advance(&[], &notes, now)?;
        self.publish();
        Ok(())
    }

    fn enter_config(&mut self) -> LedgerResult<()> {
        self.compare_prices()?;
        let mut configurations = (*self.configurations).clone();
        let no = configurations
            .number_of(&self.options.config_hash)
            .unwrap_or_else(|| configurations.next_number());
        if configurations.get(no).is_none() {
            let mut entry = self.config_entry();
            entry.put_parts(&self.builder.upload, no, &self.options.config_text)?;
            self.manifest.put(kind::CONFIG, &u64::from(no.0).to_be_bytes(), entry.encode());
            configurations.insert(no, entry);
        }
        self.manifest.root_mut().config = no;
        self.configurations = Arc::new(configurations);
        self.options.tariff = self.options.tariff.clone().with_config_no(no);
        self.builder.forget_prices();
        Ok(())
    }

    /// Prices orders that were booked without a rate and have one now; returns how many.
    fn reprice(&mut self, now: UtcMillis) -> LedgerResult<usize> {
        if self.statistics.platforms.values().all(|stats| stats.unrated == 0) {
            return Ok(0);
        }
        let mut again = Vec::new();
        let mut decided = Decided::default();
        let first_kept = self.retention_line().unwrap_or(LocalDay(i32::MIN));
        for (&day, runs) in self.runs.live.range(first_kept..) {
            for posting in self.unrated_of(runs)? {
                // Only the charge is corrected: what the order covers was decided when it was booked.
                let charge = price_posting(&posting, day, &self.options.tariff).charge;
                let priced = Posting { charge, ..posting.clone() };
                if matches!(charge.price, Price::Charged { .. }) {
                    let revision = priced.revision;
                    again.push(ExtraRow { posting: priced, day, revision, moved_to: None });
                    decided.replaced.push((usize::MAX, Replaced::Stored(Box::new(posting))));
                }
            }
            if again.len() >= REPRICED_MAX {
                break;
            }
        }
        if again.is_empty() { Ok(0) } else { self.guarded(|ledger| ledger.book_again(&decided, &again, now)) }
    }

    fn book_again(&mut self, decided: &Decided, again: &[ExtraRow], now: UtcMillis) -> LedgerResult<usize> {
        let batch = Batch::default();
        let mut report = CommitReport::new(self.manifest.root().commit + 1, &batch, decided);
        let (runs, totals) = self.write_orders(&batch, decided, again)?;
        report.written(&runs, &totals, &DeadLetters::default());
        crash_points::after(Point::RepriceWritten);
        self.builder.upload.seal()?;
        crash_points::after(Point::RepriceSynced);
        let mut stats = (*self.statistics.platforms).clone();
        report.add_to(&mut stats, &batch, decided);
        self.statistics.platforms = Arc::new(stats);
        self.stage_runs(&runs, &[]);
        let note = format!("priced {} orders that had no rate", again.len());
        self.advance(&[], &[note], now)?;
        self.apply(runs, &[])?;
        self.publish();
        Ok(again.len())
    }

    /// The current versions of a day that have no rate.
    fn unrated_of(&self, runs: &[Arc<Run>]) -> LedgerResult<Vec<Posting>> {
        let mut places = BTreeSet::new();
        for run in runs {
            unrated_places(run, &mut places)?;
        }
        let view = self.published.current();
        let mut found = Vec::new();
        for (rider_id, accepted_at) in places {
            let versions = view.rider_versions(&rider_id, accepted_at, accepted_at.plus(1))?;
            let unrated = |posting: &Posting| posting.charge.price == Price::Unrated;
            let current = versions.into_iter().filter(|version| version.superseded_by.is_none());
            found.extend(current.map(|version| version.posting).filter(unrated));
        }
        Ok(found)
    }

    /// The text of the configuration in force.
    pub fn config_text(&self) -> LedgerResult<String> {
        let no = self.manifest.root().config;
        self.configurations.get(no).map_or_else(|| Ok(String::new()), |entry| entry.text(&self.store, no))
    }
}

/// The places of a run at which versions without a rate lie.
fn unrated_places(run: &Run, places: &mut BTreeSet<(String, UtcMillis)>) -> LedgerResult<()> {
    if !run.dictionary().iter().any(|entry| entry.charge.price == Price::Unrated) {
        return Ok(());
    }
    for block in 0..usize::try_from(run.entry.blocks).unwrap_or(0) {
        let mut result = Ok(());
        run.visit_block(block, Select::All, |row| {
            match run.dictionary_entry(row.code) {
                Ok(entry) if entry.kind == RowKind::Version && entry.charge.price == Price::Unrated => {
                    places.insert((row.rider_id.to_owned(), row.accepted_at));
                }
                Ok(_) => {}
                Err(error) => result = Err(error),
            }
            result.is_ok()
        })?;
        result?;
    }
    Ok(())
}
