//! Rows of a batch on their way into a run, each of a fixed size with all that the common row needs.
//!
//! A batch lies in the order of arrival, a run in the order of riders. Between them every row moves once, as a whole:
//! reading batch entries and their texts in the order of riders instead would wait for memory several times a row.

mod order;

pub use order::{Sorter, in_order};

use crate::domain::order::Region;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::ledger::batch::OrderEntry;
use crate::ledger::run::identity::IdentityHash;
use crate::ledger::run::row::{OrderId, Row};

/// Bytes of a rider identifier that a staged row holds.
pub const RIDER_BYTES: usize = 32;
/// Most digits of an order identifier that a staged row holds.
const ORDER_DIGITS: usize = 19;

/// A row on its way into a run.
#[derive(Clone, Copy, Debug)]
pub struct StagedRow {
    /// First bytes of the rider identifier, zeros behind a shorter one: identifiers contain no NUL, so that these bytes
    /// order as the identifiers do.
    pub rider: [u8; RIDER_BYTES],
    /// Start.
    pub accepted_at: UtcMillis,
    /// The order identifier's value, when it is one of up to nineteen digits.
    order: u64,
    /// Hash of the identity.
    pub hash: IdentityHash,
    /// Code of the dictionary entry in the writer's table.
    pub code: u32,
    /// Region.
    region: Region,
    /// Milliseconds from start to end.
    duration: u32,
    /// Position in the batch, or among the extra rows.
    pub at: u32,
    /// Bytes of the rider identifier; more than [`RIDER_BYTES`] when it continues elsewhere.
    rider_bytes: u8,
    /// Digits of the order identifier.
    order_digits: u8,
    /// Where the row is.
    pub body: Body,
}

/// Where the values of a staged row are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// All inline: an ended order of revision 0 without anything rare.
    Here,
    /// In the batch.
    Order,
    /// Among the extra rows: a tombstone, or a stored version with a new price.
    Extra,
}

impl StagedRow {
    /// A staged row without content, as a placeholder.
    pub const EMPTY: Self = Self {
        rider: [0; RIDER_BYTES],
        accepted_at: UtcMillis::new(0),
        order: 0,
        hash: IdentityHash::ZERO,
        code: 0,
        region: Region::NONE,
        duration: 0,
        at: 0,
        rider_bytes: 0,
        order_digits: 0,
        body: Body::Order,
    };

    /// The staged row of a batch's entry at position `at`; its dictionary entry is not known yet.
    #[inline]
    pub fn of_order(entry: &OrderEntry, rider: &[u8], order: &OrderId<'_>, at: u32) -> Self {
        let (digits, order) = small(order);
        let duration = entry.ended_at.and_then(|end| u32::try_from(end.since(entry.accepted_at)).ok());
        let body = match (order, duration) {
            (Some(_), Some(_)) if entry.revision == 0 && entry.extra == 0 && rider.len() <= RIDER_BYTES => {
                Body::Here
            }
            _ => Body::Order,
        };
        Self {
            rider: prefix_of(rider),
            accepted_at: entry.accepted_at,
            order: order.unwrap_or(0),
            hash: entry.hash,
            code: 0,
            region: entry.region,
            duration: duration.unwrap_or(0),
            at,
            rider_bytes: u8::try_from(rider.len()).unwrap_or(u8::MAX),
            order_digits: digits,
            body,
        }
    }

    /// The staged row of an extra row at position `at`.
    pub fn of_extra(rider: &[u8], accepted_at: UtcMillis, at: u32, code: u32) -> Self {
        Self {
            rider: prefix_of(rider),
            accepted_at,
            code,
            at,
            rider_bytes: u8::try_from(rider.len()).unwrap_or(u8::MAX),
            body: Body::Extra,
            ..Self::EMPTY
        }
    }

