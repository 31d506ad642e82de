//! Named points between every two steps of a write, at which a test makes the process die.
//!
//! `COVERLEDGER_CRASH_AT=POINT[:NTH]` in the environment aborts the process when it comes to that point for the NTH time
//! (the first by default): no destructor runs, nothing is flushed. Without the variable a point costs one load. The points
//! are part of every build, so that what is tested is what runs; who may set a process's environment may kill it anyway.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The variable that names the point.
pub const VARIABLE: &str = "COVERLEDGER_CRASH_AT";

macro_rules! points {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal,)+) => {
        /// A point at which the process may be made to die. Named by the step that was done last.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Point { $($(#[$doc])+ $variant,)+ }

        impl Point {
            const EVERY: &[Self] = &[$(Self::$variant,)+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

points! {
    /// The directory is locked.
    StartLocked = "start.locked",
    /// The embedded store is open.
    StartStoreOpened = "start.store_opened",
    /// The store and its witness agree.
    StartWitnessSettled = "start.witness_settled",
    /// The manifest is read.
    StartManifestLoaded = "start.manifest_loaded",
    /// Values of one kind that nothing names are deleted.
    OrphansDeleted = "orphans.one_deleted",
    /// All of them are.
    OrphansCollected = "orphans.collected",
    /// Garbage that the process before left is deleted.
    StartGarbageCollected = "start.garbage_collected",
    /// Every run is open.
    StartOpened = "start.opened",
    /// A changed configuration is written.
    TermsWritten = "terms.written",
    /// It is durable.
    TermsSynced = "terms.synced",
    /// A batch is decided, nothing is written.
    CommitDecided = "commit.decided",
    /// One value is put, in memory or in a file.
    ValuePut = "store.value_put",
    /// Blocks of orders are written.
    CommitOrdersWritten = "commit.orders_written",
    /// Kept records are written too.
    CommitKeptWritten = "commit.kept_written",
    /// A segment file is written, not durable.
    SegmentWritten = "segment.written",
    /// It is durable, under another name than its own.
    SegmentSynced = "segment.synced",
    /// It has its name.
    SegmentNamed = "segment.named",
    /// The embedded store has given everything to the system.
    StoreFlushed = "store.flushed",
    /// Everything that was put is durable.
    CommitSynced = "commit.synced",
    /// The manifest's changes are staged.
    CommitStaged = "commit.staged",
    /// The manifest's batch is in the store, not durable.
    StoreBatchApplied = "store.batch_applied",
    /// The manifest's batch is durable.
    ManifestAdvanced = "manifest.advanced",
    /// The new witness lies beside the old one.
    HeadWritten = "head.written",
    /// It is durable there.
    HeadSynced = "head.synced",
    /// It has replaced the old one.
    HeadRenamed = "head.renamed",
    /// Its name is durable.
    HeadDurable = "head.durable",
    /// Memory has taken the commit in.
    CommitApplied = "commit.applied",
    /// Readers see it.
    CommitPublished = "commit.published",
    /// Orders without a rate are written again with one.
    RepriceWritten = "reprice.written",
    /// They are durable.
    RepriceSynced = "reprice.synced",
    /// A compaction has its run numbers.
    CompactionPlanned = "compaction.planned",
    /// One of its outputs is written.
    CompactionOutputWritten = "compaction.output_written",
    /// All are.
    CompactionWritten = "compaction.written",
    /// All are durable.
    CompactionSynced = "compaction.synced",
    /// The swap is staged.
    CompactionStaged = "compaction.staged",
    /// The manifest names the new runs.
    CompactionAdvanced = "compaction.advanced",
    /// Readers see the new runs.
    CompactionInstalled = "compaction.installed",
    /// Values of one kind of a replaced run are deleted.
    GarbageValueDeleted = "garbage.value_deleted",
    /// A replaced run is deleted.
    GarbageRunDeleted = "garbage.run_deleted",
    /// A segment file without live values is removed.
    SegmentRemoved = "segment.removed",
    /// What a compaction that was given up wrote is being deleted.
    DiscardDeleted = "discard.one_deleted",
    /// All of it is deleted.
    Discarded = "discard.done",
    /// A piece of a copy is written, and not known as whole yet.
    StagedPieceWritten = "copy.piece_written",
    /// It is.
    StagedPieceRecorded = "copy.piece_recorded",
    /// Everything is copied.
    StagedWhole = "copy.whole",
    /// It was read again and holds.
    StagedVerified = "copy.verified",
    /// The source says that it lies elsewhere.
    SourceMarked = "copy.source_marked",
    /// The state of the copy is written, and nothing leads to it.
    StagedFullWritten = "copy.full_written",
    /// The copy has its place.
    StagedPublished = "copy.published",
}

/// So many points, the last ones, are of a copy into another place.
const COPY_POINTS: usize = 7;

impl Point {
    /// Every point that a ledger meets, in its order.
    pub const ALL: &[Self] = Self::EVERY.split_at(Self::EVERY.len() - COPY_POINTS).0;
    /// Those that a migration meets, in its order.
    pub const OF_COPIES: &[Self] = Self::EVERY.split_at(Self::EVERY.len() - COPY_POINTS).1;
}

/// The point that was asked for, and how many times it is still passed.
struct Plan {
    point: Point,
    left: AtomicU64,
}

static PLAN: LazyLock<Option<Plan>> = LazyLock::new(|| {
    let text = std::env::var(VARIABLE).ok()?;
    let plan = parse(&text);
    if plan.is_none() {
        // A misspelt point would never be met, and a test that waits for it would prove nothing.
        eprintln!(
            "coverledger: {VARIABLE}={text} names no crash point: write POINT or POINT:NTH, of {}",
            names().join(", ")
        );
        std::process::abort();
    }
    plan
});

fn names() -> Vec<&'static str> {
    Point::EVERY.iter().map(|point| point.name()).collect()
}

fn parse(text: &str) -> Option<Plan> {
    let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
    let point = Point::EVERY.iter().copied().find(|point| point.name() == name)?;
    let nth: u64 = nth.parse().ok().filter(|nth| *nth > 0)?;
    Some(Plan { point, left: AtomicU64::new(nth) })
}

/// The step that `point` is named by is done: the process ends here if that was asked for.
#[inline]
pub fn after(point: Point) {
    if let Some(plan) = &*PLAN
        && plan.point == point
        && plan.left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        eprintln!("coverledger: {VARIABLE}: ending at {}", point.name());
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_named_once_and_parsed_with_their_count() {
        let mut sorted = names();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), Point::EVERY.len());
        assert!(Point::OF_COPIES.iter().all(|point| point.name().starts_with("copy.")));
        assert!(Point::ALL.iter().all(|point| !point.name().starts_with("copy.")));
        let plan = parse("head.renamed:12").unwrap();
        assert_eq!((plan.point, plan.left.into_inner()), (Point::HeadRenamed, 12));
        assert_eq!(parse("commit.synced").unwrap().left.into_inner(), 1);
        for wrong in ["", "commit", "commit.synced:", "commit.synced:0", "commit.synced:-1", "head.renamed:x"]
        {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}
