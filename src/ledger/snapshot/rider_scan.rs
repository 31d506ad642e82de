//! Every rider of a stretch of days, one after the other: the runs are sorted by rider, so each block is read once.

use super::Snapshot;
use super::versions::group_versions;
use crate::domain::order::Phase;
use crate::domain::posting::StoredVersion;
use crate::domain::time::UtcMillis;
use crate::domain::window::Window;
use crate::ledger::error::LedgerResult;
use crate::ledger::lookup::identity_lookup::Found;
use crate::ledger::run::Run;
use crate::ledger::run::block::Select;
use crate::ledger::run::row::RowKind;
use std::collections::VecDeque;

/// Which rows a scan gives. Rows of one order and start are given all or none.
#[derive(Clone, Copy, Debug)]
pub struct RowsWanted {
    /// Starts that matter at all.
    pub accepted: Window,
    /// Of ended orders only those with a start from here on matter.
    pub ended_from: UtcMillis,
}

/// The stored rows of one rider.
#[derive(Debug)]
pub struct RiderRows {
    /// The rider.
    pub rider_id: String,
    rows: Vec<Found>,
}

impl RiderRows {
    /// The versions, superseded ones included, in the order of [`rider_versions`](crate::domain::view::LedgerView::rider_versions).
    pub fn into_versions(self) -> (String, Vec<StoredVersion>) {
        (self.rider_id, group_versions(self.rows))
    }
}

/// Reads one run from front to back, a block at a time.
struct Cursor<'a> {
    run: &'a Run,
    next_block: u32,
    /// The riders of the block that are left, each with its rows.
    riders: VecDeque<RiderRows>,
}

/// The riders of all runs of a stretch of days, ascending by the bytes of their identifiers.
pub struct RiderScan<'a> {
    cursors: Vec<Cursor<'a>>,
    wanted: RowsWanted,
    /// The newest commit of the state.
    commit: u64,
}

impl Snapshot {
    /// Every rider with a wanted row, ascending by identifier; each once, with all of the rider's wanted rows.
    ///
    /// # Errors
    /// A block cannot be read.
    pub fn scan_riders(&self, wanted: RowsWanted) -> LedgerResult<RiderScan<'_>> {
        let Window { from, until } = wanted.accepted;
        let mut scan = RiderScan { cursors: Vec::new(), wanted, commit: self.root.commit };
        if from >= until {
            return Ok(scan);
        }
        let days = self.zone.days_between(from, until);
        let first = days.0.max(self.first_kept());
        if first > days.1 {
            return Ok(scan);
        }
        for run in self.runs.range(first..=days.1).flat_map(|(_, runs)| runs) {
            if self.is_known(run.entry.commits.0) && run.overlaps(from, until) {
                let mut cursor = Cursor { run, next_block: 0, riders: VecDeque::new() };
                scan.load(&mut cursor)?;
                scan.cursors.push(cursor);
            }
        }
        Ok(scan)
    }
}

impl RiderScan<'_> {
    /// Reads blocks until one has a wanted row.
    fn load(&self, cursor: &mut Cursor<'_>) -> LedgerResult<()> {
        while cursor.riders.is_empty() && cursor.next_block < cursor.run.entry.blocks {
            let block = usize::try_from(cursor.next_block).unwrap_or(usize::MAX);
            cursor.next_block += 1;
            let (run, riders) = (cursor.run, &mut cursor.riders);
            let mut failed = None;
            run.visit_block(block, Select::All, |row| {
                let Window { from, until } = self.wanted.accepted;
                if row.commit > self.commit || row.accepted_at < from || row.accepted_at >= until {
                    return true;
                }
                let entry = match run.dictionary_entry(row.code) {
                    Ok(entry) => entry,
                    Err(error) => {
                        failed = Some(error);
                        return false;
                    }
                };
                if entry.phase == Phase::Ended && row.accepted_at < self.wanted.ended_from {
                    return true;
                }
                let moved_to = row.moved_to.filter(|_| entry.kind == RowKind::Moved);
                let found = Found { day: run.entry.day, posting: row.posting(entry), moved_to };
                match riders.back_mut().filter(|last| last.rider_id == row.rider_id) {
                    Some(last) => last.rows.push(found),
                    None => {
                        riders.push_back(RiderRows { rider_id: row.rider_id.to_owned(), rows: vec![found] })
                    }
                }
                true
            })?;
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }

    /// The next rider; `None` after the last one.
    fn next_rider(&mut self) -> LedgerResult<Option<RiderRows>> {
        let fronts = self.cursors.iter().filter_map(|cursor| cursor.riders.front());
        let Some(rider_id) = fronts.map(|rider| rider.rider_id.as_str()).min() else { return Ok(None) };
        let mut all = RiderRows { rider_id: rider_id.to_owned(), rows: Vec::new() };
        let mut cursors = std::mem::take(&mut self.cursors);
        for cursor in &mut cursors {
            // A rider's rows may continue in the next block.
            while let Some(rider) = cursor.riders.pop_front_if(|rider| rider.rider_id == all.rider_id) {
                all.rows.extend(rider.rows);
                if cursor.riders.is_empty() {
                    self.load(cursor)?;
                }
            }
        }
        self.cursors = cursors;
        Ok(Some(all))
    }
}

impl Iterator for RiderScan<'_> {
    type Item = LedgerResult<RiderRows>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_rider().transpose()
    }
}
