//! Seals the days of a ledger and answers with receipts: what the ledger keeps and the rules of answers, brought together.
//!
//! [`SealBook`] is one committed state with its seal log. [`SealBook::due`] finds days to seal, [`SealBook::seal`] builds one,
//! [`SealBook::receipt`] answers from what is sealed.

pub mod secrets;

use crate::coverage::Terms;
use crate::coverage::resolve::rider_day::{platforms_to_seal, rider_day, span_of};
use crate::domain::time::LocalDay;
use crate::domain::view::LedgerView;
use crate::domain::window::Window;
use crate::ledger::{LedgerError, NewSeal, Snapshot, StoredSeal, give_way};
use crate::seal::day_tree::{DayTree, DayTreeError, Leaf};
use crate::seal::entry::DayEntry;
use crate::seal::log::{LogError, SealLog};
use crate::seal::receipt::{Receipt, ReceiptError, SealedDay, write_receipt};
use crate::seal::rider_day::RiderDay;
use crate::seal::secret::{SealingSecret, Tag};
use secrets::Secrets;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use thiserror::Error;

/// Why a day is not sealed or a receipt not made.
#[derive(Debug, Error)]
pub enum SealingError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The seal log is damaged.
    #[error("Failed to read the seal log: {0}")]
    Log(#[from] LogError),
    /// The leaves of a day are damaged, or no tree can be made.
    #[error("Failed to build or read the tree of {day}: {cause}")]
    Tree {
        /// The day.
        day: String,
        /// What is wrong.
        cause: DayTreeError,
    },
    /// The receipt cannot be made.
    #[error("Failed to make the receipt: {0}")]
    Receipt(#[from] ReceiptError),
    /// The day is not sealed.
    #[error(
        "Failed to make the receipt: {day} is not sealed yet; a day is sealed when every platform is complete beyond the \
         longest order that could begin on it, by `coverledger seal`"
    )]
    NotSealed {
        /// The day.
        day: String,
    },
    /// Something outside what a seal can express.
    #[error("Failed to seal {day}: {what}")]
    Unsealable {
        /// The day.
        day: String,
        /// What it is, and what to do.
        what: &'static str,
    },
}

/// What sealing a day came to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A new entry of the log.
    Sealed(Box<NewSeal>),
    /// The day is as the seal of this index says.
    Agrees(u64),
    /// The work was given up.
    Stopped,
}

/// One committed state with its seal log.
#[derive(Debug)]
pub struct SealBook<'a> {
    state: &'a Snapshot,
    terms: Terms<'a>,
    seals: Vec<StoredSeal>,
    log: SealLog,
}

impl<'a> SealBook<'a> {
    /// Reads the seal log of a state.
    ///
    /// # Errors
    /// The state cannot be read, or its log is damaged.
    pub fn of(state: &'a Snapshot, terms: Terms<'a>) -> Result<Self, SealingError> {
        let seals = state.seals()?;
        let log = SealLog::of_texts(seals.iter().map(|seal| seal.text.as_str()))?;
        Ok(Self { state, terms, seals, log })
    }

    /// The log.
    pub const fn log(&self) -> &SealLog {
        &self.log
    }

    /// The days whose orders can concern a day, and itself.
    fn days_around(&self, day: LocalDay) -> (LocalDay, LocalDay) {
        let span = span_of(self.terms, day);
        let registered = self.terms.platforms.registered().map(|(_, promise)| promise.max_order_duration_ms);
        let open_ms = registered.fold(self.terms.platforms.get("").max_order_duration_ms, i64::max);
        let (lead_ms, tail_ms) = self.state.widest_cover();
        let longest_ms = self.state.longest_order_ms((LocalDay(i32::MIN), day.plus_days(1))).max(open_ms);
        let from = span.from.minus(longest_ms.saturating_add(tail_ms));
        self.terms.zone.days_between(from, span.until.plus(lead_ms))
    }

