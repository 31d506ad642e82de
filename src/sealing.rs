//! Seals the days of a ledger and answers with receipts: what the ledger keeps and the rules of answers, brought together.
//!
//! [`SealBook`] is one committed state with its seal log. [`SealBook::due`] finds days to seal, [`SealBook::seal`] builds one,
//! [`SealBook::receipt`] answers from what is sealed. [`issuer::ReceiptIssuer`] does so for a running service.

pub mod check;
mod day_leaves;
pub mod issuer;
pub mod secrets;
pub mod secrets_file;

use crate::coverage::Terms;
use crate::coverage::resolve::rider_day::{DayRules, platforms_to_seal, span_of};
use crate::domain::time::LocalDay;
use crate::domain::view::LedgerView;
use crate::domain::window::Window;
use crate::ledger::{LedgerError, NewSeal, Snapshot, StoredSeal};
use crate::seal::day_tree::{DamagedLeaves, DayTree};
use crate::seal::entry::DayEntry;
use crate::seal::log::{LogError, SealLog};
use crate::seal::receipt::{Receipt, ReceiptError, SealedDay, write_receipt};
use crate::seal::rider_day::RiderDay;
use crate::seal::secret::SealingSecret;
use secrets::Secrets;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use thiserror::Error;

/// Days without any order between two with some that are sealed too, at most. Beyond, the earlier one has a wrong date.
const EMPTY_DAYS_MAX: i32 = 31;

/// Why a day is not sealed or a receipt not made.
#[derive(Debug, Error)]
pub enum SealingError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The seal log is damaged.
    #[error("Failed to read the seal log: {0}")]
    Log(#[from] LogError),
    /// The stored leaves of a day are damaged.
    #[error("Failed to read the tree of {day}: {cause}")]
    Tree {
        /// The day.
        day: String,
        /// What is wrong.
        cause: DamagedLeaves,
    },
    /// The receipt cannot be made.
    #[error("Failed to make the receipt: {0}")]
    Receipt(#[from] ReceiptError),
    /// The day is not settled, so it is not sealed.
    #[error(
        "Failed to make the receipt: {day} is not sealed yet, since not every platform is complete beyond the longest order that \
         could begin on it; ask again when it is"
    )]
    NotSettled {
        /// The day.
        day: String,
    },
    /// The day is settled and not sealed.
    #[error(
        "Failed to make the receipt: {day} is not sealed yet, though it is settled; a service with [seal] seals it in the \
         background, `coverledger seal` while no service runs"
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
    log: Arc<SealLog>,
}

impl<'a> SealBook<'a> {
    /// Reads the seal log of a state.
    ///
    /// # Errors
    /// The state cannot be read, or its log is damaged.
    pub fn of(state: &'a Snapshot, terms: Terms<'a>) -> Result<Self, SealingError> {
        Self::continuing(state, terms, &Arc::default())
    }

    /// The same, where an earlier log of the ledger is known: only what came since is read.
    ///
    /// # Errors
    /// The state cannot be read, or its log is damaged.
    pub fn continuing(
        state: &'a Snapshot,
        terms: Terms<'a>,
        known: &Arc<SealLog>,
    ) -> Result<Self, SealingError> {
        let seals = state.seals()?;
        let known_size = usize::try_from(known.size()).unwrap_or(usize::MAX);
        let log = match seals.get(known_size..) {
            Some([]) => Arc::clone(known),
            Some(new) => {
                let mut log = SealLog::clone(known);
                log.extend(new.iter().map(|seal| seal.text.as_str()))?;
                Arc::new(log)
            }
            // An earlier state than the known one.
            None => Arc::new(SealLog::of_texts(seals.iter().map(|seal| seal.text.as_str()))?),
        };
        Ok(Self { state, terms, seals, log })
    }

    /// The log.
    pub fn log(&self) -> &SealLog {
        &self.log
    }

