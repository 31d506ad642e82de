//! Receipts and the files of the seal log, for a running service: the log and the trees of the days that were asked about last
//! are kept between questions.

use super::secrets::Secrets;
use super::{SealBook, SealingError};
use crate::coverage::Terms;
use crate::domain::window::Window;
use crate::ledger::Snapshot;
use crate::seal::day_tree::{DayTree, LEAF_BYTES};
use crate::seal::log::SealLog;
use crate::seal::receipt::{Receipt, ReceiptError};
use crate::seal::tiles::TileId;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Memory of kept trees, in bytes; a larger one is read for each receipt.
const TREES_BYTES_MAX: u64 = 64 << 20;
/// Days that are asked about at a time, about: only sizes what the cache keeps of itself.
const TREES_USUAL: usize = 64;

/// Counts a tree by its bytes.
#[derive(Clone, Copy, Debug)]
struct Bytes;

impl Weighter<u64, Arc<DayTree>> for Bytes {
    fn weight(&self, _: &u64, tree: &Arc<DayTree>) -> u64 {
        tree.size().saturating_add(1).saturating_mul(u64::try_from(LEAF_BYTES).unwrap_or(u64::MAX))
    }
}

/// Makes receipts and shows the log. One ledger, whose seal log only grows.
pub struct ReceiptIssuer {
    secrets: Arc<Secrets>,
    log: Mutex<Arc<SealLog>>,
    /// Trees by the index of their entry.
    trees: Cache<u64, Arc<DayTree>, Bytes>,
}

impl fmt::Debug for ReceiptIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiptIssuer").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

impl ReceiptIssuer {
    /// Makes receipts with these secrets.
    pub fn new(secrets: Arc<Secrets>) -> Self {
        // One part: each part holds its share of the budget only, and a tree is large.
        let options = OptionsBuilder::new()
            .shards(1)
            .estimated_items_capacity(TREES_USUAL)
            .weight_capacity(TREES_BYTES_MAX)
            .build();
        let trees = match options {
            Ok(options) => Cache::with_options(
                options,
                Bytes,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            Err(_) => Cache::with_weighter(TREES_USUAL, TREES_BYTES_MAX, Bytes),
        };
        Self { secrets, log: Mutex::default(), trees }
    }

    /// The log of a state with what is kept of it.
    fn book<'a>(&self, state: &'a Snapshot, terms: Terms<'a>) -> Result<SealBook<'a>, SealingError> {
        let kept = Arc::clone(&self.log.lock().unwrap_or_else(PoisonError::into_inner));
        let book = SealBook::continuing(state, terms, &kept)?;
        if book.log().size() > kept.size() {
            *self.log.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&book.log);
        }
        Ok(book)
    }

    /// The receipt about a stretch of one sealed day, under the newest checkpoint of the state. `whole` includes every order and
    /// refused record of the rider on that day.
    ///
    /// # Errors
    /// The day is not sealed, or not any more what was sealed; the state cannot be read.
    pub fn receipt(
        &self,
        state: &Snapshot,
        terms: Terms<'_>,
        rider_id: &str,
        (asked, whole): (Window, bool),
    ) -> Result<Receipt, SealingError> {
        let book = self.book(state, terms)?;
        let tree = |index| self.trees.get_or_insert_with(&index, || book.tree(index).map(Arc::new));
        book.receipt_in(&self.secrets, rider_id, (asked, whole), tree)
    }

    /// Checks that a stretch of time lies within one sealed day, so that receipts can be about it.
    ///
    /// # Errors
    /// It does not, or the state cannot be read.
    pub fn check_sealed(
        &self,
        state: &Snapshot,
        terms: Terms<'_>,
        asked: Window,
    ) -> Result<(), SealingError> {
        let book = self.book(state, terms)?;
        let (_, entry) = book.sealed_day(asked)?;
        if entry.span.contains(asked) { Ok(()) } else { Err(ReceiptError::NotWithinDay.into()) }
    }

    /// The signed checkpoint of the log.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn checkpoint(&self, state: &Snapshot, terms: Terms<'_>) -> Result<String, SealingError> {
        Ok(self.book(state, terms)?.checkpoint(&self.secrets))
    }

    /// A file of the log by its path (`tile/...`); `None` for one that the log does not have.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn tile(
        &self,
        state: &Snapshot,
        terms: Terms<'_>,
        path: &str,
    ) -> Result<Option<Vec<u8>>, SealingError> {
        let Some(tile) = TileId::parse(path) else { return Ok(None) };
        Ok(self.book(state, terms)?.log().file(tile))
    }

    /// The secrets.
    pub const fn secrets(&self) -> &Arc<Secrets> {
        &self.secrets
    }

    /// The log of a state.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn log(&self, state: &Snapshot, terms: Terms<'_>) -> Result<Arc<SealLog>, SealingError> {
        Ok(self.book(state, terms)?.log)
    }

    /// The public keys of the log, one a line.
    pub fn keys(&self) -> String {
        self.secrets.public_keys().iter().map(|key| format!("{key}\n")).collect()
    }
}
