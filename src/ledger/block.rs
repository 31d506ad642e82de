//! A block: up to [`ROWS_MAX`] rows of one run, sorted by (rider, start), in columns.
//!
//! Layout of the body (all counts and lengths are variable-length integers, columns with their length before them):
//! rows, flags, time unit, smallest start, smallest commit, then the columns riders, starts, durations, classes, regions,
//! order ids, and as the flags say revisions, commits, extras. Riders stand once a group, front-coded; starts are
//! differences within a rider; durations count in the block's time unit.

use super::codec::{CodecError, Decoded, Reader, Writer};
use super::row::{OrderId, Row};
use crate::domain::order::{REVISION_MAX, Region};
use crate::domain::time::UtcMillis;
use rust_decimal::Decimal;
use std::cmp::Ordering;

/// Rows of a full block.
pub const ROWS_MAX: usize = 1_024;

const HAS_REVISIONS: u8 = 1;
const HAS_COMMITS: u8 = 2;
const HAS_EXTRAS: u8 = 4;
const UNIFORM_ORDER_IDS: u8 = 8;
const KNOWN_FLAGS: u8 = 15;

/// Presence bits of the extras column.
const FARE: u8 = 1;
const PREVIOUS: u8 = 2;
const MOVED: u8 = 4;
/// The fare's digits do not fit 64 bits: it takes sixteen bytes instead of two to four.
const WIDE_FARE: u8 = 8;
/// A duration of 0 means "no end"; real durations are stored plus one.
const NO_END: u64 = 0;

/// Collects rows and writes them as a block. Buffers are kept between blocks.
#[derive(Debug, Default)]
pub struct BlockBuilder {
    rider: Vec<u8>,
    group_rows: usize,
    riders: Vec<u8>,
    starts: Vec<i64>,
    group_starts: Vec<bool>,
    ends: Vec<Option<i64>>,
    classes: Vec<u8>,
    regions: Vec<u8>,
    region: u32,
    order_heads: Vec<u8>,
    order_bytes: Vec<u8>,
    revisions: Vec<u64>,
    commits: Vec<u64>,
    extras: Vec<u8>,
    has_extras: bool,
    column: Vec<u8>,
}

impl BlockBuilder {
    /// Rows collected so far.
    pub fn rows(&self) -> usize {
        self.starts.len()
    }

    /// Whether the block has no room for another row.
    pub fn is_full(&self) -> bool {
        self.rows() >= ROWS_MAX
    }

    /// Adds the next row; rows come in the order of their place.
    pub fn push(&mut self, row: &Row<'_>) {
        let first = self.starts.is_empty();
        let new_group = first || self.rider != row.rider_id.as_bytes();
        if new_group {
            self.close_group(row.rider_id.as_bytes(), first);
        }
        self.group_rows += 1;
        self.group_starts.push(new_group);
        self.starts.push(row.accepted_at.millis());
        self.ends.push(row.ended_at.map(UtcMillis::millis));
        self.classes.put_varint(u64::from(row.class));
        self.regions.put_signed(i64::from(row.region.code()) - i64::from(self.region));
        self.region = row.region.code();
        self.push_order_id(&row.order_id);
        self.revisions.push(row.revision);
        self.commits.push(row.commit);
        self.push_extras(row);
    }

    fn close_group(&mut self, next: &[u8], first: bool) {
        if !first {
            self.riders.put_len(self.group_rows);
        }
        let shared = if first { 0 } else { self.rider.iter().zip(next).take_while(|(a, b)| a == b).count() };
        self.riders.put_len(shared);
        self.riders.put_prefixed(next.get(shared..).unwrap_or_default());
        self.rider.clear();
        self.rider.extend_from_slice(next);
        self.group_rows = 0;
    }