    /// The signed checkpoint of the whole log.
    pub fn checkpoint(&self, secrets: &Secrets) -> String {
        self.log.checkpoint(secrets.origin()).sign(&secrets.signing_keys())
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

    /// The days that may be sealed: those with orders, the day after each, since an order that begins before midnight concerns
    /// it too, and days without any between them.
    fn days_to_seal(&self) -> BTreeSet<LocalDay> {
        let (mut days, mut before) = (BTreeSet::new(), None);
        for day in self.state.days_stored() {
            if let Some(LocalDay(last)) = before
                && day.0.saturating_sub(last) <= EMPTY_DAYS_MAX
            {
                days.extend((last..day.0).map(LocalDay));
            }
            days.extend([day, day.plus_days(1)]);
            before = Some(day);
        }
        days
    }

    /// The days that are settled and not sealed, or sealed before something new came, ascending. Days that retention dropped
    /// are left as they are sealed.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn due(&self) -> Result<Vec<LocalDay>, SealingError> {
        let mut due = Vec::new();
        for day in self.days_to_seal() {
            let newest = self.log.newest(day).and_then(|(index, _)| self.seal_at(index));
            let is_due = match newest {
                Some(seal) => self.state.is_newer_than(seal, self.days_around(day))?,
                None => true,
            };
            if is_due && self.is_settled(day) {
                due.push(day);
            }
        }
        Ok(due)
    }

    fn is_settled(&self, day: LocalDay) -> bool {
        platforms_to_seal(self.state, self.terms, span_of(self.terms, day)).is_some()
    }

    fn seal_at(&self, index: u64) -> Option<&StoredSeal> {
        self.seals.get(usize::try_from(index).ok()?)
    }

    /// What a rider did on a day, with nothing in it for a rider who did nothing.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn rider_day(&self, rider_id: &str, day: LocalDay) -> Result<RiderDay, SealingError> {
        Ok(DayRules::new(self.state, self.terms, day).rider_day(rider_id)?)
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
        let platforms = platforms.ok_or_else(|| SealingError::NotSettled { day: name(day) })?;
        let Some(leaves) = self.leaves(day, secret, stop)? else { return Ok(Outcome::Stopped) };
        let tree = DayTree::new(leaves);
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

    /// The tree of the sealed day at an index of the log, from its stored leaves.
    ///
    /// # Errors
    /// There is no such entry, or its leaves are damaged.
    pub fn tree(&self, index: u64) -> Result<DayTree, SealingError> {
        let entry = self.log.entry(index).zip(self.seal_at(index));
        let (entry, stored) =
            entry.ok_or_else(|| SealingError::NotSealed { day: format!("entry {index}") })?;
        let leaves = self.state.sealed_leaves(index, stored)?;
        DayTree::of_bytes(&leaves).map_err(|cause| SealingError::Tree { day: name(entry.day), cause })
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
        self.receipt_in(secrets, rider_id, (asked, whole), |index| self.tree(index).map(Arc::new))
    }

    /// The newest seal of the day in which a stretch of time begins.
    fn sealed_day(&self, asked: Window) -> Result<(u64, &DayEntry), SealingError> {
        let day = self.terms.zone.day(asked.from);
        self.log.newest(day).ok_or_else(|| match self.is_settled(day) {
            true => SealingError::NotSealed { day: name(day) },
            false => SealingError::NotSettled { day: name(day) },
        })
    }

    /// The same, with the trees of days from `tree`.
    fn receipt_in(
        &self,
        secrets: &Secrets,
        rider_id: &str,
        (asked, whole): (Window, bool),
        tree: impl FnOnce(u64) -> Result<Arc<DayTree>, SealingError>,
    ) -> Result<Receipt, SealingError> {
        let (index, entry) = self.sealed_day(asked)?;
        let day = entry.day;
        let tree = tree(index)?;
        let checkpoint = self.checkpoint(secrets);
        let path = self.log.prove_inclusion(index);
        let sealed = SealedDay { entry, tree: &tree, index, path: &path, checkpoint: &checkpoint };
        let rider_day = self.rider_day(rider_id, day)?;
        Ok(write_receipt(secrets.sealing(), &sealed, &rider_day, asked, whole)?)
    }
}

fn name(day: LocalDay) -> String {
    crate::seal::instant::day_text(day).unwrap_or_else(|| "a day outside the years 0000 to 9999".to_owned())
}
