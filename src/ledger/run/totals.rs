//! Net changes of counts and money by (platform, region, category) of one day and booking period.

use crate::domain::charge::{Charge, ChargeSource, Price};
use crate::domain::money::Micros;
use crate::domain::order::{Outcome as OrderOutcome, Region};
use crate::domain::posting::Posting;
use crate::domain::totals::{Total, TotalKey};
use crate::ledger::codec::{CodecError, Decoded, Reader, Writer};
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::run::charges::{source_code, source_of};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The lines of one platform, category and source of charges: regions ascending, none without a count.
pub type Lines = Vec<(Region, Total)>;

/// Net totals of one day, in one booking period or in all: lines by platform, category, source and region, those with nothing left omitted.
///
/// Platforms and categories are few and regions thousands, so that a commit's changes are long sorted lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayTotals {
    platforms: BTreeMap<String, BTreeMap<(String, ChargeSource), Lines>>,
}

/// What one order adds to its line.
pub fn total_of(charge: &Charge, outcome: Option<OrderOutcome>) -> Total {
    let mut total = Total::default();
    match (charge.price, outcome) {
        (Price::Charged { premium, .. }, _) => {
            total.orders_charged = 1;
            total.premium = premium;
        }
        (Price::Unrated, _) => total.unrated = 1,
        (Price::Uncharged, Some(OrderOutcome::Completed)) => total.uncharged_completed = 1,
        (Price::Uncharged, Some(OrderOutcome::Cancelled)) => total.uncharged_cancelled = 1,
        (Price::Uncharged, Some(OrderOutcome::Interrupted)) => total.uncharged_interrupted = 1,
        (Price::Uncharged, Some(OrderOutcome::Transferred)) => total.uncharged_transferred = 1,
        (Price::Uncharged, Some(OrderOutcome::Void) | None) | (Price::None, _) => {}
    }
    total
}

/// The statement line of a version, and what it adds to it.
pub fn line_of(posting: &Posting) -> (TotalKey, Total) {
    let key = TotalKey {
        platform: posting.platform.clone(),
        region: posting.region,
        category: posting.category.clone(),
        source: posting.charge.source,
    };
    (key, total_of(&posting.charge, posting.outcome))
}

/// `total` taken `times` (negative to reverse).
pub fn scaled(total: &Total, times: i64) -> Option<Total> {
    Some(Total {
        orders_charged: total.orders_charged.checked_mul(times)?,
        premium: Micros::new(total.premium.get().checked_mul(times)?),
        uncharged_completed: total.uncharged_completed.checked_mul(times)?,
        uncharged_cancelled: total.uncharged_cancelled.checked_mul(times)?,
        uncharged_interrupted: total.uncharged_interrupted.checked_mul(times)?,
        uncharged_transferred: total.uncharged_transferred.checked_mul(times)?,
        unrated: total.unrated.checked_mul(times)?,
    })
}

/// Both together; `None` when a count or an amount leaves its range.
pub fn sum(a: &Total, b: &Total) -> Option<Total> {
    Some(Total {
        orders_charged: a.orders_charged.checked_add(b.orders_charged)?,
        premium: a.premium.checked_add(b.premium)?,
        uncharged_completed: a.uncharged_completed.checked_add(b.uncharged_completed)?,
        uncharged_cancelled: a.uncharged_cancelled.checked_add(b.uncharged_cancelled)?,
        uncharged_interrupted: a.uncharged_interrupted.checked_add(b.uncharged_interrupted)?,
        uncharged_transferred: a.uncharged_transferred.checked_add(b.uncharged_transferred)?,
        unrated: a.unrated.checked_add(b.unrated)?,
    })
}

impl DayTotals {
    /// Adds to a line.
    pub fn add(&mut self, key: &TotalKey, change: &Total) -> LedgerResult<()> {
        self.add_lines(&key.platform, (&key.category, key.source), &[(key.region, *change)])
    }

