//! The ledger: what was booked, in runs of sorted blocks that never change, under a manifest that says which runs count.
//!
//! A commit turns one batch of records into a new state. Its effects have one order, written once in `commit.rs`: decide,
//! write blocks, make them durable, move the manifest on, replace the witness `HEAD`, show the state to readers. A crash
//! anywhere leaves the state before or the state after, never a part.
//!
//! # Order of modules
//!
//! What a batch meets on its way:
//!
//! 1. [`setup`] and [`writer`]: opening. The directory's [`lock`], the [`manifest`] and its check against [`head`] (the
//!    witness), [`garbage`] that an interrupted process left, [`enforce`] that puts the configuration in force;
//!    [`tariff_change`] compares what is booked with its prices.
//! 2. [`batch`]: decoded events, refused records and completeness records, in the order of arrival.
//! 3. [`commit`]: the order of effects. All that follows is called from there.
//! 4. [`resolve`]: decides every event: [`days`] and [`filter`] tell most new identities apart without touching storage,
//!    [`identity`] and [`find`] look up the others, [`history`] says which stored version is current.
//! 5. [`keeping`] and [`rejected`]: refused and conflicting records are kept; [`settling`] and [`unresolved`]: they are
//!    settled when their order comes. [`lateness`] counts events that came after the platform's word.
//! 6. [`booking`], [`draft`], [`pricing`] and [`books`]: rows with their prices, sorted by rider and start.
//! 7. [`run_writer`], [`run`], [`block`], [`row`], [`run_index`], [`sparse`], [`totals`]: the rows become a run for each event day: blocks in
//!    columns, identity index, sparse index, totals. [`keys`], [`codec`] and [`parts`] are the stored form of all of it.
//! 8. [`facts`] and [`commit_record`]: completeness, sources, statistics, and the record of the commit itself.
//! 9. [`adopt`] and [`report`]: the committed runs enter memory, and the commit tells what it did.
//!
//! What a reader meets: [`snapshot`], one committed state, immutable, which implements
//! [`LedgerView`](crate::domain::view::LedgerView); through it [`run`] and [`block`], without any lock of the writer.
//!
//! Beside the line: [`room`] watches the disk's free space. [`compaction`] merges the runs of a day on a thread of its own, and
//! the writer swaps them in one commit; [`retention`] drops whole days; [`verify`] reads everything again and proves that it
//! agrees; [`backup`] makes a data directory of a state that is held; [`warming`] reads the newest orders into the system's
//! memory after a start.
//!
//! Below both: [`store`], which keeps values in segment files and in an embedded key-value store that nobody else names;
//! [`error`], what can go wrong in words that say what to do; [`turns`], by which long work lets questions go first; and
//! [`crash`], the points at which tests make the process die.
pub mod batch;
pub mod build;
pub mod codec;
pub mod commit;
pub mod decide;
pub mod error;
pub mod lookup;
pub mod maintenance;
pub mod manifest;
pub mod options;
pub mod rejections;
pub mod run;
pub mod snapshot;
#[cfg(test)]
mod testing;
pub mod verify;
pub mod writer;
pub mod yield_points;

pub use batch::{Arrival, Batch, LineHashes};
pub use commit::report::CommitReport;
pub use commit::{CommitExtras, Observations};
pub use error::{LedgerError, LedgerResult};
pub use maintenance::backup::{BackupReport, backup, backup_closed};
pub use maintenance::compaction::{Compacted, CompactionJob};
pub use maintenance::disk_space::{DiskSpace, FreeSpace};
pub use manifest::source::Source;
pub use manifest::state_codec::Counts;
pub use options::LedgerOptions;
pub use rejections::stored::KeptRecord;
pub use snapshot::Snapshot;
pub use verify::{ADVICE, Verification, verify_dir};
pub use writer::{Ledger, Published};
pub use yield_points::give_way;