    fn push_order_id(&mut self, id: &OrderId<'_>) {
        match *id {
            OrderId::Digits { count, value } => {
                self.order_heads.push(count);
                let bytes = value.to_be_bytes();
                let from = bytes.len() - digits_width(count);
                self.order_bytes.extend_from_slice(bytes.get(from..).unwrap_or_default());
            }
            OrderId::Text(text) => {
                self.order_heads.push(0);
                self.order_bytes.put_prefixed(text.as_bytes());
            }
        }
    }

    fn push_extras(&mut self, row: &Row<'_>) {
        let mut bits = 0;
        let at = self.extras.len();
        self.extras.push(0);
        if let Some(fare) = row.fare {
            match i64::try_from(fare.mantissa()) {
                Ok(digits) => {
                    bits |= FARE;
                    self.extras.put_varint(u64::from(fare.scale()));
                    self.extras.put_signed(digits);
                }
                Err(_) => {
                    bits |= WIDE_FARE;
                    self.extras.extend_from_slice(&fare.serialize());
                }
            }
        }
        if let Some(previous) = row.previous_accepted_at {
            bits |= PREVIOUS;
            self.extras.put_signed(previous.millis());
        }
        if let Some(moved_to) = row.moved_to {
            bits |= MOVED;
            self.extras.put_signed(moved_to.millis());
        }
        if let Some(head) = self.extras.get_mut(at) {
            *head = bits;
        }
        self.has_extras |= bits != 0;
    }

    /// Writes the block's body to `out` and starts the next block.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.riders.put_len(self.group_rows);
        let base = self.starts.iter().copied().min().unwrap_or(0);
        let whole_seconds = self.starts.iter().all(|start| start % 1_000 == 0)
            && self.ends.iter().flatten().all(|end| end % 1_000 == 0);
        let unit = if whole_seconds { 1_000 } else { 1 };
        let commit_min = self.commits.iter().copied().min().unwrap_or(0);
        let uniform =
            self.order_heads.first().copied().filter(|head| self.order_heads.iter().all(|h| h == head));
        let mut flags = 0;
        flags |= if self.revisions.iter().any(|&r| r != 0) { HAS_REVISIONS } else { 0 };
        flags |= if self.commits.iter().any(|&c| c != commit_min) { HAS_COMMITS } else { 0 };
        flags |= if self.has_extras { HAS_EXTRAS } else { 0 };
        flags |= if uniform.is_some() { UNIFORM_ORDER_IDS } else { 0 };
        out.put_len(self.rows());
        out.push(flags);
        out.put_signed(unit);
        out.put_signed(base);
        out.put_varint(commit_min);
        out.put_prefixed(&self.riders);
        self.column.clear();
        let mut before = base;
        for (&start, &new_group) in self.starts.iter().zip(&self.group_starts) {
            let from = if new_group { base } else { before };
            self.column.put_varint(((start - from) / unit).cast_unsigned());
            before = start;
        }
        out.put_prefixed(&self.column);
        self.column.clear();
        for (&start, &end) in self.starts.iter().zip(&self.ends) {
            let duration = end.map_or(NO_END, |end| ((end - start) / unit).cast_unsigned() + 1);
            self.column.put_varint(duration);
        }
        out.put_prefixed(&self.column);
        out.put_prefixed(&self.classes);
        out.put_prefixed(&self.regions);
        out.put_prefixed(uniform.as_ref().map_or(&self.order_heads, std::slice::from_ref));
        out.put_prefixed(&self.order_bytes);
        self.finish_optional(flags, commit_min, out);
        self.clear();
    }

    fn finish_optional(&mut self, flags: u8, commit_min: u64, out: &mut Vec<u8>) {
        if flags & HAS_REVISIONS != 0 {
            self.column.clear();
            self.revisions.iter().for_each(|&revision| self.column.put_varint(revision));
            out.put_prefixed(&self.column);
        }
        if flags & HAS_COMMITS != 0 {
            self.column.clear();
            self.commits.iter().for_each(|&commit| self.column.put_varint(commit - commit_min));
            out.put_prefixed(&self.column);
        }
        if flags & HAS_EXTRAS != 0 {
            out.put_prefixed(&self.extras);
        }
    }

    fn clear(&mut self) {
        self.rider.clear();
        self.group_rows = 0;
        self.riders.clear();
        self.starts.clear();
        self.group_starts.clear();
        self.ends.clear();
        self.classes.clear();
        self.regions.clear();
        self.region = 0;
        self.order_heads.clear();
        self.order_bytes.clear();
        self.revisions.clear();
        self.commits.clear();
        self.extras.clear();
        self.has_extras = false;
    }
}

