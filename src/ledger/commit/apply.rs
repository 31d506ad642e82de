//! The steps of a commit that move written values into the manifest and into memory.

use crate::domain::finality::CoverMargins;
use crate::ledger::codec::chunked;
use crate::ledger::codec::keys::{self, in_run};
use crate::ledger::codec::{Packing, frame};
use crate::ledger::error::LedgerResult;
use crate::ledger::manifest::kind;
use crate::ledger::rejections::dead_letters::DeadLetters;
use crate::ledger::rejections::stored::{RejectedEntry, RejectedRun};
use crate::ledger::run::Run;
use crate::ledger::writer::{Ledger, is_platform_known};
use std::sync::Arc;

/// Records of one run of rejected records: a reader that wants one of them decodes all.
const RECORDS_PER_RUN: usize = 256;

/// A run of rejected records that was written.
#[derive(Debug)]
pub struct KeptRun {
    id: u64,
    entry: RejectedEntry,
    content: RejectedRun,
}

impl Ledger {
    /// Writes what is kept of refused records.
    pub(crate) fn write_kept(&mut self, dead_letters: &DeadLetters) -> LedgerResult<Vec<KeptRun>> {
        let mut written = Vec::new();
        let mut resolved = dead_letters.run.resolved.clone();
        let mut chunks: Vec<_> = dead_letters.run.records.chunks(RECORDS_PER_RUN).collect();
        if chunks.is_empty() && !resolved.is_empty() {
            chunks.push(&[]);
        }
        let mut raws = dead_letters.raws.iter();
        for records in chunks {
            let id = self.manifest.root().next_run;
            let content = RejectedRun { records: records.to_vec(), resolved: std::mem::take(&mut resolved) };
            for (raw, nth) in raws.by_ref().take(records.len()).zip(0u32..) {
                if !raw.is_empty() {
                    let key = in_run(keys::RAW, id, nth);
                    self.writing.put(&key, frame(&key, raw, Packing::Lz4))?;
                }
            }
            let parts = chunked::put(&self.writing, keys::REJECTED, id, &content.encode())?;
            let root = self.manifest.root_mut();
            let entry = RejectedEntry {
                first: records.first().map_or(root.next_rejection, |record| record.rejection.id),
                records: u32::try_from(records.len()).unwrap_or(u32::MAX),
                parts,
            };
            root.next_run += 1;
            root.next_rejection += u64::from(entry.records);
            written.push(KeptRun { id, entry, content });
        }
        Ok(written)
    }

    /// Names new runs in the manifest.
    pub(crate) fn stage_runs(&mut self, runs: &[Run], kept: &[KeptRun]) {
        for run in runs {
            let mut body = Vec::new();
            run.entry.encode(&mut body);
            self.manifest.put(kind::RUN, &run.id.to_be_bytes(), body);
        }
        for kept in kept {
            self.manifest.put(kind::REJECTED, &kept.id.to_be_bytes(), kept.entry.encode());
        }
    }

    /// Takes committed runs into memory: the writer's next batch meets them, and the next snapshot shows them.
    pub(crate) fn apply(
        &mut self,
        mut runs: Vec<Run>,
        kept: Vec<KeptRun>,
        dead_letters: &DeadLetters,
    ) -> LedgerResult<()> {
        // Reserves capacity for all of them first: the live runs tell whether a group has stored rows, and these are not live yet.
        let rows: u64 = runs.iter().map(|run| run.entry.rows).sum();
        for run in &runs {
            self.filters.reserve(run.entry.day, rows, &self.runs);
        }
        for run in &mut runs {
            let (day, filters) = (run.entry.day, &mut self.filters);
            run.visit_hashes(|hash| filters.insert(day, hash))?;
        }
        let live = Arc::make_mut(&mut self.runs);
        for run in runs {
            live.entry(run.entry.day).or_default().push(Arc::new(run));
        }
        self.balance_filters();
        let (platforms, stats) = (&self.options.platforms, &self.stats);
        for kept in &kept {
            let is_known = |name: &str| is_platform_known(name, platforms, stats);
            self.rejected.add(kept.id, kept.entry, &kept.content, is_known);
        }
        self.rejected.refresh(kept.iter().map(|kept| &kept.content), platforms);
        kept.iter().for_each(|kept| self.by_identity.add(&kept.content, &self.rejected));
        debug_assert_eq!(
            dead_letters.run.records.len(),
            kept.iter().map(|kept| kept.content.records.len()).sum::<usize>()
        );
        let opened = self.stats.iter().filter(|(_, stats)| stats.open_orders > 0).map(|(name, _)| name);
        for name in opened {
            if !self.with_open.contains(name) {
                self.with_open.insert(name.clone());
            }
        }
        Ok(())
    }

    /// The widest cover around an order of any rule that was ever in force.
    pub(crate) fn reach(&self) -> CoverMargins {
        let (lead_ms, tail_ms) = self.configurations.widest_cover();
        CoverMargins { lead_ms, tail_ms }
    }
}