    /// Adds to lines of one platform, category and source, whose regions ascend.
    pub fn add_lines(
        &mut self,
        platform: &str,
        (category, source): (&str, ChargeSource),
        more: &[(Region, Total)],
    ) -> LedgerResult<()> {
        if !self.platforms.contains_key(platform) {
            self.platforms.insert(platform.to_owned(), BTreeMap::new());
        }
        let Some(categories) = self.platforms.get_mut(platform) else { return Ok(()) };
        let key = (category.to_owned(), source);
        let before = categories.remove(&key).unwrap_or_default();
        let merged = merged(&before, more)
            .map_err(|region| LedgerError::Overflow(format!("{platform} {region} {category}")))?;
        if !merged.is_empty() {
            categories.insert(key, merged);
        } else if categories.is_empty() {
            self.platforms.remove(platform);
        }
        Ok(())
    }

    /// Adds every line of `other`.
    pub fn merge(&mut self, other: &Self) -> LedgerResult<()> {
        other.groups().try_for_each(|(platform, group, lines)| self.add_lines(platform, group, lines))
    }

    /// The lines by platform, category and source, regions ascending.
    pub fn groups(&self) -> impl Iterator<Item = (&str, (&str, ChargeSource), &Lines)> {
        self.platforms.iter().flat_map(|(platform, categories)| {
            let groups = categories.iter();
            groups.map(move |((category, source), lines)| {
                (platform.as_str(), (category.as_str(), *source), lines)
            })
        })
    }

    /// The lines, sorted by key.
    pub fn lines(&self) -> Vec<(TotalKey, Total)> {
        let mut lines: Vec<(TotalKey, Total)> = self
            .groups()
            .flat_map(|(platform, (category, source), lines)| {
                lines.iter().map(move |&(region, total)| {
                    let (platform, category) = (platform.to_owned(), category.to_owned());
                    (TotalKey { platform, region, category, source }, total)
                })
            })
            .collect();
        lines.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        lines
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.platforms.is_empty()
    }

    /// Appends the stored form: regions as differences, counts that are zero take one bit, and of the premium what one price
    /// for all charged orders of a platform and category does not explain.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_len(self.groups().count());
        for (platform, (category, source), lines) in self.groups() {
            out.put_prefixed(platform.as_bytes());
            out.put_prefixed(category.as_bytes());
            out.push(source_code(source));
            let unit = usual_premium(lines);
            out.put_signed(unit);
            out.put_len(lines.len());
            let mut before = 0;
            for (region, total) in lines {
                out.put_varint(u64::from(region.code() - before));
                before = region.code();
                let mut counts = counts_of(total);
                counts[PREMIUM] = total.premium.get().wrapping_sub(total.orders_charged.wrapping_mul(unit));
                let bits = counts.iter().rev().fold(0, |bits, &count| (bits << 1) | u8::from(count != 0));
                out.push(bits);
                counts.iter().filter(|&&count| count != 0).for_each(|&count| out.put_signed(count));
            }
        }
    }

    /// Reads the stored form.
    pub fn decode(reader: &mut Reader<'_>) -> Decoded<Self> {
        let mut totals = Self::default();
        for _ in 0..reader.count(4, "totals")? {
            let platform = reader.text("platform")?.to_owned();
            let category = reader.text("category")?.to_owned();
            let source = source_of(reader.u8("source of charges")?)?;
            let unit = reader.signed("usual premium")?;
            let lines = decode_lines(reader, unit)?;
            let categories = totals.platforms.entry(platform).or_default();
            if lines.is_empty() || categories.insert((category, source), lines).is_some() {
                return Err(CodecError::Invalid("totals of a category"));
            }
        }
        Ok(totals)
    }
}

