//! The ledger: what was booked, in runs of sorted blocks that never change, under a manifest that says which runs count.
//!
//! A commit turns one batch of records into a new state. Its effects have one order, written once in [`commit`]: decide,
//! write blocks, make them durable, advance the manifest, replace the witness `HEAD`, show the state to readers. A crash
//! anywhere leaves the state before or the state after, never a part.
//!
//! # Modules
//!
//! In the order in which a batch meets them:
//!
//! 1. [`writer`] opens the ledger and has the parts that commits change: the manifest, the run set (live runs and filters), the run
//!    builder, the rejection store, the configuration history, the statistics. It collects what an interrupted process left behind.
//! 2. [`batch`]: decoded events, refused records and completeness records, in the order of arrival; each order with its
//!    staged row.
//! 3. [`commit`]: the order of effects. It calls all that follows.
//! 4. [`lookup`] tells new identities from stored ones and reads the versions of the latter; [`decide`] decides every event.
//! 5. [`rejections`] keeps refused and conflicting records and resolves those whose order arrived.
//! 6. [`build`] prices orders, sorts their rows by rider and start, and writes them as a [`run`] for each event day.
//! 7. [`manifest`]: which runs count, completeness, sources, statistics, configurations, and the record of each commit.
//!
//! What a reader meets: [`snapshot`], one committed state, immutable, which implements
//! [`LedgerView`](crate::domain::view::LedgerView); through it [`run`], without any lock of the writer.
//!
//! Beside the line: [`maintenance`] (compaction, retention, backup, disk space, cache warm-up), [`verify`], which reads
//! everything again and proves that it agrees, and [`migration`], which moves a ledger to another place. Below all: [`codec`], the stored form of every value; [`error`]; and
//! [`yield_points`], by which long work lets questions go first. [`crate::storage`] keeps the values.
//!
//! # Dependencies
//!
//! They point one way; `tests/dependencies.rs` holds the imports against this table.
//!
//! | module | uses |
//! |---|---|
//! | `yield_points` | nothing |
//! | `error` | nothing |
//! | `codec` | `error` |
//! | `run` | `codec`, `error`, `yield_points` |
//! | `options` | nothing |
//! | `manifest` | `codec`, `error` |
//! | `batch` | `error`, `manifest`, `run`, `yield_points` |
//! | `lookup` | `batch`, `error`, `run`, `yield_points` |
//! | `decide` | `batch`, `error`, `lookup`, `run`, `yield_points` |
//! | `build` | `batch`, `decide`, `error`, `run`, `yield_points` |
//! | `rejections` | `batch`, `codec`, `decide`, `error`, `lookup`, `manifest`, `run` |
//! | `snapshot` | `codec`, `error`, `lookup`, `manifest`, `rejections`, `run` |
//! | `writer` | `build`, `codec`, `error`, `lookup`, `manifest`, `options`, `rejections`, `run`, `snapshot` |
//! | `commit` | `batch`, `build`, `codec`, `decide`, `error`, `lookup`, `manifest`, `rejections`, `run`, `snapshot`, `writer`, `yield_points` |
//! | `maintenance` | `batch`, `codec`, `error`, `manifest`, `options`, `rejections`, `run`, `snapshot`, `writer`, `yield_points` |
//! | `verify` | `codec`, `error`, `maintenance`, `manifest`, `options`, `rejections`, `run`, `writer` |
//! | `migration` | `codec`, `error`, `maintenance`, `manifest`, `options`, `snapshot`, `verify`, `writer` |
pub mod batch;
pub mod build;
pub mod codec;
pub mod commit;
pub mod decide;
pub mod error;
pub mod lookup;
pub mod maintenance;
pub mod manifest;
pub mod migration;
pub mod options;
pub mod rejections;
pub mod run;
pub mod snapshot;
#[cfg(test)]
pub(crate) mod testing;
pub mod verify;
pub mod writer;
pub mod yield_points;

pub use batch::{Arrival, Batch, LineHashes};
pub use commit::report::CommitReport;
pub use commit::seal::NewSeal;
pub use commit::{CommitExtras, Observations};
pub use error::{LedgerError, LedgerResult};
pub use maintenance::backup::{BackupReport, backup, backup_beside, backup_closed, backup_closed_beside};
pub use maintenance::compaction::{Compacted, CompactionJob, CompactionScope};
pub use maintenance::disk_space::{DiskSpace, FreeSpace};
pub use manifest::seals::StoredSeal;
pub use manifest::source::Source;
pub use manifest::state_codec::Counts;
pub use migration::{Migrated, Migration, Step as MigrationStep, copy_ahead};
pub use options::{LedgerOptions, storage_at};
pub use rejections::stored::KeptRecord;
pub use run::identity::{IdentityHash, RiderHash};
pub use snapshot::{ChangedRecord, RiderRows, RowsWanted, Snapshot, StateChanges};
pub use verify::{ADVICE, Verification, verify_dir};
pub use writer::{Ledger, Published};
pub use yield_points::give_way;
