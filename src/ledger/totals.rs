//! Totals of a run: net changes of counts and money by (platform, region, category) of the run's day.

use super::codec::{CodecError, Decoded, Reader, Writer};
use super::error::{LedgerError, Outcome};
use crate::domain::money::Micros;
use crate::domain::order::{Outcome as OrderOutcome, Region};
use crate::domain::posting::Charge;
use crate::domain::view::{Total, TotalKey};
use std::collections::BTreeMap;

/// Net totals of one day, keys with nothing left omitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayTotals {
    lines: BTreeMap<TotalKey, Total>,
}

/// What one order adds to its line.
pub fn total_of(charge: Charge, outcome: Option<OrderOutcome>) -> Total {
    let mut total = Total::default();
    match (charge, outcome) {
        (Charge::Charged { premium, .. }, _) => {
            total.orders_charged = 1;
            total.premium = premium;
        }
        (Charge::Unrated, _) => total.unrated = 1,
        (Charge::Uncharged, Some(OrderOutcome::Completed)) => total.uncharged_completed = 1,
        (Charge::Uncharged, Some(OrderOutcome::Cancelled)) => total.uncharged_cancelled = 1,
        (Charge::Uncharged, Some(OrderOutcome::Interrupted)) => total.uncharged_interrupted = 1,
        (Charge::Uncharged, Some(OrderOutcome::Transferred)) => total.uncharged_transferred = 1,
        (Charge::Uncharged, Some(OrderOutcome::Void) | None) | (Charge::None, _) => {}
    }
    total
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

fn sum(a: &Total, b: &Total) -> Option<Total> {
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
    pub fn add(&mut self, key: &TotalKey, change: &Total) -> Outcome<()> {
        if *change == Total::default() {
            return Ok(());
        }
        let overflow = || LedgerError::Overflow(format!("{} {} {}", key.platform, key.region, key.category));
        if let Some(line) = self.lines.get_mut(key) {
            *line = sum(line, change).ok_or_else(overflow)?;
            if *line == Total::default() {
                self.lines.remove(key);
            }
        } else {
            self.lines.insert(key.clone(), *change);
        }
        Ok(())
    }

    /// Adds every line of `other`.
    pub fn merge(&mut self, other: &Self) -> Outcome<()> {
        other.lines.iter().try_for_each(|(key, total)| self.add(key, total))
    }

    /// The lines, sorted by key.
    pub fn lines(&self) -> impl Iterator<Item = (&TotalKey, &Total)> {
        self.lines.iter()
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The stored form: text is written where it changes, counts that are zero take one bit.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.lines.len() * 12);
        out.put_len(self.lines.len());
        let (mut platform, mut region) = ("", 0);
        for (key, total) in &self.lines {
            if key.platform == platform {
                out.push(0);
            } else {
                out.put_prefixed(key.platform.as_bytes());
                (platform, region) = (&key.platform, 0);
            }
            out.put_signed(i64::from(key.region.code()) - region);
            region = i64::from(key.region.code());
            out.put_prefixed(key.category.as_bytes());
            let counts = counts_of(total);
            let bits = counts.iter().rev().fold(0, |bits, &count| (bits << 1) | u8::from(count != 0));
            out.push(bits);
            counts.iter().filter(|&&count| count != 0).for_each(|&count| out.put_signed(count));
        }
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut totals = Self::default();
        if bytes.is_empty() {
            return Ok(totals);
        }
        let mut reader = Reader::new(bytes);
        let (mut platform, mut region) = (String::new(), 0i64);
        for _ in 0..reader.count(4, "totals lines")? {
            let text = reader.text("platform")?;
            if !text.is_empty() {
                (platform, region) = (text.to_owned(), 0);
            }
            region = region.checked_add(reader.signed("region")?).ok_or(CodecError::Invalid("region"))?;
            let code = u32::try_from(region)
                .ok()
                .and_then(Region::from_code)
                .ok_or(CodecError::Invalid("region"))?;
            let category = reader.text("category")?.to_owned();
            let bits = reader.u8("counts")?;
            let mut counts = [0i64; 7];
            for (at, count) in counts.iter_mut().enumerate() {
                if bits >> at & 1 == 1 {
                    *count = reader.signed("count")?;
                }
            }
            let key = TotalKey { platform: platform.clone(), region: code, category };
            totals.lines.insert(key, total_from(counts));
        }
        reader.end("totals")?;
        Ok(totals)
    }
}

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
                let key = TotalKey { platform, region: Region::from_code(region).unwrap(), category };
                totals.add(&key, &total_from(counts)).unwrap();
            }
            prop_assert_eq!(DayTotals::decode(&totals.encode()).unwrap(), totals.clone());
            let mut twice = totals.clone();
            twice.merge(&totals).unwrap();
            for (key, total) in totals.lines() {
                twice.add(key, &scaled(total, -2).unwrap()).unwrap();
            }
            prop_assert!(twice.is_empty());
        }

        #[test]
        fn any_bytes_are_an_error_at_worst(bytes: Vec<u8>) {
            drop(DayTotals::decode(&bytes));
        }
    }
}