/// Bytes that hold any number of `count` digits.
fn digits_width(count: u8) -> usize {
    // log2(10) = 3.3219...: bits = ceil(count * 3.3220).
    (usize::from(count) * 33_220).div_ceil(80_000).min(16)
}

/// Which rows of a block a reader wants.
#[derive(Clone, Copy, Debug)]
pub enum Select<'a> {
    /// All.
    All,
    /// Those of one rider.
    Rider(&'a str),
}

/// Calls `visit` with the selected rows of a block's body, in order, until it returns `false`.
///
/// Returns whether the last row was reached (the rider's rows may go on in the next block).
pub fn visit_block(
    body: &[u8],
    select: Select<'_>,
    mut visit: impl FnMut(&Row<'_>) -> bool,
) -> Decoded<bool> {
    let mut columns = Columns::parse(body)?;
    // Most blocks that may hold a rider do not: then its name is all that is read.
    if let Select::Rider(wanted) = select
        && let Some(reached_end) = columns.lacks(wanted.as_bytes())?
    {
        return Ok(reached_end);
    }
    let mut rider: Vec<u8> = Vec::with_capacity(64);
    let mut rows_left = columns.rows;
    // Rows of other riders before the wanted one.
    let mut skipped = 0;
    while rows_left > 0 {
        let shared: usize = columns.riders.number("shared prefix")?;
        if shared > rider.len() {
            return Err(CodecError::Invalid("shared prefix"));
        }
        rider.truncate(shared);
        rider.extend_from_slice(columns.riders.prefixed("rider")?);
        let group_rows: usize = columns.riders.number("rows of a rider")?;
        if group_rows == 0 || group_rows > rows_left {
            return Err(CodecError::Invalid("rows of a rider"));
        }
        rows_left -= group_rows;
        match select {
            Select::Rider(wanted) if rider.as_slice() > wanted.as_bytes() => return Ok(false),
            Select::Rider(wanted) if rider.as_slice() < wanted.as_bytes() => {
                skipped += group_rows;
                continue;
            }
            Select::All | Select::Rider(_) => {}
        }
        columns.skip(std::mem::take(&mut skipped))?;
        let rider_id = std::str::from_utf8(&rider).map_err(|_| CodecError::Invalid("rider"))?;
        for nth in 0..group_rows {
            let row = columns.next_row(rider_id, nth == 0)?;
            if !visit(&row) {
                return Ok(false);
            }
        }
    }
    Ok(true)
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
    classes: Reader<'a>,
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
    /// `None` when the block holds rows of the rider, else whether they may go on in the next block.
    fn lacks(&self, wanted: &[u8]) -> Decoded<Option<bool>> {
        let mut riders = self.riders.clone();
        let mut rider: Vec<u8> = Vec::with_capacity(64);
        let mut rows_left = self.rows;
        while rows_left > 0 {
            let shared: usize = riders.number("shared prefix")?;
            rider.truncate(shared);
            rider.extend_from_slice(riders.prefixed("rider")?);
            match rider.as_slice().cmp(wanted) {
                Ordering::Less => {}
                Ordering::Equal => return Ok(None),
                Ordering::Greater => return Ok(Some(false)),
            }
            rows_left = rows_left.saturating_sub(riders.number("rows of a rider")?);
        }
        Ok(Some(true))
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
        let (classes, regions) = (column("classes")?, column("regions")?);
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
            classes,
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
        self.classes.skip_varints(rows, "class")?;
        for _ in 0..rows {
            let delta = self.regions.signed("region")?;
            self.region = self.region.checked_add(delta).ok_or(CodecError::Invalid("region"))?;
        }
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
        let class = self.classes.number("class")?;
        let delta = self.regions.signed("region")?;
        self.region = self.region.checked_add(delta).ok_or(CodecError::Invalid("region"))?;
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
            class,
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(rows: &[Row<'_>]) -> Result<Vec<u8>, TestCaseError> {
        let mut builder = BlockBuilder::default();
        let mut out = Vec::new();
        // Twice: buffers are reused between blocks.
        for _ in 0..2 {
            out.clear();
            rows.iter().for_each(|row| builder.push(row));
            builder.finish(&mut out);
        }
        let mut at = 0;
        visit_block(&out, Select::All, |row| {
            assert_eq!(row, &rows[at]);
            at += 1;
            true
        })
        .unwrap();
        prop_assert_eq!(at, rows.len());
        Ok(out)
    }

    type Draft = (u8, i64, Option<i64>, String, u32, (u64, u64), (Option<i64>, Option<i64>, Option<i64>));

    fn drafts() -> impl Strategy<Value = Vec<Draft>> {
        let id = prop_oneof!["[0-9]{19}", "[0-9]{1,38}", "[a-z0-9-]{1,12}"];
        let extras = (
            prop::option::weighted(0.1, prop_oneof![0i64..1_000_000, Just(i64::MAX)]),
            prop::option::weighted(0.1, any::<i32>().prop_map(i64::from)),
            prop::option::weighted(0.1, any::<i32>().prop_map(i64::from)),
        );
        let row = (
            0u8..20,
            0i64..4_000_000_000_000,
            prop::option::of(0i64..90_000_000),
            id,
            0u32..1_000_000,
            (prop_oneof![Just(0), 0..=REVISION_MAX], 1u64..9),
            extras,
        );
        prop::collection::vec(row, 1..80)
    }

    proptest! {
        #[test]
        fn blocks_go_there_and_back(mut drafts in drafts(), second in any::<bool>()) {
            drafts.sort_by_key(|d| (d.0, d.1));
            let unit = if second { 1_000 } else { 1 };
            let riders: Vec<String> = drafts.iter().map(|d| format!("rider-{:03}", d.0)).collect();
            let rows: Vec<Row<'_>> = drafts.iter().zip(&riders).map(|(d, rider_id)| Row {
                rider_id,
                accepted_at: UtcMillis::new(d.1 / unit * unit),
                order_id: OrderId::pack(&d.3),
                ended_at: d.2.map(|duration| UtcMillis::new((d.1 / unit + duration / unit) * unit)),
                class: u32::from(d.0) * 100,
                region: Region::from_code(d.4).unwrap(),
                revision: d.5.0,
                commit: d.5.1,
                fare: d.6.0.map(|cents| match cents {
                    i64::MAX => Decimal::MAX,
                    cents => Decimal::new(cents, 2),
                }),
                previous_accepted_at: d.6.1.map(UtcMillis::new),
                moved_to: d.6.2.map(UtcMillis::new),
            }).collect();
            let bytes = check(&rows)?;
            let wanted = rows[rows.len() / 2].rider_id;
            let mut found = Vec::new();
            visit_block(&bytes, Select::Rider(wanted), |row| { found.push(row.accepted_at); true }).unwrap();
            let expected: Vec<_> = rows.iter().filter(|r| r.rider_id == wanted).map(|r| r.accepted_at).collect();
            prop_assert_eq!(found, expected);
            for (row, draft) in rows.iter().zip(&drafts) {
                let mut buffer = String::new();
                prop_assert_eq!(row.order_id.text(&mut buffer), draft.3.as_str());
            }
        }

        #[test]
        fn damaged_blocks_are_an_error_at_worst(mut bytes: Vec<u8>, flags: u8) {
            drop(visit_block(&bytes, Select::All, |_| true));
            if let Some(at) = bytes.get_mut(1) { *at = flags; }
            drop(visit_block(&bytes, Select::All, |_| true));
        }
    }
}
