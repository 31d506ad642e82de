//! The steps of a commit that move written values into the manifest and into memory.

use crate::domain::finality::CoverMargins;
use crate::ledger::codec::chunked;
use crate::ledger::codec::keys::{self, in_run};
use crate::ledger::codec::{Packing, frame};
use crate::ledger::error::LedgerResult;
use crate::ledger::manifest::kind;
use crate::ledger::rejections::dead_letters::DeadLetters;
use crate::ledger::rejections::store::KeptRun;
use crate::ledger::rejections::stored::{RejectedEntry, RejectedRun};
use crate::ledger::run::Run;
use crate::ledger::writer::Ledger;

/// Records of one run of rejected records: a reader that wants one of them decodes all.
const RECORDS_PER_RUN: usize = 256;

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
                    self.builder.upload.put(&key, frame(&key, raw, Packing::Lz4))?;
                }
            }
            let parts = chunked::put(&self.builder.upload, keys::REJECTED, id, &content.encode())?;
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
    pub(crate) fn apply(&mut self, runs: Vec<Run>, kept: &[KeptRun]) -> LedgerResult<()> {
        self.runs.add(runs)?;
        self.rejections.add(kept, &self.options.platforms, &self.statistics);
        self.statistics.note_open();
        Ok(())
    }

    /// The widest cover around an order of any rule that was ever in force.
    pub(crate) fn reach(&self) -> CoverMargins {
        let (lead_ms, tail_ms) = self.configurations.widest_cover();
        CoverMargins { lead_ms, tail_ms }
    }
}
