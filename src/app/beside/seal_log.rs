//! The files of the seal log beside the chain, under the names that `/tlog/` of HTTP has: a web server over the bucket serves them as
//! the service does.

use crate::app::receipts::Receipts;
use crate::ledger::Snapshot;
use crate::seal::checkpoint::Checkpoint;
use crate::seal::tiles::added_tiles;
use crate::storage::SideFiles;
use anyhow::Context;

/// Their folder.
const FOLDER: &str = "tlog";

/// Puts them there, as the log grows.
pub(super) struct SealLogFiles {
    files: SideFiles,
    receipts: Receipts,
    /// The size of the log of which every file is there; none until the bucket was asked.
    done: Option<u64>,
}

impl SealLogFiles {
    pub(super) const fn new(files: SideFiles, receipts: Receipts) -> Self {
        Self { files, receipts, done: None }
    }

    /// Puts what the log has since the last time: tiles and entries first, the checkpoint that needs them last.
    pub(super) fn step(&mut self, state: &Snapshot) -> anyhow::Result<()> {
        let issuer = &self.receipts.issuer;
        let log = issuer.log(state, self.receipts.terms())?;
        let done = match self.done {
            Some(done) => done,
            None => self.size_there()?.filter(|size| *size <= log.size()).unwrap_or(0),
        };
        if self.done.is_some() && done >= log.size() {
            return Ok(());
        }
        for tile in added_tiles(done, log.size()) {
            let bytes = log.file(tile).with_context(|| format!("Failed to make {}", tile.path()))?;
            self.files.put(&format!("{FOLDER}/{}", tile.path()), &bytes)?;
        }
        self.files.put(&format!("{FOLDER}/keys"), issuer.keys().as_bytes())?;
        let checkpoint = log.checkpoint(issuer.secrets().origin()).sign(&issuer.secrets().signing_keys());
        self.files.put(&format!("{FOLDER}/checkpoint"), checkpoint.as_bytes())?;
        self.done = Some(log.size());
        Ok(())
    }

    /// The size of the log of which a checkpoint is there.
    fn size_there(&self) -> anyhow::Result<Option<u64>> {
        let Some(bytes) = self.files.get(&format!("{FOLDER}/checkpoint"))? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes);
        let known = self.receipts.issuer.secrets().public_keys();
        // One of another log is replaced, with all of its files.
        Ok(Checkpoint::verify(&text, &known).ok().map(|verified| verified.checkpoint.size))
    }
}