    /// The staged row of a stored row; with [`Body::Order`] when the staged row does not contain all of it, whose position `at` then
    /// is. Its commit and identity are not in the staged row.
    #[inline]
    pub fn of_row(row: &Row<'_>, at: u32) -> Self {
        let (digits, order) = small(&row.order_id);
        let duration = row.ended_at.and_then(|end| u32::try_from(end.since(row.accepted_at)).ok());
        let is_rare = row.revision != 0
            || row.fare.is_some()
            || row.previous_accepted_at.is_some()
            || row.moved_to.is_some();
        let rider = row.rider_id.as_bytes();
        let body = match (order, duration) {
            (Some(_), Some(_)) if !is_rare && rider.len() <= RIDER_BYTES => Body::Here,
            _ => Body::Order,
        };
        Self {
            rider: prefix_of(rider),
            accepted_at: row.accepted_at,
            order: order.unwrap_or(0),
            hash: IdentityHash::ZERO,
            code: row.code,
            region: row.region,
            duration: duration.unwrap_or(0),
            at,
            rider_bytes: u8::try_from(rider.len()).unwrap_or(u8::MAX),
            order_digits: digits,
            body,
        }
    }

    /// The same row, of this dictionary entry.
    #[inline]
    pub const fn with_code(mut self, code: u32) -> Self {
        self.code = code;
        self
    }

    /// Whether the whole rider identifier is here.
    pub fn holds_rider(&self) -> bool {
        usize::from(self.rider_bytes) <= RIDER_BYTES
    }

    /// The row, when all of it is here.
    #[inline]
    pub fn row(&self, commit: u64) -> Option<Row<'_>> {
        if self.body != Body::Here {
            return None;
        }
        let rider = self.rider.get(..usize::from(self.rider_bytes))?;
        Some(Row {
            rider_id: std::str::from_utf8(rider).ok()?,
            accepted_at: self.accepted_at,
            order_id: OrderId::Digits { count: self.order_digits, value: u128::from(self.order) },
            ended_at: Some(self.accepted_at.plus(i64::from(self.duration))),
            code: self.code,
            region: self.region,
            revision: 0,
            commit,
            fare: None,
            previous_accepted_at: None,
            moved_to: None,
        })
    }
}

/// Digits and value of an identifier that a staged row can contain.
#[inline]
fn small(order: &OrderId<'_>) -> (u8, Option<u64>) {
    match *order {
        OrderId::Digits { count, value } if usize::from(count) <= ORDER_DIGITS => {
            (count, u64::try_from(value).ok())
        }
        _ => (0, None),
    }
}

fn prefix_of(rider: &[u8]) -> [u8; RIDER_BYTES] {
    let mut prefix = [0; RIDER_BYTES];
    prefix.iter_mut().zip(rider).for_each(|(to, from)| *to = *from);
    prefix
}

/// Staged rows by day. The memory of one commit serves the next.
#[derive(Debug, Default)]
pub struct DayStagedRows {
    days: Vec<(LocalDay, Vec<StagedRow>)>,
    spare: Vec<Vec<StagedRow>>,
    last: usize,
}

impl DayStagedRows {
    /// Adds a staged row. Rows of a day mostly come together.
    #[inline]
    pub fn push(&mut self, day: LocalDay, staged: StagedRow) {
        if self.days.get(self.last).is_none_or(|(last, _)| *last != day) {
            let known = self.days.iter().position(|(known, _)| *known == day);
            self.last = known.unwrap_or_else(|| {
                self.days.push((day, self.spare.pop().unwrap_or_default()));
                self.days.len() - 1
            });
        }
        if let Some((_, staged_rows)) = self.days.get_mut(self.last) {
            staged_rows.push(staged);
        }
    }

    /// Takes the staged rows of all days, the earliest day first.
    pub fn take(&mut self) -> Vec<(LocalDay, Vec<StagedRow>)> {
        self.last = 0;
        let mut days = std::mem::take(&mut self.days);
        days.sort_unstable_by_key(|(day, _)| *day);
        days
    }

    /// Gives memory back.
    pub fn give_back(&mut self, mut staged_rows: Vec<StagedRow>) {
        staged_rows.clear();
        // A batch of many days leaves many small pieces: the large ones are worth keeping.
        if self.spare.len() < 2 {
            self.spare.push(staged_rows);
        }
    }
}
