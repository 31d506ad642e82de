//! Reading a block: rows one after the other, each column from front to back.

use super::FARE;
use super::HAS_COMMITS;
use super::HAS_EXTRAS;
use super::HAS_REVISIONS;
use super::KNOWN_FLAGS;
use super::MOVED;
use super::NO_END;
use super::PREVIOUS;
use super::ROWS_MAX;
use super::UNIFORM_ORDER_IDS;
use super::WIDE_FARE;
use super::digits_width;
use crate::domain::order::{REVISION_MAX, Region};
use crate::domain::time::UtcMillis;
use crate::ledger::codec::{CodecError, Decoded, Reader};
use crate::ledger::run::row::{OrderId, Row};
use rust_decimal::Decimal;
use std::cmp::Ordering;

/// Which rows of a block a reader wants.
#[derive(Clone, Copy, Debug)]
pub enum Select<'a> {
    /// All.
    All,
    /// Those of one rider.
    Rider(&'a str),
    /// Those at these positions, ascending ([`rows_of_orders`]).
    Rows(&'a [usize]),
}

/// Positions of the rows whose order identifier is wanted, ascending. Reads no other column.
pub fn rows_of_orders(body: &[u8], mut wanted: impl FnMut(&OrderId<'_>) -> bool) -> Decoded<Vec<usize>> {
    let mut columns = Columns::parse(body)?;
    let mut rows = Vec::new();
    for row in 0..columns.rows {
        if wanted(&columns.next_order_id()?) {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Calls `visit` with the selected rows of a block's body, in order, until it returns `false`.
///
/// Returns whether the last row was reached (the rider's rows may continue in the next block).
pub fn visit_block(
    body: &[u8],
    select: Select<'_>,
    mut visit: impl FnMut(&Row<'_>) -> bool,
) -> Decoded<bool> {
    let mut columns = Columns::parse(body)?;
    let mut wanted = match select {
        Select::Rider(wanted) => return visit_rider(&mut columns, wanted, visit),
        Select::Rows(positions) => Some(positions),
        Select::All => None,
    };
    let mut rider: Vec<u8> = Vec::with_capacity(64);
    let (mut first_row, mut skipped) = (0, 0);
    while first_row < columns.rows {
        let group = Group::next(&mut columns.riders, rider.len(), columns.rows - first_row)?;
        rider.truncate(group.shared);
        rider.extend_from_slice(group.rest);
        let rows = first_row..first_row + group.rows;
        first_row = rows.end;
        match wanted.map(<[usize]>::first) {
            Some(None) => return Ok(true),
            Some(Some(next)) if !rows.contains(next) => {
                skipped += group.rows;
                continue;
            }
            Some(Some(_)) | None => {}
        }
        columns.skip(std::mem::take(&mut skipped))?;
        let rider_id = std::str::from_utf8(&rider).map_err(|_| CodecError::Invalid("rider"))?;
        for nth in rows.clone() {
            let row = columns.next_row(rider_id, nth == rows.start)?;
            if let Some(positions) = &mut wanted {
                match positions.split_first() {
                    Some((&next, rest)) if next == nth => *positions = rest,
                    _ => continue,
                }
            }
            if !visit(&row) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The rows of one rider: names are compared until it comes, all other columns are passed over.
fn visit_rider(
    columns: &mut Columns<'_>,
    wanted: &str,
    mut visit: impl FnMut(&Row<'_>) -> bool,
) -> Decoded<bool> {
    let (before, rows) = match columns.seek(wanted.as_bytes())? {
        Sought::Found { before, rows } => (before, rows),
        Sought::Lacking { may_follow } => return Ok(may_follow),
    };
    columns.skip(before)?;
    for nth in 0..rows {
        if !visit(&columns.next_row(wanted, nth == 0)?) {
            return Ok(false);
        }
    }
    Ok(before + rows == columns.rows)
}

/// Where a rider's rows are.
enum Sought {
    Found {
        before: usize,
        rows: usize,
    },
    Lacking {
        /// They may be in the next block.
        may_follow: bool,
    },
}

/// A rider in the column of riders.
struct Group<'a> {
    /// Bytes of the name that it shares with the one before it,
    shared: usize,
    /// and the others.
    rest: &'a [u8],
    rows: usize,
}

impl<'a> Group<'a> {
    /// The next rider; the name before it has so many bytes, and so many rows are left.
    fn next(riders: &mut Reader<'a>, length: usize, rows_left: usize) -> Decoded<Self> {
        let shared = riders.number("shared prefix")?;
        if shared > length {
            return Err(CodecError::Invalid("shared prefix"));
        }
        let rest = riders.prefixed("rider")?;
        let rows = riders.number("rows of a rider")?;
        if rows == 0 || rows > rows_left {
            return Err(CodecError::Invalid("rows of a rider"));
        }
        Ok(Self { shared, rest, rows })
    }
}

/// The columns of a block, each read from front to back.
struct Columns<'a> {
    rows: usize,
    unit: i64,
    base: i64,
    commit_min: u64,
    riders: Reader<'a>,
    starts: Reader<'a>,
    durations: Reader<'a>,
    dictionary: Reader<'a>,
    regions: Reader<'a>,
    order_heads: Reader<'a>,
    uniform_head: Option<u8>,
    order_bytes: Reader<'a>,
    revisions: Option<Reader<'a>>,
    commits: Option<Reader<'a>>,
    extras: Option<Reader<'a>>,
    start: i64,
    region: i64,
}

impl<'a> Columns<'a> {
    /// Looks for a rider. Names ascend and are stored with what they share with the one before: a name that shares more than
    /// that one had in common with the wanted one is smaller too, and one that shares less is larger.
    fn seek(&self, wanted: &[u8]) -> Decoded<Sought> {
        let mut riders = self.riders.clone();
        let (mut before, mut length, mut common) = (0, 0, 0);
        while before < self.rows {
            let Group { shared, rest, rows } = Group::next(&mut riders, length, self.rows - before)?;
            length = shared + rest.len();
            let order = match shared.cmp(&common) {
                Ordering::Greater => Ordering::Less,
                Ordering::Less => Ordering::Greater,
                Ordering::Equal => {
                    let left = wanted.get(common..).unwrap_or_default();
                    common += rest.iter().zip(left).take_while(|(a, b)| a == b).count();
                    rest.cmp(left)
                }
            };
            match order {
                Ordering::Less => before += rows,
                Ordering::Equal => return Ok(Sought::Found { before, rows }),
                Ordering::Greater => return Ok(Sought::Lacking { may_follow: false }),
            }
        }
        Ok(Sought::Lacking { may_follow: true })
    }

    fn parse(body: &'a [u8]) -> Decoded<Self> {
        let mut reader = Reader::new(body);
        let rows: usize = reader.number("rows")?;
        let flags = reader.u8("flags")?;
        let unit = reader.signed("time unit")?;
        if rows > ROWS_MAX || flags & !KNOWN_FLAGS != 0 || !(unit == 1 || unit == 1_000) {
            return Err(CodecError::Invalid("block header"));
        }
        let base = reader.signed("smallest start")?;
        let commit_min = reader.varint("smallest commit")?;
        let mut column = |what| reader.prefixed(what).map(Reader::new);
        let (riders, starts, durations) = (column("riders")?, column("starts")?, column("durations")?);
        let (dictionary, regions) = (column("classes")?, column("regions")?);
        let (mut order_heads, order_bytes) = (column("order id heads")?, column("order ids")?);
        let uniform_head =
            if flags & UNIFORM_ORDER_IDS != 0 { Some(order_heads.u8("order id head")?) } else { None };
        let mut optional = |flag, what| if flags & flag != 0 { column(what).map(Some) } else { Ok(None) };
        let revisions = optional(HAS_REVISIONS, "revisions")?;
        let commits = optional(HAS_COMMITS, "commits")?;
        let extras = optional(HAS_EXTRAS, "extras")?;
        Ok(Self {
            rows,
            unit,
            base,
            commit_min,
            riders,
            starts,
            durations,
            dictionary,
            regions,
            order_heads,
            uniform_head,
            order_bytes,
            revisions,
            commits,
            extras,
            start: base,
            region: 0,
        })
    }

    fn scaled(&self, units: u64, what: &'static str) -> Decoded<i64> {
        i64::try_from(units).ok().and_then(|u| u.checked_mul(self.unit)).ok_or(CodecError::Invalid(what))
    }

    /// Passes over rows; the next one must be its rider's first.
    fn skip(&mut self, rows: usize) -> Decoded<()> {
        if rows == 0 {
            return Ok(());
        }
        self.starts.skip_varints(rows, "start")?;
        self.durations.skip_varints(rows, "duration")?;
        self.dictionary.skip_varints(rows, "dictionary code")?;
        self.regions.skip_varints(rows, "region")?;
        match self.uniform_head {
            Some(head) if head != 0 && usize::from(head) <= OrderId::DIGITS_MAX => {
                self.order_bytes.bytes(digits_width(head) * rows, "order id")?;
            }
            _ => {
                for _ in 0..rows {
                    self.next_order_id()?;
                }
            }
        }
        for column in [self.revisions.as_mut(), self.commits.as_mut()].into_iter().flatten() {
            column.skip_varints(rows, "a skipped column")?;
        }
        if self.extras.is_some() {
            for _ in 0..rows {
                self.next_extras()?;
            }
        }
        Ok(())
    }

    #[inline]
    fn next_row<'r>(&mut self, rider_id: &'r str, new_group: bool) -> Decoded<Row<'r>>
    where
        'a: 'r,
    {
        let units = self.starts.varint("start")?;
        let from = if new_group { self.base } else { self.start };
        self.start = from.checked_add(self.scaled(units, "start")?).ok_or(CodecError::Invalid("start"))?;
        let ended_at = match self.durations.varint("duration")? {
            NO_END => None,
            more => Some(UtcMillis::new(
                self.start
                    .checked_add(self.scaled(more - 1, "duration")?)
                    .ok_or(CodecError::Invalid("duration"))?,
            )),
        };
        let code = self.dictionary.number("dictionary code")?;
        let delta = self.regions.signed("region")?;
        let from = if new_group { 0 } else { self.region };
        self.region = from.checked_add(delta).ok_or(CodecError::Invalid("region"))?;
        let region = u32::try_from(self.region).ok().and_then(Region::from_code);
        let order_id = self.next_order_id()?;
        let revision = self.revisions.as_mut().map_or(Ok(0), |column| column.varint("revision"))?;
        let later = self.commits.as_mut().map_or(Ok(0), |column| column.varint("commit"))?;
        let commit = self.commit_min.checked_add(later).ok_or(CodecError::Invalid("commit"))?;
        let (fare, previous_accepted_at, moved_to) = self.next_extras()?;
        if revision > REVISION_MAX {
            return Err(CodecError::Invalid("revision"));
        }
        Ok(Row {
            rider_id,
            accepted_at: UtcMillis::new(self.start),
            order_id,
            ended_at,
            code,
            region: region.ok_or(CodecError::Invalid("region"))?,
            revision,
            commit,
            fare,
            previous_accepted_at,
            moved_to,
        })
    }

    #[inline]
    fn next_order_id(&mut self) -> Decoded<OrderId<'a>> {
        let head = match self.uniform_head {
            Some(head) => head,
            None => self.order_heads.u8("order id head")?,
        };
        if head == 0 {
            return self.order_bytes.text("order id").map(OrderId::Text);
        }
        if usize::from(head) > OrderId::DIGITS_MAX {
            return Err(CodecError::Invalid("order id head"));
        }
        let bytes = self.order_bytes.bytes(digits_width(head), "order id")?;
        let value = bytes.iter().fold(0u128, |value, &byte| (value << 8) | u128::from(byte));
        Ok(OrderId::Digits { count: head, value })
    }

    fn next_extras(&mut self) -> Decoded<(Option<Decimal>, Option<UtcMillis>, Option<UtcMillis>)> {
        let Some(column) = self.extras.as_mut() else { return Ok((None, None, None)) };
        let bits = column.u8("extras")?;
        let fare = if bits & FARE != 0 {
            let scale: u32 = column.number("fare's scale")?;
            let digits = column.signed("fare")?;
            Some(Decimal::try_new(digits, scale).map_err(|_| CodecError::Invalid("fare's scale"))?)
        } else if bits & WIDE_FARE != 0 {
            Some(Decimal::deserialize(column.array("fare")?))
        } else {
            None
        };
        let mut instant = |bit| {
            if bits & bit == 0 {
                Ok(None)
            } else {
                column.signed("extra instant").map(|ms| Some(UtcMillis::new(ms)))
            }
        };
        Ok((fare, instant(PREVIOUS)?, instant(MOVED)?))
    }
}