    /// The days that are settled and not sealed, or sealed before something new came, ascending. Days that retention dropped
    /// are left as they are sealed.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn due(&self) -> Result<Vec<LocalDay>, SealingError> {
        let stored: BTreeSet<LocalDay> = self.state.days_stored().collect();
        // An order that begins before midnight concerns the day after too.
        let days: BTreeSet<LocalDay> = stored.iter().flat_map(|day| [*day, day.plus_days(1)]).collect();
        let mut due = Vec::new();
        for day in days {
            let newest = self.log.newest(day).and_then(|(index, _)| self.seal_at(index));
            let is_due = match newest {
                Some(seal) => self.state.is_newer_than(seal, self.days_around(day))?,
                None => true,
            };
            if is_due && platforms_to_seal(self.state, self.terms, span_of(self.terms, day)).is_some() {
                due.push(day);
            }
        }
        Ok(due)
    }

    fn seal_at(&self, index: u64) -> Option<&StoredSeal> {
        self.seals.get(usize::try_from(index).ok()?)
    }

    fn rider_day(&self, rider_id: &str, day: LocalDay) -> Result<RiderDay, SealingError> {
        let span = span_of(self.terms, day);
        let found = rider_day(self.state, self.terms, rider_id, (day, span))?;
        let what = "a time of an order lies outside the years 0000 to 9999: correct the order";
        found.ok_or_else(|| SealingError::Unsealable { day: name(day), what })
    }

    /// Every rider-day of a day, by ascending rider identifier; those without content are left out.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn rider_days(
        &self,
        day: LocalDay,
    ) -> Result<impl Iterator<Item = Result<RiderDay, SealingError>> + '_, SealingError> {
        let riders = self.state.riders_of_days(self.days_around(day))?;
        let rider_days = riders.into_iter().map(move |rider_id| self.rider_day(&rider_id, day));
        Ok(rider_days.filter(|found| found.as_ref().map_or(true, |rider_day| !rider_day.is_empty())))
    }

    /// Builds the seal of a day that is due, unless `stop` is set meanwhile. Lets questions go first.
    ///
    /// # Errors
    /// The state cannot be read, or the day is not settled.
    pub fn seal(
        &self,
        day: LocalDay,
        secret: &SealingSecret,
        stop: &AtomicBool,
    ) -> Result<Outcome, SealingError> {
        let span = span_of(self.terms, day);
        let platforms = platforms_to_seal(self.state, self.terms, span);
        let platforms = platforms.ok_or_else(|| SealingError::NotSealed { day: name(day) })?;
        let mut leaves = Vec::new();
        for found in self.rider_days(day)? {
            if stop.load(Ordering::Relaxed) {
                return Ok(Outcome::Stopped);
            }
            give_way();
            leaves.push(leaf_of(&found?, secret)?);
        }
        let tree = DayTree::new(leaves).map_err(|cause| SealingError::Tree { day: name(day), cause })?;
        let (generation, previous) = self.log.next_generation(day);
        let entry = DayEntry {
            zone: self.terms.zone.name().to_owned(),
            day,
            span,
            generation,
            previous,
            leaves: tree.size(),
            root: tree.root(),
            vrf_key: *secret.vrf_public().as_bytes(),
            platforms,
        };
        if let Some((index, newest)) = self.log.newest(day) {
            let same = DayEntry { generation: newest.generation, previous: newest.previous, ..entry.clone() };
            if same == *newest {
                return Ok(Outcome::Agrees(index));
            }
        }
        let root = self.state.root();
        Ok(Outcome::Sealed(Box::new(NewSeal {
            index: self.log.size(),
            text: entry.to_string(),
            leaves: tree.to_bytes(),
            commit: root.commit,
            next_run: root.next_run,
        })))
    }

    /// The receipt about a stretch of one sealed day, under a checkpoint of the whole log.
    ///
    /// # Errors
    /// The day is not sealed, or not any more what was sealed: then it has to be sealed again first.
    pub fn receipt(
        &self,
        secrets: &Secrets,
        rider_id: &str,
        asked: Window,
        whole: bool,
    ) -> Result<Receipt, SealingError> {
        let day = self.terms.zone.day(asked.from);
        let not_sealed = || SealingError::NotSealed { day: name(day) };
        let (index, entry) = self.log.newest(day).ok_or_else(not_sealed)?;
        let stored = self.seal_at(index).ok_or_else(not_sealed)?;
        let leaves = self.state.sealed_leaves(index, stored)?;
        let tree =
            DayTree::of_bytes(&leaves).map_err(|cause| SealingError::Tree { day: name(day), cause })?;
        let checkpoint = self.log.checkpoint(secrets.origin()).sign(&secrets.signing_keys());
        let path = self.log.prove_inclusion(index);
        let sealed = SealedDay { entry, tree: &tree, index, path: &path, checkpoint: &checkpoint };
        let rider_day = self.rider_day(rider_id, day)?;
        Ok(write_receipt(secrets.sealing(), &sealed, &rider_day, asked, whole)?)
    }
}

/// The leaf of a rider-day.
fn leaf_of(rider_day: &RiderDay, secret: &SealingSecret) -> Result<Leaf, SealingError> {
    let (rider_id, day) = (&rider_day.rider_id, rider_day.day);
    let opening = rider_day.opening(secret);
    let tag = secret.output(rider_id, day).and_then(|output| Tag::of_output(&output, day));
    let commitment = opening.content.commitment(&opening.nonce, rider_id, day);
    let what = "its date has no text: it lies outside the years 0000 to 9999";
    let leaf = tag.zip(commitment).map(|(tag, commitment)| Leaf { tag, commitment });
    leaf.ok_or_else(|| SealingError::Unsealable { day: name(day), what })
}

fn name(day: LocalDay) -> String {
    crate::seal::instant::day_text(day).unwrap_or_else(|| "a day outside the years 0000 to 9999".to_owned())
}