fn decode_lines(reader: &mut Reader<'_>, unit: i64) -> Decoded<Lines> {
    let mut lines = Lines::new();
    let mut before: Option<u32> = None;
    for _ in 0..reader.count(2, "totals lines")? {
        let more: u32 = reader.number("region")?;
        let code = before.map_or(Some(more), |before| before.checked_add(more).filter(|_| more > 0));
        let region = code.and_then(Region::from_code).ok_or(CodecError::Invalid("region"))?;
        before = code;
        let bits = reader.u8("counts")?;
        let mut counts = [0i64; 7];
        for (at, count) in counts.iter_mut().enumerate() {
            if bits >> at & 1 == 1 {
                *count = reader.signed("count")?;
            }
        }
        counts[PREMIUM] = counts[PREMIUM].wrapping_add(counts[CHARGED].wrapping_mul(unit));
        lines.push((region, total_from(counts)));
    }
    Ok(lines)
}

/// The sum of two sorted lists; the region at fault when a count or an amount leaves its range.
fn merged(a: &[(Region, Total)], b: &[(Region, Total)]) -> Result<Lines, Region> {
    let mut out = Lines::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        let order = match (a.peek(), b.peek()) {
            (Some(x), Some(y)) => x.0.cmp(&y.0),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return Ok(out),
        };
        let from_a = if order.is_le() { a.next() } else { None };
        let from_b = if order.is_ge() { b.next() } else { None };
        let (region, total) = match (from_a, from_b) {
            (Some((region, a)), Some((_, b))) => (*region, sum(a, b).ok_or(*region)?),
            (Some(line), None) | (None, Some(line)) => *line,
            (None, None) => return Ok(out),
        };
        if total != Total::default() {
            out.push((region, total));
        }
    }
}

/// The price of the first line whose charged orders cost the same each.
fn usual_premium(lines: &[(Region, Total)]) -> i64 {
    let each = |total: &Total| {
        let (premium, orders) = (total.premium.get(), total.orders_charged);
        (premium.checked_rem(orders) == Some(0)).then(|| premium.checked_div(orders)).flatten()
    };
    lines.iter().find_map(|(_, total)| each(total)).unwrap_or(0)
}

/// Places in [`counts_of`].
const CHARGED: usize = 0;
const PREMIUM: usize = 1;

fn counts_of(t: &Total) -> [i64; 7] {
    [
        t.orders_charged,
        t.premium.get(),
        t.uncharged_completed,
        t.uncharged_cancelled,
        t.uncharged_interrupted,
        t.uncharged_transferred,
        t.unrated,
    ]
}

fn total_from(
    [charged, premium, completed, cancelled, interrupted, transferred, unrated]: [i64; 7],
) -> Total {
    Total {
        orders_charged: charged,
        premium: Micros::new(premium),
        uncharged_completed: completed,
        uncharged_cancelled: cancelled,
        uncharged_interrupted: interrupted,
        uncharged_transferred: transferred,
        unrated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn totals_go_there_and_back(
            lines in prop::collection::vec(("[a-c]{1,2}", 0u32..9, "[xy]", prop::array::uniform7(-3i64..9)), 0..40)
        ) {
            let mut totals = DayTotals::default();
            for (platform, region, category, counts) in lines {
                let key = TotalKey { platform, region: Region::from_code(region).unwrap(), category, source: ChargeSource::Order };
                totals.add(&key, &total_from(counts)).unwrap();
            }
            let mut stored = Vec::new();
            totals.encode(&mut stored);
            prop_assert_eq!(DayTotals::decode(&mut Reader::new(&stored)).unwrap(), totals.clone());
            let mut twice = totals.clone();
            twice.merge(&totals).unwrap();
            for (key, total) in totals.lines() {
                twice.add(&key, &scaled(&total, -2).unwrap()).unwrap();
            }
            prop_assert!(twice.is_empty());
        }

        #[test]
        fn any_bytes_are_an_error_at_worst(bytes: Vec<u8>) {
            drop(DayTotals::decode(&mut Reader::new(&bytes)));
        }
    }
}
